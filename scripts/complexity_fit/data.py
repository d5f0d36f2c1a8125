"""Recorded outcomes as arrays: what each prompt's features are, and by how much the strong model beat the weak one."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.reading.complexity import prior_logits
from orchestrator.reading.features import Family, Features, feature_names, read_features
from orchestrator.reading.prose import read_prose
from orchestrator.reading.tasks import classify

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The weak and the strong model of each set: the pairs that the project's figures are checked on.
PAIRS: dict[str, tuple[str, str]] = {
    "gsm8k": ("mixtral-8x7b-instruct", "gpt-4-1106-preview"),
    "mmlu": ("mixtral-8x7b-instruct", "gpt-4-1106-preview"),
    "arena": ("claude-3-haiku-20240307", "gemini-2.0-flash-001"),
    "nine": ("qwen2.5-7b-instruct", "llama-3.1-nemotron-51b-instruct"),
}
# Where a set has more models, the gap between groups of them has less noise than that of one pair. The weak ones are of
# the age and, in one case, the maker of the weak model of the larger sets.
_WEAK_GROUP = ("mistral-7b-instruct-v0.3", "codegemma-7b")
_STRONG_GROUP = ("llama-3.1-nemotron-51b-instruct", "llama-3.3-nemotron-super-49b-v1")
_LONG_INSTRUCTIONS = ("mmlu", "arena")  # the same for many prompts, before the question begins


@dataclass(frozen=True)
class Outcomes:
    """One row a prompt. `gap` is the strong model's grade less the weak one's, `group_gap` that of groups of models.

    `group` is the same for prompts that begin alike, so that no prompt is fitted on its own twin. `prior` is in logits.
    """

    prompts: list[str]
    sets: NDArray[np.str_]
    tasks: NDArray[np.str_]
    families: NDArray[np.str_]
    features: list[Features]
    matrix: Floats
    prior: Floats
    weak: Floats
    strong: Floats
    group_gap: Floats
    group: NDArray[np.int64]

    @property
    def gap(self) -> Floats:
        return self.strong - self.weak

    def of(self, name: str) -> Mask:
        """The rows of a set."""
        return np.asarray(self.sets == name)

    def of_family(self, family: Family) -> Mask:
        return np.asarray(self.families == family.value)

    def without_features(self, dropped: set[str]) -> Outcomes:
        """The same with some features always 0, to see what they are worth."""
        features = [
            row._replace(values={name: value for name, value in row.values.items() if name not in dropped})
            for row in self.features
        ]
        kept = np.array([name not in dropped for name in feature_names()], dtype=float)
        return replace(self, features=features, matrix=self.matrix * kept)


def load(folder: Path) -> Outcomes:
    """The development files of a folder: `gsm8k`, `mmlu`, `arena` and `nine`, as `.jsonl.gz`."""
    rows = [(name, json.loads(line)) for name in PAIRS for line in _content(folder, name).splitlines()]
    read = [_read(row["prompt"]) for _, row in rows]
    features = [found for found, _ in read]
    return Outcomes(
        prompts=[row["prompt"] for _, row in rows],
        sets=np.array([name for name, _ in rows]),
        tasks=np.array([f"{row['task']}" for _, row in rows]),
        families=np.array([found.family.value for found in features]),
        features=features,
        matrix=np.array([[found.values.get(name, 0.0) for name in feature_names()] for found in features]),
        prior=np.array([prior for _, prior in read]),
        weak=np.array([_grade(row, PAIRS[name][0]) for name, row in rows]),
        strong=np.array([_grade(row, PAIRS[name][1]) for name, row in rows]),
        group_gap=np.array([_group_gap(name, row) for name, row in rows]),
        group=np.array([_group(name, row["prompt"]) for name, row in rows]),
    )


def digest(folder: Path) -> str:
    """A digest of the files that a fit was made on."""
    content = hashlib.sha256()
    for name in PAIRS:
        content.update(_content(folder, name))
    return content.hexdigest()


def _content(folder: Path, name: str) -> bytes:
    return gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes())


def _read(prompt: str) -> tuple[Features, float]:
    prose = read_prose(prompt, lenient=True)
    features = read_features(prompt, prose, classify(prose))
    return features, sum(prior_logits(features, prose).values())


def _grade(row: dict[str, Any], model: str) -> float:
    return float(row["outcomes"][model]["score"])


def _group_gap(name: str, row: dict[str, Any]) -> float:
    if name != "nine":
        return _grade(row, PAIRS[name][1]) - _grade(row, PAIRS[name][0])
    strong = sum(_grade(row, model) for model in _STRONG_GROUP) / len(_STRONG_GROUP)
    return strong - sum(_grade(row, model) for model in _WEAK_GROUP) / len(_WEAK_GROUP)


def _group(name: str, prompt: str) -> int:
    """A number that prompts with the same beginning share: the same question, in one set or in two."""
    letters = "".join(char for char in prompt.lower() if char.isalnum())
    return zlib.crc32(letters[: 400 if name in _LONG_INSTRUCTIONS else 80].encode())
