"""A conversation in the terminal: `orch chat`."""
