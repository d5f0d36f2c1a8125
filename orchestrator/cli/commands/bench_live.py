"""The live part of `orch bench`: real models are asked, within a budget, and what they answer is graded and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ...config import Settings
from ...config.options import asked_for
from ...deferred import dataclass, replace
from ...errors import EXIT_PARTLY_FAILED, UsageError
from ...lab.live import Gathered, Gathering, LiveOptions
from ...lab.reading import read_prompts
from ...lab.records import Asked, Item
from ...lab.running import BenchOptions
from ...lab.writing import RecordFile
from ...money import format_nanousd, format_short
from ...registry.model import Registry
from .. import render
from ..interrupts import Signals
from ..options import SimulateFlag
from ..setup import cost_from

_SHOWN_FAILURES = 5


@dataclass(frozen=True, kw_only=True)
class LiveFlags(SimulateFlag):
    """The flags of `orch bench --live`."""

    live: Annotated[
        Path | None,
        typer.Option(
            metavar="PROMPTS.jsonl", help="Ask --models these prompts, and add the answers to the --write file."
        ),
    ] = None
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Live: the model that grades answers where the prompt has no expected answer."
        ),
    ] = None
    max_cost: Annotated[
        str | None, typer.Option("--max-cost", "-c", metavar="DOLLARS", help="Live: most to spend in all.")
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Live: most output tokens of each call.", show_default="8192")
    ] = None
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl[.gz]",
            help="Live: file for the recorded outcomes; what it holds already is not asked again.",
        ),
    ] = None
    ledger_file: Annotated[Path | None, typer.Option(help="Ledger file (ORCH_LEDGER).")] = None


def gather(flags: LiveFlags, options: BenchOptions, settings: Settings, registry: Registry) -> tuple[list[Item], int]:
    """Ask what is not in the file yet; gives what is then in it of these prompts, and the exit code.

    Raises UsageError, before anything is asked, for what is missing or wrong, and the error that stopped it if there is
    nothing to look at.
    """
    assert flags.live is not None
    live = _live_options(flags, options, settings, registry)
    prompts = read_prompts(flags.live)
    if flags.write is None:
        raise UsageError("--live needs --write FILE.jsonl.gz: what is paid for is kept")
    with RecordFile.open(flags.write) as file, render.Progress() as progress:
        gathering = Gathering(settings, registry, live, file, progress)
        try:
            gathered = Signals[Gathered]().run(gathering.gather(prompts))
        finally:
            _tell(gathering.gathered, flags.write)
        items = _whole(prompts, file, live)
    if gathered.stopped is not None:
        if not items:
            raise gathered.stopped
        render.error(gathered.stopped)
        return items, gathered.stopped.exit_code
    if not items:
        raise UsageError("no prompt has answers of all models", hint="what stood in the way is said above")
    return items, EXIT_PARTLY_FAILED if gathered.failures else 0


def with_registry_names(options: BenchOptions, registry: Registry) -> BenchOptions:
    """The options with every model by its name in the registry: aliases will do to ask one."""

    def named(name: str | None) -> str | None:
        return None if name is None else registry.model(name).name

    models = tuple(dict.fromkeys(registry.model(name).name for name in options.models))
    return replace(options, weak=named(options.weak), strong=named(options.strong), models=models)


def _live_options(flags: LiveFlags, options: BenchOptions, settings: Settings, registry: Registry) -> LiveOptions:
    names = (options.weak, options.strong, *options.models)
    models = tuple(dict.fromkeys(name for name in names if name is not None))
    if len(models) < 2:
        raise UsageError("--live compares models: name at least two", hint="--models a,b or --weak a --strong b")
    if flags.max_cost is None and not settings.simulate:
        raise UsageError("--live spends money: say how much at most with --max-cost", hint="or try it with --simulate")
    judge = None if flags.judge is None else registry.model(flags.judge).name
    measured = replace(
        settings.run, cache_s=0.0, semantic_cache=()
    )  # each answer is asked for, whatever the user's file says
    run = asked_for(measured, {"max_tokens": flags.max_tokens}, {"max_tokens": "--max-tokens"})
    cap = None if flags.max_cost is None else cost_from(flags.max_cost)
    return LiveOptions(models, options.plans, judge, cap, run)


def _whole(prompts: Sequence[Asked], file: RecordFile, live: LiveOptions) -> list[Item]:
    """The prompts that have an outcome of every model."""
    there = (file.items.get(asked.id) for asked in prompts)
    return [item for item in there if item is not None and all(model in item.outcomes for model in live.models)]


def _tell(gathered: Gathered, path: Path) -> None:
    for failure in gathered.failures[:_SHOWN_FAILURES]:
        render.warn(failure)
    if len(gathered.failures) > _SHOWN_FAILURES:
        render.warn(f"and {len(gathered.failures) - _SHOWN_FAILURES} more like these; run it again to ask them again")
    judging = f", of it {format_short(gathered.judging_nanousd)} for judging" if gathered.judging_nanousd else ""
    render.say(f"{gathered.outcomes:,} answers added to {path} for {format_nanousd(gathered.spent_nanousd)}{judging}")
