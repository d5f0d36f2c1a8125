"""Keeps a conversation with tools at the model that began it: its provider has what went before in its cache, and the
ids of its calls mean something to it. The models of the plan stand in for it, should it fail."""

from __future__ import annotations

from ..deferred import replace
from ..plan import calls
from .base import Decision, Situation


def staying(decision: Decision, situation: Situation, model: str) -> Decision:
    """The decision for the model that began the conversation; as it is if that cannot be called, or if the decision is
    for one model that was named, which is the client's word."""
    if len(decision.models()) == 1:
        return decision
    offer = situation.offers.get(model)
    if offer is None or offer.obstacle is not None:
        why = "is not known any more" if offer is None else str(offer.obstacle)
        return replace(decision, reasons=(*decision.reasons, f"{model} began this conversation, and {why}"))
    planned = list(calls(decision.plan))
    own = next((call for call in planned if call.model == model), planned[0])
    others = dict.fromkeys(name for call in planned for name in (call.model, *call.stand_ins) if name != model)
    call = replace(own, model=model, stand_ins=tuple(others), name=None, optional=False)
    return Decision(call, (f"stays with {model}, which began this conversation",), warnings=decision.warnings)
