"""The user's own command that says whether an answer will do: it reads the answer, and exit code 0 accepts it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal

from ..confidence.signal import Signal
from ..confidence.verification import verification_signal
from ..errors import UsageError

_KEPT = 64 * 1024  # bytes of what the command writes: its end, which is where a complaint stands


def check_command(command: str) -> None:
    """Raises UsageError, before anything is spent, for a command that cannot be run."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--verify {command!r} cannot be read: {error}", hint="quote it as for a shell") from error
    if not words:
        raise UsageError("--verify needs a command", hint="for example: --verify 'python -m json.tool'")
    if shutil.which(words[0]) is None:
        raise UsageError(
            f"--verify: there is no command {words[0]!r}", hint="for a pipe, use: --verify \"sh -c '...'\""
        )


async def verify(command: str, answer: str, *, timeout_s: float) -> Signal:
    """Run the command, without a shell, with the answer as UTF-8 on its standard input.

    One that does not end in time is stopped with all that it has started, as is one whose run is interrupted, and an
    answer that nobody could verify is not accepted.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # so that it can be stopped with everything that it starts
        )
    except OSError as error:
        return verification_signal(127, f"cannot be run: {error.strerror}")
    try:
        async with asyncio.timeout(max(timeout_s, 0.001)):
            said, _ = await asyncio.gather(_end_of(process.stdout), _give(process.stdin, answer))
            code = await process.wait()
    except TimeoutError:
        return verification_signal(124, f"stopped after {timeout_s:.0f} s")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
    return verification_signal(code, said)


async def _give(stream: asyncio.StreamWriter | None, answer: str) -> None:
    """A command may decide without reading all of the answer, or any of it."""
    assert stream is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(answer.encode("utf-8", "replace"))
        await stream.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.close()
        await stream.wait_closed()


async def _end_of(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    kept = b""
    while piece := await stream.read(_KEPT):
        kept = (kept + piece)[-_KEPT:]
    return kept.decode("utf-8", "replace")
