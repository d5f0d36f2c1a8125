"""Fit what the signals of confidence are worth to recorded outcomes, and say what that is, on prompts left out.

    python scripts/fit_confidence.py DATA            # figures, cross-validated
    python scripts/fit_confidence.py DATA --write    # and orchestrator/confidence/weights.json

DATA is a folder of recorded outcomes with texts (docs/bench.md has the format). The model is additive: for each
measure a broken line through four quantiles, all lines together one logistic regression with a ridge penalty, and the
signals that are set by hand as a fixed offset. What agreement is worth is fitted on top, for the cheaper of two models.
The same data give the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.confidence.answers import AnswerKind, same_answer
from orchestrator.confidence.curves import WEIGHTS
from orchestrator.confidence.detector import MEASURED, SIGNALS, measures_of, read_answer
from orchestrator.confidence.signals.second_opinion import LEVELS, level_of
from orchestrator.lab.metrics import Confidence
from orchestrator.lab.reading import read_items
from orchestrator.lab.records import Item

FOLDS = 5
RIDGE = 100.0  # chosen by cross-validation
BASELINE_RIDGE = 40.0  # of the kinds' baselines, around their common mean
KNOTS = (0.03, 0.35, 0.65, 0.97)  # quantiles
FEWEST = 25  # replies in which a measure must differ from its usual value
SMALLEST = 0.06  # logits: a curve that hardly moves the sum is left out
DIGITS = 4

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Reply:
    """One recorded reply: which set and model it is from, its measures, and whether it was right (0 to 1)."""

    source: str
    model: str
    prompt: str
    kind: AnswerKind
    by_hand: float
    measures: dict[str, tuple[str, float]]
    score: float
    agreement: float
    cheaper: bool


def replies(folder: Path) -> list[Reply]:
    found = []
    for path in sorted(folder.glob("*.jsonl*")):
        items = read_items(path)
        means = mean_scores(items)
        for item in items:
            texts = {model: outcome.text for model, outcome in item.outcomes.items()}
            for model, outcome in item.outcomes.items():
                if not outcome.text:
                    continue
                answer = read_answer(outcome.text, item.prompt)
                others = [text for other, text in texts.items() if other != model and text]
                found.append(
                    Reply(
                        source=path.name.partition(".")[0],
                        model=model,
                        prompt=item.prompt,
                        kind=answer.final.kind,
                        by_hand=sum(signal.logit for read in SIGNALS.built_in.values() for signal in read(answer)),
                        measures={
                            m.name: (name, m.value) for name, found in measures_of(answer).items() for m in found
                        },
                        score=min(1.0, max(0.0, outcome.score)),
                        agreement=same_answer(outcome.text, others[0], item.prompt) if others else float("nan"),
                        cheaper=model == min(item.outcomes, key=means.__getitem__),
                    )
                )
    return found


def mean_scores(items: Sequence[Item]) -> dict[str, float]:
    """How good each model is over a whole file: the weaker one stands for the cheaper one."""
    scores: dict[str, list[float]] = {}
    for item in items:
        for model, outcome in item.outcomes.items():
            scores.setdefault(model, []).append(outcome.score)
    return {model: sum(found) / len(found) for model, found in scores.items()}


def fold_of(prompt: str, repeat: int) -> int:
    return hashlib.sha256(f"{repeat}:{prompt}".encode()).digest()[0] % FOLDS


# -- the additive model -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    baselines: dict[AnswerKind, float]
    curves: dict[str, tuple[list[float], list[float]]]

    def logits(self, sample: Sequence[Reply], without: str | None = None, only: str | None = None) -> Array:
        return np.array([self._logit(reply, without, only) for reply in sample])

    def _logit(self, reply: Reply, without: str | None, only: str | None) -> float:
        total = self.baselines.get(reply.kind, 0.0) if only is None else 0.0
        if without != "by hand" and only in (None, "by hand"):
            total += reply.by_hand
        for name, (signal, value) in reply.measures.items():
            if name in self.curves and signal != without and only in (None, signal):
                total += float(np.interp(value, *self.curves[name]))
        return total


def fit(sample: Sequence[Reply], ridge: float = RIDGE) -> Fitted:
    everything = sorted({name for reply in sample for name in reply.measures})
    kept = [name for name in everything if _varies(sample, name)]
    fitted = _fit(sample, kept, ridge)
    telling = [name for name in kept if name in fitted.curves and _spread(fitted, sample, name) >= SMALLEST]
    return _fit(sample, telling, ridge)


def _varies(sample: Sequence[Reply], name: str) -> bool:
    values = [reply.measures[name][1] for reply in sample if name in reply.measures]
    usual = float(np.median(values))
    return sum(1 for value in values if value != usual) >= FEWEST


def _spread(fitted: Fitted, sample: Sequence[Reply], name: str) -> float:
    values = [reply.measures[name][1] for reply in sample if name in reply.measures]
    return float(np.std(np.interp(values, *fitted.curves[name])))


@dataclass(frozen=True)
class Basis:
    """The columns of one measure: hinges at its knots, centred and scaled where it can be taken, 0 elsewhere."""

    knots: list[float]
    centre: Array
    scale: Array

    @classmethod
    def of(cls, values: Array) -> Basis:
        knots = sorted({float(knot) for knot in np.quantile(values, KNOTS)})
        if len(knots) < 2:
            knots = [float(values.min()), float(values.max())]
        hinges = _hinges(values, knots)
        scale = hinges.std(axis=0)
        return cls(knots, hinges.mean(axis=0), np.where(scale > 1e-9, scale, np.inf))

    def columns(self, values: Array) -> Array:
        return (_hinges(values, self.knots) - self.centre) / self.scale


def _fit(sample: Sequence[Reply], names: Sequence[str], ridge: float) -> Fitted:
    kinds = [kind for kind in AnswerKind if kind is not AnswerKind.LONG]
    definite = [reply for reply in sample if reply.kind is not AnswerKind.LONG]
    columns = [np.array([float(reply.kind is kind) for reply in definite])[:, None] for kind in kinds]
    bases = {}
    for name in names:
        present = [i for i, reply in enumerate(definite) if name in reply.measures]
        values = np.array([definite[i].measures[name][1] for i in present])
        bases[name] = Basis.of(values)
        block = np.zeros((len(definite), len(bases[name].knots) - 1))
        block[present] = bases[name].columns(values)
        columns.append(block)
    penalties = [BASELINE_RIDGE] * len(kinds) + [ridge] * sum(block.shape[1] for block in columns[len(kinds) :])
    mean, weights = _logistic_regression(
        np.hstack(columns),
        np.array([reply.score for reply in definite]),
        np.array([reply.by_hand for reply in definite]),
        np.array(penalties),
    )
    place, curves = len(kinds), {}
    for name, basis in bases.items():
        width = len(basis.knots) - 1
        logits = basis.columns(np.array(basis.knots)) @ weights[place : place + width]
        curves[name] = ([round(k, DIGITS) for k in basis.knots], [round(float(logit), DIGITS) for logit in logits])
        place += width
    baselines: dict[AnswerKind, float] = {kind: round(float(mean + weights[i]), DIGITS) for i, kind in enumerate(kinds)}
    return Fitted(baselines, curves)


def _hinges(values: Array, knots: Sequence[float]) -> Array:
    """The value itself, kept between the outer knots, and how far it is beyond each inner one."""
    inside = np.clip(values, knots[0], knots[-1])
    return np.stack([inside, *(np.maximum(0, inside - knot) for knot in knots[1:-1])], axis=1)


def _logistic_regression(design: Array, outcome: Array, offset: Array, penalties: Array) -> tuple[float, Array]:
    """Intercept (not penalised) and weights, by Newton's method. Outcomes may lie between 0 and 1."""
    full = np.hstack([np.ones((len(design), 1)), design])
    penalty = np.concatenate([[1e-6], penalties])
    weights = np.zeros(full.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-(full @ weights + offset)))
        gradient = full.T @ (outcome - chance) - penalty * weights
        curvature = (full * (chance * (1 - chance))[:, None]).T @ full + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0]), weights[1:]


# -- agreement ----------------------------------------------------------------------------------------------------


def fit_agreement(logits: Array, sample: Sequence[Reply]) -> dict[str, float]:
    """What is added to the logit of the cheaper model's answer for each level of agreement, and how much of the text's
    own logit then still counts."""
    chosen = [i for i, reply in enumerate(sample) if reply.cheaper and not np.isnan(reply.agreement)]
    levels = np.array([[float(level_of(sample[i].agreement) == level) for level in LEVELS] for i in chosen])
    design = np.hstack([logits[chosen][:, None], levels])
    outcome = np.array([sample[i].score for i in chosen])
    mean, weights = _logistic_regression(design, outcome, np.zeros(len(chosen)), np.full(design.shape[1], 0.5))
    slope = float(weights[0])
    return {"text": round(slope, DIGITS)} | {
        level: round(float(mean + weights[i + 1]), DIGITS) for i, level in enumerate(LEVELS)
    }


def with_agreement(agreement: dict[str, float], logits: Array, sample: Sequence[Reply]) -> Array:
    return np.array(
        [
            logit if np.isnan(reply.agreement) else agreement["text"] * logit + agreement[level_of(reply.agreement)]
            for logit, reply in zip(logits, sample, strict=True)
        ]
    )


# -- figures ------------------------------------------------------------------------------------------------------


def chances(logits: Array) -> list[float]:
    return [float(1 / (1 + np.exp(-logit))) for logit in logits]


def cross_validated(sample: Sequence[Reply], repeats: int, read: Callable[[Fitted, Sequence[Reply]], Array]) -> Array:
    total = np.zeros(len(sample))
    for repeat in range(repeats):
        folds = [fold_of(reply.prompt, repeat) for reply in sample]
        for fold in range(FOLDS):
            fitted = fit([reply for reply, f in zip(sample, folds, strict=True) if f != fold])
            left_out = [i for i, found in enumerate(folds) if found == fold]
            total[left_out] += read(fitted, [sample[i] for i in left_out]) / repeats
    return total


def report(title: str, logits: Array, sample: Sequence[Reply]) -> dict[str, dict[str, float]]:
    print(f"\n{title}")
    figures = {}
    groups = {f"{r.source} {r.model}": (r.source, r.model) for r in sample}
    sources = sorted({reply.source for reply in sample})
    for name, members in [
        *((name, [i for i, r in enumerate(sample) if (r.source, r.model) == g]) for name, g in groups.items()),
        *((source, [i for i, r in enumerate(sample) if r.source == source]) for source in sources),
        ("all", list(range(len(sample)))),
    ]:
        right = [float(sample[i].score >= 0.5) for i in members]
        held = Confidence(chances(logits[members]), right)
        figures[name] = {
            "replies": len(members),
            "auc": round(held.auc() or 0, 3),
            "brier": round(held.brier() or 0, 3),
            "ece": round(held.ece() or 0, 3),
        }
        print(f"  {name:36}", *(f"{key} {value:<6}" for key, value in figures[name].items()))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="write the weights")
    parser.add_argument("--repeats", type=int, default=2, help="of the cross-validation")
    parser.add_argument("--ablate", action="store_true", help="each signal by itself, and all but it")
    parser.add_argument("--transfer", action="store_true", help="each set by what the others say")
    arguments = parser.parse_args()
    sample = replies(arguments.data)
    print(f"{len(sample)} replies", {kind.value: sum(r.kind is kind for r in sample) for kind in AnswerKind})

    held_out = cross_validated(sample, arguments.repeats, Fitted.logits)
    figures = report("text alone, prompts left out", held_out, sample)
    agreement = fit_agreement(held_out, sample)
    weaker = [i for i, reply in enumerate(sample) if reply.cheaper and not np.isnan(reply.agreement)]
    with_it = report(
        "with agreement, the cheaper model",
        with_agreement(agreement, held_out[weaker], [sample[i] for i in weaker]),
        [sample[i] for i in weaker],
    )
    if arguments.transfer:
        sources = sorted({reply.source for reply in sample})
        for source in sources:
            unseen = [reply for reply in sample if reply.source == source]
            fitted = fit([reply for reply in sample if reply.source != source])
            report(f"{source}, fitted on the others", fitted.logits(unseen), unseen)
    if arguments.ablate:
        for name in ("by hand", *MEASURED):
            report(f"{name} by itself", cross_validated(sample, 1, partial(Fitted.logits, only=name)), sample)
            report(f"all but {name}", cross_validated(sample, 1, partial(Fitted.logits, without=name)), sample)
    fitted = fit(sample)
    print(f"\n{len(fitted.curves)} curves; baselines {fitted.baselines}; agreement {agreement}")
    if arguments.write:
        write(
            {
                "data": {
                    source: sum(r.source == source for r in sample) for source in sorted({r.source for r in sample})
                },
                "figures": {"text": figures, "agreement": with_it},
                "baselines": {kind.value: logit for kind, logit in fitted.baselines.items()},
                "agreement": agreement,
                "curves": {name: [knots, logits] for name, (knots, logits) in fitted.curves.items()},
            }
        )


def write(document: dict[str, Any]) -> None:
    """The day changes only with what was fitted, so that fitting again gives the same file."""
    before = json.loads(WEIGHTS.read_text(encoding="utf-8")) if WEIGHTS.exists() else {}
    today = datetime.now(UTC).date().isoformat()
    fitted = before["fitted"] if before == {"fitted": before.get("fitted")} | document else today
    WEIGHTS.write_text(json.dumps({"fitted": fitted} | document, indent=1) + "\n", encoding="utf-8")
    print(f"written: {WEIGHTS}")


if __name__ == "__main__":
    main()
