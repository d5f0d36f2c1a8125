"""The lowest expected cost among the suitable models; the next cheapest if a call fails."""

from __future__ import annotations

from ...money import format_nanousd
from ..base import Decision, Situation, by_expected_cost
from ..order import after, in_order, shortlist
from .cheapest import rated_for


def cost(situation: Situation) -> Decision | None:
    """As `cheapest`, followed by the next cheapest models in case it fails."""
    able = situation.choosable()
    if not able:
        return None
    fit, reason = rated_for(able, situation)
    ranked = sorted(fit, key=by_expected_cost)
    names = shortlist(ranked)
    chosen = f"{names[0]} costs least: about {format_nanousd(ranked[0].cost.expected)}{after(names)}"
    return Decision(in_order(names), (reason, chosen))
