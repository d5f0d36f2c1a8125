"""What the owner of a ledger does with its workers' leases: each step is one transaction.

take ─► give (a piece, with what it may cost) ─► take_in (what came of it) ─► ... ─► end
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from ...choose.quote import limits_for
from ...clock import Clock
from ...config import RunOptions, Settings
from ...deferred import dataclass, replace
from ...ledger.batches import Job, keep_lines
from ...ledger.budgets import Scope
from ...ledger.leases import (
    Holder,
    Lease,
    ScopeName,
    Wanted,
    close,
    end_piece,
    give_piece,
    lend,
    mark_lost,
    room_for,
    set_ledger,
    take_back,
    top_up,
)
from ...ledger.lent_rates import lend_rates
from ...ledger.returned import take_in_returned
from ...ledger.rows import to_micros
from ...ledger.store import Ledger
from ...registry.loading import registry_for
from ...registry.model import RateLimits
from ..backend import Attempt
from .wire import Grant, LineCost, Returned


@dataclass(frozen=True, slots=True)
class Given:
    """What a lease holds after it was asked for a piece; the grant is None if that is too little, for a reason."""

    grant: Grant | None
    left: int
    short_of: str


@dataclass(slots=True)
class Lender:
    """Lends to the workers of one job. `spent_nanousd` is what the job has cost so far, by rows that are here;
    `sharers` is how many workers share the rate limits."""

    job: Job
    ledger: Ledger
    settings: Settings
    options: RunOptions
    clock: Clock
    max_cost_nanousd: int | None
    spent_nanousd: int
    sharers: int = 1
    _limits: dict[str, RateLimits] | None = None
    _grants: int = 0

    async def take(self, holder: Holder) -> Lease:
        """A lease that holds nothing yet."""
        now = self.clock()
        wanted = Wanted(0, now.date().isoformat())
        return await self.ledger.submit(partial(lend, holder=holder, wanted=wanted, now=now))

    async def give(
        self, lease_id: str, piece: Sequence[Attempt], number: int, lines: int, cost: LineCost, least: int
    ) -> Given:
        """Have a lease hold enough for so many lines, and note that its worker gets those of a piece. If it would hold
        less than `least`, nothing is given.

        Where there is plenty for all workers, it holds what its lines may cost at most; where money is short, what they
        get as a cap then, and no more than its part.
        """
        now = self.clock()
        left = None if self.max_cost_nanousd is None else max(0, self.max_cost_nanousd - self.spent_nanousd)
        scopes = {scope for attempt in piece for scope in _scopes_of(self.options, attempt)}
        wanted = Wanted(0, now.date().isoformat(), scopes, left)
        self._grants += 1
        of_grant, most = self._grants, lines * cost.worst

        def change(connection: sqlite3.Connection) -> Given:
            room = room_for(connection, lease_id, wanted)
            part = most if room >= self.sharers * most else min(lines * cost.usual, room // self.sharers)
            lease = top_up(connection, lease_id, replace(wanted, held=max(part, least)), now)
            if lease.hold.left < least or not scopes <= lease.holds.keys():
                return Given(None, lease.hold.left, lease.short_of)
            shares = self._shares(connection, lease_id, to_micros(now))
            give_piece(connection, lease_id, number, [(each.line.number, each.number) for each in piece])
            grant = Grant(of_grant, lease.hold.left >= most, tuple(lease.limits()), shares)
            return Given(grant, lease.hold.left, lease.short_of)

        return await self.ledger.submit(change)

    async def renew(self, lease_id: str) -> dict[str, RateLimits]:
        """The shares of rate limits that a lease has now: they grow when others give theirs back."""
        return await self.ledger.submit(partial(self._shares, lease_id=lease_id, now=to_micros(self.clock())))

    def _shares(self, connection: sqlite3.Connection, lease_id: str, now: int) -> dict[str, RateLimits]:
        simulated, sharers = self.settings.simulate, self.sharers
        return lend_rates(connection, lease_id, self._rate_limits(), simulated=simulated, sharers=sharers, now=now)

    async def take_in(self, lease_id: str, piece: int | None, returned: Returned, numbers: Iterable[int]) -> None:
        """Write what came of a piece: rows, costs and outcomes, of these lines alone."""
        wanted = frozenset(numbers)

        def change(connection: sqlite3.Connection) -> int:
            cost = take_in_returned(connection, lease_id, returned.runs)
            keep_lines(connection, self.job, [kept for kept in returned.kept if kept.number in wanted])
            if piece is not None:
                end_piece(connection, lease_id, piece)
            return cost

        self.spent_nanousd += await self.ledger.submit(change)

    async def note_ledger(self, lease_id: str, path: str) -> None:
        """Note where the worker's own ledger is, on its machine."""
        await self.ledger.submit(partial(set_ledger, lease_id=lease_id, path=path))

    async def rest(self, lease_id: str) -> None:
        """The worker has nothing to do: take back what its lease holds."""
        await self.ledger.submit(partial(take_back, lease_id=lease_id))

    async def end(self, lease_id: str) -> None:
        """All is known of a lease."""
        await self.ledger.submit(partial(close, lease_id=lease_id, now=self.clock()))

    async def lose(self, lease_id: str) -> None:
        """The worker is gone, and what it sent is not known."""
        await self.ledger.submit(partial(mark_lost, lease_id=lease_id, now=self.clock()))

    def _rate_limits(self) -> Mapping[str, RateLimits]:
        if self._limits is None:
            models = registry_for(self.settings).models
            self._limits = {name: limits_for(spec, self.settings.free_tier) for name, spec in models.items()}
        return self._limits


def _scopes_of(options: RunOptions, attempt: Attempt) -> Iterable[ScopeName]:
    """The category and the tags that a line's runs count towards."""
    given = attempt.line.given
    category = given.get("category", options.category)
    tags = given.get("tags", given.get("tag", options.tags))
    yield from ((Scope.TAG, tag) for tag in ([tags] if isinstance(tags, str) else tags or ()))
    if category is not None:
        yield Scope.CATEGORY, category
