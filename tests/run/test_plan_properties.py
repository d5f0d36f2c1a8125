"""What holds for every plan, whatever its calls come to."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plans import MODELS, plans
from scripted import SURE, UNSURE, Act, Script, Stage, reply

from orchestrator.config import RunOptions
from orchestrator.errors import (
    IncompleteError,
    OrchError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RefusedError,
    RequestRejectedError,
)
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import CallStatus
from orchestrator.ledger.store import Ledger
from orchestrator.plan import Node, most_calls, to_dict
from orchestrator.run.events import Event, TextArrived
from orchestrator.types import Completion, FinishReason, Prompt, Request

_ATTEMPTS = 3  # a call that fails in passing is tried again twice


def _full(text: str) -> Act:
    """As long as it may be, and billed for every token that was set aside for it."""

    def act(request: Request) -> Completion:
        sent = len(request.messages[0].content.encode()) + len((request.system or "").encode())
        return reply(text * (1 + 8 * request.max_tokens // len(text.encode())), tokens=(sent, request.max_tokens))

    return act


def _failing(kind: type[ProviderError]) -> ProviderError:
    return kind("it went wrong", provider="openai")


_CUT = IncompleteError("cut", provider="openai", partial=Completion("half of", FinishReason.INCOMPLETE, None, 1, "m"))
_REFUSED = RefusedError("no", provider="openai", partial=Completion("I must", FinishReason.REFUSED, None, 1, "m"))
_ACTS = st.sampled_from(
    [
        *(reply(text) for text in (SURE, UNSURE, "The answer is 42.", '{"score": 0.9, "issues": []}', "$steps.step-1")),
        *(_full(text) for text in ("x", "wörd ", "{$prompt} ")),
        *(_failing(kind) for kind in (QuotaExhaustedError, RefusedError, OverloadedError, RequestRejectedError)),
        _CUT,
        _REFUSED,
    ]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    plan=plans(),
    acts=st.lists(st.lists(_ACTS, min_size=1, max_size=6), min_size=3, max_size=3),
    capped=st.booleans(),
    stream=st.booleans(),
    schema=st.sampled_from([None, {"type": "object"}]),
)
def test_a_run_ends_within_its_calls_and_its_price_with_every_call_settled(
    tmp_path_factory: pytest.TempPathFactory,
    plan: Node,
    acts: tuple[list[Act], ...],
    capped: bool,
    stream: bool,
    schema: dict[str, str] | None,
) -> None:
    folder = tmp_path_factory.mktemp("stage")
    (folder / "chains.yaml").write_text(yaml.safe_dump({"mine": to_dict(plan)}, allow_unicode=True))
    stage = Stage(folder, Script(dict(zip(MODELS, acts, strict=True))))
    stage.script.ledger = None
    engine = stage.engine()
    options = replace(RunOptions(), strategy="mine", max_tokens=100, stream=stream, schema=schema, schema_repair=True)
    planned = engine.plan(Prompt("Which?\n\na log", context="a log"), options)
    cost = planned.cost
    assert cost.minimum is not None
    assert cost.expected is not None
    assert cost.maximum is not None
    assert cost.minimum <= cost.expected <= cost.maximum
    cap = max(cost.expected, cost.maximum // 2)
    if capped:
        planned = engine.plan(planned.prompt, replace(options, max_cost_nanousd=cap))
    shown: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, TextArrived) and event.final:
            shown.append(event.text)

    result = asyncio.run(engine.execute(planned, watch))
    with Ledger.open(stage.ledger) as ledger:
        calls = find_run(ledger, "last").calls
    assert len(calls) == len(stage.script.sent) + sum(call.sent_at is None for call in calls)
    most = most_calls(plan) * (1 if schema is None else 2)  # each answer that does not fit is asked for again
    assert sum(call.attempt == 1 for call in calls) <= most
    assert len(calls) <= _ATTEMPTS * most
    assert all(call.status in (CallStatus.COMPLETED, CallStatus.FAILED) for call in calls)
    spent = sum(call.cost_nanousd or 0 for call in calls)
    assert result.cost_nanousd == spent
    assert spent <= (cap if capped else cost.maximum)
    assert result.status in ("complete", "incomplete", "failed")
    assert "".join(shown) in ("", result.response)
    assert result.response in ("", "I must") if result.status == "failed" else result.response
    assert isinstance(result.exception, OrchError) == (result.status != "complete")
    assert json.loads(find_plan(stage.ledger)) == to_dict(planned.plan)


def find_plan(path: Path) -> str:
    with Ledger.open(path) as ledger:
        return find_run(ledger, "last").run.plan
