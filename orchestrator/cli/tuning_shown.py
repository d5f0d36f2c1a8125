"""What `orch tune` found, as its JSON object, as text, and as the comment at the head of the file that it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..bench.held_out import FOLDS, Change, digits
from ..bench.intervals import Estimate
from ..bench.part import Finding, Part
from ..bench.tuning import Tuning
from ..deferred import dataclass
from ..report.plain import one_line
from . import render
from .tables import print_table

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
            "parts": [_part(part) for part in tuning.parts],
            "file": str(self.file),
            "dry_run": self.dry_run,
            "forced": self.forced,
            "written": self.written,
            "overridden": list(self.overridden),
        }

    def show(self) -> None:
        """Print it."""
        render.line(f"{self._counts()}; figures are held out, with 95 % intervals")
        for part in self.tuning.parts:
            render.line("")
            render.line(f"{part.name}: {_values(part)}: {_WORDS[part.finding]}")
            render.line(f"  {part.reason}")
            if (more := _more(part)) is not None:
                render.line(f"  {more}")
            if part.changes:
                print_table(("", "before", "after", "difference"), map(_cells, part.changes), indent=True)
        render.line("")
        for text in self._conclusion():
            render.line(text)

    def needed(self) -> str:
        """What it takes to tell."""
        found = [more for part in self.tuning.parts if (more := _more(part)) is not None]
        return found[0] if found else "; ".join(f"{part.name}: {part.reason}" for part in self.tuning.parts)

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
        f"Written by orch tune (orch {version('orch')}) on {now:%Y-%m-%d}; orch tune --undo takes it back.",
        f"{told._counts()}; figures are held out ({FOLDS} parts, cross-fitted), with 95 % intervals.",
    ]
    lines += [f"{part.name}: {_WORDS[part.finding]}: {part.reason}" for part in told.tuning.parts]
    return [one_line(line) for line in lines]


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "finding": part.finding.value,
        "reason": part.reason,
        "in_force": part.settings,
        "fitted": part.fitted,
        "prompts": part.prompts,
        "answers": part.answers,
        "more_needed": part.more_needed,
        "figures": [
            {
                "name": change.name,
                "before": asdict(change.before),
                "after": asdict(change.after),
                "difference": asdict(change.difference),
            }
            for change in part.changes
        ],
    }


def _values(part: Part) -> str:
    def said(settings: dict[str, Any]) -> str:
        if "weights" in settings:
            return f"{len(settings['weights'])} features of your own"
        return ", ".join(str(value) if key == part.name else f"{key} {value}" for key, value in settings.items())

    if part.fitted is None or part.fitted == part.settings:
        return said(part.settings)
    return f"{said(part.settings)} → {said(part.fitted)}"


def _more(part: Part) -> str | None:
    if part.more_needed is None:
        return None
    what = "rated answers" if part.name == "confidence" else "prompts with rated answers of both models"
    if part.finding is Finding.TOO_LITTLE_DATA:
        return f"about {part.more_needed:,} more {what} are needed, if they come out like these"
    return f"if the gain is as large as it looks, about {part.more_needed:,} more {what} would show it"


def _cells(change: Change) -> tuple[str, ...]:
    return (change.name, *map(_estimate, (change.before, change.after, change.difference)))


def _estimate(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return digits(found.value)
    return f"{digits(found.value)} ({digits(found.low)} to {digits(found.high)})"
