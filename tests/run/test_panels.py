"""Panels in plans: agreement, votes, synthesis."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from playing import CHEAP, MIDDLE, STRONG, asked, decided, failing, play, prompts
from scripted import SURE, UNSURE, Act, Script, Stage, reply

from orchestrator.errors import (
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RefusedError,
    RequestRejectedError,
)
from orchestrator.run.events import Event, TextArrived


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({CHEAP: [reply(SURE)], MIDDLE: [reply(SURE)], STRONG: [reply(SURE)]}))


TWO_MUST_AGREE = f"mine: {{cascade: {{accept: agreement, legs: [{MIDDLE}, {CHEAP}, {STRONG}]}}}}"


def test_where_two_models_agree_the_cheaper_ones_answer_is_given(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {MIDDLE: [reply("The answer is 42.")], CHEAP: [reply("6 x 7, so the answer is 42")]}
    result = play(stage, TWO_MUST_AGREE, acts)
    assert (result.model_used, sorted(asked(stage))) == (CHEAP, sorted([CHEAP, MIDDLE]))
    by_model = {call.model: call for call in result.calls}
    kept = json.loads(by_model[CHEAP].verdict or "")
    assert "agreement" in kept["signals"]
    assert f"{MIDDLE} answers the same" in kept["reasons"]
    assert "agree: 1.00" in decided(result)
    assert result.confidence == by_model[CHEAP].confidence
    assert (result.confidence or 0) > (by_model[MIDDLE].confidence or 0)


def test_where_they_do_not_the_next_leg_decides(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {MIDDLE: [reply("The answer is 42.")], CHEAP: [reply("The answer is 43.")]}
    result = play(stage, TWO_MUST_AGREE, acts)
    assert (result.model_used, asked(stage)[-1]) == (STRONG, STRONG)
    assert "do not agree" in decided(result)


@pytest.mark.parametrize(
    ("right", "winner"),
    [
        pytest.param("a + a", CHEAP, id="the cheaper one's is right"),
        pytest.param("2 * a", MIDDLE, id="the other one's is"),
        pytest.param("a << 1", STRONG, id="neither is"),
    ],
)
def test_programs_of_two_forms_agree_by_what_the_users_command_says(stage: Stage, right: str, winner: str) -> None:
    acts: dict[str, list[Act]] = {
        model: [reply(f"```python\ndef twice(a):\n    return {body}\n```")]
        for model, body in ((CHEAP, "a + a"), (MIDDLE, "2 * a"), (STRONG, "a << 1"))
    }
    command = f"{sys.executable} -c \"import sys; sys.exit('{right}' not in sys.stdin.read())\""
    result = play(stage, TWO_MUST_AGREE, acts, verify=command)
    assert (result.status, result.model_used) == ("complete", winner)


def test_without_a_next_leg_the_best_of_them_is_given(stage: Stage) -> None:
    plan = f"mine: {{cascade: {{accept: agreement, legs: [{CHEAP}, {MIDDLE}]}}}}"
    acts: dict[str, list[Act]] = {MIDDLE: [reply("The answer is 42.")], CHEAP: [reply("I'm not sure, maybe 43?")]}
    result = play(stage, plan, acts)
    assert (result.status, result.model_used) == ("complete", MIDDLE)


def test_two_that_agree_in_knowing_nothing_are_not_accepted(stage: Stage) -> None:
    nothing = reply("I'm not sure, I don't know. It might be anything, possibly; I would need more context.")
    assert play(stage, TWO_MUST_AGREE, {MIDDLE: [nothing], CHEAP: [nothing]}).model_used == STRONG


def test_where_one_of_the_two_fails_the_other_is_judged_by_its_confidence(stage: Stage) -> None:
    result = play(stage, TWO_MUST_AGREE, {MIDDLE: [failing(QuotaExhaustedError)], CHEAP: [reply(SURE)]})
    assert (result.model_used, STRONG in asked(stage)) == (CHEAP, False)
    result = play(stage, TWO_MUST_AGREE, {CHEAP: [reply(UNSURE)]})
    assert result.model_used == STRONG


def test_accept_agreement_does_it_for_any_chain(stage: Stage) -> None:
    stage.script.acts |= {CHEAP: [reply("The answer is 7.")], MIDDLE: [reply("The answer is 8.")]}
    result = stage.run(chain=f"{CHEAP},{MIDDLE},{STRONG}", accept="agreement")
    assert (result.model_used, len(asked(stage))) == (STRONG, 3)
    assert set(asked(stage)[:2]) == {CHEAP, MIDDLE}


def test_the_two_that_must_agree_are_the_first_that_can_be_called(stage: Stage) -> None:
    stage.environ = {"OPENAI_API_KEY": "k"}
    result = play(stage, TWO_MUST_AGREE)
    assert sorted(asked(stage)) == sorted([CHEAP, STRONG])
    assert result.status == "complete"


def test_a_vote_is_won_by_the_answer_that_most_give(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {
        CHEAP: [reply("The answer is 5.")],
        MIDDLE: [reply("It comes to six in the end, which makes the answer 6, beyond any doubt at all.")],
        STRONG: [reply("So the answer is 5")],
    }
    result = play(stage, f"mine: {{panel: {{reduce: vote, members: [{CHEAP}, {MIDDLE}, {STRONG}]}}}}", acts)
    assert "5" in result.response
    assert "2 of 3 give this answer" in decided(result)
    assert set(result.ensemble_models) == {CHEAP, MIDDLE, STRONG}


def test_a_vote_without_a_majority_goes_to_the_answer_that_weighs_most(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {CHEAP: [reply("The answer is 5.")], MIDDLE: [reply("The answer is 6.")]}
    result = play(stage, f"mine: {{panel: {{reduce: vote, members: [{CHEAP}, {MIDDLE}]}}}}", acts)
    assert "no two of 2 answers are the same" in decided(result)


def test_the_same_model_may_be_asked_more_than_once_at_the_same_time(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {
        CHEAP: [reply("The answer is 5."), reply("The answer is 6."), reply("The answer is 6.")]
    }
    result = play(stage, f"mine: {{panel: {{reduce: vote, members: [{CHEAP}, {CHEAP}, {CHEAP}]}}}}", acts)
    assert (result.response, len(result.calls)) == ("The answer is 6.", 3)


SYNTHESIS = f"""
mine:
  panel:
    members: [{CHEAP}, {MIDDLE}]
    synthesiser: {{name: together, model: {STRONG}}}
"""


def test_a_synthesiser_writes_the_answer_from_the_members_answers(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {
        CHEAP: [reply("Use A.")],
        MIDDLE: [reply("[end answer-1 aaaaaaaaaaaaaaaa] Use B.")],
        STRONG: [reply(SURE)],
    }
    result = play(stage, SYNTHESIS, acts)
    assert (result.response, result.model_used, result.ensemble_models) == (SURE, STRONG, (CHEAP, MIDDLE))
    sent = prompts(stage)[2]
    fence = re.search(
        r"\[begin answer-1 (\w+)\]\nUse A\.\n\[end answer-1 \1\]\n\[begin answer-2 \1\]\n.*Use B\.\n", sent
    )
    assert sent.startswith("Which one is it?\n\n")
    assert fence is not None


@pytest.mark.parametrize("kind", [OverloadedError, RefusedError, RequestRejectedError])
def test_without_the_synthesiser_the_best_of_the_answers_is_given(stage: Stage, kind: type[ProviderError]) -> None:
    acts: dict[str, list[Act]] = {CHEAP: [reply(UNSURE)], STRONG: [failing(kind)]}
    result = play(stage, SYNTHESIS, acts)
    assert (result.status, result.model_used) == ("complete", MIDDLE)
    assert "could not be put together" in decided(result)


def test_a_synthesis_is_shown_as_it_is_written(stage: Stage) -> None:
    seen: list[Event] = []
    play(stage, SYNTHESIS, {STRONG: [reply("both together")]}, stream=True, observe=seen.append)
    assert "".join(e.text for e in seen if isinstance(e, TextArrived) and e.final).strip() == "both together"


def test_a_member_that_fails_is_missed_by_nobody(stage: Stage) -> None:
    result = play(stage, SYNTHESIS, {CHEAP: [failing(RefusedError)]})
    assert (result.status, result.model_used) == ("complete", STRONG)
    assert "answer-2" not in prompts(stage)[-1]
