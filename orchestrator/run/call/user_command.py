"""Runs a command of the user: gives it input, limits its time, and leaves none of its processes behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import cast

from ...command_line import words_of

_KEPT = 64 * 1024  # bytes of what the command writes: its end, which is where a complaint stands
_GRACE_S = 0.2  # for what is still on its way when the command has ended


async def run_command(command: str, given: bytes, *, environ: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
    """Run a command without a shell, with the given environment and standard input. Returns its exit code and the end
    of its output as soon as it exits.

    Processes that it started and left behind are killed then; the command itself is killed when its time is up or the
    run is interrupted. Raises OSError and ValueError if it cannot be run, and TimeoutError.
    """
    transport, watched, interrupted = await _started(command, environ)
    stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
    try:
        if interrupted:
            raise asyncio.CancelledError
        async with asyncio.timeout(max(timeout_s, 0.001)):
            stdin.write(given)
            stdin.close()  # when all is written; a command may decide without reading all of it, or any
            await watched.ended.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await watched.silent.wait()
    finally:
        _stop_all(transport.get_pid())
        try:
            await watched.ended.wait()  # closed before that, the transport would look for its end itself, and take it
        finally:
            # Who has left the process group may hold the pipes for ever: they are closed on this side.
            if stdin.get_write_buffer_size():
                stdin.abort()
            transport.close()
        await watched.closed.wait()
    code = transport.get_returncode()
    assert code is not None, "it has ended"
    return code, watched.said


async def _started(command: str, environ: Mapping[str, str]) -> tuple[asyncio.SubprocessTransport, _Watched, bool]:
    """The command at work, and whether the run was interrupted meanwhile. Raises OSError and ValueError."""
    words = words_of(command)
    if not words:
        raise ValueError("there is no command")
    loop = asyncio.get_running_loop()
    starting = loop.create_task(
        loop.subprocess_exec(
            _Watched,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environ,
            start_new_session=True,  # so that it can be stopped with everything that it starts
        )
    )
    interrupted = False
    while not starting.done():  # it may be at work already: only once this is done can all of it be stopped
        try:
            await asyncio.wait({starting})
        except asyncio.CancelledError:
            interrupted = True
    if interrupted and starting.exception() is not None:
        raise asyncio.CancelledError
    return *starting.result(), interrupted


def _stop_all(pid: int) -> None:
    """Stop a command that leads a group of processes, with everything in it."""
    if sys.platform == "win32":
        stop = ["taskkill", "/F", "/T", "/PID", str(pid)]  # Windows has no groups to send a signal to
        with contextlib.suppress(OSError):
            subprocess.run(stop, capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


class _Watched(asyncio.SubprocessProtocol):
    """Collects the end of a command's output, and notices its exit.

    asyncio's streams would not do: they report the exit only after every process that the command started has closed
    the pipe.
    """

    def __init__(self) -> None:
        self.said = b""
        self.ended, self.silent, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.said = (self.said + data)[-_KEPT:]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self.silent.set()

    def process_exited(self) -> None:
        self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
