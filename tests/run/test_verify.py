"""The user's own command as the judge of an answer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import PATIENCE_S

from orchestrator.confidence.signal import Signal
from orchestrator.run.call.verify import verify


def verified(code: str, answer: str = "42") -> Signal:
    return asyncio.run(verify(f'{sys.executable} -c "{code}"', answer, environ=os.environ, timeout_s=PATIENCE_S))


def test_exit_code_0_accepts() -> None:
    found = verified("import sys; sys.exit(sys.stdin.read() != '42')")
    assert found.logit > 4
    assert found.reason == "verified: exit code 0"


def test_any_other_does_not_and_the_last_line_says_why() -> None:
    found = verified("print('one'); print('two failed'); raise SystemExit(3)")
    assert found.logit < -4
    assert found.reason == "not verified: exit code 3: two failed"


def test_the_answer_arrives_as_it_is() -> None:
    answer = "é\n" * 200_000
    assert verified("import sys; sys.exit(len(sys.stdin.buffer.read()) != 600000)", answer).logit > 0


def test_a_command_may_decide_without_reading() -> None:
    assert verified("raise SystemExit(0)", "x" * 5_000_000).logit > 0


def test_a_command_that_writes_without_end_is_read_to_its_end() -> None:
    assert verified("print('x' * 3_000_000); raise SystemExit(1)").reason.startswith("not verified: exit code 1: xxx")


def test_one_that_takes_too_long_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    started, timeout_s = tmp_path / "started", 0.5
    command = f"sh -c 'sleep 6000 & echo $! > {started}; wait'"
    while not started.exists() or not started.read_text():  # until there was time enough for it to start something
        timeout_s *= 2
        found = asyncio.run(verify(command, "x", environ=os.environ, timeout_s=timeout_s))
        assert found.reason == f"not verified: exit code 124: stopped after {timeout_s:.0f} s"
    assert ended(int(started.read_text()))


def test_its_own_exit_code_decides_and_what_it_leaves_behind_is_stopped(tmp_path: Path) -> None:
    left = tmp_path / "left"
    found = asyncio.run(
        verify(f"sh -c 'sleep 6000 & echo $! > {left}; exit 0'", "x", environ=os.environ, timeout_s=PATIENCE_S)
    )
    assert found.reason == "verified: exit code 0"
    assert ended(int(left.read_text()))


def test_what_has_left_its_process_group_is_not_waited_for(tmp_path: Path) -> None:
    left = tmp_path / "left"
    code = (
        "import subprocess, sys; print('too short', flush=True);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(6000)'], start_new_session=True);"
        f"open('{left}', 'w').write(str(child.pid)); sys.exit(2)"
    )
    try:
        found = verified(code, "x" * 1_000_000)
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)
    assert found.reason == "not verified: exit code 2: too short"


def test_one_whose_run_is_interrupted_is_stopped(tmp_path: Path) -> None:
    left = tmp_path / "left"

    async def interrupted() -> None:
        running = asyncio.create_task(
            verify(f"sh -c 'echo $$ > {left}; sleep 6000; true'", "x", environ=os.environ, timeout_s=PATIENCE_S)
        )
        while not left.exists() or not left.read_text():  # noqa: ASYNC110  # a file has no event
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(interrupted())
    assert ended(int(left.read_text()))


@pytest.mark.parametrize("turns", [2, 3, 4])
def test_one_whose_run_is_interrupted_while_it_starts_is_stopped_with_what_it_started(
    tmp_path: Path, turns: int
) -> None:
    left = tmp_path / "left"

    async def interrupted() -> None:
        command = f"sh -c 'sleep 6000 & echo $! > {left}; wait'"
        running = asyncio.create_task(verify(command, "x", environ=os.environ, timeout_s=PATIENCE_S))
        for _ in range(turns):
            await asyncio.sleep(0)
        while not left.exists() or not left.read_text():
            time.sleep(0.01)  # noqa: ASYNC251  # the loop is not to take notice of it yet
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(interrupted())
    assert ended(int(left.read_text()))


def test_a_command_that_cannot_be_run_is_interrupted_all_the_same() -> None:
    async def interrupted() -> None:
        running = asyncio.create_task(verify("no-such-command-anywhere", "x", environ=os.environ, timeout_s=PATIENCE_S))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(interrupted())


def test_nothing_is_left_for_the_loop_to_complain_of(capfd: pytest.CaptureFixture[str]) -> None:
    code = """if True:
        import asyncio
        import os
        from orchestrator.run.call.verify import verify
        for command, timeout_s in (("sh -c 'sleep 6000 & exit 0'", 600), ("sleep 6000", 0.5), ("true", 600)):
            print(asyncio.run(verify(command, "x" * 100_000, environ=os.environ, timeout_s=timeout_s)).logit > 0)
    """
    subprocess.run([sys.executable, "-X", "dev", "-c", code], check=True)
    assert capfd.readouterr() == ("True\nFalse\nTrue\n", "")


@pytest.mark.parametrize("command", ["", "no-such-command-anywhere", "sh -c 'unclosed", "cat \0"])
def test_a_command_that_cannot_be_run_accepts_nothing(command: str) -> None:
    found = asyncio.run(verify(command, "x", environ=os.environ, timeout_s=PATIENCE_S))
    assert found.reason.startswith("not verified: exit code 127: cannot be run: ")


def ended(pid: int) -> bool:
    """Whether a process has ended, or does so in a moment: one that was killed is there until it is waited for."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False
