"""An answer as the wires write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..deferred import dataclass, replace
from ..run.result import OrchestrationResult
from ..types import FinishReason, TokenLogprob, ToolCall, Usage


@dataclass(frozen=True, slots=True)
class Reply:
    """What a run came to. `usage` is that of the call that answered; `orch` has the sums over all of them.

    `created` is in seconds since 1970.
    """

    run_id: str
    model: str
    text: str
    finish: FinishReason
    usage: Usage
    created: int
    orch: Mapping[str, Any]
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    refusal: str | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is in `orch` of most use, for clients that drop what they do not know of a body."""
        names = ("run_id", "model", "cost", "confidence")
        found = [(f"x-orch-{name.replace('_', '-')}", self.orch.get(name)) for name in names]
        return [
            (name.encode(), _plain(value).encode("latin-1", "replace")) for name, value in found if value is not None
        ]


def _plain(value: object) -> str:
    """A value as text; a number without an exponent."""
    return (f"{value:.9f}".rstrip("0").rstrip(".") or "0") if isinstance(value, float) else str(value)


def orch_of(result: OrchestrationResult, left_out: Sequence[str], warnings: Sequence[str]) -> dict[str, Any]:
    """The `orch` object of a reply."""
    described: dict[str, Any] = {
        "run_id": result.run_id,
        "model": result.model_used,
        "strategy": result.strategy,
        "confidence": None if result.confidence is None else round(result.confidence, 4),
        "cost": result.cost,
        "cost_nanousd": result.cost_nanousd,
        "cost_source": result.cost_source,
        "calls": len(result.calls),
        "input_tokens": result.input_tokens,
        "output_tokens": result.output_tokens,
        "simulated": result.simulated,
    }
    if result.explanation is not None:
        described["explanation"] = result.explanation.to_dict()
    if left_out:
        described["left_out"] = list(left_out)
    if warnings:
        described["warnings"] = list(warnings)
    return described


def reply_of(result: OrchestrationResult, orch: Mapping[str, Any], *, logprobs: bool) -> Reply:
    """The reply of a run that has an answer, or was refused one."""
    completion = result.completion
    reply = Reply(
        run_id=result.run_id or "",
        model=result.model_used or "",
        text=result.response,
        finish=FinishReason.STOP if completion is None else completion.finish_reason,
        usage=_usage(result),
        created=int(result.timestamp.timestamp()),
        orch=orch,
        tool_calls=tuple(_with_id(call, result.run_id, n) for n, call in enumerate(result.tool_calls)),
        logprobs=(completion.logprobs or ()) if logprobs and completion is not None else (),
    )
    if reply.tool_calls and reply.finish is not FinishReason.LENGTH:
        return replace(reply, finish=FinishReason.TOOL_CALLS)
    return reply


def refusal_of(result: OrchestrationResult, orch: Mapping[str, Any]) -> Reply:
    """The reply of a run that ended in a model's refusal."""
    message = "" if result.error is None else result.error.message
    called = result.calls[-1].model if result.calls else ""
    reply = reply_of(result, orch, logprobs=False)
    return replace(reply, model=called, finish=FinishReason.REFUSED, refusal=message)


def _usage(result: OrchestrationResult) -> Usage:
    """The usage of the call that answered; as far as it is known where its provider reported none."""
    if result.completion is not None and result.completion.usage is not None:
        return result.completion.usage
    call = next((each for each in reversed(result.calls) if each.model == result.model_used), None)
    if call is None:
        return Usage(result.input_tokens, result.output_tokens)
    return Usage(
        call.input_tokens, call.output_tokens, call.cached_tokens, call.cache_write_tokens, call.reasoning_tokens
    )


def _with_id(call: ToolCall, run_id: str | None, number: int) -> ToolCall:
    """The call with an id, which some models give none."""
    return call if call.id else replace(call, id=f"call_{run_id}_{number}")
