"""From a command line to a job: a new one, or one that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from ...batch.filling import Filling
from ...batch.lines import Common
from ...batch.output import STDOUT, FileSink, Sink, StreamSink, check_free
from ...batch.reading import STDIN
from ...batch.replacing import settled
from ...config import RunOptions, Settings
from ...config.ages import age_s
from ...deferred import dataclass, replace
from ...errors import UsageError
from ...ids import new_id
from ...ledger.batches import Job, JobStatus, add_job, find_job, is_worked_on, jobs_of, take_up
from ...ledger.store import Ledger
from .. import render
from ..options import spelled
from ..setup import cost_from, options_from
from .flags import SAME, BatchFlags, gives_none, is_other, settings_of, with_settings

_UNFINISHED = (JobStatus.RUNNING, JobStatus.STOPPED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line asks for: a job that goes on, or None for a new one; its input, and the flags that hold."""

    job: Job | None
    input: str
    flags: BatchFlags


def options_of_lines(flags: BatchFlags, settings: Settings) -> RunOptions:
    """The options of every run, over which a line's own go."""
    options = options_from(flags, settings.run, stream=False)
    if flags.max_cost_each is not None:
        options = replace(options, max_cost_nanousd=cost_from(flags.max_cost_each))
    return options


def common_of(flags: BatchFlags) -> Common:
    """What all lines have in common."""
    return Common(None if flags.template is None else Filling.parse(flags.template), flags.system)


def deadline_s(flags: BatchFlags) -> float | None:
    """The seconds that the job may take. Raises UsageError."""
    if flags.deadline is None:
        return None
    try:
        seconds = age_s(flags.deadline)
    except ValueError:
        seconds = 0.0
    if not seconds:
        raise UsageError(f"--deadline takes a time such as 90m or 24h, not {flags.deadline[:40]!r}")
    return seconds


def wanted(flags: BatchFlags, given: str | None, resume: str | None, settings: Settings, ledger: Ledger) -> Wanted:
    """What the flags ask for, of the input that was given. `resume` is the id of a batch, or `same`. Raises
    UsageError."""
    job = _to_resume(flags, given, resume, settings, ledger)
    if job is not None:
        return Wanted(settled(job, ledger), given or job.input, _flags_of(flags, job))
    source, output = _absolute(given or STDIN), _absolute(flags.out or STDOUT)
    earlier = [job for job in jobs_of(ledger, simulated=settings.simulate) if job.output == output]
    _check_output(source, output, earlier)
    return Wanted(None, given or STDIN, flags)


def begin(asked: Wanted, cap: int | None, settings: Settings, ledger: Ledger, now: datetime) -> Job:
    """The job, which this process works on from now on; `cap` is a new one in nano-dollars. Raises UsageError if
    another process works on it."""
    flags = asked.flags
    if asked.job is not None:
        job = asked.job if cap is None else replace(asked.job, max_cost_nanousd=cap)
        taken = ledger.write(partial(take_up, job=job, process=ledger.process, ledger=ledger))
        return replace(taken, written_bytes=job.written_bytes)
    job = Job(
        job=0,
        job_id=new_id(now),
        created_at=now,
        simulated=settings.simulate,
        status=JobStatus.RUNNING,
        input=_absolute(asked.input),
        output=_absolute(flags.out or STDOUT),
        settings=settings_of(flags),
        process=ledger.process,
        max_cost_nanousd=cap,
    )
    return ledger.write(partial(add_job, job=job))


def sink_of(job: Job) -> Sink:
    """Where a job's results go. Raises UsageError if the file cannot be written."""
    if job.output == STDOUT:
        return StreamSink(render.Bytes(), render.flush)
    path = Path(job.output)
    if path.exists() and not path.is_file():
        stream = path.open("wb", buffering=0)
        return StreamSink(stream, stream.flush)
    return FileSink(path, job.written_bytes)


def _to_resume(
    flags: BatchFlags, given: str | None, resume: str | None, settings: Settings, ledger: Ledger
) -> Job | None:
    """The job that goes on, if one does."""
    if resume is not None and resume != SAME:
        job = find_job(ledger, resume)
        if job.simulated != settings.simulate:
            raise UsageError(f"the batch {job.job_id} is {'simulated' if job.simulated else 'a real one'}")
        return job
    unfinished = [job for job in jobs_of(ledger, simulated=settings.simulate) if job.status in _UNFINISHED]
    of_input = [job for job in unfinished if given is None or job.input == _absolute(given)]
    if flags.out is not None:
        of_input = [job for job in of_input if job.output == _absolute(flags.out)]
    if resume == SAME:
        if not of_input:
            raise UsageError("there is no batch of this input to go on with", hint="orch batch list shows all of them")
        return of_input[0]
    if given in (None, STDIN) or not of_input:
        return None
    if flags.out is None:
        if not is_worked_on(of_input[0], ledger):
            render.say(f"batch {of_input[0].job_id} of this input was stopped; --resume would go on with it")
        return None
    return of_input[0]


def _flags_of(flags: BatchFlags, job: Job) -> BatchFlags:
    """The flags with those of the job. Raises UsageError if they contradict each other."""
    if not gives_none(flags) and (name := is_other(flags, job.settings)) is not None:
        shown = _shown(name)
        raise UsageError(
            f"the batch {job.job_id} of this input was begun with another {shown}",
            hint="orch batch --resume takes what it was begun with; another -o begins another batch",
        )
    return with_settings(flags, job.settings)


def _shown(name: str) -> str:
    return "option of a run" if name.startswith("given") else spelled(BatchFlags, name)


def _absolute(path: str) -> str:
    return path if path == STDIN else str(Path(path).absolute())


def _check_output(source: str, output: str, earlier: Sequence[Job]) -> None:
    if output == STDOUT:
        return
    path = Path(output)
    if path.exists() and not path.is_file() and not path.is_dir():
        return
    if source != STDIN and path.exists() and path.samefile(source):
        raise UsageError(f"{path} is the input too", hint="name another file with -o")
    if earlier and path.is_file() and path.stat().st_size:
        job = earlier[0]
        again = f"orch batch {'--resume' if job.status is JobStatus.CANCELLED else 'retry-failed'} {job.job_id}"
        raise UsageError(
            f"{path} has the results of the batch {job.job_id}, which is {job.status.value}",
            hint=f"name another file with -o; {again} goes on with it",
        )
    check_free(path)
