"""What is set aside for a prompt, by the bound and by the provider's own count."""

from pathlib import Path
from typing import Any

import pytest
from scripted import Script, Stage, reply

from orchestrator.errors import OverloadedError
from orchestrator.reading.bounds import bounds
from orchestrator.run.events import Event, Note
from orchestrator.types import CountBy

HAIKU = "claude-haiku-4-5"
SOURCE = Path(__file__).parents[2] / "orchestrator" / "ledger" / "store.py"
SURE = "It opens the file, reads all of it, and then gives back what was found in the first line of the file."


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({}))


def reserved(stage: Stage, prompt: str, **options: Any) -> int:
    stage.script.acts = {model: [reply(SURE)] for model in stage.engine().registry.models}
    return stage.run(prompt, **{"max_tokens": 10, **options}).calls[0].reserved_nanousd or 0


def test_a_source_file_is_set_aside_for_at_less_than_half_its_bytes(stage: Stage) -> None:
    text = SOURCE.read_text("utf-8")
    spec = stage.engine().registry.model("gpt-4o-mini")
    of_bytes = len(text.encode()) * 150  # nano-dollars a token
    assert spec.tokenizer == "o200k_base"
    assert reserved(stage, text, chain="gpt-4o-mini") < of_bytes / 2


def test_the_bound_is_that_of_the_model_that_is_called(stage: Stage) -> None:
    text = SOURCE.read_text("utf-8")
    engine = stage.engine()
    narrow, wide = (engine.registry.model(name).tokenizer for name in ("gpt-4o-mini", HAIKU))
    assert bounds(text).of(narrow) < bounds(text).of(wide)
    most = (bounds(text).of(wide) + 64) * 1_250 + 10 * 5_000  # of the dearest input, written to the cache
    assert reserved(stage, text, chain=HAIKU) <= 2 * most


def test_the_providers_count_is_set_aside_where_it_is_asked_for(stage: Stage) -> None:
    text = SOURCE.read_text("utf-8")
    by_bound = reserved(stage, text, chain=HAIKU)
    stage.script.counts = dict.fromkeys((stage.engine().registry.model(HAIKU).id,), 2_000)
    by_count = reserved(stage, text, chain=HAIKU, count=CountBy.EXACT)
    assert 2_000 * 1_000 < by_count - 10 * 5_000 < 2_200 * 1_250  # of the dearest input, written to the cache
    assert by_count < by_bound


def test_a_prompt_fits_under_a_cap_by_its_count_that_it_exceeds_by_its_bound(stage: Stage) -> None:
    text = SOURCE.read_text("utf-8")
    cap = reserved(stage, text, chain=HAIKU) - 1
    refused = stage.run(text, chain=HAIKU, max_tokens=10, max_cost_nanousd=cap)
    assert refused.error is not None
    assert refused.error.code == "budget"
    stage.script.counts = dict.fromkeys((stage.engine().registry.model(HAIKU).id,), 2_000)
    assert reserved(stage, text, chain=HAIKU, max_cost_nanousd=cap, count=CountBy.EXACT) <= cap


def test_a_short_prompt_is_not_worth_a_request(stage: Stage) -> None:
    stage.script.counts = dict.fromkeys((stage.engine().registry.model(HAIKU).id,), 1)
    assert reserved(stage, "Why?", chain=HAIKU, count=CountBy.EXACT) == reserved(stage, "Why?", chain=HAIKU)


def test_a_count_that_fails_leaves_the_bound_and_says_so(stage: Stage) -> None:
    text = SOURCE.read_text("utf-8")
    by_bound = reserved(stage, text, chain=HAIKU)
    stage.script.refuses_to_count = OverloadedError("busy", provider="anthropic")
    stage.script.acts = {stage.engine().registry.model(HAIKU).id: [reply(SURE)]}
    seen: list[Event] = []
    result = stage.run(text, observe=seen.append, chain=HAIKU, max_tokens=10, count=CountBy.EXACT)
    assert result.calls[0].reserved_nanousd == by_bound
    warnings = [event.text for event in seen if isinstance(event, Note) and event.loud]
    assert warnings == [f"{HAIKU}: tokens could not be counted, a bound is used: busy"]
