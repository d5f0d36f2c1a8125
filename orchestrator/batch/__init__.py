"""Thousands of prompts from a file: read, asked, and written down, each once, whatever stops it on the way."""
