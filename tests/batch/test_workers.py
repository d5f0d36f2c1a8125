"""A batch on workers of dask.distributed: what one machine gives, also if a worker is killed in the middle."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S

from orchestrator.batch.backend import Attempt, Backend, Task
from orchestrator.batch.lines import Line
from orchestrator.batch.live import Live
from orchestrator.batch.outcomes import Outcome
from orchestrator.batch.remote import backend as remote
from orchestrator.batch.remote import cluster as cluster_module
from orchestrator.batch.remote import recovery
from orchestrator.batch.remote.backend import Workers
from orchestrator.batch.remote.cluster import Cluster
from orchestrator.batch.remote.recovery import Careful
from orchestrator.clock import local_now
from orchestrator.config import Settings, load_settings
from orchestrator.errors import OrchError
from orchestrator.ledger.batches import Job, JobStatus, add_job, counts_of
from orchestrator.ledger.budgets import Budget, Scope, budget_states, set_budgets
from orchestrator.ledger.leases import LeaseStatus, leases_of, lines_out
from orchestrator.ledger.orphans import interrupt_orphans
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.run.engine import Engine
from orchestrator.types import Prompt

Orch = Callable[..., subprocess.CompletedProcess[bytes]]

JOB_ID = "01KBATCH0000000000000000AA"
KEY = "sk-a-key-that-must-stay-where-it-is"


@dataclass
class Batch:
    """A job of so many lines, over a ledger and workers on this machine."""

    folder: Path
    settings: Settings
    ledger: Ledger
    said: list[str] = field(default_factory=list)
    cap: int | None = None

    @property
    def job(self) -> Job:
        found = self.ledger.read(lambda c: c.execute("SELECT count(*) FROM batch_jobs").fetchone()[0])
        job = Job(1, JOB_ID, local_now(), True, JobStatus.RUNNING, "-", "-", "{}", self.ledger.process)
        return job if found else self.ledger.write(partial(add_job, job=job))

    def task(self, **fields: Any) -> Task:
        spent = self.ledger.read(partial(counts_of, job=self.job)).cost_nanousd or 0
        return Task(self.job, self.ledger, self.settings.run, spent, self.cap, **fields)

    async def ask(self, workers: Backend, numbers: range, *, again: bool = False) -> dict[int, Outcome]:
        """Every line comes back exactly once."""
        outcomes: dict[int, Outcome] = {}
        async for outcome in Careful(workers, again).work(lines(numbers), self.task()):
            assert outcome.line.number not in outcomes
            outcomes[outcome.line.number] = outcome
        assert set(outcomes) == set(numbers)
        return outcomes

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.ledger.read(lambda c: c.execute(sql).fetchall())]

    def holds_nothing(self) -> None:
        """Nothing is set aside, and what budgets count is the sum of the calls."""
        assert not self.ledger.read(partial(leases_of, out=True))
        [(committed, settled)] = self.query(
            "SELECT committed_nanousd, settled_nanousd FROM spending WHERE scope = 'all'"
        )
        [(cost,)] = self.query("SELECT sum(cost_nanousd) FROM calls")
        assert committed == settled == cost


async def lines(numbers: range) -> AsyncIterator[Attempt]:
    for number in numbers:
        yield Attempt(Line(number, number, number, Prompt(f"What is {number} plus one?")))


@pytest.fixture
def batch(tmp_path: Path, user_files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setenv("ORCH_WORKER_DIR", str(tmp_path / "workers"))
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", str(tmp_path / "dask"))
    monkeypatch.setattr(remote, "_LOOK_EVERY_S", 0.1)
    scenario = tmp_path / "slow.yaml"
    scenario.write_text("rules:\n  - {model: '*', fault: slow, latency_ms: 150}\n")
    settings = load_settings({**os.environ}, ledger=tmp_path / "ledger.db", simulate=True, scenario=scenario)
    with Ledger.open(settings.ledger) as ledger:
        yield Batch(tmp_path, settings, ledger)


@asynccontextmanager
async def cluster_here(workers: int = 2, protocol: str = "inproc://") -> AsyncIterator[str]:
    """The address of a scheduler with some workers, all of them in this process."""
    from distributed import LocalCluster

    async with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol=protocol,
        dashboard_address=":0",
        asynchronous=True,
    ) as cluster:
        yield cluster.scheduler_address


def asked(batch: Batch, numbers: range, *, again: bool = False) -> dict[int, Outcome]:
    """What workers in this process make of the lines."""

    async def main() -> dict[int, Outcome]:
        async with cluster_here() as address:
            workers = Workers(address, batch.settings, at_least_once=again, say=batch.said.append)
            return await batch.ask(workers, numbers, again=again)

    return asyncio.run(main())


def answers(outcomes: dict[int, Outcome]) -> list[tuple[Any, ...]]:
    """What stands in the output, but for times."""
    names = ("line", "run_id", "status", "response", "model_used", "cost_nanousd", "confidence")
    return [tuple(outcomes[number].document.get(name) for name in names) for number in sorted(outcomes)]


def test_the_output_is_that_of_one_machine_and_no_key_is_in_what_goes_to_workers(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    batch.settings = replace(batch.settings, environ=dict(os.environ))
    sent: list[bytes] = []
    for name in ("call", "work"):
        monkeypatch.setattr(Cluster, name, recording(getattr(Cluster, name), sent))
    there = asked(batch, range(1, 21))
    batch.holds_nothing()
    assert len(sent) > 6
    assert not any(KEY.encode() in each for each in sent)
    assert any(b"What is 7 plus one?" in each for each in sent)
    with Ledger.open(tmp_path / "other.db") as ledger:
        here = Batch(tmp_path, batch.settings, ledger)
        engine = Engine(here.settings, ledger=ledger)
        alone = asyncio.run(here.ask(Live(engine), range(1, 21)))
    assert answers(there) == answers(alone)
    assert not list((tmp_path / "workers").iterdir())  # what it had is in the owner's ledger


def test_a_cap_that_is_reached_leaves_the_rest_for_when_it_is_raised(batch: Batch) -> None:
    batch.cap = 600_000
    first = asked(batch, range(1, 25))
    statuses = Counter(outcome.status for outcome in first.values())
    assert set(statuses) == {"complete", "not_asked"}
    refused = next(outcome for outcome in first.values() if outcome.status == "not_asked")
    assert refused.code == "budget"
    assert "of the job's cap is left" in refused.document["error"]["message"]
    batch.holds_nothing()
    [(cost,)] = batch.query("SELECT sum(cost_nanousd) FROM calls")
    assert cost <= batch.cap
    batch.cap = None
    left = [number for number, outcome in first.items() if outcome.status == "not_asked"]
    second = asked(batch, range(min(left), max(left) + 1))
    assert {outcome.status for outcome in second.values()} == {"complete"}


def test_what_a_lost_worker_may_have_sent_is_asked_again_only_if_that_is_wanted(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_LOOKS", 2)
    monkeypatch.setattr(recovery, "_ask", nobody_knows)
    monkeypatch.setattr(Cluster, "workers", without_one(Cluster.workers, after=2))
    first = asked(batch, range(1, 33))
    lost = [number for number, outcome in first.items() if outcome.status == "not_asked"]
    assert lost
    assert {first[number].document["error"]["message"] for number in lost} == {
        "a worker that was lost may have sent it"
    }
    [lease] = batch.ledger.read(partial(leases_of, out=True))
    assert lease.status is LeaseStatus.LOST
    held = lease.hold.left
    [(committed, settled)] = batch.query("SELECT committed_nanousd, settled_nanousd FROM spending WHERE scope = 'all'")
    assert committed - settled == held > 0
    monkeypatch.undo()
    span = range(min(lost), max(lost) + 1)
    monkeypatch.setattr(recovery, "_ask", nobody_knows)
    again = asked(batch, span)
    assert {number for number in again if again[number].status == "not_asked"} == set(lost)
    anyway = asked(batch, span, again=True)
    assert {outcome.status for outcome in anyway.values()} == {"complete"}
    assert [lease.hold.left for lease in batch.ledger.read(partial(leases_of, out=True))] == [held]


def test_a_batch_whose_owner_died_goes_on_with_what_its_workers_have(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> dict[int, Outcome]:
        async with cluster_here() as address:
            dying = Workers(address, batch.settings)
            monkeypatch.setattr(dying, "_end", lambda cluster, usher: cluster.close())
            seen = set()
            async with aclosing(dying.work(lines(range(1, 41)), batch.task())) as outcomes:
                async for outcome in outcomes:
                    seen.add(outcome.line.number)
                    if len(seen) == 4:
                        break
            batch.ledger.write(lambda c: interrupt_orphans(c, [batch.ledger.process], local_now()))
            out = batch.ledger.read(partial(lines_out, job=JOB_ID))
            assert out
            rest = range(max(seen) + 1, 41)
            workers = Workers(address, batch.settings, say=batch.said.append)
            return await batch.ask(workers, rest)

    second = asyncio.run(main())
    assert sum("all that it sent is known now" in said for said in batch.said) == 2
    batch.holds_nothing()
    assert {outcome.status for outcome in second.values()} == {"complete"}


@pytest.mark.parametrize(
    ("engine", "code", "said"),
    [
        pytest.param("scheduler:8786", 2, "takes the address of a Dask scheduler", id="no-scheme"),
        pytest.param("local:none", 2, "takes a number of workers", id="no-number"),
        pytest.param("tcp://127.0.0.1:1", 3, "no Dask scheduler answers at tcp://127.0.0.1:1", id="nobody-there"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(
    batch: Batch, orch: Orch, monkeypatch: pytest.MonkeyPatch, engine: str, code: int, said: str
) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_S", 0.2)
    found = orch("batch", "-", "--simulate", "--engine", engine, stdin=b"Why?\n")
    assert (found.returncode, said in found.stderr.decode()) == (code, True), found.stderr


def test_without_the_extra_it_says_what_to_install(orch: Orch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    found = orch("batch", "-", "--simulate", "--engine", "local", stdin=b"Why?\n")
    assert (found.returncode, b"pip install 'orch-llm[dask]'" in found.stderr) == (3, True)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        pytest.param("0.0.1", "has orch 0.0.1, and this is orch", id="another-version"),
        pytest.param(None, "has no orch, and this is orch", id="none"),
        pytest.param(version("orch-llm"), "set the key in the environment of the worker", id="no-key"),
    ],
)
def test_a_worker_that_cannot_ask_is_named_before_anything_is_lent(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, theirs: str | None, said: str
) -> None:
    async def version_at(cluster: Cluster, worker: str) -> str | None:
        return theirs

    monkeypatch.setattr(Cluster, "version_at", version_at)
    batch.settings = replace(batch.settings, simulate=False, scenario=None)
    with pytest.raises(OrchError) as refused:
        asked(batch, range(1, 5))
    assert said in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.exit_code == (4 if "key" in said else 3)
    assert not batch.ledger.read(partial(leases_of, out=True))


# -- doubles at the edge of the cluster ----------------------------------------------------------------------------


def recording(method: Callable[..., Any], sent: list[bytes]) -> Callable[..., Any]:
    """The method; what it sends is noted as it goes over the wire."""

    async def recorded(self: Cluster, worker: str, *arguments: object) -> Any:
        sent.append(pickle.dumps(arguments))
        return await method(self, worker, *arguments)

    return recorded


def without_one(method: Callable[..., Any], *, after: int) -> Callable[..., Any]:
    """The workers of a scheduler; after so many looks at them, one is missing."""
    looks = 0

    async def workers(self: Cluster) -> dict[str, int]:
        nonlocal looks
        looks += 1
        there: dict[str, int] = await method(self)
        return there if looks < after else dict(sorted(there.items())[1:])

    return workers


async def nobody_knows(*_: object) -> None:
    """What a lost worker has sent, where it cannot be asked and its machine not reached."""


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a worker in a process of its own, for the scheduler at an address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(address: str) -> subprocess.Popen[bytes]:
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path / "dask"))
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *options]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(PATIENCE_S)


def test_a_worker_that_is_killed_loses_nothing_and_spends_nothing_twice(
    batch: Batch, killable: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    """One of two is killed with -9 while it has lines in flight; the other one reads its ledger."""
    batch.ledger.write(lambda c: set_budgets(c, [Budget(Period.DAY, Scope.ALL, "", 200_000_000)]))

    async def main() -> dict[int, Outcome]:
        from distributed import Client

        outcomes: dict[int, Outcome] = {}
        async with cluster_here(1, "tcp://") as address:
            process = killable(address)
            async with Client(address, asynchronous=True) as client:  # type: ignore[no-untyped-call]
                await client.wait_for_workers(2, timeout=PATIENCE_S)
            workers = Workers(address, batch.settings, say=batch.said.append)
            async for outcome in workers.work(lines(range(1, 97)), batch.task()):
                outcomes[outcome.line.number] = outcome
                if len(outcomes) >= 8:
                    process.kill()
                [state] = batch.ledger.read(lambda c: budget_states(c, local_now().date(), simulated=True))
                assert state.committed_nanousd <= state.budget.limit_nanousd
        return outcomes

    outcomes = asyncio.run(main())
    assert {number: outcome.status for number, outcome in outcomes.items()} == dict.fromkeys(range(1, 97), "complete")
    assert [said for said in batch.said if "was lost" in said] == batch.said != []
    statuses = dict(batch.query("SELECT status, count(*) FROM runs GROUP BY status"))
    assert statuses.pop("complete") == 96
    assert statuses.pop("interrupted", 0) <= 32  # what was in flight is known, at its worst case if it was sent
    batch.holds_nothing()
