"""A chain of models in order: the next one when an answer is not trusted enough, or when a call fails."""

from __future__ import annotations

from ..plan import Accept, Call, Cascade
from .base import Decision, Situation


def fallback(situation: Situation) -> Decision | None:
    """A cascade over the chain's models, less those that cannot be called. Models named here are not checked for
    level or retirement: naming them is a choice."""
    offers = [situation.offers[name] for name in situation.chain]
    legs = tuple(Call(offer.spec.name) for offer in offers if offer.obstacle is None)
    if not legs:
        return None
    threshold = situation.options.threshold
    reasons = [f"chain: {' → '.join(leg.model for leg in legs)}; the first answer with confidence ≥ {threshold:g} wins"]
    reasons += [f"left out {offer.spec.name}: {offer.obstacle}" for offer in offers if offer.obstacle is not None]
    return Decision(Cascade(legs, Accept(threshold)), tuple(reasons))
