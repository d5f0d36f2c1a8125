"""`orch experiment`: which ways of answering are compared, and what has come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from ...clock import local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...lab.experiment import METRICS, ArmFigures, Results, results, state_of
from ...ledger.experiments import Stop, arms_taken, resume, runs_by_arm, stop, stops, trial_subjects
from ...registry.loading import registry_for
from ...registry.routes import Arm, Experiment
from ...report.significance import Estimate
from .. import render
from ..options import LedgerFlags, OutputFlags, RegistryFlags, command
from ..output import Output
from ..setup import settings_from
from ..tables import print_table
from ..using import check_used
from .ledgers import open_ledger, read_ledger

_FIGURES = ("subjects", "runs", "success", "cost $", "latency s", "confidence", "rating")
_NOT_DEFINED = "not defined"


@dataclass(frozen=True, kw_only=True)
class _ExperimentFlags(OutputFlags, LedgerFlags, RegistryFlags):
    action: Annotated[str, typer.Option(help="list, show, stop or resume.")] = "list"
    name: Annotated[str | None, typer.Option(help="The experiment.")] = None
    arm: Annotated[
        str | None, typer.Option(help="For stop: the arm that all runs use from now on.", show_default="the first")
    ] = None


@command(_ExperimentFlags, argument=("action", "name"))
def experiment(flags: _ExperimentFlags) -> int:
    """orch experiment; orch experiment show NAME; orch experiment stop NAME --arm ARM; orch experiment resume NAME.

    Define experiments in routing.yaml. To take part: orch run --experiment NAME [--subject WHO].
    """
    action = _ACTIONS.get(flags.action)
    if action is None:
        hint = did_you_mean(flags.action, _ACTIONS) or f"for its results: orch experiment show {flags.action}"
        raise UsageError(f"orch experiment takes list, show, stop or resume, not {flags.action!r}", hint=hint)
    check_used(flags, f"orch experiment {flags.action}", _USES)
    return action(flags, Output.parse(flags.output), settings_from(flags))


commands = {"experiment": experiment}


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the ledger has of experiments."""

    arms: Mapping[str, Sequence[str]]
    stops: Mapping[str, Stop]


def _kept(settings: Settings) -> _Kept:
    ledger = read_ledger(settings.ledger)
    if ledger is None:
        return _Kept({}, {})
    with ledger:
        return _Kept(arms_taken(ledger, simulated=settings.simulate), stops(ledger, simulated=settings.simulate))


def _all(settings: Settings, kept: _Kept) -> dict[str, Experiment]:
    """Those that are defined, and those that only have runs in the ledger any more."""
    defined = registry_for(settings).routing.experiments
    gone = {
        name: Experiment(name, tuple(Arm(arm, 1 / len(arms)) for arm in arms))
        for name, arms in kept.arms.items()
        if name not in defined
    }
    return {**defined, **gone}


def _state(experiment: Experiment, kept: _Kept, settings: Settings) -> str:
    if experiment.name not in registry_for(settings).routing.experiments:
        return _NOT_DEFINED
    return state_of(experiment, kept.stops.get(experiment.name), local_now())


def _list(flags: _ExperimentFlags, output: Output, settings: Settings) -> int:
    if flags.name is not None:
        raise UsageError(
            "orch experiment list takes no name", hint=f"for its results: orch experiment show {flags.name}"
        )
    kept = _kept(settings)
    ledger, runs = read_ledger(settings.ledger), dict[str, dict[str, int]]()
    if ledger is not None:
        with ledger:
            runs = runs_by_arm(ledger, simulated=settings.simulate)
    rows = [
        _row(experiment, runs.get(experiment.name, {}), _state(experiment, kept, settings))
        for experiment in _all(settings, kept).values()
    ]
    output.emit({"schema_version": 1, "simulated": settings.simulate, "experiments": rows})
    if not output.json:
        for row in rows:
            arms = ", ".join(f"{arm['name']} {arm['share']:.0%} ({arm['target']})" for arm in row["arms"])
            runs = sum(arm["runs"] for arm in row["arms"])
            render.line(f"{row['name']}: {row['state']}, {runs:,} run{'' if runs == 1 else 's'}; {arms}")
        if not rows:
            render.line("no experiments; docs/routing.md says how to define one")
    return 0


def _row(experiment: Experiment, runs: Mapping[str, int], state: str) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "description": experiment.description,
        "state": state,
        "arms": [
            {"name": arm.name, "target": arm.target, "share": arm.share, "runs": runs.get(arm.name, 0)}
            for arm in experiment.arms
        ],
    }


def _find(flags: _ExperimentFlags, known: Mapping[str, Experiment]) -> Experiment:
    if flags.name is None:
        example = next(iter(known), "NAME")
        raise UsageError(f"which experiment? for example: orch experiment {flags.action} {example}")
    if flags.name not in known:
        hint = did_you_mean(flags.name, known) or "orch experiment lists them"
        raise UsageError(f"there is no experiment {flags.name!r}", hint=hint)
    return known[flags.name]


def _show(flags: _ExperimentFlags, output: Output, settings: Settings) -> int:
    kept = _kept(settings)
    experiment = _find(flags, _all(settings, kept))
    ledger = read_ledger(settings.ledger)
    subjects = []
    if ledger is not None:
        with ledger:
            subjects = trial_subjects(ledger, experiment.name, simulated=settings.simulate)
    shown = results(
        experiment, subjects, stop=kept.stops.get(experiment.name), state=_state(experiment, kept, settings)
    )
    output.emit({"schema_version": 1, "kind": "experiment", "simulated": settings.simulate} | shown.to_dict())
    if not output.json:
        _print(shown)
    return 0


def _print(shown: Results) -> None:
    experiment = shown.experiment
    about = f": {experiment.description}" if experiment.description else ""
    kept = "" if shown.stop is None else f"; everybody gets {shown.stop.arm} since {shown.stop.at:%Y-%m-%d}"
    render.line(f"{experiment.name}{about} ({shown.state}{kept})\n")
    print_table(("arm", "answers with", *_FIGURES), map(_cells, shown.arms), right=_FIGURES)
    render.line("")
    for text in _verdicts(shown):
        render.line(text)
    for warning in shown.warnings:
        render.warn(warning)


def _cells(figures: ArmFigures) -> list[str]:
    cells = [figures.arm.name, figures.arm.target, f"{figures.subjects:,}", f"{figures.runs:,}"]
    return cells + [_cell(metric.name, figures.estimates[metric.name]) for metric in METRICS]


def _cell(metric: str, estimate: Estimate) -> str:
    if estimate.mean is None:
        return "-"
    mean = f"{estimate.mean:.1%}" if metric == "success" else f"{estimate.mean:.3g}"
    if estimate.low is None or estimate.high is None:
        return mean
    if metric == "success":  # Wilson's interval is not even on both sides
        return f"{mean} [{estimate.low:.1%}, {estimate.high:.1%}]"
    return f"{mean} ± {(estimate.high - estimate.low) / 2:.2g}"


def _verdicts(shown: Results) -> Iterator[str]:
    for comparison in shown.comparisons:
        yield f"{comparison.metric:<10}  {comparison.verdict}"


def _stop(flags: _ExperimentFlags, output: Output, settings: Settings) -> int:
    experiment = _find(flags, registry_for(settings).routing.experiments)
    arm = experiment.arms[0].name if flags.arm is None else flags.arm
    if experiment.arm(arm) is None:
        names = [each.name for each in experiment.arms]
        raise UsageError(
            f"{experiment.name} has no arm {arm!r}", hint=did_you_mean(arm, names) or f"arms: {', '.join(names)}"
        )
    with open_ledger(settings.ledger) as ledger:
        stop(ledger, experiment.name, arm, simulated=settings.simulate, at=local_now())
    output.emit({"schema_version": 1, "name": experiment.name, "state": "stopped", "kept_arm": arm})
    if not output.json:
        render.line(
            f"{experiment.name} is stopped: everybody gets {arm}; to undo: orch experiment resume {experiment.name}"
        )
    return 0


def _resume(flags: _ExperimentFlags, output: Output, settings: Settings) -> int:
    experiment = _find(flags, registry_for(settings).routing.experiments)
    with open_ledger(settings.ledger) as ledger:
        was_stopped = resume(ledger, experiment.name, simulated=settings.simulate)
    state = state_of(experiment, None, local_now())
    output.emit({"schema_version": 1, "name": experiment.name, "state": state, "kept_arm": None})
    if not output.json:
        render.line(f"{experiment.name}: {state}" if was_stopped else f"{experiment.name} was not stopped: {state}")
    return 0


_ACTIONS: dict[str, Callable[[_ExperimentFlags, Output, Settings], int]] = {
    "list": _list,
    "show": _show,
    "stop": _stop,
    "resume": _resume,
}
_USES = {f"orch experiment {action}": ("arm",) if action == "stop" else () for action in _ACTIONS}
