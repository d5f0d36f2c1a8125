"""What agreement of three models comes to, on recorded outcomes with texts.

    python scripts/bench_agreement.py DATA [PROMPTS]

DATA is a folder of recorded outcomes, as for scripts/fit_confidence.py; PROMPTS is how many of each set are taken, by
default 150. For every three models of a set: the weakest is asked, then the next, until two answers are the same; of
those the weaker model's is given. Where none are, the strongest model's is.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean

from confidence_fit.data import mean_grades

from orchestrator.confidence.answers import AGREES_FROM, FinalAnswer, compare
from orchestrator.confidence.asked import Asked
from orchestrator.confidence.detector import read_answer
from orchestrator.lab.reading import read_items
from orchestrator.lab.records import Item

PROMPTS = 150
_MOST_MISSING = 0.2  # of a model's texts

Finals = Mapping[str, FinalAnswer]


def main() -> None:
    folder, size = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else PROMPTS
    print("set       threes   below the weakest   gained over the weakest, the middle one, the strongest")
    for path in sorted((folder / "routing").glob("*.jsonl*")):
        items = sorted(read_items(path), key=lambda item: hashlib.sha256(item.prompt.encode()).digest()[1:])[:size]
        gains = list(of_set(items))
        if gains:
            means = "   ".join(f"{fmean(each):+.3f}" for each in zip(*gains, strict=True))
            print(
                f"{path.name.partition('.')[0]:9} {len(gains):6}   {sum(gain < 0 for gain, *_ in gains):17}   {means}"
            )


def of_set(items: Sequence[Item]) -> Iterator[tuple[float, ...]]:
    """For every three models with texts, what agreement gains over each of them alone."""
    ranked = sorted(means := mean_grades(items), key=means.__getitem__)
    texts = {model: sum(_has_text(item, model) for item in items) for model in ranked}
    models = [model for model in ranked if texts[model] >= (1 - _MOST_MISSING) * len(items)]
    if len(models) < 3:
        return
    finals = [_finals(item, models) for item in items]
    for three in combinations(models, 3):
        both = [(item, read) for item, read in zip(items, finals, strict=True) if all(name in read for name in three)]
        found = fmean(item.outcomes[given(three, read)].score for item, read in both)
        yield tuple(found - fmean(item.outcomes[model].score for item, _ in both) for model in three)


def given(three: Sequence[str], finals: Finals) -> str:
    """The model whose answer is given; `three` are from the weakest to the strongest."""
    for later, model in enumerate(three):
        for earlier in three[:later]:
            if compare(finals[earlier], finals[model]) >= AGREES_FROM:
                return earlier
    return three[-1]


def _finals(item: Item, models: Sequence[str]) -> Finals:
    asked = Asked.of(item.prompt)
    return {
        model: read_answer(item.outcomes[model].text or "", asked).final for model in models if _has_text(item, model)
    }


def _has_text(item: Item, model: str) -> bool:
    return model in item.outcomes and bool(item.outcomes[model].text)


if __name__ == "__main__":
    main()
