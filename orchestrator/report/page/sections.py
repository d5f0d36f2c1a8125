"""The sections of the page: its charts, each with its table. A row's name, and a bar, lead to the runs behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...money import format_nanousd
from ...period import Period
from .. import charting
from ..model import Group
from . import charts
from .listed import leg_name
from .material import Material

_UNKNOWN = "-"
_SHOWN, _DRAWN = 20, 10  # of the most expensive runs: rows, bars

Part = str | Mapping[str, Any]  # HTML, or a chart


def _costs(material: Material) -> Iterator[Part]:
    figures, models = material.figures, material.models
    yield charts.cost_over_time(figures.spans, figures.unit)
    yield charting.table(
        ("Model", "Runs", "Calls", "Cost", "Share"),
        [
            (name_of(each), f"{each.runs:,}", f"{each.calls:,}", cost_of(each), percent(each.cost_share))
            for each in models.groups
        ],
        footer=("Total", f"{models.total.runs:,}", f"{models.total.calls:,}", cost_of(models.total), ""),
        choices=[{"models": [each.key]} for each in models.groups],
    )
    costs: dict[str, list[int]] = {}
    for span in figures.spans:
        before = costs.get(span.start, [0, 0])
        costs[span.start] = [before[0] + span.calls, before[1] + span.cost_nanousd]
    yield charting.table(
        (charts.UNITS[figures.unit].capitalize(), "Calls", "Cost"),
        [(start, f"{calls:,}", format_nanousd(cost)) for start, (calls, cost) in costs.items()],
        footer=("Total", f"{models.total.calls:,}", format_nanousd(models.total.cost_nanousd)),
        choices=[{"span": start} for start in costs],
    )
    yield charting.table(
        ("Strategy", "Runs", "Complete", "Several models", "Cost"),
        [
            (
                name_of(each),
                f"{each.runs:,}",
                percent(each.success_rate),
                percent(each.multi_model_share),
                cost_of(each),
            )
            for each in material.strategies.groups
        ],
        choices=[{"strategy": each.key} for each in material.strategies.groups],
    )


def _tokens(material: Material) -> Iterator[Part]:
    models = material.models
    yield charts.tokens_over_time(material.figures.spans, material.figures.unit)
    yield charting.table(
        ("Model", "Input", "of it cached", "of it written to cache", "Output", "of it reasoning"),
        [_token_row(name_of(each), each) for each in models.groups],
        footer=_token_row("Total", models.total),
        choices=[{"models": [each.key]} for each in models.groups],
    )


def _token_row(name: str, group: Group) -> list[str]:
    counts = (
        *(group.input_tokens, group.cached_tokens, group.cache_write_tokens),
        *(group.output_tokens, group.reasoning_tokens),
    )
    return [name, *(f"{count:,}" for count in counts)]


def _savings(material: Material) -> Iterator[Part]:
    savings = material.figures.savings
    if not savings:
        return
    yield charts.savings(savings)
    yield charting.table(
        ("Model", "Tokens read from cache", "Tokens written to cache", "Saved"),
        [
            (each.model, f"{each.cached_tokens:,}", f"{each.written_tokens:,}", format_nanousd(each.saved_nanousd))
            for each in savings
        ],
        footer=(
            "Total",
            f"{sum(each.cached_tokens for each in savings):,}",
            f"{sum(each.written_tokens for each in savings):,}",
            format_nanousd(sum(each.saved_nanousd for each in savings)),
        ),
        choices=[{"models": [each.model]} for each in savings],
    )
    yield charting.note("What the tokens would have cost as plain input, less what they did, at each call's price.")


def _latencies(material: Material) -> Iterator[Part]:
    models = [each for each in material.models.groups if each.p50_latency_ms is not None]
    if not models:
        return
    yield charts.latencies(models)
    yield charting.table(
        ("Model (a call)", "Calls", "Mean", "p50", "p95"),
        [
            (
                name_of(each),
                f"{each.calls:,}",
                *map(seconds, (each.mean_latency_ms, each.p50_latency_ms, each.p95_latency_ms)),
            )
            for each in models
        ],
        choices=[{"models": [each.key]} for each in models],
    )
    days = [each for each in material.days.groups if each.p50_run_latency_ms is not None]
    if material.figures.unit is Period.DAY and days:
        yield charts.latency_over_time(days)
    total = material.days.total
    yield charting.table(
        ("Day (a run)", "Runs", "p50", "p95"),
        [
            (name_of(each), f"{each.runs:,}", seconds(each.p50_run_latency_ms), seconds(each.p95_run_latency_ms))
            for each in days
        ],
        footer=("Total", f"{total.runs:,}", seconds(total.p50_run_latency_ms), seconds(total.p95_run_latency_ms)),
        choices=[{"span": each.key} for each in days] if material.figures.unit is Period.DAY else None,
    )


def _escalation(material: Material) -> Iterator[Part]:
    flow = material.figures.legs
    if not flow:
        return
    yield charts.legs(flow)
    totals = (f"{sum(each.answered for each in flow):,}", "", f"{sum(each.not_taken for each in flow):,}")
    yield charting.table(
        ("Leg", "Asked", "Answered", "Passed on", "Not taken", "Cost", "Models"),
        [
            (
                *(leg_name(each.chain, each.leg), *(f"{count:,}" for count in each[2:6])),
                *(format_nanousd(each.cost_nanousd), each.models.replace(",", ", ")),
            )
            for each in flow
        ],
        footer=("Total", "", *totals, format_nanousd(sum(each.cost_nanousd for each in flow)), ""),
        choices=[{"legs": [leg_name(each.chain, each.leg)]} for each in flow],
        texts=(6,),
    )
    yield charting.note(
        "A leg is the place of a model among those that a run asked in order, until an answer was taken."
    )


def _calibration(material: Material) -> Iterator[Part]:
    bins = material.figures.bins
    if not bins:
        return
    yield charts.confidences(bins)
    rated = any(each.rated for each in bins)
    if rated:
        yield charts.calibration(bins)
    yield charting.table(
        ("Confidence", "Runs", "Mean confidence", "Rated", "Good", "95 % interval"),
        [
            (
                f"{each.low:.1f} to {each.high:.1f}",
                f"{each.runs:,}",
                f"{each.confidence:.3f}",
                f"{each.rated:,}",
                _UNKNOWN if not each.rated else f"{each.good / each.rated:.0%}",
                _UNKNOWN if (interval := each.interval) is None else f"{interval[0]:.0%} to {interval[1]:.0%}",
            )
            for each in bins
        ],
        choices=[{"bin": round(each.low * 10)} for each in bins],
    )
    said = "" if rated else "No run is rated yet (orch rate), so there is nothing to hold confidence against. "
    yield charting.note(
        f"{said}A rating of 0.5 or more is good; on the dashed line confidence is the chance that it claims."
    )


def _budgets(material: Material) -> Iterator[Part]:
    if not material.budgets:
        return
    yield charts.budgets(material.budgets)
    yield charting.table(
        ("Budget", "Since", "Spent", "Set aside", "Left", "Expected at the end", "Used up"),
        [
            (
                str(each.state.budget),
                each.state.since,
                format_nanousd(each.state.settled_nanousd),
                format_nanousd(each.state.committed_nanousd - each.state.settled_nanousd),
                format_nanousd(each.state.left_nanousd),
                format_nanousd(each.expected_nanousd),
                _UNKNOWN if each.exhausted_at is None else f"{each.exhausted_at:%Y-%m-%d %H:%M}",
            )
            for each in material.budgets
        ],
        choices=[{"budgets": [str(each.state.budget)]} for each in material.budgets],
    )
    yield charting.note(
        "Expected: at the pace of the budget's day, week or month so far, whatever period is shown above."
    )


def _dearest(material: Material) -> Iterator[Part]:
    dear = material.figures.dearest[:_SHOWN]
    if not dear:
        return
    listed = {run["run"]: run for run in material.listed}
    first = enumerate(dear[:_DRAWN], start=1)
    yield charts.dearest(
        [(each.run_id, f"{place}. {listed[each.run_id]['model'] or ''}", each.cost_nanousd) for place, each in first]
    )
    yield charting.table(
        ("Run", "Calls", "Cost", "Model", "Prompt"),
        [
            (
                *(each.run_id, f"{each.calls:,}", format_nanousd(each.cost_nanousd)),
                *(listed[each.run_id]["model"] or _UNKNOWN, (listed[each.run_id]["prompt"] or "")[:60]),
            )
            for each in dear
        ],
        choices=[{"run": each.run_id} for each in dear],
        texts=(3, 4),
    )


def _failures(material: Material) -> Iterator[Part]:
    found = material.figures.failures
    if not found:
        return
    yield charts.failures(found)
    yield charting.table(
        ("Error", "Model", "Calls", "Runs", "Cost", "The latest"),
        [
            (
                each.code,
                each.model,
                f"{each.calls:,}",
                f"{each.runs:,}",
                format_nanousd(each.cost_nanousd),
                each.message or "",
            )
            for each in found
        ],
        choices=[{"failures": [f"{each.code} {each.model}"]} for each in found],
        texts=(1, 5),
    )


# By name and title; one without anything to show is left out.
SECTIONS: tuple[tuple[str, str, Callable[[Material], Iterable[Part]]], ...] = (
    ("cost", "Cost", _costs),
    ("tokens", "Tokens", _tokens),
    ("caches", "Saved by caches", _savings),
    ("latency", "Latency", _latencies),
    ("escalation", "Escalation", _escalation),
    ("confidence", "Confidence", _calibration),
    ("budgets", "Budgets", _budgets),
    ("dearest", "Most expensive runs", _dearest),
    ("errors", "Errors", _failures),
)


def name_of(group: Group) -> str:
    """A group's key, as it is shown."""
    return "(none)" if group.key is None else group.key


def cost_of(group: Group) -> str:
    """What a group cost, with every digit."""
    if group.unpriced_calls and group.unpriced_calls == group.calls:
        return "unpriced"
    return f"{'≥ ' if group.cost_is_lower_bound else ''}{format_nanousd(group.cost_nanousd)}"


def percent(share: float | None) -> str:
    """A share of 0 to 1 as it is shown."""
    return _UNKNOWN if share is None else f"{share:.1%}"


def seconds(ms: float | None) -> str:
    """Milliseconds as they are shown."""
    return _UNKNOWN if ms is None else f"{ms / 1000:,.3f} s"
