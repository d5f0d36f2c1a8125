"""What the page reads of the ledger beyond the report's own groups, all of it on one state of the ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from ...deferred import dataclass
from ...money import NANO_PER_DOLLAR
from ...period import Period
from ..day_parts import read_parts, rows_of
from ..model import Group
from ..selection import Selection
from ..significance import wilson
from .parts import BINS, DEAREST, FAILED, PAGE

_MOST_DAYS, _MOST_WEEKS = 92, 106  # so many bars can be told apart on a page

# Driven by the calls that failed, which an index finds.
_ERRORS = """
    SELECT calls.error_code AS code, calls.model AS model, count(*) AS calls, count(DISTINCT calls.run_id) AS runs,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd, substr(calls.error_message, 1, 300) AS message,
           max(calls.rowid), calls.run_id AS run_id
    FROM call_rows AS calls INDEXED BY calls_failed CROSS JOIN run_rows AS runs ON runs.run_id = calls.run_id
    WHERE calls.error_code IS NOT NULL AND {where} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


class Span(NamedTuple):
    """A bar of the page: a day, or the week or month that begins on it, with what a model cost in it."""

    start: str
    model: str
    calls: int
    cost_nanousd: int
    input: int
    cached: int
    written: int
    output: int


class CacheSaving(NamedTuple):
    """What a model's calls read from its provider's cache and wrote to it, and what that saved, in nano-dollars: tokens
    times what they would have cost as plain input less what they did; less than nothing where writing cost more."""

    model: str
    cached_tokens: int
    written_tokens: int
    saved_nanousd: int


class Leg(NamedTuple):
    """What came of the prompts that the leg of a chain was asked. `not_taken` are those that it was the last to be
    asked, and whose answer was another leg's, or none."""

    chain: str
    leg: int
    asked: int
    answered: int
    passed_on: int
    not_taken: int
    cost_nanousd: int
    models: str


class Bin(NamedTuple):
    """Runs whose confidence lies between `low` and `high`; `good` of the `rated` ones were rated at least 0.5."""

    low: float
    high: float
    runs: int
    confidence: float
    rated: int
    good: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share of good ones."""
        return wilson(self.good, self.rated) if self.rated else None


class Failure(NamedTuple):
    """Calls of a model that failed or were broken off for one reason."""

    code: str
    model: str
    calls: int
    runs: int
    cost_nanousd: int
    message: str | None


class Dear(NamedTuple):
    """A run that cost much."""

    run_id: str
    cost_nanousd: int
    calls: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it. `unit` is what a bar stands for; `examples` are runs that stand for its figures."""

    unit: Period
    spans: tuple[Span, ...]
    savings: tuple[CacheSaving, ...]
    legs: tuple[Leg, ...]
    bins: tuple[Bin, ...]
    dearest: tuple[Dear, ...]
    failures: tuple[Failure, ...]
    examples: frozenset[str]


def read_figures(connection: sqlite3.Connection, selection: Selection, days: Sequence[Group]) -> Figures:
    """Everything that the page draws, of the selected runs. `days` are the report's groups by day and model."""
    parts = list(read_parts(connection, selection, PAGE))
    where, parameters = selection.where()
    failures = connection.execute(_ERRORS.format(where=where), parameters).fetchall()
    spans = [_span(group) for group in days]
    unit = unit_of([span.start for span in spans])
    legs, of_legs = _legs(rows_of(parts, "legs"))
    bins, of_bins = _bins(rows_of(parts, "bins"))
    dearest = sorted(rows_of(parts, "dearest"), key=lambda row: (-row[1], row[0]))[:DEAREST]
    of_strategies: dict[str, tuple[int, str]] = {}
    for strategy, number, run in rows_of(parts, "of_strategies"):
        of_strategies[strategy] = max(of_strategies.get(strategy, (0, "")), (number, run))
    failed = sorted(rows_of(parts, "failed"), key=lambda row: -row[1])[:FAILED]
    return Figures(
        unit=unit,
        spans=_spans(spans, unit),
        savings=_savings(rows_of(parts, "cached")),
        legs=legs,
        bins=bins,
        dearest=tuple(Dear(*row) for row in dearest),
        failures=tuple(Failure(*row[:6]) for row in failures),
        examples=frozenset(
            {
                *(of_legs | of_bins),
                *(row[0] for row in (*dearest, *failed)),
                *_of_bars(rows_of(parts, "of_models"), unit),
                *(run for _, run in of_strategies.values()),
                *(row["run_id"] for row in failures),
            }
        ),
    )


def _of_bars(rows: Iterable[Sequence[Any]], unit: Period) -> Iterator[str]:
    """A run for each model of each bar: that of its dearest call."""
    dearest: dict[tuple[str, str], tuple[int, str]] = {}
    for day, model, cost, run in rows:
        key = (start_of(day, unit), model)
        dearest[key] = max(dearest.get(key, (-1, "")), (cost, run))
    return (run for _, run in dearest.values())


def _legs(rows: Iterable[Sequence[Any]]) -> tuple[tuple[Leg, ...], set[str]]:
    """The legs, and a run for each of what came of them."""
    sums: dict[tuple[str, int], list[int]] = {}
    models: dict[tuple[str, int], set[str]] = {}
    examples: dict[tuple[str, int], list[str]] = {}
    for row in rows:
        key, counts = (row[0], row[1]), row[2:7]
        sums[key] = [a + b for a, b in zip(sums.get(key, [0] * len(counts)), counts, strict=True)]
        models.setdefault(key, set()).update(json.loads(row[7]))
        ones = [run or "" for run in row[8:11]]
        examples[key] = [max(pair) for pair in zip(examples.get(key, ones), ones, strict=True)]
    legs = tuple(Leg._make((*key, *sums[key], ",".join(sorted(models[key])))) for key in sorted(sums))
    return legs, {run for ones in examples.values() for run in ones if run}


def _bins(rows: Iterable[Sequence[Any]]) -> tuple[tuple[Bin, ...], set[str]]:
    """The bins of confidence, and the latest run of each."""
    sums: dict[int, list[Any]] = {}
    latest: dict[int, tuple[int, str]] = {}
    for place, runs, confidence, rated, good, run, number in rows:
        known = sums.setdefault(place, [0, 0.0, 0, 0])
        sums[place] = [a + b for a, b in zip(known, (runs, confidence, rated, good), strict=True)]
        latest[place] = max(latest.get(place, (0, "")), (number, run))
    bins = tuple(
        Bin(place / BINS, (place + 1) / BINS, runs, confidence / runs, rated, good)
        for place, (runs, confidence, rated, good) in sorted(sums.items())
    )
    return bins, {run for _, run in latest.values()}


def unit_of(days: list[str]) -> Period:
    """What a bar stands for, so that there are not too many: a day, a week or a month."""
    if not days:
        return Period.DAY
    span = (date.fromisoformat(max(days)) - date.fromisoformat(min(days))).days
    return Period.DAY if span < _MOST_DAYS else Period.WEEK if span < 7 * _MOST_WEEKS else Period.MONTH


def start_of(day: str, unit: Period) -> str:
    """The day on which a day's bar begins."""
    return day if unit is Period.DAY else unit.days(date.fromisoformat(day))[0].isoformat()


def _span(group: Group) -> Span:
    day, model = group.keys
    counts = (group.input_tokens, group.cached_tokens, group.cache_write_tokens, group.output_tokens)
    return Span(day or "", model or "", group.calls, group.cost_nanousd, *counts)


def _spans(days: Iterable[Span], unit: Period) -> tuple[Span, ...]:
    sums: dict[tuple[str, str], Span] = {}
    for span in days:
        key = (start_of(span.start, unit), span.model)
        before = sums.get(key)
        counts = span[2:] if before is None else [a + b for a, b in zip(before[2:], span[2:], strict=True)]
        sums[key] = Span(*key, *counts)
    return tuple(sums.values())


def _savings(rows: Iterable[Sequence[Any]]) -> tuple[CacheSaving, ...]:
    sums: dict[str, list[Any]] = {}
    for model, price, longest, cached, written in rows:
        rates = _rates(price, longest)
        if rates is None:
            continue
        plain, read, write = rates
        saved = (plain - read) * cached + (plain - write) * written
        known = sums.setdefault(model, [0, 0, Fraction(0)])
        known[:] = [known[0] + cached, known[1] + written, known[2] + saved]
    found = [CacheSaving(model, cached, written, floor(saved)) for model, (cached, written, saved) in sums.items()]
    return tuple(sorted(found, key=lambda saving: (-saving.saved_nanousd, saving.model)))


def _rates(written: str, input_tokens: int) -> tuple[Fraction, Fraction, Fraction] | None:
    """Nano-dollars for a token of plain input, one that is read from the cache, and one that is written to it."""
    price = json.loads(written)
    tiers = [tier for tier in price.get("tiers") or () if input_tokens > tier["above"]]
    rates = max(tiers, key=lambda tier: tier["above"])["rates"] if tiers else price.get("rates")
    if not rates:
        return None
    plain = Fraction(Decimal(rates["input"])) * NANO_PER_DOLLAR / 10**6

    def rate(name: str) -> Fraction:
        return plain if rates.get(name) is None else Fraction(Decimal(rates[name])) * NANO_PER_DOLLAR / 10**6

    return plain, rate("cache_read"), rate("cache_write")
