"""The user's own rated runs as a bench sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scripted import NOW, SURE, UNSURE, Script, Stage, reply

from orchestrator.errors import UsageError
from orchestrator.lab.own_runs import ALL, items_of, observe, read_rated
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.ratings import RatedRun, Rating, rate
from orchestrator.ledger.store import Ledger

SMALL, LARGE = "claude-haiku-5-5", "claude-opus-5-5"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({SMALL: [reply(UNSURE, tokens=(10, 30))], LARGE: [reply(SURE, tokens=(11, 40))]}))


def run(stage: Stage, prompt: str, model: str, rating: float | None, system: str | None = None) -> str:
    result = stage.run(prompt, strategy="fallback", chain=model, system=system)
    assert result.run_id is not None
    if rating is not None:
        with Ledger.open(stage.ledger) as ledger:
            rate(ledger, result.run_id, Rating(rating, NOW))
    return result.run_id


def rated(stage: Stage) -> tuple[RatedRun, ...]:
    with Ledger.open(stage.ledger) as ledger:
        return read_rated(ledger, "ledger", simulated=False)


def test_what_was_rated_is_told_by_strategy_and_by_model(stage: Stage) -> None:
    asked = [run(stage, prompt, model, None) for prompt, model in (("A?", SMALL), ("B?", SMALL), ("C?", LARGE))]
    run(stage, "D?", LARGE, None)
    with Ledger.open(stage.ledger) as ledger:  # at the end: a rating counts in the confidence of later answers
        for run_id, rating in zip(asked, (0.0, 1.0, 1.0), strict=True):
            rate(ledger, run_id, Rating(rating, NOW))
    report = observe("ledger", rated(stage), 0, resamples=50, seed=0)
    assert (report.runs, [row.name for row in report.strategies]) == (3, ["fallback"])
    small, large = report.models
    assert (small.name, small.runs, small.rating.value) == (SMALL, 2, 0.5)
    assert (large.name, large.runs, large.rating.value) == (LARGE, 1, 1.0)
    assert small.cost_nanousd is not None
    assert small.cost_nanousd.value == 10 * 100 + 30 * 500  # at $0.10 and $0.50 per million
    every, *by_model = report.confidence
    assert (every.name, every.answers) == (ALL, 3)
    assert every.acceptable == pytest.approx(2 / 3)
    assert every.auc.value == 0.75  # sure and right above unsure and wrong; unsure, right and wrong, is a tie
    assert [calibration.name for calibration in by_model] == [SMALL, LARGE]


def test_a_prompt_that_several_models_answered_can_be_replayed(stage: Stage) -> None:
    run(stage, "A?", SMALL, 0.0)
    run(stage, "A?", LARGE, 0.5)
    run(stage, "A?", LARGE, 1.0)
    run(stage, "B?", SMALL, 1.0)
    with Ledger.open(stage.ledger) as ledger:
        (item,) = items_of(read_rated(ledger, "ledger", simulated=False), lambda name: find_run(ledger, name))
    assert (item.prompt, set(item.outcomes)) == ("A?", {SMALL, LARGE})
    small, large = item.outcomes[SMALL], item.outcomes[LARGE]
    assert (small.score, small.text, small.input_tokens, small.output_tokens) == (0.0, UNSURE, 10, 30)
    assert (large.score, large.graded_by) == (1.0, "the user")


def test_another_system_prompt_makes_another_prompt(stage: Stage) -> None:
    run(stage, "A?", SMALL, 0.0)
    run(stage, "A?", LARGE, 1.0, system="Be brief.")
    with Ledger.open(stage.ledger) as ledger:
        assert items_of(rated(stage), lambda name: find_run(ledger, name)) == []


def test_a_run_whose_prompt_was_not_kept_counts_but_is_not_replayed(stage: Stage) -> None:
    run(stage, "A?", SMALL, 0.0)
    (kept,) = rated(stage)
    runs = [replace(kept, prompt=None), replace(kept, prompt=None, model_used=LARGE)]
    assert items_of(runs, lambda name: pytest.fail(name)) == []
    assert observe("ledger", runs, 0, resamples=0, seed=0).runs == 2


def test_without_rated_runs_there_is_nothing_to_look_at(stage: Stage) -> None:
    run(stage, "A?", SMALL, None)
    with pytest.raises(UsageError, match="no runs in ledger are rated"):
        rated(stage)
    with pytest.raises(UsageError, match="no simulated runs in nowhere are rated"):
        read_rated(None, "nowhere", simulated=True)
