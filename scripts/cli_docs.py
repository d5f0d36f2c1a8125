"""Writes docs/cli.md: the help of every command, as it is printed. `--check` only says whether it is up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from orchestrator.cli.commands import COMMANDS

PATH = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
_HEAD = (
    "# Commands\n\nThe help of every command. Written by `scripts/cli_docs.py`; a test holds it against the program.\n"
)


def main(argv: list[str]) -> int:
    wanted = "\n".join([_HEAD, *(_section(words) for words in ([], *([name] for name in COMMANDS)))])
    if "--check" in argv:
        return 0 if PATH.read_text(encoding="utf-8") == wanted else 1
    PATH.write_text(wanted, encoding="utf-8")
    return 0


def _section(words: list[str]) -> str:
    command = " ".join(["orch", *words])
    argv = [sys.executable, "-m", "orchestrator", *words, "--help"]
    run = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "100"})
    return f"## {command}\n\n```\n{run.stdout.rstrip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
