"""What a later period saved against a baseline, tier by tier, and whether that pays for the machines it took.

    saved = later runs x the baseline's mean cost of a run - what the later runs cost at providers
    net   = saved - what machines cost, used or not
    ROI   = net / what machines cost

A run's tier is the one that `tiers` chose for it (ARCH, EXEC, TASKS or the user's own); the runs of other strategies
have none. A tier without a run in the baseline has nothing to be held against, and counts in no sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ..deferred import dataclass
from .idle import Idle

MONTH = 30  # days


class TierSums(NamedTuple):
    """The runs of a tier in a period, and the nano-dollars of their calls to providers and to machines of the user's
    own."""

    runs: int
    provider_nanousd: int
    hosted_nanousd: int


TierTable = dict[str | None, TierSums]


class TierSaving(NamedTuple):
    """A tier's later runs: what they would have cost at the baseline's mean, what they did cost at providers, and the
    difference, which may be below 0. None where the baseline has no run of it."""

    tier: str | None
    baseline_runs: int
    runs: int
    expected_nanousd: int | None
    spent_nanousd: int
    saved_nanousd: int | None


@dataclass(frozen=True, slots=True)
class Savings:
    """All tiers of the later period, of `days` days, in nano-dollars for the period itself.

    `gpu_nanousd`: the machines' whole cost, and the calls to hosted models that no machine of the config stands for.
    `break_even_runs`: the runs a month from which the machines pay for themselves; None if there are none, or if no run
    saves anything.
    """

    days: float
    tiers: tuple[TierSaving, ...]
    runs: int
    saved_nanousd: int
    gpu_nanousd: int
    break_even_runs: int | None

    @property
    def net_nanousd(self) -> int:
        """What is left of the savings when the machines are paid."""
        return self.saved_nanousd - self.gpu_nanousd

    @property
    def roi(self) -> float | None:
        """The net savings as a share of what the machines cost; None without machines."""
        return self.net_nanousd / self.gpu_nanousd if self.gpu_nanousd else None

    def a_month(self, amount: int) -> int | None:
        """An amount of the period for a month of 30 days; None for a period without length."""
        return round(amount * MONTH / self.days) if self.days > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "days": round(self.days, 4),
            "tiers": [tier._asdict() for tier in self.tiers],
            "runs": self.runs,
            "saved_nanousd": self.saved_nanousd,
            "gpu_nanousd": self.gpu_nanousd,
            "net_nanousd": self.net_nanousd,
            "net_month_nanousd": self.a_month(self.net_nanousd),
            "roi": self.roi,
            "runs_a_month": self.a_month(self.runs),
            "break_even_runs_a_month": self.break_even_runs,
        }


def savings(before: TierTable, after: TierTable, machines: Sequence[Idle], days: float) -> Savings:
    """What the later period saved; `machines` are those that were on in it, `days` how long it has been."""
    tiers = tuple(_saving(tier, before, after) for tier in sorted(after, key=lambda name: (name is None, name or "")))
    known = [tier for tier in tiers if tier.saved_nanousd is not None]
    saved, runs = sum(tier.saved_nanousd or 0 for tier in known), sum(tier.runs for tier in known)
    hosted = sum(sums.hosted_nanousd for sums in after.values())
    gpu = sum(machine.cost_nanousd for machine in machines)
    gpu += max(0, hosted - sum(machine.busy_nanousd for machine in machines))
    even = None
    if gpu and saved > 0 and days > 0:
        even = math.ceil(Fraction(gpu * runs, saved) * MONTH / Fraction(days))
    return Savings(days, tiers, runs, saved, gpu, even)


def _saving(tier: str | None, before: TierTable, after: TierTable) -> TierSaving:
    was, now = before.get(tier), after[tier]
    if was is None or not was.runs:
        return TierSaving(tier, 0, now.runs, None, now.provider_nanousd, None)
    expected = round(Fraction((was.provider_nanousd + was.hosted_nanousd) * now.runs, was.runs))
    return TierSaving(tier, was.runs, now.runs, expected, now.provider_nanousd, expected - now.provider_nanousd)
