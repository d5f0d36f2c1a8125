"""One prompt answered, from its plan to its result."""
