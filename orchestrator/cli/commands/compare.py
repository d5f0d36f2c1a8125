"""`orch compare`: one prompt on several models, or past runs, side by side."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any

import typer

from ...choose.making import Planned
from ...clock import local_now
from ...confidence.synthesis import capability
from ...deferred import dataclass, replace
from ...errors import OrchError, UsageError
from ...money import format_short
from ...plan import CostRange
from ...registry.loading import registry_for
from ...registry.model import Registry
from ...report.figures import Sheet
from ...report.side_by_side import SideBySide, side_by_side
from ...run.engine import Engine, RunInterrupted
from ...run.result import OrchestrationResult, recorded_result, refused_result
from .. import render
from ..interrupts import Signals
from ..options import RunFlags, command
from ..setup import options_from, settings_from
from ..source import asked_of
from ..table_output import TableFlags, TableOutput
from ..tables import print_table
from ..using import REGISTRY_FILES, check_used
from ..watching import Watcher
from .ledgers import find_recorded, read_existing_ledger

PARTLY_FAILED = 10
_RUNS, _MODELS = "orch compare RUN RUN", "orch compare -m"
# What decides on whom to ask, or needs one run alone.
_OMITTED = (
    *("strategy", "chain", "ensemble_size", "models", "role", "tier", "critical", "requires", "routine", "task"),
    *("experiment", "subject", "max_latency_s", "min_quality", "stream", "rate_last"),
)


@dataclass(frozen=True, kw_only=True)
class _CompareFlags(TableFlags, RunFlags):
    asked: Annotated[
        str | None,
        typer.Option(metavar="PROMPT|RUN", help="The prompt, in quotes; without -m, a run: its id, or last."),
    ] = None
    others: Annotated[list[str] | None, typer.Option(metavar="RUN...", help="Other runs.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would cost; call nothing.")] = False


@command(_CompareFlags, argument=("asked", "others"), omit=_OMITTED)
def compare(flags: _CompareFlags) -> int:
    """orch compare "Why is the sky blue?" -m haiku -m gpt-6-luna; orch compare last 01K5.

    Each model is asked alone, at the same time as the others, in a run of its own: budgets, --max-cost (for all of them
    together) and the ledger are as for orch run. What it will cost is said first, on stderr. The score is what an
    ensemble would give each answer.

    Exit codes are those of orch run; 10 where some models answered and others did not.
    """
    live = flags.model is not None
    check_used(flags, _MODELS if live else _RUNS, _USES)
    output = TableOutput.parse(flags.output)
    if not live:
        return _shown(_recorded(flags), output)
    if flags.others:
        raise UsageError("the prompt is one argument", hint='put it in quotes: orch compare "Why?" -m haiku -m sonnet')
    settings = settings_from(flags)
    engine = Engine(settings)
    names = _names(flags, engine.registry)
    planned = _planned(flags, engine, names)
    costs = {name: each.cost for name, each in planned.items() if isinstance(each, Planned)}
    if flags.dry_run:
        return _priced(planned, costs, output, simulated=settings.simulate)
    render.say(f"asking {len(costs)} models: {_words(list(costs.values()))}")
    signals: Signals[list[OrchestrationResult]] = Signals()
    watcher = Watcher(verbose=flags.verbose, stream_answer=False)
    try:
        results = signals.run(_asked(engine, list(planned.values()), watcher, simulated=settings.simulate))
    finally:
        watcher.close()
    capabilities = {name: capability(engine.registry.model(name).top_level) for name in names}
    code = _shown(side_by_side(list(zip(names, results, strict=True)), capabilities), output)
    return signals.exit_code or code


commands = {"compare": compare}

_USES = {
    _RUNS: ("asked", "others", *REGISTRY_FILES),
    _MODELS: tuple(
        row.name for row in fields(_CompareFlags) if row.name not in ("output", "simulate", "ledger", "config")
    ),
}


def _names(flags: _CompareFlags, registry: Registry) -> list[str]:
    """The models to ask, by their own names. Raises UsageError for fewer than two."""
    written = [name.strip() for each in flags.model or () for name in each.split(",")]
    names = list(dict.fromkeys(registry.model(name).name for name in written))
    if len(names) < 2:
        raise UsageError("orch compare needs two models or more", hint='orch compare "Why?" -m haiku -m sonnet')
    return names


def _planned(flags: _CompareFlags, engine: Engine, names: Sequence[str]) -> dict[str, Planned | OrchError]:
    """What to carry out for each model, or why it cannot be asked. Raises the first error if none can."""
    prompt = asked_of(flags, engine.settings, engine.registry)
    options = options_from(flags, engine.settings.run, stream=False)
    if options.max_cost_nanousd is not None:
        options = replace(options, max_cost_nanousd=options.max_cost_nanousd // len(names))
    made: dict[str, Planned | OrchError] = {}
    for name in names:
        try:
            made[name] = engine.plan(prompt, replace(options, chain=name), shown=flags.dry_run)
        except UsageError:
            raise
        except OrchError as error:
            made[name] = error
    errors = [each for each in made.values() if isinstance(each, OrchError)]
    if len(errors) == len(names):
        raise errors[0]
    return made


async def _asked(
    engine: Engine, planned: Sequence[Planned | OrchError], watcher: Watcher, *, simulated: bool
) -> list[OrchestrationResult]:
    async def ask(each: Planned | OrchError) -> OrchestrationResult:
        try:
            if isinstance(each, OrchError):
                raise each
            return await engine.execute(each, watcher)
        except RunInterrupted as interrupted:
            return interrupted.result
        except OrchError as error:
            return refused_result(error, strategy="fallback", simulated=simulated, when=local_now())

    async with engine:
        tasks = [asyncio.ensure_future(ask(each)) for each in planned]
        try:
            return await asyncio.gather(*tasks)
        except asyncio.CancelledError:  # each has been cancelled too, and has an end in the ledger
            return await asyncio.gather(*tasks)


def _recorded(flags: _CompareFlags) -> SideBySide:
    wanted = [each for each in (flags.asked, *(flags.others or ())) if each is not None]
    if len(wanted) < 2:
        raise UsageError(
            "orch compare takes two runs, or a prompt and two models",
            hint='orch compare RUN RUN, or orch compare "Why?" -m haiku -m sonnet',
        )
    settings = settings_from(flags)
    with read_existing_ledger(settings) as ledger:
        found = [recorded_result(find_recorded(ledger, settings, each)) for each in wanted]
    known = registry_for(settings).models
    capabilities = {name: capability(spec.top_level) for name, spec in known.items()}
    return side_by_side([(_title(result, found), result) for result in found], capabilities)


def _title(result: OrchestrationResult, among: Sequence[OrchestrationResult]) -> str:
    """The run's model, with its strategy and id where that does not tell it from the others."""
    model = result.model_used or result.status
    if [each.model_used for each in among].count(result.model_used) == 1:
        return model
    return f"{model} ({result.strategy}, {result.run_id})"


def _shown(compared: SideBySide, output: TableOutput) -> int:
    output.emit(compared.to_dict(), rows=compared.rows, tables=lambda: [compared.sheet()])
    if output.is_text:
        from ...report.compare_table import CompareTable  # heavy

        render.table(CompareTable(compared, in_columns=render.is_terminal(sys.stdout)))
    failed = [side.result.exception for side in compared.sides if side.result.exception is not None]
    for error in {str(error): error for error in failed}.values():
        render.error(error)
    if not failed:
        return 0
    return failed[0].exit_code if len(failed) == len(compared.sides) else PARTLY_FAILED


def _priced(
    planned: dict[str, Planned | OrchError], costs: dict[str, CostRange], output: TableOutput, *, simulated: bool
) -> int:
    """Show what the comparison would cost."""
    rows: list[dict[str, Any]] = [
        {"model": name, **_amounts(costs.get(name)), "error": each.message if isinstance(each, OrchError) else None}
        for name, each in planned.items()
    ]
    document = {"schema_version": 1, "kind": "compare", "simulated": simulated, "dry_run": True, "models": rows}
    sheet = Sheet(
        title="What the comparison would cost",
        names=("Model", "Obstacle"),
        figures=("Lowest", "Expected", "Highest"),
        rows=tuple((model, obstacle, *amounts) for model, *amounts, obstacle in map(_cells, rows)),
        notes=(_words(list(costs.values())),),
    )
    output.emit(document, rows=lambda: (tuple(rows[0]), rows), tables=lambda: [sheet])
    if output.is_text:
        headings = ("model", "lowest", "expected", "highest", "")
        print_table(headings, (_cells(row) for row in rows), right=headings[1:4])
        render.line(_words(list(costs.values())))
    return 0


def _amounts(cost: CostRange | None) -> dict[str, int | None]:
    names = ("minimum", "expected", "maximum")
    return {f"{name}_nanousd": None if cost is None else getattr(cost, name) for name in names}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    amounts = (row[f"{name}_nanousd"] for name in ("minimum", "expected", "maximum"))
    return (row["model"], *(format_short(amount) for amount in amounts), row["error"] or "")


def _words(costs: Sequence[CostRange]) -> str:
    expected, most = [cost.expected for cost in costs], [cost.maximum for cost in costs]
    if None in expected or None in most:
        return "some of it unpriced"
    return f"{format_short(sum(filter(None, expected)))} expected, at most {format_short(sum(filter(None, most)))}"
