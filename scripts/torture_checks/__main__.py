"""`scripts/torture`: run the checks, one line each. Exit code 1 if a promise was broken, 2 for a bad argument."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.registry.providers import variable_prefixes

from .check import Check, Findings, Size, Trial
from .checks import CHECKS

_OURS = variable_prefixes()

_SHOWN = 10  # problems of a check


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; gives the exit code."""
    options = _parser().parse_args(argv)
    if options.list:
        for check in CHECKS.values():
            print(f"{check.name:14} {check.promise}")
            print(f"{'':14} small {check.small.count:,}, full {check.full.count:,} {check.counts}")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="orch-torture-"))
    _isolate(folder)
    failed = 0
    for name in options.only or CHECKS:
        check = CHECKS[name]
        size = check.full if options.scale == "full" else check.small
        if name in options.count:
            size = replace(size, count=options.count[name])
        if options.processes is not None:
            size = replace(size, processes=options.processes)
        failed += not _passes(check, size, folder / name, f"{options.seed}/{name}", options.patience)
    if options.keep or failed:
        print(f"everything that was written is in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if failed else 0


def _passes(check: Check, size: Size, folder: Path, seed: str, patience: int) -> bool:
    folder.mkdir()
    began = time.monotonic()
    try:
        findings = check.run(Trial(folder, size, random.Random(seed), patience))
    except Exception as error:  # noqa: BLE001  # a check that cannot be carried out is one that failed
        traceback.print_exc()
        findings = Findings(problems=[f"it could not be carried out: {type(error).__name__}: {error}"])
    verdict = "FAIL" if findings.problems else "pass"
    figures = "; ".join(findings.figures)
    print(
        f"{verdict} {check.name}: {size.count:,} {check.counts}; {figures} [{time.monotonic() - began:.1f} s]",
        flush=True,
    )
    for problem in findings.problems[:_SHOWN]:
        print(f"     {problem}", flush=True)
    if len(findings.problems) > _SHOWN:
        print(f"     and {len(findings.problems) - _SHOWN} more", flush=True)
    return not findings.problems


def _isolate(folder: Path) -> None:
    """A home of our own, and none of the user's keys, settings or addresses."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            del os.environ[name]
    home = folder / "home"
    home.mkdir()
    os.environ.update(HOME=str(home), NO_PROXY="*")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/torture", description="Checks what orch promises, at length.")
    parser.add_argument("--only", action="append", choices=list(CHECKS), metavar="NAME", help="this check; repeatable")
    parser.add_argument("--list", action="store_true", help="list the checks and stop")
    parser.add_argument("--scale", choices=["small", "full"], default="small", help="how much of each (small)")
    parser.add_argument(
        "--count", action=_Count, default={}, metavar="NAME=N", help="how much of one check; see --list; repeatable"
    )
    parser.add_argument("--processes", type=_positive, help="clients at the same time, where a check has several")
    parser.add_argument(
        "--patience", type=_positive, default=1, help="on a busy machine: everything may take so many times as long"
    )
    parser.add_argument("--seed", default="1", help="the same seed makes the same choices (1)")
    parser.add_argument("--keep", action="store_true", help="keep ledgers, journals and output even if all passes")
    return parser


class _Count(argparse.Action):
    """`--count NAME=N`, into a mapping."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        name, _, number = str(values).partition("=")
        if name not in CHECKS or not number.isdecimal() or int(number) < 1:
            parser.error(f"--count takes NAME=N with one of {', '.join(CHECKS)}, not {values!r}")
        namespace.count = {**namespace.count, name: int(number)}


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
