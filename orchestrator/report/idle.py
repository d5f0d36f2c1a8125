"""What machines cost that are always on or started on demand, beyond the calls that they answered.

A call to a model that the user hosts costs the time it took at the price of the GPU hour, and nothing else is in the
ledger. What the machine costs while nobody calls it stands in the config file (`always_on`) and nowhere else:

    idle cost = hours that it was on x price of an hour - cost of its models' calls in that time, at least 0

A machine that is started on demand (`on_demand`) was on around its models' calls: from its start-up before the first
one until the idle time-out after the last, which ends it; a call that comes before that keeps it on.

Calls at the same time each count with all of their time, so that busy hours may cost more than the machine does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from ..config import Machine
from ..deferred import dataclass, replace
from ..errors import ConfigError, did_you_mean
from ..ledger.rows import to_micros
from ..ledger.store import Ledger
from ..money import NANO_PER_DOLLAR
from ..registry.model import Registry
from .period import Localise, Range, bounds
from .selection import Selection

_MICROS_PER_HOUR = 3_600_000_000
_BUSY = """
    SELECT coalesce(sum(cost_nanousd), 0) FROM calls
    WHERE simulated = ? AND created_at >= ? AND created_at < ? AND model IN ({marks})
"""


# When the calls of some models began and ended, in the order of their beginnings.
_CALLS = """
    SELECT coalesce(sent_at, created_at) AS began, coalesce(ended_at, sent_at, created_at) AS ended FROM calls
    WHERE simulated = ? AND created_at >= ? AND created_at < ? AND status <> 'reserved' AND cost_source IS NOT 'cache'
        AND model IN ({marks})
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Idle:
    """A machine over a range of time. Money in nano-dollars; `busy_nanousd` is part of the report's own costs.
    `starts`: how often it was started; None for one that is always on."""

    models: tuple[str, ...]
    hours: float
    cost_nanousd: int
    busy_nanousd: int
    starts: int | None = None

    @property
    def idle_nanousd(self) -> int:
        """What the machine cost beyond the calls that it answered."""
        return max(0, self.cost_nanousd - self.busy_nanousd)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "models": list(self.models),
            "hours": round(self.hours, 4),
            "cost_nanousd": self.cost_nanousd,
            "busy_nanousd": self.busy_nanousd,
            "idle_nanousd": self.idle_nanousd,
            "starts": self.starts,
        }


def known_machines(machines: Sequence[Machine], registry: Registry) -> tuple[Machine, ...]:
    """The machines with the names that the ledger has of their models. Raises ConfigError for one that there is not."""
    return tuple(
        replace(machine, models=tuple(_known(name, registry) for name in machine.models)) for machine in machines
    )


def idle(
    ledger: Ledger | None, selection: Selection, machines: Sequence[Machine], *, now: datetime, localise: Localise
) -> tuple[Idle, ...]:
    """Each machine that was on in the selected range, up to `now`. A category or a tag has no part of a machine: then
    there are none. Raises LedgerError."""
    if selection.category is not None or selection.tag is not None:
        return ()
    machines_on = []
    for machine in machines:
        span = _on(machine, selection.within, now, localise)
        if span is not None:
            start, end = to_micros(span[0]), to_micros(span[1])
            micros, starts = end - start, None
            if machine.idle_minutes is not None:
                micros, starts = _around_calls(ledger, machine, selection.simulated, start, end)
            cost = math.ceil(Fraction(machine.gpu_hour) * NANO_PER_DOLLAR * micros / _MICROS_PER_HOUR)
            busy = 0 if ledger is None else _busy(ledger, machine, selection.simulated, start, end)
            machines_on.append(Idle(machine.models, micros / _MICROS_PER_HOUR, cost, busy, starts))
    return tuple(machines_on)


def _around_calls(ledger: Ledger | None, machine: Machine, simulated: bool, start: int, end: int) -> tuple[int, int]:
    """The microseconds that a machine was on for the calls made in a range of time, up to its end, and how often it was
    started."""
    if ledger is None:
        return 0, 0
    sql = _CALLS.format(marks=", ".join("?" * len(machine.models)))
    parameters = (int(simulated), start, end, *machine.models)
    calls = ledger.read(lambda connection: connection.execute(sql, parameters).fetchall())
    start_up, idle = (round(minutes * 60_000_000) for minutes in (machine.start_up_minutes, machine.idle_minutes or 0))
    on, starts, began, until = 0, 0, 0, 0
    for row in calls:
        if starts and row["began"] <= until:
            until = max(until, row["ended"] + idle)
            continue
        on += min(until, end) - began if starts else 0
        began, until, starts = row["began"] - start_up, row["ended"] + idle, starts + 1
    return (on + min(until, end) - began if starts else 0), starts


def _on(machine: Machine, within: Range, now: datetime, localise: Localise) -> tuple[datetime, datetime] | None:
    """From when to when a machine was on within a range, or None."""
    runs = bounds(Range(first_day=machine.since, last_day=machine.until), localise)
    asked = bounds(within, localise)
    start = max(filter(None, (runs[0], asked[0])), default=None)
    end = min(filter(None, (runs[1], asked[1], now.astimezone(UTC))))
    return None if start is None or start >= end else (start, end)


def _busy(ledger: Ledger, machine: Machine, simulated: bool, start: int, end: int) -> int:
    sql = _BUSY.format(marks=", ".join("?" * len(machine.models)))
    parameters = (int(simulated), start, end, *machine.models)
    return int(ledger.read(lambda connection: connection.execute(sql, parameters).fetchone()[0]))


def _known(name: str, registry: Registry) -> str:
    spec = registry.find(name)
    if spec is None:
        hint = did_you_mean(name, registry.models) or "orch models lists them"
        raise ConfigError(f"always_on and on_demand: there is no model {name!r}", hint=hint)
    return spec.name
