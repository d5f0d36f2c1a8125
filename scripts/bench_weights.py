"""What `orch tune --weights` is worth on prompts of a kind that the shipped weights never saw.

    python scripts/bench_weights.py DATA

DATA is a folder of recorded outcomes, as for scripts/fit_complexity.py. The complexity score is fitted without one of
the sets; some prompts of that set, drawn at random, then tune it as a user's would, and the others say what came of it.
Means over the draws, and in how many of them the tuned score was the worse one.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

from complexity_fit.data import Outcomes, load  # noqa: E402
from complexity_fit.model import fit, logits  # noqa: E402
from complexity_fit.pairs import PAIRS  # noqa: E402

from orchestrator.config.tuned import Adjustment  # noqa: E402
from orchestrator.lab.metrics import Routing  # noqa: E402
from orchestrator.lab.paired import PairedAnswers  # noqa: E402
from orchestrator.lab.tune.cases import GradedAnswer  # noqa: E402
from orchestrator.lab.tune.tuning_weights import adjusted_score, fit_adjustment  # noqa: E402
from orchestrator.reading.complexity import Evidence  # noqa: E402

SIZES = (100, 200, 400, 1_600)
DRAWS = 10
MOST = 0.6  # of a set's prompts that are given to the tuning


def main() -> None:
    data = load(Path(sys.argv[1]))
    print("set      tuned on   APGR before   after    worse in")
    for name in PAIRS:
        paired = left_out(data, name)
        for size in SIZES:
            if size <= MOST * len(paired):
                found = [tried(paired, size, seed) for seed in range(DRAWS)]
                before, after = fmean(one for one, _ in found), fmean(other for _, other in found)
                worse = sum(other < one for one, other in found)
                print(f"{name:<8} {size:>8,}   {before:>11.3f}   {after:.3f}   {worse:>2} of {DRAWS}", flush=True)


def left_out(data: Outcomes, name: str) -> list[PairedAnswers]:
    """The prompts of a set, scored by a fit that never saw the set."""
    rows = data.of(name)
    scores = logits(fit(data, data.fitted & ~rows), data, rows)
    return [
        PairedAnswers(
            "",
            None,
            Evidence(float(scores[row]), data.features[row].values),
            GradedAnswer(float(data.weak[row])),
            GradedAnswer(float(data.strong[row])),
            0.0,
            1.0,
        )
        for row in rows.nonzero()[0]
    ]


def tried(paired: Sequence[PairedAnswers], size: int, seed: int) -> tuple[float, float]:
    """APGR on the prompts that were not drawn, by the score as it was and as it is tuned."""
    shuffled = random.Random(seed).sample(list(paired), len(paired))
    own, others = shuffled[:size], shuffled[size:]
    return worth(others, Adjustment()), worth(others, fit_adjustment(own))


def worth(paired: Sequence[PairedAnswers], adjustment: Adjustment) -> float:
    scores = [adjusted_score(each, adjustment) for each in paired]
    found = Routing(scores, [each.weak.outcome for each in paired], [each.strong.outcome for each in paired]).apgr()
    assert found is not None  # every set has a gap between its models
    return found


if __name__ == "__main__":
    main()
