"""Checks what a run asks of the semantic cache, before anything is sent."""

from __future__ import annotations

from ..config import RunOptions
from ..errors import UsageError, did_you_mean
from ..reading.embedding import LOCAL, check_installed
from ..registry.embeddings import find_embedding
from ..registry.model import Registry
from ..types import Task


def check_semantic(options: RunOptions, registry: Registry) -> None:
    """Raises UsageError for a kind of task or an embedding model that there is not, ConfigError if the local one is not
    installed."""
    if not options.semantic_cache:
        if (spelled := options.given.get("embedding")) is not None:
            raise UsageError(f"{spelled} needs the semantic cache", hint="for example: --semantic-cache explanation")
        return
    for each in options.semantic_cache:
        if each not in list(Task):
            hint = did_you_mean(str(each), Task) or f"there are: {', '.join(Task)}"
            raise UsageError(f"the semantic cache takes kinds of task, not {str(each)[:60]!r}", hint=hint)
    if options.embedding == LOCAL:
        check_installed()
    else:
        find_embedding(registry.embeddings, options.embedding)
