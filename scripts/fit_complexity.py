"""Fit the complexity score to recorded outcomes, and print what it is worth on prompts that were left out.

    python scripts/fit_complexity.py DATA             # held-out figures, and what each group of features is worth
    python scripts/fit_complexity.py DATA --write     # fits on everything and writes orchestrator/reading/weights.json

DATA is a folder with gsm8k, mmlu, arena and nine as .jsonl.gz. Seeds are fixed: the same data give the same file.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):  # sums in another order would differ in their last digits
    os.environ[f"{_library}_NUM_THREADS"] = "1"

from complexity_fit.data import load  # noqa: E402
from complexity_fit.evaluation import ablation, in_domain, left_out, report  # noqa: E402
from complexity_fit.writing import write  # noqa: E402

WEIGHTS = Path(__file__).resolve().parents[1] / "orchestrator" / "reading" / "weights.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of recorded outcomes")
    parser.add_argument("--write", action="store_true", help="fit on everything and write the weights")
    parser.add_argument("--date", default=None, help="the day to put into the file; by default it keeps its own")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="where the weights go")
    arguments = parser.parse_args()
    data = load(arguments.data)
    figures = in_domain(data)
    report("prompts left out at random, a fifth at a time", figures)
    if arguments.write:
        write(arguments.output, arguments.data, data, figures, arguments.date)
    else:
        report("whole sets and tasks left out", left_out(data))
        ablation(data)


if __name__ == "__main__":
    main()
