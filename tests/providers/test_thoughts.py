"""What a model thought is kept apart from its answer, in whatever form and pieces a server sends it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_wires import TARGETS, Answer, Target, json_reply, stream_reply
from test_contract import complete, failing, last, stream, text_of

from orchestrator import errors
from orchestrator.providers.thoughts import Splitter
from orchestrator.types import FinishReason, Thought, TokenLogprob

ANALYSIS = "<|channel|>analysis<|message|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>"
CALLED = "<|channel|>commentary to=functions.look <|constrain|>json<|message|>{}<|call|>"
APART = {  # a reply's text, its thoughts, its answer
    "of Qwen and DeepSeek": ("<think>\nLyon?\n</think>\n\nParis.", "\nLyon?\n", "Paris."),
    "of none": ("<think>\n\n</think>\n\nParis.", "\n\n", "Paris."),
    "with white space before it": ("\n<think>Lyon?</think>Paris.", "Lyon?", "Paris."),
    "in other words": ("<thinking>Lyon?</thinking> Paris.", "Lyon?", "Paris."),
    "in capitals": ("<THOUGHT>Lyon?</THOUGHT>Paris.", "Lyon?", "Paris."),
    "of Seed": ("<seed:think>Lyon?</seed:think>Paris.", "Lyon?", "Paris."),
    "of Magistral": ("[THINK]Lyon?[/THINK]Paris.", "Lyon?", "Paris."),
    "of Kimi": ("◁think▷Lyon?◁/think▷Paris.", "Lyon?", "Paris."),
    "of Gemma": ("<|channel>thought\nLyon?\n<channel|>Paris.", "\nLyon?\n", "Paris."),
    "of Command": (
        "<|START_THINKING|>Lyon?<|END_THINKING|><|START_RESPONSE|>Paris.<|END_RESPONSE|>", "Lyon?", "Paris.",
    ),
    "two in a row": ("<think>Lyon?</think>\n<think>No.</think>\nParis.", "Lyon?No.", "Paris."),
    "of gpt-oss": (f"{ANALYSIS}Lyon?<|end|>{FINAL}Paris.<|return|>", "Lyon?", "Paris."),
    "of gpt-oss with a call on the way": (f"{ANALYSIS}Lyon?<|end|>{CALLED}{FINAL}Paris.", "Lyon?{}", "Paris."),
    "of gpt-oss without its special tokens": ("analysisLyon?assistantfinalParis.", "Lyon?", "Paris."),
    "of gpt-oss, opened by the template": (f"Lyon?<|end|>{FINAL}Paris.", "Lyon?", "Paris."),
    "of gpt-oss that did not think": ("<|channel|>final<|message|>Paris.<|end|>", "", "Paris."),
    "opened by the template": ("Okay, Lyon?\n</think>\n\nParis.", "Okay, Lyon?\n", "Paris."),
    "opened by the template, in one line": ("Hmm, Lyon?</think>Paris.", "Hmm, Lyon?", "Paris."),
    "opened by the template, in other words": ("It may be Lyon.\n</think>\n\nParis.", "It may be Lyon.\n", "Paris."),
    "opened by the template and at once closed": ("</think>\n\nParis.", "", "Paris."),
    "that names the mark in code": ("Hmm, `</think>`?\n</think>\nParis.", "Hmm, `</think>`?\n", "Paris."),
    "never closed": ("<think>\nLyon or Paris", "\nLyon or Paris", ""),
}  # fmt: skip
WHOLE = {
    "no marks": "Paris.",
    "white space first": "  Paris.",
    "another tag": "<table>Paris</table>",
    "half a mark": "<thin",
    "a word that begins like a mark": "analysis of it: Paris.",
    "a beginning as of a thought": "Okay, here is the code.",
    "marks in code": "Write `<think>` before it and `</think>` after it.",
    "a closing mark in code": "End it with `</think>`.",
    "a closing mark in a block": "So:\n```\nx\n</think>\ny\n```\nThat is all.",
    "a closing mark in words": "The mark </think> ends it.",
    "a mark as the subject": "<think> is a mark that opens a thought.",
    "a thought later in the text": "It writes <think>Lyon?</think> first, and then Paris.",
    "a later block of it": "Like this:\n\n<think>\nLyon?\n</think>\n\nParis.",
}
KINDS = {name: (text, thoughts, answer) for name, (text, thoughts, answer) in APART.items()} | {
    name: (text, "", text) for name, text in WHOLE.items()
}


SEEN_TOO_LATE = ("opened by the template, in other words", "of gpt-oss, opened by the template")


@pytest.mark.parametrize("name", KINDS)
def test_thoughts_and_answer_are_the_same_whole_and_in_any_pieces(name: str) -> None:
    text, thoughts, answer = KINDS[name]

    @given(st.sets(st.integers(1, len(text))), st.sampled_from(["gpt-4o", "deepseek-r1"]), st.booleans())
    def check(cuts: set[int], model: str, whole: bool) -> None:
        split = Splitter(model, whole=whole)
        places = [0, *sorted(cuts), len(text)]
        given_out = [event for a, b in pairwise(places) for event in split.feed(text[a:b])]
        given_out += split.end(proper=True)
        assert ("".join(split.thoughts), "".join(split.answer)) == (thoughts, answer)
        if whole or model == "deepseek-r1" or name not in SEEN_TOO_LATE:
            assert text_of(given_out) == answer

    check()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
def test_every_adapter_keeps_marked_thoughts_apart(target: Target, streamed: bool) -> None:
    pieces = ("<th", "ink>Lyon", "? Hmm.</thi", "nk>\n", "\nParis", ".")
    if streamed:
        events = stream(target, stream_reply(target.wire.stream(Answer(pieces=pieces))))
        found = last(events)
        assert text_of(events) == "Paris."
        assert "".join(event.text for event in events if isinstance(event, Thought)) == found.thoughts
    else:
        found = complete(target, json_reply(target.wire.whole(Answer(pieces=("".join(pieces),)))))
    assert found.text == "Paris."
    assert found.thoughts.endswith("Lyon? Hmm.")  # some wires have thoughts in a field besides
    assert found.usage is not None
    assert found.usage.output_tokens == 50


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
def test_a_reply_of_thoughts_alone_is_empty_and_one_that_is_cut_in_a_thought_has_no_answer(target: Target) -> None:
    thought = "<think>\nLyon or Paris"
    error = failing(target, json_reply(target.wire.whole(Answer(pieces=(thought,)))), errors.EmptyReplyError)
    assert error.partial is not None
    assert error.partial.text == ""
    assert error.partial.thoughts.endswith("\nLyon or Paris")
    cut = complete(target, json_reply(target.wire.whole(Answer(pieces=(thought,), finish="length"))))
    assert (cut.text, cut.finish_reason) == ("", FinishReason.LENGTH)
    chunks = [target.wire.encode(event) for event in target.wire.events(Answer(pieces=(thought,), finish=None))]
    assert failing(target, stream_reply(chunks), errors.BadReplyError, streamed=True).retryable


COMPATIBLE = TARGETS[3]
FIELDS: dict[str, dict[str, Any]] = {
    "reasoning_content": {"reasoning_content": "Lyon?"},
    "reasoning": {"reasoning": "Lyon?"},
    "both": {"reasoning_content": "Lyon?", "reasoning": "Lyon?"},
    "thinking": {"thinking": "Lyon?"},
    "parts": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Lyon?"}]},
                          {"type": "text", "text": "Paris."}]},
}  # fmt: skip


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_thoughts_in_a_field_are_thoughts_too(fields: dict[str, Any], streamed: bool) -> None:
    message = {"role": "assistant", "content": "Paris.", **fields}
    usage = {"prompt_tokens": 20, "completion_tokens": 8}
    part = "delta" if streamed else "message"
    body = {"model": "m", "choices": [{"index": 0, part: message, "finish_reason": "stop"}], "usage": usage}
    if streamed:
        found = last(stream(COMPATIBLE, stream_reply([f"data: {json.dumps(body)}\n\n".encode()])))
    else:
        found = complete(COMPATIBLE, json_reply(body))
    assert (found.text, found.thoughts, found.thought) == ("Paris.", "Lyon?", True)


def test_how_sure_a_model_was_of_its_thoughts_says_nothing_of_its_answer() -> None:
    split = Splitter("m", whole=True)
    tokens = ["<think>", "Lyon", "?", "</think>", "\n\n", "Paris", "."]
    assert list(split.feed("".join(tokens))) == [Thought("Lyon?")]
    assert list(split.end(proper=True)) == ["Paris."]
    entries = [TokenLogprob(token, -1.0) for token in tokens]
    assert [entry.token for entry in split.of_answer(entries)] == ["Paris", "."]
    assert split.of_answer(entries[:-1]) == ()


def test_an_answer_that_may_be_a_thought_is_shown_at_once_if_the_server_has_a_field_for_those() -> None:
    split = Splitter("deepseek-r1")
    assert list(split.feed("Okay, ")) == []
    assert list(split.release()) == ["Okay, "]
    assert list(split.feed("it is")) == ["it is"]
    assert list(split.end(proper=True)) == []


def test_many_closing_marks_take_no_time() -> None:
    split = Splitter("gpt-4o")
    for _ in range(20_000):
        list(split.feed("a </think> b "))
    assert len("".join(split.answer)) == 260_000


def test_white_space_without_end_takes_no_time() -> None:
    split = Splitter("gpt-4o")
    for _ in range(300_000):
        list(split.feed("\n"))
    assert not split.has_answer
    assert list(split.feed("Paris")) == ["\n" * 300_000 + "Paris"]


def test_white_space_alone_is_given_out_neither_before_nor_as_an_answer() -> None:
    split = Splitter("gpt-4o")
    assert [*split.feed("\n "), *split.feed("\u200b"), *split.end(proper=True)] == []
    assert (split.answer, split.has_answer) == ([], False)
