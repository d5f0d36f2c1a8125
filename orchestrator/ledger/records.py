"""The two rows of the ledger as Python records. Field names are column names."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum

from ..billing import CostSource as CostSource
from ..deferred import dataclass

NOT_BELIEVED = "not_believed"  # the key of a call's usage under which it stands if it cannot be
EMBEDDING = "embedding"  # the role of a call that asks for the embedding of a prompt
TOOL_CALLS = "tool_calls"  # the key of a run's metadata under which the ledger keeps them


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # a partial answer
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class CallStatus(StrEnum):
    """How a call stands."""

    RESERVED = "reserved"  # its worst case is set aside; nothing was sent
    SENT = "sent"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class RunRecord:
    """One prompt answered, or attempted. `day` is the user's calendar day when it started; `max_cost_nanousd` is its
    cap.

    `experiment`, `arm` and `subject_sha256` are set if it took part in one, `key` if a client of `orch serve` asked,
    `source` if it comes from another tool's log, where `source_key` is its mark.
    `host` and `user` are the machine and its user, by name.
    """

    run_id: str
    created_at: datetime
    day: str
    strategy: str
    prompt_sha256: str
    simulated: bool
    process: str | None = None
    pattern: str | None = None
    status: RunStatus = RunStatus.RUNNING
    ended_at: datetime | None = None
    plan: str = "{}"
    category: str | None = None
    tags: tuple[str, ...] = ()
    task: str | None = None
    level: str | None = None
    score: float | None = None
    prompt: str | None = None
    system: str | None = None
    max_cost_nanousd: int | None = None
    experiment: str | None = None
    arm: str | None = None
    subject_sha256: str | None = None
    key: str | None = None
    host: str | None = None
    user: str | None = None
    source: str | None = None
    source_key: str | None = None
    model_used: str | None = None
    confidence: float | None = None
    response: str | None = None
    response_sha256: str | None = None
    latency_ms: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    metadata: str = "{}"


@dataclass(frozen=True)
class CallRecord:
    """One attempt at one completion. `reserved_nanousd` is its worst case; `price` and `usage` are JSON objects.

    `submission` is set if it was made by a provider's batch API: which of the `provider_submissions` it was in;
    `batch_saved_nanousd` is what a live call would have cost more.
    `from_run` is set if nothing was sent, as that run's answer to the same request was kept; `saved_nanousd` is what it
    had cost, None if that is unknown. `similarity`, 0 to 1, is set if that was asked in other words.
    """

    call_id: str
    run_id: str
    created_at: datetime
    day: str
    provider: str
    model: str
    provider_model: str
    attempt: int
    simulated: bool
    step: str | None = None
    role: str | None = None
    status: CallStatus = CallStatus.RESERVED
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    reserved_nanousd: int | None = None
    cost_nanousd: int | None = None
    cost_source: CostSource | None = None
    price: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    usage: str | None = None
    finish_reason: str | None = None
    latency_ms: int | None = None
    ttft_ms: int | None = None
    request_id: str | None = None
    raw_model: str | None = None
    confidence: float | None = None
    verdict: str | None = None
    response: str | None = None
    response_sha256: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    from_run: str | None = None
    saved_nanousd: int | None = None
    similarity: float | None = None
    submission: str | None = None
    batch_saved_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class RunTotals:
    """The sums over a run's calls. `cost_nanousd` is None if a call is unpriced."""

    calls: int = 0
    cost_nanousd: int | None = 0
    cost_source: CostSource = CostSource.NONE
    input_tokens: int = 0
    output_tokens: int = 0


_WORST_FIRST = (
    *(CostSource.UNPRICED, CostSource.ESTIMATE, CostSource.USAGE, CostSource.PROVIDER),
    *(CostSource.IMPORTED, CostSource.CACHE),
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run with its calls, in order of creation."""

    run: RunRecord
    calls: tuple[CallRecord, ...] = field(default=())

    @property
    def totals(self) -> RunTotals:
        # What is not settled yet counts with its worst case.
        """The sums over the run's calls."""
        costs = [call.reserved_nanousd if call.cost_source is None else call.cost_nanousd for call in self.calls]
        sources = {call.cost_source or CostSource.ESTIMATE for call in self.calls}
        return RunTotals(
            calls=len(self.calls),
            cost_nanousd=None if None in costs else sum([cost for cost in costs if cost is not None]),
            cost_source=next((source for source in _WORST_FIRST if source in sources), CostSource.NONE),
            input_tokens=sum([call.input_tokens for call in self.calls]),
            output_tokens=sum([call.output_tokens for call in self.calls]),
        )
