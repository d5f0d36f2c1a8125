"""Clients: child processes that drive the engine or the command line against a simulator, with the providers' own SDKs.

They are forked from one server that has the SDKs imported already, so that many short lives are affordable.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from orchestrator.cli.app import run as run_command
from orchestrator.config import BreakerPolicy, RetryPolicy, RunOptions, load_settings
from orchestrator.errors import BudgetError, OrchError
from orchestrator.ledger import store, transaction
from orchestrator.run.call.run_log import RunLog
from orchestrator.run.engine import Engine
from orchestrator.simulator.tokens import CHARACTERS_PER_TOKEN
from orchestrator.types import Prompt

_TIMED = ("reserve", "finish")  # what a run waits for
_BREATH_S = 0.05  # after a refusal, for the calls of others to be settled; longer where all of them may be waiting
_LONG_BREATH_S = 0.5
# Whenever multiprocessing starts a child it reads the exit codes of all that have ended. An exit code can be read once:
# a thread that waits for one of those children would find 255 instead.
_exit_codes = threading.Lock()


@dataclass(frozen=True, slots=True)
class Job:
    """What a client asks: `in_flight` prompts at a time, each of one of the chains in turn, streamed every other time.

    The results, one JSON object a run, go to `results`; with `timed`, the seconds that the ledger took for each call
    go there too.
    """

    environ: Mapping[str, str]
    ledger: Path
    models_file: Path
    prompts: Sequence[str]
    chains: Sequence[str]
    results: Path
    options: RunOptions = field(default_factory=lambda: RunOptions(threshold=0.0))
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(initial_backoff_s=0.01))
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    streams: bool = True
    timed: bool = False
    in_flight: int = 1


def prompt_of(tokens: int, words: str = "a1 b2 c3 d4 e5 f6 g7 h8 ") -> str:
    """A prompt of exactly this many tokens, as the simulator counts them; at least 4. A real tokenizer would make more
    of these words."""
    text = f"{tokens:08d} {words * (tokens * CHARACTERS_PER_TOKEN // len(words) + 1)}"
    return text[: tokens * CHARACTERS_PER_TOKEN]


def start(target: Callable[..., object], *arguments: object) -> BaseProcess:
    """A client that has started; its exit code is not 0 if the target raised."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.preloaded"])
    process = context.Process(target=target, args=arguments)
    with _exit_codes:
        process.start()
    return process


def ended(process: BaseProcess, timeout_s: float | None = None) -> int | None:
    """The exit code of a client, once it has ended; None if it has not within the timeout."""
    if not wait([process.sentinel], timeout_s):
        return None
    with _exit_codes:
        process.join()
        return process.exitcode


def ask_all(job: Job) -> None:
    """Run the job's prompts through one engine."""
    _settle_in(job.results.with_suffix(".out"), job.results.with_suffix(".err"))
    spent: dict[str, list[float]] = {name: [] for name in _TIMED}
    if job.timed:
        for name in _TIMED:
            setattr(RunLog, name, _timed(getattr(RunLog, name), spent[name]))
    settings = load_settings(job.environ, ledger=job.ledger, models_file=job.models_file)
    no_config = job.results.parent / "no-config"
    engine = Engine(replace(settings, retry=job.retry, breaker=job.breaker, config_dir=no_config))
    with job.results.open("w", buffering=1, encoding="utf-8") as results:
        asyncio.run(_ask_each(engine, job, results.write))
        results.write(json.dumps({"seconds": spent}) + "\n")


async def _ask_each(engine: Engine, job: Job, write: Callable[[str], object]) -> None:
    numbered = iter(enumerate(job.prompts))

    async def ask_on() -> None:
        for number, prompt in numbered:
            write(json.dumps(await _ask(engine, job, number, prompt)) + "\n")

    async with engine:
        await asyncio.gather(*(ask_on() for _ in range(job.in_flight)))


async def _ask(engine: Engine, job: Job, number: int, prompt: str) -> dict[str, Any]:
    chain = job.chains[number % len(job.chains)]
    stream = job.streams and number // len(job.chains) % 2 == 0
    began = time.perf_counter()
    try:
        result = await engine.run(Prompt(prompt), replace(job.options, chain=chain, stream=stream))
        status, error = result.status, None if result.error is None else result.error.code
    except OrchError as refused:
        status, error = "refused", refused.code
    if error == BudgetError.code:
        await asyncio.sleep(_BREATH_S if job.in_flight == 1 else _LONG_BREATH_S)
    return {"status": status, "error": error, "seconds": time.perf_counter() - began}


def results_of(job: Job) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """The runs of a job that was finished, and what the ledger took for each call, in seconds."""
    *runs, last = [json.loads(line) for line in job.results.read_text(encoding="utf-8").splitlines()]
    return runs, last["seconds"]


def _timed(method: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    async def measured(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = await method(*args, **kwargs)
        seconds.append(time.perf_counter() - began)  # not of what was refused
        return result

    return measured


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of orch, and where its output goes; a FIFO will do for `stdout`.

    `file_limit` is the longest that it may make a file, in bytes; `busy_timeout_s` how long it waits for a ledger that
    is locked, instead of what is built in.
    """

    argv: Sequence[str]
    environ: Mapping[str, str]
    stdout: Path
    stderr: Path
    file_limit: int | None = None
    busy_timeout_s: float | None = None

    def start(self) -> BaseProcess:
        return start(_carry_out, self)

    def finish(self) -> int:
        """Carry it out; gives the exit code."""
        code = ended(self.start())
        assert code is not None
        return code


def _carry_out(command: Command) -> None:
    os.environ.update(command.environ)
    _settle_in(command.stdout, command.stderr)
    if command.busy_timeout_s is not None:
        for module in (store, transaction):
            vars(module)["BUSY_TIMEOUT_S"] = command.busy_timeout_s
    if command.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (command.file_limit, command.file_limit))
    sys.exit(run_command(list(command.argv)))


def _settle_in(stdout: Path, stderr: Path) -> None:
    """Send what this process prints to files, as a shell would; temporary files go beside that of stderr."""
    os.environ["TMPDIR"], tempfile.tempdir = str(stderr.parent), None
    for path, stream, number in ((stdout, sys.stdout, 1), (stderr, sys.stderr, 2)):
        with suppress(BrokenPipeError):
            stream.flush()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
