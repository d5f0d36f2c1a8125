"""`orch show` and `orch why`: a past run, from the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ...deferred import dataclass
from ...ledger.conversations import conversation_of
from ...ledger.ratings import Rating, rating_of
from ...ledger.records import CallRecord, Recorded
from ...money import format_nanousd
from ...plan.turns import transcript
from ...reading.complexity import UNFAMILIAR
from ...reading.messages import prompt_of_turns, turns_from_openai
from ...run.explaining import explanation_of
from ...run.result import recorded_result
from .. import render
from ..options import ConfigFlags, LedgerFlags, OutputFlags, command
from ..output import Output
from ..setup import settings_from
from .ledgers import find_recorded, read_existing_ledger
from .rate import rating_document, rating_words
from .semantic import looked_at


@dataclass(frozen=True, kw_only=True)
class _WhyFlags(OutputFlags, LedgerFlags, ConfigFlags):
    run: Annotated[str, typer.Option(help="The run: its id, the start of its id, or last.")] = "last"


@dataclass(frozen=True, kw_only=True)
class _ShowFlags(_WhyFlags):
    all: Annotated[bool, typer.Option("--all", help="Show the answer of every call, not only the run's.")] = False


@command(_ShowFlags, argument="run")
def show(flags: _ShowFlags) -> int:
    """RUN is the id of a run, the start of an id if no other begins the same, or last.

    --all adds what each call answered: the other answers of an ensemble, those that a cascade passed over, the steps of
    a plan.
    """
    (recorded, rating, said), output = _find(flags)
    run = recorded.run
    document = recorded_result(recorded).to_dict() | {"prompt": run.prompt, "system": run.system, "tags": run.tags}
    document |= {"category": run.category, "plan": json.loads(run.plan), "messages": said}
    if flags.all:
        for shown, call in zip(document["calls"], recorded.calls, strict=True):
            shown["response"] = call.response
    output.emit(document | rating_document(rating))
    if not output.json:
        for text in _show_lines(recorded, rating, said, every_answer=flags.all):
            render.line(text)
    return 0


@command(_WhyFlags, argument="run")
def why(flags: _WhyFlags) -> int:
    """RUN is the id of a run, the start of an id if no other begins the same, or last."""
    output, settings = Output.parse(flags.output), settings_from(flags)
    with read_existing_ledger(settings) as ledger:
        recorded = find_recorded(ledger, settings, flags.run)
        run, metadata = recorded.run, json.loads(recorded.run.metadata)
        looked = looked_at(ledger, run, metadata)
    explanation = explanation_of(run.model_used, recorded.calls, metadata, looked)
    output.emit(
        {
            "schema_version": 1,
            "run_id": run.run_id,
            "strategy": run.strategy,
            "complexity": metadata.get("complexity"),
            "task": run.task,
            "decisions": metadata.get("decisions", []),
            "calls": [_judged(call) for call in recorded.calls],
            "semantic_cache": looked,
            "explanation": explanation.to_dict(),
        }
    )
    if not output.json:
        for text in (*explanation.lines(), *_why_lines(recorded)):
            render.line(text)
    return 0


commands = {"show": show, "why": why}


_Found = tuple[Recorded, Rating | None, list[Any]]  # the last: the conversation, as messages in OpenAI's form


def _find(flags: _WhyFlags) -> tuple[_Found, Output]:
    output, settings = Output.parse(flags.output), settings_from(flags)
    with read_existing_ledger(settings) as ledger:
        recorded = find_recorded(ledger, settings, flags.run)
        run_id = recorded.run.run_id
        said = [json.loads(message) for message in conversation_of(ledger, run_id)]
        return (recorded, rating_of(ledger, run_id), said), output


def _show_lines(recorded: Recorded, rating: Rating | None, said: list[Any], *, every_answer: bool) -> Iterator[str]:
    run, totals = recorded.run, recorded.totals
    simulated = ", simulated" if run.simulated else ""
    yield f"run {run.run_id}  {run.created_at.astimezone():%Y-%m-%d %H:%M:%S}  {run.status}{simulated}"
    strategy = run.strategy if run.pattern in (None, run.strategy) else f"{run.strategy} with {run.pattern}"
    kind = "" if run.level is None else f", {run.level} {run.task}"  # a run that only embeds has none
    yield f"{strategy}{kind}, category {run.category}, tags: {', '.join(run.tags) or 'none'}"
    yield f"cost {format_nanousd(totals.cost_nanousd)} ({totals.cost_source}), {(run.latency_ms or 0) / 1000:.2f} s"
    if rating is not None:
        yield f"rated {rating_words(rating)}{f': {rating.note}' if rating.note else ''}"
    if run.error_code is not None:
        yield f"error: {run.error_code}: {run.error_message}"
    yield ""
    for number, call in enumerate(recorded.calls, start=1):
        yield f"{number}. {_call_line(call)}"
    if said and (before := prompt_of_turns(turns_from_openai(said)).before):
        yield from _text_lines("said before", transcript(before), None)
    yield from _text_lines("prompt", run.prompt, run.prompt_sha256)
    for number, call in enumerate(recorded.calls if every_answer else (), start=1):
        yield from _text_lines(f"answer {number}, {call.model}", call.response, call.response_sha256)
    yield from _text_lines("answer", run.response, run.response_sha256)


def _text_lines(title: str, text: str | None, digest: str | None) -> Iterator[str]:
    yield ""
    yield f"{title}:"
    yield text if text is not None else ("(not kept: only its hash is in the ledger)" if digest else "(none)")


def _call_line(call: CallRecord) -> str:
    confidence = "" if call.confidence is None else f", confidence {call.confidence:.2f}"
    error = "" if call.error_code is None else f", {call.error_code}: {call.error_message}"
    step = "" if call.step is None else f"{call.step}: "
    role = "" if call.role is None else f" as {call.role}"
    if call.from_run is not None:
        kept = f"from the cache, as run {call.from_run} had it, saved {format_nanousd(call.saved_nanousd)}"
        return f"{step}{call.model} ({call.provider}){role}: {kept}{confidence}"
    by_batch = ""
    if call.submission is not None:
        saved = call.batch_saved_nanousd
        by_batch = ", by batch" + ("" if saved is None else f", which saved {format_nanousd(saved)}")
    took = "" if call.submission is not None else f", {call.latency_ms or 0} ms"
    return (
        f"{step}{call.model} ({call.provider}){role}, attempt {call.attempt}: {call.status}, "
        f"{call.input_tokens:,} tokens in ({call.cached_tokens:,} cached), {call.output_tokens:,} out "
        f"({call.reasoning_tokens:,} reasoning), {format_nanousd(call.cost_nanousd)}{by_batch}{took}"
        f"{confidence}{error}"
    )


def _why_lines(recorded: Recorded) -> Iterator[str]:
    run, metadata = recorded.run, json.loads(recorded.run.metadata)
    complexity = metadata.get("complexity", {})
    yield f"The prompt looks {run.level} ({run.task}); score {run.score or 0:.2f}:"
    for feature, weight in complexity.get("features", {}).items():
        yield f"  {weight:+.2f}  {feature}"
    if complexity.get("unfamiliar"):
        yield UNFAMILIAR
    yield "Decisions:"
    for decision in metadata.get("decisions", []):
        yield f"  - {decision}"
    for call in recorded.calls:
        judged = _judged(call)
        yield f"{'' if call.step is None else f'{call.step}, '}{call.model}: {_confidence(call)}"
        for reason in judged["reasons"]:
            yield f"  - {reason}"


def _confidence(call: CallRecord) -> str:
    if call.confidence is None:
        return f"{call.status}{f' ({call.error_message})' if call.error_message else ''}"
    return f"confidence {call.confidence:.2f}"


def _judged(call: CallRecord) -> dict[str, Any]:
    verdict = json.loads(call.verdict) if call.verdict else {}
    return {
        "call_id": call.call_id,
        "model": call.model,
        "status": call.status.value,
        "confidence": call.confidence,
        "signals": verdict.get("signals", {}),
        "reasons": verdict.get("reasons", []),
    }
