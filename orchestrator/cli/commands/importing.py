"""`orch import`: the usage that other tools leave on this machine, into the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError
from ...importing.exports import export_files, read_exports
from ...importing.finding import READERS, log_files
from ...importing.record import Source, Told, UsageRecord
from ...importing.storing import Store, Stored
from ...ledger.store import Ledger
from ...money import format_short
from ...registry.loading import registry_for
from ...registry.model_names import ModelNames
from .. import render
from ..options import LedgerFlags, OutputFlags, RegistryFlags, command
from ..output import Output
from ..setup import settings_from
from .ledgers import open_ledger


@dataclass(frozen=True, kw_only=True)
class _ImportFlags(OutputFlags, LedgerFlags, RegistryFlags):
    source: Annotated[Source | None, typer.Option(help="Whose usage.")] = None
    path: Annotated[
        Path | None,
        typer.Option(help="The file or folder to read, where it is not where the tool keeps its logs."),
    ] = None
    in_budgets: Annotated[
        bool, typer.Option("--in-budgets", help="Count newly imported usage in budgets, as orch's own calls are.")
    ] = False


@command(_ImportFlags, argument=("source", "path"))
def import_(flags: _ImportFlags) -> int:
    """orch import claude-code; orch import codex; orch import gemini-cli; orch import openai usage.csv.

    Reads the session logs of coding tools, and the usage exports of providers that orch reconcile reads, and prices
    them by the registry. What was imported once is not counted again. Reports show it with --source all, --source
    imported, or --source and the tool; it does not count in budgets unless you say --in-budgets.
    """
    output, settings = Output.parse(flags.output), settings_from(flags)
    source = flags.source
    if source is None:
        raise UsageError("whose usage? for example: orch import claude-code", hint=f"there are: {', '.join(Source)}")
    told = Told()
    files = _files(source, flags.path)
    registry = registry_for(settings)
    names = ModelNames(registry, source.provider, {})
    with open_ledger(settings.ledger) as ledger:
        records = _records(source, files, names, ledger, settings, told)
        store = Store(ledger, source, registry, names, simulated=settings.simulate, in_budgets=flags.in_budgets)
        done = store.store(records)
    output.emit(
        {
            "schema_version": 1,
            "kind": "import",
            "source": source.value,
            "files": told.files,
            "new": done.new,
            "changed": done.changed,
            "known": done.known,
            "calls": done.calls,
            "input_tokens": done.input_tokens,
            "output_tokens": done.output_tokens,
            "cost_nanousd": done.cost_nanousd,
            "unpriced": done.unpriced,
            "broken": told.broken,
            "first_broken": told.first,
            "unread": told.unread,
        }
    )
    if not output.json:
        for line in _lines(source, told, done):
            render.line(line)
    return 0


commands = {"import": import_}


def _files(source: Source, path: Path | None) -> list[Path]:
    if source in READERS:
        return log_files(source, path, os.environ, Path.home())
    if path is None:
        raise UsageError(f"which export? for example: orch import {source} usage.csv", hint="see docs/import.md")
    return export_files(path)


def _records(
    source: Source, files: list[Path], names: ModelNames, ledger: Ledger, settings: Settings, told: Told
) -> Iterator[UsageRecord]:
    if source not in READERS:
        found = ledger.read(
            lambda db: list(read_exports(files, source, names, db, simulated=settings.simulate, told=told))
        )
        yield from found
        return
    read, _ = READERS[source]
    with render.Progress() as progress:
        for number, file in enumerate(files):
            progress("importing", number, len(files))
            yield from read(file, told)
            told.files += 1


def _lines(source: Source, told: Told, done: Stored) -> Iterator[str]:
    files = "1 file" if told.files == 1 else f"{told.files:,} files"
    yield f"{source}: {files} read, {done.new:,} calls new, {done.changed:,} changed, {done.known:,} there already"
    tokens = f"{done.input_tokens:,} tokens in, {done.output_tokens:,} out"
    bound = "≥ " if done.unpriced else ""
    yield f"in the ledger now: {done.calls:,} calls, {bound}{format_short(done.cost_nanousd)}, {tokens}"
    for model, calls in done.unpriced.items():
        yield f"no price is known for {model}: {calls:,} calls without a cost"
    if told.broken:
        lines = "1 line" if told.broken == 1 else f"{told.broken:,} lines"
        yield f"{lines} could not be read, the first at {told.first}"
    yield from (f"not read: {each}" for each in told.unread)
