"""What LiteLLM's complexity router is worth on recorded outcomes, beside the score of orch on the same prompts.

    pip install -e . numpy litellm==1.110.2       # in an environment of its own
    python scripts/bench_peers.py DATA

DATA is a folder of sets (`complexity_fit.data.PAIRS`) as .jsonl.gz. Figures are APGR; 0.5 is a coin flip. The score of
orch has seen the sets that it was fitted to: its fair figures on those, with prompts left out, are printed by
scripts/fit_complexity.py. The router scores by rules and sends nothing.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch prices when it is imported
from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from complexity_fit.metrics import apgr
from complexity_fit.pairs import PAIRS

from orchestrator.reading.complexity import ComplexityAnalyzer


def main() -> None:
    folder = Path(sys.argv[1])
    router = ComplexityRouter(model_name="any", ctx=MagicMock())
    analyze = ComplexityAnalyzer().analyze
    print("set       prompts   LiteLLM's complexity router   length   orch (has seen what it was fitted to)")
    for name, pair in PAIRS.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        rows = [row for row in rows if all(model in row["outcomes"] for model in pair)]
        weak, strong = (np.array([row["outcomes"][model]["score"] for row in rows], float) for model in pair)
        scores = (
            np.array([score(row["prompt"]) for row in rows], float)
            for score in (lambda prompt: router.classify(prompt)[1], len, lambda prompt: analyze(prompt).score)
        )
        theirs, length, ours = (apgr(each, weak, strong) for each in scores)
        print(f"{name:<9} {len(rows):>7,}   {theirs:>27.3f}   {length:>6.3f}   {ours:.3f}", flush=True)


if __name__ == "__main__":
    main()
