"""`scripts/torture` at a short setting: every check is carried out, and every promise holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# check -> how much of it; what is not here is for longer runs
SHORT = {
    "budget": 30,
    "kill9": 8,
    "interrupts": 1,
    "faults": 4,
    "mixed": 24,
    "quota": 3,
    "retry_after": 120,
    "registries": 40,
    "calendar": 1,
    "ledger_faults": 1,
    "spool": 60,
    "pricing": 4_000,
    "reports": 24,
    "upkeep": 4,
    "batch": 1,
}


# How fast the machine is must not matter: nothing waits longer for it, but for what would never come.
PATIENCE = 30


def torture(*options: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    argv = [sys.executable, "-m", "torture_checks", *options]
    return subprocess.run(argv, capture_output=True, text=True, env=environ, timeout=1800, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts and limits files as Linux does")
@pytest.mark.parametrize("name", SHORT)
def test_a_promise_holds_at_a_short_setting(name: str) -> None:
    done = torture("--only", name, "--count", f"{name}={SHORT[name]}", "--patience", str(PATIENCE))
    verdicts = re.findall(r"^(\w+) (\w+): ", done.stdout, re.MULTILINE)
    assert (done.returncode, verdicts) == (0, [("pass", name)]), done.stdout + done.stderr


def test_a_broken_promise_is_a_failure_that_says_what_was_found() -> None:
    # So small a budget has no room for any call.
    done = torture("--only", "budget", "--count", "budget=2", "--processes", "2")
    assert done.returncode == 1
    assert re.search(r"^FAIL budget: .*\n {5}only 0\.00 % was usable", done.stdout, re.MULTILINE), done.stdout
    assert "everything that was written is in" in done.stderr


def test_checks_are_listed_with_their_counts() -> None:
    done = torture("--list")
    assert done.returncode == 0
    assert set(re.findall(r"^(\w+) ", done.stdout, re.MULTILINE)) == {
        *SHORT,
        "suspensions",
        "batch_apis",
        "in_flight",
        "kill9_in_flight",
        "workers",
    }


def test_a_check_that_does_not_exist_is_a_usage_error() -> None:
    assert torture("--only", "gravity").returncode == 2
    assert torture("--count", "budget=none").returncode == 2
    assert torture("--patience", "0").returncode == 2
