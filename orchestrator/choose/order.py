"""Models in order of preference: the next one is asked only if a call fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..plan import Accept, Call, Cascade, Node

_MOST = 3  # the first and two to fall back on: beyond that it is not the model that is at fault


def in_order(names: Sequence[str]) -> Node:
    """A call of the first model; if it fails, of the next. Any answer is accepted."""
    legs = tuple(Call(name) for name in names[:_MOST])
    return legs[0] if len(legs) == 1 else Cascade(legs, Accept(threshold=0.0))


def after(names: Iterable[str]) -> str:
    """In words, which models follow if the first one fails; empty if there are none."""
    following = list(names)[1:_MOST]
    return f"; if it fails, {', then '.join(following)}" if following else ""
