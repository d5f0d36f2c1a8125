"""The money of a live bench: what a run could cost at most is set aside before it starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field

from ..deferred import dataclass
from ..errors import BudgetError
from ..money import format_nanousd


class SpentError(BudgetError):
    """What is left does not pay for the worst case of the next run. Nothing of it was sent."""


@dataclass(slots=True)
class Bill:
    """What a run cost in nano-dollars, filled in when it is known. Until then its worst case counts."""

    nanousd: int | None = None


@dataclass(slots=True)
class SpendingLimit:
    """At most `total_nanousd`, None for no limit. What is set aside and what was spent together never exceed it."""

    total_nanousd: int | None
    spent_nanousd: int = 0
    _aside: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def set_aside(self, worst_nanousd: int) -> AsyncIterator[Bill]:
        """Set money aside for a run while it lasts. Where it does not fit, the end of other runs is waited for.

        Raises SpentError if it does not fit with none under way.
        """
        async with self._changed:
            while not self._fits(worst_nanousd):
                if not self._aside:
                    left = f"{format_nanousd(self._left())} of {format_nanousd(self.total_nanousd)} is left"
                    raise SpentError(
                        f"the next run could cost {format_nanousd(worst_nanousd)}, and {left}",
                        hint="raise --max-cost, or lower --max-tokens; what has been gathered is kept",
                    )
                await self._changed.wait()
            self._aside += worst_nanousd
        bill = Bill()
        try:
            yield bill
        finally:
            self._aside -= worst_nanousd
            self.spent_nanousd += worst_nanousd if bill.nanousd is None else bill.nanousd
            async with self._changed:
                self._changed.notify_all()

    def _left(self) -> int:
        return max((self.total_nanousd or 0) - self.spent_nanousd, 0)

    def _fits(self, worst_nanousd: int) -> bool:
        return self.total_nanousd is None or self._aside + worst_nanousd <= self._left()
