"""Adapters: one file for each provider API, over the provider's own SDK."""
