"""What a provider's cache is likely to have of a conversation that goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from ..conversation import Sent
from ..plan.caching import MIN_TOKENS
from ..registry.model import ModelSpec
from ..registry.providers import PROVIDERS

_KEPT = timedelta(minutes=5)  # Anthropic's, and what OpenAI promises at the least; Google says none


def likely_kept(sent: Sent | None, spec: ModelSpec, when: datetime, *, caching: bool) -> int:
    """The tokens that a model's provider is likely to read from its cache. `caching`: providers are told what to keep.
    Anthropic keeps what is marked and counts it; the others keep all input by themselves, and count what they read."""
    if sent is None or not caching or sent.model != spec.name or when - sent.at > _KEPT:
        return 0
    tokens = sent.kept if PROVIDERS[spec.provider].module == "anthropic" else sent.tokens
    return tokens if tokens >= MIN_TOKENS else 0


def word_of_kept(sent: Sent | None, specs: Iterable[ModelSpec], when: datetime, *, caching: bool) -> Iterator[str]:
    """What is said of a plan whose expected cost counts what is kept."""
    if sent is not None and any(likely_kept(sent, spec, when, caching=caching) for spec in specs):
        yield f"{sent.model} was sent what went before: the expected cost has it read from the provider's cache"
