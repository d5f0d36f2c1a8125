"""What was imported beside the runs of a report, so that nobody takes a part for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..deferred import replace
from ..ledger.store import Ledger
from ..money import format_short
from .selection import IMPORTED, OWN, Selection

_ANY = "SELECT EXISTS (SELECT 1 FROM runs WHERE source_key IS NOT NULL)"
_SUMS = """
    SELECT runs.source AS source, count(DISTINCT runs.run_id) AS runs,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd
    FROM runs JOIN calls ON calls.run_id = runs.run_id WHERE {where} GROUP BY 1 ORDER BY 3 DESC, 1
"""


class Beside(NamedTuple):
    """A tool's imported usage in the selected time, in nano-dollars, which the report is without."""

    source: str
    runs: int
    cost_nanousd: int

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return self._asdict()


def imported_beside(ledger: Ledger | None, selection: Selection) -> list[Beside]:
    """What a report of this program's own runs leaves out; nothing for any other. Raises LedgerError."""
    if ledger is None or selection.source != OWN:
        return []
    where, parameters = replace(selection, source=IMPORTED).where()
    if not ledger.read(lambda db: db.execute(_ANY).fetchone()[0]):
        return []
    return ledger.read(lambda db: [Beside(*row) for row in db.execute(_SUMS.format(where=where), parameters)])


def in_words(beside: Sequence[Beside]) -> list[str]:
    """A line, if there is something."""
    if not beside:
        return []
    tools = ", ".join(f"{each.source} {format_short(each.cost_nanousd)}" for each in beside)
    return [f"orch's own runs; imported usage is not in it (--source all): {tools}"]
