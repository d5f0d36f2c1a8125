"""Whether a strategy is cheap and good enough, what is missing where none is, and thresholds on what was left out."""

from __future__ import annotations

import random

import pytest

from orchestrator.lab.crossval import cross_validated
from orchestrator.lab.figures import Figures
from orchestrator.lab.grades import scale_of
from orchestrator.lab.intervals import Estimate
from orchestrator.lab.paired import Course, routed
from orchestrator.lab.policies import Column
from orchestrator.lab.records import Scale
from orchestrator.lab.report import Meets, Needs, Worth
from orchestrator.lab.verdict import cheap_model, concluded, meets, worth_of
from orchestrator.types import digest_of


@pytest.mark.parametrize(
    ("saving", "loss", "expected"),
    [
        ((0.8, 0.75, 0.85), (0.02, 0.0, 0.04), Meets.YES),
        ((0.8, 0.65, 0.85), (0.02, 0.0, 0.04), Meets.UNDECIDED),
        ((0.8, 0.75, 0.85), (0.02, 0.0, 0.06), Meets.UNDECIDED),
        ((0.6, 0.55, 0.65), (0.02, 0.0, 0.04), Meets.NO),
        ((0.8, 0.75, 0.85), (0.08, 0.06, 0.1), Meets.NO),
        ((0.8, None, None), (0.02, None, None), Meets.YES),
        ((None, None, None), (0.02, 0.0, 0.04), Meets.UNDECIDED),
    ],
    ids=["both", "saving open", "loss open", "too dear", "too bad", "no intervals", "unpriced"],
)
def test_enough_is_what_both_intervals_say(
    saving: tuple[float | None, ...], loss: tuple[float | None, ...], expected: Meets
) -> None:
    assert meets(Estimate(*saving), Estimate(*loss)) is expected


def pairs(weak: float, strong: float, cost: float, size: int = 100) -> list[tuple[Course, Course]]:
    """Each model is right on so many prompts; a call of the strong one costs 100."""
    return [(Course(place < weak * size, cost), Course(place < strong * size, 100.0)) for place in range(size)]


@pytest.mark.parametrize(
    ("weak", "cost", "needs", "says"),
    [
        (0.86, 1.0, Needs.NOTHING, "small alone does it"),
        (0.84, 1.0, Needs.MIXING, "at random would do it"),
        (0.75, 1.0, Needs.ROUTER, "a router with an APGR of 0.77"),
        (0.45, 1.0, Needs.BETTER_MODEL, "a better cheap model is needed and not a better router"),
        (0.75, 40.0, Needs.CHEAPER_MODEL, "a cheaper model is needed and not a better router"),
    ],
    ids=[*Needs],
)
def test_what_a_cheap_model_needs_beside_it_is_told(weak: float, cost: float, needs: Needs, says: str) -> None:
    model = cheap_model("small", pairs(weak, 0.9, cost), priced=True)
    assert model.needs is needs
    no = Worth("routing", Estimate(0.5), Estimate(0.1), Meets.NO)
    conclusion = concluded("large", model, [no], [])
    assert conclusion.startswith("No strategy is at least 70% cheaper than large at less than 5% loss.")
    assert says in conclusion
    if model.router is not None:  # the APGR of the curve r = a^k that goes through what is needed
        k = 1 / model.router - 1
        assert model.strong_calls**k == pytest.approx(model.recover)


def test_a_strategy_that_is_enough_and_other_models_that_would_do_are_named() -> None:
    weak = cheap_model("small", pairs(0.45, 0.9, 1.0), priced=True)
    other = cheap_model("medium", pairs(0.88, 0.9, 5.0), priced=True)
    yes = Worth("cascade 0.6", Estimate(0.8), Estimate(0.01), Meets.YES)
    conclusion = concluded("large", weak, [yes], [other])
    assert conclusion.startswith("cascade 0.6: at least 70% cheaper")
    assert "better cheap model" not in conclusion
    assert "Alone it is done by medium." in conclusion


def test_saving_and_loss_are_shares_of_the_strong_model() -> None:
    strong = Column([1.0, 1.0, 0.0, 1.0], [100] * 4, None)
    figures = Figures(strong, strong, resamples=50)
    worth = worth_of("half", [1.0, 0.5, 0.0, 0.75], [10, 20, 30, 40], figures)
    found = worth(figures.estimate())
    assert found.saving is not None
    assert found.saving.value == pytest.approx(0.75)
    assert found.loss.value == pytest.approx(0.25)


def test_a_threshold_that_only_fits_its_own_tasks_shows_when_tasks_are_left_out() -> None:
    """Each task has scores on a scale of its own, so that a threshold does not carry over to the next one."""
    draws, choices, tasks = random.Random(3), [], []
    for number in range(600):
        task, hard = number % 6, draws.random() < 0.4
        weak, strong = Course(float(not hard), 1.0), Course(1.0, 100.0)
        score = task / 6 + (0.1 if hard else 0.02)
        choices.append(routed(digest_of(str(number)), score, weak, strong))
        tasks.append(f"task {task}")
    weak_column = Column([choice.below.quality for choice in choices], [1] * 600, None)
    figures = Figures(weak_column, Column([1.0] * 600, [100] * 600, None), resamples=20)
    rows = cross_validated("routing", choices, tasks, figures, asks_above=True)
    by_prompts, by_tasks = (row(figures.estimate()) for row in rows)
    assert [(row.left_out, row.parts) for row in (by_prompts, by_tasks)] == [("prompts", 5), ("tasks", 6)]
    assert by_prompts.quality.value is not None
    assert by_tasks.strong_share.value is not None
    assert by_prompts.quality.value >= 0.94
    one_task = cross_validated("routing", choices, ["one"] * 600, figures, asks_above=True)
    assert len(one_task) == 1


@pytest.mark.parametrize(
    ("grades", "scale"),
    [
        ([3, 9, 10, 7], Scale(1, 10)),
        ([3, 5, 1, 4], Scale(1, 5)),
        ([0, 9, 10, 7], Scale(0, 10)),
        ([88, 0.5, 93, 100], Scale(0, 100)),
        ([0, 1, 0.5, 2], None),
        ([0, 1, 1, 0, 88], None),
    ],
    ids=["1 to 10", "1 to 5", "0 to 10", "0 to 100", "one is a mistake", "one is far off"],
)
def test_grades_on_another_scale_are_told_from_mistakes(grades: list[float], scale: Scale | None) -> None:
    assert scale_of(grades) == scale
    if scale is not None:
        assert (scale.share(scale.worst), scale.share(scale.best)) == (0.0, 1.0)
