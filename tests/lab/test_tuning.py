"""What tuning finds in answers whose truth is known, because it was made up here."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import Complexity, Settings
from orchestrator.config.tuned import Adjustment, FeatureWeight, Tuned, logistic
from orchestrator.lab.intervals import estimates
from orchestrator.lab.metrics import Confidence
from orchestrator.lab.paired import Choice, Course, ModelPair, PairedAnswers, choose_pair
from orchestrator.lab.tune import held_out
from orchestrator.lab.tune.cases import Case, GradedAnswer
from orchestrator.lab.tune.tuning import Tuning, tune
from orchestrator.lab.tune.tuning_tradeoff import fit_number
from orchestrator.lab.tune.tuning_weights import adjusted_score
from orchestrator.lab.tuned_setting import Finding, TunedSetting
from orchestrator.reading.complexity import ComplexityAnalyzer, Evidence
from orchestrator.types import Level, digest_of

SETTINGS = Settings(environ={}, ledger=Path("unused"), config_dir=Path("unused"), tuned_file=Path("unused"))


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the draws decides the same on data whose truth is as plain as here."""
    monkeypatch.setattr(held_out, "estimates", partial(estimates, resamples=200))


def answers(size: int, *, slope: float, intercept: float, seed: int = 1) -> list[Case]:
    """Answers that are good with the chance logistic(slope x logit + intercept), one a prompt."""
    draws = random.Random(seed)
    cases = []
    for number in range(size):
        logit = draws.gauss(0.5, 1.5)
        good = float(draws.random() < logistic(slope * logit + intercept))
        cases.append(Case(digest_of(f"{seed} {number}"), 0.5, {"small": (GradedAnswer(good, logit),)}))
    return cases


def duels(size: int, *, weak_cost: int | None = 1_000_000, seed: int = 2) -> list[Case]:
    """Prompts on which the small model fails the more the harder they look, and the large one hardly ever. Its
    confidence knows, up to noise, when it does."""
    draws = random.Random(seed)
    cases = []
    for number in range(size):
        score = draws.random()
        right = draws.random() > score
        small = GradedAnswer(float(right), (2.0 if right else -2.0) + draws.gauss(0, 1.5), cost_nanousd=weak_cost)
        large = GradedAnswer(float(draws.random() < 0.95), 3.0, cost_nanousd=10_000_000)
        cases.append(Case(digest_of(f"{seed} {number}"), score, {"small": (small,), "large": (large,)}))
    return cases


def rated(
    size: int, *, weak: float, strong: float, tells: float, asks: float, sure: float = 0.0, seed: int = 7
) -> list[Case]:
    """Prompts with rated answers of a small model, right with the chance `weak`, and of a large one at ten times the
    cost. `tells` is how many deviations the small one's logit is higher when it is right, and `asks` how many the score
    is higher when it is wrong. `sure` is the mean logit of the large one's answers."""
    draws = random.Random(seed)
    cases = []
    for number in range(size):
        right = draws.random() < weak
        small = GradedAnswer(float(right), 1.5 + tells * right + draws.gauss(0, 1), cost_nanousd=1_000_000)
        large = GradedAnswer(float(draws.random() < strong), draws.gauss(sure, 1), cost_nanousd=10_000_000)
        score = logistic(draws.gauss(0, 1) - asks * right)
        cases.append(Case(digest_of(f"{seed} {number}"), score, {"small": (small,), "large": (large,)}))
    return cases


def onto(settings: Settings, tuned: Tuned) -> Settings:
    """The settings as they are once that is written."""
    run = replace(settings.run, threshold=tuned.threshold or settings.run.threshold)
    calibration = tuned.calibration or settings.calibration
    complexity = replace(settings.complexity, cuts=tuned.cuts or settings.complexity.cuts, adjustment=tuned.adjustment)
    return replace(settings, run=run, calibration=calibration, complexity=complexity)


def part(tuning: Tuning, name: str) -> TunedSetting:
    return next(part for part in tuning.settings if part.name == name)


def figure(found: TunedSetting, name: str) -> tuple[float, float]:
    change = next(change for change in found.changes if change.name.startswith(name))
    assert change.before.value is not None
    assert change.after.value is not None
    return change.before.value, change.after.value


# -- confidence ------------------------------------------------------------------------------------------------------


def test_confidence_that_claims_too_much_is_made_true_on_prompts_that_the_fit_has_not_seen() -> None:
    tuning = tune(answers(500, slope=0.5, intercept=-1.0), SETTINGS, {})
    found = part(tuning, "confidence")
    assert found.finding is Finding.IMPROVED
    before, after = figure(found, "calibration error")
    assert before > 0.2
    assert after < 0.08
    assert figure(found, "log loss")[1] < figure(found, "log loss")[0]
    calibration = tuning.accepted(force=False).calibration
    assert calibration is not None
    assert calibration.slope == pytest.approx(0.5, abs=0.15)
    assert calibration.intercept == pytest.approx(-1.0, abs=0.3)


def test_the_line_holds_for_answers_that_come_later() -> None:
    calibration = tune(answers(500, slope=0.5, intercept=-1.0), SETTINGS, {}).accepted(force=False).calibration
    assert calibration is not None
    later = [case.answers["small"][0] for case in answers(2_000, slope=0.5, intercept=-1.0, seed=9)]
    confidences = [calibration.confidence(answer.logit or 0.0) for answer in later]
    assert (Confidence(confidences, [answer.outcome for answer in later]).ece() or 0) < 0.06


def test_confidence_that_is_true_already_is_left_alone() -> None:
    tuning = tune(answers(400, slope=1.0, intercept=0.0), SETTINGS, {})
    assert part(tuning, "confidence").finding is Finding.NO_IMPROVEMENT
    assert tuning.accepted(force=False) == Tuned()
    assert tuning.could_tell


def test_it_is_not_tuned_again_on_what_it_was_tuned_on() -> None:
    cases = answers(400, slope=0.4, intercept=-0.8)
    first = tune(cases, SETTINGS, {}).accepted(force=False)
    again = tune(cases, onto(SETTINGS, first), {})
    assert first.calibration is not None
    assert again.accepted(force=False) == Tuned()


def test_confidence_that_is_upside_down_is_never_written() -> None:
    tuning = tune(answers(400, slope=-1.0, intercept=0.0), SETTINGS, {}, force=True)
    found = part(tuning, "confidence")
    assert (found.finding, found.fitted) == (Finding.NO_IMPROVEMENT, None)
    assert tuning.accepted(force=True) == Tuned()


def test_graded_in_between_counts_in_part() -> None:
    cases = answers(400, slope=1.0, intercept=0.0)
    halved = [
        replace(
            case, answers={"small": (replace(case.answers["small"][0], outcome=case.answers["small"][0].outcome / 2),)}
        )
        for case in cases
    ]
    found = part(tune(halved, SETTINGS, {}), "confidence")
    assert found.finding is Finding.IMPROVED
    assert figure(found, "calibration error")[1] < 0.05


@pytest.mark.parametrize("bad", [0, 5, 19])
def test_too_few_of_one_kind_is_said_with_how_many_it_takes(bad: int) -> None:
    kinds = [0.0] * bad + [1.0] * 60
    cases = [Case(digest_of(str(n)), 0.5, {"small": (GradedAnswer(good, good),)}) for n, good in enumerate(kinds)]
    tuning = tune(cases, SETTINGS, {})
    found = part(tuning, "confidence")
    assert found.finding is Finding.TOO_LITTLE_DATA
    assert found.reason.startswith(f"60 good and {bad} bad answers")
    assert tuning.accepted(force=False) == Tuned()
    assert not tuning.could_tell
    assert found.more_needed is not None
    assert bad + found.more_needed * (bad + 1) / (bad + 62) >= 20


def test_with_as_many_of_each_as_it_takes_it_can_tell() -> None:
    kinds = [0.0, 1.0] * 20
    cases = [Case(digest_of(str(n)), 0.5, {"small": (GradedAnswer(good, 1.0),)}) for n, good in enumerate(kinds)]
    assert tune(cases, SETTINGS, {}).could_tell


def test_answers_without_a_text_say_nothing_of_confidence() -> None:
    cases = [Case(digest_of(str(n)), 0.5, {"small": (GradedAnswer(n % 2),)}) for n in range(100)]
    assert part(tune(cases, SETTINGS, {}), "confidence").finding is Finding.NOT_IN_DATA


def test_where_confidence_tells_nothing_no_line_is_written_however_far_its_level_is_off() -> None:
    found = part(tune(rated(150, weak=0.2, strong=0.25, tells=0, asks=0), SETTINGS, {}, force=True), "confidence")
    assert figure(found, "log loss")[1] < figure(found, "log loss")[0] - 0.1
    assert (found.finding, found.fitted) == (Finding.NO_IMPROVEMENT, None)
    assert "do not show that it tells good answers from bad ones" in found.reason


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -1.0), (0.2, -1.5)], ids=["sharp", "blunt"])
def test_a_line_changes_no_order_so_auc_is_the_same_before_and_after(slope: float, intercept: float) -> None:
    before, after = figure(
        part(tune(answers(300, slope=slope, intercept=intercept), SETTINGS, {}), "confidence"), "AUC"
    )
    assert after == pytest.approx(before, abs=1e-12)


# -- threshold and cuts ----------------------------------------------------------------------------------------------


def test_a_threshold_that_accepts_too_much_is_raised_and_quality_comes_with_it() -> None:
    settings = replace(SETTINGS, run=replace(SETTINGS.run, threshold=0.05))
    tuning = tune(duels(300), settings, {})
    found = part(tuning, "threshold")
    assert (tuning.pair, found.finding) == (ModelPair("small", "large"), Finding.IMPROVED)
    before, after = figure(found, "quality")
    assert before < 0.7 < 0.85 < after
    assert 0.2 < (tuning.accepted(force=False).threshold or 0) < 0.9


def test_a_threshold_that_asks_the_strong_model_for_nothing_is_lowered_and_money_is_saved() -> None:
    settings = replace(SETTINGS, run=replace(SETTINGS.run, threshold=1.0))
    found = part(tune(duels(300), settings, {}, quality=0.9), "threshold")
    assert found.finding is Finding.IMPROVED
    before, after = figure(found, "cost of 1,000 prompts")
    assert before == pytest.approx(11.0)
    assert after < 9
    assert figure(found, "quality")[1] > 0.8


TELLING, BLIND = {"tells": 2.5, "asks": 2.5, "sure": 5.0}, {"tells": 0.0, "asks": 0.0}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("threshold", "cut", "world", "written"),
    [
        (0.05, 0.99, {"weak": 0.6, "strong": 0.95, **TELLING}, True),
        (0.5, 0.99, {"weak": 0.26, "strong": 0.5, **BLIND}, False),  # all strong is better at the same cost
        (0.999, 0.0, {"weak": 0.26, "strong": 0.5, **BLIND}, False),
        (0.5, 0.99, {"weak": 0.6, "strong": 0.95, **BLIND}, False),
        (0.999, 0.0, {"weak": 0.6, "strong": 0.95, **BLIND}, False),
    ],
    ids=["telling", "dominated, too cheap", "dominated, too dear", "blind, too cheap", "blind, too dear"],
)
def test_of_300_rated_runs_only_what_beats_random_mixing_at_its_cost_is_written(
    threshold: float, cut: float, world: dict[str, float], written: bool, seed: int
) -> None:
    run = replace(SETTINGS.run, threshold=threshold)
    settings = replace(SETTINGS, run=run, complexity=Complexity(cuts=(cut, 0.99, 0.995)))
    tuning = tune(rated(150, **world, seed=seed), settings, {}, weak="small", strong="large")
    for name in ("threshold", "complexity"):
        found = part(tuning, name)
        assert (found.finding is Finding.IMPROVED) == written, (name, found.reason)
        if written:
            change = next(
                change for change in found.changes if change.name == "quality above random mixing at this cost"
            )
            assert change.after.low is not None
            assert change.after.low > 0
    assert tuning.could_tell


def test_a_threshold_that_is_right_already_stays() -> None:
    settings = replace(SETTINGS, run=replace(SETTINGS.run, threshold=1.0))
    cases = duels(300)
    first = tune(cases, settings, {}, quality=0.9).accepted(force=False)
    again = tune(cases, onto(settings, first), {}, quality=0.9)
    assert part(again, "threshold").finding is Finding.NO_IMPROVEMENT


@pytest.mark.parametrize(
    ("level", "place"),
    [(None, 0), (Level.BASIC, 0), (Level.INTERMEDIATE, 1), (Level.ADVANCED, 2)],
    ids=["unknown", "basic", "intermediate", "advanced"],
)
def test_the_cut_above_the_weak_model_s_level_moves_and_the_others_keep_their_order(
    level: Level | None, place: int
) -> None:
    settings = replace(SETTINGS, complexity=Complexity(cuts=(0.9, 0.95, 0.99)))
    levels = {} if level is None else {"small": [level]}
    tuning = tune(duels(300), settings, levels)
    cuts = tuning.accepted(force=False).cuts
    assert part(tuning, "complexity").finding is Finding.IMPROVED
    assert cuts is not None
    assert cuts[place] < 0.5
    assert list(cuts) == sorted(cuts)
    assert cuts[place + 1 :] == (0.9, 0.95, 0.99)[place + 1 :]


def test_no_cut_decides_about_a_model_that_is_rated_for_everything() -> None:
    found = part(tune(duels(100), SETTINGS, {"small": list(Level)}), "complexity")
    assert found.finding is Finding.NOT_IN_DATA
    assert "every level" in found.reason


def test_without_prices_it_is_the_strong_model_s_calls_that_are_saved() -> None:
    settings = replace(SETTINGS, run=replace(SETTINGS.run, threshold=1.0))
    found = part(tune(duels(200, weak_cost=None), settings, {}, quality=0.9), "threshold")
    before, after = figure(found, "calls of large")
    assert (before, found.finding) == (1.0, Finding.IMPROVED)
    assert after < 0.9


def test_what_the_other_model_would_have_answered_is_not_made_up() -> None:
    tuning = tune(answers(300, slope=1.0, intercept=0.0), SETTINGS, {})
    for name in ("threshold", "complexity"):
        assert part(tuning, name).finding is Finding.NOT_IN_DATA
        assert "is not known" in part(tuning, name).reason


def test_a_model_that_does_no_better_gives_nothing_to_decide() -> None:
    swapped = tune(duels(200), SETTINGS, {}, weak="large", strong="small")
    assert part(swapped, "threshold").finding is Finding.NOT_IN_DATA
    assert "small does no better than large" in part(swapped, "threshold").reason


def test_too_few_prompts_that_the_strong_model_does_better_on_is_said() -> None:
    found = part(tune(duels(30), SETTINGS, {}), "threshold")
    assert found.finding is Finding.TOO_LITTLE_DATA
    assert found.more_needed is not None
    assert found.more_needed > 0


def test_of_many_models_those_with_most_prompts_in_common_are_compared() -> None:
    cases = duels(40)
    other = GradedAnswer(1.0, 1.0, cost_nanousd=5)
    cases[:10] = [replace(case, answers={**case.answers, "third": (other,)}) for case in cases[:10]]
    assert choose_pair(cases, None, None) == ModelPair("small", "large")
    assert choose_pair(cases, "small", "third") == ModelPair("small", "third")
    assert choose_pair(cases, None, "small") == ModelPair("large", "small")
    assert choose_pair([], None, None) is None


def test_an_empty_answer_is_never_accepted_whatever_the_calibration() -> None:
    cases = duels(200)
    blank = GradedAnswer(0.0, None, blank=True, cost_nanousd=1)
    cases[:50] = [replace(case, answers={**case.answers, "small": (blank,)}) for case in cases[:50]]
    found = part(tune(cases, SETTINGS, {}), "threshold")
    assert found.prompts == 200


# -- weights ---------------------------------------------------------------------------------------------------------


def domain(size: int, *, seed: int = 5) -> list[Case]:
    """Prompts of a kind that the shipped score knows nothing of: it is noise, and numbers are what makes them hard."""
    draws = random.Random(seed)
    cases = []
    for number in range(size):
        numbers = float(draws.randrange(6))
        values = {"numbers": numbers, "rare": float(number < 3), "words": draws.gauss(50, 10), "always": 1.0}
        evidence = Evidence(draws.gauss(0, 1), values)
        small = GradedAnswer(float(draws.random() > 0.1 + 0.15 * numbers))
        cases.append(
            Case(
                digest_of(f"{seed} {number}"),
                logistic(evidence.logit),
                {"small": (small,), "large": (GradedAnswer(1.0),)},
                evidence,
            )
        )
    return cases


def test_what_makes_prompts_hard_for_the_user_s_own_models_is_found() -> None:
    tuning = tune(domain(250), SETTINGS, {}, weights=True)
    found = part(tuning, "weights")
    assert found.finding is Finding.IMPROVED
    before, after = figure(found, "APGR")
    assert before < 0.55 < 0.6 < after
    adjustment = tuning.accepted(force=False).adjustment
    assert adjustment is not None
    weights = {weight.feature: weight for weight in adjustment.weights}
    assert weights["numbers"].weight > 0
    assert {"rare", "always"}.isdisjoint(weights)
    assert (weights["numbers"].least, weights["numbers"].most) == (0.0, 5.0)
    assert adjustment.scale < 0.5


def test_the_cuts_are_those_of_the_corrected_score() -> None:
    plain, corrected = (part(tune(domain(250), SETTINGS, {}, weights=on), "complexity") for on in (False, True))
    assert figure(corrected, "calls of large")[1] < figure(plain, "calls of large")[1]
    assert figure(corrected, "quality")[1] > 0.9


def test_a_score_that_is_right_already_is_not_corrected() -> None:
    cases = [
        replace(case, evidence=Evidence(2 * (case.score or 0), {"words": float(number % 7)}))
        for number, case in enumerate(duels(250))
    ]
    found = part(tune(cases, SETTINGS, {}, weights=True), "weights")
    assert found.finding is Finding.NO_IMPROVEMENT


def test_a_correction_that_is_in_force_is_what_a_new_one_has_to_beat() -> None:
    cases = domain(250)
    first = tune(cases, SETTINGS, {}, weights=True).accepted(force=False)
    again = tune(cases, onto(SETTINGS, first), {}, weights=True)
    assert part(again, "weights").finding is Finding.NO_IMPROVEMENT


def test_weights_are_tuned_only_if_that_is_asked_for_and_need_their_evidence() -> None:
    assert [found.name for found in tune(domain(50), SETTINGS, {}).settings] == [
        "confidence",
        "threshold",
        "complexity",
    ]
    without = [replace(case, evidence=None) for case in domain(50)]
    assert part(tune(without, SETTINGS, {}, weights=True), "weights").finding is Finding.NOT_IN_DATA


def test_the_analyser_gives_the_score_that_was_tuned() -> None:
    prompts = [f"What is {number} plus {'1, 2, 3 and ' * (number % 3)} 4?" for number in range(40)]
    adjustment = Adjustment(
        0.5, -0.25, (FeatureWeight("numbers", 0.5, 1.0, 0.0, 1.5), FeatureWeight("gone", 9, 0, 0, 1))
    )
    plain, adjusted = ComplexityAnalyzer(), ComplexityAnalyzer(adjustment=adjustment)
    answer = GradedAnswer(1.0)
    for prompt in prompts:
        evidence = plain.evidence(prompt)
        assert evidence is not None
        duel = PairedAnswers("", None, evidence, answer, answer, 0.0, 0.0)
        known = replace(adjustment, weights=adjustment.weights[:1])
        analysis = adjusted.analyze(prompt)
        assert analysis.score == pytest.approx(adjusted_score(duel, known))
        assert logistic(sum(analysis.features.values())) == pytest.approx(analysis.score)
        assert adjusted.evidence(prompt) == evidence


CHOICES = st.lists(
    st.builds(
        Choice,
        digest=st.just(""),
        reading=st.integers(0, 20).map(lambda n: n / 20),
        reached=st.builds(Course, st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 3)),
        below=st.builds(Course, st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 5)),
        strong=st.sampled_from([0.0, 0.5, 1.0]),
    ),
    min_size=1,
    max_size=25,
)


@given(CHOICES, st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_no_number_that_keeps_the_quality_by_a_standard_error_costs_less(choices: list[Choice], share: float) -> None:
    def tried(number: float) -> tuple[float, float, float]:
        above = [choice.course(number).quality - share * choice.strong for choice in choices]
        cost = sum(choice.course(number).cost for choice in choices)
        return sum(above) + 1e-9, math.sqrt(len(above)) * pstdev(above), cost

    number = fit_number(choices, share)
    above, _, cost = tried(number)
    others = [tried(place / 40) for place in range(41)]
    assert 0 <= number <= 1
    for margin in (1, 0):
        enough = [other for other in others if other[0] >= margin * other[1]]
        if enough:
            assert above >= 0
            assert cost <= min(paid for _, _, paid in enough)
            return
    assert above == pytest.approx(max(other for other, _, _ in others))
