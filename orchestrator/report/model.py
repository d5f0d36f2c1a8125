"""What reports and statistics consist of. Money is integer nano-dollars, latency milliseconds, shares 0 to 1.

`to_dict` gives the objects that docs/json.md describes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..deferred import dataclass, replace
from ..money import NANO_PER_DOLLAR
from .dimensions import By as By
from .dimensions import Grouping
from .history import RunLine
from .idle import Idle
from .selection import Selection


@dataclass(frozen=True)  # without slots: see deferred.replace
class Group:
    """The figures of one group, one window of time, or the total.

    `key` is None for runs that have none, such as those without a category; by several dimensions it is their keys in
    words, and `keys` has each. `cost_nanousd` is the sum of the costs that
    are known: a lower bound where `unpriced_calls` is not 0. `reserved_nanousd` is what `unsettled_calls`, those that
    have neither ended nor been given up, may still cost at most; it is not part of the cost. `estimated_calls` have
    an upper estimate for a cost, as the provider's own counts never came. `cache_hits` are the calls that the response
    cache answered, and `saved_nanousd` is what those answers had cost. `batch_calls` went through a provider's batch
    API, and `batch_saved_nanousd` is what live ones would have cost more.

    A group of calls is one by model, provider, role or step: a run does not belong to it as a whole. Latencies are
    those of completed calls; percentiles are by nearest rank. Run latencies are those of complete runs, as a run's
    `latency_ms`; None in a report on calls. `mean_confidence` is that of the judged answers: of the calls in a group of
    calls, else of the runs. `complete_runs`, `finished_runs` and `multi_model_runs` (more than one model called, by
    escalation or in an ensemble) are None in a group of calls. `mean_rating`, 0 to 1, is that of `rated_runs`; in a
    group of calls, of those whose answer it gave.
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
    cache_hits: int = 0
    saved_nanousd: int = 0
    batch_calls: int = 0
    batch_saved_nanousd: int = 0
    mean_latency_ms: float | None = None
    p50_latency_ms: int | None = None
    p95_latency_ms: int | None = None
    p50_run_latency_ms: int | None = None
    p95_run_latency_ms: int | None = None
    mean_confidence: float | None = None
    rated_runs: int = 0
    mean_rating: float | None = None
    cost_share: float | None = None
    keys: tuple[str | None, ...] = ()

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
        document = {
            **vars(self),
            "cost": self.cost_nanousd / NANO_PER_DOLLAR,
            "cost_is_lower_bound": self.cost_is_lower_bound,
            "success_rate": self.success_rate,
            "multi_model_share": self.multi_model_share,
        }
        del document["keys"]
        return document


@dataclass(frozen=True, slots=True)
class Report:
    """Groups, and their total. By each dimension in turn, the dearest come first, and times in their own order.

    Calls, tokens and money of the total are the sums over the groups, except by tag, where a run counts for each of its
    tags. So are its runs, except in a report on calls: there a run counts in every group that it made a call in, and
    once in the total, which also holds the runs that called nobody. `idle` are the machines that were on, which is
    money beyond the total.
    """

    grouping: Grouping
    selection: Selection
    groups: tuple[Group, ...]
    total: Group
    idle: tuple[Idle, ...] = ()

    @property
    def by(self) -> str:
        """The dimensions, as they are asked for."""
        return ",".join(self.grouping.by)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        names = self.grouping.names
        return {
            **self.selection.head("report"),
            "by": self.by,
            "groups": [{**group.to_dict(), "keys": dict(zip(names, group.keys, strict=True))} for group in self.groups],
            "total": self.total.to_dict(),
            "idle": [machine.to_dict() for machine in self.idle],
        }

    def keys_of(self, group: Group) -> dict[str, str | None]:
        """What a group of the report is known by, by the name of each dimension."""
        return dict(zip(self.grouping.names, group.keys, strict=True))


@dataclass(frozen=True, slots=True)
class ModelUse:
    """How often a model was called, and the mean cost of its completed calls of known cost, rounded up."""

    model: str
    calls: int
    mean_cost_nanousd: int | None


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
    latest: tuple[RunLine, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            **self.selection.head("stats"),
            "windows": [window.to_dict() for window in self.windows],
            "cheapest": asdict(self.cheapest) if self.cheapest else None,
            "dearest": asdict(self.dearest) if self.dearest else None,
            "busiest": asdict(self.busiest) if self.busiest else None,
            "latest": [run.to_dict() for run in self.latest],
        }


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None
