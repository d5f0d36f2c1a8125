"""Models take turns, one run each, across all processes that write to the same ledger."""

from __future__ import annotations

from ..base import Decision, LeftOut, Situation
from ..order import after, in_order


def round_robin(situation: Situation) -> Decision | None:
    """The model whose turn it is, among those of --models, or else those in routing.yaml, that can be called.

    The models that can be called form the ring, and each ring has its own counter, so its shares are equal whatever
    other rings do. Neither the prompt nor the models' scores matter: other routers use those.
    """
    names = situation.models or situation.routing.round_robin
    able = [name for name in names if situation.offers[name].obstacle is None]
    if not able:
        return None
    left_out = [LeftOut(name, str(situation.offers[name].obstacle)) for name in names if name not in able]
    ring = ",".join(able)
    turn = situation.observed.turns.get(ring, 0)
    first = turn % len(able)
    ordered = able[first:] + able[:first]
    reason = f"turn {turn + 1} of {len(able)} models in turn: {ordered[0]}{after(ordered)}"
    return Decision(in_order(ordered), (reason, *left_out), ring=ring)
