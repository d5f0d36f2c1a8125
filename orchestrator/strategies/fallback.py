"""A named plan, or a chain of models in order: the next one when an answer is not accepted, or when a call fails."""

from __future__ import annotations

from ..plan import AcceptRule, Call, Cascade, Node, agreeing
from .assignment import Assignment
from .base import Decision, Situation


def fallback(situation: Situation) -> Decision | None:
    """The plan with a model for every call. Models named in it are not checked for level or retirement: naming them is
    a choice. With `accept: agreement` in the options, a cascade begins with its first two legs, which must agree."""
    assignment = Assignment(situation)
    plan = assignment.assign(situation.chain.plan)
    if plan is None:
        return None
    reasons = list(assignment.reasons)
    if situation.options.accept == AcceptRule.AGREEMENT:
        if isinstance(plan, Cascade):
            plan = agreeing(plan)
        else:
            reasons.append(f"--accept agreement is for a cascade; this is a {type(plan).__name__.lower()}")
    return Decision(plan, (_described(plan, situation), *reasons))


def _described(plan: Node, situation: Situation) -> str:
    if isinstance(plan, Cascade) and all(isinstance(leg, Call) for leg in plan.legs):
        chain = " → ".join(leg.model for leg in plan.legs if isinstance(leg, Call))
        return f"chain: {chain}; the first answer with confidence ≥ {plan.accept.threshold:g} wins"
    if isinstance(plan, Call):
        return f"{plan.model}" + (f" as {plan.role}" if plan.role is not None else "")
    description = situation.chain.description
    return f"plan {situation.chain.name}" + (f": {description}" if description else "")
