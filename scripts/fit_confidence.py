"""Fit what the signals of confidence are worth to recorded outcomes, and say what that is, on prompts left out.

    python scripts/fit_confidence.py DATA            # figures, cross-validated
    python scripts/fit_confidence.py DATA --write    # and orchestrator/confidence/weights.json
    python scripts/fit_confidence.py DATA --check    # whether that file is what the data give, byte for byte

DATA is a folder with `routing`, recorded outcomes with texts (docs/bench.md has the format), and `answers`, graded open
answers without prompts: {"id", "model", "text", "score"} a line. The same data give the same file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):  # sums in another order would differ in their last digits
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
from confidence_fit import cascades, open_answers  # noqa: E402
from confidence_fit.additive import CENTER, Fitted, fit  # noqa: E402
from confidence_fit.agreement import fit_agreement, with_agreement  # noqa: E402
from confidence_fit.data import Reply, open_replies, replies  # noqa: E402
from confidence_fit.evaluation import cross_validated, report  # noqa: E402
from confidence_fit.regression import Array  # noqa: E402
from confidence_fit.transfer import by_pair, left_out  # noqa: E402

from orchestrator.confidence.answers import AnswerKind  # noqa: E402
from orchestrator.confidence.curves import WEIGHTS  # noqa: E402
from orchestrator.confidence.detector import MEASURED  # noqa: E402
from orchestrator.config import RunOptions  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="write the weights")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the weights are not those of the data")
    parser.add_argument("--ablate", action="store_true", help="each signal by itself, and all but it")
    parser.add_argument("--transfer", action="store_true", help="each set by what the others say, and each model")
    arguments = parser.parse_args()
    everything = replies(arguments.data)
    sample = [reply for reply in everything if not reply.is_open]
    print(f"{len(sample)} definite replies", {kind.value: sum(r.kind is kind for r in sample) for kind in AnswerKind})

    held_out, unknown = cross_validated(sample, Fitted.logits, partial(Fitted.logits, without="model"))
    figures: dict[str, Any] = {"text": report("prompts left out", held_out, sample)}
    agreement = fit_agreement(held_out, sample)
    checked = [i for i, reply in enumerate(sample) if reply.agreement is not None]
    others = [sample[i] for i in checked]
    figures["agreement"] = report(
        "with agreement, all but the strongest model", with_agreement(agreement, held_out[checked], others), others
    )
    rated, unrated, figures["cascade"] = later_answers(sample, held_out, unknown)
    by_pair("prompts left out", sample, held_out)
    if arguments.transfer:
        left_out(sample)
    if arguments.ablate:
        names = ("by hand", "model", "kind", *MEASURED)
        reads = [
            read for name in names for read in (partial(Fitted.logits, only=name), partial(Fitted.logits, without=name))
        ]
        found = cross_validated(sample, *reads)
        for place, name in enumerate(names):
            report(f"{name} by itself", found[2 * place], sample)
            report(f"all but {name}", found[2 * place + 1], sample)
    fitted = fit(sample)
    written = open_replies(arguments.data)
    strengths = np.array([fitted.slope * (reply.score - CENTER) for reply in written])
    figures["open"] = open_answers.figures(written, strengths)
    print(f"\nopen answers of unseen models to unseen prompts: {figures['open']}")
    document = {
        "data": {source: sum(r.source == source for r in sample) for source in sorted({r.source for r in sample})}
        | {"open answers": len(written)},
        "figures": figures,
        "baselines": {kind.value: logit for kind, logit in fitted.baselines.items()},
        "prompts": fitted.prompts,
        "agreement": agreement,
        "strength": {
            "slope": fitted.slope,
            "center": CENTER,
            "later_rated": rated,
            "later_unrated": unrated,
            "models": fitted.models,
        },
        "curves": {name: [*curve] for name, curve in fitted.curves.items()}
        | {name: [*curve] for name, curve in open_answers.fit_open(written, strengths).items()},
    }
    print(f"\n{len(document['curves'])} curves; baselines {fitted.baselines}; agreement {agreement}")
    text = as_text(document)
    if arguments.write:
        WEIGHTS.write_text(text, encoding="utf-8")
        print(f"written: {WEIGHTS}")
    if arguments.check and text != WEIGHTS.read_text(encoding="utf-8"):
        print(f"{WEIGHTS} is not what the data give", file=sys.stderr)
        return 1
    return 0


def later_answers(
    sample: Sequence[Reply], held_out: Array, unknown: Array
) -> tuple[float, float, dict[str, dict[str, float]]]:
    """What a later answer starts with, where the models are rated and where they are not; and what cascades come to,
    by set: the area over the share of strong calls, that of keeping the last answer, and the default cascade."""
    grades = np.array([reply.grade for reply in sample])
    found = list(cascades.pairs(sample))
    rated, unrated = (cascades.fit_bonus(found, logits, grades) for logits in (held_out, unknown))
    print(f"\na later answer starts with {rated} logits, {unrated} where the models are not rated")
    figures = {}
    threshold = RunOptions().threshold
    for source in sorted({pair.source for pair in found}):
        own = [pair for pair in found if pair.source == source]
        plays = [cascades.default_cascade(pair, held_out, grades, threshold, rated) for pair in own]
        figures[source] = {
            "pairs": len(own),
            "area": _mean([cascades.area(pair, held_out, grades, rated) for pair in own]),
            "unrated": _mean([cascades.area(pair, unknown, grades, unrated) for pair in own]),
            "last": _mean([cascades.area(pair, held_out, grades, cascades.ALWAYS) for pair in own]),
            "lost": _mean([lost for lost, *_ in plays]),
            "most lost": round(max(lost for lost, *_ in plays), 3),
            "kept": _mean([kept for _, kept, _ in plays]),
        }
        print(f"  {source:10}", figures[source])
    return rated, unrated, figures


def as_text(document: dict[str, Any]) -> str:
    """The file. The day changes only with what was fitted, so that fitting again gives the same file."""
    before = json.loads(WEIGHTS.read_text(encoding="utf-8")) if WEIGHTS.exists() else {}
    day = datetime.now(UTC).date().isoformat()
    plain = json.loads(json.dumps(document))
    fitted = before.get("fitted", day) if before == {"fitted": before.get("fitted")} | plain else day
    return json.dumps({"fitted": fitted} | plain, indent=None, separators=(",", ":")).replace('],"', '],\n"') + "\n"


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3)


if __name__ == "__main__":
    sys.exit(main())
