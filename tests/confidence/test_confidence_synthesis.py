import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.confidence import Candidate, agreement, capability, consensus, synthesize_responses, weigh
from orchestrator.errors import UsageError
from orchestrator.types import FinishReason, Level

FRACTION = st.floats(0, 1)
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
CANDIDATE = st.builds(Candidate, st.text(max_size=5), ANY_TEXT, FRACTION, FRACTION, st.sampled_from(FinishReason))

CACHE = "A cache keeps results near the reader. It must be cleared when the data changes."
INDEX = "An index makes the lookup fast. It slows every write down a little."


def candidate(
    text: str, confidence: float = 0.7, able: float = 0.5, finish: FinishReason = FinishReason.STOP
) -> Candidate:
    return Candidate("m", text, confidence, able, finish)


def test_the_score_is_confidence_capability_and_completeness_by_their_weights() -> None:
    (only,) = weigh([candidate(CACHE, confidence=0.8, able=0.25)])
    assert only.parts == pytest.approx({"confidence": 0.4, "capability": 0.075, "completeness": 0.2, "consensus": 0.0})
    assert only.score == pytest.approx(0.675)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (candidate(CACHE, confidence=0.9), candidate(INDEX, confidence=0.5)),
        (candidate(CACHE, able=1.0), candidate(INDEX, able=0.25)),
        (candidate(CACHE), candidate("Cache it.")),
        (candidate(CACHE), candidate(INDEX, finish=FinishReason.LENGTH)),
        (candidate(CACHE, confidence=0.1, able=0.1), candidate("", confidence=0.9, able=1.0)),
    ],
    ids=["more confident", "more capable", "more complete", "not truncated", "not empty"],
)
def test_the_better_answer_comes_first(better: Candidate, worse: Candidate) -> None:
    assert weigh([worse, better])[0].candidate is better


def test_equal_answers_stay_in_the_order_given() -> None:
    assert [one.index for one in weigh([candidate(CACHE)] * 3)] == [0, 1, 2]


def test_an_answer_that_rambles_does_not_make_the_others_incomplete() -> None:
    weighed = weigh([candidate(CACHE), candidate(CACHE), candidate(CACHE + INDEX * 200)])
    assert all(one.parts["completeness"] >= 0.15 for one in weighed)


def test_shared_key_points_are_named_and_rewarded() -> None:
    weighed = weigh([candidate("Use an index."), candidate(f"{CACHE} Use an index!"), candidate("- use an INDEX")])
    assert all(one.parts["consensus"] > 0 for one in weighed)
    assert [point.lower().strip("!.") for point in consensus(weighed)] == ["use an index"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", "The capital of France is Paris."),
        ("4", "2 + 2 = 4"),
        ("- Caches speed up reads", "A cache speeds up reads."),
        ("The lock was not taken by the worker.", "The worker's lock wasn't taken."),
        ("数据库很快。", "数据库很快！"),
    ],
    ids=["name", "number", "plural and bullet", "both negated", "Chinese"],
)
def test_answers_that_say_the_same_agree(one: str, other: str) -> None:
    assert agreement(weigh([candidate(one), candidate(other)])) == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The capital is Paris.", "The capital is Lyon."),
        ("4", "5"),
        ("The plan costs 45 dollars a month in total.", "The plan costs 46 dollars a month in total."),
        ("The change is safe for all users.", "The change is not safe for all users."),
        (CACHE, INDEX),
        ("", ""),
    ],
    ids=["name", "number", "number in a sentence", "negation", "topic", "empty"],
)
def test_answers_that_differ_do_not_agree(one: str, other: str) -> None:
    assert agreement(weigh([candidate(one), candidate(other)])) == 0.0


def test_a_crowd_that_is_wrong_together_does_not_outvote_a_better_answer() -> None:
    crowd = [candidate("It is Lyon.", confidence=0.5, able=0.25)] * 9
    better = candidate("It is Paris.", confidence=0.8, able=0.75)
    assert weigh([*crowd, better])[0].candidate is better


def test_one_answer_agrees_with_nobody() -> None:
    assert agreement(weigh([candidate(CACHE)])) == 0.0


def test_nothing_is_weighed_to_nothing() -> None:
    assert weigh([]) == ()
    assert agreement(()) == 0.0
    assert consensus(()) == ()


@given(st.lists(CANDIDATE, max_size=5))
def test_any_answers_are_weighed_within_bounds_by_parts_that_add_up(candidates: list[Candidate]) -> None:
    weighed = weigh(candidates)
    assert sorted(one.index for one in weighed) == list(range(len(candidates)))
    for one in weighed:
        assert 0 <= one.score <= 1.1 + 1e-9
        assert one.score == pytest.approx(sum(one.parts.values()))
        assert 0 <= one.parts["consensus"] <= 0.1 + 1e-9
    assert all(better.score >= worse.score for better, worse in itertools.pairwise(weighed))
    assert 0 <= agreement(weighed) <= 1 + 1e-9


@given(st.lists(CANDIDATE, min_size=1, max_size=4))
def test_scores_do_not_depend_on_the_order_given(candidates: list[Candidate]) -> None:
    forward = {one.index: one.score for one in weigh(candidates)}
    backward = {len(candidates) - 1 - one.index: one.score for one in weigh(candidates[::-1])}
    assert forward == pytest.approx(backward)


def test_very_long_answers_are_weighed() -> None:
    texts = [f"Point {n} of the list is the word {n * 7}. " * 100_000 for n in range(3)]
    assert len(weigh([candidate(text) for text in texts])) == 3


@pytest.mark.parametrize(
    ("level", "able"),
    [(Level.BASIC, 0.25), (Level.INTERMEDIATE, 0.5), (Level.ADVANCED, 0.75), (Level.EXPERT, 1.0)],
    ids=list(Level),
)
def test_capability_rises_by_a_quarter_with_the_level(level: Level, able: float) -> None:
    assert capability(level) == able


def test_synthesis_gives_the_best_response_and_says_why() -> None:
    result = synthesize_responses(
        [
            {"model": "small", "response": "Use an index.", "confidence": 0.6, "capability": "basic"},
            {"model": "large", "response": f"Use an index. {CACHE}", "confidence": 0.8, "capability": 1.0},
        ]
    )
    assert result["model"] == "large"
    assert result["response"].startswith("Use an index.")
    assert result["confidence"] == 0.8
    assert [score["model"] for score in result["scores"]] == ["small", "large"]
    assert result["scores"][0]["score"] < result["scores"][1]["score"]
    assert result["scores"][0]["capability"] == pytest.approx(0.3 * 0.25)
    assert result["consensus"] == ["Use an index."]
    assert 0 < result["agreement"] < 1


def test_a_missing_confidence_is_assessed_from_the_text() -> None:
    hedged, plain = f"Maybe, possibly. I'm not sure. {CACHE}", CACHE + " " + INDEX
    result = synthesize_responses([{"model": "a", "text": hedged}, {"model": "b", "text": plain}])
    assert result["model"] == "b"
    assert result["confidence"] > 0.6


def test_a_missing_confidence_is_assessed_in_the_light_of_the_prompt() -> None:
    assessed = [
        synthesize_responses([{"response": "4", "prompt": prompt}])["confidence"]
        for prompt in ("What is 2+2?", "Explain why 2+2 is what it is")
    ]
    assert assessed[0] > 0.6 > assessed[1]


def test_objects_with_these_fields_are_responses_too() -> None:
    @dataclass
    class Result:
        response: str
        model_used: str
        confidence: float

    result = synthesize_responses([Result(CACHE, "a", 0.4), Result(INDEX, "b", 0.9), candidate(CACHE, 0.2)])
    assert (result["model"], result["confidence"]) == ("b", 0.9)


@pytest.mark.parametrize(
    "responses",
    [
        [],
        [{}],
        [{"response": 4}],
        ["text"],
        [{"response": "x", "confidence": 1.5}],
        [{"response": "x", "confidence": float("nan")}],
        [{"response": "x", "confidence": "high"}],
        [{"response": "x", "capability": "supreme"}],
        [{"response": "x", "finish_reason": "tired"}],
    ],
    ids=["none", "no text", "no string", "not a mapping", "above 1", "nan", "not a number", "no level", "no reason"],
)
def test_responses_that_cannot_be_used_are_a_usage_error(responses: list[object]) -> None:
    with pytest.raises(UsageError):
        synthesize_responses(responses)
