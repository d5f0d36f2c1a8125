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
from orchestrator.reading.kinds import Form, form_of, kind_of
from orchestrator.reading.prose import read_prose
from orchestrator.reading.tasks import classify

from .pairs import PAIRS

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Nothing is fitted to these: what the score is worth on them is what it is worth on kinds of prompt never recorded.
UNFITTED = ("crux", "math_l5")
# Nor to these: the answers to the first were probably misread, and the second is hardly above chance for any model.
UNFITTED_TASKS = ("nine/mmlu", "nine/gpqa")
# Where a set has more models, the gap between groups of them has less noise than that of one pair. The weak ones of
# `nine` are of the age and, in one case, the maker of the weak model of the larger sets; of the other sets it is the
# better and the worse third of the models.
_GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "nine": (
        ("mistral-7b-instruct-v0.3", "codegemma-7b"),
        ("llama-3.1-nemotron-51b-instruct", "llama-3.3-nemotron-super-49b-v1"),
    )
}
THIRDS = ("mmlupro",)
_LONG_INSTRUCTIONS = ("mmlu", "arena", "crux")  # the same for many prompts, before the question begins
_FEWEST_OF_A_KIND = 12  # prompts: fewer are no ground to say what is hard among them
_QUANTILES = 21


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
    kinds: NDArray[np.str_]
    forms: NDArray[np.str_]

    @property
    def fitted(self) -> Mask:
        """The rows that the shipped weights are fitted to."""
        return ~np.isin(self.sets, UNFITTED) & ~np.isin(self.tasks, UNFITTED_TASKS)

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
    """The development files of a folder, or of its `routing`: the sets of PAIRS, as `.jsonl.gz`."""
    rows = [(name, json.loads(line)) for name in PAIRS for line in _content(folder, name).splitlines()]
    groups = _GROUPS | {name: _thirds([row for of, row in rows if of == name]) for name in THIRDS}
    read = [_read(row["prompt"]) for _, row in rows]
    features = [found for found, _, _ in read]
    return Outcomes(
        prompts=[row["prompt"] for _, row in rows],
        sets=np.array([name for name, _ in rows]),
        tasks=np.array([f"{row['task']}" for _, row in rows]),
        families=np.array([found.family.value for found in features]),
        features=features,
        matrix=np.array([[found.values.get(name, 0.0) for name in feature_names()] for found in features]),
        prior=np.array([prior for _, prior, _ in read]),
        weak=np.array([_grade(row, PAIRS[name][0]) for name, row in rows]),
        strong=np.array([_grade(row, PAIRS[name][1]) for name, row in rows]),
        group_gap=np.array([_group_gap(row, *groups.get(name, _alone(name))) for name, row in rows]),
        group=np.array([_group(name, row["prompt"]) for name, row in rows]),
        kinds=np.array([kind for _, _, kind in read]),
        forms=np.array([form_of(found).value for found in features]),
    )


def recorded_kinds(data: Outcomes, rows: Mask) -> list[str]:
    """The kinds of which enough prompts are among these rows."""
    kinds, counts = np.unique(data.kinds[rows], return_counts=True)
    return [str(kind) for kind in kinds[counts >= _FEWEST_OF_A_KIND]]


def spreads(score: Floats, data: Outcomes, rows: Mask) -> dict[str, list[float]]:
    """The quantiles of the scores (0 to 1) of these rows for each form, evenly from the least to the greatest; sets
    count by the square root of their size."""
    found = {}
    for form in Form:
        here = rows & (data.forms == form.value)
        _, inverse, counts = np.unique(data.sets[here], return_inverse=True, return_counts=True)
        order = np.argsort(score[here], kind="stable")
        weight = (1 / np.sqrt(counts))[inverse][order]
        share = (np.cumsum(weight) - weight / 2) / weight.sum()
        quantiles = np.interp(np.linspace(0, 1, _QUANTILES), share, score[here][order])
        found[form.value] = [round(float(quantile), 4) for quantile in quantiles]
    return found


def digest(folder: Path) -> str:
    """A digest of the files that a fit was made on."""
    content = hashlib.sha256()
    for name in PAIRS:
        content.update(_content(folder, name))
    return content.hexdigest()


def _content(folder: Path, name: str) -> bytes:
    within = folder / "routing" if (folder / "routing").is_dir() else folder
    return gzip.decompress((within / f"{name}.jsonl.gz").read_bytes())


def _read(prompt: str) -> tuple[Features, float, str]:
    prose = read_prose(prompt, lenient=True)
    task = classify(prose)
    features = read_features(prompt, prose, task)
    return features, sum(prior_logits(features, prose).values()), kind_of(features, task)


def _grade(row: dict[str, Any], model: str) -> float:
    return float(row["outcomes"][model]["score"])


def _alone(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    weak, strong = PAIRS[name]
    return (weak,), (strong,)


def _thirds(rows: list[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The worse and the better third of the models that answered all of these prompts."""
    everywhere = sorted(set.intersection(*(set(row["outcomes"]) for row in rows)))
    ranked = sorted(everywhere, key=lambda model: sum(_grade(row, model) for row in rows))
    third = len(ranked) // 3
    return tuple(ranked[:third]), tuple(ranked[-third:])


def _group_gap(row: dict[str, Any], weak: tuple[str, ...], strong: tuple[str, ...]) -> float:
    better = sum(_grade(row, model) for model in strong) / len(strong)
    return better - sum(_grade(row, model) for model in weak) / len(weak)


def _group(name: str, prompt: str) -> int:
    """A number that prompts with the same beginning share: the same question, in one set or in two."""
    letters = "".join(char for char in prompt.lower() if char.isalnum())
    return zlib.crc32(letters[: 400 if name in _LONG_INSTRUCTIONS else 80].encode())
