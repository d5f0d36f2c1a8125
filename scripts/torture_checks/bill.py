"""A simulator over loopback, in a process of its own, and its journal: the bill."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.registry.providers import PROVIDERS

Entry = Mapping[str, Any]

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback, whatever proxy is set
_SETTLING_S = 0.15  # after which a client that left has been noticed


@dataclass(frozen=True, slots=True)
class Simulator:
    """`environ` has the addresses and keys under which providers are found at it."""

    environ: Mapping[str, str]
    root: str

    def journal(self) -> list[Entry]:
        with _OPENER.open(f"{self.root}/journal", timeout=30) as reply:
            entries: list[Entry] = json.load(reply)["requests"]
            return entries

    def settled_journal(self) -> list[Entry]:
        """The journal once it no longer changes."""
        before = self.journal()
        while True:
            time.sleep(_SETTLING_S)
            after = self.journal()
            if after == before:
                return after
            before = after


@contextmanager
def simulator(folder: Path, models_file: Path, scenario: str | None = None) -> Iterator[Simulator]:
    """Serve a scenario (YAML) for the models of a file until the block ends."""
    argv = [sys.executable, "-m", "orchestrator", "simulate", "--port", "0", "--models-file", str(models_file)]
    if scenario is not None:
        path = folder / "scenario.yaml"
        path.write_text(scenario, encoding="utf-8")
        argv += ["--scenario", str(path)]
    with (folder / "simulator.err").open("ab") as errors:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, text=True, env=dict(os.environ))
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in PROVIDERS]
        words = [word for line in lines for word in shlex.split(line)[1:]]
        environ = dict(word.split("=", 1) for word in words)
        if "ANTHROPIC_BASE_URL" not in environ:
            raise RuntimeError(f"the simulator did not start: {(folder / 'simulator.err').read_text()}")
        yield Simulator(environ, environ["ANTHROPIC_BASE_URL"])
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
