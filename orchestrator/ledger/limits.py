"""The queue of slots in front of each model, shared by every process that writes to the ledger, and the limits that
providers report.

One transaction assigns the next slot: the earliest time at which no window of a minute holds more requests or tokens
than the model may take. The order of the transactions is the order of the queue. Times are integer microseconds since
1970. Everything is kept apart by `key`: simulated or real, and the model.

A clock that is set back must not block anything: slots in the future are moved back together, and limits reported in
the future are ignored.
"""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from ..deferred import dataclass, replace
from ..registry.model import RateLimits, lower
from .rate_shares import limits_here

Key = tuple[bool, str]

SECOND = 1_000_000
_DAY = 86_400 * SECOND
_BUCKET = 600 * SECOND  # a day's use is counted in these: at worst a daily limit is kept over ten minutes too much
CLOCK_TOLERANCE = 5 * SECOND  # clocks are corrected by less than this all the time
LEARNED_FOR = 3_600 * SECOND  # an account's limits seldom change, and every reply renews them
_EVERYBODY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Window:
    """The time over which a limit per minute holds, in microseconds.

    The margin is added because a request arrives later than its slot: two requests that leave one window apart arrive
    closer together by up to the difference of their delays. A sixtieth costs 1.6 % of the limit and allows for a
    second.
    """

    length: int = 60 * SECOND
    margin: int = SECOND

    @property
    def span(self) -> int:
        """The window with its margin, in microseconds."""
        return self.length + self.margin


class Cause(Enum):
    """What a call waits for."""

    MINUTE = auto()  # the limit per minute
    DAY = auto()  # the limit per day
    PROVIDER = auto()  # the provider said when to come back


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for a slot. If the earliest possible time is after `latest`, no slot is taken."""

    key: Key
    limits: RateLimits
    tokens: int
    now: int
    latest: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot: the request may leave `at`. `since` is the bucket of the daily quota that it counts in, if any;
    `ahead` is how many calls wait before it."""

    slot_id: int
    key: Key
    limits: RateLimits
    taken_at: int
    at: int
    tokens: int
    since: int | None
    cause: Cause
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Full:
    """There is no slot before `until`, which is later than was asked for. Nothing was taken."""

    until: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Learned:
    """The limits per minute that a provider reported for a model, and until when it accepts nothing (0: it accepts
    calls)."""

    noted_at: int
    rpm: int | None = None
    tpm: int | None = None
    blocked_until: int = 0

    def tighten(self, limits: RateLimits) -> RateLimits:
        """The lower of the reported and the registry's limits: the registry's may be low on purpose, because others
        use the same key."""
        return replace(limits, rpm=lower(limits.rpm, self.rpm), tpm=lower(limits.tpm, self.tpm))


def take_slot(connection: sqlite3.Connection, wanted: Wanted, window: Window) -> Slot | Full:
    """Within a transaction: take the next slot in the queue, behind everybody who has one."""
    key, now = wanted.key, wanted.now
    _undo_clock_change(connection, key, now)
    connection.execute("DELETE FROM rate_slots WHERE simulated = ? AND model = ? AND at < ?", (*key, now - window.span))
    since = None
    if wanted.limits.rpd is not None or wanted.limits.tpd is not None:
        here = replace(wanted, limits=limits_here(connection, key, wanted.limits, now))
        free_at = now + _DAY if 0 in (here.limits.rpd, here.limits.tpd) else _day_is_free_at(connection, here)
        if free_at > now:
            return Full(free_at, Cause.DAY)
        since = now - now % _BUCKET
    at, cause = _earliest(connection, wanted, window, _EVERYBODY)
    if at > wanted.latest:
        return Full(at, cause)
    slot_id = connection.execute(
        "INSERT INTO rate_slots (simulated, model, taken_at, at, tokens) VALUES (?, ?, ?, ?, ?)",
        (*key, now, at, wanted.tokens),
    ).lastrowid
    assert slot_id is not None  # of an INSERT it never is
    if since is not None:
        _count_in_day(connection, key, since, 1, wanted.tokens)
    ahead = _ahead(connection, key, slot_id, now) if at > now else 0
    return Slot(slot_id, key, wanted.limits, now, at, wanted.tokens, since, cause, ahead)


def look_again(connection: sqlite3.Connection, slot: Slot, waited: int, window: Window) -> Slot:
    """The current time of a slot: earlier if a call before it left the queue, later if a call was late or the
    provider asked for a pause."""
    row = connection.execute("SELECT taken_at FROM rate_slots WHERE slot_id = ?", (slot.slot_id,)).fetchone()
    if row is None:  # deleted as long past, by a process whose clock is ahead
        return replace(slot, at=slot.taken_at + min(waited, slot.at - slot.taken_at))
    taken_at: int = row[0]
    wanted = Wanted(slot.key, slot.limits, slot.tokens, taken_at, _EVERYBODY)
    at, cause = _earliest(connection, wanted, window, slot.slot_id, waited)
    ahead = _ahead(connection, slot.key, slot.slot_id, taken_at + waited)
    return replace(slot, taken_at=taken_at, at=at, cause=cause, ahead=ahead)


def move_slot(connection: sqlite3.Connection, slot: Slot) -> None:
    """Within a transaction: store the slot's new time."""
    connection.execute("UPDATE rate_slots SET at = ? WHERE slot_id = ?", (slot.at, slot.slot_id))


def release_slot(connection: sqlite3.Connection, slot: Slot) -> None:
    """Within a transaction: give back a slot that will not be used."""
    deleted = connection.execute("DELETE FROM rate_slots WHERE slot_id = ?", (slot.slot_id,)).rowcount
    if deleted and slot.since is not None:
        _count_in_day(connection, slot.key, slot.since, -1, -slot.tokens)


def settle_tokens(connection: sqlite3.Connection, slot: Slot, tokens: int) -> None:
    """Within a transaction: replace the estimated tokens of a slot by the real ones."""
    connection.execute("UPDATE rate_slots SET tokens = ? WHERE slot_id = ?", (tokens, slot.slot_id))
    if slot.since is not None:
        _count_in_day(connection, slot.key, slot.since, 0, tokens - slot.tokens)


def learned_limits(connection: sqlite3.Connection, key: Key, now: int) -> Learned | None:
    """The limits that a provider reported for a model, as far as they still hold."""
    row = connection.execute(
        "SELECT noted_at, rpm, tpm, blocked_until FROM learned_limits WHERE simulated = ? AND model = ?", key
    ).fetchone()
    if row is None or not now - LEARNED_FOR < row[0] <= now + CLOCK_TOLERANCE:
        return None
    return Learned(*row)


def note_limits(connection: sqlite3.Connection, key: Key, heard: Learned) -> None:
    """Within a transaction: store reported limits. What a reply did not mention stays."""
    known = learned_limits(connection, key, heard.noted_at) or heard
    connection.execute(
        "INSERT OR REPLACE INTO learned_limits VALUES (?, ?, ?, ?, ?, ?)",
        (
            *key,
            heard.noted_at,
            heard.rpm or known.rpm,
            heard.tpm or known.tpm,
            max(heard.blocked_until, known.blocked_until),
        ),
    )


def count_elsewhere(connection: sqlite3.Connection, key: Key, now: int, requests: int, tokens: int) -> None:
    """Within a transaction: count calls that were made on other machines in what the model's day has."""
    _count_in_day(connection, key, now - now % _BUCKET, requests, tokens)


def is_news(heard: Learned, known: Learned | None) -> bool:
    """Whether reported limits differ enough from the stored ones to be written."""
    if known is None or heard.noted_at - known.noted_at > LEARNED_FOR // 2:
        return bool(heard.rpm or heard.tpm or heard.blocked_until)
    return (
        heard.rpm not in (None, known.rpm)
        or heard.tpm not in (None, known.tpm)
        or heard.blocked_until > known.blocked_until
    )


@dataclass(frozen=True, slots=True)
class Used:
    """What calls have taken of a model's limits: in the minute and in the rolling day up to now."""

    requests_in_minute: int
    tokens_in_minute: int
    requests_in_day: int
    tokens_in_day: int


def used_of(connection: sqlite3.Connection, key: Key, now: int) -> Used:
    """What is used now. A day is counted only where there is a limit for it."""
    minute = connection.execute(
        "SELECT count(*), coalesce(sum(tokens), 0) FROM rate_slots WHERE simulated = ? AND model = ? AND at > ?",
        (*key, now - Window().span),
    ).fetchone()
    day = connection.execute(
        "SELECT coalesce(sum(requests), 0), coalesce(sum(tokens), 0) FROM rate_days"
        " WHERE simulated = ? AND model = ? AND since BETWEEN ? AND ?",
        (*key, now - _DAY - _BUCKET, now + _DAY),
    ).fetchone()
    return Used(*minute, *day)


def _earliest(
    connection: sqlite3.Connection, wanted: Wanted, window: Window, before: int, waited: int = 0
) -> tuple[int, Cause]:
    """The earliest time for a request behind the slots numbered below `before`, and what it waits for until then. It
    has waited for so long."""
    learned = learned_limits(connection, wanted.key, wanted.now)
    limits = wanted.limits if learned is None else learned.tighten(wanted.limits)
    limits = limits_here(connection, wanted.key, limits, wanted.now)
    where, scope = "simulated = ? AND model = ? AND slot_id < ?", (*wanted.key, before)
    (last,) = connection.execute(
        f"SELECT at FROM rate_slots WHERE {where} ORDER BY at DESC LIMIT 1", scope
    ).fetchone() or (0,)
    at, cause = max(wanted.now, last), Cause.MINUTE
    if 0 in (limits.rpm, limits.tpm):  # others have all of it
        return wanted.now + waited + 2 * window.span, cause  # they may give it back any time
    if limits.rpm is not None:
        row = connection.execute(
            f"SELECT at FROM rate_slots WHERE {where} ORDER BY at DESC LIMIT 1 OFFSET ?", (*scope, limits.rpm - 1)
        ).fetchone()
        at = max(at, row[0] + window.span if row else 0)
    if limits.tpm is not None:
        # A request above the whole limit waits for an empty window; the provider says whether it is taken then.
        room = limits.tpm - min(wanted.tokens, limits.tpm)
        fits_at = _fits_at(connection, f"{where} AND at > ?", (*scope, at - window.span), room)
        at = max(at, 0 if fits_at is None else fits_at + window.span)
    if learned is not None and learned.blocked_until > at:
        at, cause = learned.blocked_until, Cause.PROVIDER
    return at, cause


def _fits_at(connection: sqlite3.Connection, where: str, scope: tuple[object, ...], room: int) -> int | None:
    """The newest slot that has to leave the window before the tokens of the newer ones fit into `room`."""
    (total,) = connection.execute(f"SELECT coalesce(sum(tokens), 0) FROM rate_slots WHERE {where}", scope).fetchone()
    if total <= room:
        return None
    total = 0
    for at, tokens in connection.execute(f"SELECT at, tokens FROM rate_slots WHERE {where} ORDER BY at DESC", scope):
        total += tokens
        if total > room:
            return int(at)
    return None


def _ahead(connection: sqlite3.Connection, key: Key, slot_id: int, now: int) -> int:
    (ahead,) = connection.execute(
        "SELECT count(*) FROM rate_slots WHERE simulated = ? AND model = ? AND at > ? AND slot_id < ?",
        (*key, now, slot_id),
    ).fetchone()
    return int(ahead)


def _undo_clock_change(connection: sqlite3.Connection, key: Key, now: int) -> None:
    """If the newest slot is in the future, the clock was set back: move all slots back, as if the newest were taken
    now."""
    row = connection.execute(
        "SELECT taken_at FROM rate_slots WHERE simulated = ? AND model = ? ORDER BY at DESC, slot_id DESC LIMIT 1", key
    ).fetchone()
    if row is not None and row[0] > now + CLOCK_TOLERANCE:
        back = row[0] - now
        connection.execute(
            "UPDATE rate_slots SET at = at - ?, taken_at = taken_at - ? WHERE simulated = ? AND model = ?",
            (back, back, *key),
        )


def _day_is_free_at(connection: sqlite3.Connection, wanted: Wanted) -> int:
    """When the rolling day has room for a request; not after `now` if it has room already."""
    key, now, limits = wanted.key, wanted.now, wanted.limits
    # A bucket further ahead than a day is from a clock that was wrong.
    connection.execute(
        "DELETE FROM rate_days WHERE simulated = ? AND model = ? AND since NOT BETWEEN ? AND ?",
        (*key, now - _DAY - _BUCKET, now + _DAY),
    )
    buckets = connection.execute(
        "SELECT since, requests, tokens FROM rate_days WHERE simulated = ? AND model = ? ORDER BY since", key
    ).fetchall()
    requests = 1 + sum(row[1] for row in buckets)
    tokens = min(wanted.tokens, limits.tpd or 0) + sum(row[2] for row in buckets)
    free_at = now
    for since, used, used_tokens in buckets:
        if (limits.rpd is None or requests <= limits.rpd) and (limits.tpd is None or tokens <= limits.tpd):
            break
        requests, tokens, free_at = requests - used, tokens - used_tokens, since + _BUCKET + _DAY
    return free_at


def _count_in_day(connection: sqlite3.Connection, key: Key, since: int, requests: int, tokens: int) -> None:
    connection.execute(
        "INSERT INTO rate_days VALUES (?, ?, ?, max(?, 0), max(?, 0)) ON CONFLICT DO UPDATE SET"
        " requests = max(requests + ?, 0), tokens = max(tokens + ?, 0)",
        (*key, since, requests, tokens, requests, tokens),
    )
