"""The latencies of models, measured by the ledger: read for the models of a plan, and cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..choose.observed import Pace
from ..clock import Clock
from ..errors import LedgerError
from ..ledger.pace import p95_of
from ..ledger.store import Ledger

_KEPT_S = 300.0  # a p95 of hundreds of calls does not change faster


class Paces:
    """Reads measured latencies and caches them, for an engine that stays open."""

    def __init__(self, *, simulated: bool, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._simulated = simulated
        self._clock = clock
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, Pace | None]] = {}  # by model; until when

    async def of(self, models: Iterable[str], ledger: Ledger) -> dict[str, Pace]:
        """The latencies by model; models with too few calls are missing."""
        wanted, now = frozenset(models), self._monotonic()
        missing = [model for model in wanted if self._kept.get(model, (now, None))[0] <= now]
        if missing:
            at = self._clock()
            try:
                found = await ledger.submit(
                    lambda db: p95_of(db, missing, simulated=self._simulated, now=at), reads=True
                )
            except LedgerError:  # whoever writes to it will say so
                return {}
            for model in missing:
                self._kept[model] = now + _KEPT_S, Pace(*found[model]) if model in found else None
        return {model: pace for model in wanted if (pace := self._kept[model][1]) is not None}
