"""How a batch grows with the worker processes that it has, against a server that is as slow as a model.

    .venv/bin/python scripts/bench_scale.py [--workers 1 2 4 8] [--in-flight 16] [--delay-ms 4000] [--rounds 12]

A scheduler, its workers and the server are processes on this machine. `lines/s` is the rate between a quarter and three
quarters of the lines; `of linear` is that rate by what so many workers would do if each did as well as the one. CPU is
that of the submitting process, of the scheduler, and of all workers, in milliseconds a line: what these come to on a
machine of their own says where a larger cluster ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_throughput import WIRES, environment
from ulid import ULID

from orchestrator.batch.backend import Attempt, Task
from orchestrator.batch.lines import Line
from orchestrator.batch.remote.backend import Workers
from orchestrator.clock import local_now
from orchestrator.config import load_settings
from orchestrator.deferred import replace
from orchestrator.ledger.batches import Job, JobStatus, add_job
from orchestrator.ledger.store import Ledger
from orchestrator.types import Prompt

_WIRE = "openai"
_PATIENCE_S = 300.0


async def own(address: str, workers: int, in_flight: int, rounds: int) -> dict[str, float]:
    """Submit a batch to the workers at an address, and say what it took."""
    from distributed import Client

    settings, lines = load_settings(dict(os.environ)), workers * in_flight * rounds
    options = replace(settings.run, strategy="fallback", chain=WIRES[_WIRE])
    times = []
    with Ledger.open(settings.ledger) as ledger:
        new = Job(0, str(ULID()), local_now(), False, JobStatus.RUNNING, "-", "-", "{}", ledger.process)
        task = Task(ledger.write(lambda c: add_job(c, new)), ledger, options, concurrency=workers * in_flight)
        async with Client(address, asynchronous=True) as client:  # type: ignore[no-untyped-call]
            await client.wait_for_workers(workers, timeout=_PATIENCE_S)
            quarter = lines // 4
            async for outcome in Workers(address, settings).work(_lines(lines), task):
                assert outcome.status == "complete", outcome.document
                times.append(time.perf_counter())
                if len(times) == quarter:
                    before = await _cpu(client)
                elif len(times) == 3 * quarter:
                    after = await _cpu(client)
    rate = 2 * quarter / (times[3 * quarter - 1] - times[quarter - 1])
    spent = {name: 1000 * (after[name] - before[name]) / (2 * quarter) for name in before}
    return {"rate": rate, **spent}


async def _cpu(client: object) -> dict[str, float]:
    """The CPU time so far, in seconds, of this process, the scheduler and all workers."""
    workers = await client.run(time.process_time)  # type: ignore[attr-defined]
    scheduler = await client.run_on_scheduler(time.process_time)  # type: ignore[attr-defined]
    return {"owner": time.process_time(), "scheduler": scheduler, "workers": sum(workers.values())}


async def _lines(number: int) -> AsyncIterator[Attempt]:
    for each in range(1, number + 1):
        yield Attempt(Line(each, each, each, Prompt(f"What is the capital of country {each}?")))


@contextmanager
def cluster(workers: int, delay_ms: int) -> Iterator[tuple[str, dict[str, str]]]:
    """A slow server, a scheduler and its workers; gives the scheduler's address, and the environment of all."""
    started = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            serving = [sys.executable, str(Path(__file__).with_name("bench_throughput.py")), "--serve", _WIRE]
            server = subprocess.Popen([*serving, "--delay-ms", str(delay_ms)], stdout=subprocess.PIPE, text=True)
            started.append(server)
            assert server.stdout is not None
            environ = environment(f"http://127.0.0.1:{server.stdout.readline().strip()}", folder, None)
            environ["ORCH_WORKER_DIR"] = str(Path(folder) / "workers")
            there = Path(folder) / "scheduler.json"
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environ}
            dask, file = [sys.executable, "-m", "distributed.cli.dask_"], ["--scheduler-file", str(there)]
            local = ["--local-directory", folder, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            asked = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
            commands = [[*dask[:-1], f"{dask[-1]}scheduler", *file, *asked]]
            commands += [[*dask[:-1], f"{dask[-1]}worker", *file, *local]] * workers
            started += [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
            until = time.monotonic() + _PATIENCE_S
            while not there.exists() and time.monotonic() < until:
                time.sleep(0.1)
            yield json.loads(there.read_text())["address"], environ
        finally:
            for process in reversed(started):
                process.kill()
                process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--in-flight", type=int, default=16, help="lines at a time and worker")
    parser.add_argument("--delay-ms", type=int, default=4000, help="until the server answers")
    parser.add_argument("--rounds", type=int, default=12, help="lines by worker and line in flight")
    parser.add_argument("--own", metavar="ADDRESS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.own is not None:
        print(json.dumps(asyncio.run(own(given.own, given.workers[0], given.in_flight, given.rounds))))
        return 0
    print("workers   lines/s  of linear   CPU ms a line: owner  scheduler  workers")
    first = None
    for workers in given.workers:
        with cluster(workers, given.delay_ms) as (address, environ):
            asked = ["--workers", str(workers), "--in-flight", str(given.in_flight), "--rounds", str(given.rounds)]
            command = [sys.executable, __file__, "--own", address, *asked]
            done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        first = first or found["rate"] / workers
        linear = found["rate"] / workers / first
        print(
            f"{workers:7}  {found['rate']:8.1f}  {linear:9.2f}  {found['owner']:20.1f}  {found['scheduler']:9.1f}"
            f"  {found['workers']:7.1f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
