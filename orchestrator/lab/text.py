"""What a bench found, for a terminal: tables, `width` characters wide at most."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from . import tables
from .intervals import LEVEL
from .report import BenchReport, Calibration, LedgerReport, SetReport, Verdict
from .tables import Table

FRONTIER = "* on the Pareto frontier: of these, none is as cheap and better"
_GAP = "  "
_BAR = 40
_NAME = 26
_CHEAP_MODELS = 8  # are shown; JSON has all


def text_of(report: BenchReport, width: int) -> Iterator[str]:
    """The lines of the report."""
    if report.ledger is not None:
        yield from _ledger(report.ledger, width)
        yield ""
    for each in report.sets:
        yield from _set(each, width)
        yield ""
    if report.together is not None:
        yield from _table(tables.confidence("all sets together", [report.together]), width)
        yield ""
    yield from wrap(intervals_in_words(report), width)


def intervals_in_words(report: BenchReport) -> str:
    """A note on how the intervals were made."""
    return (
        f"[low, high] are {LEVEL:.0%} intervals from {report.resamples:,} bootstrap resamples of the prompts, "
        f"seed {report.seed}."
    )


def notes_of(report: SetReport) -> Iterator[str]:
    """What is to be said of a set besides its figures, a sentence each."""
    yield f"tokens: {'; '.join(dict.fromkeys(model.tokens for model in report.models))}"
    yield from report.notes
    if report.needs_live:
        yield f"{', '.join(report.needs_live)}: asks more than was recorded; --live compares it"
    if report.agreement_auc is not None and report.agreement_auc.value is not None:
        yield (
            "agreement: whether the strong model says the same tells the weak one's right answers from wrong ones: "
            + tables.auc(report.agreement_auc)
        )
    for ordering in report.orderings:
        if ordering.threshold is not None and ordering.share_at_95.value is not None:
            yield (
                f"{ordering.name}: 95% of the strong model's quality took {ordering.share_at_95.value:.0%} strong "
                f"calls here, at a threshold of {ordering.threshold:.3g}"
            )


def _set(report: SetReport, width: int) -> Iterator[str]:
    left_out = f", {report.left_out:,} left out for want of an outcome" if report.left_out else ""
    yield f"{report.name}: {report.prompts:,} prompts{left_out}"
    roles = {report.weak: "weak", report.strong: "strong"}
    for model in report.models:
        yield f"  {roles.get(model.name, 'also'):<7} {model.name}: {tables.rates(model)}"
    yield ""
    yield from _table(tables.strategies("strategy", report.rows), width)
    yield FRONTIER
    if report.sweep:
        yield ""
        yield from _table(tables.strategies("threshold", report.sweep), width)
    if report.orderings:
        yield ""
        yield from _table(tables.orderings(report.orderings), width)
        for ordering in report.orderings:
            yield ""
            yield from _table(tables.curve(ordering), width)
    if report.cross_validation:
        yield ""
        yield from _table(tables.cross_validation(report.cross_validation), width)
    if report.verdict is not None:
        yield from _verdict(report.verdict, width)
    if report.confidence:
        yield ""
        yield from _table(tables.confidence("confidence in", report.confidence), width)
        for calibration in report.confidence:
            yield ""
            yield from _reliability(calibration)
    yield ""
    for note in notes_of(report):
        yield from wrap(note, width, subsequent_indent="  ")


def _verdict(verdict: Verdict, width: int) -> Iterator[str]:
    if verdict.strategies:
        yield ""
        yield from _table(tables.worths("against all strong", verdict.strategies), width)
    yield ""
    yield from _table(tables.cheap_models(verdict.cheap_models[:_CHEAP_MODELS]), width)
    yield ""
    yield from wrap(f"verdict: {verdict.conclusion}", width, subsequent_indent="  ")


def _ledger(report: LedgerReport, width: int) -> Iterator[str]:
    yield f"{report.name}: {report.runs:,} rated runs"
    yield ""
    yield from _table(tables.observed("strategy", report.strategies), width)
    yield ""
    yield from _table(tables.observed("model", report.models), width)
    if report.confidence:
        yield ""
        yield from _table(tables.confidence("confidence in", report.confidence), width)
        yield ""
        yield from _reliability(report.confidence[0])
    yield ""
    yield from wrap(replayable_in_words(report), width)


def replayable_in_words(report: LedgerReport) -> str:
    """A note on how many of the ledger's rated runs can be replayed."""
    if not report.replayable:
        return (
            "No prompt was answered by several models and rated each time, so what another choice would have come to "
            "is not known."
        )
    return f"{report.replayable:,} prompts were answered by several models and rated each time: they can be replayed."


def _reliability(calibration: Calibration) -> Iterator[str]:
    yield f"  {_short(calibration.name)}: share of right answers (#), confidence (|)"
    for bin_ in calibration.bins:
        bar = [" "] * (_BAR + 1)
        for place in range(round(bin_.outcome * _BAR)):
            bar[place] = "#"
        bar[round(bin_.confidence * _BAR)] = "|"
        yield f"  {bin_.low:.1f}-{bin_.high:.1f} {bin_.answers:>6,}  {''.join(bar)}  {bin_.outcome:.2f}"


def _table(table: Table, width: int) -> Iterator[str]:
    """Names to the left, figures after them; columns for which there is no room make another table below."""
    rows = [[_short(name), *cells] for name, *cells in (table.header, *table.rows)]
    columns = list(zip(*rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    start = 1
    while start < len(columns):
        end, used = start + 1, widths[0] + len(_GAP) + widths[start]
        while end < len(columns) and used + len(_GAP) + widths[end] <= width:
            used += len(_GAP) + widths[end]
            end += 1
        if start > 1:
            yield ""
        part = [0, *range(start, end)]
        for line in zip(*(columns[number] for number in part), strict=True):
            if start == 1 or any(cell != tables.UNKNOWN for cell in line[1:]):
                sizes = (widths[number] for number in part)
                yield _GAP.join(f"{cell:<{size}}" for cell, size in zip(line, sizes, strict=True)).rstrip()
        start = end


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 2]}.."
