"""The cost of a plan, from the prices of its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from .nodes import Call, Cascade, Loop, Node, Panel, Sequence, children


class CostRange(NamedTuple):
    """The lowest, expected and highest cost of a plan in nano-dollars. None is unpriced."""

    minimum: int | None
    expected: int | None
    maximum: int | None


def price(
    node: Node, price_call: Callable[[Call], CostRange], accepted: Callable[[Node], float] = lambda _: 1.0
) -> CostRange:
    """The cost range of a plan.

    A cascade costs its first leg at least, and all of its legs at most, each but the last with a self-check where that
    is asked for; its expected cost counts each leg by the chance that it is reached, where `accepted` gives the chance
    that a leg's answer is accepted, 0 to 1. A loop costs one round at least, all of them at most, and one is expected.
    A step that may fail costs nothing at least. A single unpriced call makes every sum that it enters unknown.
    """
    if isinstance(node, Call):
        cost = price_call(node)
    else:
        cost = _combined(node, [price(child, price_call, accepted) for child in children(node)], accepted)
    return cost._replace(minimum=0) if node.optional and cost.minimum is not None else cost


def needed(node: Node, price_call: Callable[[Call], CostRange]) -> int | None:
    """What a plan is expected to cost if it is to come to anything: its steps that may not fail, the cheapest member of
    a panel, the first leg of a cascade, one round of a loop. None if a call of these is unpriced."""
    match node:
        case Call():
            return price_call(node).expected
        case Cascade(legs=legs):
            return needed(legs[0], price_call)
        case Panel(members=members):
            known = [cost for member in members if (cost := needed(member, price_call)) is not None]
            return min(known, default=None)
        case Sequence(steps=steps):
            return total(needed(step, price_call) for step in steps if not step.optional)
        case Loop(body=body):
            return needed(body, price_call)


def _combined(
    node: Cascade | Panel | Sequence | Loop, ranges: list[CostRange], accepted: Callable[[Node], float]
) -> CostRange:
    match node:
        case Cascade(legs=legs):
            checks = ranges[len(legs) :] * (len(legs) - 1)
            most = total(cost.maximum for cost in [*ranges[: len(legs)], *checks])
            chances = [1.0 if node.accept.threshold == 0 else accepted(leg) for leg in legs]
            return CostRange(ranges[0].minimum, _expected(ranges[: len(legs)], chances, checks), most)
        case Panel() | Sequence():
            return _sum(ranges)
        case Loop(max_rounds=rounds):
            one = _sum(ranges)
            return one._replace(maximum=None if one.maximum is None else rounds * one.maximum)


def _expected(legs: list[CostRange], chances: list[float], checks: list[CostRange]) -> int | None:
    """The cost of a cascade's legs, each by the chance that it is reached."""
    amount, reached = 0.0, 1.0
    for place, (leg, chance) in enumerate(zip(legs, chances, strict=True)):
        each = total([leg.expected, *(check.expected for check in checks[place : place + 1])])
        if not reached:
            break
        if each is None:
            return None
        amount += reached * each
        reached *= 1 - chance
    return round(amount)


def _sum(ranges: Iterable[CostRange]) -> CostRange:
    return CostRange(*(total(column) for column in zip(*ranges, strict=True)))


def total(amounts: Iterable[int | None]) -> int | None:
    """The sum of amounts; None if one of them is."""
    known = list(amounts)
    return None if None in known else sum(amount for amount in known if amount is not None)
