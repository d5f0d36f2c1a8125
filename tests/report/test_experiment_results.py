"""What an experiment has shown: the tests against published and independently computed figures, and when they say that
there is not enough data."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lab.experiment import Results, results
from orchestrator.ledger.experiments import TrialSubject
from orchestrator.registry.routes import Arm, Experiment
from orchestrator.report.significance import (
    estimate_mean,
    estimate_share,
    subjects_needed,
    t_quantile,
    t_two_sided,
    two_proportions,
    welch,
)

EXPERIMENT = Experiment("trial", (Arm("control", 0.5, model="a"), Arm("treatment", 0.5, model="b")))


def subject(arm: str, name: str, **known: float) -> TrialSubject:
    return TrialSubject(
        arm=arm,
        subject=name,
        runs=int(known.get("runs", 1)),
        success=float(known.get("complete", True)),
        cost_nanousd=known.get("cost", 1_000),
        latency_ms=known.get("latency", 100),
        confidence=known.get("confidence", 0.7),
        rating=known.get("rating"),
    )


def of(subjects: Sequence[TrialSubject], experiment: Experiment = EXPERIMENT) -> Results:
    return results(experiment, subjects, stop=None, state="running")


def verdict(found: Results, metric: str) -> str:
    (comparison,) = (each for each in found.comparisons if each.metric == metric)
    return comparison.verdict


# Computed with scipy 1.16: ttest_ind(equal_var=False), t.sf, t.ppf.
def test_welchs_test_gives_what_scipy_does() -> None:
    one, other = (
        [0.012, 0.015, 0.011, 0.019, 0.014, 0.013],
        [0.021, 0.018, 0.025, 0.017, 0.030, 0.022, 0.019],
    )
    found = welch(one, other)
    assert found.p == pytest.approx(0.0037855317358810783, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((-0.012309357104087183, -0.0031192143244842463), rel=1e-9)


@given(st.floats(0, 1e12), st.integers(2, 40), st.integers(2, 40))
def test_the_same_constant_on_both_sides_never_differs(constant: float, count: int, other_count: int) -> None:
    one, other = [constant] * count, [constant] * other_count
    found = welch(one, other)
    assert (found.value, found.p, found.shown) == (0.0, 1.0, False)
    assert subjects_needed(one, other) is None


def test_two_constants_that_are_not_the_same_do_differ() -> None:
    found = welch([0.2] * 5, [0.1] * 7)
    assert found.value == pytest.approx(0.1)
    assert found.p == 0.0


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [(2.0, 5, 0.10193947882985835), (0.3, 1.5, 0.8004721968035851), (12, 2.7, 0.002026866019396126)],
)
def test_students_t_gives_what_scipy_does(t: float, freedom: float, p: float) -> None:
    assert t_two_sided(t, freedom) == pytest.approx(p, rel=1e-9)
    assert t_two_sided(-t, freedom) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706204736174694), (2.5, 3.5746548420036817), (29, 2.045229642132703)]
)
def test_the_quantile_of_students_t_is_scipys(freedom: float, t: float) -> None:
    assert t_quantile(freedom) == pytest.approx(t, rel=1e-9)


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    """His example (a): 56/70 less 48/80 has 0.0524 to 0.3339 by method 10."""
    found = two_proportions(56, 70, 48, 80)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert found.p == pytest.approx(0.008045, abs=1e-6)


def test_a_share_has_wilsons_interval() -> None:
    found = estimate_share(7, 20)
    assert (found.low, found.high) == pytest.approx((0.1811918241010821, 0.5671457233147637))


def test_there_is_no_interval_for_a_single_value_and_nothing_for_none() -> None:
    assert estimate_mean([0.5]).low is None
    assert estimate_mean([]).mean is None
    assert estimate_share(0, 0).mean is None


def test_a_difference_that_is_there_is_shown_and_says_which_way_it_goes() -> None:
    draw = random.Random(1)
    runs = [subject("control", f"c{n}", cost=draw.gauss(1_000, 100)) for n in range(100)]
    runs += [subject("treatment", f"t{n}", cost=draw.gauss(900, 100)) for n in range(100)]
    assert verdict(of(runs), "cost").startswith("treatment is better than control (p < 0.001)")


def test_a_difference_that_is_not_there_is_not_shown_and_says_what_it_would_take() -> None:
    draw = random.Random(1)
    runs = [
        subject(arm, f"{arm}{n}", latency=draw.gauss(100, 30)) for arm in ("control", "treatment") for n in range(60)
    ]
    found = verdict(of(runs), "latency")
    assert found.startswith("no difference shown")
    assert "subjects an arm would show it" in found


def test_with_too_few_subjects_nothing_is_said_of_a_difference() -> None:
    runs = [subject("control", f"c{n}") for n in range(29)] + [subject("treatment", f"t{n}") for n in range(200)]
    assert verdict(of(runs), "cost") == "not enough data: 200 and 29 subjects of 30 an arm"
    assert verdict(of(runs), "rating") == "not enough data: 0 and 0 subjects of 30 an arm"
    assert all(found.difference is None for found in of(runs).comparisons)


def test_a_failure_too_rare_for_the_test_says_how_many_subjects_it_takes() -> None:
    runs = [subject("control", f"c{n}", complete=n > 0) for n in range(50)] + [
        subject("treatment", f"t{n}") for n in range(50)
    ]
    assert verdict(of(runs), "success") == "not enough data: so rare an outcome needs about 500 subjects an arm"


def test_one_who_asks_a_hundred_times_counts_once() -> None:
    one = subject("control", "one", runs=100, cost=5_000)
    found = of([one, subject("control", "other", cost=1_000), subject("treatment", "third")])
    control = found.arms[0]
    assert (control.runs, control.subjects) == (101, 2)
    assert control.estimates["cost"].mean == pytest.approx(3_000 / 1e9)
    assert verdict(found, "cost").startswith("not enough data: 1 and 2")


def test_arms_that_do_not_have_their_shares_are_warned_of() -> None:
    runs = [subject("control", f"c{n}") for n in range(150)] + [subject("treatment", f"t{n}") for n in range(50)]
    assert of(runs).warnings[0].startswith("control has 75.0% of the subjects where its share is 50%")
    assert not of([subject(arm, f"{arm}{n}") for arm in ("control", "treatment") for n in range(100)]).warnings


def test_of_two_equal_arms_one_in_twenty_tests_shows_a_difference() -> None:
    draw = random.Random(3)
    shown = 0
    for _ in range(400):
        one, other = ([draw.gammavariate(2, 1) for _ in range(40)] for _ in range(2))
        shown += welch(one, other).shown
    assert 8 <= shown <= 32  # of 400, 20 are expected


def test_as_many_subjects_as_are_said_to_be_needed_find_the_difference_four_times_in_five() -> None:
    draw = random.Random(5)
    one, other = ([draw.gauss(mean, 1) for _ in range(2_000)] for mean in (0.0, 0.4))
    needed = subjects_needed(one, other)
    assert needed is not None
    found = sum(
        welch([draw.gauss(0, 1) for _ in range(needed)], [draw.gauss(0.4, 1) for _ in range(needed)]).shown
        for _ in range(300)
    )
    assert 0.7 < found / 300 < 0.9
