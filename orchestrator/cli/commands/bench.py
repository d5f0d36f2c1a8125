"""`orch bench`: what decisions are worth, on recorded outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from ...choose.table import STRATEGIES
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError
from ...files import replacing
from ...lab.arrays import numpy
from ...lab.own_runs import items_of, observe, read_rated
from ...lab.parsing import parse_names, parse_shares, parse_strategies, parse_thresholds
from ...lab.pricing import parse_prices, read_prices
from ...lab.reading import read_items
from ...lab.records import Item
from ...lab.replay import REPLAYABLE
from ...lab.report import BenchReport, LedgerReport
from ...lab.running import BenchOptions, bench_set, together
from ...lab.selecting import parse_split, sample
from ...ledger.queries import find_run
from ...registry.loading import registry_for
from ...registry.model import Registry
from ...report.drawing import vl_convert
from .. import render
from ..interrupts import Signals
from ..options import LedgerFlags, OutputFlags, PriceFlags, RegistryFlags, command
from ..output import Output
from ..setup import settings_from
from ..using import check_used
from .bench_live import LiveFlags, gather, with_registry_names
from .bench_semantic import PairsFlags, bench_pairs
from .ledgers import read_ledger, tell_of_other_runs

_PICTURES = (".svg", ".html")


@dataclass(frozen=True, kw_only=True)
class _BenchFlags(PriceFlags, LiveFlags, PairsFlags, OutputFlags, RegistryFlags):
    files: Annotated[
        list[Path] | None, typer.Option(help="Recorded outcomes as JSON lines or CSV, also gzipped (docs/bench.md).")
    ] = None
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            "-s",
            help="cheapest, fallback, ensemble; with --live named plans too. Separated by commas.",
            show_default="all three",
        ),
    ] = None
    weak: Annotated[str | None, typer.Option(help="The weaker, cheaper model.")] = None
    strong: Annotated[str | None, typer.Option(help="The stronger model to compare with.")] = None
    models: Annotated[
        str | None,
        typer.Option(help="Models to look at, separated by commas.", show_default="the weak and the strong one"),
    ] = None
    threshold: Annotated[
        str | None,
        typer.Option(
            help="0.4, a list 0.4,0.5, or a sweep 0:1:0.05: the complexity from which the strong model is asked, "
            "and the confidence from which an answer is accepted.",
            show_default="as configured",
        ),
    ] = None
    saving: Annotated[
        str | None,
        typer.Option(
            help="Route for a saving, 0.5 or 0.3,0.5: the share of prompts that the weak model is to answer, as "
            "orch run --saving has it.",
            show_default="as configured",
        ),
    ] = None
    split: Annotated[
        str | None,
        typer.Option(help="Part of the prompts to use, chosen by hash: dev, test, a share 0.5, or a range 0.5:1."),
    ] = None
    limit: Annotated[int | None, typer.Option(min=1, help="Most prompts of each file, drawn at random.")] = None
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0
    resamples: Annotated[int, typer.Option(min=0, max=100_000, help="Bootstrap resamples for the intervals.")] = 1_000
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg|FILE.html",
            help="Write the chart, or a page with charts and tables; needs orch-llm[charts].",
        ),
    ] = None
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Use the rated runs of the ledger (see orch rate) instead of files.")
    ] = False


@command(_BenchFlags, argument="files")
def bench(flags: _BenchFlags) -> int:
    """orch bench recorded.jsonl.gz --threshold 0:1:0.1 --plot bench.html

    Replays recorded answers through the strategies of orch run. Prints quality, cost and share of strong calls with
    95 % intervals, the cost-quality curve, APGR, CPT and saving as RouteLLM defines them, and how well confidence
    predicts correct answers. Calls no model without --live. With --live, models are asked, a judge grades their
    answers, and both are added to a file of recorded outcomes.
    """
    check_used(flags, _doing(flags), _USES)
    if flags.semantic_cache is not None:
        return bench_pairs(
            flags.semantic_cache,
            Output.parse(flags.output),
            _settings(flags),
            embedding=flags.embedding,
            max_cost=flags.max_cost,
        )
    numpy()  # before anything is worked out, or paid for
    output, settings = Output.parse(flags.output), _settings(flags)
    registry = registry_for(settings)
    options, plot, belongs = _options(flags, registry), _plot_file(flags.plot), parse_split(flags.split or "0:1")
    sets: list[tuple[str, Sequence[Item]]] = [(str(path), read_items(path)) for path in flags.files or ()]
    code = 0
    if flags.live is not None:
        options = with_registry_names(options, registry)
        items, code = gather(flags, options, settings, registry)
        sets.append((str(flags.write), items))
    ledger = _own_runs(flags, settings, sets) if flags.ledger else None
    if not sets and ledger is None:
        raise UsageError("no recorded outcomes are given", hint="for example: orch bench recorded.jsonl.gz")
    chosen = [(name, _part(name, items, belongs, flags)) for name, items in sets]
    with render.Progress() as progress:
        report = Signals[BenchReport]().run(_bench(flags, chosen, ledger, options, settings, registry, progress))
    if plot is not None:
        _draw(report, plot)
    output.emit(report.to_dict())
    if not output.json:
        from ...lab.text import text_of

        for line in text_of(report, render.columns()):
            render.line(line)
    return code


commands = {"bench": bench}

_OF_FILES = ("files", "strategy", "weak", "strong", "models", "threshold", "saving", "split", "limit", "plot")
_USES = {
    "orch bench --live": (*_OF_FILES, "live", "judge", "max_cost", "max_tokens", "write", "ledger_file", "ledger"),
    "orch bench --ledger": (*_OF_FILES, "ledger", "ledger_file"),
    "orch bench --semantic-cache": ("semantic_cache", "embedding", "max_cost", "ledger_file"),
    "orch bench FILES": _OF_FILES,
}


def _doing(flags: _BenchFlags) -> str:
    if flags.semantic_cache is not None:
        return "orch bench --semantic-cache"
    if flags.live is not None:
        return "orch bench --live"
    return "orch bench --ledger" if flags.ledger else "orch bench FILES"


async def _bench(
    flags: _BenchFlags,
    sets: Sequence[tuple[str, Sequence[Item]]],
    ledger: LedgerReport | None,
    options: BenchOptions,
    settings: Settings,
    registry: Registry,
    progress: render.Progress,
) -> BenchReport:
    benched = [
        await bench_set(name, items, options, settings=settings, registry=registry, progress=progress)
        for name, items in sets
    ]
    return BenchReport(
        sets=[report for report, _ in benched],
        together=together([answers for _, answers in benched], options) if len(benched) > 1 else None,
        seed=flags.seed,
        resamples=flags.resamples,
        selection={"split": flags.split, "limit": flags.limit},
        ledger=ledger,
    )


def _own_runs(flags: _BenchFlags, settings: Settings, sets: list[tuple[str, Sequence[Item]]]) -> LedgerReport:
    """What the ledger's rated runs came to; those that can be replayed are added to the sets."""
    ledger, name = read_ledger(settings.ledger), str(settings.ledger)
    tell_of_other_runs(ledger, settings)
    try:
        runs = read_rated(ledger, name, simulated=settings.simulate)
        items = [] if ledger is None else items_of(runs, lambda run_id: find_run(ledger, run_id))
    finally:
        if ledger is not None:
            ledger.close()
    if items:
        sets.append((name, items))
    return observe(name, runs, len(items), resamples=flags.resamples, seed=flags.seed)


def _settings(flags: _BenchFlags) -> Settings:
    """`--ledger` is a switch here, so the file has an option of its own."""

    @dataclass(frozen=True, kw_only=True)
    class Given(RegistryFlags, LedgerFlags):
        pass

    shared = {each.name: getattr(flags, each.name) for each in fields(RegistryFlags)}
    return settings_from(Given(**shared, simulate=flags.simulate, ledger=flags.ledger_file))


def _options(flags: _BenchFlags, registry: Registry) -> BenchOptions:
    live_only = (*registry.chains, *registry.routing.tables, *(name for name in STRATEGIES if name not in REPLAYABLE))
    wanted = parse_strategies(flags.strategy, live_only)
    thresholds, sweep = parse_thresholds(flags.threshold)
    prices = {} if flags.prices is None else read_prices(flags.prices)
    return BenchOptions(
        strategies=wanted.strategies,
        plans=wanted.plans,
        thresholds=thresholds,
        sweep=sweep,
        savings=() if flags.saving is None else parse_shares(flags.saving, "--saving"),
        weak=flags.weak,
        strong=flags.strong,
        models=() if flags.models is None else parse_names(flags.models, "--models"),
        prices=prices | parse_prices(flags.price or ()),
        resamples=flags.resamples,
        seed=flags.seed,
    )


def _part(name: str, items: Sequence[Item], belongs: Callable[[str], bool], flags: _BenchFlags) -> list[Item]:
    part = [item for item in items if belongs(item.prompt)]
    if not part:
        raise UsageError(f"{name}: no prompt is in the part {flags.split}")
    return sample(part, flags.limit, flags.seed)


def _plot_file(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in _PICTURES:
        raise UsageError(f"--plot takes a file name that ends in .svg or .html, not {str(path)!r}")
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"--plot: there is no folder {path.parent}")
    if path is not None:
        vl_convert()
    return path


def _draw(report: BenchReport, path: Path) -> None:
    from ...lab.charts import page, picture

    drawn = page(report) if path.suffix.lower() == ".html" else picture(report)
    with replacing(path) as stream:
        stream.write(drawn.encode())
    render.say(f"wrote {path}")
