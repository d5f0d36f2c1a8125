"""Verifies an answer with the user's command: it reads the answer, and exit code 0 accepts it."""

from __future__ import annotations

from collections.abc import Mapping

from ...confidence.signal import Signal
from ...confidence.signals.verification import verification_signal
from .user_command import run_command

_CANNOT_BE_RUN, _STOPPED = 127, 124  # exit codes that shells and timeout(1) give


async def verify(command: str, answer: str, *, environ: Mapping[str, str], timeout_s: float) -> Signal:
    """Run the command as `run_command` does, with the answer as UTF-8 on its standard input.

    The command's own exit code decides. An answer that could not be verified is not accepted.
    """
    given = answer.encode("utf-8", "replace")
    try:
        code, said = await run_command(command, given, environ=environ, timeout_s=timeout_s)
    except TimeoutError:
        return verification_signal(_STOPPED, f"stopped after {timeout_s:.0f} s")
    except OSError as error:
        return verification_signal(_CANNOT_BE_RUN, f"cannot be run: {error.strerror}")
    except ValueError as error:
        return verification_signal(_CANNOT_BE_RUN, f"cannot be run: {error}")
    return verification_signal(code, said.decode("utf-8", "replace"))
