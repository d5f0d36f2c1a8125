"""Recorded replies, as the fit reads them: what the signals measure, who gave them, and whether they were right."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.confidence.answers import AnswerKind, compare
from orchestrator.confidence.asked import Asked
from orchestrator.confidence.detector import SIGNALS, measures_of, read_answer
from orchestrator.confidence.signal import Answer
from orchestrator.confidence.strength import family
from orchestrator.lab.reading import read_items
from orchestrator.lab.records import Item
from orchestrator.registry import Registry, load_registry
from orchestrator.registry.model import names_of
from orchestrator.types import Task

MOST_PROMPTS = 700  # of a set: more of one kind would only outweigh the others
# How many replies each set counts as, whatever it has: RouterArena most, since its prompts are of the most kinds.
_COUNTS_AS = {"gsm8k": 2_000, "arena": 2_600, "crux": 1_000, "math_l5": 800, "mmlupro": 1_400}
_OTHERWISE = 1_000
GOOD = 0.667  # of an open answer's grade: 7 of 10 or better

# Scores of recorded models that the registry does not list, on its scale: coding, reasoning. They are the maintainers'
# estimates, as the registry's are.
_SCORES: dict[str, tuple[float, float]] = {
    "mixtral-8x7b-instruct": (0.34, 0.36),
    "gpt-4-1106-preview": (0.70, 0.70),
    "claude-3-haiku": (0.42, 0.40),
    "llama-3.1-70b-instruct": (0.54, 0.52),
    "llama-3.1-8b-instruct": (0.34, 0.32),
    "gemini-1.5-flash": (0.48, 0.48),
    "gpt-3.5-turbo-0125": (0.34, 0.32),
    "deepseek-coder-v2": (0.66, 0.54),
    "phi-3-mini-4k-instruct": (0.30, 0.30),
    "phi-3-mini-128k-instruct": (0.30, 0.30),
    "llama-3-8b-openhermes-243k": (0.28, 0.28),
    "llama-3-8b-sharegpt-112k": (0.29, 0.29),
    "llama-3-8b-tulu-330k": (0.30, 0.30),
    "llama-3-8b-ultrachat-200k": (0.29, 0.29),
    "llama-3-8b-wizardlm-196k": (0.29, 0.29),
    "qwen1.5-72b-chat-greedy": (0.42, 0.44),
    "gemma-7b-it": (0.22, 0.22),
    "reka-edge": (0.28, 0.28),
    "reka-flash": (0.38, 0.40),
}


@dataclass(frozen=True)
class Reply:
    """One recorded reply. `model` is the family's name, `score` the model's in the registry, `grade` 0 to 1, `weight`
    how much it counts. `agreement` is that with the next stronger model's reply, None for the strongest."""

    source: str
    model: str
    score: float
    prompt: str
    kind: AnswerKind
    is_open: bool
    switches: tuple[str, ...]
    by_hand: float
    measures: Mapping[str, tuple[str, float]]
    grade: float
    weight: float
    agreement: float | None = None


def replies(folder: Path) -> list[Reply]:
    """The replies with texts of every set in the folder, or in its `routing`."""
    scores = Scores(shipped_registry())
    found: list[Reply] = []
    for path in sorted((folder / "routing" if (folder / "routing").is_dir() else folder).glob("*.jsonl*")):
        source = path.name.partition(".")[0]
        items = [item for item in read_items(path) if any(outcome.text for outcome in item.outcomes.values())]
        items = sorted(items, key=lambda item: hashlib.sha256(item.prompt.encode()).digest()[1:])[:MOST_PROMPTS]
        if items:
            count = sum(bool(outcome.text) for item in items for outcome in item.outcomes.values())
            weight = _COUNTS_AS.get(source, _OTHERWISE) / count
            means = mean_grades(items)
            found += [reply for item in items for reply in _of_item(item, source, weight, means, scores)]
    return found


class Scores:
    """Models' scores in the registry, or on its scale."""

    def __init__(self, registry: Registry) -> None:
        self._listed = {
            family(name): (spec.scores.coding, spec.scores.reasoning)
            for spec in registry.models.values()
            for name in names_of(spec)
        }

    def of(self, model: str, task: Task) -> float:
        """The coding score for code, otherwise the reasoning score. Raises KeyError for a model without any."""
        coding, reasoning = self._listed.get(model) or _SCORES[model]
        return coding if task in (Task.CODE, Task.DEBUGGING) else reasoning


def _of_item(item: Item, source: str, weight: float, means: Mapping[str, float], scores: Scores) -> Iterator[Reply]:
    asked = Asked.of(item.prompt)
    texts = {model: outcome.text for model, outcome in item.outcomes.items() if outcome.text}
    answers = {model: read_answer(text, asked) for model, text in texts.items()}
    in_order = sorted(answers, key=means.__getitem__)
    for model, answer in answers.items():
        stronger = in_order[in_order.index(model) + 1 :]
        yield Reply(
            source=source,
            model=family(model),
            score=scores.of(family(model), asked.task),
            prompt=item.prompt,
            kind=answer.final.kind,
            is_open=answer.is_open,
            switches=(f"form: {asked.form}", f"task: {asked.task}"),
            by_hand=_by_hand(answer),
            measures={m.name: (name, m.value) for name, found in measures_of(answer).items() for m in found},
            grade=min(1.0, max(0.0, item.outcomes[model].score)),
            weight=weight,
            agreement=compare(answer.final, answers[stronger[0]].final) if stronger else None,
        )


def open_replies(folder: Path) -> list[Reply]:
    """The open answers in `answers` of the folder, which come without their prompts. `prompt` is the prompt's id."""
    scores, found = Scores(shipped_registry()), []
    for path in sorted((folder / "answers").glob("*.jsonl*")):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        for row in rows:
            answer = read_answer(row["text"], None)
            if not answer.is_open:
                continue
            found.append(
                Reply(
                    source=path.name.partition(".")[0],
                    model=family(row["model"]),
                    score=scores.of(family(row["model"]), Task.QUESTION),
                    prompt=row["id"],
                    kind=answer.final.kind,
                    is_open=True,
                    switches=(),
                    by_hand=_by_hand(answer),
                    measures={m.name: (name, m.value) for name, found_ in measures_of(answer).items() for m in found_},
                    grade=float(row["score"] >= GOOD),
                    weight=1.0,
                )
            )
    return found


def _by_hand(answer: Answer) -> float:
    return sum(signal.logit for read in SIGNALS.built_in.values() for signal in read(answer))


def mean_grades(items: Sequence[Item]) -> dict[str, float]:
    """How good each model is over a whole set: the weaker one stands for the cheaper one."""
    grades: dict[str, list[float]] = {}
    for item in items:
        for model, outcome in item.outcomes.items():
            grades.setdefault(model, []).append(outcome.score)
    return {model: sum(found) / len(found) for model, found in grades.items()}


def fold_of(prompt: str, repeat: int, folds: int) -> int:
    """The part, from 0, that a prompt belongs to."""
    return hashlib.sha256(f"{repeat}:{prompt}".encode()).digest()[0] % folds


def shipped_registry() -> Registry:
    """The registry without any user's file."""
    return load_registry(models_file=None, chains_file=None, config_dir=Path("/nowhere"))
