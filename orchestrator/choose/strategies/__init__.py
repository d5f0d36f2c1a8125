"""The strategies: one file each, from a `Situation` to a `Decision`."""
