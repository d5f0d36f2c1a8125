"""`orch tune`: settings that would have done better on answers that were rated, or on recorded ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ...clock import local_now
from ...config import Settings
from ...config.tuned import Tuned, history, merged, undo, write_tuned
from ...deferred import dataclass
from ...errors import UsageError
from ...lab.grades import notes_on_grades
from ...lab.pricing import parse_prices, read_prices, recorded_model
from ...lab.reading import read_items
from ...lab.selecting import parse_split, recorded_as
from ...lab.tune.cases import Case, cases_of_items, cases_of_runs
from ...lab.tune.tuning import QUALITY
from ...lab.tune.tuning import tune as tune_settings
from ...ledger.ratings import rated_runs
from ...reading.complexity import analyzer_for
from ...registry.loading import registry_for
from ...types import Level
from .. import render
from ..options import LedgerFlags, OutputFlags, PriceFlags, RegistryFlags, command
from ..output import Output
from ..setup import settings_from, tuned_file_from
from ..using import REGISTRY_FILES, check_used
from .ledgers import read_existing_ledger, tell_of_other_runs
from .tuned_settings import in_force, overridden
from .tuning_shown import Told, comment

_TOO_LITTLE = 2
_NO_RATINGS = "rate answers with: orch rate last good; it takes at least 20 good and 20 bad ones"


@dataclass(frozen=True, kw_only=True)
class _TuneFlags(PriceFlags, OutputFlags, LedgerFlags, RegistryFlags):
    files: Annotated[
        list[Path] | None,
        typer.Option(help="Recorded outcomes, as for orch bench. Without files: the rated runs of the ledger."),
    ] = None
    weak: Annotated[str | None, typer.Option(help="The weaker, cheaper model.")] = None
    strong: Annotated[str | None, typer.Option(help="The stronger model, for prompts that the weaker one fails.")] = (
        None
    )
    split: Annotated[
        str | None,
        typer.Option(help="Part of the prompts to use, chosen by hash: dev, test, a share 0.5, or a range 0.5:1."),
    ] = None
    quality: Annotated[float, typer.Option(help="Share of the strong model's quality to keep at the lowest cost.")] = (
        QUALITY
    )
    weights: Annotated[
        bool,
        typer.Option("--weights", help="Also fit the weights of the features of the complexity score."),
    ] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")] = False
    force: Annotated[bool, typer.Option("--force", help="Write the fitted settings even if the data show no gain.")] = (
        False
    )
    undo: Annotated[bool, typer.Option("--undo", help="Restore the settings from before the last tuning.")] = False
    show: Annotated[bool, typer.Option("--show", help="Show the settings in use and where each comes from.")] = False


@command(_TuneFlags, argument="files")
def tune(flags: _TuneFlags) -> int:
    """Fits the calibration of confidence, the threshold of fallback and the complexity cuts, on the runs that you rated
    (orch rate) or on FILES. Each new value is compared with the current one on prompts that the fit has not seen. A
    significantly better value is written to tuned.yaml beside the config file; the config file overrides it.

    Threshold and cuts need prompts that two models answered. Exit code 2: too few data; the message says how many are
    needed. Exit code 0 without a change: the data show no gain.
    """
    output = Output.parse(flags.output)
    _check(flags)
    if flags.undo:
        return _undo(flags, output)
    settings = settings_from(flags)
    return _show(settings, output) if flags.show else _tune(flags, settings, output)


commands = {"tune": tune}

_FITTING = ("weak", "strong", "quality", "weights", "dry_run", "force", *REGISTRY_FILES)
_USES = {
    "orch tune": ("ledger", *_FITTING),  # runs have their costs in the ledger
    "orch tune FILES": ("price", "prices", "split", *_FITTING),
    "orch tune --undo": ("undo",),
    "orch tune --show": ("show",),
}


def _check(flags: _TuneFlags) -> None:
    if flags.undo and flags.show:
        raise UsageError("--undo and --show do not go together")
    if (flags.undo or flags.show) and flags.files:
        raise UsageError(f"--{'undo' if flags.undo else 'show'} takes no FILES")
    alone = "orch tune FILES" if flags.files else "orch tune"
    check_used(flags, "orch tune --undo" if flags.undo else "orch tune --show" if flags.show else alone, _USES)
    if not 0 < flags.quality <= 1:
        raise UsageError(f"--quality takes a share above 0 and up to 1, not {flags.quality:g}")
    if flags.weak is not None and flags.weak == flags.strong:
        raise UsageError(f"the weak and the strong model are both {flags.weak}", hint="name two different ones")


def _undo(flags: _TuneFlags, output: Output) -> int:
    path = tuned_file_from(flags)  # without reading it: a broken one is to be undone too
    there = undo(path)
    left = len(history(path))
    output.emit({"schema_version": 1, "kind": "tune_undo", "file": str(path), "exists": there, "undoable": left})
    if not output.json:
        render.line(f"{path} {'is what it was before' if there else 'is gone: there was none before'}")
    return 0


def _show(settings: Settings, output: Output) -> int:
    path, current = settings.tuned_file, in_force(settings)
    left = len(history(path))
    document = {"schema_version": 1, "kind": "tune_show", "simulated": settings.simulate, "file": str(path)}
    document |= {"exists": path.exists(), "undoable": left, "settings": [asdict(setting) for setting in current]}
    output.emit(document)
    if not output.json:
        for setting in current:
            value = setting.value if setting.key != "complexity.adjustment" else _in_short(setting.value)
            render.line(f"{setting.key}: {value} ({setting.source})")
        render.line(f"{left} {'tuning' if left == 1 else 'tunings'} can be undone" if left else "nothing to undo")
    return 0


def _in_short(adjustment: dict[str, Any] | None) -> str:
    return "none" if adjustment is None else f"{len(adjustment['weights'])} features"


def _tune(flags: _TuneFlags, settings: Settings, output: Output) -> int:
    levels: Mapping[str, Sequence[Level]]
    notes: list[str] = []
    cases, levels = _from_files(flags, settings, notes) if flags.files else _from_ledger(flags, settings)
    known = sorted({name for case in cases for name in case.answers})
    weak, strong = (
        None if name is None else recorded_as(name, known, "the file" if flags.files else "the ledger")
        for name in (flags.weak, flags.strong)
    )
    tuning = tune_settings(
        cases,
        settings,
        levels,
        weak=weak,
        strong=strong,
        quality=flags.quality,
        weights=flags.weights,
        force=flags.force,
    )
    accepted = tuning.accepted(force=flags.force)
    written = accepted != Tuned() and not flags.dry_run
    path = settings.tuned_file
    told = Told(
        tuning=tuning,
        sources=tuple(map(str, flags.files or [settings.ledger])),
        of_runs=not flags.files,
        simulated=settings.simulate,
        file=path,
        dry_run=flags.dry_run,
        forced=flags.force,
        changed=accepted != Tuned(),
        written=written,
        overridden=tuple(overridden(settings, accepted)),
        notes=tuple(notes),
    )
    if written:
        write_tuned(path, merged(path, accepted), comment(told, local_now()))
    output.emit(told.to_dict())
    if not output.json:
        told.show()
    if tuning.could_tell or accepted != Tuned():
        return 0
    render.error(UsageError("there is too little data to tell", hint=told.needed()))
    return _TOO_LITTLE


def _from_ledger(flags: _TuneFlags, settings: Settings) -> tuple[list[Case], Mapping[str, Sequence[Level]]]:
    with read_existing_ledger(settings) as ledger:
        tell_of_other_runs(ledger, settings)
        runs = rated_runs(ledger, simulated=settings.simulate)
    if not runs:
        kind = "simulated run" if settings.simulate else "run"
        raise UsageError(f"no {kind} in {settings.ledger} has been rated", hint=_NO_RATINGS)
    cases = cases_of_runs(runs, analyzer_for(settings), with_evidence=flags.weights)
    return cases, {name: spec.levels for name, spec in registry_for(settings).models.items()}


def _from_files(
    flags: _TuneFlags, settings: Settings, notes: list[str]
) -> tuple[list[Case], Mapping[str, Sequence[Level]]]:
    prices = ({} if flags.prices is None else read_prices(flags.prices)) | parse_prices(flags.price or ())
    chosen = parse_split(flags.split or "0:1")
    registry, now = registry_for(settings), local_now()
    items = [item for path in flags.files or () for item in read_items(path) if chosen(item.prompt)]
    if not items:
        raise UsageError(f"no prompt of these files is in the part {flags.split}")
    notes += notes_on_grades(items)
    names = {name for item in items for name in item.outcomes}
    models = {name: recorded_model(name, registry, prices, now) for name in sorted(names)}
    cases = cases_of_items(items, models, analyzer_for(settings), with_evidence=flags.weights)
    return cases, {name: model.levels for name, model in models.items()}
