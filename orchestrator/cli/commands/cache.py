"""`orch cache`: the answers that the response cache keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Annotated

import typer

from ...clock import local_now, rfc3339
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...ledger.kept_answers import KeptAnswers
from ...ledger.kept_prompts import KeptPrompts
from ...ledger.records import EMBEDDING
from ...ledger.store import Ledger
from ...money import NANO_PER_DOLLAR, format_nanousd
from .. import render
from ..options import ConfigFlags, LedgerFlags, OutputFlags, command
from ..output import Output
from ..setup import settings_from
from .ledgers import read_ledger

_HITS = """
    SELECT count(*), coalesce(sum(saved_nanousd), 0), count(similarity),
           coalesce(sum(CASE WHEN similarity IS NOT NULL THEN saved_nanousd END), 0)
    FROM call_rows WHERE cost_source = 'cache' AND simulated = ?
"""
_EMBEDDINGS = "SELECT count(*), coalesce(sum(cost_nanousd), 0) FROM call_rows WHERE role = ? AND simulated = ?"
_MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class _CacheFlags(OutputFlags, LedgerFlags, ConfigFlags):
    action: Annotated[str, typer.Option(help="stats, prune or clear.")] = "stats"


@command(_CacheFlags, argument="action")
def cache(flags: _CacheFlags) -> int:
    """orch cache; orch cache prune; orch cache clear.

    stats shows what is kept, and what it has saved so far. prune removes answers that are older than the run that kept
    them asked for, and what is beyond cache_size of config.yaml; orch run --cache does the latter by itself. clear
    removes all answers. The ledger keeps its own.
    """
    action = _ACTIONS.get(flags.action)
    if action is None:
        hint = did_you_mean(flags.action, _ACTIONS)
        raise UsageError(f"orch cache takes stats, prune or clear, not {flags.action!r}", hint=hint)
    settings = settings_from(flags)
    file = KeptAnswers(settings.ledger, settings.cache_bytes)
    try:
        return action(file, Output.parse(flags.output), settings)
    finally:
        file.close()


commands = {"cache": cache}


def _stats(file: KeptAnswers, output: Output, settings: Settings) -> int:
    kept = file.kept()
    hits, saved, alike, saved_alike, embeddings, paid = _hits(read_ledger(settings.ledger), simulated=settings.simulate)
    prompts = KeptPrompts(file).count()
    output.emit(
        {
            "schema_version": 1,
            "simulated": settings.simulate,
            "path": str(file.path),
            "answers": kept.answers,
            "bytes": kept.bytes,
            "limit_bytes": file.limit_bytes,
            "oldest": None if kept.oldest is None else rfc3339(kept.oldest),
            "newest": None if kept.newest is None else rfc3339(kept.newest),
            "hits": hits,
            "saved_nanousd": saved,
            "saved": saved / NANO_PER_DOLLAR,
            "semantic": {
                "prompts": prompts,
                "hits": alike,
                "saved_nanousd": saved_alike,
                "embeddings": embeddings,
                "embeddings_nanousd": paid,
            },
        }
    )
    if not output.json:
        since = "" if kept.oldest is None else f", the oldest of {kept.oldest.astimezone():%Y-%m-%d %H:%M}"
        size, limit = kept.bytes / _MEGABYTE, file.limit_bytes // _MEGABYTE
        render.line(f"answers kept: {kept.answers:,}{since}; {size:,.1f} of at most {limit:,} MB in {file.path}")
        render.line(f"calls answered by the cache: {hits:,}, which saved {format_nanousd(saved)}")
        if prompts or alike or embeddings:
            spent = f"; {embeddings:,} embeddings cost {format_nanousd(paid)}" if embeddings else ""
            told = f"{alike:,}, which saved {format_nanousd(saved_alike)}{spent}"
            render.line(f"of these by the semantic cache, which has {prompts:,} prompts: {told}")
    return 0


def _hits(ledger: Ledger | None, *, simulated: bool) -> tuple[int, ...]:
    """How many calls the cache answered and what that saved, the same for the semantic cache, and how many embeddings
    were asked for and what they cost."""
    if ledger is None:
        return (0,) * 6

    def read(connection: sqlite3.Connection) -> tuple[int, ...]:
        hits = connection.execute(_HITS, (int(simulated),)).fetchone()
        return (*hits, *connection.execute(_EMBEDDINGS, (EMBEDDING, int(simulated))).fetchone())

    with ledger:
        return ledger.read(read)


def _prune(file: KeptAnswers, output: Output, settings: Settings) -> int:
    _check_is_one(settings)
    return _removed(file.prune(local_now()), output, settings)


def _clear(file: KeptAnswers, output: Output, settings: Settings) -> int:
    _check_is_one(settings)
    return _removed(file.clear(), output, settings)


def _check_is_one(settings: Settings) -> None:
    """Raises LedgerError for what is named as the ledger and is none."""
    ledger = read_ledger(settings.ledger)
    if ledger is not None:
        ledger.close()


def _removed(answers: int, output: Output, settings: Settings) -> int:
    output.emit({"schema_version": 1, "simulated": settings.simulate, "removed": answers})
    if not output.json:
        render.say(f"removed: {answers:,}")
    return 0


_ACTIONS: dict[str, Callable[[KeptAnswers, Output, Settings], int]] = {
    "stats": _stats,
    "prune": _prune,
    "clear": _clear,
}
