"""`orch ledger`: the upkeep of the ledger's file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from ...clock import local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import LedgerError, UsageError, did_you_mean
from ...report.period import resolve
from .. import render
from ..options import ConfigFlags, LedgerFlags, command
from ..setup import settings_from
from ..using import check_used
from .ledgers import check_there, find_recorded, open_ledger, read_existing_ledger

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class _LedgerCommandFlags(LedgerFlags, ConfigFlags):
    action: Annotated[
        str, typer.Option(help="path, backup, check, prune, forget, redact, merge, query or metadata.")
    ] = "path"
    names: Annotated[
        list[str] | None, typer.Option(metavar="NAMES", help="The file, run, ledgers or query that it is about.")
    ] = None
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="For prune and redact: runs older than this, such as 90d or 12w.")
    ] = None
    keep_sums: Annotated[bool, typer.Option("--keep-sums", help="For prune: keep their sums in reports.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="For prune: only count what it would remove.")] = False
    all: Annotated[bool, typer.Option("--all", help="For redact: every run.")] = False
    vacuum: Annotated[bool, typer.Option("--vacuum", help="For prune and redact: make the file smaller.")] = False
    force: Annotated[bool, typer.Option("--force", help="For backup: replace a file that is there.")] = False
    host: Annotated[str | None, typer.Option(help="For merge: the machine to record for runs that have none.")] = None
    user: Annotated[str | None, typer.Option(help="For merge: the account to record for runs that have none.")] = None
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FORMAT", help="text or json; for query also csv, jsonl, md or html."),
    ] = "text"


@command(_LedgerCommandFlags, argument=("action", "names"))
def ledger(flags: _LedgerCommandFlags) -> int:
    """orch ledger backup copy.db; orch ledger prune --older-than 90d --keep-sums; orch ledger query "SELECT ...".

    prune removes old runs and forget removes one; what they cost stays in budgets and, with --keep-sums, in reports.
    redact removes prompts, answers and whatever quotes them, and keeps the figures. merge adds the runs of other
    ledgers, each once. query changes nothing. All of them can be stopped at any moment and run again.
    """
    action = _ACTIONS.get(flags.action)
    if action is None:
        hint = did_you_mean(flags.action, _ACTIONS) or f"it takes {', '.join(_ACTIONS)}"
        raise UsageError(f"orch ledger has no {flags.action!r}", hint=hint)
    check_used(flags, f"orch ledger {flags.action}", _USES)
    if flags.output not in ("text", "json") and flags.action != "query":
        raise UsageError(f"--output takes text or json, not {flags.output!r}")
    return action(flags, settings_from(flags))


commands = {"ledger": ledger}

_USES: dict[str, tuple[str, ...]] = {
    "orch ledger path": (),
    "orch ledger backup": ("force",),
    "orch ledger check": (),
    "orch ledger prune": ("older_than", "keep_sums", "dry_run", "vacuum"),
    "orch ledger forget": (),
    "orch ledger redact": ("older_than", "all", "vacuum"),
    "orch ledger merge": ("host", "user"),
    "orch ledger query": (),
    "orch ledger metadata": (),
}


def _path(flags: _LedgerCommandFlags, settings: Settings) -> int:
    _named(flags, 0)
    path = _file(settings)
    return _tell(flags, settings, str(path), path=str(path), exists=path.exists())


def _backup(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...upkeep.backup import back_up

    (file,) = _named(flags, 1, "the file to write")
    with read_existing_ledger(settings) as opened:
        size = back_up(opened.path, Path(file), force=flags.force)
    return _tell(flags, settings, f"wrote {file} ({size / 1e6:.1f} MB)", file=file, bytes=size)


def _check(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...upkeep.ledger_health import CheckStatus, check_ledger

    _named(flags, 0)
    check_there(settings)
    checks = list(check_ledger(settings.ledger, now=local_now(), full=True))
    said = "\n".join(f"{check.status:8} {check.name}: {check.detail}" for check in checks)
    found = [{"name": check.name, "status": check.status.value, "detail": check.detail} for check in checks]
    _tell(flags, settings, said, checks=found)
    return LedgerError.exit_code if any(check.status is CheckStatus.ERROR for check in checks) else 0


def _prune(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...upkeep.removal import prunable, prune

    _named(flags, 0)
    if flags.older_than is None:
        raise UsageError("how old? for example: orch ledger prune --older-than 90d --keep-sums")
    before = _before(flags.older_than)
    check_there(settings)
    with open_ledger(settings.ledger) as opened:
        removed = prunable(opened, before) if flags.dry_run else prune(opened, before, keep_sums=flags.keep_sums)
        _shrink(flags, opened)
    verb = "would remove" if flags.dry_run else "removed"
    said = f"{verb} {_count(removed.runs, 'run')} and {_count(removed.calls, 'call')} from before {before}"
    figures = {"before": before.isoformat(), "days": removed.days, "runs": removed.runs, "calls": removed.calls}
    return _tell(flags, settings, said, **figures, dry_run=flags.dry_run, keep_sums=flags.keep_sums)


def _forget(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...upkeep.removal import forget

    (wanted,) = _named(flags, 1, "the run to forget")
    check_there(settings)
    with open_ledger(settings.ledger) as opened:
        run_id = find_recorded(opened, settings, wanted).run.run_id
        removed = forget(opened, run_id)
    said = (
        f"removed the run {run_id} and its {_count(removed.calls, 'call')}; what it cost stays in reports and budgets"
    )
    return _tell(flags, settings, said, run_id=run_id, runs=removed.runs, calls=removed.calls)


def _redact(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...upkeep.redaction import redact

    names = flags.names or []
    if (flags.all, flags.older_than is not None, len(names) == 1).count(True) != 1 or len(names) > 1:
        raise UsageError("which runs? one of: orch ledger redact RUN, --older-than 30d, or --all")
    check_there(settings)
    with open_ledger(settings.ledger) as opened:
        if names:
            runs = redact(opened, "run_id = ?", (find_recorded(opened, settings, names[0]).run.run_id,))
        elif flags.older_than is not None:
            runs = redact(opened, "day < ?", (_before(flags.older_than).isoformat(),))
        else:
            runs = redact(opened)
        _shrink(flags, opened)
    return _tell(flags, settings, f"removed the texts of {_count(runs, 'run')}", runs=runs)


def _merge(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...upkeep.merging import merge

    others = _named(flags, None, "the ledgers to merge")
    said, merged = [], []
    with open_ledger(settings.ledger) as opened:
        for other in others:
            brought = merge(opened, Path(other), host=flags.host, user=flags.user)
            known = f"; {brought.known:,} were known" if brought.known else ""
            sums = f", and the sums of {brought.summed_days:,} pruned days" if brought.summed_days else ""
            said.append(
                f"{other}: {_count(brought.runs, 'run')} and {_count(brought.calls, 'call')} added{sums}{known}"
            )
            if brought.pruned_days:
                said.append(
                    f"{other}: the sums of runs that were pruned there ({brought.pruned_days:,} days) stay there, as "
                    "some of these runs are known here"
                )
            figures = {"runs": brought.runs, "calls": brought.calls, "known_runs": brought.known}
            days = {"summed_days": brought.summed_days, "pruned_days": brought.pruned_days}
            merged.append({"file": other, **figures, **days})
    return _tell(flags, settings, "\n".join(said), merged=merged)


def _query(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...report.formats import Format, write_rows
    from ...upkeep.asking import asked

    (sql,) = _named(flags, 1, "one SELECT, in quotes")
    if flags.output not in [each.value for each in Format]:
        raise UsageError(f"--output takes {', '.join(Format)}, not {flags.output!r}")
    with read_existing_ledger(settings) as opened, asked(opened.path, sql) as (columns, rows):
        if len({*columns}) < len(columns):
            raise UsageError("two columns of the query have one name", hint="name them apart with AS")
        named = (dict(zip(columns, row, strict=True)) for row in rows)
        write_rows(named, columns, render.Bytes(), Format(flags.output))
    return 0


def _metadata(flags: _LedgerCommandFlags, settings: Settings) -> int:
    from ...upkeep.datasette import metadata

    _named(flags, 0)
    render.line(render.as_json(metadata(_file(settings).stem), indent=2))
    return 0


_ACTIONS: dict[str, Callable[[_LedgerCommandFlags, Settings], int]] = {
    "path": _path,
    "backup": _backup,
    "check": _check,
    "prune": _prune,
    "forget": _forget,
    "redact": _redact,
    "merge": _merge,
    "query": _query,
    "metadata": _metadata,
}


def _file(settings: Settings) -> Path:
    """The ledger's file, whether there is one or not. Raises LedgerError for a folder."""
    if settings.ledger.is_dir():
        raise LedgerError(f"{settings.ledger} is a folder", hint="--ledger and ORCH_LEDGER name a file")
    return settings.ledger


def _named(flags: _LedgerCommandFlags, count: int | None, what: str = "") -> list[str]:
    """The names behind the action: so many, or any number from one on. Raises UsageError."""
    names = flags.names or []
    if count == 0 and names:
        raise UsageError(f"orch ledger {flags.action} takes no name, not {names[0][:40]!r}")
    if count != 0 and (not names or (count is not None and len(names) != count)):
        raise UsageError(f"orch ledger {flags.action} takes {what}")
    return names


def _before(age: str) -> date:
    """The first day that is not older than an age in days or weeks. Raises UsageError."""
    try:
        day = resolve(since=age, now=local_now()).first_day
    except UsageError:
        day = None
    if day is None:
        raise UsageError(f"--older-than takes days or weeks, such as 90d or 12w, or a date, not {age[:40]!r}")
    return day


def _shrink(flags: _LedgerCommandFlags, opened: Any) -> None:
    if flags.vacuum and not flags.dry_run:
        with opened.apart() as connection:
            connection.execute("VACUUM")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _tell(flags: _LedgerCommandFlags, settings: Settings, said: str, **figures: Any) -> int:
    if flags.output == "json":
        document = {"schema_version": SCHEMA_VERSION, "simulated": settings.simulate, "action": flags.action, **figures}
        render.line(render.as_json(document))
    else:
        render.line(said)
    return 0
