"""Models in order of preference: the next one is asked only if a call fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..plan import Accept, Call, Cascade, Node
from .base import Offer

_MOST = 3  # the first and two to fall back on: beyond that it is not the model that is at fault


def shortlist(ranked: Sequence[Offer]) -> list[str]:
    """The first model and those to fall back on: the next ones, but one of another provider at least, if there is
    any, since a provider that is down is so for all of its models."""
    chosen = list(ranked[:_MOST])
    if len({offer.spec.provider for offer in chosen}) == 1:
        chosen[-1:] = [offer for offer in ranked if offer.spec.provider != chosen[0].spec.provider][:1] or chosen[-1:]
    return [offer.spec.name for offer in chosen]


def in_order(names: Sequence[str]) -> Node:
    """A call of the first model; if it fails, of the next. Any answer is accepted."""
    legs = tuple(Call(name) for name in names[:_MOST])
    return legs[0] if len(legs) == 1 else Cascade(legs, Accept(threshold=0.0))


def after(names: Iterable[str]) -> str:
    """In words, which models follow if the first one fails; empty if there are none."""
    following = list(names)[1:_MOST]
    return f"; if it fails, {', then '.join(following)}" if following else ""
