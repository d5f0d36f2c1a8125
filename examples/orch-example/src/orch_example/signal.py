"""Whether an answer leaves work to whoever asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.plugin_api import Answer, Signal

LEFT_OPEN = -1.5  # logits: an answer of 0.73 comes to 0.38, which is not accepted by default
_PLACEHOLDER = re.compile(r"\bTODO\b|your code here|lorem ipsum", re.IGNORECASE)
_MOST_READ = 20_000  # characters


def placeholder(answer: Answer) -> Iterator[Signal]:
    """A placeholder in the text."""
    found = _PLACEHOLDER.search(answer.text[:_MOST_READ])
    if found is not None:
        yield Signal("placeholder", LEFT_OPEN, f"leaves a placeholder: {found[0]}")
