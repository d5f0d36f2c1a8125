"""Runs batches: what was submitted is carried out when it is next looked at, and billed request by request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from math import ceil

from ...deferred import dataclass
from ...types import Usage
from ..connection import Scope
from ..journal import Entry
from ..scenario import Fault, FaultKind, Schedule
from ..wires.base import Json, Problem, Rejected
from . import anthropic, google, openai
from .forms import Answer, Form, asked_of
from .records import Batch, Kind, Line, State
from .store import BatchStore

_FORMS: dict[str, Form] = {"anthropic": anthropic, "openai": openai, "google": google}
_REFUSALS = {
    400: Problem.BAD_REQUEST,
    401: Problem.AUTH,
    429: Problem.RATE_LIMITED,
    500: Problem.SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Replied:
    """What a request of a batch is answered: status, body, and what is billed."""

    status: int
    body: Json
    usage: Usage


Clock = Callable[[], datetime]
Carry = Callable[[Batch, Json], Replied]


class Batches:
    """The batches of a simulator. `carry_out` answers one request of a batch; `now` gives a time with a zone."""

    def __init__(self, store: BatchStore, schedule: Schedule, carry_out: Carry, now: Clock) -> None:
        self._store = store
        self._schedule = schedule
        self._carry_out = carry_out
        self._now = now

    def answer(self, scope: Scope, path: str, wire: str, provider: str, certain: bool, body: bytes) -> Answer | None:
        """The reply to a request of a batch API; None where there is no such address. Raises Rejected."""
        lost = False

        def create(batch: Batch) -> None:
            nonlocal lost
            batch.provider, batch.certain = provider, certain
            faults = self._schedule.next(batch.model, wire, batch=True)
            _give(batch, faults)
            lost = any(fault.kind is FaultKind.BATCH_UNANSWERED for fault in faults)
            batch.order = _shuffled(batch)
            self._store.add(batch)

        if scope["method"] == "GET":
            for batch in self._store.listed(wire):
                if batch.id in path or batch.id.endswith(path.rpartition("/")[2] or "-"):
                    self._look(batch)
        now = self._now()
        serial = f"{blake2b(now.isoformat().encode(), digest_size=6).hexdigest()}{len(self._store):06d}"
        form = _FORMS.get(wire)
        asked = asked_of(scope, path, body, now, serial, create, self._store)
        found = None if form is None else form.answer(asked)
        return Answer(0, b"", lost=True) if lost else found

    def _look(self, batch: Batch) -> None:
        if batch.state.is_over:
            return
        if batch.state is State.RUNNING and batch.looks > 0:
            batch.looks -= 1
            self._store.keep(batch)
            return
        ends_as = State.CANCELLED if batch.state is State.CANCELLING else batch.ends_as
        share = min(batch.share, 0.5) if ends_as is State.CANCELLED else batch.share
        answered = 0 if ends_as is State.FAILED else ceil(share * len(batch.lines))
        entries: list[Entry] = []
        for place, line in enumerate(batch.lines):
            if place < answered:
                entries.append(self._carried_out(batch, line))
            else:
                line.kind = Kind.CANCELLED if ends_as is State.CANCELLED else Kind.EXPIRED
        batch.state, batch.ended_at = ends_as, self._now().timestamp()
        self._store.charge(entries)
        self._store.keep(batch)

    def _carried_out(self, batch: Batch, line: Line) -> Entry:
        replied = self._carry_out(batch, line.body)
        line.kind, line.status, line.reply = Kind.REPLIED, replied.status, replied.body
        usage = replied.usage
        return Entry(
            self._now(),
            batch.wire,
            batch.model,
            replied.status,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            delivered=True,
            batch=batch.id,
            custom_id=line.custom_id,
        )


def _give(batch: Batch, faults: Sequence[Fault]) -> None:
    """Give a new batch its faults. Raises Rejected for one that is not taken."""
    for fault in faults:
        match fault.kind:
            case FaultKind.BATCH_SLOW:
                batch.looks = fault.looks
            case FaultKind.BATCH_EXPIRED:
                batch.ends_as, batch.share = State.EXPIRED, fault.share
            case FaultKind.BATCH_CANCELLED:
                batch.ends_as, batch.share = State.CANCELLED, fault.share
            case FaultKind.BATCH_FAILED:
                batch.ends_as, batch.problem = State.FAILED, fault.code
            case FaultKind.BATCH_REFUSED:
                raise Rejected(_REFUSALS[fault.status or 400], "The batch is refused.")
            case FaultKind.BATCH_DUPLICATES:
                batch.duplicates = True
            case FaultKind.BATCH_BROKEN_LINE:
                batch.broken_line = True
            case FaultKind.BATCH_LOST_LINE:
                batch.lost_line = True


def _shuffled(batch: Batch) -> list[int]:
    """An order of the results that is not that of the requests, and the same on every run."""

    def drawn(place: int) -> bytes:
        return blake2b(f"{place}:{batch.lines[place].body}".encode(errors="replace"), digest_size=8).digest()

    return sorted(range(len(batch.lines)), key=drawn)
