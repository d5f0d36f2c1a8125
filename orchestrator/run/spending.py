"""The money of many runs together: what a run may cost at most is set aside before it starts.

That is the highest cost of its plan as long as there is plenty. Where money gets short, a run gets several times
what it is expected to cost as its cap, so that more than a few can be in flight; the last one gets all that is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import field

from ..choose.making import Planned
from ..deferred import dataclass, replace
from ..errors import BudgetError, LedgerError
from ..money import format_nanousd
from ..plan import needed
from .result import OrchestrationResult

_PART = 4  # a run gets at most this part of what is left
_OF_EXPECTED = 8  # or so many times what it is expected to cost


def usual_cap(worst_nanousd: int, expected_nanousd: int) -> int:
    """The cap of a run where money is short."""
    return min(worst_nanousd, _OF_EXPECTED * expected_nanousd)


class SpentError(BudgetError):
    """What is left does not pay for the next run. Nothing of it was sent."""


@dataclass(slots=True)
class Bill:
    """What a run may cost at most, and what it cost in nano-dollars, filled in when that is known. Until then the
    most counts."""

    most: int
    nanousd: int | None = None


@dataclass(slots=True)
class SpendingLimit:
    """At most `total_nanousd`, None for no limit. What is set aside and what was spent together never exceed it.

    With `whole`, each run has its highest cost set aside, so that no cap shortens an answer.
    """

    total_nanousd: int | None
    spent_nanousd: int = 0
    whole: bool = False
    _aside: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def set_aside(
        self, worst_nanousd: int, expected_nanousd: int | None = None, least_nanousd: int = 0
    ) -> AsyncIterator[Bill]:
        """Set money aside for a run while it lasts: its highest cost, or a part of it if what it is expected to cost is
        given. Where it does not fit, the end of other runs is waited for.

        Raises SpentError if it does not fit with none under way, or is less than `least_nanousd`.
        """
        async with self._changed:
            while (most := self._amount(worst_nanousd, expected_nanousd, least_nanousd)) is None:
                if not self._aside:
                    raise self._spent(worst_nanousd if expected_nanousd is None else None)
                await self._changed.wait()
            self._aside += most
        bill = Bill(most)
        try:
            yield bill
        finally:
            self._aside -= most
            self.spent_nanousd += most if bill.nanousd is None else bill.nanousd
            async with self._changed:
                self._changed.notify_all()

    async def spend(
        self, planned: Planned, carry_out: Callable[[Planned], Awaitable[OrchestrationResult]]
    ) -> OrchestrationResult:
        """Carry out a plan under a cap that is set aside for it.

        Raises SpentError if there is too little left, BudgetError for a plan without a known price, and what the run
        raises.
        """
        worst, cap = planned.cost.maximum, planned.options.max_cost_nanousd
        least, expected = needed(planned.plan, planned.costs.__getitem__), planned.cost.expected
        if worst is None or least is None:
            raise BudgetError(
                "a model of the plan has no known price, so no cost cap can hold it",
                hint="give it a price in your models.yaml",
            )
        worst = worst if cap is None else min(worst, cap)
        while True:
            async with self.set_aside(worst, None if self.whole else expected, least) as bill:
                capped = replace(planned, options=replace(planned.options, max_cost_nanousd=bill.most))
                try:
                    result = await carry_out(capped)
                except LedgerError:  # nothing was sent
                    bill.nanousd = 0
                    raise
                except asyncio.CancelledError as cancelled:
                    interrupted = getattr(cancelled, "result", None)
                    if interrupted is not None:
                        bill.nanousd = interrupted.cost_nanousd
                    raise
                bill.nanousd = result.cost_nanousd
            if bill.most == worst or not _too_little(result):
                return result
            if not self._aside:
                raise self._spent(None)
            expected, least = worst, bill.most + 1  # another time, with more

    def _spent(self, wanted_nanousd: int | None) -> SpentError:
        """The error for a run that needs more than is left; None for what is expected of it."""
        left = f"{format_nanousd(self._left())} of {format_nanousd(self.total_nanousd)} is left"
        could = "is expected to cost more" if wanted_nanousd is None else f"could cost {format_nanousd(wanted_nanousd)}"
        return SpentError(
            f"the next run {could}, and {left}",
            hint="raise --max-cost, or lower --max-tokens; what was answered is kept",
        )

    def _left(self) -> int:
        return max((self.total_nanousd or 0) - self.spent_nanousd, 0)

    def _amount(self, worst: int, expected: int | None, least: int) -> int | None:
        """How much can be set aside; None if it has to wait."""
        if self.total_nanousd is None:
            return worst
        free = self._left() - self._aside
        if expected is None:
            return worst if worst <= free else None
        wanted = min(worst, max(_OF_EXPECTED * expected, free // _PART))
        if wanted > free and not self._aside:
            wanted = free
        return wanted if least <= wanted <= free else None


def _too_little(result: OrchestrationResult) -> bool:
    """Whether a run's own cap let it send nothing."""
    error = result.exception
    return isinstance(error, BudgetError) and not error.shared and not any(call.sent_at for call in result.calls)
