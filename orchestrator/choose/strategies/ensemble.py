"""Several models at once, of different providers if possible, and the best of their answers."""

from __future__ import annotations

from itertools import chain, zip_longest

from ...plan import Call, Panel
from ..base import Decision, LeftOut, Offer, Reason, Situation, by_expected_cost
from .cheapest import rated_for


def ensemble(situation: Situation) -> Decision | None:
    """A panel of the named models, or of the cheapest suitable model of each provider in turn. One model is a call."""
    size = situation.options.ensemble_size
    reasons: list[Reason] = []
    if situation.models:
        named = [situation.offers[name] for name in situation.models]
        able = [offer for offer in named if offer.obstacle is None]
        reasons += [LeftOut(offer.spec.name, offer.obstacle.value) for offer in named if offer.obstacle is not None]
    else:
        able = situation.choosable()
        if able:
            fit, reason = rated_for(able, situation)
            able = _providers_in_turn(fit)
            reasons.append(reason)
    if not able:
        return None
    members = tuple(Call(offer.spec.name) for offer in able[:size])
    warnings = [f"asked for {size} models; {len(members)} can be called"] if len(members) < size else []
    if len(members) == 1:
        if size > 1:
            warnings = [f"{warnings[0]}: the answer is {members[0].model}'s alone, not an ensemble's"]
        return Decision(members[0], tuple(reasons), warnings=tuple(warnings))
    reasons.append(f"panel: {', '.join(member.model for member in members)}")
    return Decision(Panel(members), tuple(reasons), warnings=tuple(warnings))


def _providers_in_turn(offers: list[Offer]) -> list[Offer]:
    """Cheapest first, but a second model of a provider only after the first of every other."""
    by_provider: dict[str, list[Offer]] = {}
    for offer in sorted(offers, key=by_expected_cost):
        by_provider.setdefault(offer.spec.provider, []).append(offer)
    return [offer for offer in chain.from_iterable(zip_longest(*by_provider.values())) if offer is not None]
