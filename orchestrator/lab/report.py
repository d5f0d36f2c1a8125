"""What a bench found, as plain records and as the JSON object that docs/bench.md documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, fields, is_dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from ..deferred import dataclass
from .intervals import LEVEL, Estimate
from .metrics import Bin, Point
from .policies import Source

SCHEMA_VERSION = 1
_NOT_IN_JSON = {"json": ""}


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
    of_pair: bool = field(default=True, metadata=_NOT_IN_JSON)
    on_frontier: bool = False


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
    threshold: float | None = field(metadata={"json": "threshold_at_95"})
    curve: Sequence[Point]
    band: Sequence[tuple[float, float | None, Estimate]] = field(metadata=_NOT_IN_JSON)


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


class RatesShown(NamedTuple):
    """Dollars per million tokens, as they are written."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A recorded model: its rates in dollars per million tokens, None if unknown, and where its tokens come from."""

    name: str
    rates: RatesShown | None = field(metadata={"json": "price"})
    tokens: str
    texts: int


class Meets(StrEnum):
    """Whether both aims are reached, by the intervals of the two figures."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"  # an interval has the aim in it


class Needs(StrEnum):
    """What a cheap model needs beside it for both aims to be reached."""

    NOTHING = "nothing"  # it does it alone
    MIXING = "mixing"  # prompts sent to the strong model at random do it
    ROUTER = "router"  # a router within reach does it
    BETTER_MODEL = "better_model"  # no router within reach does it
    CHEAPER_MODEL = "cheaper_model"  # it costs too much itself


@dataclass(frozen=True, slots=True)
class Worth:
    """What a way to answer the prompts saves and loses against the strong model alone; shares, 0 to 1. `saving` is None
    where a price is not known."""

    name: str
    saving: Estimate | None
    loss: Estimate
    meets: Meets


@dataclass(frozen=True, slots=True)
class CheapModel:
    """A model in the place of the cheap one: `quality` and `cost` as shares of the strong model's (cost None if a price
    is not known), over the prompts that both answered.

    `strong_calls` is the greatest share of prompts that may go to the strong model, `recover` the share of the gap that
    they have to recover, `router` the APGR that this takes; None where no router is needed or none can do it.
    """

    model: str
    prompts: int
    quality: float
    cost: float | None
    strong_calls: float
    recover: float
    router: float | None
    needs: Needs


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one set: each strategy, each model of the file as the cheap one, and what follows, in words."""

    saving: float
    loss: float
    strategies: Sequence[Worth]
    cheap_models: Sequence[CheapModel]
    conclusion: str


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """What thresholds come to on what was left out of choosing them: `prompts` or `tasks`, in so many parts.

    The threshold is the cheapest that keeps the wanted share of the strong model's quality where it is chosen.
    """

    name: str
    left_out: str
    parts: int
    quality: Estimate
    strong_share: Estimate
    worth: Worth


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
    rows: Sequence[Row] = field(metadata={"json": "strategies"})
    sweep: Sequence[Row]
    orderings: Sequence[Ordering]
    confidence: Sequence[Calibration]
    agreement_auc: Estimate | None = None
    cross_validation: Sequence[CrossValidated] = ()
    verdict: Verdict | None = None
    needs_live: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """Rated runs that have a strategy or a model in common: what the user thought of them, and what they cost."""

    name: str
    runs: int
    rating: Estimate
    cost_nanousd: Estimate | None
    latency_ms: Estimate | None


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
        """The JSON object that docs/bench.md documents."""
        document: dict[str, Any] = to_json(self)
        return {"schema_version": SCHEMA_VERSION, "level": LEVEL, **document}


def to_json(value: Any) -> Any:
    """Plain data for JSON: an estimate without a figure is None, and a field has the name of its `json`, if any."""
    match value:
        case Estimate():
            return None if value.value is None else {"value": value.value, "low": value.low, "high": value.high}
        case Point(threshold, share, quality, cost):
            return {"threshold": threshold, "strong_share": share, "quality": quality, "cost_nanousd": cost}
        case Mapping():
            return dict(value)
        case tuple() if hasattr(value, "_asdict"):
            return value._asdict()
        case list() | tuple():
            return [to_json(each) for each in value]
    if not is_dataclass(value):
        return value
    named = ((each.metadata.get("json", each.name), each.name) for each in fields(value))
    return {key: to_json(getattr(value, name)) for key, name in named if key}
