"""What the ledger has seen that a decision may use: turns, speed, experiments that have stopped, models set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ..choose.table import Observed, Pace
from ..clock import Clock
from ..config import RunOptions, Settings
from ..config.options import EXPERIMENT, ROUND_ROBIN
from ..errors import LedgerError
from ..ledger.breakers import OPEN, breaker_states
from ..ledger.experiments import stops
from ..ledger.pace import accepted_shares, measured_p95
from ..ledger.rotation import rotation_counts
from ..ledger.store import Ledger
from ..plan import calls
from ..registry.model import Registry
from .lifetime import Lifetime

T = TypeVar("T")


class Observing:
    """Looks things up in an engine's ledger: in the one that is open, else in the file, if there is one yet."""

    def __init__(self, settings: Settings, registry: Registry, lifetime: Lifetime, clock: Clock) -> None:
        self._settings = settings
        self._registry = registry
        self._lifetime = lifetime
        self._clock = clock

    def observed(self, options: RunOptions) -> Observed:
        """What a decision may use. Raises LedgerError only if the options depend on it; a failing model is found out
        again when it is called. Nothing is looked up for models that are named."""
        if self._rests_on_nothing(options):
            return Observed()
        try:
            return self._from_ledger(partial(self._looked_up, options=options), Observed())
        except (LedgerError, OSError):
            if _must_be_observed(options):
                raise
            return Observed()

    async def observed_in_thread(self, options: RunOptions) -> Observed:
        """`observed`, without blocking the event loop."""
        if self._rests_on_nothing(options):
            return Observed()
        return await asyncio.to_thread(self.observed, options)

    def accepted(self, threshold: float) -> dict[str, float]:
        """How often models' answers reached a threshold, 0 to 1 by model."""

        def shares(ledger: Ledger) -> dict[str, float]:
            return accepted_shares(ledger, threshold, simulated=self._settings.simulate, now=self._clock())

        try:
            return self._from_ledger(shares, {})
        except (LedgerError, OSError):
            return {}

    def _from_ledger(self, read: Callable[[Ledger], T], default: T) -> T:
        """What `read` makes of the ledger; the default if there is none yet. Raises LedgerError and OSError."""
        if (opened := self._lifetime.ledger) is not None:
            return read(opened)
        ledger = Ledger.open_for_reading(self._settings.ledger)
        if ledger is None:
            return default
        self._lifetime.warnings += ledger.warnings
        with ledger:
            return read(ledger)

    def _rests_on_nothing(self, options: RunOptions) -> bool:
        """Whether the models are named, and taken whatever the ledger has seen of them."""
        return not _must_be_observed(options) and self._names_its_models(options)

    def _names_its_models(self, options: RunOptions) -> bool:
        """Whether the plan is a chain that names every model, and leaves none to a role, tier or level."""
        if options.strategy != "fallback" or options.role is not None:
            return False
        chain = self._registry.chains.get(options.chain)
        return chain is None or all(call.model for call in calls(chain.plan))

    def _looked_up(self, ledger: Ledger, options: RunOptions) -> Observed:
        simulated, in_turn = self._settings.simulate, options.strategy in (ROUND_ROBIN, EXPERIMENT)
        paces = measured_p95(ledger, simulated=simulated, now=self._clock()) if options.max_latency_s else {}
        stopped = stops(ledger, simulated=simulated) if in_turn else {}
        return Observed(
            turns=rotation_counts(ledger, simulated=simulated) if in_turn else {},
            pace={model: Pace(p95_ms, calls) for model, (p95_ms, calls) in paces.items()},
            stopped={name: stop.arm for name, stop in stopped.items()},
            set_aside=self._set_aside(ledger),
        )

    def _set_aside(self, ledger: Ledger) -> dict[tuple[str, str | None], str]:
        """The providers and models whose circuit breaker is open, and why."""
        return {
            (breaker.provider, breaker.model): f"set aside until {breaker.open_until.astimezone():%H:%M:%S}"
            for breaker in breaker_states(ledger, self._clock())
            if breaker.state == OPEN and breaker.open_until and breaker.simulated == self._settings.simulate
        }


def _must_be_observed(options: RunOptions) -> bool:
    return options.max_latency_s is not None or options.strategy in (ROUND_ROBIN, EXPERIMENT)
