"""Parts by hash, cross-fitting, and how much more it takes to tell."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lab.intervals import Estimate, mean
from orchestrator.lab.tune.held_out import FOLDS, Sample, changes, cross_fitted, fold_of, more_needed
from orchestrator.types import digest_of

PROMPTS = [f"prompt {number}" for number in range(200)]
DIGESTS = [digest_of(prompt) for prompt in PROMPTS]


def test_a_prompt_is_in_the_same_part_on_every_machine() -> None:
    assert digest_of("prompt 1") == "7e5b8ad56422e58bca8c8272a62ab32bb2721fc72d0a13e765a175c028432069"
    assert [fold_of(digest_of(prompt)) for prompt in PROMPTS[:10]] == [0, 1, 4, 0, 2, 1, 1, 3, 3, 2]


def test_parts_are_about_equally_large_among_prompts_that_were_halved_by_the_first_byte() -> None:
    even = [digest for digest in DIGESTS if int(digest[:2], 16) % 2 == 0]
    sizes = Counter(fold_of(digest) for digest in even)
    assert set(sizes) == set(range(FOLDS))
    assert min(sizes.values()) > len(even) / FOLDS / 2


@given(st.lists(st.sampled_from(DIGESTS), min_size=1))
def test_nothing_is_judged_by_a_fit_that_saw_its_prompt(digests: list[str]) -> None:
    fits = cross_fitted(digests, lambda digest: digest, lambda fold, others: (fold, others))
    for digest, (fold, others) in zip(digests, fits, strict=True):
        assert fold == fold_of(digest)
        assert digest not in others
        assert len(others) == sum(fold_of(other) != fold for other in digests)


def test_an_answer_more_to_each_prompt_makes_nothing_surer() -> None:
    values = [float(number % 3 == 0) for number in range(200)]
    (once,) = changes(Sample(DIGESTS), [("share", mean(values), mean([1 - value for value in values]))])
    (twice,) = changes(Sample(DIGESTS * 2), [("share", mean(values * 2), mean([1 - value for value in values] * 2))])
    assert twice == once
    assert once.difference.value == pytest.approx(fmean(values) * -2 + 1)
    assert once.rises
    assert not once.falls


def test_a_difference_is_of_the_same_draws() -> None:
    noisy = [float(number * 7919 % 100) for number in range(200)]
    (found,) = changes(Sample(DIGESTS), [("cost", mean(noisy), mean([value - 1 for value in noisy]))])
    assert found.difference.low == pytest.approx(-1)
    assert found.difference.high == pytest.approx(-1)
    assert found.falls


def test_what_would_show_a_difference_grows_with_the_square_of_its_smallness() -> None:
    tiny, small, large = (Estimate(-gain, -gain - 0.1, -gain + 0.1) for gain in (0.01, 0.05, 0.1))
    # n = (2.8 s / d)²: with 100 prompts and an interval of 2 x 1.96 x 0.051, s is 0.51
    assert more_needed(100, large, lower_is_better=True) == math.ceil((2.8 * 0.1 * 10 / 1.96 / 0.1) ** 2) - 100
    assert more_needed(100, small, lower_is_better=True) == math.ceil((2.8 * 0.1 * 10 / 1.96 / 0.05) ** 2) - 100
    assert more_needed(100, tiny, lower_is_better=True) is None  # 20,309 more: no gain to speak of


@pytest.mark.parametrize(
    "difference",
    [Estimate(0.01, -0.1, 0.1), Estimate(0.0, -0.1, 0.1), Estimate(None), Estimate(-0.1)],
    ids=["worse", "none", "undefined", "no-interval"],
)
def test_no_number_of_prompts_shows_an_improvement_that_is_none(difference: Estimate) -> None:
    assert more_needed(100, difference, lower_is_better=True) is None
