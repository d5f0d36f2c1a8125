"""What a bench found, as plain records and as the JSON object that docs/bench.md documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from ..deferred import dataclass
from .intervals import LEVEL, Estimate
from .metrics import Bin, Point
from .policies import Source

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One way to answer the prompts. Cost is in nano-dollars a prompt, latency in milliseconds; None is not known.

    `over_random` is the quality above that of sending as large a share of the prompts, drawn at random, to the strong
    model. `attainable` is false for what no strategy can do; of the others, those are `on_frontier` than which none is
    both as cheap and better. `of_pair` says that no model but the weak and the strong one takes part.
    """

    name: str
    source: Source
    quality: Estimate
    strong_share: Estimate
    cost_nanousd: Estimate | None
    latency_ms: Estimate | None
    over_random: Estimate | None
    strategy: str | None = None
    threshold: float | None = None
    attainable: bool = True
    of_pair: bool = True
    on_frontier: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "strategy": self.strategy,
            "threshold": self.threshold,
            "source": self.source.value,
            "quality": _estimate(self.quality),
            "cost_nanousd": _estimate(self.cost_nanousd),
            "strong_share": _estimate(self.strong_share),
            "latency_ms": _estimate(self.latency_ms),
            "over_random": _estimate(self.over_random),
            "attainable": self.attainable,
            "on_frontier": self.on_frontier,
        }


@dataclass(frozen=True, slots=True)
class Ordering:
    """What deciding by a score is worth over all thresholds, with the curve from the weak model to the strong one.

    `threshold` is one at which, on these prompts, the quality is 95 % of the strong model's. `band` has the interval
    of the quality at even steps of the share of strong calls, with the cost there.
    """

    name: str
    by: str
    apgr: Estimate
    cpt_50: Estimate
    cpt_80: Estimate
    share_at_95: Estimate
    saving_at_95: Estimate
    threshold: float | None
    curve: Sequence[Point]
    band: Sequence[tuple[float, float | None, Estimate]]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "by": self.by,
            "apgr": _estimate(self.apgr),
            "cpt_50": _estimate(self.cpt_50),
            "cpt_80": _estimate(self.cpt_80),
            "share_at_95": _estimate(self.share_at_95),
            "saving_at_95": _estimate(self.saving_at_95),
            "threshold_at_95": self.threshold,
            "curve": [
                {"threshold": point.threshold, "strong_share": point.share, "quality": point.quality}
                | {"cost_nanousd": point.cost}
                for point in self.curve
            ],
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the confidence in a model's answers is worth. `acceptable` is the share of them that were right."""

    name: str
    answers: int
    acceptable: float
    auc: Estimate
    brier: Estimate
    ece: Estimate
    bins: Sequence[Bin]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "answers": self.answers,
            "acceptable": self.acceptable,
            "auc": _estimate(self.auc),
            "brier": _estimate(self.brier),
            "ece": _estimate(self.ece),
            "bins": [found._asdict() for found in self.bins],
        }


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A recorded model: its rates in dollars per million tokens, None if unknown, and where its tokens come from."""

    name: str
    rates: tuple[str, str] | None
    tokens: str
    texts: int

    def to_dict(self) -> dict[str, Any]:
        rates = None if self.rates is None else {"input": self.rates[0], "output": self.rates[1]}
        return {"name": self.name, "price": rates, "tokens": self.tokens, "texts": self.texts}


@dataclass(frozen=True, slots=True)
class SetReport:
    """One file of recorded outcomes. `left_out` prompts lack an outcome of a model that is looked at.

    `agreement_auc` is how well the strong model's saying the same tells the weak one's right answers from wrong ones.
    `needs_live` are plans that ask what no record of single answers has.
    """

    name: str
    prompts: int
    left_out: int
    tasks: Mapping[str, int]
    weak: str
    strong: str
    models: Sequence[ModelReport]
    rows: Sequence[Row]
    sweep: Sequence[Row]
    orderings: Sequence[Ordering]
    confidence: Sequence[Calibration]
    agreement_auc: Estimate | None = None
    needs_live: Sequence[str] = ()
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "prompts": self.prompts,
            "left_out": self.left_out,
            "tasks": dict(self.tasks),
            "weak": self.weak,
            "strong": self.strong,
            "models": [model.to_dict() for model in self.models],
            "strategies": [row.to_dict() for row in self.rows],
            "sweep": [row.to_dict() for row in self.sweep],
            "orderings": [ordering.to_dict() for ordering in self.orderings],
            "confidence": [calibration.to_dict() for calibration in self.confidence],
            "agreement_auc": _estimate(self.agreement_auc),
            "needs_live": list(self.needs_live),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Observed:
    """Rated runs that have a strategy or a model in common: what the user thought of them, and what they cost."""

    name: str
    runs: int
    rating: Estimate
    cost_nanousd: Estimate | None
    latency_ms: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "runs": self.runs,
            "rating": _estimate(self.rating),
            "cost_nanousd": _estimate(self.cost_nanousd),
            "latency_ms": _estimate(self.latency_ms),
        }


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """The rated runs of a ledger, as they were: what another choice would have come to is not known of them.

    `replayable` prompts were answered by several models and rated each time: of those it is known.
    """

    name: str
    runs: int
    strategies: Sequence[Observed]
    models: Sequence[Observed]
    confidence: Sequence[Calibration]
    replayable: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "runs": self.runs,
            "strategies": [observed.to_dict() for observed in self.strategies],
            "models": [observed.to_dict() for observed in self.models],
            "confidence": [calibration.to_dict() for calibration in self.confidence],
            "replayable": self.replayable,
        }


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All sets, the confidence in all of their answers together, and the rated runs of a ledger.

    `selection` says which prompts were looked at.
    """

    sets: Sequence[SetReport]
    together: Calibration | None
    seed: int
    resamples: int
    selection: Mapping[str, Any] = field(default_factory=dict)
    ledger: LedgerReport | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "seed": self.seed,
            "resamples": self.resamples,
            "level": LEVEL,
            "selection": dict(self.selection),
            "sets": [found.to_dict() for found in self.sets],
            "together": None if self.together is None else self.together.to_dict(),
            "ledger": None if self.ledger is None else self.ledger.to_dict(),
        }


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None or estimate.value is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
