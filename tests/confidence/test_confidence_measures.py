"""What is measured of a definite answer, and what it is worth."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction

import pytest
from counting import processor_time_limit
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.confidence import ConfidenceDetector
from orchestrator.confidence.cues import CUES, cue_counts
from orchestrator.confidence.curves import WEIGHTS, Curve, weights
from orchestrator.confidence.detector import MEASURED, measures_of, read_answer
from orchestrator.confidence.signals.arithmetic import check_sums, evaluate
from orchestrator.confidence.signals.second_opinion import LEVELS, agreement_signal, level_of

PROBLEM = "A crate holds 24 bottles. A shop sells 17 crates and 5 single bottles. How many bottles does it sell?"
assess = ConfidenceDetector().assess


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("17 x 24 = 408 and 408 + 5 = 413", (2, 0)),
        ("17 x 24 = 398, so 398 + 5 = 403", (1, 1)),
        ("$1.20 + $0.30 = $1.50", (1, 0)),
        ("10 / 3 = 3.33", (1, 0)),
        ("10 / 3 = 3.5", (0, 1)),
        ("5/20 = 25%", (1, 0)),
        ("17 * 24 = <<17*24=408>>408", (1, 0)),
        ("x = y + 2", (0, 0)),
        ("1/0 = 3", (0, 0)),
        ("007 + 1 = 8", (1, 0)),
        ("9" * 200 + " + 1 = 3", (0, 0)),
    ],
)
def test_sums_are_worked_out_again(text: str, found: tuple[int, int]) -> None:
    assert check_sums(text) == found


@given(st.integers(0, 9999), st.integers(1, 9999), st.sampled_from("+-*/"))
def test_a_sum_is_evaluated_exactly(one: int, other: int, sign: str) -> None:
    expected = {"+": one + other, "-": one - other, "*": one * other, "/": Fraction(one, other)}[sign]
    assert evaluate(f"{one:,} {sign} {other:,}") == expected


@given(st.text(max_size=60))
def test_what_is_no_sum_has_no_value(text: str) -> None:
    value = evaluate(text)
    assert value is None or isinstance(value, Fraction)


def test_a_wrong_sum_costs_confidence() -> None:
    right = assess("Each crate holds 24, so 17 x 24 = 408. Then 408 + 5 = 413. The shop sells 413 bottles.", PROBLEM)
    wrong = assess("Each crate holds 24, so 17 x 24 = 418. Then 418 + 5 = 413. The shop sells 413 bottles.", PROBLEM)
    assert wrong.confidence < right.confidence - 0.1
    assert any("sums that are wrong" in reason for reason in wrong.reasons)


def test_each_signal_of_a_worked_answer_is_listed_and_they_add_up() -> None:
    verdict = assess("There are 17 x 24 = 408 bottles in crates and 5 more, so 408 + 5 = 413 in all.", PROBLEM)
    assert set(MEASURED) <= set(verdict.signals)
    assert verdict.confidence == pytest.approx(1 / (1 + math.exp(-sum(verdict.signals.values()))))


def test_of_a_bare_answer_only_its_sums_and_the_prompt_are_measured() -> None:
    assert set(measures_of(read_answer("413", PROBLEM))) == {"arithmetic", "difficulty"}


def test_an_open_answer_is_not_judged_by_what_was_measured_of_definite_ones() -> None:
    essay = "A queue keeps what arrives first at its head. It decouples those who produce from those who consume. " * 3
    assert set(assess(essay, "Explain what a message queue is for.").signals) <= {"baseline", "substance", "emptiness"}


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=6), st.floats(-99, 99))
def test_a_curve_stays_between_its_knots_logits(points: list[tuple[float, float]], value: float) -> None:
    knots = sorted({knot for knot, _ in points})
    logits = [logit for _, logit in points][: len(knots)]
    curve = Curve(tuple(knots), tuple(logits))
    assert min(logits) - 1e-9 <= curve.at(value) <= max(logits) + 1e-9
    assert [curve.at(knot) for knot in knots] == pytest.approx(logits)


def test_every_curve_belongs_to_a_measure_and_says_where_it_is_from() -> None:
    document = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert set(document) == {
        *("fitted", "data", "figures", "baselines", "prompts", "agreement", "strength", "curves"),
    }
    number = read_answer("There are 17 x 24 = 408 in \\boxed{413} of 3 or 4 lots.", PROBLEM)
    choice = read_answer("\\boxed{B} since it is so.", "Which?\nA. one\nB. two\nC. three\nAnswer:")
    code = read_answer("```python\nx = 1\n```\nThis sets it.", "Write code that sets x.")
    short = read_answer("The final answer is: Marie Curie", "Who found radium?")
    long = read_answer("It stores what arrives. " * 9, None)
    literal = read_answer("It doubles each of them, so the answer is: [2, 4]", "What does f return?\n>>> f([1, 2])")
    taken = {
        m.name
        for answer in (number, choice, code, short, long, literal)
        for ms in measures_of(answer).values()
        for m in ms
    }
    assert set(weights().curves) <= taken


def test_agreement_raises_and_disagreement_lowers() -> None:
    logit = 0.8
    same, part, different = (agreement_signal(level, logit, "another model").logit for level in (1.0, 0.6, 0.0))
    assert same > 0 > different
    assert same > part > different
    assert [level_of(degree) for degree in (0.0, 0.5, 1.0)] == list(LEVELS)


def test_a_users_own_calibration_is_applied_to_the_sum() -> None:
    plain, shifted = assess("413", PROBLEM), ConfidenceDetector(slope=0.5, intercept=-1.0).assess("413", PROBLEM)
    logit = 0.5 * sum(plain.signals.values()) - 1.0
    assert shifted.signals == plain.signals
    assert shifted.confidence == pytest.approx(1 / (1 + math.exp(-logit)))


@pytest.mark.parametrize(
    "unit",
    ["1", "1+", "1 + ", ",", "(", "1,", "1.", "1/", "\\boxed{", "1×2", "9" * 300, "correct ", "=", "#### ", "A. "],
)
def test_no_text_takes_long_to_read(unit: str) -> None:
    """Each of these once took minutes, or would with a careless pattern. They take a fifth of a second."""
    text = unit * (100_000 // len(unit))
    with processor_time_limit(60):
        assess(text, text)


_PARTS = [word for cue in CUES.values() for word in cue.words.split()[:2]] + [
    *("let's double", "lets re", "isn't", "rounds", "due to", "1/2/3", "percents", "remaining", "\n1.", "steps"),
    *("the text", "explanation:", "assumed", "%", "$", "?", "≈", "_", "-", " ", "\n", "é", "9"),
]


@given(st.lists(st.sampled_from(_PARTS), max_size=12), st.sampled_from(["", " "]))
def test_cues_are_counted_as_one_pattern_for_each_would(parts: list[str], between: str) -> None:
    text = between.join(parts)
    patterns = {
        name: "|".join(
            [rf"\b(?:{'|'.join(cue.words.split())})\b"] * bool(cue.words)
            + [pattern or re.escape(piece) for piece, pattern in cue.pieces.items()]
        )
        for name, cue in CUES.items()
    }
    assert cue_counts(text, re.findall(r"\w+", text)) == {
        name: len(re.findall(pattern, text)) for name, pattern in patterns.items()
    }
