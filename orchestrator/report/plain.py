"""Text from elsewhere (prompts, names) made fit for one line of a terminal."""

from __future__ import annotations

import unicodedata

# Marks that turn the direction of the text around them: with these, a line can read as what it is not.
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str, limit: int | None = None) -> str:
    """At most `limit` characters, with white space of any kind as single spaces and control characters left out."""
    words = " ".join(text.split())
    line = "".join(
        char for char in words if unicodedata.category(char) not in ("Cc", "Cs") and char not in _DIRECTION_MARKS
    )
    return line[:limit].rstrip()
