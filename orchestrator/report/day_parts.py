"""What a report shows beyond sums, in parts: of each day, and of each category and list of tags in it, so that any
selection of whole days is the sum of some parts.

The parts of summed days are kept in `page_days` when they are first asked for; those of other days are read from the
rows. The parts of runs that are taken out can stay, as sums do.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import LedgerError
from ..ledger import progress
from ..ledger.store import Ledger
from .selection import Selection

# The kinds of rows that a part has, by name.
Part = Mapping[str, Sequence[Sequence[Any]]]
GOOD_RATING = 0.5  # from it on, a rated answer was good
OF = ("simulated", "source", "category", "tags")
GROUP = ", ".join(f"runs.{name}" for name in OF)


class Parts(NamedTuple):
    """A kind of part. Each of its queries gives the columns of `OF`, then its own; `{where}` is a condition on `runs`.
    `told` is what the progress of keeping them says."""

    kind: str
    told: str
    queries: Mapping[str, str]


def keep_parts(ledger: Ledger, parts: Parts) -> None:
    """Keep the parts of every summed day that has none yet, each day in a transaction. A ledger that cannot be written,
    or is busy, stays as it is."""
    wanted = "SELECT day FROM summed_days WHERE day NOT IN (SELECT day FROM page_days WHERE kind = ? AND NOT pruned)"
    days = ledger.read(lambda db: [row[0] for row in db.execute(wanted, (parts.kind,))])
    try:
        for number, day in enumerate(days, start=1):
            ledger.maintain(lambda db, day=day: _keep_day(db, day, parts))  # type: ignore[misc]
            progress.show(parts.told, number, len(days))
    except LedgerError:
        return


def _keep_day(connection: sqlite3.Connection, day: str, parts: Parts) -> None:
    summed = connection.execute("SELECT 1 FROM summed_days WHERE day = ?", (day,)).fetchone()
    known = "SELECT 1 FROM page_days WHERE day = ? AND kind = ? AND NOT pruned"
    if not summed or connection.execute(known, (day, parts.kind)).fetchone():
        return  # somebody else was here
    _keep(connection, day, "runs.day = ?", day, parts, pruned=False)


def keep_pruned_parts(connection: sqlite3.Connection, day: str, which: str, value: str, parts: Parts) -> None:
    """Within a transaction, before runs of a day are deleted: let their parts stay. `which` is a condition on `runs`
    with one parameter."""
    _keep(connection, day, which, value, parts, pruned=True)


def _keep(connection: sqlite3.Connection, day: str, which: str, value: str, parts: Parts, *, pruned: bool) -> None:
    kept = _of_rows(connection, which, (value,), parts)
    connection.executemany(
        f"INSERT INTO page_days (day, kind, pruned, {', '.join(OF)}, figures) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(day, parts.kind, int(pruned), *of, json.dumps(part)) for of, part in kept.items()],
    )


def read_parts(connection: sqlite3.Connection, selection: Selection, parts: Parts) -> Iterator[Part]:
    """The parts that the selected runs are made of."""
    where, parameters = selection.where()
    whole, values = selection.whole_days()
    kept = f"""
        SELECT sums.day AS day, sums.figures AS figures FROM page_days AS sums
        WHERE sums.kind = ? AND {whole} AND (sums.pruned OR sums.day IN (SELECT day FROM summed_days))
    """
    for row in connection.execute(kept, (parts.kind, *values)):
        yield json.loads(row["figures"])
    inside, bounds = selection.days_within()
    known = "SELECT day FROM page_days WHERE kind = ? AND NOT pruned"
    rest = f"SELECT day FROM summed_days WHERE {inside} AND day IN ({known})"
    days = [row[0] for row in connection.execute(rest, (*bounds, parts.kind))]
    known = f"runs.day NOT IN ({', '.join('?' * len(days))})"
    if days:
        # The days that are left, each found in the index.
        left = f"""
            WITH RECURSIVE days (day) AS (
                SELECT min(day) FROM run_rows
                UNION ALL
                SELECT (SELECT min(day) FROM run_rows WHERE run_rows.day > days.day) FROM days WHERE day IS NOT NULL
            ) SELECT day FROM days AS runs WHERE day IS NOT NULL AND {known}
        """
        days = [row[0] for row in connection.execute(left, days)]
        known = f"runs.day IN ({', '.join('?' * len(days))})"
    yield from _of_rows(connection, f"{where} AND {known}", (*parameters, *days), parts).values()


def _of_rows(
    connection: sqlite3.Connection, where: str, parameters: Sequence[str | int], parts: Parts
) -> dict[tuple[Any, ...], dict[str, list[Sequence[Any]]]]:
    """The parts of the runs of a condition, by simulated, source, category and tags."""
    found: dict[tuple[Any, ...], dict[str, list[Sequence[Any]]]] = defaultdict(
        lambda: {name: [] for name in parts.queries}
    )
    for name, query in parts.queries.items():
        for row in connection.execute(query.format(where=where), parameters):
            found[tuple(row[: len(OF)])][name].append(tuple(row[len(OF) :]))
    return found


def rows_of(parts: Iterable[Part], name: str) -> Iterator[Sequence[Any]]:
    """The rows of a kind of all parts."""
    for part in parts:
        yield from part[name]
