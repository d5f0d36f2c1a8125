"""The charts of a bench and its page: cost against quality, and how far confidence is the chance that it claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import UsageError
from ..money import NANO_PER_DOLLAR
from ..report import charting
from ..report.charting import Spec
from . import tables
from .intervals import Estimate
from .pareto import frontier
from .report import BenchReport, Calibration, LedgerReport, Ordering, Row, SetReport
from .text import FRONTIER, intervals_in_words, notes_of, replayable_in_words

_PROMPTS = 1_000  # costs are shown for so many
_WIDTH, _HEIGHT, _SQUARE = 640, 340, 220
# Okabe and Ito's palette (2008), which colour-blind readers can tell apart, as far as it shows on white and on black.
_CURVES, _FRONTIER = ("#0072B2", "#D55E00"), "#009E73"
_MODEL, _STRATEGY, _REFERENCE = ("a model alone", "#E69F00"), ("a strategy", "#CC79A7"), ("for reference", "#888888")
_KINDS = dict((_MODEL, _STRATEGY, _REFERENCE))
_NEAR = (0.16, 0.045)  # of the axes: names closer to each other than this would overlap


def picture(report: BenchReport) -> str:
    """The charts of all sets as one SVG document, or those of a ledger's runs. Raises UsageError if there are none."""
    charts = [cost_and_quality(each) for each in report.sets]
    if report.ledger is not None and not charts:
        charts = [reliability(calibration) for calibration in report.ledger.confidence]
    if not charts:
        raise UsageError("--plot: there is nothing to draw", hint="an .html file has the tables")
    return charting.svg({"vconcat": charts})


def page(report: BenchReport) -> str:
    """An HTML page with all tables and charts."""
    return charting.page("orch bench", _parts(report))


def cost_and_quality(report: SetReport) -> Spec:
    """Cost against quality; the share of strong calls stands for the cost where that is not known."""
    by_cost = all(row.cost_nanousd is not None for row in report.rows if row.of_pair)
    marks = [mark for row in report.rows if (mark := _mark(row, by_cost)) is not None]
    curves = {f"{ordering.name}, all thresholds (95% band)": _curve(ordering, by_cost) for ordering in report.orderings}
    points = [mark for mark in marks if mark["kind"] != _REFERENCE[0]]
    points += [point for curve, _ in curves.values() for point in curve]
    best = sorted((points[at]["x"], points[at]["y"]) for at in frontier([(p["x"], p["y"]) for p in points]))
    colours = {**dict(zip(curves, _CURVES, strict=False)), "Pareto frontier": _FRONTIER, **_KINDS}
    x_title = f"$ per {_PROMPTS:,} prompts" if by_cost else "share of strong calls"
    x = {"field": "x", "type": "quantitative", "title": x_title, "axis": {"format": "~g" if by_cost else "%"}}
    y = {"field": "y", "type": "quantitative", "title": "quality", "scale": {"zero": False}}
    scale = {"domain": list(colours), "range": list(colours.values())}
    colour = {"field": "kind", "type": "nominal", "scale": scale, "title": None, "legend": _LEGEND}
    in_order = {"x": x, "y": y, "color": colour, "order": {"field": "place", "type": "quantitative"}}
    places = [
        {"kind": kind, "place": place, **point}
        for kind, (curve, _) in curves.items()
        for place, point in enumerate(curve)
    ]
    on_frontier = [{"kind": "Pareto frontier", "place": place, "x": a, "y": b} for place, (a, b) in enumerate(best)]
    band = [{"kind": kind, **point} for kind, (_, edges) in curves.items() for point in edges]
    shapes = {"domain": list(_KINDS), "range": ["square", "circle", "diamond"]}
    shape = {"field": "kind", "type": "nominal", "legend": None, "scale": shapes}
    shown = [{"field": name, "type": "nominal"} for name in ("name", "quality", "cost", "strong calls")]
    at = {"x": x, "y": y, "color": colour}
    return {
        "title": f"{report.name}: {report.weak} → {report.strong}",
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": [
            _layer(band, {"type": "area", "opacity": 0.15}, at | {"y": y | {"field": "low"}, "y2": {"field": "high"}}),
            _layer(on_frontier, {"type": "line", "strokeWidth": 7, "opacity": 0.4, "strokeCap": "round"}, in_order),
            _layer(places, {"type": "line", "strokeWidth": 2}, in_order),
            _layer(marks, "rule", at | {"y": y | {"field": "y_low"}, "y2": {"field": "y_high"}}),
            _layer(marks, "rule", at | {"x": x | {"field": "x_low"}, "x2": {"field": "x_high"}}),
            _layer(marks, {"type": "point", "filled": True, "size": 90}, at | {"shape": shape, "tooltip": shown}),
            _layer(
                _apart(marks), _NAMES, {"x": x, "y": y | {"field": "label"}, "text": {"field": "name"}, "color": colour}
            ),
        ],
    }


def reliability(calibration: Calibration) -> Spec:
    """The share of right answers in each bin, against the confidence in them; the more answers, the darker."""
    bins = [each._asdict() for each in calibration.bins]

    def axis(field: str, title: str) -> dict[str, Any]:
        return {"field": field, "type": "quantitative", "title": title, "scale": {"domain": [0, 1]}}

    x, y = axis("low", "confidence (line: its mean in a bin)"), axis("outcome", "share of right answers")
    dark = {"field": "answers", "type": "quantitative", "legend": None, "scale": {"range": [0.3, 0.9], "zero": True}}
    shown = [{"field": name, "type": "quantitative"} for name in ("answers", "confidence", "outcome")]
    ends = [{"low": 0, "outcome": 0}, {"low": 1, "outcome": 1}]
    return {
        "title": calibration.name,
        "width": _SQUARE,
        "height": _SQUARE,
        "layer": [
            _layer(
                bins,
                {"type": "bar", "color": _CURVES[0]},
                {"x": x | {"bin": "binned"}, "x2": {"field": "high"}, "y": y, "opacity": dark, "tooltip": shown},
            ),
            _layer(ends, {"type": "line", "color": _REFERENCE[1], "strokeDash": [4, 4]}, {"x": x, "y": y}),
            _layer(
                bins,
                {"type": "tick", "color": _CURVES[1], "thickness": 3, "size": 16, "orient": "vertical"},
                {"x": x | {"field": "confidence"}, "y": y | {"field": "confidence"}},
            ),
        ],
    }


_LEGEND = {"orient": "bottom", "columns": 3, "symbolType": "circle", "symbolOpacity": 1, "labelLimit": 0}
_NAMES = {"type": "text", "align": "left", "dx": 9, "dy": -7, "fontSize": 11, "limit": 220}


def _layer(values: Sequence[object], mark: object, encoding: Spec) -> dict[str, Any]:
    return {"data": {"values": list(values)}, "mark": mark, "encoding": dict(encoding)}


def _mark(row: Row, by_cost: bool) -> dict[str, Any] | None:
    where = row.cost_nanousd if by_cost else row.strong_share
    if where is None or where.value is None or row.quality.value is None or not (by_cost or row.of_pair):
        return None
    scale = _PROMPTS / NANO_PER_DOLLAR if by_cost else 1.0
    kind, _ = _REFERENCE if not row.attainable else _MODEL if row.strategy is None else _STRATEGY
    known = {
        "name": row.name,
        "kind": kind,
        "x": where.value * scale,
        "y": row.quality.value,
        **_range("x", where, scale),
        **_range("y", row.quality, 1.0),
    }
    return (
        known
        | {"quality": tables.decimal(row.quality), "cost": tables.dollars(row.cost_nanousd)}
        | {"strong calls": tables.percent(row.strong_share)}
    )


def _range(axis: str, estimate: Estimate, scale: float) -> dict[str, float]:
    """The interval of a figure; where there is none, its value alone."""
    low, high = (estimate.value if bound is None else bound for bound in (estimate.low, estimate.high))
    return {f"{axis}_low": (low or 0.0) * scale, f"{axis}_high": (high or 0.0) * scale}


def _curve(ordering: Ordering, by_cost: bool) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The points of a strategy over all its thresholds, and the edges of its band."""

    def place(share: float, cost: float | None) -> float:
        return (cost or 0.0) * _PROMPTS / NANO_PER_DOLLAR if by_cost else share

    return [{"x": place(point.share, point.cost), "y": point.quality} for point in ordering.curve], [
        {"x": place(share, cost), "low": estimate.low, "high": estimate.high}
        for share, cost, estimate in ordering.band
        if estimate.low is not None and estimate.high is not None
    ]


def _apart(marks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The marks with the height of their names: `label`, lower where another name stands already."""
    across = _NEAR[0] * max((mark["x"] for mark in marks), default=1.0)
    heights = [mark[edge] for mark in marks for edge in ("y_low", "y_high")]
    up = _NEAR[1] * (max(heights) - min(heights)) or 0.01 if heights else 0.01
    taken: list[tuple[float, float]] = []
    named = []
    for mark in sorted(marks, key=lambda mark: -float(mark["y"])):
        label = mark["y"]
        while any(abs(mark["x"] - x) < across and abs(label - y) < up for x, y in taken):
            label -= up
        taken.append((mark["x"], label))
        named.append({**mark, "label": label})
    return named


def _parts(report: BenchReport) -> Iterator[str]:
    yield charting.note(intervals_in_words(report))
    if report.ledger is not None:
        yield from _ledger(report.ledger)
    for each in report.sets:
        yield from _set(each)
    if report.together is not None:
        yield charting.heading("All sets together")
        yield from _confidence([report.together])


def _set(report: SetReport) -> Iterator[str]:
    yield charting.heading(f"{report.name}: {report.prompts:,} prompts")
    roles = {report.weak: "weak: ", report.strong: "strong: "}
    yield charting.listing(f"{roles.get(m.name, '')}{m.name}, {tables.rates(m)}" for m in report.models)
    yield charting.table(*tables.strategies("strategy", report.rows))
    yield charting.note(FRONTIER)
    yield charting.chart(cost_and_quality(report))
    if report.orderings:
        yield charting.table(*tables.orderings(report.orderings))
    if report.sweep:
        yield charting.table(*tables.strategies("threshold", report.sweep))
    yield from _confidence(report.confidence)
    if report.cross_validation:
        yield charting.table(*tables.cross_validation(report.cross_validation))
    if report.verdict is not None:
        yield charting.table(*tables.worths("against all strong", report.verdict.strategies))
        yield charting.table(*tables.cheap_models(report.verdict.cheap_models))
        yield charting.note(f"verdict: {report.verdict.conclusion}")
    yield from map(charting.note, notes_of(report))


def _ledger(report: LedgerReport) -> Iterator[str]:
    yield charting.heading(f"{report.name}: {report.runs:,} rated runs")
    yield charting.table(*tables.observed("strategy", report.strategies))
    yield charting.table(*tables.observed("model", report.models))
    yield from _confidence(report.confidence)
    yield charting.note(replayable_in_words(report))


def _confidence(calibrations: Sequence[Calibration]) -> Iterator[str]:
    if calibrations:
        yield charting.table(*tables.confidence("confidence in", calibrations))
        yield from (charting.chart(reliability(calibration)) for calibration in calibrations)
