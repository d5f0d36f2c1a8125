"""Processes that stand in one queue, as their users see it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from patience import PATIENCE_S

MODELS = """
checked: 2026-11-21
models:
  slow-lane:
    provider: anthropic
    id: claude-haiku-5-5
    context_window: 200_000
    output_limit: 8_000
    levels: [basic]
    scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}
    limits: {rpm: 1}
    prices: [{input: 0.1, output: 0.5}]
"""


def told_its_place(process: subprocess.Popen[str]) -> str:
    """The line about waiting, as soon as there is one."""
    assert process.stderr is not None
    return next(line for line in process.stderr if "in the queue" in line)


def test_each_process_that_waits_is_told_its_place_and_until_when(
    orch: Callable[..., CompletedProcess[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "models.yaml").write_text(MODELS)
    environ = {"ORCH_MODELS": str(tmp_path / "models.yaml"), "ORCH_LEDGER": str(tmp_path / "ledger.db")}
    argv = ["run", "--simulate", "-v", "--chain", "slow-lane", "-p", "What is the capital of France?"]
    assert orch(*argv, **environ).returncode == 0
    waiting: list[subprocess.Popen[str]] = []
    try:
        for place in (1, 2):
            waiting.append(
                subprocess.Popen(
                    [sys.executable, "-m", "orchestrator", *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **environ, "ORCH_CONFIG": patient(tmp_path)},
                )
            )
            said = told_its_place(waiting[-1])
            assert re.search(rf"waiting [0-9.]+ s, until \d\d:\d\d:\d\d: its limit per minute, number {place} in", said)
        waiting[0].send_signal(signal.SIGINT)
        assert waiting[0].wait(PATIENCE_S) == 130
        assert "number 1 in the queue" in told_its_place(waiting[1])  # the place that was given up
    finally:
        for process in waiting:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)


def patient(folder: Path) -> str:
    """A config file of somebody who waits for two minutes and more."""
    (folder / "config.yaml").write_text("retry: {max_wait: 180}\n")
    return str(folder / "config.yaml")
