"""`orch batch`: all the prompts of a file, and what became of earlier batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...clock import local_now
from ...config import Settings
from ...deferred import replace
from ...errors import UsageError
from ...ledger.batches import Job, ask_again, cancel_job, find_job, is_worked_on
from ...ledger.store import Ledger
from ...run.engine import Engine
from .. import render
from ..batching.flags import NOT_OF_BATCHES, USES, BatchFlags, Via
from ..batching.leased import leases
from ..batching.listing import list_jobs, show_job
from ..batching.submitted import cancel_submitted, show_submitted
from ..batching.working import estimate, work
from ..options import command
from ..output import Output
from ..setup import settings_from
from ..using import check_used
from .ledgers import open_ledger

_LAST = "last"


@command(BatchFlags, argument=("what", "which", "lease"), omit=NOT_OF_BATCHES)
def batch(flags: BatchFlags) -> int:
    """orch batch prompts.jsonl -o answers.jsonl; orch batch list; orch batch retry-failed last.

    The input is JSON lines, CSV, TSV or plain text. A JSON line has "prompt" or "messages", and may have "id", "system"
    and any option of orch run. --prompt makes prompts of the columns of a table. A line of plain text is a prompt. The
    same command again goes on where it was stopped. The first Ctrl-C or SIGTERM waits for the calls in flight, the
    second cancels them.

    Exit codes: 0 all are answered, 10 some are not; otherwise as orch run.
    """
    if flags.what == "submit" and flags.which is None:
        raise UsageError("no input: name a file after submit", hint="orch batch submit prompts.jsonl -o answers.jsonl")
    action = _ACTIONS.get(flags.what or "")
    if action is None and flags.which is not None:
        raise UsageError(f"one input at a time: {flags.what}, and not {flags.which[:60]} too")
    mode = f" {flags.what}" if action is not None else " --dry-run" if flags.dry_run else ""
    check_used(flags, f"orch batch{mode}", USES)
    settings = settings_from(flags)
    if action is not None:
        return action(flags, settings)
    if flags.what is None and flags.resume is None:
        raise UsageError(
            "no input: name a file, or - for standard input", hint="orch batch prompts.jsonl -o answers.jsonl"
        )
    return estimate(flags, settings) if flags.dry_run else work(flags, settings, given=flags.what)


commands = {"batch": batch}


def _list(flags: BatchFlags, settings: Settings) -> int:
    return list_jobs(settings, Output.parse(flags.out or "text"))


def _show(flags: BatchFlags, settings: Settings) -> int:
    return show_job(settings, Output.parse(flags.out or "text"), flags.which or _LAST)


def _cancel(flags: BatchFlags, settings: Settings) -> int:
    with open_ledger(settings.ledger) as ledger:
        job, engine = _named(flags, ledger), Engine(settings, ledger=ledger)
        ledger.write(partial(cancel_job, job=job, at=local_now()))
        working = is_worked_on(job, ledger)
        if not working:
            cancel_submitted(engine, ledger, job)
    meanwhile = "; what is in flight is awaited" if working else ""
    render.say(f"batch {job.job_id} is cancelled{meanwhile}; orch batch --resume {job.job_id} would go on with it")
    return 0


def _retry_failed(flags: BatchFlags, settings: Settings) -> int:
    with open_ledger(settings.ledger) as ledger:
        job = _named(flags, ledger)
        if is_worked_on(job, ledger):
            raise UsageError(f"another process is working on the batch {job.job_id}", hint="wait until it has ended")
        again = ledger.write(partial(ask_again, job=job))
    render.say(f"batch {job.job_id}: {again:,} lines are asked again")
    return work(flags, settings, resume=job.job_id)


def _named(flags: BatchFlags, ledger: Ledger) -> Job:
    if flags.which is None:
        raise UsageError(f"orch batch {flags.what} needs the id of a batch, or last", hint="orch batch list shows them")
    return find_job(ledger, flags.which)


def _submit(flags: BatchFlags, settings: Settings) -> int:
    via = Via.PROVIDER if flags.via in (None, Via.LIVE) else flags.via
    return work(replace(flags, via=via), settings, given=flags.which, wait=False)


def _status(flags: BatchFlags, settings: Settings) -> int:
    return show_submitted(settings, Output.parse(flags.out or "text"), flags.which or _LAST)


def _fetch(flags: BatchFlags, settings: Settings) -> int:
    return work(flags, settings, resume=flags.which or _LAST, wait=False)


_ACTIONS: dict[str, Callable[[BatchFlags, Settings], int]] = {
    "leases": leases,
    "list": _list,
    "show": _show,
    "cancel": _cancel,
    "retry-failed": _retry_failed,
    "submit": _submit,
    "status": _status,
    "fetch": _fetch,
}
