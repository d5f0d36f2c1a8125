"""How fast models are, here and now: short prompts, one call at a time, streamed, in turn over the models.

Every call is a run like any other, in the ledger under the category `models-bench`: what is measured is what
`--max-latency` goes by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field
from statistics import median
from typing import Any

from ..config import RunOptions
from ..deferred import dataclass, replace
from ..errors import BudgetError, OrchError
from ..ledger.pace import nearest_rank
from ..ledger.records import CallRecord, CallStatus
from ..run.engine import Engine
from ..types import Prompt

CATEGORY = "models-bench"
# A word, a sentence, a list, some code and some prose: the lengths that most answers have.
PROMPTS = (
    "Name the chemical element with the symbol Fe. One word.",
    "In one sentence, say why the sky looks blue at noon.",
    "List seven things to check before a long bicycle tour, one line each.",
    "Write a Python function that merges two sorted lists into one sorted list.",
    "Describe in about 120 words how a letter gets from one town to another.",
)
_MOST_TOKENS = 400  # of a reply: the rate shows well before that
_TIMEOUT_S = 120.0


@dataclass(slots=True)
class Speed:
    """What was measured of one model. `error` is why it was asked no more, if it was not asked to the end."""

    model: str
    provider: str
    calls: list[CallRecord] = field(default_factory=list)
    error: OrchError | None = None

    @property
    def completed(self) -> list[CallRecord]:
        """The completed calls."""
        return [call for call in self.calls if call.status is CallStatus.COMPLETED]

    @property
    def latencies_ms(self) -> list[int]:
        """The latencies of the completed calls, in milliseconds."""
        return sorted(call.latency_ms for call in self.completed if call.latency_ms is not None)

    @property
    def ttft_ms(self) -> float | None:
        """The median time to the first token, in milliseconds."""
        return _median([call.ttft_ms for call in self.completed if call.ttft_ms is not None])

    @property
    def tokens_per_second(self) -> float | None:
        """The median rate at which answers were written, from their first token on, without the thought before it."""
        return _median([rate for call in self.completed if (rate := _rate(call)) is not None])

    @property
    def cost_nanousd(self) -> int | None:
        """What the calls cost, or may yet; None if one is unpriced."""
        costs = [call.reserved_nanousd if call.cost_source is None else call.cost_nanousd for call in self.calls]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        latencies = Counter(self.latencies_ms)
        return {
            "model": self.model,
            "provider": self.provider,
            "calls": len(self.calls),
            "completed_calls": len(self.completed),
            "p50_latency_ms": nearest_rank(latencies, 50),
            "p95_latency_ms": nearest_rank(latencies, 95),
            "ttft_ms": self.ttft_ms,
            "tokens_per_second": self.tokens_per_second,
            "cost_nanousd": self.cost_nanousd,
            "error": None if self.error is None else {"code": self.error.code, "message": self.error.message},
        }


async def measure(
    engine: Engine,
    models: Sequence[str],
    *,
    rounds: int,
    max_cost_nanousd: int,
    watch: Callable[[str, int, int], None] = lambda model, done, of: None,
) -> list[Speed]:
    """Ask each model every prompt, `rounds` times, for at most `max_cost_nanousd` in all.

    A model that fails in a way that another try will not mend, or that there is no money left for, is asked no more.
    `watch` is told the model before each call, how many calls were made, and how many there are. Raises UsageError for
    a model that there is not, and LedgerError.
    """
    speeds = [Speed(spec.name, spec.provider) for spec in map(engine.registry.model, dict.fromkeys(models))]
    orders = [(prompt, speed) for _ in range(rounds) for prompt in PROMPTS for speed in speeds]
    async with engine:
        for done, (prompt, speed) in enumerate(orders):
            if speed.error is not None:
                continue
            watch(speed.model, done, len(orders))
            left = max_cost_nanousd - sum(each.cost_nanousd or 0 for each in speeds)
            await _ask(engine, prompt, speed, max(left, 0))
    return speeds


async def _ask(engine: Engine, prompt: str, speed: Speed, left_nanousd: int) -> None:
    options = replace(
        RunOptions(),
        strategy="fallback",
        chain=speed.model,
        threshold=0.0,
        max_cost_nanousd=left_nanousd,
        max_tokens=_MOST_TOKENS,
        timeout_s=_TIMEOUT_S,
        stream=True,
        category=CATEGORY,
    )
    try:
        result = await engine.run(Prompt(prompt), options)
    except OrchError as error:
        speed.error = error
        return
    speed.calls += result.calls
    failed = result.exception
    if failed is not None and (isinstance(failed, BudgetError) or not failed.retryable):
        speed.error = failed


def _rate(call: CallRecord) -> float | None:
    if call.ttft_ms is None or call.latency_ms is None or call.latency_ms <= call.ttft_ms:
        return None
    written = call.output_tokens - call.reasoning_tokens
    return 1000 * written / (call.latency_ms - call.ttft_ms) if written > 0 else None


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
