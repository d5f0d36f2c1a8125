"""Writes runs and calls into a real ledger, with every column that a test does not name at a plain value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.store import Ledger

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday

_RUN = RunRecord(
    run_id="",
    created_at=NOON,
    day="",
    strategy="fallback",
    prompt_sha256="0" * 64,
    simulated=False,
    status=RunStatus.COMPLETE,
)
_CALL = CallRecord(
    call_id="",
    run_id="",
    created_at=NOON,
    day="",
    provider="acme",
    model="small",
    provider_model="small-1",
    attempt=1,
    simulated=False,
    status=CallStatus.COMPLETED,
    cost_nanousd=0,
    cost_source=CostSource.USAGE,
)
UNPRICED: dict[str, Any] = {"cost_nanousd": None, "cost_source": CostSource.UNPRICED}


def unsettled(reserved_nanousd: int | None, status: CallStatus = CallStatus.SENT) -> dict[str, Any]:
    return {"status": status, "cost_nanousd": None, "cost_source": None, "reserved_nanousd": reserved_nanousd}


class Recorder:
    """A ledger with a pen."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger.open(path)
        self._rows = 0

    def run(self, *calls: dict[str, Any], at: datetime = NOON, day: date | None = None, **columns: Any) -> str:
        """Record a run with its calls, and give its id. Its day is that of `at` in `at`'s own time zone."""
        run_id = self._next("R")
        columns.setdefault("simulated", False)
        started: dict[str, Any] = {"run_id": run_id, "created_at": at, "day": (day or at.date()).isoformat()}
        self.ledger.start_run(replace(_RUN, **started, **columns))
        for call in calls:
            self.call(run_id, at=at, simulated=columns["simulated"], **call)
        return run_id

    def call(self, run_id: str, *, at: datetime = NOON, **columns: Any) -> None:
        made: dict[str, Any] = {
            "call_id": self._next("C"),
            "run_id": run_id,
            "created_at": at,
            "day": at.date().isoformat(),
        }
        self.ledger.reserve([replace(_CALL, **made, **columns)])

    def _next(self, kind: str) -> str:
        self._rows += 1
        return f"01{kind}{self._rows:023d}"


def recording(tmp_path: Path) -> Iterator[Recorder]:
    """To be made a fixture where it is used."""
    recorder = Recorder(tmp_path / "ledger.db")
    with recorder.ledger:
        yield recorder
