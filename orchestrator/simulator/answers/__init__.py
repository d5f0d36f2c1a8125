"""What a model of a given strength says: deterministic, without state, and the same on every machine."""
