"""Kinds of prompt: what is unfamiliar, and cuts of the score by a share of prompts."""

from __future__ import annotations

import pytest

from orchestrator.errors import UsageError
from orchestrator.reading.complexity import CUTS, ComplexityAnalyzer, cuts_for
from orchestrator.reading.fitted import load_spreads
from orchestrator.reading.kinds import Form, at_share
from orchestrator.types import Level

KNOWN = {
    "trivia": "Who was the first person to walk on the moon?",
    "choice": "Which of these is a prime number?\nA. 12\nB. 15\nC. 17\nD. 21\nAnswer:",
    "sum": "A farmer has 12 hens. Each lays 5 eggs a week, and he sells 3 of every 4. How many is that in 6 weeks?",
    "program": "Write a python function to find the second largest number in a list.",
}
UNKNOWN = {
    "another language": "请解释为什么天空是蓝色的，并比较三种不同的理论。",
    "a plan": "Plan a three-day trip to Rome for a family with two kids who love trains",
    "a long text": "Summarize the following article:\n" + "The council met on Tuesday to discuss the budget. " * 30,
    "a translation": "Translate this into French: the bread is on the table and the cat is below it.",
}
PROBLEM = (
    "Ann buys 12 apples at $1.50 each, sells a third of them at twice the price, and has 8 left. How much did she earn?"
)


@pytest.mark.parametrize("prompt", KNOWN.values(), ids=KNOWN)
def test_a_prompt_like_those_that_were_recorded_is_familiar(prompt: str) -> None:
    assert not ComplexityAnalyzer().analyze(prompt).unfamiliar


@pytest.mark.parametrize("prompt", UNKNOWN.values(), ids=UNKNOWN)
def test_a_prompt_unlike_all_that_was_recorded_is_unfamiliar_unless_the_user_has_cuts(prompt: str) -> None:
    assert ComplexityAnalyzer().analyze(prompt).unfamiliar
    assert not ComplexityAnalyzer(cuts=CUTS).analyze(prompt).unfamiliar


@pytest.mark.parametrize("form", Form)
def test_the_more_is_to_be_saved_the_higher_the_cuts_and_at_the_ends_all_or_nothing_is_basic(form: Form) -> None:
    spread = load_spreads()[form]
    assert list(spread) == sorted(spread)
    cuts = [cuts_for(form, share / 10) for share in range(11)]
    assert cuts == sorted(cuts)
    assert all(list(each) == sorted(each) for each in cuts)
    assert (cuts[0][0], cuts[10][0]) == (spread[0], spread[-1])
    assert cuts_for(form) == (CUTS if form in (Form.OPEN, Form.CODE) else cuts[5])


def test_a_share_between_two_quantiles_is_on_the_line_between_them() -> None:
    assert [at_share([0.0, 0.2, 1.0], share) for share in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(
        [0, 0.1, 0.2, 0.6, 1]
    )


def test_a_saving_moves_the_level_and_not_the_score() -> None:
    analyze = ComplexityAnalyzer().analyze
    none, all_of_it = analyze(PROBLEM, saving=0.0), analyze(PROBLEM, saving=1.0)
    assert none.score == all_of_it.score == analyze(PROBLEM).score
    assert none.level.rank > all_of_it.level.rank
    assert all_of_it.level is Level.BASIC


def test_a_saving_is_refused_where_the_spread_of_scores_is_not_known() -> None:
    with pytest.raises(UsageError, match="yours is in force") as raised:
        ComplexityAnalyzer(scorer=lambda _: 0.5).analyze(PROBLEM, saving=0.5)
    assert raised.value.hint
    assert ComplexityAnalyzer(cuts=(0.9, 0.95, 0.99)).analyze(PROBLEM, saving=0.0).level is not Level.BASIC
