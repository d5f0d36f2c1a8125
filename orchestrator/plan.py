"""A plan is data: a small tree of nodes that says what to call, and `execute` is the only thing that walks it.

    Call     one completion
    Cascade  legs in order, until one is accepted or the last is reached
    Panel    members at the same time, then one answer out of theirs

Nodes nest. A plan can be printed, priced, tested and stored without calling anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Call:
    """One completion. `model` is a name in the registry. Options that are None follow the run's."""

    model: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Cascade:
    """Legs in order; the first whose confidence reaches `threshold` (0 to 1) is the answer, else the best seen."""

    legs: tuple[Node, ...]
    threshold: float


@dataclass(frozen=True, slots=True)
class Panel:
    """Members at the same time; their answers are weighed against each other and the best one is the answer."""

    members: tuple[Node, ...]


Node = Call | Cascade | Panel


class CostRange(NamedTuple):
    """Nano-dollars: the least that a plan can cost, what it is expected to, and the most. None is unpriced."""

    minimum: int | None
    expected: int | None
    maximum: int | None


def calls(node: Node) -> Iterator[Call]:
    """Every call of a plan, in the order in which they would be made."""
    match node:
        case Call():
            yield node
        case Cascade(legs=children) | Panel(members=children):
            for child in children:
                yield from calls(child)


def to_dict(node: Node) -> dict[str, Any]:
    """A plan as plain data, for JSON: one key, the kind of the node, and its fields under it."""
    match node:
        case Call():
            named = {} if node.name is None else {"name": node.name}
            return {"call": {"model": node.model, **named}}
        case Cascade():
            return {"cascade": {"threshold": node.threshold, "legs": [to_dict(leg) for leg in node.legs]}}
        case Panel():
            return {"panel": {"members": [to_dict(member) for member in node.members]}}


def price(node: Node, price_call: Callable[[Call], CostRange]) -> CostRange:
    """The cost range of a plan. A cascade costs its first leg at least, and all of its legs at most.

    Its expected cost is that of the first leg: what later legs add depends on an acceptance rate that is not known
    before the calls are made. A single unpriced call makes every sum that it enters unknown.
    """
    match node:
        case Call():
            return price_call(node)
        case Panel(members=members):
            ranges = [price(member, price_call) for member in members]
            return CostRange(*(_total(column) for column in zip(*ranges, strict=True)))
        case Cascade(legs=legs):
            ranges = [price(leg, price_call) for leg in legs]
            return CostRange(ranges[0].minimum, ranges[0].expected, _total(r.maximum for r in ranges))


def _total(amounts: Iterable[int | None]) -> int | None:
    known = list(amounts)
    return None if None in known else sum(amount for amount in known if amount is not None)
