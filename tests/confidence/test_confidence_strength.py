"""What it says of an answer which model gave it, and what a user's ratings change about that."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.confidence.detector import ConfidenceDetector
from orchestrator.confidence.experience import NOTHING, Experience, RatedAnswer, learn
from orchestrator.confidence.signal import Signal
from orchestrator.confidence.strength import family, later_bonus, stands_above, strength
from orchestrator.config.tuned import Calibration
from orchestrator.types import Verdict


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openrouter/anthropic/claude-3-haiku-20240307", "claude-3-haiku"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gemini-1.5-pro-002", "gemini-1.5-pro"),
        ("Meta-Llama-3_1-8B-Instruct", "llama-3.1-8b-instruct"),
        ("Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b-instruct"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-6-luna", "gpt-6-luna"),
    ],
)
def test_a_family_has_one_name(name: str, found: str) -> None:
    assert family(name) == found


def test_a_model_nobody_has_seen_starts_from_its_score() -> None:
    by_score = [strength("never-heard-of", score) for score in (0.2, 0.5, 0.8, 0.99)]
    assert by_score == sorted(by_score, key=lambda logit: logit or 0.0)
    assert by_score[1] == 0.0
    assert max(abs(logit or 0.0) for logit in by_score) <= 2.0
    assert strength("never-heard-of", None) is None
    assert (strength("gpt-4-1106-preview", None) or 0.0) > (strength("mixtral-8x7b-instruct", None) or 0.0)


def verdict(confidence: float, model: float | None = None) -> Verdict:
    return Verdict(confidence, {} if model is None else {"model": model}, ())


@pytest.mark.parametrize(
    ("earlier", "later", "kept"),
    [
        pytest.param(verdict(0.5), verdict(0.5), True, id="a tie"),
        pytest.param(verdict(0.6), verdict(0.4), True, id="a little less sure, nobody is rated"),
        pytest.param(verdict(0.6, 0.0), verdict(0.55, 0.5), True, id="a little less sure, rated better"),
        pytest.param(verdict(0.6, 0.5), verdict(0.55, 0.0), False, id="rated worse"),
        pytest.param(verdict(0.6, 0.5), verdict(0.55, 0.5), False, id="the same model again"),
        pytest.param(verdict(0.6, 0.0), verdict(0.1, 0.5), False, id="a refusal"),
        pytest.param(verdict(0.2), verdict(0.0), False, id="nothing at all"),
        pytest.param(verdict(0.0), verdict(0.0), True, id="nothing, twice"),
    ],
)
def test_the_better_models_answer_is_kept_unless_there_is_more_against_it(
    earlier: Verdict, later: Verdict, kept: bool
) -> None:
    assert stands_above(later, earlier) is kept


def test_a_later_answer_has_most_over_one_of_a_model_that_nobody_has_rated() -> None:
    assert later_bonus(None, None) >= later_bonus(0.0, 1.0) > later_bonus(1.0, 0.0) == 0.0


def ratings(model: str, kind: str, count: int, good: float, logit: float = 0.0) -> list[RatedAnswer]:
    return [RatedAnswer(model, kind, float(number < good * count), logit) for number in range(count)]


def after(learnt: Experience, model: str, kind: str, logit: float = 0.0) -> float:
    told = learnt.signal(model, kind)
    assert told is not None
    return ConfidenceDetector().verdict([Signal("text", logit, ""), told]).confidence


def test_ratings_move_a_confidence_towards_what_they_say_the_more_the_more_there_are() -> None:
    one, some, many = (after(learn(ratings("a", "math", count, 0.0)), "a", "math") for count in (1, 20, 200))
    assert 0.5 > one > 0.35
    assert one > some > many
    assert many < 0.05 < some < 0.2


def test_what_was_learnt_of_one_model_and_kind_holds_less_for_others() -> None:
    learnt = learn([*ratings("a", "math", 50, 0.1), *ratings("b", "code", 50, 0.9)])
    own, same_model, same_kind = (after(learnt, *of) for of in (("a", "math"), ("a", "code"), ("b", "math")))
    assert own < same_model
    assert own < same_kind
    assert after(learnt, "a", "math") < 0.2 < 0.8 < after(learnt, "b", "code")


def test_what_was_expected_anyway_changes_nothing() -> None:
    learnt = learn(ratings("a", "math", 100, 0.88, logit=2.0))
    assert after(learnt, "a", "math", 2.0) == pytest.approx(0.88, abs=0.01)
    assert learn([]) is NOTHING
    assert NOTHING.signal("a", "math") is None


def test_evidence_that_tells_nothing_of_a_kind_of_prompt_counts_for_less_there_as_it_is_rated() -> None:
    sure, unsure = (ratings("a", "math", 50, 0.5, logit=logit) for logit in (2.0, -2.0))
    apart = [
        after(learnt, "a", "math", 2.0) - after(learnt, "a", "math", -2.0)
        for learnt in (learn([*sure[:count], *unsure[:count]]) for count in (1, 10, 50))
    ]
    assert 0.76 > apart[0] > apart[1] > apart[2]
    assert apart[2] < 0.3
    right, wrong = ratings("a", "math", 50, 0.9, logit=2.0), ratings("a", "math", 50, 0.1, logit=-2.0)
    told = learn([*right, *wrong])
    assert after(told, "a", "math", 2.0) > 0.85
    assert told.share("b", "math") == 1.0
    doubted = learn([*sure, *unsure]).signal("a", "math")
    assert doubted is not None
    assert "; the other evidence counts by 0." in doubted.reason


ANSWERS = st.lists(
    st.builds(RatedAnswer, st.sampled_from("ab"), st.sampled_from("xy"), st.floats(0, 1), st.floats(-20, 20)),
    min_size=1,
    max_size=30,
)


@given(ANSWERS, st.floats(0.1, 3), st.floats(-3, 3))
def test_any_ratings_can_be_learnt_from(answers: list[RatedAnswer], slope: float, intercept: float) -> None:
    learnt = learn(answers, Calibration(slope, intercept))
    assert abs(learnt.logit("a", "x")) <= 4.0
    assert math.isfinite(learnt.logit("c", "z"))
