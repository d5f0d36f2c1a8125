"""Circuit breakers: a failing model is not asked for a while, by any process that writes to the ledger.

    closed ── enough failures in a row ─► open ── cooled down ─► half-open: one probe, everybody else waits
      ▲                                     ▲                         │
      └──────── an answer ──────────────────┼──────── an answer ──────┤
                                            └── longer ── a failure ──┘

(Nygard, Release It!, 2007.) There is a row only while a model, or, under the empty name, a provider as a whole, has
failures to count. Times are integer microseconds since 1970.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from ..config import BreakerPolicy
from ..deferred import dataclass
from .limits import SECOND
from .rows import from_micros, to_micros
from .store import Ledger

EVERY_MODEL = ""
_CLOCK_TOLERANCE = 5 * SECOND
_FORGOTTEN_AFTER = 86_400 * SECOND  # yesterday's failures say nothing of today


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a breaker guards: a model at its provider, simulated or real."""

    simulated: bool
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Breaker:
    """The failures of a model or (`EVERY_MODEL`) a provider. `open_until` is None while the breaker is closed."""

    model: str
    failures: int
    openings: int
    failed_at: int
    open_until: int | None
    probe_until: int | None
    reason: str

    def barred_until(self, now: int) -> int | None:
        """Until when no call is allowed, unless a running probe ends earlier; None if one is allowed."""
        if self.open_until is None:
            return None
        if now < self.open_until:
            return self.open_until
        return self.probe_until if self.probe_until is not None and now < self.probe_until else None


CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A breaker for display: CLOSED, OPEN or HALF_OPEN. `model` is None for a whole provider."""

    simulated: bool
    provider: str
    model: str | None
    state: str
    failures: int
    failed_at: datetime
    open_until: datetime | None
    reason: str


def breaker_states(ledger: Ledger, now: datetime) -> list[BreakerState]:
    """All breakers with failures, by provider and model. Raises LedgerError."""
    at = to_micros(now)
    rows = ledger.read(
        lambda connection: connection.execute("SELECT * FROM breakers ORDER BY provider, model, simulated").fetchall()
    )
    states = []
    for row in rows:
        if not _counts(row["failed_at"], at):
            continue
        opened = row["open_until"]
        state = CLOSED if opened is None else OPEN if at < opened else HALF_OPEN
        states.append(
            BreakerState(
                simulated=bool(row["simulated"]),
                provider=row["provider"],
                model=row["model"] or None,
                state=state,
                failures=row["failures"],
                failed_at=from_micros(row["failed_at"]),
                open_until=None if opened is None else from_micros(opened),
                reason=row["reason"],
            )
        )
    return states


def breakers_of(connection: sqlite3.Connection, circuit: Circuit, now: int) -> list[Breaker]:
    """The breakers of a model and of its provider."""
    rows = connection.execute(
        "SELECT model, failures, openings, failed_at, open_until, probe_until, reason FROM breakers"
        " WHERE simulated = ? AND provider = ? AND model IN (?, ?)",
        (circuit.simulated, circuit.provider, circuit.model, EVERY_MODEL),
    ).fetchall()
    return [breaker for row in rows if _counts((breaker := Breaker(*row)).failed_at, now)]


def claim_probe(connection: sqlite3.Connection, circuit: Circuit, now: int, until: int) -> bool:
    """Within a transaction that found nothing barred: whether this call is the probe. If so, no other call is
    allowed until the probe ends, or until `until`, since its process may die."""
    claimed = connection.execute(
        "UPDATE breakers SET probe_until = ? WHERE simulated = ? AND provider = ? AND model IN (?, ?)"
        " AND open_until <= ? AND failed_at > ?",
        (until, circuit.simulated, circuit.provider, circuit.model, EVERY_MODEL, now, now - _FORGOTTEN_AFTER),
    )
    return claimed.rowcount > 0


def note_failure(
    connection: sqlite3.Connection, circuit: Circuit, policy: BreakerPolicy, reason: str, now: int, *, probe: bool
) -> None:
    """Within a transaction: count a failure that suggests that the model is down."""
    known = next((b for b in breakers_of(connection, circuit, now) if b.model == circuit.model), None)
    failures, openings, open_until = 1, 0, None
    if known is not None:
        recent = probe or known.open_until is not None or now - known.failed_at <= policy.window_s * SECOND
        failures = known.failures + 1 if recent else 1
        openings, open_until = known.openings, known.open_until
    if open_until is not None and not probe:
        return  # it was asked before the breaker opened
    if probe or failures >= policy.failures:
        cooling_s = min(policy.cooling_s * 2.0 ** min(openings, 30), policy.max_cooling_s)
        openings, open_until = openings + 1, now + round(cooling_s * SECOND)
    _write(connection, circuit, Breaker(circuit.model, failures, openings, now, open_until, None, reason))


def set_aside(connection: sqlite3.Connection, circuit: Circuit, until: int, reason: str, now: int) -> None:
    """Within a transaction: allow no call before `until`."""
    _write(connection, circuit, Breaker(circuit.model, 1, 1, now, until, None, reason))
    end_probe(connection, circuit)


def note_answer(connection: sqlite3.Connection, circuit: Circuit) -> None:
    """Within a transaction: the model answers, so forget its failures."""
    connection.execute(
        "DELETE FROM breakers WHERE simulated = ? AND provider = ? AND model IN (?, ?)",
        (circuit.simulated, circuit.provider, circuit.model, EVERY_MODEL),
    )


def end_probe(connection: sqlite3.Connection, circuit: Circuit) -> None:
    """Within a transaction: a probe ended without a finding."""
    connection.execute(
        "UPDATE breakers SET probe_until = NULL WHERE simulated = ? AND provider = ? AND model IN (?, ?)",
        (circuit.simulated, circuit.provider, circuit.model, EVERY_MODEL),
    )


def _counts(failed_at: int, now: int) -> bool:
    """Whether a failure still counts; one in the future is from before the clock was set back."""
    return now - _FORGOTTEN_AFTER < failed_at <= now + _CLOCK_TOLERANCE


def _write(connection: sqlite3.Connection, circuit: Circuit, breaker: Breaker) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO breakers"
        " (simulated, provider, model, failures, openings, failed_at, open_until, probe_until, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            circuit.simulated,
            circuit.provider,
            breaker.model,
            breaker.failures,
            breaker.openings,
            breaker.failed_at,
            breaker.open_until,
            breaker.probe_until,
            breaker.reason,
        ),
    )
