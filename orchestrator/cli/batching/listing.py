"""The batches of a ledger: a list, and one of them."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from ...clock import rfc3339
from ...config import Settings
from ...ledger.batches import Counts, Job, JobStatus, counts_of, find_job, is_worked_on, jobs_of
from ...ledger.store import Ledger
from ...money import format_nanousd, format_short
from .. import render
from ..commands.ledgers import read_existing_ledger, read_ledger
from ..output import Output


def list_jobs(settings: Settings, output: Output) -> int:
    """Print all batches, the newest first."""
    rows: list[dict[str, Any]] = []
    ledger = read_ledger(settings.ledger)
    if ledger is not None:
        with ledger:
            rows = [described(job, ledger) for job in jobs_of(ledger, simulated=settings.simulate)]
    output.emit({"schema_version": 1, "simulated": settings.simulate, "batches": rows})
    if not output.json:
        for row in rows:
            failed = f", {row['failed']:,} failed" if row["failed"] else ""
            of = "" if row["lines"] is None else f" of {row['lines']:,}"
            render.line(
                f"{row['batch_id']}  {row['status']:9}  {row['done']:,}{of} answered{failed},"
                f" {format_short(row['cost_nanousd'])}  {row['input']} -> {row['output']}"
            )
        if not rows:
            render.line("no batches")
    return 0


def show_job(settings: Settings, output: Output, wanted: str) -> int:
    """Print one batch."""
    with read_existing_ledger(settings) as ledger:
        job = find_job(ledger, wanted)
        row = described(job, ledger)
    output.emit({"schema_version": 1, "simulated": job.simulated, "batch": row})
    if not output.json:
        for line in _said(job, row):
            render.line(line)
    return 0


def described(job: Job, ledger: Ledger) -> dict[str, Any]:
    """A batch as a JSON object."""
    counts: Counts = ledger.read(partial(counts_of, job=job))
    status = job.status
    if status is JobStatus.RUNNING and (job.process is None or not is_worked_on(job, ledger)):
        status = JobStatus.STOPPED
    stopped = None if job.stopped_code is None else {"code": job.stopped_code, "message": job.stopped_message}
    return {
        "batch_id": job.job_id,
        "status": status.value,
        "input": job.input,
        "output": job.output,
        "lines": job.lines,
        "done": counts.done,
        "failed": counts.failed,
        "failed_by_code": dict(counts.by_code),
        "pending": counts.pending,
        "cost_nanousd": counts.cost_nanousd,
        "max_cost_nanousd": job.max_cost_nanousd,
        "settings": json.loads(job.settings),
        "stopped": stopped,
        "created_at": rfc3339(job.created_at),
        "ended_at": None if job.ended_at is None else rfc3339(job.ended_at),
    }


def _said(job: Job, row: dict[str, Any]) -> list[str]:
    of = "" if row["lines"] is None else f" of {row['lines']:,} lines"
    said = [
        f"batch      {job.job_id}, {row['status']}",
        f"begun      {job.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        f"input      {job.input}",
        f"output     {job.output}",
        f"answered   {row['done']:,}{of}",
    ]
    by_code = ", ".join(f"{number:,} {code}" for code, number in sorted(row["failed_by_code"].items()))
    said += [f"failed     {row['failed']:,}: {by_code}"] if row["failed"] else []
    cap = "" if job.max_cost_nanousd is None else f" of at most {format_nanousd(job.max_cost_nanousd)}"
    said.append(f"cost       {format_nanousd(row['cost_nanousd'])}{cap}")
    said += [f"stopped    {job.stopped_message}"] if job.stopped_message else []
    if row["status"] in (JobStatus.STOPPED.value, JobStatus.CANCELLED.value):
        said.append(f"go on      orch batch --resume {job.job_id}")
    elif row["failed"] and row["status"] == JobStatus.COMPLETE.value:
        said.append(f"again      orch batch retry-failed {job.job_id}")
    return said
