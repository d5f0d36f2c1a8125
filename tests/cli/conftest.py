from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def orch(user_files: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs a command line in a process of its own, with a home of its own; `environ` is added to the environment."""

    def run(*argv: str | bytes, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *argv],
            input=stdin,
            capture_output=True,
            env={**os.environ, **environ},
            timeout=60,
            check=False,
        )

    return run
