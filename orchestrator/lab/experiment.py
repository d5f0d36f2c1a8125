"""What an experiment has shown so far: figures of each arm, and how each differs from the control.

The unit is the subject, for it is subjects that arms are drawn for: a subject counts with the means of its runs, so
that one who asks a hundred times does not count a hundred times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from statistics import NormalDist
from typing import Any

from ..clock import rfc3339
from ..deferred import dataclass
from ..ledger.experiments import Stop, TrialSubject
from ..registry.routes import Arm, Experiment
from ..report.significance import (
    FEWEST,
    FEWEST_OUTCOMES,
    Difference,
    Estimate,
    estimate_mean,
    estimate_share,
    subjects_needed,
    two_proportions,
    welch,
)

_MISMATCH = 0.001  # below it, the arms have not got the shares that they should: a usual bound for this check


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a subject; None where it has none. `better` is 1 if more is better, -1 if less is."""

    name: str
    better: int
    of: Callable[[TrialSubject], float | None]


METRICS = (
    Metric("success", 1, lambda each: each.success),
    Metric("cost", -1, lambda each: None if each.cost_nanousd is None else each.cost_nanousd / 1e9),
    Metric("latency", -1, lambda each: None if each.latency_ms is None else each.latency_ms / 1000),
    Metric("confidence", 1, lambda each: each.confidence),
    Metric("rating", 1, lambda each: each.rating),
)


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """The figures of one arm."""

    arm: Arm
    runs: int
    subjects: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against the control, in one figure. Without enough data there is no difference to speak of."""

    arm: str
    metric: str
    test: str
    difference: Difference | None
    needed: int | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that `orch experiment show` shows. `state` is running, not begun, ended, stopped or not defined."""

    experiment: Experiment
    state: str
    stop: Stop | None
    arms: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        experiment, stop = self.experiment, self.stop
        return {
            "name": experiment.name,
            "description": experiment.description,
            "state": self.state,
            "from": None if experiment.start is None else experiment.start.isoformat(),
            "until": None if experiment.end is None else experiment.end.isoformat(),
            "stopped_at": None if stop is None else rfc3339(stop.at),
            "kept_arm": None if stop is None else stop.arm,
            "arms": [
                {
                    "name": each.arm.name,
                    "target": each.arm.target,
                    "share": each.arm.share,
                    "runs": each.runs,
                    "subjects": each.subjects,
                    "metrics": {name: asdict(estimate) for name, estimate in each.estimates.items()},
                }
                for each in self.arms
            ],
            "comparisons": [
                {
                    "arm": each.arm,
                    "metric": each.metric,
                    "test": each.test,
                    "difference": None if each.difference is None else asdict(each.difference),
                    "needed": each.needed,
                    "verdict": each.verdict,
                }
                for each in self.comparisons
            ],
            "warnings": list(self.warnings),
        }


def state_of(experiment: Experiment, stop: Stop | None, now: datetime) -> str:
    """`not begun`, `running`, `stopped` or `ended`."""
    if stop is not None:
        return "stopped"
    if experiment.runs_on(now.date()):
        return "running"
    return "not begun" if experiment.start is not None and now.date() < experiment.start else "ended"


def results(experiment: Experiment, subjects: Sequence[TrialSubject], *, stop: Stop | None, state: str) -> Results:
    """The figures of an experiment's subjects. Those of an arm that is defined no more are left out."""
    by_arm: dict[str, list[TrialSubject]] = {arm.name: [] for arm in experiment.arms}
    for subject in subjects:
        by_arm.get(subject.arm, []).append(subject)
    values = {name: {metric.name: _values(metric, there) for metric in METRICS} for name, there in by_arm.items()}
    figures = tuple(
        ArmFigures(
            arm,
            sum(subject.runs for subject in by_arm[arm.name]),
            len(by_arm[arm.name]),
            {metric.name: _estimate(metric, values[arm.name][metric.name]) for metric in METRICS},
        )
        for arm in experiment.arms
    )
    control, *others = experiment.arms
    comparisons = tuple(
        _compare(metric, arm.name, values[arm.name][metric.name], values[control.name][metric.name], control.name)
        for arm in others
        for metric in METRICS
    )
    return Results(experiment, state, stop, figures, comparisons, tuple(_mismatches(figures)))


def _values(metric: Metric, subjects: Sequence[TrialSubject]) -> list[float]:
    """The figure of each subject that has it."""
    return [value for subject in subjects if (value := metric.of(subject)) is not None]


def _are_shares(metric: Metric, *arms: Sequence[float]) -> bool:
    """Whether it is a share: every subject either has it or has not."""
    return metric.name == "success" and all(value in (0.0, 1.0) for values in arms for value in values)


def _estimate(metric: Metric, values: Sequence[float]) -> Estimate:
    return estimate_share(round(sum(values)), len(values)) if _are_shares(metric, values) else estimate_mean(values)


def _compare(metric: Metric, arm: str, ours: Sequence[float], theirs: Sequence[float], control_name: str) -> Comparison:
    shares = _are_shares(metric, ours, theirs)
    test = "two proportions" if shares else "Welch"
    fewest = min(len(ours), len(theirs))
    if fewest < FEWEST:
        verdict = f"not enough data: {len(ours)} and {len(theirs)} subjects of {FEWEST} an arm"
        return Comparison(arm, metric.name, test, None, FEWEST, verdict)
    if shares:
        hits, other_hits = round(sum(ours)), round(sum(theirs))
        rare = min(hits + other_hits, len(ours) + len(theirs) - hits - other_hits) / (len(ours) + len(theirs))
        if 0 < rare * fewest < FEWEST_OUTCOMES:
            enough = math.ceil(FEWEST_OUTCOMES / rare)
            verdict = f"not enough data: so rare an outcome needs about {enough:,} subjects an arm"
            return Comparison(arm, metric.name, test, None, enough, verdict)
        difference = two_proportions(hits, len(ours), other_hits, len(theirs))
    else:
        difference = welch(ours, theirs)
    needed = None if difference.shown else subjects_needed(ours, theirs)
    return Comparison(
        arm, metric.name, test, difference, needed, _verdict(metric, arm, control_name, difference, needed)
    )


def _verdict(metric: Metric, arm: str, control: str, difference: Difference, needed: int | None) -> str:
    p = f"p = {difference.p:.3f}" if difference.p >= 0.001 else "p < 0.001"
    if difference.shown:
        better = difference.value * metric.better > 0
        return f"{arm} is {'better' if better else 'worse'} than {control} ({p})"
    more = "" if needed is None else f"; if it is as large as it looks, about {needed:,} subjects an arm would show it"
    return f"no difference shown ({p}){more}"


def _mismatches(figures: Sequence[ArmFigures]) -> list[str]:
    """Arms whose share of the subjects chance does not explain: something drops subjects of one arm, or the split was
    changed on the way, and the comparison is not to be trusted."""
    subjects = sum(each.subjects for each in figures)
    warnings: list[str] = []
    for each in figures:
        expected = each.arm.share * subjects
        spread = math.sqrt(expected * (1 - each.arm.share))
        if spread and 2 * NormalDist().cdf(-abs(each.subjects - expected) / spread) < _MISMATCH:
            share = each.subjects / subjects
            warnings.append(
                f"{each.arm.name} has {share:.1%} of the subjects where its share is {each.arm.share:.0%}: the arms "
                "cannot be compared if some of their runs are missing or the split was changed"
            )
    return warnings
