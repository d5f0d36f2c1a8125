"""A projection in words, for `orch report --project`."""

from __future__ import annotations

from collections.abc import Iterator

from ...money import format_short
from ...report.estimate import LEAST_DAYS, Estimate
from ...report.projection import Projection


def projection_lines(projection: Projection) -> Iterator[str]:
    """What the days ahead will cost, from what, and compared with what."""
    ahead = f"{projection.horizon.days} days"
    yield ""
    if projection.expected is None:
        yield f"Projection to {ahead}: no day that is over has been recorded yet"
        yield from _today(projection)
        return
    days = "1 whole day" if projection.days == 1 else f"{projection.days} whole days"
    span = f"{projection.first_day} to {projection.last_day}"
    yield f"Projection to {ahead}, from {days} ({span}, {_runs(projection.runs)}):"
    rows = [("as it is", projection.expected, "")]
    if projection.against is not None and projection.saved is not None:
        rows += [
            (f"everything on {projection.model}", projection.against, ""),
            ("saved", projection.saved, _share(projection.saved_share, "of it")),
        ]
    width = max(len(name) for name, _, _ in rows)
    amount = max(len(format_short(estimate.expected_nanousd)) for _, estimate, _ in rows)
    for name, estimate, more in rows:
        parts = [f"  {name:<{width}}  {format_short(estimate.expected_nanousd):>{amount}}", _interval(estimate), more]
        yield "  ".join(part for part in parts if part)
    yield from _notes(projection)


def _today(projection: Projection) -> Iterator[str]:
    """What can be said of the first day, which is not over."""
    if not projection.runs:
        return
    spent, mean = projection.known_nanousd, projection.known_nanousd // projection.runs
    yield f"  today so far: {_runs(projection.runs)} for {format_short(spent)}, {format_short(mean)} each"
    if projection.against_nanousd is not None:
        share = _share(projection.saved_share, "of it saved")
        cost = format_short(projection.against_nanousd)
        yield f"  everything on {projection.model} would have cost {cost}{share and f': {share}'}"
    yield from _notes(projection)


def _share(saved: float | None, what: str) -> str:
    """What of the cost on the other model is saved; below nothing, how many times that cost it is."""
    if saved is None:
        return ""
    return f"{saved:.1%} {what}" if saved >= 0 else f"as it is costs {1 - saved:,.3g} times that"


def _interval(estimate: Estimate) -> str:
    if estimate.low_nanousd is None:
        return ""
    return f"95 %: {format_short(estimate.low_nanousd)} to {format_short(estimate.high_nanousd)}"


def _notes(projection: Projection) -> Iterator[str]:
    if not projection.has_interval and projection.expected is not None:
        yield f"too few days for an interval: it takes {LEAST_DAYS} whole ones"
    if projection.idle_nanousd:
        yield f"{format_short(projection.idle_nanousd)} of the known days are for machines that were on"
    if projection.unpriced_calls:
        calls = "1 call" if projection.unpriced_calls == 1 else f"{projection.unpriced_calls:,} calls"
        yield f"{calls} of unknown price are not part of what it is"
    if projection.model is not None:
        yield f"on {projection.model}: one call a run, with the tokens of the answer, at the price of its day"
        if projection.unanswered_runs:
            yield f"{_runs(projection.unanswered_runs)} gave no answer, and would cost nothing there"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
