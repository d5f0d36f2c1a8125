"""`orch models bench`: how fast models are, measured."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence

from ...config import Settings
from ...errors import UsageError
from ...lab.speed import Speed, measure
from ...ledger.pace import nearest_rank
from ...money import format_nanousd, format_short
from ...run.engine import Engine
from .. import render
from ..output import Output
from ..tables import print_table

DEFAULT_CAP = "0.05"  # dollars
_FIGURES = ("answered", "p50 s", "p95 s", "first token s", "tokens/s", "cost")
_MOST_ROUNDS = 100


def bench_models(
    settings: Settings, output: Output, names: Sequence[str], *, rounds: int, max_cost_nanousd: int
) -> int:
    """Measure models and print what was found; the exit code is that of the first error if nothing was measured."""
    if not names:
        raise UsageError("which models? for example: orch models bench haiku gpt-6-luna", hint="orch models lists them")
    if not 1 <= rounds <= _MOST_ROUNDS:
        raise UsageError(f"--rounds takes 1 to {_MOST_ROUNDS}, not {rounds}")
    speeds = asyncio.run(
        measure(Engine(settings), names, rounds=rounds, max_cost_nanousd=max_cost_nanousd, watch=_watch)
    )
    costs = [speed.cost_nanousd for speed in speeds]
    total = None if None in costs else sum(cost for cost in costs if cost is not None)
    output.emit(
        {
            "schema_version": 1,
            "kind": "models-bench",
            "simulated": settings.simulate,
            "max_cost_nanousd": max_cost_nanousd,
            "cost_nanousd": total,
            "models": [speed.to_dict() for speed in speeds],
        }
    )
    if not output.json:
        print_table(("model", *_FIGURES), map(_cells, sorted(speeds, key=_first_latency)), right=_FIGURES)
        render.line(f"\ncost: {format_nanousd(total)} of at most {format_nanousd(max_cost_nanousd)}")
    failed = [speed for speed in speeds if speed.error is not None]
    for speed in failed:
        render.warn(f"{speed.model}: {speed.error and speed.error.message}")
    first = next((speed.error for speed in failed if speed.error is not None), None)
    return 0 if first is None or any(speed.completed for speed in speeds) else first.exit_code


def _watch(model: str, done: int, of: int) -> None:
    if render.is_terminal(sys.stderr):
        render.say(f"{done + 1} of {of}: {model}")


def _first_latency(speed: Speed) -> list[int]:
    """A sort key: the quickest first, those that never answered last."""
    return speed.latencies_ms or [sys.maxsize]


def _cells(speed: Speed) -> list[str]:
    latencies = Counter(speed.latencies_ms)
    percentiles = [nearest_rank(latencies, percent) for percent in (50, 95)]
    cells = [speed.model, f"{len(speed.completed)} of {len(speed.calls)}"]
    cells += ["-" if ms is None else f"{ms / 1000:.2f}" for ms in percentiles]
    cells.append("-" if speed.ttft_ms is None else f"{speed.ttft_ms / 1000:.2f}")
    cells.append("-" if speed.tokens_per_second is None else f"{speed.tokens_per_second:,.0f}")
    return [*cells, format_short(speed.cost_nanousd)]
