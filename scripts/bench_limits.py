"""Measures the shared rate limit: many processes on one ledger, one model, as many calls as the limit lets through.

    python scripts/bench_limits.py                                # 16 processes, 60 a minute, for 150 s
    python scripts/bench_limits.py --processes 8 --rpm 600 --seconds 70
    python scripts/bench_limits.py --overhead                     # what a call costs in book-keeping, in milliseconds

Exit code 1 if any window of a minute held more than the limit, or less than 95 % of it was used.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

from orchestrator.clock import local_now
from orchestrator.config import BreakerPolicy
from orchestrator.errors import ProviderError
from orchestrator.ledger.limits import SECOND, Window
from orchestrator.ledger.store import Ledger
from orchestrator.providers.base import RateLimitStatus
from orchestrator.registry.model import ModelSpec, RateLimits, Scores
from orchestrator.run.call.admission import Admission
from orchestrator.run.events import unobserved
from orchestrator.types import Level, Usage

_MOST_SECONDS, _MOST_PROCESSES = 900.0, 64


def model(limits: RateLimits) -> ModelSpec:
    """A model that is nothing but its limits."""
    return ModelSpec(
        name="limited",
        provider="openai",
        id="limited",
        prices=(),
        context_window=100_000,
        output_limit=1_000,
        levels=(Level.BASIC,),
        scores=Scores(0.5, 0.5, 0.5, 0.5),
        limits=limits,
    )


def line(ledger: Ledger, window: Window, max_wait_s: float) -> Admission:
    return Admission(
        ledger,
        simulated=True,
        max_wait_s=max_wait_s,
        breaker=BreakerPolicy(),
        free_tier=(),
        clock=local_now,
        window=window,
    )


def most_in_a_window(times: Sequence[float], length_s: float) -> int:
    """The most of the times, which are sorted, that lie in any half-open window of so many seconds."""
    return max((bisect_left(times, start + length_s) - index for index, start in enumerate(times)), default=0)


def work(path: Path, out: Path, barrier: Barrier, limits: RateLimits, window: Window, seconds: float) -> None:
    """One process: a call after the other for so many seconds, the time of each in a file."""

    async def calls() -> list[float]:
        times: list[float] = []
        with Ledger.open(path) as ledger:
            queue = line(ledger, window, max_wait_s=seconds)
            barrier.wait()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                try:
                    turn = await queue.enter(model(limits), 0, deadline=end, observe=unobserved)
                except ProviderError:  # no place before the end
                    break
                times.append(time.time())
                turn.probe, turn.slot = False, None  # the place is used; there is nothing to send
        return times

    out.write_text("\n".join(map(repr, asyncio.run(calls()))))


def measure(folder: Path, processes: int, limits: RateLimits, window: Window, seconds: float) -> list[float]:
    """When calls could leave, over all processes, sorted: seconds since 1970."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    outs = [folder / f"times-{number}" for number in range(processes)]
    workers = [
        context.Process(target=work, args=(folder / "ledger.db", out, barrier, limits, window, seconds)) for out in outs
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(float(text) for out in outs for text in out.read_text().split())


class Silent:
    """A connection whose replies say nothing of limits."""

    def rate_limit_status(self) -> RateLimitStatus:
        return RateLimitStatus()


async def overhead(path: Path, limits: RateLimits, calls: int) -> list[float]:
    """Milliseconds that entering and leaving takes, for each of so many calls that do not have to wait."""
    spec, provider, took = model(limits), Silent(), []
    with Ledger.open(path) as ledger:
        queue = line(ledger, Window(), max_wait_s=60)
        for _ in range(calls):
            started = time.perf_counter()
            async with await queue.enter(spec, 500, deadline=time.monotonic() + 60, observe=unobserved) as turn:
                turn.begin(provider)
                turn.used(Usage(input_tokens=200, output_tokens=100))
            took.append(1000 * (time.perf_counter() - started))
    return took


def show_overhead(folder: Path) -> None:
    for name, limits in (
        ("no limits", RateLimits()),
        ("rpm", RateLimits(rpm=100_000)),
        ("rpm and tpm", RateLimits(rpm=100_000, tpm=10**9)),
        ("all four", RateLimits(100_000, 10**9, 10**6, 10**12)),
    ):
        took = sorted(asyncio.run(overhead(folder / f"{name}.db", limits, 500)))
        print(f"{name:12}  p50 {statistics.median(took):.2f} ms   p99 {took[int(0.99 * len(took))]:.2f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=16, choices=range(1, _MOST_PROCESSES + 1), metavar="N")
    parser.add_argument("--rpm", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--overhead", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.overhead:
            show_overhead(Path(folder))
            return 0
        seconds = min(arguments.seconds, _MOST_SECONDS)
        window = Window()
        times = measure(Path(folder), arguments.processes, RateLimits(rpm=arguments.rpm), window, seconds)
    most = most_in_a_window(times, window.length / SECOND)
    # A full window is let through at the start of each: so many start within the time.
    whole, part = divmod(seconds, window.length / SECOND)
    possible = arguments.rpm * (whole + (1 if part else 0))
    used = len(times) / possible
    print(f"{arguments.processes} processes at {arguments.rpm} a minute for {seconds:.0f} s: {len(times)} calls")
    print(f"most in any 60 s: {most}   used: {used:.1%} of {possible:.0f}")
    return 0 if most <= arguments.rpm and used >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
