"""Text from elsewhere (prompts, names) made fit for one line of a terminal."""

from __future__ import annotations

from ..unseen import without_unseen


def one_line(text: str, limit: int | None = None) -> str:
    """At most `limit` characters, with white space of any kind as single spaces and unseen characters left out."""
    return without_unseen(" ".join(text.split()))[:limit].rstrip()
