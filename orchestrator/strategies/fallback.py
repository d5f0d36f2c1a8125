"""A named plan, or a chain of models in order: the next one when an answer is not accepted, or when a call fails."""

from __future__ import annotations

from ..plan import AcceptRule, Call, Cascade, Node, Panel, agreeing
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
    if isinstance(plan, Call):
        return plan.model if plan.role is None else f"{plan.model} as {plan.role}"
    legs = [_in_short(leg) for leg in plan.legs] if isinstance(plan, Cascade) else [None]
    if isinstance(plan, Cascade) and None not in legs:
        chain = " → ".join(leg for leg in legs if leg is not None)
        first = "two that agree, or the first" if plan.accept.rule is AcceptRule.AGREEMENT else "the first"
        return f"chain: {chain}; {first} answer with confidence ≥ {plan.accept.threshold:g} wins"
    description = situation.chain.description
    return f"plan {situation.chain.name}" + (f": {description}" if description else "")


def _in_short(leg: Node) -> str | None:
    """A leg in a line of models; None if it takes more to say."""
    if isinstance(leg, Call):
        return leg.model
    if isinstance(leg, Panel) and all(isinstance(member, Call) for member in leg.members):
        return " + ".join(member.model for member in leg.members if isinstance(member, Call))
    return None
