"""What signals do to a command that runs: the first may let it come to its end, the next cancels it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from orchestrator.cli.interrupts import Signals
from orchestrator.errors import Interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_the_first_signal_lets_what_is_in_flight_end_and_the_second_cancels(number: signal.Signals, times: int) -> None:
    told = asyncio.Event()

    async def work() -> str:
        os.kill(os.getpid(), number)
        await told.wait()
        if times > 1:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        return "ended"

    signals: Signals[str] = Signals(first=told.set)
    if times == 1:
        assert signals.run(work()) == "ended"
    else:
        with pytest.raises(Interrupted) as raised:
            signals.run(work())
        assert raised.value.exit_code == 128 + number
    assert signals.exit_code == 128 + number
