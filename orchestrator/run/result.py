"""The result of a run: the same object in Python, as `--output json`, and from `orch show`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..clock import rfc3339
from ..config.strict_json import parse_json
from ..deferred import dataclass
from ..errors import Interrupted, OrchError, ProviderError
from ..ledger.records import TOOL_CALLS, CallRecord, CallStatus, CostSource, Recorded, RunStatus
from ..money import NANO_PER_DOLLAR
from ..types import Completion, ToolCall

if TYPE_CHECKING:
    from .explaining import Explanation

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why a run failed. `code` is stable; `retryable`: the same run may work later."""

    code: str
    message: str
    provider: str | None = None
    retryable: bool = False
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: OrchError) -> ErrorInfo:
        """The info of an error."""
        provider, retry_after_s = None, None
        if isinstance(error, ProviderError):
            provider, retry_after_s = error.provider, error.retry_after_s
        return cls(error.code, error.message, provider, error.retryable, retry_after_s)


@dataclass(frozen=True, slots=True)
class OrchestrationResult:
    """The result of one prompt: `status` is `complete`, `incomplete`, `failed` or `interrupted`.

    `cost` is in dollars, for convenience; `cost_nanousd` is exact. Both are None if a call was unpriced. `tool_calls`
    are the tools that the model asks to call. `latency` is in seconds; token counts are sums over all calls.
    `exception` is the error of a failed run, and `completion` the reply that is the answer, if this process ran it.
    `explanation` is there if the run was asked for it (`explain`).
    """

    run_id: str | None
    status: str
    response: str
    model_used: str | None
    strategy: str | None
    confidence: float | None
    cost_nanousd: int | None
    cost_source: str
    latency: float
    input_tokens: int
    output_tokens: int
    ensemble_models: tuple[str, ...]
    simulated: bool
    calls: tuple[CallRecord, ...]
    metadata: Mapping[str, Any]
    timestamp: datetime
    error: ErrorInfo | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    exception: OrchError | None = field(default=None, compare=False, repr=False)
    completion: Completion | None = field(default=None, compare=False, repr=False)
    explanation: Explanation | None = field(default=None, compare=False, repr=False)

    @property
    def cost(self) -> float | None:
        """The cost in dollars, None if a call was unpriced."""
        return None if self.cost_nanousd is None else self.cost_nanousd / NANO_PER_DOLLAR

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the command line, documented in docs/json.md."""
        document = {
            "schema_version": SCHEMA_VERSION,
            **self.answer(),
            "ensemble_models": list(self.ensemble_models),
            "simulated": self.simulated,
            "calls": [_call_dict(call) for call in self.calls],
            "metadata": dict(self.metadata),
            "timestamp": rfc3339(self.timestamp),
            "error": self.failure(),
        }
        return document if self.explanation is None else document | {"explanation": self.explanation.to_dict()}

    def answer(self) -> dict[str, Any]:
        """What `to_dict` has of the answer and of what it cost."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "response": self.response,
            "tool_calls": [tool_call_dict(call) for call in self.tool_calls],
            "model_used": self.model_used,
            "strategy": self.strategy,
            "confidence": _rounded(self.confidence),
            "cost": self.cost,
            "cost_nanousd": self.cost_nanousd,
            "cost_source": self.cost_source,
            "latency": self.latency,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }

    def failure(self) -> dict[str, Any] | None:
        """What `to_dict` has of the error."""
        return None if self.error is None else error_dict(self.error)


def build_result(
    recorded: Recorded,
    metadata: Mapping[str, Any],
    *,
    response: str,
    error: ErrorInfo | None,
    exception: OrchError | None = None,
    tool_calls: Sequence[ToolCall] = (),
    completion: Completion | None = None,
) -> OrchestrationResult:
    """A result from a run's rows and from texts that the ledger may not hold."""
    run, totals = recorded.run, recorded.totals
    return OrchestrationResult(
        run_id=run.run_id,
        status=run.status.value,
        response=response,
        model_used=run.model_used,
        strategy=run.strategy,
        confidence=run.confidence,
        cost_nanousd=totals.cost_nanousd,
        cost_source=totals.cost_source.value,
        latency=(run.latency_ms or 0) / 1000,
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        ensemble_models=tuple(metadata.get("ensemble_models", ())),
        simulated=run.simulated,
        calls=recorded.calls,
        metadata={key: value for key, value in metadata.items() if key not in ("ensemble_models", TOOL_CALLS)},
        timestamp=run.created_at,
        error=error,
        tool_calls=tuple(tool_calls),
        exception=exception,
        completion=completion,
    )


def recorded_result(recorded: Recorded) -> OrchestrationResult:
    """A past run, from the ledger alone."""
    run = recorded.run
    error = None if run.error_code is None else ErrorInfo(run.error_code, run.error_message or "")
    metadata = json.loads(run.metadata)
    called = [ToolCall(**call) for call in metadata.get(TOOL_CALLS, ())]
    return build_result(recorded, metadata, response=run.response or "", error=error, tool_calls=called)


def refused_result(error: OrchError, *, strategy: str | None, simulated: bool, when: datetime) -> OrchestrationResult:
    """The result of a run that failed before it began: nothing was called, and the ledger has no row of it."""
    return OrchestrationResult(
        run_id=None,
        status=(RunStatus.INTERRUPTED if isinstance(error, Interrupted) else RunStatus.FAILED).value,
        response="",
        model_used=None,
        strategy=strategy,
        confidence=None,
        cost_nanousd=0,
        cost_source=CostSource.NONE.value,
        latency=0.0,
        input_tokens=0,
        output_tokens=0,
        ensemble_models=(),
        simulated=simulated,
        calls=(),
        metadata={},
        timestamp=when,
        error=ErrorInfo.of(error),
        exception=error,
    )


def error_dict(error: ErrorInfo) -> dict[str, Any]:
    """Why a run failed, as JSON."""
    return asdict(error)


def tool_call_dict(call: ToolCall) -> dict[str, Any]:
    """A tool call as JSON. `arguments` is an object, or the model's text if that is not a JSON object."""
    try:
        arguments = parse_json(call.arguments)
    except ValueError:
        arguments = None
    return {"id": call.id, "name": call.name, "arguments": arguments if isinstance(arguments, dict) else call.arguments}


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)


def _call_dict(call: CallRecord) -> dict[str, Any]:
    failed = call.status is not CallStatus.COMPLETED and call.error_code is not None
    return {
        "call_id": call.call_id,
        "model": call.model,
        "provider": call.provider,
        "status": call.status.value,
        "attempt": call.attempt,
        "step": call.step,
        "role": call.role,
        "finish_reason": call.finish_reason,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cached_tokens": call.cached_tokens,
        "reasoning_tokens": call.reasoning_tokens,
        "cost_nanousd": call.cost_nanousd,
        "cost_source": call.cost_source and call.cost_source.value,
        "from_run": call.from_run,
        "saved_nanousd": call.saved_nanousd,
        "similarity": _rounded(call.similarity),
        "submission": call.submission,
        "batch_saved_nanousd": call.batch_saved_nanousd,
        "latency_ms": call.latency_ms,
        "ttft_ms": call.ttft_ms,
        "confidence": _rounded(call.confidence),
        "error": {"code": call.error_code, "message": call.error_message} if failed else None,
    }
