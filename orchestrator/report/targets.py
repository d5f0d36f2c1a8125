"""What was hoped for, held against what came: the `targets` of the config file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..config import Targets
from ..money import NANO_PER_DOLLAR, format_short


class Held(NamedTuple):
    """A target and what came of it: `p95` in seconds of a run, `month` in dollars of the calendar month so far, the
    others as shares. `value` is None, and so is `met`, while nothing is known."""

    name: str
    target: float
    value: float | None
    met: bool | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return self._asdict()

    def __str__(self) -> str:
        words = {True: "met", False: "not met", None: "not known yet"}
        bound = "at most" if self.name in _AT_MOST else "at least"
        value = "-" if self.value is None else _shown(self.name, self.value)
        return f"target {_WORDS[self.name]}: {value}, {bound} {_shown(self.name, self.target)}: {words[self.met]}"


_AT_MOST = ("p95", "month")
_WORDS = {
    "p95": "p95 of a run",
    "month": "cost of this month",
    "success_rate": "success rate",
    "savings": "saved against the most expensive model",
    "quality": "mean rating",
}


def any_set(targets: Targets) -> bool:
    """Whether there is a target to hold anything against."""
    return any(getattr(targets, name) is not None for name in _WORDS)


class Came(NamedTuple):
    """What came: milliseconds of a run, nano-dollars of this month, and shares of 0 to 1."""

    p95_ms: int | None
    month_nanousd: int
    success_rate: float | None
    savings: float | None
    quality: float | None


def held(targets: Targets, came: Came) -> Iterator[Held]:
    """Each target that was set, in order."""
    values: dict[str, float | None] = {
        "p95": None if came.p95_ms is None else came.p95_ms / 1000,
        "month": came.month_nanousd / NANO_PER_DOLLAR,
        "success_rate": came.success_rate,
        "savings": came.savings,
        "quality": came.quality,
    }
    for name, value in values.items():
        target = getattr(targets, name)
        if target is not None:
            at_most = name in _AT_MOST
            met = None if value is None else value <= float(target) if at_most else value >= float(target)
            yield Held(name, float(target), value, met)


def _shown(name: str, value: float) -> str:
    if name == "p95":
        return f"{value:,.2f} s"
    if name == "month":
        return format_short(round(value * NANO_PER_DOLLAR))
    return f"{value:.2f}" if name == "quality" else f"{value:.1%}"
