"""One pass over a batch, watched, and its end in one line; and what it would cost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from itertools import chain
from typing import BinaryIO

from ...batch.backend import Backend, Task
from ...batch.estimate import ByBatch, estimate_of
from ...batch.flow import Flow
from ...batch.lines import Line
from ...batch.output import STDOUT
from ...batch.reading import Input
from ...clock import local_now
from ...config import RetryPolicy, RunOptions, Settings
from ...deferred import replace
from ...errors import (
    EXIT_PARTLY_FAILED,
    AuthenticationError,
    ConfigError,
    Interrupted,
    OrchError,
    SubmittedError,
    UsageError,
)
from ...ledger.batches import Counts, Job, JobStatus, counts_of, end_job
from ...ledger.store import Ledger
from ...money import format_nanousd
from ...run.engine import Engine
from .. import render
from ..commands.ledgers import open_ledger
from ..interrupts import Signals
from ..output import Output
from ..setup import cost_from
from .backends import Watch, backend_of, window_of
from .elsewhere import check_engine, on_workers
from .flags import BatchFlags, Via
from .shown import Shown
from .starting import begin, common_of, deadline_s, options_of_lines, sink_of, wanted

_PATIENT_S = 600.0  # a batch rather waits for a model than asks a dearer one
_CANNOT_BE_ASKED = (AuthenticationError, ConfigError, UsageError)


def work(
    flags: BatchFlags, settings: Settings, *, given: str | None = None, resume: str | None = None, wait: bool = True
) -> int:
    """Go through a batch of the input `given`, or on with one; returns the exit code. Without `wait`, what is at a
    provider stays there."""
    if settings.retry.max_wait_s == RetryPolicy().max_wait_s:
        settings = replace(settings, retry=replace(settings.retry, max_wait_s=_PATIENT_S))
    check_engine(flags)
    limits = deadline_s(flags), None if flags.max_cost is None else cost_from(flags.max_cost)
    if given is not None:
        Input(given, _stdin()).close()  # nothing is begun for a file that is not there
    with open_ledger(settings.ledger) as ledger:
        asked = wanted(flags, given, resume or flags.resume, settings, ledger)
        flags = asked.flags
        check_engine(flags)
        options, common = options_of_lines(flags, settings), common_of(flags)
        with closing(Input(asked.input, _stdin())) as source:
            engine = Engine(settings, ledger=ledger)
            written = source.lines(common, flags.form)
            lines = _checked(written, source, engine, options, keys_here=flags.engine is None)
            job = begin(asked, limits[1], settings, ledger, local_now())
            task = _task(job, ledger, options, flags, limits[0])
            try:
                asking = backend_of(engine, watch := Watch(), flags.via, wait=wait)
                backend = on_workers(asking, flags, settings, ledger, job, watch)
                if asked.job is not None:
                    _say_how_far(job, ledger)
                return _go_through(task, lines, source, backend, watch, flags, verbose=flags.verbose > 0)
            except OrchError as error:
                stopped = partial(end_job, job=job, status=JobStatus.STOPPED, at=local_now())
                with suppress(OrchError):
                    ledger.write(partial(stopped, code=error.code, message=error.message))
                raise


def estimate(flags: BatchFlags, settings: Settings) -> int:
    """Say what a batch would cost. Asks nothing; returns the exit code."""
    output = Output.parse(flags.out if flags.out in ("text", "json") else "text")
    if flags.what is None:
        raise UsageError("--dry-run needs the input")
    engine = Engine(settings)
    with closing(Input(flags.what, _stdin())) as source, render.Progress() as progress:
        lines = source.lines(common_of(flags), flags.form)
        options, now = options_of_lines(flags, settings), local_now()
        way = _by_batch(flags.via, deadline_s(flags), engine, now)
        found = estimate_of(lines, engine, options, now, partial(_tell, progress, source), way)
    output.emit(found.to_dict())
    if not output.json:
        for line in found.said():
            render.line(line)
    return 0


def _by_batch(via: Via | None, deadline: float | None, engine: Engine, now: datetime) -> ByBatch | None:
    """Which lines would go through the providers' batch APIs; None for none."""
    if via in (None, Via.LIVE):
        return None
    from ...batch.eligible import Ways, left_out, ways_of  # few batches go this way

    registry, settings = engine.registry, engine.settings
    if via is Via.PROVIDER:
        return ByBatch(left_out=left_out(registry, settings.free_tier, now))
    ways = partial(ways_of, registry=registry, settings=settings)
    ledger = Ledger.open_for_reading(settings.ledger)
    if ledger is None:
        return ByBatch(Ways(registry, settings.free_tier, deadline, {}))
    with ledger:
        return ByBatch(ledger.read(partial(ways, deadline_s=deadline)))


def _tell(progress: render.Progress, source: Input, lines: int) -> None:
    progress(f"{lines:,} lines", source.position, source.size or source.position + 1)


def _task(job: Job, ledger: Ledger, options: RunOptions, flags: BatchFlags, deadline: float | None) -> Task:
    counts = ledger.read(partial(counts_of, job=job))
    return Task(
        job,
        ledger,
        options,
        spent_nanousd=counts.cost_nanousd or 0,
        max_cost_nanousd=job.max_cost_nanousd,
        concurrency=flags.concurrency,
        deadline_s=deadline,
        max_errors=flags.max_errors,
        full=flags.full,
    )


def _say_how_far(job: Job, ledger: Ledger) -> None:
    counts = ledger.read(partial(counts_of, job=job))
    cost = format_nanousd(counts.cost_nanousd)
    render.say(f"batch {job.job_id} goes on: {counts.done:,} answered, {counts.failed:,} failed, {cost} so far")


def _go_through(
    task: Task,
    lines: Iterator[Line],
    source: Input,
    backend: Backend,
    watch: Watch,
    flags: BatchFlags,
    *,
    verbose: bool,
) -> int:
    job, ledger = task.job, task.ledger
    with closing(sink_of(job)) as sink:
        flow = Flow(
            task,
            lines,
            sink,
            backend,
            ordered=not flags.unordered,
            clock=local_now,
            heard=watch.hear,
            window=window_of(flags.via),
        )
        flow.progress.begin_with(ledger.read(partial(counts_of, job=job)))
        flow.progress.reading = lambda: (flow.feed.read, _share(flow, source))
        shown = watch.shown = Shown(flow.progress, job.job_id, verbose=verbose)
        signals: Signals[None] = Signals(first=partial(_let_end, flow, shown))
        with suppress(Interrupted):
            signals.run(_watched(flow, shown))
    return _told(flow, job, ledger.read(partial(counts_of, job=job)), signals.exit_code)


async def _watched(flow: Flow, shown: Shown) -> None:
    showing = asyncio.create_task(shown.show())
    try:
        await flow.run()
    finally:
        showing.cancel()
        await asyncio.wait({showing})


def _let_end(flow: Flow, shown: Shown) -> None:
    flow.interrupt()
    shown.draining = f"{flow.progress.standing().in_flight} in flight are awaited; Ctrl-C again cancels them"
    if not render.is_terminal(sys.stderr):
        shown.say(f"interrupted: {shown.draining}")


def _share(flow: Flow, source: Input) -> float | None:
    if flow.feed.at_end:
        return 1.0
    return source.position / source.size if source.size and source.position else None


def _checked(
    lines: Iterator[Line], source: Input, engine: Engine, options: RunOptions, *, keys_here: bool
) -> Iterator[Line]:
    """The lines. Raises UsageError if there is none, and what would keep every line from being asked; keys that this
    machine does not have count if it is the one that asks."""
    before: list[Line] = []
    for line in lines:
        before.append(line)
        if line.prompt is not None and not line.given:
            try:
                engine.plan(line.prompt, options, shown=False)
            except _CANNOT_BE_ASKED as error:
                if keys_here or not isinstance(error, AuthenticationError):
                    raise
            except OrchError:
                pass  # it is this line's
            break
        if len(before) == 100:
            break
    if not before:
        hint = 'each line is an object such as {"prompt": "Why?"}, a row of a table, or a prompt'
        raise UsageError(f"{source.name}: there is nothing in it", hint=hint)
    return chain(before, lines)


def _told(flow: Flow, job: Job, counts: Counts, interrupted: int | None) -> int:
    """Say how it stands; gives the exit code."""
    why, not_asked = flow.stopped, flow.progress.not_asked
    parts = [f"{counts.done:,} answered"]
    parts += [f"{counts.failed:,} failed"] if counts.failed else []
    parts += [f"{not_asked:,} not asked"] if not_asked and not isinstance(why, Interrupted) else []
    parts += [f"{flow.progress.submitted:,} at a provider"] if flow.progress.submitted else []
    parts += [format_nanousd(counts.cost_nanousd)]
    where = "" if job.output == STDOUT else f"; {job.output}"
    render.say(f"batch {job.job_id}: {', '.join(parts)}{where}")
    if why is not None and not isinstance(why, Interrupted | SubmittedError):
        render.error(why)
    if flow.progress.submitted:
        render.say(f"      orch batch status {job.job_id} tells how far it is, orch batch fetch {job.job_id} goes on")
    elif why is not None:
        render.say(f"      orch batch --resume {job.job_id} goes on with it")
    elif counts.failed:
        render.say(f"      orch batch retry-failed {job.job_id} asks those again that failed")
    render.flush()
    if interrupted is not None and why is not None:
        return interrupted
    if isinstance(why, SubmittedError):
        return EXIT_PARTLY_FAILED if counts.failed else 0
    if why is not None and not counts.done:
        return why.exit_code
    return EXIT_PARTLY_FAILED if why is not None or counts.failed else 0


def _stdin() -> BinaryIO | None:
    return None if sys.stdin is None else sys.stdin.buffer
