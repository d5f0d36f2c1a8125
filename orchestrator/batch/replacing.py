"""Answers that replace the failures of earlier passes, in their places in the output.

The file is written anew and takes the old one's place at once. Its size is in the ledger right before that, so whatever
stops the process, it is known which of the two files is there.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..deferred import replace
from ..ledger.batches import Job, mark_written, note_replacement, replacing_numbers, results_between
from ..ledger.store import Ledger
from .output import FileSink, Sink


def settled(job: Job, ledger: Ledger) -> Job:
    """The job after a process may have ended while it replaced the output: with what is final of the file that is
    there."""
    if job.replaced_bytes is None:
        return job
    path = Path(job.output)
    if path.is_file() and path.stat().st_size == job.replaced_bytes:
        job = replace(job, written_bytes=job.replaced_bytes)
        _settle(job, ledger, ledger.read(partial(replacing_numbers, job=job)), job.written_bytes)
    return replace(job, replaced_bytes=None)


def put_in_place(job: Job, ledger: Ledger, sink: Sink) -> int:
    """Write the answers that replace earlier ones; where nothing can be replaced, at the end. Returns how many."""
    numbers = ledger.read(partial(replacing_numbers, job=job))
    if not numbers:
        return 0

    def result_of(number: int) -> str:
        read = partial(results_between, job=job, first=number, last=number, replacing=True)
        return ledger.read(read)[0][1]

    if isinstance(sink, FileSink):
        wanted = set(numbers)
        sink.replace(
            lambda number: result_of(number) if number in wanted else None,
            lambda size: ledger.write(partial(note_replacement, job=job, replaced_bytes=size)),
        )
    else:
        sink.write([result_of(number) for number in numbers])
    _settle(job, ledger, numbers, sink.size)
    return len(numbers)


def _settle(job: Job, ledger: Ledger, numbers: list[int], size: int) -> None:
    ledger.write(partial(mark_written, job=job, numbers=numbers, written_bytes=size))
