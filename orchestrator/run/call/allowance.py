"""Limits that one run sets on its own calls: a node's share of the run's cost cap, and the run's token budget.

The ledger enforces the cost cap itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import field

from ...deferred import dataclass
from ...errors import BudgetError
from ...ledger.records import CallRecord, CostSource
from ...money import format_nanousd


@dataclass(eq=False, slots=True)
class Allowance(ABC):
    """A limit, and the amounts that calls hold of it."""

    limit: int
    _held: dict[str, int] = field(default_factory=dict, init=False)

    def hold(self, calls: Mapping[str, int], records: Mapping[str, CallRecord]) -> None:
        """Hold an amount for each call, by call id: for all of them or for none. Raises BudgetError."""
        wanted, left = sum(calls.values()), max(self.left(records), 0)
        if wanted > left:
            refusal = self._refusal(wanted, left)
            refusal.calls = frozenset(calls)
            raise refusal
        self._held.update(calls)

    def release(self, calls: Mapping[str, int]) -> None:
        """Release calls that were not reserved after all."""
        for call in calls:
            self._held.pop(call, None)

    def left(self, records: Mapping[str, CallRecord]) -> int:
        """What is left, given the run's calls as they stand; negative if a call took more than it held."""
        return self.limit - sum(
            held if (taken := self._taken(records.get(call))) is None else taken for call, held in self._held.items()
        )

    @abstractmethod
    def _taken(self, record: CallRecord | None) -> int | None:
        """What a call took, by its record; None while it is unknown."""

    @abstractmethod
    def _refusal(self, wanted: int, left: int) -> BudgetError: ...


@dataclass(eq=False, slots=True)
class CostShare(Allowance):
    """What one node of a plan may spend, in nano-dollars. A call counts with its cost once that is known, and with
    its worst case until then. `holder` names the node in messages."""

    holder: str = field(kw_only=True)

    def _taken(self, record: CallRecord | None) -> int | None:
        return None if record is None else record.cost_nanousd

    def _refusal(self, wanted: int, left: int) -> BudgetError:
        return BudgetError(
            f"{self.holder} could cost {format_nanousd(wanted)} more, and {format_nanousd(left)} of its share, "
            f"{format_nanousd(self.limit)}, is left",
            hint="raise --max-cost, or the budget_share in the plan",
        )


@dataclass(eq=False, slots=True)
class TokenBudget(Allowance):
    """How many tokens all calls of a run may take together, input and output.

    A call in flight counts with its estimated input plus its output limit, and so does a call that ended without token
    counts. Every other call counts with its token counts. The budget can therefore be exceeded only by the error of the
    estimate.
    """

    def _taken(self, record: CallRecord | None) -> int | None:
        if record is None or record.ended_at is None:
            return None
        tokens = record.input_tokens + record.output_tokens
        return tokens if tokens or record.cost_source in (CostSource.NONE, CostSource.CACHE) else None

    def _refusal(self, wanted: int, left: int) -> BudgetError:
        return BudgetError(
            f"the next step could take {wanted:,} tokens, and the run has {left:,} of its {self.limit:,} left",
            hint="raise --max-tokens-total, or lower --max-tokens",
        )
