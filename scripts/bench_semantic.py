"""What a look-up in the semantic cache costs: CPU milliseconds, by how many prompts a scope has.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python scripts/bench_semantic.py [PROMPTS ...]

`first` is the look-up of a process that has read nothing yet, `next` the mean of those after it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from orchestrator.ledger.kept_answers import KeptAnswer, KeptAnswers
from orchestrator.ledger.kept_prompts import KeptPrompts
from orchestrator.paraphrase.agreement import differences
from orchestrator.reading.embedding import local_embedder
from orchestrator.run.call.prompt_search import PromptSearch, kept_prompt

Vectors = NDArray[np.float32]
ASKED = ("How do I sort a list of tuples in Python?", "In Python, what is the way to sort lists of tuples?")


def main() -> None:
    _measured("load the local model and embed one prompt", 1, lambda _: local_embedder().embed(ASKED[:1]))
    _measured("embed one more", 50, lambda turn: local_embedder().embed([f"{ASKED[0]} {turn}"]))
    _measured("compare two prompts", 50, lambda turn: differences(f"{ASKED[0]} {turn}", f"{ASKED[1]} {turn}"))
    for prompts in map(int, sys.argv[1:] or ("1000", "10000", "100000")):
        with TemporaryDirectory() as folder, closing(_file(Path(folder))) as answers:
            search, vectors = _filled(answers, prompts)

            def look_up(turn: int, search: PromptSearch = search, vectors: Vectors = vectors) -> object:
                return search.nearest("local", "", vectors[turn])

            _measured(f"look up among {prompts:,}, first", 1, look_up)
            _measured(f"look up among {prompts:,}, next", 50, look_up)


def _file(folder: Path) -> KeptAnswers:
    return KeptAnswers(folder / "ledger.db", 10**10)


def _filled(answers: KeptAnswers, prompts: int) -> tuple[PromptSearch, Vectors]:
    rng, now = np.random.default_rng(7), datetime.now(UTC)
    vectors: Vectors = rng.normal(size=(prompts, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    answers.keep([KeptAnswer(str(n), "{}", "run", 1, now, now + timedelta(1)) for n in range(prompts)], now)
    kept = KeptPrompts(answers)
    kept.keep([kept_prompt(str(n), "local", "", f"prompt {n}", vectors[n]) for n in range(prompts)])
    return PromptSearch(kept), vectors


def _measured(what: str, times: int, work: Callable[[int], object]) -> None:
    started = time.process_time()
    for turn in range(times):
        work(turn)
    print(f"{what:45} {1000 * (time.process_time() - started) / times:8.2f} ms")


if __name__ == "__main__":
    main()
