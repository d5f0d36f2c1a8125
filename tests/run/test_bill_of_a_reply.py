"""From a reply to the call's row and the run's warnings: what it says of its price."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import SURE, Script, Stage, reply

from orchestrator.errors import BadReplyError, Billed
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.store import Ledger
from orchestrator.run.events import Event, Note
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Completion, FinishReason, Usage

HAIKU = "claude-haiku-5-5"  # 0.1 $ and 0.5 $ per million tokens; claude-opus-5-5: 4 $ and 20 $
COUNTED = Usage(412, 264, raw={"input_tokens": 412})


def answered(tmp_path: Path, completion: Completion | Exception) -> tuple[OrchestrationResult, list[str], Stage]:
    stage, heard = Stage(tmp_path, Script({HAIKU: [completion]})), list[Event]()
    result = stage.run(chain=HAIKU, observe=heard.append)
    return result, [event.text for event in heard if isinstance(event, Note) and event.loud], stage


def answer(usage: Usage | None, model: str = HAIKU) -> Completion:
    return replace(reply(SURE), usage=usage, model=model)


def test_a_stated_price_is_the_cost_whatever_the_registry_says(tmp_path: Path) -> None:
    usage = replace(COUNTED, raw={"cost": 0.05})
    result, warnings, stage = answered(tmp_path, answer(usage))
    assert (result.cost_nanousd, result.cost_source, warnings) == (50_000_000, "provider", [])
    with Ledger.open(stage.ledger) as ledger:
        (call,) = find_run(ledger, "last").calls
    assert json.loads(call.usage or "") == {"cost": 0.05}
    assert (call.input_tokens, call.output_tokens) == (412, 264)


@pytest.mark.parametrize("counted", [True, False], ids=["with counts", "without"])
@pytest.mark.parametrize("log_text", [True, False], ids=["texts kept", "texts not kept"])
def test_a_stated_price_far_above_what_it_can_have_cost_is_not_the_cost(
    tmp_path: Path, counted: bool, log_text: bool
) -> None:
    usage = replace(COUNTED if counted else Usage(), raw={"cost": 999_999, "prompt_tokens": 412})
    stage = Stage(tmp_path, Script({HAIKU: [answer(usage)]}))
    stage.environ["ORCH_LOG_TEXT"] = "1" if log_text else "0"
    heard: list[Event] = []
    result = stage.run(chain=HAIKU, observe=heard.append)
    with Ledger.open(stage.ledger) as ledger:
        (call,) = find_run(ledger, "last").calls
    assert call.reserved_nanousd
    assert (result.cost_nanousd, result.cost_source) == (call.reserved_nanousd, "estimate")
    assert json.loads(call.usage or "") == {
        "cost": 999_999,
        "prompt_tokens": 412,
        "not_believed": {"cost_nanousd": 999_999 * 10**9},
    }
    warnings = [event.text for event in heard if isinstance(event, Note) and event.loud]
    assert ["says that it cost $999,999.00, far more" in text for text in warnings] == [True]


def test_a_stated_price_without_counts_has_bounds_for_them(tmp_path: Path) -> None:
    result, _, _ = answered(tmp_path, answer(Usage(raw={"cost": 0.05})))
    assert (result.cost_nanousd, result.cost_source) == (50_000_000, "provider")
    assert result.input_tokens > 0
    assert result.output_tokens > 0


@pytest.mark.parametrize("reported", ["claude-opus-5-5", "claude-opus-5-5-20261001", "anthropic/claude-opus-5-5"])
def test_a_reply_from_another_model_is_billed_at_its_price_and_said(tmp_path: Path, reported: str) -> None:
    result, warnings, stage = answered(tmp_path, answer(COUNTED, reported))
    assert (result.cost_nanousd, result.cost_source) == (412 * 4_000 + 264 * 20_000, "usage")
    assert warnings == [f"{HAIKU}: claude-opus-5-5 answered in its place, at its price"]
    with Ledger.open(stage.ledger) as ledger:
        (call,) = find_run(ledger, "last").calls
    assert json.loads(call.price or "")["rates"]["output"] == "20"


@pytest.mark.parametrize("reported", [HAIKU, f"{HAIKU}-20261001", f"{HAIKU}@20261001", "haiku", "m", ""])
def test_a_name_that_is_its_own_or_nobodys_changes_nothing(tmp_path: Path, reported: str) -> None:
    result, warnings, _ = answered(tmp_path, answer(COUNTED, reported))
    assert (result.cost_nanousd, result.cost_source, warnings) == (412 * 100 + 264 * 500, "usage", [])


def test_what_has_no_rate_is_an_estimate_with_a_warning(tmp_path: Path) -> None:
    result, warnings, _ = answered(tmp_path, answer(replace(COUNTED, raw={"service_tier": "priority"})))
    assert (result.cost_nanousd, result.cost_source) == ((412 * 100 + 264 * 500) * 5 // 2, "estimate")
    assert warnings == [f"{HAIKU}: the service tier 'priority' has no rates in the registry"]


def test_a_reply_that_cannot_be_used_costs_what_it_was_counted_at(tmp_path: Path) -> None:
    partial = Completion("", FinishReason.INCOMPLETE, COUNTED, 5, model=HAIKU)
    error = BadReplyError("unusable", provider="anthropic", billed=Billed.YES, partial=partial)
    result, _, _ = answered(tmp_path, error)
    attempts = len(result.calls)
    assert (result.cost_nanousd, result.cost_source) == (attempts * (412 * 100 + 264 * 500), "usage")


def test_thought_that_a_reply_shows_and_nobody_counted_is_at_its_worst(tmp_path: Path) -> None:
    result, _, _ = answered(tmp_path, replace(answer(None), thought=True))
    (call,) = result.calls
    assert result.cost_source == "estimate"
    assert result.cost_nanousd == call.reserved_nanousd
