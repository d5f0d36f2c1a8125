"""A model that takes over routine tasks step by step: from a day on, for some tasks, for a share of the prompts.

Before that day nothing changes, so that there is a baseline to compare with (`orch report --baseline`).
"""

from __future__ import annotations

from ..config import Rollout
from ..deferred import dataclass, replace
from ..money import format_nanousd
from ..plan import Accept, Call, Cascade
from ..types import digest_of
from .base import Decision, Situation
from .strategies.tiers import TASKS, tier_for

STRATEGIES = ("tiers", "cheapest", "fallback")  # the others are told what to call
STEP = "rollout"  # the name of the call in the ledger
# Of the run's time: a machine that hangs must leave enough for the plan that steps in.
_TIME_SHARE = 0.5
_DIGITS = 13  # hexadecimal, of the hash: 52 bits, which a float holds exactly


@dataclass(frozen=True, slots=True)
class RolledOut:
    """The result of a rollout for a run that it applies to. `taken`: the run is in the share, and the model can be
    called."""

    model: str
    share: float
    taken: bool


def roll_out(
    decision: Decision, situation: Situation, rollout: Rollout, key: str, usual_chain: str
) -> tuple[Decision, RolledOut | None]:
    """The decision with the rollout's model before its plan, which goes on where that model fails or is not trusted.

    `key` is the subject of the run, or its prompt: the same one always gets the same. `usual_chain` is the one of runs
    that name none; a run of another one is told what to call. None: it is not for this run.
    """
    if (obstacle := _why_not(situation, rollout, usual_chain)) is not None:
        return _with(decision, f"rollout: {rollout.model} is not asked: {obstacle}"), None
    offer = situation.offers[rollout.model]
    left = RolledOut(rollout.model, rollout.share, taken=False)
    if not is_in_share(rollout, key):
        return _with(decision, f"rollout: not among the {rollout.share:.0%} that go to {rollout.model}"), left
    if offer.obstacle is not None:
        return _with(decision, f"rollout: {rollout.model} cannot be called: {offer.obstacle.value}"), left
    call = Call(rollout.model, name=STEP, optional=True, time_share=_TIME_SHARE)
    threshold = situation.options.threshold
    plan = Cascade((call, decision.plan), Accept(threshold=threshold))
    reason = (
        f"rollout: {rollout.model} first, about {format_nanousd(offer.cost.expected)}, as for {rollout.share:.0%} of "
        f"such prompts; the plan steps in below confidence {threshold:g}"
    )
    return _with(replace(decision, plan=plan), reason), replace(left, taken=True)


def is_in_share(rollout: Rollout, key: str) -> bool:
    """Whether a key is in the share: a key that is in one share is in every larger one."""
    return int(digest_of(f"{rollout.model}\0{key}")[:_DIGITS], 16) < rollout.share * (1 << 4 * _DIGITS)


def _why_not(situation: Situation, rollout: Rollout, usual_chain: str) -> str | None:
    """Why a rollout is not for this run; None if it is."""
    options, needs, task = situation.options, situation.needs, situation.analysis.task
    if situation.when.date() < rollout.starts:
        return f"it starts on {rollout.starts}"
    if options.role is not None:
        return "the run has a role"
    if options.strategy not in STRATEGIES:
        return f"{options.strategy} decides by itself which models are called"
    if options.strategy == "fallback" and options.chain != usual_chain:
        return f"the run names its models: {options.chain}"
    tier = options.tier or tier_for(needs)
    if options.strategy == "tiers" and tier != TASKS:
        return f"the run goes to the tier {tier.upper()}"
    if not needs.is_routine:
        return f"the prompt is not routine: {'; '.join(needs.reasons) or f'{situation.analysis.level} {task}'}"
    if rollout.tasks and task not in rollout.tasks:
        return f"it is for {', '.join(rollout.tasks)}, and the prompt is {task}"
    return None


def _with(decision: Decision, reason: str) -> Decision:
    return replace(decision, reasons=(*decision.reasons, reason))
