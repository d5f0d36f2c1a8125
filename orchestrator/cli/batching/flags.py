"""The flags of `orch batch`, and how those that a job is begun with are kept for when it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ...batch.reading import Form
from ...config.options import OPTIONS, Kind
from ...deferred import dataclass, replace
from ..options import RunFlags
from ..using import REGISTRY_FILES

RESUME, SAME = "--resume", "same"  # what `--resume` alone stands for: the batch of this input, or the last one
# Flags of `RunFlags` that say nothing of a batch, and options of a run that are another flag here.
NOT_OF_BATCHES = (
    *("asked", "prompt", "output", "context", "attach", "continue_", "rate_last"),
    *("stream", "max_cost_nanousd"),
)


class Via(StrEnum):
    """Which way lines are asked."""

    LIVE = "live"
    PROVIDER = "provider"
    AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class BatchFlags(RunFlags):
    """The flags of `orch batch`."""

    what: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The input, - for standard input; or what to do with a batch."),
    ] = None
    which: Annotated[
        str | None, typer.Option(metavar="[BATCH]", help="After submit, the input; else the batch, or last.")
    ] = None
    lease: Annotated[
        str | None, typer.Option(metavar="[LEASE]", help="For leases release and leases settle: the lease, or a batch.")
    ] = None
    out: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.jsonl",
            help="File for the results, an object a line; of list, show and --dry-run: text or json.",
            show_default="standard output",
        ),
    ] = None
    template: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            "-p",
            metavar="TEXT",
            help='Template for the prompts, with the fields of a line: "Translate {text}"; {line} is a plain line.',
        ),
    ] = None
    form: Annotated[
        Form | None,
        typer.Option("--form", help="How the input is written.", show_default="by its name, or its first line"),
    ] = None
    max_cost: Annotated[
        str | None, typer.Option("--max-cost", "-c", metavar="DOLLARS", help="Most that all lines may spend.")
    ] = None
    max_cost_each: Annotated[str | None, typer.Option(metavar="DOLLARS", help="Most that one line may spend.")] = None
    via: Annotated[
        Via | None,
        typer.Option(
            "--via",
            help="live; provider: the providers' batch APIs, at half of the price, within a day a round; auto: the "
            "cheaper way that meets --deadline.",
            show_default="live",
        ),
    ] = None
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="ADDRESS",
            help="Have Dask workers ask: those of a scheduler, tcp://HOST:8786, or local ones (local:4 for 4).",
            show_default="this process",
        ),
    ] = None
    at_least_once: Annotated[
        bool,
        typer.Option(
            "--at-least-once", help="Ask a line again even if a worker that was lost may have sent it already."
        ),
    ] = False
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Most lines at a time.", show_default="what rate limits let through"),
    ] = None
    deadline: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Ask no more lines after this time, such as 90m or 24h."),
    ] = None
    max_errors: Annotated[
        int | None, typer.Option(min=1, help="Ask no more lines after so many have failed.", show_default="no limit")
    ] = None
    unordered: Annotated[
        bool, typer.Option("--unordered", help="Write results as they come, not in the order of the input.")
    ] = False
    full: Annotated[bool, typer.Option("--full", help="Write all that orch run --output json has of each.")] = False
    resume: Annotated[
        str | None,
        typer.Option(
            RESUME,
            metavar="[BATCH]",
            help="Go on with a batch: by its id, or that of this input. The same command does so by itself.",
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost: at least, as expected, at most. Asks nothing.")
    ] = False


# What decides answers and how they are written: it is kept with the job, and stays as it is.
_KEPT = ("model", "system", "template", "form", "max_time", "max_wait", "max_cost_each", "unordered", "full")
_ROWS = ("given", "given_for_run")
# What stays as well, unless it is given anew.
_STAYS = ("via", "engine", "concurrency", "max_errors")

_OF_INPUT = ("form", "template", "system", "model", "max_time", "max_wait", "max_cost_each", *_ROWS)
_OF_FILES = (*REGISTRY_FILES, "scenario")
_OF_PASS = ("max_cost", "deadline", "verbose", "at_least_once", *_STAYS)
# What each thing that the command does makes use of, beside the ledger and the config file.
USES = {
    "orch batch": (*_OF_INPUT, *_OF_FILES, *_OF_PASS, "unordered", "full", "resume", "out"),
    "orch batch --dry-run": (*_OF_INPUT, *_OF_FILES, "via", "deadline", "dry_run", "out"),
    "orch batch list": ("out",),
    "orch batch show": ("out", "which"),
    "orch batch submit": (
        *_OF_INPUT,
        *_OF_FILES,
        *("max_cost", "verbose", "via", "concurrency", "max_errors", "unordered", "full", "out", "which"),
    ),
    "orch batch status": ("out", "which", *_OF_FILES),
    "orch batch fetch": ("which", *_OF_FILES, *_OF_PASS),
    "orch batch cancel": ("which", *_OF_FILES),
    "orch batch leases": ("out", "which", "lease"),
    "orch batch retry-failed": ("which", *_OF_FILES, *_OF_PASS),
}


def settings_of(flags: BatchFlags) -> str:
    """The flags that a job is begun with, as JSON."""
    kept = {name: getattr(flags, name) for name in (*_KEPT, *_STAYS, *_ROWS)}
    return json.dumps({name: value for name, value in kept.items() if value not in (None, False, {}, [])}, default=str)


def is_other(flags: BatchFlags, settings: str) -> str | None:
    """The first flag that decides answers and is not as the job has it; None if all are."""
    asked, begun = json.loads(settings_of(flags)), json.loads(settings)
    for name in (*_KEPT, *_ROWS):
        if asked.get(name) != begun.get(name):
            return name
    return None


def gives_none(flags: BatchFlags) -> bool:
    """Whether no flag was given that decides answers: then those that the job was begun with hold."""
    return all(getattr(flags, name) in (None, False, {}, []) for name in (*_KEPT, *_ROWS))


def with_settings(flags: BatchFlags, settings: str) -> BatchFlags:
    """The flags with what a job was begun with. `--via` chooses between this process and providers: workers are then
    those that `--engine` names beside it."""
    begun: dict[str, Any] = json.loads(settings)
    named = {name: begun[name] for name in _KEPT if name in begun}
    if "form" in named:
        named["form"] = Form(named["form"])
    rows: dict[str, Any] = {
        name: {key: _typed(key, value) for key, value in begun.get(name, {}).items()} for name in _ROWS
    }
    stays: dict[str, Any] = {
        name: begun.get(name) if (given := getattr(flags, name)) is None else given for name in _STAYS
    }
    if flags.via is not None:
        stays["engine"] = flags.engine
    elif flags.engine is not None:
        stays["via"] = None
    if stays["via"] is not None:
        stays["via"] = Via(stays["via"])
    return replace(flags, **named, **rows, **stays)


def _typed(name: str, value: Any) -> Any:
    """A written option of a run, as Typer gives it."""
    row = OPTIONS[name]
    if row.kind in (Kind.SCHEMA, Kind.TOOLS):
        return Path(value)
    if row.choices is not None:
        return [row.choices(each) for each in value] if isinstance(value, list) else row.choices(value)
    return value


def run_rows(flags: BatchFlags) -> Mapping[str, Any]:
    """The options of a run that were given, as they were written."""
    return {**flags.given, **flags.given_for_run}
