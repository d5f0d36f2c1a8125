"""What `orch serve` costs: clients of the openai SDK that ask it, beside the same clients that ask its upstream.

    .venv/bin/python scripts/bench_serve.py [--requests 2000] [--in-flight 64] [--delay-ms 50 500] [--long 5000]

A server on this machine answers each call after a delay; `orch serve` and the clients are processes of their own,
warmed up before they are timed. Where the delay is short, they ask for as much as the machine can do, so that a request
waits for the others; where it is as long as a model's, they show what a request takes. All begin at once, and as the
upstream always takes as long, they come as bursts for good: half of a burst is before the median one. `--spread-ms` has
them begin one after another. Machines differ, and are busy
with other things: read the ratios within a run. `median` is the time that a request takes; `RSS` is the server's
memory after so many requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_throughput import PROMPT, WIRES, environment

MODEL = WIRES["openai"]


async def ask(address: str, requests: int, in_flight: int, spread_ms: int) -> None:
    """Time the requests of one client process, and print what they took, as JSON. Its clients begin one after another,
    within `spread_ms`."""
    import openai

    chat = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0).chat.completions
    took: list[float] = []

    async def one_after_another(numbers: Iterator[int], wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        for _ in numbers:
            began = time.perf_counter()
            await chat.create(model=MODEL, messages=[{"role": "user", "content": PROMPT}])
            took.append(time.perf_counter() - began)

    async def work(count: int) -> None:
        numbers = iter(range(count))
        waits = [spread_ms / 1000 * number / in_flight for number in range(in_flight)]
        await asyncio.gather(*(one_after_another(numbers, wait_s) for wait_s in waits))

    await work(2 * in_flight)
    took.clear()
    began, spent = time.perf_counter(), time.process_time()
    await work(requests)
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "rate": requests / seconds,
                "median_ms": 1000 * statistics.median(took),
                "p95_ms": 1000 * statistics.quantiles(took, n=20)[-1],
                "cpu_ms": 1000 * (time.process_time() - spent) / requests,
            }
        )
    )


def timed(address: str, requests: int, in_flight: int, spread_ms: int = 0) -> dict[str, float]:
    command = [sys.executable, __file__, "--client", address]
    command += ["--requests", str(requests), "--in-flight", str(in_flight), "--spread-ms", str(spread_ms)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def upstream(delay_ms: int) -> Iterator[str]:
    """The server that answers after a delay; gives its address."""
    script = Path(__file__).with_name("bench_throughput.py")
    command = [sys.executable, str(script), "--serve", "openai", "--delay-ms", str(delay_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


@contextmanager
def serving(address: str) -> Iterator[tuple[str, int]]:
    """`orch serve` before an upstream; gives its address and its process id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "orchestrator", "serve", "--port", "0", "--access-log", "none"]
        environ = environment(address, folder, None)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as server:
            assert server.stderr is not None
            try:
                yield server.stderr.readline().split()[2].rstrip(";").removesuffix("/v1"), server.pid
            finally:
                server.terminate()


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _rss_kb(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def main() -> int:
    given = _arguments()
    if given.client is not None:
        asyncio.run(ask(given.client, given.requests, given.in_flight, given.spread_ms))
        return 0
    for delay_ms in given.delay_ms:
        print(f"{given.requests} requests, {given.in_flight} in flight, answered after {delay_ms} ms")
        with upstream(delay_ms) as behind, serving(behind) as (address, process):
            for _ in range(given.rounds):
                _compare(behind, address, process, given)
            if given.long and delay_ms == given.delay_ms[0]:
                _watch_memory(address, process, given)
    return 0


def _compare(behind: str, address: str, process: int, given: argparse.Namespace) -> None:
    alone = timed(behind, given.requests, given.in_flight, given.spread_ms)
    before = _cpu_s(process)
    served = timed(address, given.requests, given.in_flight, given.spread_ms)
    cpu_ms = 1000 * (_cpu_s(process) - before) / (given.requests + 2 * given.in_flight)
    for name, each in (("SDK", alone), ("orch serve", served)):
        print(
            f"{name:10} {each['rate']:6.0f}/s  median {each['median_ms']:6.1f} ms  p95 {each['p95_ms']:6.1f} ms"
            f"  client's CPU {each['cpu_ms']:.2f} ms"
        )
    more = served["median_ms"] - alone["median_ms"]
    ratio = served["rate"] / alone["rate"]
    print(f"ratio {ratio:.2f}, median {more:+.1f} ms, the server's CPU {cpu_ms:.2f} ms a request", flush=True)


def _watch_memory(address: str, process: int, given: argparse.Namespace) -> None:
    memory = []
    for _ in range(5):
        timed(address, given.long // 5, given.in_flight)
        memory.append(_rss_kb(process))
    grown = ", ".join(f"{each / 1024:.0f} MB" for each in memory)
    print(f"RSS after each fifth of {given.long} requests: {grown}")


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--delay-ms", type=int, nargs="+", default=[50, 500])
    parser.add_argument(
        "--spread-ms", type=int, default=0, help="the clients begin within so long, instead of all at once"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=int, default=0, metavar="REQUESTS", help="watch memory over so many more")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
