"""A cluster of dask.distributed, as a batch uses it. The only module that speaks to its client."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from ...errors import ConfigError, UsageError
from .at_worker import look, work
from .wire import About, Piece, Returned, Trouble

LOCAL = "local"
_CONNECT_S = 10.0
_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")
_EXAMPLE = "--engine tcp://scheduler:8786, --engine local, or --engine local:4 for so many workers"


def check_engine(engine: str) -> None:
    """Raises UsageError for what names no cluster, and ConfigError if dask.distributed is not installed."""
    kind, _, number = engine.partition(":")
    if kind == LOCAL:
        if number and not (number.isdecimal() and 1 <= int(number) <= 1000):
            raise UsageError(f"--engine local takes a number of workers, not {number[:40]!r}", hint=_EXAMPLE)
    elif not engine.startswith(_SCHEMES):
        raise UsageError(f"--engine takes the address of a Dask scheduler, not {engine[:60]!r}", hint=_EXAMPLE)
    try:
        import distributed  # noqa: F401  # heavy
    except ImportError as error:
        raise ConfigError(
            f"--engine needs dask.distributed, which is not installed: {error}",
            hint="pip install 'orch-llm[dask]', here and on the workers",
        ) from error


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """A client that has lost its scheduler says so by errors of many kinds."""
    try:
        yield
    except (RuntimeError, KeyError, AttributeError, TimeoutError) as error:
        raise OSError(f"the scheduler does not answer: {error or type(error).__name__}") from error


class Cluster:
    """An open connection to a scheduler, on the running event loop. `local`: its workers end with it."""

    def __init__(self, client: Any, local: Any | None) -> None:
        self._client = client
        self._local = local

    @classmethod
    async def open(cls, engine: str) -> Self:
        """Connect to the scheduler at an address, or start workers on this machine. Raises ConfigError and
        UsageError."""
        check_engine(engine)
        from distributed import Client, LocalCluster  # heavy

        for name in ["tornado", *logging.root.manager.loggerDict]:
            if name.startswith(("tornado", "distributed")):
                logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is told in this program's words
        local: Any = None
        try:
            if engine.partition(":")[0] == LOCAL:
                number = engine.partition(":")[2]
                local = await LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=int(number) if number else os.cpu_count() or 1,
                    threads_per_worker=1,
                    dashboard_address=":0",
                    asynchronous=True,
                    silence_logs=logging.CRITICAL,
                    preload="orchestrator.batch.remote.deaf",
                )
            client: Any = Client(local or engine, asynchronous=True, timeout=_CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
            client = await client
        except (TimeoutError, OSError, ValueError, TypeError) as error:
            if local is not None:
                await local.close()
            raise ConfigError(
                f"no Dask scheduler answers at {engine}: {error or type(error).__name__}",
                hint="start one there with: dask scheduler; its workers with: dask worker ADDRESS",
            ) from error
        return cls(client, local)

    async def close(self) -> None:
        """Let go of the scheduler; end the workers of a local cluster."""
        with suppress(Exception):  # whatever is wrong with it, it is not needed any more
            await self._client.close()
        if self._local is not None:
            with suppress(Exception):
                await self._local.close()

    async def workers(self) -> dict[str, int]:
        """The addresses of the workers that the scheduler knows now, with their threads. Raises OSError if it does not
        answer."""
        with _as_os_errors():
            return dict(await asyncio.wait_for(self._client.nthreads(), _CONNECT_S))

    async def version_at(self, worker: str) -> str | None:
        """The version of orch that a worker has installed; None if it has none."""
        from importlib.metadata import version

        with _as_os_errors():
            answer = await self._client.run(version, "orch-llm", workers=[worker], on_error="return")
        found = answer[worker]
        return found if isinstance(found, str) else None

    async def look_at(self, worker: str) -> About:
        """What a worker is."""
        about: About = await self.call(worker, look)
        return about

    async def call(self, worker: str, function: Callable[..., Any], *arguments: object) -> Any:
        """Call a function in a worker's process, beside its tasks. Raises what it raises, and OSError if the worker is
        gone."""
        with _as_os_errors():
            answer = await self._client.run(function, *arguments, workers=[worker])
        if worker not in answer:
            raise OSError(f"the worker {worker} does not answer")
        return answer[worker]

    async def work(self, worker: str, piece: Piece) -> Returned | Trouble:
        """Have a worker ask a piece: as a task that is for it alone, and that is never started again.

        It never returns if the worker dies: cancel it then.
        """
        future = self._client.submit(
            work,
            piece,
            key=f"orch-{piece.lease_id}-{piece.number}",
            workers=[worker],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        try:
            answer: Returned | Trouble = await future
        finally:
            with suppress(Exception):
                future.release()
        return answer
