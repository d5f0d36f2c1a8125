"""The user's own command as the judge of an answer."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from orchestrator.calling.verify import check_command, verify
from orchestrator.confidence.signal import Signal
from orchestrator.errors import UsageError


def verified(code: str, answer: str = "42", timeout_s: float = 20.0) -> Signal:
    return asyncio.run(verify(f'{sys.executable} -c "{code}"', answer, timeout_s=timeout_s))


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
    child = f"import time; time.sleep(1.5); open('{tmp_path / 'alive'}', 'w')"
    started = time.monotonic()
    found = verified(f"import subprocess, sys; subprocess.run([sys.executable, '-c', \\\"{child}\\\"])", timeout_s=0.3)
    assert found.reason == "not verified: exit code 124: stopped after 0 s"
    assert time.monotonic() - started < 1.4
    time.sleep(max(0.0, started + 1.9 - time.monotonic()))
    assert not (tmp_path / "alive").exists()


@pytest.mark.parametrize("command", ["", "no-such-command-anywhere", "sh -c 'unclosed"])
def test_a_command_that_cannot_be_run_is_refused_before_anything_is_spent(command: str) -> None:
    with pytest.raises(UsageError):
        check_command(command)
