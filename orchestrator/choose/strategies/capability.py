"""The model that fits a prompt best: its scores, weighted by what the prompt needs, minus its price.

    fit = sum of weight x score over coding, reasoning, speed, long_context  -  cost weight x price / `per`

The weights, and the conditions that raise them, are data (`capability` in routing.yaml).
"""

from __future__ import annotations

from datetime import datetime

from ...deferred import dataclass
from ...registry.model import ModelSpec
from ...registry.routes import Fit
from ..base import Decision, Offer, Situation
from ..order import after, in_order, shortlist

_SHOWN = 3  # the fits of so many models stand among the reasons
_HOUR_S, _MILLION = 3_600, 1_000_000


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A model's fit and its terms, by the names of the scores and `cost`."""

    offer: Offer
    parts: dict[str, float]

    @property
    def fit(self) -> float:
        return sum(self.parts.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {value:+.3f}" for name, value in self.parts.items())
        return f"{self.offer.spec.name} fits with {self.fit:.3f}: {parts}"


def capability(situation: Situation) -> Decision | None:
    """The best fit, and the next best if it fails. The prompt must fit into their context windows.

    Ties go to the model that comes first in the registry.
    """
    able = situation.choosable()
    if not able:
        return None
    ranked = sorted((_rank(offer, situation) for offer in able), key=lambda rank: -rank.fit)
    names = shortlist([rank.offer for rank in ranked])
    raised = [
        name for name, weight in _weights(situation).items() if weight > situation.routing.fit.weights[name].usual
    ]
    weighed = f"{' and '.join(raised)} weigh{'s' if len(raised) == 1 else ''} more for this prompt" if raised else ""
    head = f"{names[0]} fits best of {len(able)} models{after(names)}"
    reasons = [head, *([weighed] if weighed else []), *(str(rank) for rank in ranked[:_SHOWN])]
    return Decision(in_order(names), tuple(reasons))


def _rank(offer: Offer, situation: Situation) -> _Ranked:
    fit, spec = situation.routing.fit, offer.spec
    own = fit.scores.get(spec.name, {})
    parts = {name: weight * own.get(name, getattr(spec.scores, name)) for name, weight in _weights(situation).items()}
    free = offer.cost.maximum == 0
    per_million = 0.0 if free else price_per_million(spec, fit, situation.when)
    return _Ranked(offer, parts | {"cost": -fit.cost_weight * per_million / fit.cost_per})


def _weights(situation: Situation) -> dict[str, float]:
    return {name: weight.of(situation.asked) for name, weight in situation.routing.fit.weights.items()}


def price_per_million(spec: ModelSpec, fit: Fit, when: datetime) -> float:
    """The price in dollars of a million tokens, `fit.output_share` of them output; for a self-hosted model, of the
    time that it takes to generate them. Raises ValueError for a model without a price."""
    price = spec.price_at(when)
    if price is None:
        raise ValueError(f"{spec.name} has no price")
    if price.gpu_hour is not None:
        return float(price.gpu_hour) * fit.output_share * _MILLION / (spec.tokens_per_second or 1.0) / _HOUR_S
    assert price.rates is not None, "a price is by the token or by the hour"
    return (1 - fit.output_share) * float(price.rates.input) + fit.output_share * float(price.rates.output)
