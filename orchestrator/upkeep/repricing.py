"""Costs worked out again, when a price in the registry turns out to have been wrong; and taken back again.

Only calls that are priced by tokens are priced again: those billed by the provider's own counts, and completed ones,
whose tokens were estimated if the provider sent no counts. What was set at its worst case stays, and so does what was
had on a free tier. Each change is a row in `repricings`, written in the transaction that changes the call, so what a
call was recorded as is never lost. Calls are taken in batches: other processes' calls wait for one batch at most.

One repricing is made at a time, and their ids are in the order in which they were made, whatever the clock says: so
what one of them set is known, and is what undoing it takes back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import date, datetime

from ulid import ULID

from ..billing import bill
from ..choose.quote import FREE_TIER_SOURCE, REASONING, price_for
from ..deferred import dataclass, replace
from ..errors import UsageError
from ..ledger.process import repricing_lock
from ..ledger.records import NOT_BELIEVED, CostSource
from ..ledger.rows import from_micros, to_micros
from ..ledger.store import Ledger
from ..money import Price
from ..registry.model import Registry
from ..types import Usage

BATCH = 500  # calls a transaction: 10 to 30 ms of writing
LAST = "last"

_CANDIDATES = """
    SELECT rowid AS position, call_id, coalesce(sent_at, created_at) AS priced_at, provider, model, cost_nanousd,
           cost_source, price, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
           latency_ms, usage, raw_model, reserved_nanousd
    FROM call_rows
    WHERE rowid > :after AND simulated = :simulated AND day BETWEEN :since AND :until
      AND (:model IS NULL OR model = :model)
      AND (cost_source IN ('usage', 'provider') OR (status = 'completed' AND cost_source IN ('unpriced', 'estimate')))
      AND NOT (cost_source = 'estimate' AND usage IS NULL AND cost_nanousd IS reserved_nanousd)
      AND (price IS NULL OR json_extract(price, '$.source') IS NOT :free)
      AND (usage IS NULL OR json_extract(usage, :not_believed) IS NULL)
      AND NOT EXISTS (SELECT 1 FROM run_rows WHERE run_rows.run_id = call_rows.run_id AND source_key IS NOT NULL)
    ORDER BY rowid LIMIT :batch
"""
# Only a call that is still as it was read: whoever changed it meanwhile knew better.
_CHANGE = """
    UPDATE call_rows SET cost_nanousd = :to_cost, cost_source = :to_source, price = :to_price
    WHERE call_id = :call AND cost_nanousd IS :from_cost AND cost_source IS :from_source AND price IS :from_price
"""


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a call is recorded to have cost, in nano-dollars, and by which price (a JSON object)."""

    cost_nanousd: int | None
    source: CostSource
    price: str | None


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What a repricing makes of one model's calls. Sums, in nano-dollars, are of the calls whose cost is known.

    `changed` of the `calls` looked at cost something else now. `unpriced_before` of them had no known cost;
    `without_price` have no price in the registry for when they were made, and are left as they are.
    """

    model: str
    calls: int = 0
    changed: int = 0
    unpriced_before: int = 0
    without_price: int = 0
    before_nanousd: int = 0
    after_nanousd: int = 0

    @property
    def difference_nanousd(self) -> int:
        """The new cost minus the old one."""
        return self.after_nanousd - self.before_nanousd

    def counting(self, before: Pricing, after: Pricing | None, *, changed: bool) -> ModelChange:
        """The sums with one more call."""
        now = after if changed and after is not None else before
        return replace(
            self,
            calls=self.calls + 1,
            changed=self.changed + changed,
            unpriced_before=self.unpriced_before + (before.cost_nanousd is None),
            without_price=self.without_price + (after is None),
            before_nanousd=self.before_nanousd + (before.cost_nanousd or 0),
            after_nanousd=self.after_nanousd + (now.cost_nanousd or 0),
        )


@dataclass(frozen=True, slots=True)
class Repricing:
    """A repricing that was made, tried (`reprice_id` None: nothing was written) or undone; models by name."""

    reprice_id: str | None
    models: tuple[ModelChange, ...]

    @property
    def total(self) -> ModelChange:
        """The changes of all models as one."""
        total = ModelChange("total")
        for change in self.models:
            total = ModelChange(
                "total",
                total.calls + change.calls,
                total.changed + change.changed,
                total.unpriced_before + change.unpriced_before,
                total.without_price + change.without_price,
                total.before_nanousd + change.before_nanousd,
                total.after_nanousd + change.after_nanousd,
            )
        return total


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls are priced again: those of the user's days from `since` to `until`, of one model or of all."""

    since: date
    simulated: bool
    model: str | None = None
    until: date = date.max


@dataclass(frozen=True, slots=True)
class _Change:
    call_id: str
    model: str
    before: Pricing
    after: Pricing | None  # None: there is no price to go by
    reason: str = ""

    @property
    def is_one(self) -> bool:
        after, before = self.after, self.before
        return after is not None and (after.cost_nanousd, after.source) != (before.cost_nanousd, before.source)


def reprice(
    ledger: Ledger,
    registry: Registry,
    scope: Scope,
    *,
    at: datetime,
    describe: Callable[[Price], str],
    dry_run: bool = False,
) -> Repricing:
    """Price calls again by what the registry says today of the time when each was made.

    `describe` gives a price as the JSON that the ledger keeps. A call without a price in the registry stays as it is,
    and so does one whose cost comes out the same. Raises LedgerError.
    """
    tally: dict[str, ModelChange] = {}
    with nullcontext() if dry_run else repricing_lock(ledger.path):
        reprice_id = None if dry_run else ledger.read(lambda connection: _new_id(connection, at))
        for batch in _candidates(ledger, scope):
            changes = [_repriced(row, registry, describe) for row in batch]
            wanted = [change for change in changes if change.is_one]
            made = {change.call_id for change in wanted}
            if reprice_id is not None and wanted:
                made = ledger.write(_applying(reprice_id, wanted, at))
            _count(tally, changes, made)
    total = Repricing(reprice_id, tuple(tally[model] for model in sorted(tally)))
    return total if total.total.changed else replace(total, reprice_id=None)


def undo(ledger: Ledger, wanted: str, *, at: datetime) -> Repricing:
    """Give every call that a repricing changed its earlier cost, price and cost source back.

    `wanted` is the repricing's id, or the word `last` for the newest that is not undone. Raises UsageError if there is
    none, or if some of its calls were priced again since: that is to be undone first.
    """
    tally: dict[str, ModelChange] = {}
    with repricing_lock(ledger.path):
        reprice_id = ledger.read(lambda connection: _undoable(connection, wanted))
        while batch := ledger.read(lambda connection: _to_undo(connection, reprice_id)):
            _count(tally, batch, ledger.write(_taking_back(reprice_id, batch, at)))
    return Repricing(reprice_id, tuple(tally[model] for model in sorted(tally)))


def _new_id(connection: sqlite3.Connection, at: datetime) -> str:
    """A ULID after all there are: by the clock, or the next one where the clock was set back."""
    (last,) = connection.execute("SELECT max(reprice_id) FROM repricings").fetchone()
    made = ULID.from_datetime(at)
    return str(made if last is None or str(made) > last else ULID.from_int(int(ULID.from_str(last)) + 1))


def _candidates(ledger: Ledger, scope: Scope) -> Iterator[Sequence[sqlite3.Row]]:
    parameters = {
        "after": 0,
        "simulated": scope.simulated,
        "since": scope.since.isoformat(),
        "until": scope.until.isoformat(),
        "model": scope.model,
        "free": FREE_TIER_SOURCE,
        "not_believed": f"$.{NOT_BELIEVED}",
        "batch": BATCH,
    }
    while batch := ledger.read(lambda connection: connection.execute(_CANDIDATES, parameters).fetchall()):
        yield batch
        parameters["after"] = batch[-1]["position"]


def _repriced(row: sqlite3.Row, registry: Registry, describe: Callable[[Price], str]) -> _Change:
    before = Pricing(row["cost_nanousd"], CostSource(row["cost_source"]), row["price"])
    spec = registry.find(row["model"])
    # A name may have been given to another provider's model since.
    price, thinks = None, False
    if spec is not None and spec.provider == row["provider"]:
        at, answered = from_micros(row["priced_at"]), registry.answering(spec, row["raw_model"] or spec.id) or spec
        price = price_for(answered, at, ()) or price_for(spec, at, ())
        thinks = REASONING in spec.tags
    usage = Usage(
        row["input_tokens"],
        row["output_tokens"],
        row["cached_tokens"],
        row["cache_write_tokens"],
        row["reasoning_tokens"],
        raw=json.loads(row["usage"]) if row["usage"] else {},
    )
    uncounted = row["usage"] is None if before.source is CostSource.UNPRICED else not usage.raw
    # Nobody knows how much a model thought whose provider sent no counts.
    unknown = before.source is CostSource.UNPRICED and uncounted and thinks
    billed = bill(price, usage, gpu_ms=row["latency_ms"] or 0, worst_nanousd=row["reserved_nanousd"])
    if billed.nanousd is None or unknown:
        return _Change(row["call_id"], row["model"], before, None)
    # A call without counts holds estimated ones; with some, it is what they say of its price that was in doubt.
    estimated = uncounted and before.source in (CostSource.UNPRICED, CostSource.ESTIMATE)
    source = CostSource.ESTIMATE if estimated else billed.source
    after = Pricing(billed.nanousd, source, before.price if billed.price is None else describe(billed.price))
    reason = "the reply" if billed.price is None else f"{billed.price.source}, checked {billed.price.checked}"
    return _Change(row["call_id"], row["model"], before, after, reason)


def _applying(reprice_id: str, changes: Sequence[_Change], at: datetime) -> Callable[[sqlite3.Connection], set[str]]:
    def apply(connection: sqlite3.Connection) -> set[str]:
        made = set()
        for change in changes:
            before, after = change.before, change.after
            if after is None or not _set(connection, change.call_id, before, after):
                continue
            made.add(change.call_id)
            connection.execute(
                "INSERT INTO repricings (reprice_id, call_id, at, old_cost_nanousd, old_cost_source, old_price,"
                " new_cost_nanousd, new_cost_source, new_price, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (reprice_id, change.call_id, to_micros(at), *_columns(before), *_columns(after), change.reason),
            )
        return made

    return apply


def _undoable(connection: sqlite3.Connection, wanted: str) -> str:
    if wanted.lower() == LAST:
        row = connection.execute("SELECT max(reprice_id) FROM repricings WHERE undone_at IS NULL").fetchone()
        if row[0] is None:
            raise UsageError("there is no repricing to undo")
        return str(row[0])
    reprice_id = wanted.upper()  # ULIDs have no case
    newest = connection.execute(
        "SELECT count(*), count(undone_at) FROM repricings WHERE reprice_id = ?", (reprice_id,)
    ).fetchone()
    if not newest[0]:
        raise UsageError(f"there is no repricing {wanted!r}", hint="orch reprice prints the id of each")
    if newest[0] == newest[1]:
        raise UsageError(f"the repricing {reprice_id} is undone already")
    later = connection.execute(
        "SELECT max(later.reprice_id) FROM repricings JOIN repricings AS later USING (call_id)"
        " WHERE repricings.reprice_id = ? AND later.reprice_id > repricings.reprice_id AND later.undone_at IS NULL",
        (reprice_id,),
    ).fetchone()[0]
    if later is not None:
        raise UsageError(f"some of its calls were priced again since, by {later}", hint=f"orch reprice --undo {later}")
    return reprice_id


def _to_undo(connection: sqlite3.Connection, reprice_id: str) -> list[_Change]:
    rows = connection.execute(
        "SELECT repricings.*, calls.model FROM repricings JOIN calls USING (call_id)"
        " WHERE reprice_id = ? AND undone_at IS NULL LIMIT ?",
        (reprice_id, BATCH),
    )
    return [
        _Change(
            row["call_id"],
            row["model"],
            Pricing(row["new_cost_nanousd"], CostSource(row["new_cost_source"]), row["new_price"]),
            Pricing(row["old_cost_nanousd"], CostSource(row["old_cost_source"]), row["old_price"]),
        )
        for row in rows
    ]


def _taking_back(reprice_id: str, changes: Sequence[_Change], at: datetime) -> Callable[[sqlite3.Connection], set[str]]:
    def take_back(connection: sqlite3.Connection) -> set[str]:
        made = set()
        for change in changes:
            if change.after is not None and _set(connection, change.call_id, change.before, change.after):
                made.add(change.call_id)
            connection.execute(
                "UPDATE repricings SET undone_at = ? WHERE reprice_id = ? AND call_id = ?",
                (to_micros(at), reprice_id, change.call_id),
            )
        return made

    return take_back


def _set(connection: sqlite3.Connection, call_id: str, before: Pricing, after: Pricing) -> bool:
    names = ("cost", "source", "price")
    parameters = {f"from_{name}": value for name, value in zip(names, _columns(before), strict=True)}
    parameters |= {f"to_{name}": value for name, value in zip(names, _columns(after), strict=True)}
    return connection.execute(_CHANGE, {"call": call_id, **parameters}).rowcount == 1


def _columns(pricing: Pricing) -> tuple[int | None, str, str | None]:
    return pricing.cost_nanousd, pricing.source.value, pricing.price


def _count(tally: dict[str, ModelChange], changes: Sequence[_Change], made: set[str]) -> None:
    for change in changes:
        counted = tally.get(change.model, ModelChange(change.model))
        tally[change.model] = counted.counting(change.before, change.after, changed=change.call_id in made)
