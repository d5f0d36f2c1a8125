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


def price(node: Node, price_call: Callable[[Call], CostRange]) -> CostRange:
    """The cost range of a plan.

    A cascade costs its first leg at least, and all of its legs at most, each but the last with a self-check where that
    is asked for; a loop one round at least, and all of them at most. Their expected cost is that of the first leg and
    of one round: what more they take depends on how often an answer is accepted, which is not known before the calls
    are made. A step that may fail costs nothing at least. A single unpriced call makes every sum that it enters
    unknown.
    """
    if isinstance(node, Call):
        cost = price_call(node)
    else:
        cost = _combined(node, [price(child, price_call) for child in children(node)])
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


def _combined(node: Cascade | Panel | Sequence | Loop, ranges: list[CostRange]) -> CostRange:
    match node:
        case Cascade(legs=legs):
            checks = ranges[len(legs) :] * (len(legs) - 1)
            most = total(cost.maximum for cost in [*ranges[: len(legs)], *checks])
            first = _sum([ranges[0], *checks[:1]])
            return CostRange(ranges[0].minimum, first.expected, most)
        case Panel() | Sequence():
            return _sum(ranges)
        case Loop(max_rounds=rounds):
            one = _sum(ranges)
            return one._replace(maximum=None if one.maximum is None else rounds * one.maximum)


def _sum(ranges: Iterable[CostRange]) -> CostRange:
    return CostRange(*(total(column) for column in zip(*ranges, strict=True)))


def total(amounts: Iterable[int | None]) -> int | None:
    """The sum of amounts; None if one of them is."""
    known = list(amounts)
    return None if None in known else sum(amount for amount in known if amount is not None)
