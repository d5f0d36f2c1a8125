"""Recorded outcomes made up for tests: sums that look harder and harder, answered by models that err more or less."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.config import load_settings
from orchestrator.lab.pricing import parse_prices
from orchestrator.lab.records import Item, RecordedOutcome
from orchestrator.lab.report import SetReport
from orchestrator.lab.running import BenchOptions, bench_set
from orchestrator.registry import load_registry

WEAK, STRONG, OTHER = "tiny-1", "vast-2", "odd-3"
PRICES = parse_prices([f"{WEAK}=1/2", f"{STRONG}=10/40", f"{OTHER}=2/2"])
_TASKS = (
    "What is {a} + {b}?",
    "Explain why {a} + {b} is the same as {b} + {a}.",
    "Compare three ways to add {a} and {b}, with the trade-offs of each.",
    "Design a distributed system that adds {a} and {b}, and prove that it ends.\n1. State the invariant.\n2. Prove it.",
)


def items(size: int = 24, *, texts: bool = True, tokens: bool = True, latency: bool = True) -> list[Item]:
    """So many prompts of all levels. The weak model is right less often the harder they are."""
    draws = random.Random(4)
    found = []
    for number in range(size):
        a, b, hard = draws.randrange(10, 99), draws.randrange(10, 99), number % len(_TASKS)
        outcomes = {}
        for model, chance in ((WEAK, 0.9 - 0.25 * hard), (STRONG, 0.95), (OTHER, 0.6)):
            right = draws.random() < chance
            result = a + b if right else a + b + draws.choice((-10, 1, 10))
            doubt = "" if right or draws.random() < 0.4 else "I am not sure, but I think so. "
            outcomes[model] = RecordedOutcome(
                score=float(right),
                text=f"{doubt}{a} + {b} = {result}, so the answer is {result}." if texts else None,
                input_tokens=draws.randrange(10, 60) if tokens else None,
                output_tokens=draws.randrange(20, 90) if tokens else None,
                latency_ms=draws.randrange(100, 900) if latency else None,
            )
        prompt = _TASKS[hard].format(a=a, b=b)
        found.append(Item(f"p{number}", f"sums/{hard}", prompt, outcomes))
    return found


def write(path: Path, recorded: Sequence[Item]) -> Path:
    """The prompts as a file of JSON lines."""
    with path.open("w") as file:
        for item in recorded:
            outcomes = {name: asdict(outcome) for name, outcome in item.outcomes.items()}
            file.write(
                json.dumps({"id": item.id, "task": item.task, "prompt": item.prompt, "outcomes": outcomes}) + "\n"
            )
    return path


def bench(folder: Path, recorded: Sequence[Item], **options: Any) -> SetReport:
    """The figures of prompts, between the weak and the strong model unless said otherwise."""
    settings = load_settings({}, ledger=folder / "ledger.db")
    registry = load_registry(models_file=None, chains_file=None, config_dir=folder)
    given: Mapping[str, Any] = {"weak": WEAK, "strong": STRONG, "prices": PRICES, "resamples": 20} | options
    report, _ = asyncio.run(bench_set("sums", recorded, BenchOptions(**given), settings=settings, registry=registry))
    assert not settings.ledger.exists()
    return report
