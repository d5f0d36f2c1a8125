"""Conversations: turns, images and documents, from the door to what is sent, and what they are worth."""

from __future__ import annotations

import asyncio
import base64
import struct
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import NOW, SURE, UNSURE, Hang, Script, Stage, reply

from orchestrator.config import RunOptions
from orchestrator.conversation import Sent
from orchestrator.deferred import replace
from orchestrator.errors import OrchError, UsageError
from orchestrator.ledger.store import Ledger
from orchestrator.ledger.texts import sweep
from orchestrator.reading.answer import AnswerForm
from orchestrator.reading.attachments import attach
from orchestrator.reading.messages import from_openai, to_openai
from orchestrator.run.continuing import going_on
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Effort, Message, Prompt, Request, Tool

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 800, 600, 8, 2, 0, 0, 0) + b"\0" * 8
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}
HARD = (
    "Prove that every bounded sequence of reals has a convergent subsequence, and design a distributed consensus "
    "protocol that tolerates Byzantine faults with a formal proof of its safety."
)
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "x"}'}}
LOOP: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is x?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "A letter."},
]
TOOL = Tool("look_up", "Looks a word up.", {"type": "object", "properties": {}})


def asked(tmp_path: Path, script: Script, messages: list[dict[str, Any]], **options: Any) -> OrchestrationResult:
    engine = Stage(tmp_path, script).engine()
    return asyncio.run(engine.run(from_openai(messages), RunOptions(**options)))


def test_what_is_read_is_written_as_it_was() -> None:
    messages = [
        *LOOP[1:],
        {"role": "assistant", "content": "A letter."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, IMAGE]},
    ]
    prompt = from_openai(messages)
    assert prompt.text == "And this?"
    assert [turn.role for turn in prompt.before] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    written = to_openai((*prompt.before, Message("user", prompt.text, parts=prompt.parts)))
    assert from_openai(written) == prompt
    assert [media.width for media in prompt.media] == [800]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ("hello", "messages: expected a list"),
        ([], "nothing is asked"),
        ([{"role": "assistant", "content": "Hello"}], "nothing is asked"),
        ([{"role": "robot", "content": "x"}], r"messages\[0\].role: expected"),
        ([{"role": "user"}], r"messages\[0\].content: expected a text or a list"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], "'input_audio' cannot be passed"),
        ([{"role": "user", "content": [{"type": "text"}]}], r"content\[0\].text: is missing"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}], "no address"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AAAA"}]}], "no image"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "data:;base64,?"}]}], "is not base64"),
        ([{"role": "user", "content": [{"type": "file", "file": {"file_id": "f1"}}]}], "one provider keeps"),
        ([{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}], "tool_call_id: is missing"),
        ([{"role": "user", "content": "x"}, LOOP[3]], "'c1', which nobody made"),
        (
            [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{"function": {"arguments": "["}}]}],
            r"tool_calls\[0\].function.arguments: expected a JSON object",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_passed_on_is_refused_by_its_place(messages: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        from_openai(messages)


_WORDS = st.sampled_from(
    ["user", "assistant", "tool", "system", "text", "image_url", "file", "c1", "{}", "data:;base64,", ""]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "image_url", "url", "file", "file_data", "tool_calls"])
            | st.sampled_from(["tool_call_id", "id", "function", "name", "arguments", "refusal"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(_VALUES, max_size=4))
@settings(max_examples=300, deadline=None)
def test_whatever_messages_are_they_are_read_or_refused(messages: Any) -> None:
    try:
        prompt = from_openai(messages)
    except UsageError:
        return
    assert (
        from_openai(to_openai((*prompt.before, Message("user", prompt.text, parts=prompt.parts)))).text == prompt.text
    )


def test_the_turns_are_sent_as_turns_and_the_question_in_their_place(tmp_path: Path) -> None:
    script = Script({"gpt-6.1-sol": [reply(SURE)]})
    asked(tmp_path, script, LOOP, chain="gpt-6.1-sol", tools=(TOOL,))
    (request,) = script.sent
    assert request.system == "Be brief."
    assert [(turn.role, turn.content) for turn in request.messages] == [
        ("user", "What is x?"),
        ("assistant", ""),
        ("tool", "A letter."),
    ]
    # Offered no tools, a model is told of the calls in words: some refuse them otherwise.
    asked(tmp_path, script, LOOP, chain="gpt-6.1-sol")
    assert [turn.role for turn in script.sent[-1].messages] == ["user", "assistant", "user"]
    assert script.sent[-1].messages[-1].content == "[result of look_up]\nA letter."


@pytest.mark.parametrize(
    ("question", "hard"),
    [("yes, do it", True), ("Go ahead.", True), ("why?", True), ("What is the capital of France?", False)],
)
def test_a_question_is_as_hard_as_what_it_leans_on(tmp_path: Path, question: str, hard: bool) -> None:
    engine = Stage(tmp_path, Script({})).engine()
    before = [{"role": "user", "content": HARD}, {"role": "assistant", "content": "Shall I write out the whole proof?"}]
    alone = engine.plan(from_openai([{"role": "user", "content": question}]), RunOptions()).analysis
    after = engine.plan(from_openai([*before, {"role": "user", "content": question}]), RunOptions()).analysis
    itself = engine.plan(from_openai(before[:1]), RunOptions()).analysis
    assert (after.level == itself.level) is hard
    assert (after.score == alone.score) is not hard
    assert after.input_tokens > alone.input_tokens  # all of it is sent, whatever it says


def test_the_form_of_an_answer_is_what_is_asked_last(tmp_path: Path) -> None:
    engine = Stage(tmp_path, Script({})).engine()
    before = [
        {"role": "user", "content": "How many moons has Mars? Return JSON."},
        {"role": "assistant", "content": '{"moons": 2}'},
    ]
    forms = [
        engine.plan(from_openai([*before, {"role": "user", "content": question}]), RunOptions()).reading.parsed.form
        for question in ("why?", "And Saturn, as JSON?")
    ]
    assert forms == [AnswerForm.OPEN, AnswerForm.JSON]


def test_a_check_sees_what_was_said_before(tmp_path: Path) -> None:
    before = [{"role": "user", "content": "Name a town."}, {"role": "assistant", "content": "Bern."}]
    messages = [*before, {"role": "user", "content": "And another?"}]
    judged = _judged(tmp_path, messages)
    assert len(judged.messages) == 1
    text = judged.messages[0].content
    assert "User: Name a town.\n\nAssistant: Bern." in text
    assert text.index("Bern.") < text.index("And another?")


def _judged(tmp_path: Path, messages: list[dict[str, Any]]) -> Request:
    verdict = reply('{"score": 0.9, "issues": []}')
    script = Script({"gpt-6.1-sol": [reply(SURE)], "gemini-3.8-flash": [reply(SURE)], "gpt-6-luna": [verdict]})
    asked(tmp_path, script, messages, chain="gpt-6.1-sol,gemini-3.8-flash", self_check="gpt-6-luna")
    return next(request for request in script.sent if request.model == "gpt-6-luna")


def test_worst_cases_count_turns_and_images(tmp_path: Path) -> None:
    engine = Stage(tmp_path, Script({})).engine()
    options = RunOptions(chain="gpt-6.1-sol")
    words = "Any number of words that were said before. " * 400
    plans = [
        engine.plan(from_openai(messages), options)
        for messages in (
            [{"role": "user", "content": "Why?"}],
            [{"role": "user", "content": words}, {"role": "user", "content": "Why?"}],
            [{"role": "user", "content": [{"type": "text", "text": "Why?"}, IMAGE]}],
        )
    ]
    most = [plan.cost.maximum for plan in plans]
    assert (most[0] or 0) < min(each or 0 for each in most[1:])
    assert plans[1].load.input_bound - plans[0].load.input_bound > 3_000
    assert plans[2].load.input_bound - plans[0].load.input_bound > 475  # 25 x 19 patches


@pytest.mark.parametrize(
    ("models", "problem"),
    [("cerebras/gpt-oss-120b", "takes images"), ("deepseek-v4-pro", "takes images")],
)
def test_an_image_goes_only_to_models_that_take_it(tmp_path: Path, models: str, problem: str) -> None:
    stage = Stage(tmp_path, Script({"gpt-6-luna": [reply(SURE)]}))
    stage.environ |= {"CEREBRAS_API_KEY": "k", "DEEPSEEK_API_KEY": "k"}
    prompt = from_openai([{"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}])
    with pytest.raises(OrchError, match=problem):
        stage.engine().plan(prompt, RunOptions(chain=models))
    planned = stage.engine().plan(prompt, RunOptions(chain=f"{models},gpt-6-luna"))
    assert any(f"left out {models}: takes no images" in reason for reason in planned.reasons)


def test_an_answer_comes_in_pieces_and_leaving_it_settles_the_run(tmp_path: Path) -> None:
    script = Script({"gpt-6.1-sol": [reply("One two three."), Hang()], "gpt-6-luna": [reply(UNSURE)]})
    options = RunOptions(chain="gpt-6.1-sol")

    async def read() -> None:
        async with Stage(tmp_path, script).engine() as engine:
            whole = engine.stream(Prompt("Count."), options)
            assert [piece async for piece in whole] == ["One ", "two ", "three."]
            assert whole.result is not None
            assert whole.result.response == "One two three."
            left = engine.stream(Prompt("Count."), options)
            async for piece in left:
                assert piece == "the first words"
                break
            await left.aclose()
            assert left.result is not None
            assert (left.result.status, [call.status for call in left.result.calls]) == ("interrupted", ["interrupted"])
            decided = engine.stream(Prompt("Count."), RunOptions(chain="gpt-6-luna,gpt-6.1-sol", threshold=0.0))
            assert [piece async for piece in decided] == [UNSURE]  # not before it is known that no other is asked
            with pytest.raises(OrchError):
                _ = [piece async for piece in engine.stream(Prompt("Count."), RunOptions(chain="nobody"))]

    asyncio.run(read())


def test_a_judge_that_sees_no_images_is_told_of_them(tmp_path: Path) -> None:
    verdict = reply('{"score": 0.9, "issues": []}')
    script = Script({"gpt-6.1-sol": [reply(SURE)], "gpt-oss-120b": [verdict]})
    stage = Stage(tmp_path, script)
    stage.environ |= {"CEREBRAS_API_KEY": "k"}
    prompt = from_openai([{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}])
    options = RunOptions(chain="gpt-6.1-sol,gemini-3.8-flash", self_check="cerebras/gpt-oss-120b")
    asyncio.run(stage.engine().run(prompt, options))
    asked, judged = script.sent
    assert [media.width for turn in asked.messages for media in turn.media] == [800]
    assert not judged.messages[0].media
    assert judged.messages[0].content.startswith("[image]")


def test_a_run_is_gone_on_from_with_all_that_was_said(tmp_path: Path) -> None:
    script = Script({"gpt-6.1-sol": [reply(f"Answer {number}.") for number in range(9)]})
    stage, options = Stage(tmp_path, script), RunOptions(chain="gpt-6.1-sol")
    engine = stage.engine()
    picture = from_openai([{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}])
    first = asyncio.run(engine.run(replace(picture, system="Be brief."), options))
    file = attach("And this?", None, "file: a.py\n1\tpass")
    second = asyncio.run(engine.run(going_on(file, str(first.run_id), engine.settings), options))
    third = going_on(Prompt("Why?"), "last", engine.settings)
    assert third.system == "Be brief."
    assert third.sent is not None
    assert (third.sent.model, third.sent.tokens) == ("gpt-6.1-sol", 10)
    asyncio.run(engine.run(third, options))
    before, question = script.sent[-1].messages[:-1], script.sent[-1].messages[-1]
    assert [turn.content for turn in before[:2]] == ["What is it?", "Answer 0."]
    assert before[0].media == picture.media
    assert before[2:] == (script.sent[1].messages[-1], Message("assistant", "Answer 1.")), "the file in its fence"
    assert question.content == "Why?"
    with Ledger.open(stage.ledger) as ledger:
        turns = "SELECT count(*) FROM conversation_turns"
        assert ledger.read(lambda db: db.execute(turns).fetchone()[0]) == 5, "each turn once"
        ledger.write(lambda db: db.execute("DELETE FROM calls WHERE run_id <> ?", (first.run_id,)))
        ledger.write(lambda db: db.execute("DELETE FROM runs WHERE run_id <> ?", (first.run_id,)))
        ledger.write(sweep)
        assert ledger.read(lambda db: db.execute(turns).fetchone()[0]) == 1
    with pytest.raises(UsageError, match="no run"):
        going_on(Prompt("Why?"), str(second.run_id), engine.settings)


@pytest.mark.parametrize(
    ("model", "tokens", "kept", "minutes", "options", "saved"),
    [
        pytest.param("gpt-6-luna", 4_000, 0, 1, {}, True, id="kept by itself"),
        pytest.param("gpt-6-luna", 1_000, 0, 1, {}, False, id="too short"),
        pytest.param("gpt-6-luna", 4_000, 0, 6, {}, False, id="too long ago"),
        pytest.param("gpt-6-luna", 4_000, 0, 1, {"provider_cache": False}, False, id="not wanted"),
        pytest.param("claude-haiku-4-5", 4_000, 0, 1, {}, False, id="not marked"),
        pytest.param("claude-haiku-4-5", 4_000, 3_900, 1, {}, True, id="marked"),
    ],
)
def test_what_a_provider_is_likely_to_have_is_expected_at_its_price(
    tmp_path: Path, model: str, tokens: int, kept: int, minutes: int, options: Any, saved: bool
) -> None:
    engine = Stage(tmp_path, Script({})).engine()
    bare = Prompt("Why?", before=(Message("user", "A long story. " * 1_400), Message("assistant", "I see.")))
    known = replace(bare, sent=Sent(model, tokens, kept, NOW - timedelta(minutes=minutes)))
    plans = [engine.plan(each, RunOptions(chain=model, max_tokens=50, **options)) for each in (bare, known)]
    without, likely = (plan.cost for plan in plans)
    assert (likely.minimum, likely.maximum) == (without.minimum, without.maximum)
    assert 2 * (likely.expected or 0) < (without.expected or 0) if saved else likely == without
    assert any("the provider's cache" in reason for reason in plans[1].reasons) == saved
    other = RunOptions(chain="gpt-4o-mini", max_tokens=50)
    assert engine.plan(known, other).cost == engine.plan(bare, other).cost


def test_without_text_nothing_of_a_conversation_is_kept(tmp_path: Path) -> None:
    script = Script({"gpt-6.1-sol": [reply(SURE)]})
    engine = Stage(tmp_path, script).engine(log_text=False)
    shown = [{"type": "text", "text": "?"}, IMAGE]
    messages = [{"role": "user", "content": "zanzibar"}, {"role": "user", "content": shown}]
    asyncio.run(engine.run(from_openai(messages), RunOptions(chain="gpt-6.1-sol")))
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"zanzibar" not in kept
    assert b"iVBOR" not in kept
    with pytest.raises(UsageError, match="the ledger has no text of it"):
        going_on(Prompt("Why?"), "last", engine.settings)


@pytest.mark.parametrize(
    ("model", "sent", "left_out"),
    [
        ("gpt-6.1-sol", {"effort": "low", "seed": 7}, ["temperature", "top_p", "stop"]),
        ("claude-opus-5-5", {"effort": "low", "stop": ("END",)}, ["temperature", "top_p", "seed"]),
        ("claude-haiku-4-5", {"thinking_tokens": 1024, "stop": ("END",)}, ["temperature", "top_p", "seed"]),
        ("gemini-3.8-flash", {"effort": "low", "seed": 7, "stop": ("END",)}, ["temperature", "top_p"]),
        (
            "gemini-2.5-pro",
            {"thinking_tokens": 1024, "seed": 7, "stop": ("END",), "temperature": 0.5, "top_p": 0.5},
            [],
        ),
    ],
)
def test_what_a_model_does_not_take_is_left_out_with_a_word(
    tmp_path: Path, model: str, sent: dict[str, Any], left_out: list[str]
) -> None:
    script = Script({model: [reply(SURE)]})
    options = RunOptions(chain=model, effort=Effort.LOW, seed=7, stop=("END",), temperature=0.5, top_p=0.5)
    result = asyncio.run(Stage(tmp_path, script).engine().run(Prompt("Why?"), options))
    given = {"temperature": None, "top_p": None, "seed": None, "effort": None, "thinking_tokens": None, "stop": ()}
    assert {name: getattr(script.sent[0], name) for name in given} == given | sent
    assert [f"{model} takes no {name}: left out" in result.metadata["decisions"] for name in left_out] == [True] * len(
        left_out
    )
    plans = [Stage(tmp_path, script).engine().plan(Prompt("Why?"), replace(options, effort=each)) for each in Effort]
    costs = [plan.cost.expected or 0 for plan in plans]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
