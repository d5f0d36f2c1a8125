"""A command of the user's own, as one text, taken apart into its words."""

from __future__ import annotations

import os
import shlex

WINDOWS = os.name == "nt"


def words_of(command: str, *, windows: bool = WINDOWS) -> list[str]:
    """The words as a shell would have them. On Windows a backslash parts folders, and quotes are double ones.

    Raises ValueError for a quote that is not closed.
    """
    if not windows:
        return shlex.split(command)
    parts = shlex.shlex(command, posix=True, punctuation_chars=False)
    parts.whitespace_split, parts.commenters, parts.escape, parts.quotes = True, "", "", '"'
    return list(parts)
