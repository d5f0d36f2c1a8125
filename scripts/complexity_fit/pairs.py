"""Which two models each set of recorded outcomes is judged by."""

from __future__ import annotations

# The weak and the strong model of each set, by which it is judged.
PAIRS: dict[str, tuple[str, str]] = {
    "gsm8k": ("mixtral-8x7b-instruct", "gpt-4-1106-preview"),
    "mmlu": ("mixtral-8x7b-instruct", "gpt-4-1106-preview"),
    "arena": ("claude-3-haiku-20240307", "gemini-2.0-flash-001"),
    "nine": ("gemma-2-9b-it", "llama-3.1-nemotron-51b-instruct"),
    "mmlupro": ("Mixtral-8x7B-Instruct-v0.1", "Meta-Llama-3_1-70B-Instruct"),
    "crux": ("claude-3-haiku-20240307", "claude-3-5-sonnet-20241022"),
    "math_l5": ("gpt-4o-mini-2024-07-18", "o1-mini-2024-09-12"),
}
