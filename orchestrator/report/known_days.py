"""What the ledger has of whole days, for projections: what each cost, and the calls that gave the answers.

Summed days are read from their sums, the others from their rows. Runs that were pruned are in neither.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from ..deferred import dataclass
from ..ledger.rows import from_micros
from ..ledger.sum_tables import ANSWERING, LONG_INPUT, TOKENS
from ..registry.model import ModelSpec
from ..types import Usage
from .selection import Selection

_DAY = timedelta(days=1)
_MICROS_PER_DAY = 86_400_000_000

_CALLS = """
    SELECT runs.day AS day, coalesce(sum(calls.cost_nanousd), 0) AS spent,
           coalesce(sum(calls.cost_source IS 'unpriced'), 0) AS unpriced
    FROM run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id WHERE {where} GROUP BY 1
"""
_RUNS = "SELECT count(*) AS runs FROM run_rows AS runs WHERE {where}"
_ANSWERS = f"""
    SELECT runs.day AS day, calls.created_at AS at, {", ".join(f"calls.{name}" for name in TOKENS)}, 1 AS answers
    FROM run_rows AS runs JOIN call_rows AS calls ON calls.rowid = {ANSWERING}
    WHERE runs.model_used IS NOT NULL AND {{where}}
"""
_MODELS = """
    SELECT DISTINCT calls.model, calls.provider
    FROM run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id WHERE {where}
"""
# The same from the sums.
_OF_SUMS = {
    _CALLS: """
        SELECT sums.day AS day, sum(cost_nanousd) AS spent, sum(unpriced_calls) AS unpriced
        FROM call_sums AS sums WHERE grain = '{grain}' AND NOT pruned AND {where} GROUP BY 1
    """,
    _RUNS: "SELECT sum(runs) AS runs FROM run_sums AS sums WHERE grain = '{grain}' AND NOT pruned AND {where}",
    _ANSWERS: f"""
        SELECT sums.day AS day, utc_day * {_MICROS_PER_DAY} + {_MICROS_PER_DAY // 2} AS at,
               {", ".join(f"sum({name})" for name in TOKENS)}, sum(answers) AS answers
        FROM answer_sums AS sums WHERE {{where}} GROUP BY sums.day, utc_day, long_input
    """,
    _MODELS: "SELECT DISTINCT model, provider FROM call_sums AS sums WHERE grain = 'MWG' AND NOT pruned AND {where}",
}


@dataclass(frozen=True, slots=True)
class Answers:
    """The calls that gave the answers of runs: one, or several of a day with the sums of their tokens, none of which
    has an input that is long."""

    day: str
    at: datetime
    usage: Usage
    number: int


@dataclass(frozen=True, slots=True)
class KnownDays:
    """What the ledger has of the days: nano-dollars by day, and figures of all of them."""

    spent: Counter[str]
    runs: int
    unpriced: int
    answers: tuple[Answers, ...]
    models: frozenset[tuple[str, str]]  # the models that were called, and their providers


def whole_days(db: sqlite3.Connection, selection: Selection, now: datetime) -> tuple[date, date] | None:
    """The first and the last day of the selection that are known whole; None if there is none."""
    within = selection.within
    kind = Selection(selection.simulated, source=selection.source)
    anything = kind if within.first_day or within.since else selection  # a bound that was asked for counts from there
    where, parameters = anything.where()
    first_run = f"SELECT runs.day FROM run_rows AS runs WHERE {where} ORDER BY runs.day LIMIT 1"
    day = db.execute(first_run, parameters).fetchone()
    if day is None:
        return None
    starts = [date.fromisoformat(day[0]), *([within.first_day] if within.first_day else [])]
    ends = [now.date() - _DAY, *([within.last_day] if within.last_day else [])]
    if within.since is not None:
        starts.append(within.since.astimezone(now.tzinfo).date() + _DAY)
    if within.until is not None:
        ends.append(within.until.astimezone(now.tzinfo).date() - _DAY)
    first, last = max(starts), min(ends)
    return (first, last) if first <= last else None


def is_priced_by_the_day(spec: ModelSpec) -> bool:
    """Whether sums of a day's tokens can be priced: no price of the model is for some hours of a day, and none has a
    tier that an input which is not long reaches."""
    tiers = (tier for price in spec.prices for tier in price.tiers)
    return all(price.hours_utc is None for price in spec.prices) and all(tier.above >= LONG_INPUT for tier in tiers)


def known_days(
    db: sqlite3.Connection, selection: Selection, first: str, last: str, *, by_sums: bool = True
) -> KnownDays:
    """The selected runs of the days from `first` to `last`, all of which lie in the selection. Without `by_sums` each
    answer stands for itself."""
    where, parameters = selection.where()
    summed: list[str] = []
    if by_sums:
        span = "SELECT day FROM summed_days WHERE day BETWEEN ? AND ?"
        summed = [row[0] for row in db.execute(span, (first, last))]
    of_sums, values = selection.whole_days()
    marks, grain = ", ".join("?" * len(summed)), "TG" if selection.columns() else ""

    def rows(sql: str) -> Iterable[sqlite3.Row]:
        if summed:
            of_days = f"sums.day IN ({marks}) AND {of_sums}"
            yield from db.execute(_OF_SUMS[sql].format(where=of_days, grain=grain), (*summed, *values))
        days = f"runs.day BETWEEN ? AND ? AND runs.day NOT IN ({marks})"
        yield from db.execute(sql.format(where=f"{days} AND {where}"), (first, last, *summed, *parameters))

    by_day = list(rows(_CALLS))
    spent: Counter[str] = Counter()
    for row in by_day:
        spent[row["day"]] += row["spent"]
    return KnownDays(
        spent=spent,
        runs=sum(row["runs"] or 0 for row in rows(_RUNS)),
        unpriced=sum(row["unpriced"] for row in by_day),
        answers=tuple(Answers(row[0], from_micros(row[1]), Usage(*row[2:7]), row["answers"]) for row in rows(_ANSWERS)),
        models=frozenset((row[0], row[1]) for row in rows(_MODELS)),
    )
