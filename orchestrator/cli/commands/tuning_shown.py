"""What `orch tune` found, as its JSON object, as text, and as the comment at the head of the file that it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...deferred import dataclass
from ...distribution import DISTRIBUTION
from ...lab.intervals import Estimate
from ...lab.tune.held_out import FOLDS, Change, digits
from ...lab.tune.tuning import Tuning
from ...lab.tuned_setting import Finding, TunedSetting
from ...report.plain import one_line
from .. import render
from ..tables import print_table

_WORDS = {
    Finding.IMPROVED: "better",
    Finding.NO_IMPROVEMENT: "stays",
    Finding.TOO_LITTLE_DATA: "too little data to tell",
    Finding.NOT_IN_DATA: "cannot be told from these data",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A tuning, and what was done with it."""

    tuning: Tuning
    sources: tuple[str, ...]
    of_runs: bool
    simulated: bool
    file: Path
    dry_run: bool
    forced: bool
    changed: bool
    written: bool
    overridden: tuple[str, ...]
    notes: tuple[str, ...] = ()  # on the grades of the files

    def to_dict(self) -> dict[str, Any]:
        """The object that docs/json.md describes."""
        tuning = self.tuning
        return {
            "schema_version": 1,
            "kind": "tune",
            "simulated": self.simulated,
            "sources": list(self.sources),
            "prompts": tuning.prompts,
            "answers": tuning.answers,
            "weak": None if tuning.pair is None else tuning.pair.weak,
            "strong": None if tuning.pair is None else tuning.pair.strong,
            "parts": [_setting(setting) for setting in tuning.settings],
            "file": str(self.file),
            "dry_run": self.dry_run,
            "forced": self.forced,
            "written": self.written,
            "overridden": list(self.overridden),
            "notes": list(self.notes),
        }

    def show(self) -> None:
        """Print it."""
        render.line(f"{self._counts()}; figures are held out, with 95 % intervals")
        for note in self.notes:
            render.line(note)
        for setting in self.tuning.settings:
            render.line("")
            render.line(f"{setting.name}: {_values(setting)}: {_WORDS[setting.finding]}")
            render.line(f"  {setting.reason}")
            if (more := _more(setting)) is not None:
                render.line(f"  {more}")
            if setting.changes:
                print_table(("", "before", "after", "difference"), map(_cells, setting.changes), indent=True)
        render.line("")
        for text in self._conclusion():
            render.line(text)

    def needed(self) -> str:
        """What it takes to tell."""
        numbers = [more for setting in self.tuning.settings if (more := _more(setting)) is not None]
        return (
            numbers[0]
            if numbers
            else "; ".join(f"{setting.name}: {setting.reason}" for setting in self.tuning.settings)
        )

    def _counts(self) -> str:
        tuning = self.tuning
        kind = "rated answers" if self.of_runs else "recorded answers"
        where = ", ".join(one_line(source) for source in self.sources)
        return f"{tuning.answers:,} {kind} to {tuning.prompts:,} prompts, from {where}"

    def _conclusion(self) -> Iterator[str]:
        if self.written:
            yield f"written to {self.file}; to take it back: orch tune --undo"
        elif self.changed:
            yield f"nothing was written; without --dry-run it would go to {self.file}"
        else:
            yield "nothing was changed"
        for key in self.overridden:
            yield f"{key} stands in your config file too, which comes first: take it out there for this to count"


def comment(told: Told, now: datetime) -> list[str]:
    """The lines at the head of the file: where its values come from, and what they are worth."""
    lines = [
        f"Written by orch tune (orch {version(DISTRIBUTION)}) on {now:%Y-%m-%d}; orch tune --undo takes it back.",
        f"{told._counts()}; figures are held out ({FOLDS} parts, cross-fitted), with 95 % intervals.",
    ]
    lines += [f"{setting.name}: {_WORDS[setting.finding]}: {setting.reason}" for setting in told.tuning.settings]
    return [one_line(line) for line in lines]


def _setting(setting: TunedSetting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "finding": setting.finding.value,
        "reason": setting.reason,
        "in_force": setting.in_force,
        "fitted": setting.fitted,
        "prompts": setting.prompts,
        "answers": setting.answers,
        "more_needed": setting.more_needed,
        "figures": [
            {
                "name": change.name,
                "before": asdict(change.before),
                "after": asdict(change.after),
                "difference": asdict(change.difference),
            }
            for change in setting.changes
        ],
    }


def _values(setting: TunedSetting) -> str:
    def said(settings: dict[str, Any]) -> str:
        if "weights" in settings:
            return f"{len(settings['weights'])} features of your own"
        return ", ".join(str(value) if key == setting.name else f"{key} {value}" for key, value in settings.items())

    if setting.fitted is None or setting.fitted == setting.in_force:
        return said(setting.in_force)
    return f"{said(setting.in_force)} → {said(setting.fitted)}"


def _more(setting: TunedSetting) -> str | None:
    if setting.more_needed is None:
        return None
    what = "rated answers" if setting.name == "confidence" else "prompts with rated answers of both models"
    if setting.finding is Finding.TOO_LITTLE_DATA:
        return f"about {setting.more_needed:,} more {what} are needed, if they come out like these"
    return f"if the gain is as large as it looks, about {setting.more_needed:,} more {what} would show it"


def _cells(change: Change) -> tuple[str, ...]:
    return (change.name, *map(_estimate, (change.before, change.after, change.difference)))


def _estimate(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return digits(estimate.value)
    return f"{digits(estimate.value)} ({digits(estimate.low)} to {digits(estimate.high)})"
