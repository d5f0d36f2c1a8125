"""What reports and statistics consist of. Money is integer nano-dollars, latency milliseconds, shares 0 to 1.

`to_dict` gives the objects that docs/json.md describes.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..clock import rfc3339
from ..deferred import dataclass, replace
from ..money import NANO_PER_DOLLAR
from .idle import Idle
from .selection import Selection

SCHEMA_VERSION = 1


class By(StrEnum):
    """What the runs and calls of a report are grouped by."""

    MODEL = "model"
    PROVIDER = "provider"
    STRATEGY = "strategy"
    TASK = "task"
    LEVEL = "level"
    CATEGORY = "category"
    DAY = "day"

    @property
    def is_of_calls(self) -> bool:
        """Whether it differs from call to call, so that one run may count in several groups."""
        return self in (By.MODEL, By.PROVIDER)


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of one group, one window of time, or the total.

    `key` is None for runs that have none, such as those without a category. `cost_nanousd` is the sum of the costs that
    are known: a lower bound where `unpriced_calls` is not 0. `reserved_nanousd` is what `unsettled_calls`, those that
    have neither ended nor been given up, may still cost at most; it is not part of the cost. `estimated_calls` have
    an upper estimate for a cost, as the provider's own counts never came.

    Latencies are those of completed calls; percentiles are by nearest rank. Run latencies are those of complete runs,
    from the prompt to the answer; None in a report by model or provider. `mean_confidence` is that of the judged
    answers: the calls' in a group by model or provider, the runs' otherwise. `complete_runs`, `finished_runs` and
    `multi_model_runs` (more than one model called, by escalation or in an ensemble) are None in a group by model or
    provider, to which a run does not belong as a whole. `mean_rating`, 0 to 1, is that of `rated_runs`; by model or
    provider, of those whose answer it gave.
    """

    key: str | None = None
    runs: int = 0
    complete_runs: int | None = 0
    finished_runs: int | None = 0
    multi_model_runs: int | None = 0
    calls: int = 0
    failed_calls: int = 0
    interrupted_calls: int = 0
    unsettled_calls: int = 0
    unpriced_calls: int = 0
    estimated_calls: int = 0
    cost_nanousd: int = 0
    reserved_nanousd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    mean_latency_ms: float | None = None
    p50_latency_ms: int | None = None
    p95_latency_ms: int | None = None
    p50_run_latency_ms: int | None = None
    p95_run_latency_ms: int | None = None
    mean_confidence: float | None = None
    rated_runs: int = 0
    mean_rating: float | None = None
    cost_share: float | None = None

    @property
    def cost_is_lower_bound(self) -> bool:
        """Whether calls are missing from the cost, because they are unpriced."""
        return self.unpriced_calls > 0

    @property
    def success_rate(self) -> float | None:
        """Complete runs out of those that have finished, or None if none has."""
        return (
            self.complete_runs / self.finished_runs if self.complete_runs is not None and self.finished_runs else None
        )

    @property
    def multi_model_share(self) -> float | None:
        """The share of runs that called more than one model."""
        return _share(self.multi_model_runs, self.runs)

    def with_share_of(self, total_nanousd: int) -> Group:
        """The group with its share of a total."""
        return replace(self, cost_share=_share(self.cost_nanousd, total_nanousd))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return asdict(self) | {
            "cost": self.cost_nanousd / NANO_PER_DOLLAR,
            "cost_is_lower_bound": self.cost_is_lower_bound,
            "success_rate": self.success_rate,
            "multi_model_share": self.multi_model_share,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Groups, and their total: the dearest first, days in their own order.

    Calls, tokens and money of the total are the sums over the groups. So are its runs, except in a report by model or
    provider: there a run counts in the group of every model that it called, and once in the total, which also holds
    the runs that called none. `idle` are the machines that were on, which is money beyond the total.
    """

    by: By
    selection: Selection
    groups: tuple[Group, ...]
    total: Group
    idle: tuple[Idle, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            **_head("report", self.selection),
            "by": self.by.value,
            "groups": [group.to_dict() for group in self.groups],
            "total": self.total.to_dict(),
            "idle": [machine.to_dict() for machine in self.idle],
        }


@dataclass(frozen=True, slots=True)
class ModelUse:
    """How often a model was called, and the mean cost of its completed calls of known cost, rounded up."""

    model: str
    calls: int
    mean_cost_nanousd: int | None


@dataclass(frozen=True, slots=True)
class LatestRun:
    """One line of the list of latest runs. `cost_nanousd` is None if a call of the run is unpriced.

    `created_at` is in the user's time zone. `prompt` is its beginning on one line, without control characters; None if
    only its hash was kept.
    """

    run_id: str
    created_at: datetime
    status: str
    strategy: str
    model: str | None
    cost_nanousd: int | None
    confidence: float | None
    rating: float | None
    prompt: str | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        cost = None if self.cost_nanousd is None else self.cost_nanousd / NANO_PER_DOLLAR
        return asdict(self) | {"created_at": rfc3339(self.created_at), "cost": cost}


@dataclass(frozen=True, slots=True)
class Stats:
    """The ledger at a glance. `windows` are keyed `today`, `week`, `month` and `all`; or `selected`, alone, if a
    range was asked for. Cheapest and dearest go by mean cost of a completed call, busiest by number of calls.
    """

    selection: Selection
    windows: tuple[Group, ...]
    cheapest: ModelUse | None
    dearest: ModelUse | None
    busiest: ModelUse | None
    latest: tuple[LatestRun, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            **_head("stats", self.selection),
            "windows": [window.to_dict() for window in self.windows],
            "cheapest": asdict(self.cheapest) if self.cheapest else None,
            "dearest": asdict(self.dearest) if self.dearest else None,
            "busiest": asdict(self.busiest) if self.busiest else None,
            "latest": [run.to_dict() for run in self.latest],
        }


def _head(kind: str, selection: Selection) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "simulated": selection.simulated,
        "range": selection.within.to_dict(),
        "category": selection.category,
        "tag": selection.tag,
    }


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None
