"""The figures: what they are on cases worked out by hand, and what must hold whatever the data."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.errors import ConfigError
from orchestrator.lab import arrays
from orchestrator.lab.intervals import Estimate, estimates, mean, resampled
from orchestrator.lab.metrics import Bin, Confidence, Costs, Routing

GRADES = st.sampled_from([0.0, 0.25, 0.5, 1.0])
SCORES = st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0])
PROMPTS = st.lists(st.tuples(SCORES, GRADES, GRADES), min_size=1, max_size=40)
JUDGED = st.lists(st.tuples(SCORES, st.sampled_from([0.0, 1.0])), min_size=1, max_size=60)

Numbers = Sequence[float]


def apgr(scores: Numbers, weak: Numbers, strong: Numbers) -> float | None:
    return Routing(scores, weak, strong).apgr()


def cpt(share: float, scores: Numbers, weak: Numbers, strong: Numbers) -> float | None:
    return Routing(scores, weak, strong).cpt(share)


def saving_at_quality(
    quality: float, scores: Numbers, weak: Numbers, strong: Numbers, costs: Costs | None = None
) -> float | None:
    return Routing(scores, weak, strong, costs).saving_at_quality(quality)


def auc(confidences: Numbers, outcomes: Numbers) -> float | None:
    return Confidence(confidences, outcomes).auc()


def brier(confidences: Numbers, outcomes: Numbers) -> float | None:
    return Confidence(confidences, outcomes).brier()


def ece(confidences: Numbers, outcomes: Numbers) -> float | None:
    return Confidence(confidences, outcomes).ece()


def reliability(confidences: Numbers, outcomes: Numbers) -> list[Bin]:
    return Confidence(confidences, outcomes).reliability()


Columns = tuple[list[float], list[float], list[float]]


def columns(prompts: list[tuple[float, float, float]]) -> Columns:
    scores, weak, strong = map(list, zip(*prompts, strict=True))
    assume(sum(strong) > sum(weak))
    return scores, weak, strong


# -- routing ---------------------------------------------------------------------------------------------------------


def test_apgr_by_hand() -> None:
    # Strong calls for none, one, two, three prompts: quality 1/3, 2/3, 2/3, 1, so PGR 0, 1/2, 1/2, 1.
    assert apgr([0.9, 0.5, 0.1], [0, 1, 0], [1, 1, 1]) == pytest.approx((0.25 + 0.5 + 0.75) / 3)


def test_the_call_performance_threshold_is_between_two_places_on_a_straight_line() -> None:
    scores, weak, strong = [0.9, 0.5, 0.1], [0, 1, 0], [1, 1, 1]
    assert cpt(0.5, scores, weak, strong) == pytest.approx(1 / 3)
    assert cpt(0.25, scores, weak, strong) == pytest.approx(1 / 6)
    assert cpt(0.75, scores, weak, strong) == pytest.approx(5 / 6)
    assert cpt(0, scores, weak, strong) == 0
    assert cpt(1, scores, weak, strong) == 1


def test_the_call_performance_threshold_is_the_first_place_where_the_curve_goes_down_again() -> None:
    assert cpt(1, [4, 3, 2, 1], [0, 1, 0, 0], [1, 0, 1, 0]) == pytest.approx(1 / 4)


def test_what_is_saved_at_a_quality_is_counted_in_money() -> None:
    # 95 % of 1.0 is reached after 0.95 of the way through the first prompt's call.
    scores, weak, strong = [0.9, 0.1], [0, 1], [1, 1]
    costs = [1.0, 1.0], [11.0, 31.0]
    # All weak is 2; the first prompt on the strong model adds 10; all strong is 42.
    assert saving_at_quality(0.95, scores, weak, strong, costs) == pytest.approx(1 - (2 + 0.9 * 10) / 42)
    assert saving_at_quality(0.95, scores, weak, strong) == pytest.approx(1 - 0.45)


def test_a_weak_model_that_will_do_saves_all_but_its_own_cost() -> None:
    assert saving_at_quality(0.95, [1, 2], [1, 1], [1, 1], ([1.0, 1.0], [4.0, 4.0])) == pytest.approx(0.75)


def test_without_a_gap_between_the_models_there_is_nothing_to_recover() -> None:
    assert apgr([0.1, 0.2], [1, 0], [0, 1]) is None
    assert cpt(0.5, [0.1, 0.2], [1, 1], [0, 1]) is None


@given(PROMPTS, SCORES)
def test_a_constant_score_is_worth_exactly_a_coin_flip(prompts: list[tuple[float, float, float]], score: float) -> None:
    _, weak, strong = columns(prompts)
    assert apgr([score] * len(weak), weak, strong) == 0.5
    assert cpt(0.5, [score] * len(weak), weak, strong) == pytest.approx(0.5)


def test_random_scores_are_worth_a_coin_flip_on_average() -> None:
    draws = random.Random(1)
    weak = [float(draws.random() < 0.5) for _ in range(400)]
    strong = [max(grade, float(draws.random() < 0.6)) for grade in weak]
    found = [apgr([draws.random() for _ in weak], weak, strong) for _ in range(200)]
    assert sum(value or 0 for value in found) / len(found) == pytest.approx(0.5, abs=0.01)


@given(PROMPTS)
def test_no_order_is_worth_more_than_that_of_the_gains(prompts: list[tuple[float, float, float]]) -> None:
    scores, weak, strong = columns(prompts)
    gains = [after - before for before, after in zip(weak, strong, strict=True)]
    best, worst = apgr(gains, weak, strong), apgr([-gain for gain in gains], weak, strong)
    found = apgr(scores, weak, strong)
    assert best is not None
    assert worst is not None
    assert found is not None
    assert worst - 1e-9 <= found <= best + 1e-9
    assert best + worst == pytest.approx(1)


@given(PROMPTS)
def test_only_the_order_of_the_scores_counts(prompts: list[tuple[float, float, float]]) -> None:
    scores, weak, strong = columns(prompts)
    stretched = [3 + 10 * score**3 for score in scores]
    assert apgr(stretched, weak, strong) == apgr(scores, weak, strong)
    assert cpt(0.8, stretched, weak, strong) == cpt(0.8, scores, weak, strong)


@given(PROMPTS, st.randoms(use_true_random=False))
def test_the_order_of_the_prompts_does_not_count(
    prompts: list[tuple[float, float, float]], draws: random.Random
) -> None:
    shuffled = draws.sample(prompts, len(prompts))
    assert apgr(*columns(shuffled)) == pytest.approx(apgr(*columns(prompts)))


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.7]), GRADES, GRADES), min_size=1, max_size=5))
def test_a_tie_is_the_mean_over_all_ways_to_break_it(prompts: list[tuple[float, float, float]]) -> None:
    scores, weak, strong = columns(prompts)
    broken = [
        apgr([score + place / 100 for score, place in zip(scores, places, strict=True)], weak, strong) or 0.0
        for places in permutations(range(len(scores)))
    ]
    assert apgr(scores, weak, strong) == pytest.approx(sum(broken) / len(broken))


@given(PROMPTS, st.data())
def test_a_weight_is_how_often_a_prompt_counts(prompts: list[tuple[float, float, float]], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(prompts), max_size=len(prompts)).map(np.array))
    repeated = [prompt for prompt, weight in zip(prompts, weights, strict=True) for _ in range(weight)]
    assume(repeated)
    scores, weak, strong = columns(repeated)
    costs = [1 + score for score in scores], [20 + 10 * score for score in scores]
    all_scores, all_weak, all_strong = map(list, zip(*prompts, strict=True))
    all_costs = [1 + score for score in all_scores], [20 + 10 * score for score in all_scores]
    weighted, plain = Routing(all_scores, all_weak, all_strong, all_costs), Routing(scores, weak, strong, costs)
    assert weighted.apgr(weights) == pytest.approx(plain.apgr())
    assert weighted.cpt(0.8, weights) == pytest.approx(plain.cpt(0.8))
    assert weighted.saving_at_quality(0.95, weights) == pytest.approx(plain.saving_at_quality(0.95))
    assert weighted.curve(weights)[-1][1:] == pytest.approx(plain.curve()[-1][1:])


@given(PROMPTS)
def test_the_curve_leads_from_the_weak_model_to_the_strong_one(prompts: list[tuple[float, float, float]]) -> None:
    scores, weak, strong = columns(prompts)
    size = len(scores)
    curve = Routing(scores, weak, strong, ([1.0] * size, [5.0] * size)).curve()
    assert (curve[0].threshold, curve[-1].threshold) == (None, min(scores))
    assert curve[0][1:] == pytest.approx((0, sum(weak) / size, 1))
    assert curve[-1][1:] == pytest.approx((1, sum(strong) / size, 5))
    assert len(curve) == len(set(scores)) + 1
    routing = Routing(scores, weak, strong, ([1.0] * size, [5.0] * size))
    for point in curve:
        assert point.cost == pytest.approx(1 + 4 * point.share)
        assert (
            point.share == sum(score >= (2 if point.threshold is None else point.threshold) for score in scores) / size
        )
        if point.threshold is not None:
            assert routing.passed_on(point.threshold) == point
        assert routing.quality_at(point.share) == pytest.approx(point.quality)
        assert routing.cost_at(point.share) == pytest.approx(point.cost)


def test_a_threshold_is_named_that_reaches_the_quality_on_these_prompts() -> None:
    routing = Routing([0.9, 0.5, 0.1], [0, 0, 1], [1, 1, 1])
    assert routing.threshold_at_quality(0.95) == pytest.approx(0.3)
    assert routing.threshold_at_quality(0.3) is None  # the weak model does that by itself
    assert Routing([0.9], [0.0], [0.5], reference=([1.0], None)).threshold_at_quality(0.95) is None


def test_prompts_that_score_as_much_as_the_threshold_are_passed_on() -> None:
    routing = Routing([0.9, 0.5, 0.5, 0.1], [0, 0, 0, 0], [1, 1, 1, 1])
    found = {threshold: routing.passed_on(threshold) for threshold in (2, 0.9, 0.6, 0.5, 0.1, 0)}
    assert {threshold: point and point.share for threshold, point in found.items()} == {
        2: 0,
        0.9: 0.25,
        0.6: 0.25,
        0.5: 0.75,
        0.1: 1,
        0: 1,
    }


def test_a_cascade_is_measured_by_what_the_strong_model_does_alone() -> None:
    # Passed on, the first prompt gets the strong model's answer and the second keeps the weak one's; both cost 1 + 9.
    weak, strong = [0.0, 0.0], [1.0, 1.0]
    costs, alone = ([1.0, 1.0], [10.0, 10.0]), [9.0, 9.0]
    cascade = Routing([0.9, 0.1], weak, [1.0, 0.0], costs, reference=(strong, alone))
    assert cascade.apgr() == pytest.approx((0.25 + 0.5) / 2)
    assert cascade.cpt(0.5) == pytest.approx(0.5)
    assert cascade.cpt(0.8) is None
    assert cascade.saving_at_quality(0.5) == pytest.approx(1 - 11 / 18)
    assert cascade.saving_at_quality(0.95) is None


# -- confidence ------------------------------------------------------------------------------------------------------


def test_auc_by_hand() -> None:
    # Of the four pairs of a right and a wrong answer, 0.9 > 0.2 and 0.9 > 0.6, 0.6 > 0.2, and 0.6 = 0.6 is half.
    assert auc([0.9, 0.6, 0.6, 0.2], [1, 1, 0, 0]) == pytest.approx(3.5 / 4)


@given(JUDGED)
def test_auc_is_the_share_of_pairs_in_the_right_order(judged: list[tuple[float, float]]) -> None:
    right = [confidence for confidence, outcome in judged if outcome]
    wrong = [confidence for confidence, outcome in judged if not outcome]
    found = auc([confidence for confidence, _ in judged], [outcome for _, outcome in judged])
    if not right or not wrong:
        assert found is None
    else:
        pairs = [(a > b) + (a == b) / 2 for a in right for b in wrong]
        assert found == pytest.approx(sum(pairs) / len(pairs))


@given(JUDGED)
def test_auc_turns_round_with_the_confidences(judged: list[tuple[float, float]]) -> None:
    confidences, outcomes = map(list, zip(*judged, strict=True))
    found = auc(confidences, outcomes)
    assume(found is not None)
    assert auc([1 - confidence for confidence in confidences], outcomes) == pytest.approx(1 - (found or 0))
    assert auc([confidence**3 for confidence in confidences], outcomes) == found
    assert auc([0.3] * len(outcomes), outcomes) == 0.5


def test_brier_and_calibration_error_by_hand() -> None:
    confidences, outcomes = [0.95, 0.95, 0.15, 0.15], [1, 0, 0, 0]
    assert brier(confidences, outcomes) == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.15**2) / 4)
    assert ece(confidences, outcomes) == pytest.approx(0.5 * 0.45 + 0.5 * 0.15)
    assert reliability(confidences, outcomes) == [
        pytest.approx((0.1, 0.2, 2, 0.15, 0)),
        pytest.approx((0.9, 1, 2, 0.95, 0.5)),
    ]


def test_a_confidence_of_one_is_in_the_last_bin_and_a_bound_in_the_upper_one() -> None:
    found = reliability([1.0, 0.9, 0.5, 0.0], [1, 1, 1, 0])
    assert [(round(one.low, 1), one.answers) for one in found] == [(0.0, 1), (0.5, 1), (0.9, 2)]


@given(JUDGED)
def test_confidences_that_are_the_outcomes_are_perfect(judged: list[tuple[float, float]]) -> None:
    outcomes = [outcome for _, outcome in judged]
    assert brier(outcomes, outcomes) == 0
    assert ece(outcomes, outcomes) == 0
    assert auc(outcomes, outcomes) in (None, 1)


@given(JUDGED)
def test_every_answer_is_in_one_bin(judged: list[tuple[float, float]]) -> None:
    confidences, outcomes = map(list, zip(*judged, strict=True))
    found = reliability(confidences, outcomes)
    assert sum(one.answers for one in found) == len(judged)
    assert all(one.low <= one.confidence + 1e-9 <= one.high + 2e-9 for one in found)
    assert sum(one.answers * one.outcome for one in found) == pytest.approx(sum(outcomes))


@given(JUDGED, st.data())
def test_a_weight_is_how_often_an_answer_is_there(judged: list[tuple[float, float]], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(judged), max_size=len(judged)).map(np.array))
    repeated = [one for one, weight in zip(judged, weights, strict=True) for _ in range(weight)]
    assume(repeated)
    whole = Confidence(*map(list, zip(*judged, strict=True)))
    plain = Confidence(*map(list, zip(*repeated, strict=True)))
    assert whole.auc(weights) == pytest.approx(plain.auc())
    assert whole.brier(weights) == pytest.approx(plain.brier())
    assert whole.ece(weights) == pytest.approx(plain.ece())


FIGURES: list[Callable[[list[float], list[float]], float | None]] = [auc, brier, ece]


@pytest.mark.parametrize("figure", FIGURES)
def test_without_answers_there_is_no_figure(figure: Callable[[list[float], list[float]], float | None]) -> None:
    assert figure([], []) is None


# -- intervals -------------------------------------------------------------------------------------------------------


def test_a_resample_draws_as_many_as_there_are() -> None:
    first, second = resampled(1000, 3, 2)
    assert len(first) == sum(first) == 1000
    assert (first == 0).sum() == pytest.approx(1000 / 2.718, abs=60)
    assert (first != second).any()


def test_the_draws_of_a_seed_are_the_same_on_every_machine() -> None:
    draws = random.Random(7)
    drawn = [Counter(int(draws.random() * 50) for _ in range(50)) for _ in range(3)]
    assert [list(weights) for weights in resampled(50, 7, 3)] == [[each[n] for n in range(50)] for each in drawn]


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    draws = random.Random(5)
    values = [float(draws.random() < 0.3) for _ in range(1000)]
    (found,) = estimates(len(values), [mean(values)], resamples=2000)
    average = sum(values) / 1000
    error = (average * (1 - average) / 1000) ** 0.5
    assert found.value == pytest.approx(average)
    assert found.low == pytest.approx(average - 1.96 * error, abs=0.003)
    assert found.high == pytest.approx(average + 1.96 * error, abs=0.003)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    draws = random.Random(11)
    held = 0
    for seed in range(200):
        values = [float(draws.random() < 0.4) for _ in range(150)]
        (found,) = estimates(150, [mean(values)], resamples=200, seed=seed)
        held += (found.low or 0) <= 0.4 <= (found.high or 0)
    assert 180 <= held <= 198


def test_the_same_seed_gives_the_same_interval_and_all_figures_the_same_draws() -> None:
    values = [float(number % 7 == 0) for number in range(200)]
    first, again, other = (estimates(200, [mean(values)], seed=seed)[0] for seed in (1, 1, 2))
    assert first == again != other
    one, two = estimates(200, [mean(values), mean([2 * value for value in values])], seed=1)
    assert (two.low, two.high) == pytest.approx((2 * (one.low or 0), 2 * (one.high or 0)))


def test_a_figure_that_too_few_resamples_define_has_no_interval() -> None:
    routing = Routing([0.1, 0.2, 0.3, 0.4], [1, 0, 1, 0], [0, 1, 1, 1])
    (found,) = estimates(4, [routing.apgr])
    assert found == Estimate(routing.apgr(), None, None)


def test_one_prompt_has_a_figure_and_no_interval() -> None:
    assert estimates(1, [mean([1.0])]) == [Estimate(1.0, None, None)]


def test_a_score_that_tells_nothing_is_a_coin_flip_within_its_interval() -> None:
    draws = random.Random(2)
    scores = [draws.random() for _ in range(7000)]
    weak = [float(draws.random() < 0.6) for _ in scores]
    strong = [float(draws.random() < 0.8) for _ in scores]
    (found,) = estimates(7000, [Routing(scores, weak, strong).apgr], resamples=500)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high


def test_without_numpy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ConfigError, match="numpy") as refused:
        arrays.numpy()
    assert refused.value.hint == "pip install 'orch-llm[lab]'"
