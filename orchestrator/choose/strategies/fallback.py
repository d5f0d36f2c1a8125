"""A named plan, or a chain of models in order: the next one is asked when an answer is not accepted or a call fails."""

from __future__ import annotations

from ...deferred import replace
from ...money import format_nanousd
from ...plan import LOGPROBS, SELF_CHECK, Call, Cascade, Node, Panel, agreeing
from ...types import AcceptRule
from ..assignment import Assignment
from ..base import Decision, Reason, Situation


def fallback(situation: Situation) -> Decision | None:
    """The plan with a model for every call. Models named in it are not checked for level or retirement: naming them is
    a choice. With `accept: agreement` in the options, a cascade begins with its first two legs, which must agree."""
    assignment = Assignment(situation)
    plan = assignment.assign(situation.chain.plan)
    if plan is None:
        return None
    reasons = list(assignment.reasons)
    plan = _on_evidence(plan, situation, reasons)
    if situation.options.accept == AcceptRule.AGREEMENT:
        if isinstance(plan, Cascade):
            plan = agreeing(plan)
        else:
            reasons.append(f"--accept agreement is for a cascade; this is a {type(plan).__name__.lower()}")
    return Decision(plan, (_described(plan, situation), *_word_of_the_order(plan, situation), *reasons))


def _word_of_the_order(plan: Node, situation: Situation) -> list[str]:
    """Why a chain of models does not begin with the one that is expected to cost least, if so."""
    legs = [leg.model for leg in plan.legs if isinstance(leg, Call)] if isinstance(plan, Cascade) else []
    name = situation.chain.name
    if len(legs) < 2 or "," in name or "/" in name:  # models that were named are meant in their order
        return []
    priced = [(cost, name) for name in legs if (cost := situation.offers[name].cost.expected) is not None]
    if priced == sorted(priced, key=lambda each: each[0]):
        return []
    cost, least = min(priced)
    why = situation.chain.description or "by capability, from the weakest on"
    first = f"{legs[0]} about {format_nanousd(priced[0][0])}" if priced[0][1] == legs[0] else legs[0]
    return [
        f"the order is the chain's ({why}), not that of expected cost: {least} about {format_nanousd(cost)}, {first}"
    ]


def _on_evidence(plan: Node, situation: Situation, reasons: list[Reason]) -> Node:
    """A cascade that also uses the signals of the options, which apply to cascades only."""
    options = situation.options
    asked = [name for name, wanted in ((LOGPROBS, options.logprobs), (SELF_CHECK, options.self_check)) if wanted]
    if not asked:
        return plan
    if not isinstance(plan, Cascade):
        reasons.append(f"{' and '.join(asked)} is for a cascade; this is a {type(plan).__name__.lower()}")
        return plan
    accept = plan.accept
    if options.self_check is not None:
        accept = replace(accept, checker=Call(model=options.self_check))
    signals = tuple(dict.fromkeys((*accept.signals, *asked)))
    reasons.append(f"trusts an answer by {', '.join(signals)}")
    return replace(plan, accept=replace(accept, signals=signals))


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
    """A leg as part of a one-line list of models; None if it takes more to say."""
    if isinstance(leg, Call):
        return leg.model
    if isinstance(leg, Panel) and all(isinstance(member, Call) for member in leg.members):
        return " + ".join(member.model for member in leg.members if isinstance(member, Call))
    return None
