"""The page's charts, as Vega-Lite specifications. Each datum has the runs behind it as `runs`, which a click shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...money import NANO_PER_DOLLAR
from ...period import Period
from ..charting import Spec
from ..model import Group
from ..outlook import Outlook
from .figures import Bin, CacheSaving, Failure, Leg, Span
from .listed import leg_name

_MODELS = 9  # that a chart tells apart: as many as its palette has colours, less one for the others
_OTHERS = "others"
_HEIGHT = 260
_BAND = 26  # pixels of a horizontal bar
# Okabe and Ito's palette (2008), which colour-blind readers can tell apart, as far as it shows on white and on black.
_GOOD, _BETWEEN, _BAD, _GREY = "#009E73", "#E69F00", "#D55E00", "#888888"
_BLUE, _SKY, _PINK = "#0072B2", "#56B4E9", "#CC79A7"
UNITS = {Period.DAY: "day", Period.WEEK: "week from", Period.MONTH: "month from"}


def cost_over_time(spans: Sequence[Span], unit: Period) -> Spec:
    """Dollars a day, week or month, by model; the models beyond the first nine together."""
    totals: dict[str, int] = {}
    for span in spans:
        totals[span.model] = totals.get(span.model, 0) + span.cost_nanousd
    ranked = sorted(totals, key=lambda model: (-totals[model], model))
    shown = ranked if len(ranked) <= _MODELS + 1 else ranked[:_MODELS]
    sums: dict[tuple[str, str], int] = {}
    for span in spans:
        name = span.model if span.model in shown else _OTHERS
        sums[span.start, name] = sums.get((span.start, name), 0) + span.cost_nanousd
    others = [model for model in ranked if model not in shown]
    values = [
        {
            "from": start,
            "model": name,
            "cost": nanousd / NANO_PER_DOLLAR,
            "runs": {"span": start, "models": others if name == _OTHERS and others else [name]},
        }
        for (start, name), nanousd in sums.items()
    ]
    names = [*shown, *([_OTHERS] if others else [])]
    return _over_time(values, unit, "cost", "$", names, "model")


_KINDS = ("read from cache", "input", "written to cache", "output")


def tokens_over_time(spans: Sequence[Span], unit: Period) -> Spec:
    """Tokens a day, week or month, by what they are."""
    sums: dict[str, list[int]] = {}
    for span in spans:
        plain = span.input - span.cached - span.written
        counts = (span.cached, plain, span.written, span.output)
        before = sums.get(span.start, [0] * len(counts))
        sums[span.start] = [a + b for a, b in zip(before, counts, strict=True)]
    values = [
        {"from": start, "kind": kind, "tokens": count, "runs": {"span": start}}
        for start, counts in sums.items()
        for kind, count in zip(_KINDS, counts, strict=True)
        if count
    ]
    colours = (_SKY, _BLUE, _PINK, _BETWEEN)
    return _over_time(values, unit, "tokens", "tokens", _KINDS, "kind", colours)


def latency_over_time(days: Iterable[Group]) -> Spec:
    """Two lines: the median run and the slow ones, day by day."""
    values = [
        {"from": group.key, "percentile": name, "seconds": ms / 1000, "runs": {"span": group.key}}
        for group in days
        for name, ms in (("p50", group.p50_run_latency_ms), ("p95", group.p95_run_latency_ms))
        if ms is not None
    ]
    spec = _over_time(values, Period.DAY, "seconds", "seconds of a run", ("p50", "p95"), "percentile", (_BLUE, _BAD))
    return {**spec, "mark": {"type": "line", "point": {"size": 60}, "cursor": "pointer"}}


def latencies(models: Sequence[Group]) -> Spec:
    """A bar for each model, from its median call to its slow ones."""
    values = [
        {"model": group.key, "p50": group.p50_latency_ms / 1000, "p95": group.p95_latency_ms / 1000}
        | {"runs": {"models": [group.key]}}
        for group in models
        if group.p50_latency_ms is not None and group.p95_latency_ms is not None
    ]
    y = _names([str(value["model"]) for value in values], "model")
    x = {"field": "p50", "type": "quantitative", "title": "seconds of a call, p50 to p95"}
    shown = [
        {"field": "model", "type": "nominal"},
        *({"field": name, "type": "quantitative"} for name in ("p50", "p95")),
    ]
    bar = {"type": "bar", "color": _SKY, "cursor": "pointer", "minBandSize": 4}
    return {
        **_wide(_BAND * max(len(values), 2)),
        "data": {"values": values},
        "layer": [
            {"mark": bar, "encoding": {"y": y, "x": x, "x2": {"field": "p95"}, "tooltip": shown}},
            {"mark": {"type": "tick", "color": _BLUE, "thickness": 3}, "encoding": {"y": y, "x": x}},
            {"mark": {"type": "tick", "color": _BAD, "thickness": 3}, "encoding": {"y": y, "x": x | {"field": "p95"}}},
        ],
    }


_CAME_OF_IT = {"answered": _GOOD, "passed on": _BETWEEN, "not taken": _BAD}


def legs(flow: Sequence[Leg]) -> Spec:
    """A bar for each leg: the prompts that it was asked, by what came of them."""
    values = []
    for leg in flow:
        name = leg_name(leg.chain, leg.leg)
        for kind, count in zip(_CAME_OF_IT, (leg.answered, leg.passed_on, leg.not_taken), strict=True):
            if count:
                runs = {"legs": [f"{name}: {kind}"]}
                values.append({"leg": name, "came of it": kind, "prompts": count, "runs": runs})
    y = _names([leg_name(leg.chain, leg.leg) for leg in flow], "leg")
    return _bars(values, y, "prompts", "came of it", _CAME_OF_IT)


def calibration(bins: Sequence[Bin]) -> Spec:
    """The share of good answers in each bin against the confidence in them; on the line, they are the same."""
    values = [
        {"low": each.low, "high": each.high, "confidence": each.confidence, "rated": each.rated}
        | {"good": each.good / each.rated, "from": interval[0], "to": interval[1]}
        | {"runs": {"bin": round(each.low * 10), "rated": True}}
        for each in bins
        if (interval := each.interval) is not None
    ]

    def axis(field: str, title: str) -> dict[str, Any]:
        return {"field": field, "type": "quantitative", "title": title, "scale": {"domain": [0, 1]}}

    x, y = axis("low", "confidence"), axis("good", "rated good")
    shown = [{"field": name, "format": ".2f"} for name in ("confidence", "good")] + [{"field": "rated"}]
    ends = {"values": [{"low": 0, "good": 0}, {"low": 1, "good": 1}]}
    data = {"values": values}
    bar = {"type": "bar", "color": _SKY, "cursor": "pointer"}
    middle = x | {"field": "confidence"}
    return {
        **_wide(_HEIGHT),
        "layer": [
            {"data": data, "mark": bar,
             "encoding": {"x": x | {"bin": "binned"}, "x2": {"field": "high"}, "y": y, "tooltip": shown}},
            {"data": data, "mark": {"type": "rule", "color": _GREY},
             "encoding": {"x": middle, "y": y | {"field": "from"}, "y2": {"field": "to"}}},
            {"data": ends, "mark": {"type": "line", "color": _GREY, "strokeDash": [4, 4]},
             "encoding": {"x": x, "y": y}},
            {"data": data, "mark": {"type": "point", "filled": True, "color": _BAD, "size": 60},
             "encoding": {"x": middle, "y": y}},
        ],
    }  # fmt: skip


def confidences(bins: Sequence[Bin]) -> Spec:
    """How many runs had which confidence."""
    values = [
        {"low": each.low, "high": each.high, "count": each.runs, "runs": {"bin": round(each.low * 10)}} for each in bins
    ]
    x = {"field": "low", "type": "quantitative", "title": "confidence", "scale": {"domain": [0, 1]}, "bin": "binned"}
    y = {"field": "count", "type": "quantitative", "title": "runs"}
    bar = {"type": "bar", "color": _BLUE, "cursor": "pointer"}
    encoding = {"x": x, "x2": {"field": "high"}, "y": y, "tooltip": [{"field": "count", "title": "runs"}]}
    return {**_wide(180), "data": {"values": values}, "mark": bar, "encoding": encoding}


def budgets(outlooks: Sequence[Outlook]) -> Spec:
    """A bar for each budget: what is spent of it, in per cent, with a mark where it will be at the window's end."""
    values = []
    for each in outlooks:
        limit = each.state.budget.limit_nanousd or 1
        spent, expected = each.state.committed_nanousd / limit, each.expected_nanousd / limit
        colour = _BAD if spent >= 1 else _BETWEEN if expected > 1 else _GOOD
        name = str(each.state.budget)
        bar = {"budget": name, "spent": spent, "expected": expected, "colour": colour, "runs": {"budgets": [name]}}
        values.append(bar)
    y = _names([str(value["budget"]) for value in values], "budget")
    x = {"field": "spent", "type": "quantitative", "title": "of the limit", "axis": {"format": "%"}}
    shown = [{"field": "budget"}, *({"field": name, "format": ".1%"} for name in ("spent", "expected"))]
    by_colour = {"field": "colour", "type": "nominal", "scale": None}
    ends = {"x": x | {"field": "expected"}, "y": y, "tooltip": shown}
    return {
        **_wide(_BAND * max(len(values), 2)),
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "bar", "cursor": "pointer"},
                "encoding": {"x": x, "y": y, "color": by_colour, "tooltip": shown},
            },
            {"mark": {"type": "tick", "color": _GREY, "thickness": 4}, "encoding": ends},
            {"mark": {"type": "rule", "strokeDash": [4, 4], "color": _GREY}, "encoding": {"x": {"datum": 1}}},
        ],
    }


def savings(found: Sequence[CacheSaving]) -> Spec:
    """What caches saved, in dollars, by model."""
    values = [
        {"model": each.model, "saved": each.saved_nanousd / NANO_PER_DOLLAR, "runs": {"models": [each.model]}}
        for each in found
    ]
    return _bars(values, _names([each.model for each in found], "model"), "saved", None, {}, "$")


def dearest(rows: Sequence[tuple[str, str, int]]) -> Spec:
    """The dearest runs: the id, a label and the cost in nano-dollars of each."""
    values = [{"run": label, "cost": cost / NANO_PER_DOLLAR, "runs": {"run": run}} for run, label, cost in rows]
    return _bars(values, _names([label for _, label, _ in rows], "run"), "cost", None, {}, "$")


def failures(found: Sequence[Failure]) -> Spec:
    """Calls that failed, by reason and model."""
    values = [
        {
            "error": each.code,
            "model": each.model,
            "calls": each.calls,
            "runs": {"failures": [f"{each.code} {each.model}"]},
        }
        for each in found
    ]
    y = _names(list(dict.fromkeys(each.code for each in found)), "error")
    return _bars(values, y, "calls", "model", {})


def _over_time(
    values: Sequence[Mapping[str, Any]], unit: Period, amount: str, title: str, kinds: Sequence[str], kind: str,
    colours: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Bars by day, week or month, one on top of the other by kind, in the order of the kinds."""
    scale: dict[str, Any] = {"domain": list(kinds)}
    scale |= {"range": list(colours)} if colours else {"scheme": "tableau10"}
    starts = sorted({value["from"] for value in values})
    every = max(1, len(starts) // 12)
    axis = {"values": starts[::every], "labelAngle": -40, "labelOverlap": True}
    shown = [{"field": name} for name in ("from", kind)] + [
        {"field": amount, "format": "~s" if amount == "tokens" else ",.6~f"}
    ]
    return {
        **_wide(_HEIGHT),
        "data": {"values": list(values)},
        "mark": {"type": "bar", "cursor": "pointer"},
        "encoding": {
            "x": {"field": "from", "type": "ordinal", "title": UNITS[unit], "axis": axis, "sort": starts},
            "y": {"field": amount, "type": "quantitative", "title": title, "axis": {"format": _formats(title)}},
            "color": {"field": kind, "type": "nominal", "scale": scale, "title": None, "legend": _LEGEND},
            "tooltip": shown,
        },
    }


def _bars(
    values: Sequence[Mapping[str, Any]], y: Mapping[str, Any], amount: str, kind: str | None,
    colours: Mapping[str, str], title: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Horizontal bars, by kind."""
    shown = [{"field": name} for name in (str(y["field"]), *([kind] if kind else []), amount)]
    encoding: dict[str, Any] = {
        "y": dict(y),
        "x": {"field": amount, "type": "quantitative", "title": title or amount, "axis": {"format": _formats(title)}},
        "tooltip": shown,
    }
    if kind is not None:
        scale = {"domain": list(colours), "range": list(colours.values())} if colours else {"scheme": "tableau10"}
        encoding["color"] = {"field": kind, "type": "nominal", "scale": scale, "title": None, "legend": _LEGEND}
    mark = {"type": "bar", "cursor": "pointer", **({} if kind else {"color": _BLUE})}
    bands = len({value[y["field"]] for value in values})
    return {**_wide(_BAND * max(bands, 2)), "data": {"values": list(values)}, "mark": mark, "encoding": encoding}


def _formats(title: str | None) -> str:
    """How the numbers of an axis are written (https://d3js.org/d3-format)."""
    return {"$": "$,~f", "tokens": "~s"}.get(title or "", ",~f")


_LEGEND = {"orient": "bottom", "direction": "vertical", "columns": 2, "symbolType": "square", "labelLimit": 140}


def _names(names: Sequence[str], field: str) -> dict[str, Any]:
    return {"field": field, "type": "nominal", "title": None, "sort": list(names), "axis": {"labelLimit": 130}}


def _wide(height: int) -> dict[str, Any]:
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}
