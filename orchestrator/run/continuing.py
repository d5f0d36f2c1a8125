"""Goes on from a past run: its conversation, with its answer, before the next question."""

from __future__ import annotations

import json

from ..config import Settings
from ..conversation import Message, Prompt, Sent
from ..deferred import replace
from ..errors import UsageError
from ..ledger.conversations import conversation_of
from ..ledger.queries import find_run
from ..ledger.store import Ledger
from ..plan.turns import without_tools
from ..reading.messages import turns_from_openai
from .result import OrchestrationResult, recorded_result


def going_on(prompt: Prompt, wanted: str, settings: Settings) -> Prompt:
    """The prompt as the next question after a run: its id, the beginning of one, or `last`. The run's system prompt
    goes on too, unless the prompt has one.

    Raises UsageError if there is no such run, or if the ledger has no text of it.
    """
    ledger = Ledger.open_for_reading(settings.ledger)
    if ledger is None:
        raise UsageError("there is no run to continue", hint=f"the ledger would be {settings.ledger}")
    with ledger:
        recorded = find_run(ledger, wanted)
        run = recorded.run
        kept = conversation_of(ledger, run.run_id)
    if run.prompt is None or run.response is None:
        raise UsageError(
            f"the run {run.run_id} cannot be gone on from: the ledger has no text of it",
            hint="runs under ORCH_LOG_TEXT=0 and those whose text was removed have none",
        )
    said = turns_from_openai([json.loads(message) for message in kept]) or (Message("user", run.prompt),)
    return after(replace(prompt, system=prompt.system or run.system), said, recorded_result(recorded))


def after(prompt: Prompt, before: tuple[Message, ...], result: OrchestrationResult) -> Prompt:
    """The prompt after an answer and what led to it. What the answer asked tools for is told in words, since there are
    no results."""
    answered = Message("assistant", result.response, result.tool_calls)
    told = tuple(without_tools((answered,))) if result.response or result.tool_calls else ()
    return replace(prompt, before=(*before, *told), sent=sent_for(result))


def sent_for(result: OrchestrationResult) -> Sent | None:
    """What was sent to the model that answered; None if its provider did not count it."""
    call = next((each for each in reversed(result.calls) if each.model == result.model_used), None)
    if call is None or not call.input_tokens:
        return None
    kept = call.cached_tokens + call.cache_write_tokens
    return Sent(call.model, call.input_tokens, kept, call.ended_at or result.timestamp)
