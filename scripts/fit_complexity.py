"""Fit the complexity score to recorded outcomes, and print what it is worth on prompts that were left out.

    python scripts/fit_complexity.py DATA             # held-out figures, and what each group of features is worth
    python scripts/fit_complexity.py DATA --write     # fits on everything and writes orchestrator/reading/weights.json

    python scripts/fit_complexity.py DATA --check     # fits on everything and says whether it is the file that is there

DATA is a folder with gsm8k, mmlu, arena, nine, mmlupro, crux and math_l5 as .jsonl.gz; nothing is fitted to the last
two. Seeds are fixed: the same data give the same file, byte for byte, with the versions of numpy and scikit-learn that
the development group of pyproject.toml has.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):  # sums in another order would differ in their last digits
    os.environ[f"{_library}_NUM_THREADS"] = "1"

from complexity_fit.data import load  # noqa: E402
from complexity_fit.evaluation import ablation, held_out, in_domain, left_out, report  # noqa: E402
from complexity_fit.writing import text_of  # noqa: E402

WEIGHTS = Path(__file__).resolve().parents[1] / "orchestrator" / "reading" / "weights.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of recorded outcomes")
    parser.add_argument("--write", action="store_true", help="fit on everything and write the weights")
    parser.add_argument("--check", action="store_true", help="exit with 1 if it would write another file")
    parser.add_argument("--ablate", action="store_true", help="what each group of features is worth; takes long")
    parser.add_argument("--date", default=None, help="the day to put into the file; by default it keeps its own")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="where the weights go")
    arguments = parser.parse_args()
    data = load(arguments.data)
    scores = held_out(data)
    figures = in_domain(data, scores)
    report("prompts left out at random, a fifth at a time", figures)
    if arguments.write or arguments.check:
        document = text_of(arguments.output, arguments.data, data, scores[0], figures, arguments.date)
        there = arguments.output.read_bytes() if arguments.output.exists() else b""
        same = there == document.encode()
        print(f"{arguments.output}: {len(document.encode()):,} bytes, {'as it was' if same else 'changed'}")
        if arguments.write:
            arguments.output.write_bytes(document.encode())
        sys.exit(1 if arguments.check and not same else 0)
    report("whole sets and tasks left out", left_out(data))
    if arguments.ablate:
        ablation(data)


if __name__ == "__main__":
    main()
