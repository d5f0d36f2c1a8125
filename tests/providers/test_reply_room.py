"""Servers say in their own words how long a reply may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from scripted import SURE, Act, Script, Stage, reply

from orchestrator.choose.quote import output_limit
from orchestrator.errors import ContextTooLongError, QuotaExhaustedError, RequestRejectedError
from orchestrator.plan.load import Load
from orchestrator.providers.reply_room import reply_room
from orchestrator.registry import load_registry
from orchestrator.run.events import Event, Note

OF_OPENAI = (
    "This model's maximum context length is 8192 tokens. However, you requested 8216 tokens (5026 in the messages, "
    "3190 in the completion). Please reduce the length of the messages or completion."
)


@pytest.mark.parametrize(
    ("text", "asked", "room"),
    [
        pytest.param(OF_OPENAI, 3190, 3166, id="openai, vllm"),
        pytest.param(
            "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens "
            "(131000 of text input, 9000 in the output).",
            9000,
            72,
            id="openrouter",
        ),
        pytest.param(
            "'max_tokens' is too large: 3190. This model's maximum context length is 8192 tokens and your request has "
            "5026 input tokens (3190 > 8192 - 5026).",
            3190,
            3166,
            id="vllm, newer",
        ),
        pytest.param(
            "Requested token count exceeds the model's maximum context length of 8,192 tokens. You requested a total "
            "of 8,216 tokens: 5,026 tokens from the input messages and 3,190 tokens for the completion.",
            3190,
            3166,
            id="sglang",
        ),
        pytest.param(
            "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length or "
            "`max_tokens` and try again",
            8192,
            1000,
            id="anthropic, window",
        ),
        pytest.param(
            "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5",
            100_000,
            64_000,
            id="anthropic, model",
        ),
        pytest.param(
            "max_tokens is too large: 9000. This model supports at most 4096 completion tokens, whereas you "
            "provided 9000.",
            9000,
            4096,
            id="openai, model",
        ),
        pytest.param(
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000 `inputs` tokens and 2000 `max_new_tokens`",
            2000,
            1096,
            id="tgi",
        ),
        pytest.param("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 9000, 8192, id="deepseek"),
        pytest.param("`max_tokens` must be less than or equal to `8192`, the maximum", 9000, 8192, id="groq"),
        pytest.param(
            "Unable to submit request because it has a maxOutputTokens value of 9000 but the supported range is from 1 "
            "(inclusive) to 8193 (exclusive). Update the value and try again.",
            9000,
            8192,
            id="gemini",
        ),
        pytest.param(
            "This request requires more credits, or fewer max_tokens. You requested up to 8192 tokens, but can only "
            "afford 3120.",
            8192,
            3120,
            id="openrouter, credit",
        ),
        pytest.param("The context window is 8192 tokens; you requested 8216 tokens.", 3190, None, id="not these words"),
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, you requested 8216 tokens.",
            100,
            76,
            id="a sum",
        ),
        pytest.param(
            "This model's maximum context length is 8192 tokens, however you requested 9000 input tokens.",
            100,
            None,
            id="the prompt alone is too long",
        ),
        pytest.param("Rate limit reached, try again in 20 s", 100, None, id="something else"),
    ],
)
def test_room_is_read_from_a_servers_words(text: str, asked: int, room: int | None) -> None:
    assert reply_room(text, asked) == room


def test_the_same_model_is_asked_once_more_for_what_there_is_room_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({"gpt-4o-mini": [ContextTooLongError(OF_OPENAI, provider="openai"), reply(SURE)]}))
    told: list[Event] = []
    result = stage.run(chain="gpt-4o-mini", max_tokens=3190, observe=told.append)
    assert (result.status, [request.max_tokens for request in stage.script.sent]) == ("complete", [3190, 3166])
    assert [(call.attempt, call.status.value) for call in result.calls] == [(1, "failed"), (2, "completed")]
    assert Note("gpt-4o-mini: there is room for 3,166 tokens of reply: asked once more for those") in told


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        pytest.param(ContextTooLongError(OF_OPENAI, provider="openai"), 2, id="once"),
        pytest.param(RequestRejectedError("temperature: 3 > 2", provider="openai"), 1, id="without a word on room"),
        pytest.param(QuotaExhaustedError("out of credit", provider="openai"), 1, id="out of credit"),
    ],
)
def test_it_is_not_asked_more_often_than_that(tmp_path: Path, error: Exception, asked: int) -> None:
    stage = Stage(tmp_path, Script({"gpt-4o-mini": [error]}))
    result = stage.run(chain="gpt-4o-mini", max_tokens=3190)
    assert (result.status, len(stage.script.sent)) == ("failed", asked)


def test_a_next_model_with_room_goes_before_an_answer_that_would_be_cut(tmp_path: Path) -> None:
    tight = OF_OPENAI.replace("5026", "8190").replace("8216", "11380")
    acts: dict[str, Sequence[Act]] = {
        "gpt-4o-mini": [ContextTooLongError(tight, provider="openai")],
        "claude-haiku-4-5": [reply(SURE)],
    }
    stage = Stage(tmp_path, Script(acts))
    result = stage.run(chain="gpt-4o-mini,claude-haiku-4-5", max_tokens=3190)
    assert (result.model_used, len(stage.script.sent)) == ("claude-haiku-4-5", 2)


@pytest.mark.parametrize(
    ("tokens", "limit"),
    [
        pytest.param(100, 8192, id="far from the window"),
        pytest.param(115_000, 7_186, id="near it: without 64 and a twentieth of the input"),
        pytest.param(127_900, 50, id="as good as full: half of what there is"),
        pytest.param(128_000, 0, id="full"),
    ],
)
def test_a_reply_limit_leaves_some_of_the_window_free(tokens: int, limit: int) -> None:
    spec = load_registry(models_file=None, chains_file=None, config_dir=Path("/nonexistent")).model("gpt-4o-mini")
    assert output_limit(spec, Load(tokens, tokens, 100), None) == limit
