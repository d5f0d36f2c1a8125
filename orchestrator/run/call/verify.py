"""The user's own command that says whether an answer will do: it reads the answer, and exit code 0 accepts it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from typing import cast

from ...confidence.signal import Signal
from ...confidence.signals.verification import verification_signal

_KEPT = 64 * 1024  # bytes of what the command writes: its end, which is where a complaint stands
_GRACE_S = 0.2  # for what is still on its way when the command has ended
_CANNOT_BE_RUN, _STOPPED = 127, 124  # exit codes that shells and timeout(1) give


async def verify(command: str, answer: str, *, environ: Mapping[str, str], timeout_s: float) -> Signal:
    """Run the command, without a shell, in the environment given and with the answer as UTF-8 on its standard input.

    Its own exit code decides, as soon as it ends. Whatever it has started and left behind is stopped then, as is all of
    it where it does not end in time or its run is interrupted; an answer that nobody could verify is not accepted.
    """
    try:
        words = shlex.split(command)
        if not words:
            raise ValueError("there is no command")
        transport, watched, interruption = await _started(words, environ)
    except OSError as error:
        return verification_signal(_CANNOT_BE_RUN, f"cannot be run: {error.strerror}")
    except ValueError as error:
        return verification_signal(_CANNOT_BE_RUN, f"cannot be run: {error}")
    stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
    try:
        if interruption is not None:
            raise interruption
        async with asyncio.timeout(max(timeout_s, 0.001)):
            stdin.write(answer.encode("utf-8", "replace"))
            stdin.close()  # when all is written; a command may decide without reading all of it, or any
            await watched.ended.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await watched.silent.wait()
    except TimeoutError:
        return verification_signal(_STOPPED, f"stopped after {timeout_s:.0f} s")
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
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
    return verification_signal(code, watched.said.decode("utf-8", "replace"))


async def _started(
    words: Sequence[str], environ: Mapping[str, str]
) -> tuple[asyncio.SubprocessTransport, _Watched, asyncio.CancelledError | None]:
    """The command's process, and the interruption of the run that came meanwhile: it is for the caller to raise.

    asyncio, interrupted while it starts a process, kills that one alone and waits until whatever it has started by then
    has ended, too. Raises OSError or ValueError if the command cannot be run.
    """
    loop, interruption = asyncio.get_running_loop(), None
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
    try:
        await asyncio.wait([starting])
    except asyncio.CancelledError as error:
        interruption = error
        await asyncio.wait([starting])
        if starting.exception() is not None:
            raise
    return *starting.result(), interruption


class _Watched(asyncio.SubprocessProtocol):
    """The end of what a command says, and when it has ended, has nothing more to say, and is closed on this side.

    A stream would not do: its process counts as ended only when whatever it started has closed the pipe as well.
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
