"""The tier for a prompt, and that tier's plan.

    arch    a design, or a critical prompt: the strongest model, with another one as its memory
    exec    an implementation: one model plans and reviews, another one works
    tasks   everything else: quick answers

chains.yaml defines the tiers' plans and models under `tiers`.
"""

from __future__ import annotations

from ...deferred import replace
from ...reading.needs import Needs
from ..base import Decision, Situation
from .fallback import fallback

ARCH, EXEC, TASKS = "arch", "exec", "tasks"


def tier_for(needs: Needs) -> str:
    """The tier for what a prompt needs."""
    if needs.requires_design or needs.is_critical:
        return ARCH
    return EXEC if needs.requires_implementation else TASKS


def tiers(situation: Situation) -> Decision | None:
    """The plan of the tier, which is the situation's chain."""
    decision = fallback(situation)
    if decision is None:
        return None
    tier, needs = situation.options.tier, situation.needs
    if tier is not None:
        reason = f"tier {tier.upper()}: the user says so"
    else:
        why = "; ".join(needs.reasons) or "it asks for neither design, care nor implementation"
        reason = f"tier {tier_for(needs).upper()}: {why}"
    return replace(decision, reasons=(reason, *decision.reasons))
