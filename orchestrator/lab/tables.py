"""The tables of a bench: headers and cells as text, for a terminal and for a page alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..money import NANO_PER_DOLLAR
from .intervals import Estimate
from .report import Calibration, CheapModel, CrossValidated, ModelReport, Observed, Ordering, Row, Worth

UNKNOWN = "-"
_PROMPTS = 1_000  # costs are shown for so many
_SECONDS_FROM = 10_000  # milliseconds, that are shown as seconds


class Table(NamedTuple):
    """A header and rows of as many cells; the first one names the row."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def strategies(title: str, rows: Sequence[Row]) -> Table:
    """What is not known of any row has no column. A row on the frontier has a star."""
    columns: list[tuple[str, Callable[[Row], str]]] = [("quality", lambda row: decimal(row.quality))]
    if any(row.cost_nanousd is not None for row in rows):
        columns.append((f"$ per {_PROMPTS:,} prompts", lambda row: dollars(row.cost_nanousd)))
    columns.append(("strong calls", lambda row: percent(row.strong_share)))
    if any(row.latency_ms is not None for row in rows):
        columns.append(("latency", lambda row: _latency(row.latency_ms)))
    if any(row.over_random is not None for row in rows):
        columns.append(("over random", lambda row: decimal(row.over_random, sign="+")))
    return Table(
        [f"  {title}", *(header for header, _ in columns)],
        [[f"{'*' if row.on_frontier else ' '} {row.name}", *(show(row) for _, show in columns)] for row in rows],
    )


def orderings(rows: Sequence[Ordering]) -> Table:
    """The table of what decides between weak and strong."""
    return Table(
        ["  deciding by", "APGR", "CPT(50%)", "CPT(80%)", "saving at 95%"],
        [
            [
                f"  {ordering.name}",
                decimal(ordering.apgr),
                percent(ordering.cpt_50),
                percent(ordering.cpt_80),
                percent(ordering.saving_at_95),
            ]
            for ordering in rows
        ],
    )


def cross_validation(rows: Sequence[CrossValidated]) -> Table:
    """What a threshold comes to on prompts, and on tasks, that it was not chosen on."""
    return Table(
        ["  threshold chosen without", "quality", "strong calls", "cheaper", "loss"],
        [
            [
                f"  {row.name}: these {row.left_out}",
                decimal(row.quality),
                percent(row.strong_share),
                percent(row.worth.saving),
                percent(row.worth.loss),
            ]
            for row in rows
        ],
    )


def worths(title: str, rows: Sequence[Worth]) -> Table:
    """What each strategy saves and loses against the strong model alone, and whether that is enough."""
    return Table(
        [f"  {title}", "enough", "cheaper", "loss"],
        [[f"  {row.name}", row.meets.value, percent(row.saving), percent(row.loss)] for row in rows],
    )


def cheap_models(rows: Sequence[CheapModel]) -> Table:
    """Every model of the file as the cheap one; quality and cost as shares of the strong model's."""
    return Table(
        ["  as the cheap one", "quality", "cost", "strong calls", "must recover", "by an APGR of"],
        [
            [
                f"  {row.model}",
                f"{row.quality:.0%}",
                UNKNOWN if row.cost is None else f"{row.cost:.0%}",
                f"{row.strong_calls:.0%}",
                f"{row.recover:.0%}",
                UNKNOWN if row.router is None else f"{row.router:.2f}",
            ]
            for row in rows
        ],
    )


def curve(ordering: Ordering) -> Table:
    """A strategy over all its thresholds, by the share of strong calls, which a threshold sets."""
    shown = ordering.band[::2]
    priced = all(cost is not None for _, cost, _ in shown)
    header = [f"  {ordering.name} by strong calls", "quality", *([f"$ per {_PROMPTS:,} prompts"] if priced else [])]
    return Table(
        header,
        [
            [f"  {share:.0%}", decimal(quality), *([dollars(Estimate(cost))] if priced else [])]
            for share, cost, quality in shown
        ],
    )


def confidence(title: str, rows: Sequence[Calibration]) -> Table:
    """The table of how well confidence tells right answers from wrong ones."""
    return Table(
        [f"  {title}", "answers", "right", "AUC", "Brier", "ECE"],
        [
            [
                f"  {one.name}",
                f"{one.answers:,}",
                f"{one.acceptable:.0%}",
                decimal(one.auc),
                decimal(one.brier),
                decimal(one.ece),
            ]
            for one in rows
        ],
    )


def observed(title: str, rows: Sequence[Observed]) -> Table:
    """The table of what the ledger's rated runs came to."""
    return Table(
        [f"  {title}", "runs", "rating", f"$ per {_PROMPTS:,} runs", "latency"],
        [
            [
                f"  {one.name}",
                f"{one.runs:,}",
                decimal(one.rating),
                dollars(one.cost_nanousd),
                _latency(one.latency_ms),
            ]
            for one in rows
        ],
    )


def auc(estimate: Estimate) -> str:
    """An AUC for a table cell."""
    return f"AUC {decimal(estimate)}"


def rates(model: ModelReport) -> str:
    """A model's prices, in words."""
    if model.rates is None:
        return "unpriced: its costs are unknown"
    return f"${model.rates[0]} / ${model.rates[1]} per million tokens"


def decimal(estimate: Estimate | None, sign: str = "") -> str:
    """A number for a table cell, with three decimals."""
    return _cell(estimate, lambda value: f"{value:{sign}.3f}")


def percent(estimate: Estimate | None) -> str:
    """A share for a table cell, as a percentage."""
    return _cell(estimate, lambda value: f"{100 * value:.0f}", unit="%")


def _latency(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None or estimate.value < _SECONDS_FROM:
        return _cell(estimate, lambda value: f"{value:,.0f}", unit=" ms")
    return _cell(estimate, lambda value: f"{value / 1000:,.1f}", unit=" s")


def dollars(estimate: Estimate | None) -> str:
    """Three significant digits, of dollars for so many prompts, from nano-dollars for one."""
    return _cell(estimate, lambda value: _significant(value * _PROMPTS / NANO_PER_DOLLAR))


def _significant(value: float) -> str:
    decimals = 2 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:,.{max(0, decimals)}f}"


def _cell(estimate: Estimate | None, show: Callable[[float], str], unit: str = "") -> str:
    """The figure with its unit, and its interval where there is one."""
    if estimate is None or estimate.value is None:
        return UNKNOWN
    figure = f"{show(estimate.value)}{unit}"
    if estimate.low is None or estimate.high is None or estimate.low == estimate.high:
        return figure
    return f"{figure} [{show(estimate.low)}, {show(estimate.high)}]"
