"""Records into the ledger: a run with one call for each, once however often it is read.

A record that is there already is left as it is, unless its log has gone on: then its counts are those of the longer
reply. One of a provider's export is replaced by what the latest export says, figure by figure.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import field
from hashlib import sha256
from itertools import islice
from typing import Any

from ulid import ULID

from ..billing import CostSource, bill
from ..clock import local_now
from ..deferred import dataclass, replace
from ..ledger.records import CallRecord, CallStatus, RunRecord, RunStatus
from ..ledger.rows import insert, update
from ..ledger.store import Ledger
from ..ledger.summing import sum_days
from ..registry.model import Registry
from ..registry.model_names import ModelNames
from ..types import Usage
from .record import Source, UsageRecord

_BATCH = 500  # records in a transaction: other processes' calls wait for one batch at most
_FOUND = """
    SELECT call_rows.call_id, call_rows.input_tokens, call_rows.output_tokens, call_rows.cached_tokens,
           call_rows.cost_nanousd, call_rows.usage
    FROM run_rows JOIN call_rows ON call_rows.run_id = run_rows.run_id
    WHERE run_rows.source = ? AND run_rows.source_key = ?
"""
_SUMS = """
    SELECT calls.model, count(*), sum(calls.input_tokens), sum(calls.output_tokens),
           coalesce(sum(calls.cost_nanousd), 0), sum(calls.cost_nanousd IS NULL)
    FROM run_rows JOIN call_rows AS calls ON calls.run_id = run_rows.run_id
    WHERE run_rows.source = ? GROUP BY 1 ORDER BY 1
"""


@dataclass(slots=True)
class Stored:
    """What came of an import: records by what was done with them; the calls, tokens and nano-dollars that the ledger
    has of the source now; and the calls of models without a price among them."""

    new: int = 0
    changed: int = 0
    known: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanousd: int = 0
    unpriced: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Store:
    """Where records go. `in_budgets` has them count in budgets: their cost is then as one of this program's own calls.
    `simulated` marks them as simulated."""

    ledger: Ledger
    source: Source
    registry: Registry
    names: ModelNames
    simulated: bool = False
    in_budgets: bool = False

    def store(self, records: Iterable[UsageRecord]) -> Stored:
        """Store all of them, a batch at a time. Raises LedgerError."""
        done = Stored()
        waiting = iter(records)
        while batch := list(islice(waiting, _BATCH)):
            priced = [self._priced(record) for record in batch]
            kept = self.ledger.write(lambda db, priced=priced: [self._put(db, *each) for each in priced])  # type: ignore[misc]
            for kind in kept:
                setattr(done, kind, getattr(done, kind) + 1)
        self.ledger.read(lambda db: self._sum(db, done))
        sum_days(self.ledger, local_now().date())
        return done

    def _sum(self, db: sqlite3.Connection, done: Stored) -> None:
        for model, calls, given, written, cost, unpriced in db.execute(_SUMS, (self.source.value,)):
            done.calls += calls
            done.input_tokens += given
            done.output_tokens += written
            done.cost_nanousd += cost
            if unpriced:
                done.unpriced[model] = unpriced

    def _priced(self, record: UsageRecord) -> tuple[UsageRecord, CallRecord]:
        """The record, and the call that it becomes."""
        name = self.names.fold(record.model)
        spec = self.registry.find(name)
        price = None if spec is None else spec.price_at(record.at)
        usage = record.usage or Usage()
        nanousd, source = record.stated_nanousd, CostSource.USAGE if self.in_budgets else CostSource.IMPORTED
        if nanousd is None:
            nanousd = bill(price, usage).nanousd
        run_id, call_id = _ids(self.source, record)
        raw: dict[str, Any] = {**usage.raw} | ({} if record.stated_nanousd is None else {"stated": True})
        call = CallRecord(
            call_id=call_id,
            run_id=run_id,
            created_at=record.at,
            sent_at=record.at,
            ended_at=record.at,
            day=_day(record),
            provider=self.source.provider if spec is None else spec.provider,
            model=record.model if spec is None else spec.name,
            provider_model=record.model,
            raw_model=record.model,
            attempt=1,
            simulated=self.simulated,
            status=CallStatus.COMPLETED,
            cost_nanousd=nanousd,
            cost_source=CostSource.UNPRICED if nanousd is None else source,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            usage=json.dumps(raw) if raw else None,
        )
        return record, call

    def _put(self, db: sqlite3.Connection, record: UsageRecord, call: CallRecord) -> str:
        found = db.execute(_FOUND, (self.source.value, record.key)).fetchone()
        if found is None:
            insert(db, "runs", self._run(record, call))
            insert(db, "calls", call)
            return "new"
        known = replace(
            call,
            call_id=found["call_id"],
            input_tokens=found["input_tokens"],
            output_tokens=found["output_tokens"],
            cached_tokens=found["cached_tokens"],
            cost_nanousd=found["cost_nanousd"],
        )
        merged = self._merged(record, call, known, found["usage"])
        if _figures(merged) == _figures(known):
            return "known"
        update(db, "calls", "call_id", known.call_id, _changes(merged))
        return "changed"

    def _merged(self, record: UsageRecord, call: CallRecord, known: CallRecord, usage: str | None) -> CallRecord:
        """The call with what is to be believed of both."""
        if not self.source.is_export:
            tokens, before = (each.input_tokens + each.output_tokens for each in (call, known))
            priced_since = tokens == before and known.cost_nanousd is None
            return call if tokens > before or priced_since else known
        if record.usage is None:  # a table of costs says nothing of tokens
            call = replace(
                call,
                input_tokens=known.input_tokens,
                output_tokens=known.output_tokens,
                cached_tokens=known.cached_tokens,
            )
        if record.stated_nanousd is None and usage is not None and "stated" in json.loads(usage):
            call = replace(call, cost_nanousd=known.cost_nanousd, usage=usage)
        return call

    def _run(self, record: UsageRecord, call: CallRecord) -> RunRecord:
        metadata = {"session": record.session} if record.session is not None else {}
        return RunRecord(
            run_id=call.run_id,
            created_at=record.at,
            ended_at=record.at,
            day=call.day,
            simulated=self.simulated,
            status=RunStatus.COMPLETE,
            strategy=self.source.value,
            category=record.project,
            prompt_sha256="",
            model_used=call.model,
            source=self.source.value,
            source_key=record.key,
            metadata=json.dumps(metadata),
        )


def _figures(call: CallRecord) -> tuple[int | None, ...]:
    return call.input_tokens, call.output_tokens, call.cached_tokens, call.cost_nanousd


def _changes(call: CallRecord) -> dict[str, Any]:
    names = (
        *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
        *("cost_nanousd", "cost_source", "usage"),
    )
    return {name: getattr(call, name) for name in names}


def _ids(source: Source, record: UsageRecord) -> tuple[str, str]:
    """The ids of the run and the call, which are the same on every machine: ledgers that are merged count it once."""
    millis = max(0, int(record.at.timestamp() * 1000)).to_bytes(6, "big")
    digest = sha256(f"{source}\0{record.key}".encode("utf-8", "surrogatepass")).digest()
    return str(ULID.from_bytes(millis + digest[:10])), str(ULID.from_bytes(millis + digest[10:20]))


def _day(record: UsageRecord) -> str:
    return record.day or record.at.astimezone().date().isoformat()
