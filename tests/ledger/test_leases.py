"""What is lent to workers on other machines: budgets and rate limits hold, whoever spends, dies or comes back."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from orchestrator.clock import local_now
from orchestrator.errors import BudgetError, LedgerError
from orchestrator.ledger.budgets import Budget, BudgetState, Scope, budget_states, set_budgets
from orchestrator.ledger.leases import (
    Holder,
    Lease,
    LeaseStatus,
    Wanted,
    close,
    lease_of,
    leases_of,
    lend,
    mark_lost,
    release,
    settle_at_worst,
    top_up,
)
from orchestrator.ledger.lent_rates import count_days, lend_rates
from orchestrator.ledger.limits import SECOND, Slot, Window, take_slot
from orchestrator.ledger.limits import Wanted as WantedSlot
from orchestrator.ledger.orphans import interrupt_orphans
from orchestrator.ledger.rate_shares import set_shares
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.returned import ReturnedRun, returned_runs, take_in_returned
from orchestrator.ledger.rows import from_micros
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.registry.model import RateLimits
from orchestrator.upkeep.ledger_health import CheckStatus, check_ledger

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = ("2026-11-21", "2026-11-22")
MODELS = {"nano": "openai", "opus": "anthropic"}
TAG = (Scope.TAG, "t")
BUDGETS = [
    Budget(Period.ALL, Scope.ALL, "", 900),
    Budget(Period.DAY, Scope.ALL, "", 500),
    Budget(Period.ALL, Scope.MODEL, "opus", 300),
    Budget(Period.DAY, Scope.PROVIDER, "anthropic", 200),
    Budget(Period.MONTH, Scope.TAG, "t", 700),
]
HOLDER = Holder("job", "tcp://10.0.0.2:4000", "two", "/ledger.db", None, simulated=False)


def a_run(run_id: str, day: str, *, tagged: bool = False) -> RunRecord:
    tags = ("t",) if tagged else ()
    return RunRecord(run_id, NOW, day, "fallback", "0" * 64, simulated=False, tags=tags, process="P")


def a_call(run_id: str, model: str, reserved: int, day: str) -> CallRecord:
    record = CallRecord(f"C{run_id}", run_id, NOW, day, MODELS[model], model, model, 1, simulated=False)
    return replace(record, reserved_nanousd=reserved)


class Worker:
    """A worker as its ledger sees it: it spends what its limits allow, and knows what it has returned."""

    def __init__(self, lease: Lease) -> None:
        self.ledger = Ledger.in_memory()
        self.lease_id = lease.lease_id
        self.returned: set[str] = set()
        self.alive = True
        self.renew(lease)

    def renew(self, lease: Lease) -> None:
        self.ledger.write(lambda c: set_budgets(c, lease.limits()))

    def rows(self) -> list[ReturnedRun]:
        found = self.ledger.read(partial(returned_runs, first="", last="S"))
        return [each for each in found if each.run["run_id"] not in self.returned]

    def outstanding(self, scope: Scope, name: str) -> int:
        """What it has reserved or spent for a scope that its owner does not know of."""
        which = {Scope.ALL: "'' = ?", Scope.MODEL: "model = ?", Scope.PROVIDER: "provider = ?"}
        query = f"""
            SELECT run_id, coalesce(cost_nanousd, reserved_nanousd) FROM call_rows JOIN run_rows USING (run_id)
            WHERE {which.get(scope, "tags LIKE '%' || ? || '%'")}
        """
        rows = self.ledger.read(lambda c: c.execute(query, (name,)).fetchall())
        return sum(cost for run_id, cost in rows if run_id not in self.returned)


class Play:
    """Any order of lending, spending, dying, coming back, and of what the owner does meanwhile; after each step, what
    must hold is looked at."""

    def __init__(self, seed: int, owner: Ledger) -> None:
        self.owner = owner
        self.rng = random.Random(seed)
        self.workers: list[Worker] = []
        self.day = DAYS[0]
        self.number = 0
        self.budgets = self.rng.sample(BUDGETS, self.rng.randint(0, len(BUDGETS)))
        self.owner.write(lambda c: set_budgets(c, self.budgets))
        self.done: Counter[str] = Counter()

    def play(self, steps: int) -> None:
        acts = {
            self.lends: 3,
            self.tops_up: 6,
            self.worker_spends: 12,
            self.owner_spends: 2,
            self.comes_back: 5,
            self.dies: 1,
            self.what_it_sent_is_known: 2,
            self.is_done: 1,
            self.another_budget: 1,
        }
        for step in range(steps):
            if step == steps // 2:
                self.day = DAYS[1]
                for _ in range(8):
                    self.owner_spends()
            act = self.rng.choices(list(acts), list(acts.values()))[0]
            act()
            self.done[act.__name__] += 1
            self.no_budget_is_overspent()
            self.a_worker_has_spent_no_more_than_it_holds()
            self.spending_is_the_sum_of_rows_and_holds()

    # -- what happens --------------------------------------------------------------------------------------------

    def wanted(self) -> Wanted:
        tagged = self.rng.random() < 0.4
        return Wanted(self.rng.randint(0, 250), self.day, {TAG} if tagged else set(), cap_left=800)

    def lends(self) -> None:
        if len(self.of(LeaseStatus.HELD)) < 3:
            wanted = self.wanted()
            self.workers.append(Worker(self.owner.write(lambda c: lend(c, HOLDER, wanted, NOW))))

    def tops_up(self) -> None:
        for worker in self.one_of(LeaseStatus.HELD):
            wanted = self.wanted()
            lease = self.owner.write(partial(top_up, lease_id=worker.lease_id, wanted=wanted, now=NOW))
            if self.rng.random() < 0.8:  # otherwise it is lost on the way
                worker.renew(lease)

    def worker_spends(self) -> None:
        for worker in self.one_of(LeaseStatus.HELD, LeaseStatus.LOST):
            lease = self.owner.read(partial(lease_of, lease_id=worker.lease_id))
            if worker.alive:
                tagged = TAG in lease.holds and self.rng.random() < 0.5
                self.spends(worker.ledger, "2026-11-23", tagged=tagged)  # its clock may be another

    def owner_spends(self) -> None:
        self.spends(self.owner, self.day, tagged=self.rng.random() < 0.5)

    def spends(self, ledger: Ledger, day: str, *, tagged: bool) -> None:
        self.number += 1
        run = a_run(f"R{self.number}", day, tagged=tagged)
        call = a_call(run.run_id, self.rng.choice(list(MODELS)), self.rng.randint(1, 60), day)
        assert call.reserved_nanousd is not None
        ledger.start_run(run)
        try:
            ledger.reserve([call])
        except BudgetError:
            ledger.finish_run(replace(run, status=RunStatus.FAILED))
            return
        self.done["spent by the owner" if ledger is self.owner else "spent by a worker"] += 1
        ledger.mark_sent(call.call_id, NOW)
        if self.rng.random() < 0.8:  # the others are in flight
            cost = self.rng.randint(0, call.reserved_nanousd)
            status, source = CallStatus.COMPLETED, CostSource.USAGE
            ledger.settle(replace(call, status=status, cost_nanousd=cost, cost_source=source, sent_at=NOW))
            ledger.finish_run(replace(run, status=RunStatus.COMPLETE))

    def comes_back(self) -> None:
        for worker in self.one_of(LeaseStatus.HELD):
            self.takes_in(worker)

    def takes_in(self, worker: Worker) -> None:
        rows = worker.rows()
        for _ in range(self.rng.randint(1, 2)):  # what comes twice counts once
            self.owner.write(lambda c: take_in_returned(c, worker.lease_id, rows))
        worker.returned |= {each.run["run_id"] for each in rows}
        self.done["rows"] += len(rows)

    def dies(self) -> None:
        for worker in self.one_of(LeaseStatus.HELD):
            worker.alive = self.rng.random() < 0.5  # or it only cannot be reached
            self.owner.write(partial(mark_lost, lease_id=worker.lease_id, now=NOW))

    def what_it_sent_is_known(self) -> None:
        for worker in self.one_of(LeaseStatus.LOST):
            if self.rng.random() < 0.5:
                self.ends(worker)
            else:
                self.owner.write(partial(settle_at_worst, lease_id=worker.lease_id, now=NOW))

    def is_done(self) -> None:
        for worker in self.one_of(LeaseStatus.HELD):
            self.ends(worker)

    def ends(self, worker: Worker) -> None:
        worker.ledger.write(lambda c: interrupt_orphans(c, ["P"], NOW))
        self.takes_in(worker)
        self.owner.write(lambda c: close(c, worker.lease_id, NOW))

    def another_budget(self) -> None:
        """One that is set while leases are out, and that what they hold fits into."""
        budget = self.rng.choice(BUDGETS[2:4])
        if budget not in self.budgets:
            self.owner.write(lambda c: set_budgets(c, [budget]))
            committed = [
                state.committed_nanousd for day in DAYS for state in self.states(day) if state.budget == budget
            ]
            raised = replace(budget, limit_nanousd=max(budget.limit_nanousd, *committed))
            self.owner.write(lambda c: set_budgets(c, [raised]))
            self.budgets.append(budget)

    # -- what must hold ------------------------------------------------------------------------------------------

    def no_budget_is_overspent(self) -> None:
        for state in [*self.states(DAYS[0]), *self.states(DAYS[1])]:
            assert state.committed_nanousd <= state.budget.limit_nanousd, state

    def a_worker_has_spent_no_more_than_it_holds(self) -> None:
        for lease in self.of(LeaseStatus.HELD, LeaseStatus.LOST):
            worker = self.worker(lease)
            for (scope, name), hold in lease.holds.items():
                assert worker.outstanding(scope, name) <= hold.left

    def spending_is_the_sum_of_rows_and_holds(self) -> None:
        of_rows = "SELECT sum(coalesce(cost_nanousd, reserved_nanousd)) FROM call_rows"
        of_holds = "SELECT sum(max(0, granted_nanousd - spent_nanousd)) FROM lease_holds WHERE scope = 'all'"
        counted = "SELECT sum(committed_nanousd) FROM spending WHERE scope = 'all'"
        rows, holds, sums = self.owner.read(
            lambda c: [c.execute(query).fetchone()[0] or 0 for query in (of_rows, of_holds, counted)]
        )
        assert sums == rows + holds
        days = self.owner.read(lambda c: c.execute("SELECT DISTINCT day FROM call_rows").fetchall())
        assert {day for (day,) in days} <= set(DAYS)  # those of the leases, whatever the workers' clocks say

    # -- looking -------------------------------------------------------------------------------------------------

    def states(self, day: str) -> list[BudgetState]:
        return self.owner.read(lambda c: budget_states(c, date.fromisoformat(day), simulated=False))

    def of(self, *statuses: LeaseStatus) -> list[Lease]:
        return [lease for lease in self.owner.read(leases_of) if lease.status in statuses]

    def worker(self, lease: Lease) -> Worker:
        return next(worker for worker in self.workers if worker.lease_id == lease.lease_id)

    def one_of(self, *statuses: LeaseStatus) -> list[Worker]:
        found = self.of(*statuses)
        return [self.worker(self.rng.choice(found))] if found else []


@pytest.mark.parametrize("seed", [100, 101])
def test_no_budget_is_overspent_whoever_spends_dies_or_comes_back(seed: int) -> None:
    owner = Ledger.in_memory()
    with closing(owner):
        play = Play(seed, owner)
        play.play(200)
        for worker in play.workers:
            worker.ledger.close()
    assert min(play.done[each] for each in ("rows", "spent by a worker", "spent by the owner", "dies", "lends")) > 0


def test_a_lease_whose_owner_died_stays_set_aside_until_somebody_says_what_becomes_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as first:
        holder = replace(HOLDER, process="GONE")
        mine = first.write(lambda c: lend(c, replace(HOLDER, process=first.process), Wanted(10, DAYS[0]), NOW))
        taken = [first.write(lambda c: lend(c, holder, Wanted(300, DAYS[0]), NOW)) for _ in range(2)]
        with pytest.raises(LedgerError, match="is in use"):
            first.write(lambda c: release(c, mine.lease_id, NOW))
        with Ledger.open(path) as ledger:  # as the next command does
            ledger.write(lambda c: set_budgets(c, [Budget(Period.ALL, Scope.ALL, "", 1000)]))
            found = {lease.lease_id: lease for lease in ledger.read(leases_of)}
            assert [found[lease.lease_id].status for lease in (mine, *taken)] == ["held", "lost", "lost"]
            check = next(each for each in check_ledger(path, now=local_now(), full=True) if each.name == "leases")
            assert check.status is CheckStatus.WARNING
            assert "3 workers have leases, $0.00000061 set aside for them; of 2 it is not known" in check.detail
            ledger.write(lambda c: release(c, taken[0].lease_id, NOW))
            ledger.write(lambda c: settle_at_worst(c, taken[1].lease_id, NOW))
            [state] = ledger.read(lambda c: budget_states(c, date.fromisoformat(DAYS[0]), simulated=False))
            assert (state.settled_nanousd, state.committed_nanousd) == (300, 310)
            for lease in taken:
                with pytest.raises(LedgerError, match="it holds nothing any more"):
                    ledger.write(partial(release, lease_id=lease.lease_id, now=NOW))
            counters = next(each for each in check_ledger(path, now=NOW, full=True) if each.name == "budget counters")
            assert counters.status is CheckStatus.OK


def test_a_rate_limit_holds_over_the_owner_and_all_workers() -> None:
    limits, window, start = RateLimits(rpm=10, tpm=1000, rpd=50), Window(), 1_800_000_000 * SECOND
    owner, workers, sent = Ledger.in_memory(), [], []

    def lease(worker: Ledger, lease_id: str, now: int) -> None:
        shares = owner.write(lambda c: lend_rates(c, lease_id, {"m": limits}, simulated=False, sharers=3, now=now))
        worker.write(lambda c: set_shares(c, shares, simulated=False))

    def ask(ledger: Ledger, now: int) -> None:
        key = (False, "m")
        taken = ledger.write(lambda c: take_slot(c, WantedSlot(key, limits, 10, now, now + 5 * window.span), window))
        if isinstance(taken, Slot):
            sent.append(taken.at)

    ask(owner, start)  # counts in the first minute
    for _ in range(3):
        workers.append((Ledger.in_memory(), owner.write(lambda c: lend(c, HOLDER, Wanted(0, DAYS[0]), NOW))))
        lease(workers[-1][0], workers[-1][1].lease_id, start)
    for second in range(300):
        now = start + second * SECOND
        for ledger in (owner, *(ledger for ledger, _ in workers)):
            ask(ledger, now)
        if second == 200:  # the share of a worker that is done is free when its last requests are a minute old
            gone = workers[0][1].lease_id
            calls = [{"model": "m", "sent_at": 1, "input_tokens": 5, "output_tokens": 5}] * 3  # as it has told
            owner.write(partial(count_days, lease_id=gone, calls=calls))
            owner.write(partial(close, lease_id=gone, now=from_micros(now)))
            workers.pop(0)[0].close()
        if second % 50 == 0:
            for ledger, held in workers:
                lease(ledger, held.lease_id, now)
    sent.sort()
    for ledger, _ in workers:
        ledger.close()
    owner.close()
    busiest = max(sum(at <= other < at + 60 * SECOND for other in sent) for at in sent)
    assert 9 <= busiest <= 10
