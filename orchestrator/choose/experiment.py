"""Assigns subjects to an experiment's arms: the same subject always gets the same arm, by a hash, without stored
state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from ..deferred import dataclass
from ..errors import UsageError, did_you_mean
from ..registry.routes import Arm, Experiment
from ..types import digest_of

_DIGITS = 16  # of the digest in hex


@dataclass(frozen=True, slots=True)
class Assigned:
    """The arm of a run, and why. `subject` is the SHA-256, in hex, of the subject.

    `counts` is False for a run outside the experiment, which has ended or not begun.
    """

    experiment: Experiment
    arm: Arm
    subject: str
    counts: bool
    reason: str


def assign(experiment: Experiment, subject: str, *, today: date, stopped: Mapping[str, str]) -> Assigned:
    """A subject's arm. Outside the experiment's days everybody gets the control; after a stop, the arm that it was
    stopped with."""
    digest = digest_of(subject)
    name, control = experiment.name, experiment.arms[0]
    if name in stopped:
        kept = experiment.arm(stopped[name]) or control
        return Assigned(experiment, kept, digest, False, f"experiment {name} was stopped: everybody gets {kept.name}")
    if not experiment.runs_on(today):
        when = f"begins on {experiment.start}" if experiment.start and today < experiment.start else "has ended"
        return Assigned(experiment, control, digest, False, f"experiment {name} {when}: everybody gets {control.name}")
    arm = draw(experiment, subject)
    reason = f"experiment {name}: {arm.name} ({arm.share:.0%}), {arm.target}"
    return Assigned(experiment, arm, digest, True, reason)


def draw(experiment: Experiment, subject: str) -> Arm:
    """The arm of a subject, by SHA-256 of the experiment's name and the subject.

    With the name in the hash, a subject's arm in one experiment says nothing about its arm in another.
    """
    point = int(digest_of(f"{experiment.name}\0{subject}")[:_DIGITS], 16) / 16**_DIGITS
    for arm in experiment.arms:
        if point < arm.share:
            return arm
        point -= arm.share
    return experiment.arms[-1]  # the shares sum to 1 but for the last bit of a float


def choose(experiments: Mapping[str, Experiment], wanted: str | None) -> Experiment:
    """The experiment by name, or the only one that is defined. Raises UsageError."""
    if wanted is None:
        if len(experiments) == 1:
            return next(iter(experiments.values()))
        hint = f"there are: {', '.join(experiments)}" if experiments else "docs/routing.md says how to define one"
        raise UsageError("which experiment? name it with --experiment", hint=hint)
    if wanted not in experiments:
        hint = did_you_mean(wanted, experiments) or f"there are: {', '.join(experiments) or 'none'}"
        raise UsageError(f"there is no experiment {wanted!r}", hint=hint)
    return experiments[wanted]
