"""The additive model: for each measure a broken line through four quantiles, for each kind of answer and of prompt and
each model an intercept of its own that is drawn to the common one, all in one logistic regression. The signals that are
set by hand are a fixed offset.

    logit = kind of answer + kind of prompt + strength of the model + curves of the measures + signals set by hand

A model's strength is a line through its score in the registry, and what its own replies add to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.confidence.answers import AnswerKind

from .data import Reply
from .regression import Array, Basis, logistic_regression, rounded

# Penalties, chosen by cross-validation: of curves, of the kinds of answer and of prompt, of models.
RIDGE, KIND_RIDGE, PROMPT_RIDGE, MODEL_RIDGE, SLOPE_RIDGE = 150.0, 40.0, 60.0, 4.0, 1.0
CENTER = 0.5  # the score from which the line through scores counts
FEWEST = 25  # replies in which a measure must differ from its usual value
SMALLEST = 0.05  # logits: a curve that hardly moves the sum is left out
_KINDS = [kind for kind in AnswerKind if kind is not AnswerKind.LONG]


@dataclass(frozen=True)
class Fitted:
    """What was fitted. `models` has the whole strength of those that were seen."""

    baselines: Mapping[AnswerKind, float]
    prompts: Mapping[str, float]
    curves: Mapping[str, tuple[list[float], list[float]]]
    slope: float
    models: Mapping[str, float]

    def strength(self, reply: Reply) -> float:
        """The logits of the reply's model: its own, or where it was not seen those of its score."""
        return self.models.get(reply.model, self.slope * (reply.score - CENTER))

    def logits(self, sample: Sequence[Reply], without: str | None = None, only: str | None = None) -> Array:
        """Of each reply, of all signals, all `without` one, or one `only`."""
        total = np.array([self.baselines.get(reply.kind, 0.0) if only is None else 0.0 for reply in sample])
        for name, logits in (
            ("by hand", [reply.by_hand for reply in sample]),
            ("model", [self.strength(reply) for reply in sample]),
            ("kind", [sum(self.prompts.get(switch, 0.0) for switch in reply.switches) for reply in sample]),
        ):
            if without != name and only in (None, name):
                total += np.array(logits)
        signals = {name: signal for reply in sample for name, (signal, _) in reply.measures.items()}
        for name, curve in self.curves.items():
            if name in signals and signals[name] != without and only in (None, signals[name]):
                total += np.nan_to_num(np.interp(_values(sample, name), *curve))
        return total


def fit(sample: Sequence[Reply]) -> Fitted:
    """The model, without the curves that hardly move it."""
    everything = sorted({name for reply in sample for name in reply.measures})
    kept = [name for name in everything if _varies(sample, name)]
    fitted = _fit(sample, kept)
    return _fit(sample, [name for name in kept if _spread(fitted, sample, name) >= SMALLEST])


def _values(sample: Sequence[Reply], name: str) -> Array:
    return np.array([reply.measures[name][1] if name in reply.measures else np.nan for reply in sample])


def _varies(sample: Sequence[Reply], name: str) -> bool:
    values = _values(sample, name)
    known = values[~np.isnan(values)]
    return int((known != np.median(known)).sum()) >= FEWEST


def _spread(fitted: Fitted, sample: Sequence[Reply], name: str) -> float:
    values = _values(sample, name)
    return float(np.std(np.interp(values[~np.isnan(values)], *fitted.curves[name])))


def _switch(sample: Sequence[Reply], holds: Sequence[bool]) -> Array:
    return np.array(holds, float).reshape(len(sample), 1)


def _fit(sample: Sequence[Reply], names: Sequence[str]) -> Fitted:
    switches = sorted({switch for reply in sample for switch in reply.switches})
    models = sorted({reply.model for reply in sample})
    blocks: list[Array] = [_switch(sample, [reply.kind is kind for reply in sample]) for kind in _KINDS]
    blocks += [_switch(sample, [switch in reply.switches for reply in sample]) for switch in switches]
    blocks += [_switch(sample, [reply.model == model for reply in sample]) for model in models]
    blocks.append(np.array([reply.score - CENTER for reply in sample])[:, None])
    penalties = (
        [KIND_RIDGE] * len(_KINDS) + [PROMPT_RIDGE] * len(switches) + [MODEL_RIDGE] * len(models) + [SLOPE_RIDGE]
    )
    bases = {}
    for name in names:
        values = _values(sample, name)
        known = ~np.isnan(values)
        bases[name] = Basis.of(values[known])
        block = np.zeros((len(sample), len(bases[name].knots) - 1))
        block[known] = bases[name].columns(values[known])
        blocks.append(block)
        penalties += [RIDGE] * block.shape[1]
    mean, weights = logistic_regression(
        np.hstack(blocks),
        np.array([reply.grade for reply in sample]),
        np.array([reply.by_hand for reply in sample]),
        np.array(penalties),
        np.array([reply.weight for reply in sample]),
    )
    parts = iter(weights.tolist())
    baselines: dict[AnswerKind, float] = {kind: rounded(mean + next(parts)) for kind in _KINDS}
    prompts = {switch: rounded(next(parts)) for switch in switches}
    own = {model: next(parts) for model in models}
    slope = next(parts)
    curves = {name: basis.curve(np.array([next(parts) for _ in basis.knots[1:]])) for name, basis in bases.items()}
    scores = {model: float(np.mean([r.score for r in sample if r.model == model])) for model in models}
    strengths = {model: rounded(slope * (scores[model] - CENTER) + own[model]) for model in models}
    return Fitted(baselines, prompts, curves, rounded(slope), strengths)
