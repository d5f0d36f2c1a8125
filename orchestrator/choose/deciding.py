"""What a strategy decides on a run, within the role, the latency, the cost cap and the tools that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..deferred import replace
from ..errors import OrchError, UsageError
from ..money import format_nanousd
from ..plan import Call, Cascade, Node, nodes
from ..registry.model import Registry
from ..registry.providers import needed_to_set_up
from .assignment import named_in
from .base import LeftOut
from .course import Course
from .latency import within_latency
from .role import in_role, with_role
from .table import Decision, Obstacle, Offer, Situation, nothing_to_call

_OF_CAP = (Obstacle.BUDGET, Obstacle.UNPRICED)  # what a cost cap alone puts in a model's way


def decide(course: Course, situation: Situation, registry: Registry) -> Decision:
    """The strategy's decision, within the role and the latency asked for. Raises the obstacle if there is nothing to
    call."""
    options, role = course.options, None
    if options.role is not None:
        role = registry.role(options.role)
        situation = in_role(situation, role) if course.ranks_all else situation
    if options.max_latency_s is None:
        decision = course.strategy(situation)
    else:
        decision = within_latency(course.strategy, situation, options.max_latency_s)
    if decision is None:
        offers = situation.offers
        named = named_in(course.chain.plan, situation) if course.follows_a_chain else situation.models
        alive = [offer for offer in offers.values() if not offer.spec.is_retired(situation.when.date())]
        blocked = [offers[name] for name in named if offers[name].obstacle is not None]
        raise nothing_to_call(blocked or alive, needed_to_set_up, situation.analysis.input_tokens)
    return decision if role is None else with_role(decision, role)


def with_word_of_the_cap(decision: Decision, course: Course, situation: Situation, registry: Registry) -> Decision:
    """The decision with a warning for every model that it would call without the cost cap."""
    if situation.options.max_cost_nanousd is None:
        return decision
    free = replace(situation, offers=_Uncapped(situation.offers), question_offers=_Uncapped(situation.question_offers))
    try:
        wanted = decide(course, free, registry).models()
    except OrchError:
        return decision
    known = {reason.model: str(reason) for reason in decision.reasons if isinstance(reason, LeftOut)}
    warnings = [
        known.get(name) or str(LeftOut(name, _why_capped(situation.offers[name])))
        for name in wanted
        if name not in decision.models() and situation.offers[name].obstacle in _OF_CAP
    ]
    return replace(decision, warnings=(*warnings, *decision.warnings))


def _why_capped(offer: Offer) -> str:
    expected = offer.cost.expected
    return f"{offer.obstacle}" + ("" if expected is None else f", about {format_nanousd(expected)}")


class _Uncapped(Mapping[str, Offer]):
    """The offers as they would be without a cost cap."""

    def __init__(self, offers: Mapping[str, Offer]) -> None:
        self._offers = offers

    def __getitem__(self, name: str) -> Offer:
        offer = self._offers[name]
        return replace(offer, obstacle=None) if offer.obstacle in _OF_CAP else offer

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def __len__(self) -> int:
        return len(self._offers)


def check_takes_tools(plan: Node) -> None:
    """Raises UsageError for tools with a plan that has no use for them."""
    if any(not isinstance(node, Call | Cascade) or getattr(node, "template", None) is not None for node in nodes(plan)):
        raise UsageError(
            "tools go with one model at a time: a plan that puts answers together has no use for a call of a tool",
            hint="use them with cheapest, cost, capability, round-robin, a task table, or a chain of models",
        )
