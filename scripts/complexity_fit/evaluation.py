"""What the score is worth on prompts, tasks and sets that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from .data import UNFITTED, Floats, Mask, Outcomes, recorded_kinds
from .groups import GROUPS
from .metrics import apgr, interval, saving
from .model import fit, folds, logits
from .pairs import PAIRS
from .words import words_score

_FOLDS, _REPEATS = 5, 3


FITTED = tuple(name for name in PAIRS if name not in UNFITTED)


@dataclass(frozen=True)
class Figures:
    """Of one set: APGR with its 95 % interval, the saving at 95 % of the strong model's quality, and the share of its
    prompts that are of no kind known to the fit."""

    apgr: float
    low: float
    high: float
    saving: float
    unfamiliar: float = 0.0

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def held_out(data: Outcomes, repeats: int = _REPEATS) -> list[Floats]:
    """The logits of each row by a fit that did not see it, for several ways to divide the rows into folds."""
    return [_cross_validated(data, folds(data, _FOLDS, seed), _FOLDS) for seed in range(repeats)]


def in_domain(data: Outcomes, scores: list[Floats]) -> dict[str, Figures]:
    """Prompts left out at random: means over the `scores` of `held_out`."""
    found = {name: _figures(scores, data, data.of(name)) for name in FITTED}
    return found | {"nine, fitted tasks": _figures(scores, data, data.of("nine") & data.fitted)}


def left_out(data: Outcomes) -> dict[str, Figures]:
    """Whole sets left out, and within a set whole tasks: each row is scored by a fit that never saw its like."""
    found: dict[str, Figures] = {}
    for name in PAIRS:
        asked, kept = data.of(name), data.fitted & ~data.of(name)
        score = logits(fit(data, kept), data, asked)
        found[f"{name}, without the set"] = replace(
            _figures([score], data, asked), unfamiliar=_unfamiliar(data, kept, asked).mean()
        )
    for name in ("mmlu", "arena", "nine", "mmlupro"):
        rows = data.of(name)
        score, unfamiliar = np.zeros(len(data.sets)), np.zeros(len(data.sets))
        for tasks in _task_folds(data, rows):
            asked = rows & np.isin(data.tasks, tasks)
            score += logits(fit(data, data.fitted & ~asked), data, asked)
            unfamiliar[asked] = _unfamiliar(data, data.fitted & ~asked, asked)
        found[f"{name}, without the task"] = replace(
            _figures([score], data, rows), unfamiliar=float(unfamiliar[rows].mean())
        )
    return found


def _unfamiliar(data: Outcomes, kept: Mask, asked: Mask) -> Mask:
    """Whether each row that is asked is of a kind that the rows that are kept do not have enough of."""
    return ~np.isin(data.kinds[asked], recorded_kinds(data, kept))


def ablation(data: Outcomes) -> None:
    """What is lost without each group of features, and what each part of the score reaches by itself."""
    whole = in_domain(data, held_out(data, 1))
    _line("APGR of everything", {name: f"{found.apgr:.3f}" for name, found in whole.items()})
    for group, names in GROUPS.items():
        fewer = data.without_features(set(names))
        without = in_domain(fewer, held_out(fewer, 1))
        _line(f"  without {group}", {name: f"{without[name].apgr - whole[name].apgr:+.3f}" for name in FITTED})
    with_words = _cross_validated(data, folds(data, _FOLDS, 0), _FOLDS, words=True)
    added = {name: _figures([with_words], data, data.of(name)).apgr - whole[name].apgr for name in FITTED}
    _line("  with hashed words and word pairs", {name: f"{change:+.3f}" for name, change in added.items()})
    parts: dict[str, Callable[[Mask], Floats]] = {
        "the prior alone": lambda rows: data.prior,
        "length alone": lambda rows: np.array([float(row.word_count) for row in data.features]),
    }
    for part, score in parts.items():
        found = {name: _figures([score(data.of(name))], data, data.of(name)) for name in PAIRS}
        _line(part, {name: f"{figures.apgr:.3f}" for name, figures in found.items()})


def report(title: str, figures: dict[str, Figures]) -> None:
    """A line for each set: APGR with its interval, and the saving."""
    print(title)
    for name, found in figures.items():
        print(
            f"  {name:<24} APGR {found.apgr:.3f} ({found.low:.3f} to {found.high:.3f})   "
            f"saving at 95 % of the strong model's quality {found.saving:.0%}"
            + (f"   unfamiliar {found.unfamiliar:.0%}" if found.unfamiliar else "")
        )


def _cross_validated(data: Outcomes, fold: Floats, count: int, *, words: bool = False) -> Floats:
    """The logits of each row by a fit that did not see it; with `words`, and as much again by its words."""
    score = np.zeros(len(data.sets))
    for number in range(count):
        asked = fold == number
        score += logits(fit(data, data.fitted & ~asked), data, asked)
        if words:
            said = words_score(data, data.fitted & ~asked, asked)
            score += np.where(asked, said * score[asked].std() / said[asked].std(), 0.0)
    return score


def _task_folds(data: Outcomes, rows: Mask) -> Iterator[list[str]]:
    """The tasks of a set in ten parts, or one by one where they are few."""
    tasks = sorted(set(data.tasks[rows].tolist()))
    parts = min(10, len(tasks))
    for part in range(parts):
        yield tasks[part::parts]


def _figures(scores: list[Floats], data: Outcomes, rows: Mask) -> Figures:
    weak, strong = data.weak[rows], data.strong[rows]
    low, high = interval(scores[0][rows], weak, strong)
    return Figures(
        apgr=float(np.mean([apgr(score[rows], weak, strong) for score in scores])),
        low=low,
        high=high,
        saving=float(np.mean([saving(score[rows], weak, strong) for score in scores])),
    )


def _line(title: str, cells: dict[str, str]) -> None:
    print(f"{title:<44}" + "   ".join(f"{name} {cell}" for name, cell in cells.items()), flush=True)
