"""What the page reads of the ledger beyond the report's own groups, all of it on one state of the ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from ...deferred import dataclass
from ...money import NANO_PER_DOLLAR
from ...period import Period
from ..model import Group
from ..selection import Selection
from ..significance import wilson

BINS = 10
GOOD_RATING = 0.5
DEAREST = 100  # that are listed
LONG_INPUT = 100_000  # tokens: prices have no tier below
_MOST_DAYS, _MOST_WEEKS = 92, 106  # so many bars can be told apart on a page

CASCADE = "json_type(runs.plan, '$.cascade') IS NOT NULL"
# What calls read from a cache, and wrote to it, by the price that they had.
_CACHED = """
    SELECT calls.model AS model, calls.price AS price, {one} AS one, max(calls.input_tokens) AS longest,
           sum(calls.cached_tokens) AS cached, sum(calls.cache_write_tokens) AS written
    FROM runs JOIN calls ON calls.run_id = runs.run_id
    WHERE calls.price IS NOT NULL AND calls.cost_nanousd IS NOT NULL
        AND (calls.cached_tokens > 0 OR calls.cache_write_tokens > 0) AND {where}
    GROUP BY 1, 2, 3
"""
_LONG = f"CASE WHEN calls.input_tokens > {LONG_INPUT} THEN calls.call_id END"  # one by one: its tier is its own
# A leg is the place of a model among those that a cascade asked, in their order.
LEGS = """
    SELECT runs.run_id AS run_id, coalesce(runs.pattern, runs.strategy) AS chain, calls.model AS model,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd,
           row_number() OVER (PARTITION BY runs.run_id ORDER BY min(calls.rowid)) AS leg,
           runs.model_used IS calls.model AS answered,
           min(calls.rowid) < max(min(calls.rowid)) OVER (PARTITION BY runs.run_id) AS passed_on
    FROM runs JOIN calls ON calls.run_id = runs.run_id
    WHERE {cascade} AND {where} GROUP BY runs.run_id, calls.model
"""
_LEGS = f"""
    SELECT chain, leg, count(*) AS asked, sum(answered) AS answered, sum(passed_on AND NOT answered) AS passed_on,
           sum(NOT passed_on AND NOT answered) AS unanswered, sum(cost_nanousd) AS cost_nanousd,
           group_concat(DISTINCT model) AS models, max(run_id) FILTER (WHERE answered) AS one_answered,
           max(run_id) FILTER (WHERE passed_on AND NOT answered) AS one_passed_on,
           max(run_id) FILTER (WHERE NOT passed_on AND NOT answered) AS one_unanswered
    FROM ({LEGS}) GROUP BY 1, 2 ORDER BY 1, 2
"""
BIN = f"CAST(min(runs.confidence * {BINS} + 1e-9, {BINS - 1}) AS INTEGER)"
_CALIBRATION = """
    SELECT {bin} AS bin, count(*) AS runs, avg(runs.confidence) AS confidence, count(ratings.rating) AS rated,
           coalesce(sum(ratings.rating >= ?), 0) AS good
    FROM runs LEFT JOIN ratings ON ratings.run_id = runs.run_id
    WHERE runs.confidence IS NOT NULL AND {where} GROUP BY 1 ORDER BY 1
"""
_DEAREST = """
    SELECT runs.run_id AS run_id, sum(calls.cost_nanousd) AS cost_nanousd, count(*) AS calls
    FROM runs JOIN calls ON calls.run_id = runs.run_id WHERE calls.cost_nanousd > 0 AND {where}
    GROUP BY runs.run_id ORDER BY 2 DESC, 1 LIMIT ?
"""
_ERRORS = """
    SELECT calls.error_code AS code, calls.model AS model, count(*) AS calls, count(DISTINCT calls.run_id) AS runs,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd, substr(calls.error_message, 1, 300) AS message,
           max(calls.rowid)
    FROM runs JOIN calls ON calls.run_id = runs.run_id
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
    """What came of the prompts that the leg of a chain was asked. `unanswered` are those that it was the last to be
    asked, and whose answer it did not give."""

    chain: str
    leg: int
    asked: int
    answered: int
    passed_on: int
    unanswered: int
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
    """All of it. `unit` is what a bar stands for; `examples` are runs that stand for the legs and for what is dear."""

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
    where, parameters = selection.where()

    def rows(sql: str, *before: Any, after: tuple[Any, ...] = (), **parts: str) -> Iterable[sqlite3.Row]:
        return connection.execute(sql.format(where=where, **parts), (*before, *parameters, *after))

    spans = [_span(group) for group in days]
    unit = unit_of([span.start for span in spans])
    legs, dearest = list(rows(_LEGS, cascade=CASCADE)), [Dear(*row) for row in rows(_DEAREST, after=(DEAREST,))]
    return Figures(
        unit=unit,
        spans=_spans(spans, unit),
        savings=_savings(rows(_CACHED, one=_LONG)),
        legs=tuple(Leg(*row[:8]) for row in legs),
        bins=tuple(
            Bin(row[0] / BINS, (row[0] + 1) / BINS, *row[1:]) for row in rows(_CALIBRATION, GOOD_RATING, bin=BIN)
        ),
        dearest=tuple(dearest),
        failures=tuple(Failure(*row[:6]) for row in rows(_ERRORS)),
        examples=frozenset({run for row in legs for run in row[8:] if run}.union(each.run_id for each in dearest)),
    )


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


def _savings(rows: Iterable[sqlite3.Row]) -> tuple[CacheSaving, ...]:
    sums: dict[str, list[Any]] = {}
    for row in rows:
        rates = _rates(json.loads(row["price"]), row["longest"])
        if rates is None:
            continue
        plain, read, write = rates
        saved = (plain - read) * row["cached"] + (plain - write) * row["written"]
        known = sums.setdefault(row["model"], [0, 0, Fraction(0)])
        known[:] = [known[0] + row["cached"], known[1] + row["written"], known[2] + saved]
    found = [CacheSaving(model, cached, written, floor(saved)) for model, (cached, written, saved) in sums.items()]
    return tuple(sorted(found, key=lambda saving: (-saving.saved_nanousd, saving.model)))


def _rates(price: Any, input_tokens: int) -> tuple[Fraction, Fraction, Fraction] | None:
    """Nano-dollars for a token of plain input, one that is read from the cache, and one that is written to it."""
    tiers = [tier for tier in price.get("tiers") or () if input_tokens > tier["above"]]
    rates = max(tiers, key=lambda tier: tier["above"])["rates"] if tiers else price.get("rates")
    if not rates:
        return None
    plain = Fraction(Decimal(rates["input"])) * NANO_PER_DOLLAR / 10**6

    def rate(name: str) -> Fraction:
        return plain if rates.get(name) is None else Fraction(Decimal(rates[name])) * NANO_PER_DOLLAR / 10**6

    return plain, rate("cache_read"), rate("cache_write")
