"""The cost-quality picture of a set as plain data: what a drawing in characters and one in SVG both show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

from ..deferred import dataclass
from ..money import NANO_PER_DOLLAR
from .metrics import Estimate
from .pareto import frontier
from .report import Ordering, Row, SetReport

_PROMPTS = 1_000  # costs are shown for so many


class Kind(StrEnum):
    """What a mark stands for."""

    MODEL = "model"
    STRATEGY = "strategy"
    REFERENCE = "reference"  # random and oracle: not to be had by a decision


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its intervals, as (low, high), where they are known."""

    name: str
    kind: Kind
    x: float
    y: float
    x_range: tuple[float, float] | None
    y_range: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A strategy over all its thresholds: points (x, y), and its band as (x, low, high)."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """`frontier` has the points on it in order of x. `x_is_cost` says whether x is dollars or a share of calls."""

    title: str
    x_label: str
    y_label: str
    x_is_cost: bool
    marks: Sequence[Mark]
    curves: Sequence[Curve]
    frontier: Sequence[tuple[float, float]]


def plot_of(report: SetReport) -> Plot:
    """Cost against quality; the share of strong calls stands for the cost where that is not known."""
    by_cost = all(row.cost_nanousd is not None for row in report.rows if row.of_pair)
    marks = [mark for row in report.rows if (mark := _mark(row, by_cost)) is not None]
    curves = [_curve(ordering, by_cost) for ordering in report.orderings]
    attainable = [(mark.x, mark.y) for mark in marks if mark.kind is not Kind.REFERENCE]
    points = attainable + [point for curve in curves for point in curve.points]
    return Plot(
        title=f"{report.name}: {report.weak} → {report.strong}",
        x_label=f"$ per {_PROMPTS:,} prompts" if by_cost else "share of strong calls",
        y_label="quality",
        x_is_cost=by_cost,
        marks=marks,
        curves=curves,
        frontier=sorted(points[index] for index in frontier(points)),
    )


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from `low` to `high`, about so many: steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) / max(about, 1)
    if not span > 0:
        return [low]
    power = 10 ** math.floor(math.log10(span))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def tick_label(value: float, step: float, *, percent: bool = False) -> str:
    """With as many decimals as the step between ticks needs."""
    if percent:
        return f"{value:.0%}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 2
    return f"{value:.{decimals}f}"


def _mark(row: Row, by_cost: bool) -> Mark | None:
    where = row.cost_nanousd if by_cost else row.strong_share
    if where is None or where.value is None or row.quality.value is None or not (by_cost or row.of_pair):
        return None
    scale = _PROMPTS / NANO_PER_DOLLAR if by_cost else 1.0
    kind = Kind.REFERENCE if not row.attainable else Kind.MODEL if row.strategy is None else Kind.STRATEGY
    return Mark(row.name, kind, where.value * scale, row.quality.value, _range(where, scale), _range(row.quality, 1.0))


def _range(estimate: Estimate, scale: float) -> tuple[float, float] | None:
    if estimate.low is None or estimate.high is None:
        return None
    return estimate.low * scale, estimate.high * scale


def _curve(ordering: Ordering, by_cost: bool) -> Curve:
    scale = _PROMPTS / NANO_PER_DOLLAR if by_cost else 1.0

    def place(share: float, cost: float | None) -> float:
        return (cost or 0.0) * scale if by_cost else share

    return Curve(
        name=ordering.name,
        points=[(place(point.share, point.cost), point.quality) for point in ordering.curve],
        band=[
            (place(share, cost), estimate.low, estimate.high)
            for share, cost, estimate in ordering.band
            if estimate.low is not None and estimate.high is not None
        ],
    )
