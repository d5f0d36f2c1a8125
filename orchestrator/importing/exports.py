"""Usage exports of providers (docs/reconcile.md has their forms), as a record for each model and UTC day.

An export counts what every program did with the account, so that the calls of this one are in it too: they are taken
off, day by day and model by model. What is left, at least nothing, is what other programs used.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from fractions import Fraction
from pathlib import Path

from ..deferred import dataclass
from ..errors import UsageError
from ..money import NANO_PER_DOLLAR
from ..registry.model_names import ModelNames
from ..report.usage_exports import opened_export
from ..report.usage_lines import UsageLine
from ..types import Usage
from .record import Source, Told, UsageRecord

_OWN = """
    SELECT date(coalesce(sent_at, calls.created_at) / 1000000, 'unixepoch') AS utc_day, model,
           sum(input_tokens), sum(output_tokens), sum(cached_tokens), coalesce(sum(cost_nanousd), 0)
    FROM calls JOIN runs ON runs.run_id = calls.run_id
    WHERE runs.source IS NULL AND calls.simulated = ? AND provider = ? AND calls.status <> 'reserved'
    GROUP BY 1, 2
"""


@dataclass(slots=True)
class _Sum:
    """What a model used on a day; None for what no export says."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cost: Fraction | None = None

    def add(self, line: UsageLine) -> None:
        """Count a line too."""
        self.input = _plus(self.input, line.input_tokens)
        self.output = _plus(self.output, line.output_tokens)
        self.cached = _plus(self.cached, line.cached_tokens)
        self.cost = line.cost if self.cost is None else self.cost + (line.cost or 0)


def export_files(path: Path) -> list[Path]:
    """The export, or those in a folder. Raises UsageError if there are none."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".csv", ".tsv", ".json"))
        if not files:
            raise UsageError(f"{path} has no files that end in .csv or .json")
        return files
    return [path]


def read_exports(
    files: Sequence[Path], source: Source, names: ModelNames, own: sqlite3.Connection, *, simulated: bool, told: Told
) -> Iterator[UsageRecord]:
    """What other programs used, by day and model, of all files together. `own` reads the ledger.

    Raises UsageError for a file that fits no format, or that is another provider's.
    """
    sums: dict[tuple[str, str], _Sum] = {}
    for file in files:
        with opened_export(file) as export:
            if export.provider not in (None, source.provider):
                raise UsageError(f"{file} is an export of {export.provider}, not of {source}")
            for line in export.lines:
                if (line.input_tokens, line.output_tokens, line.cost) != (None, None, None):
                    key = (line.day.isoformat(), names.fold(line.model))
                    sums.setdefault(key, _Sum()).add(line)
        told.files += 1
    spent = {(row[0], row[1]): row[2:] for row in own.execute(_OWN, (int(simulated), source.provider))}
    for (day, model), found in sorted(sums.items()):
        yield _record(day, model, found, spent.get((day, model), (0, 0, 0, 0)))


def _record(day: str, model: str, found: _Sum, own: Sequence[int]) -> UsageRecord:
    given, output, cached = (
        None if count is None else max(0, count - mine)
        for count, mine in zip((found.input, found.output, found.cached), own, strict=False)
    )
    stated = None if found.cost is None else max(0, math.ceil(found.cost * NANO_PER_DOLLAR) - own[3])
    usage = None
    if given is not None or output is not None:
        usage = Usage(given or 0, output or 0, min(cached or 0, given or 0))
    noon = datetime.combine(datetime.fromisoformat(day).date(), time(12), UTC)
    return UsageRecord(f"{day}:{model}", noon, model, usage, stated_nanousd=stated, day=day)


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
