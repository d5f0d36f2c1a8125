"""Writes docs/cli.md: the help of every command, as it is printed. `--check` only says whether it is up to date."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from orchestrator.cli.app import run
from orchestrator.cli.dispatch import COMMANDS

PATH = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
_HEAD = (
    "# Commands\n\nThe help of every command. Written by `scripts/cli_docs.py`; a test holds it against the program.\n"
)


def main(argv: list[str]) -> int:
    os.environ["COLUMNS"] = "100"
    wanted = "\n".join([_HEAD, *(_section(words) for words in ([], *([name] for name in COMMANDS.built_in)))])
    if "--check" in argv:
        return 0 if PATH.read_text(encoding="utf-8") == wanted else 1
    PATH.write_text(wanted, encoding="utf-8")
    return 0


def _section(words: list[str]) -> str:
    command = " ".join(["orch", *words])
    printed = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(printed, encoding="utf-8")):
        assert run([*words, "--help"]) == 0
        return f"## {command}\n\n```\n{printed.getvalue().decode().rstrip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
