"""A provider, a strategy, a confidence signal and a command for orch."""
