"""What the calls of one run may take of something: a node's share of the run's cost cap, the run's tokens.

The cap itself is the ledger's to enforce.
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
    """A limit, and the calls that are held against it with what each may take."""

    limit: int
    _held: dict[str, int] = field(default_factory=dict, init=False)

    def hold(self, calls: Mapping[str, int], records: Mapping[str, CallRecord]) -> None:
        """Hold calls, by id, with what they may take: all of them, or none. Raises BudgetError."""
        wanted, left = sum(calls.values()), max(self.left(records), 0)
        if wanted > left:
            refusal = self._refusal(wanted, left)
            refusal.calls = frozenset(calls)
            raise refusal
        self._held.update(calls)

    def release(self, calls: Mapping[str, int]) -> None:
        """Calls that were not reserved after all."""
        for call in calls:
            self._held.pop(call, None)

    def left(self, records: Mapping[str, CallRecord]) -> int:
        """What is left, by the run's calls as they stand; less than nothing if one took more than it might."""
        return self.limit - sum(
            held if (taken := self._taken(records.get(call))) is None else taken for call, held in self._held.items()
        )

    @abstractmethod
    def _taken(self, record: CallRecord | None) -> int | None:
        """What a call took, by its record, if there is one yet; None while nobody knows."""

    @abstractmethod
    def _refusal(self, wanted: int, left: int) -> BudgetError: ...


@dataclass(eq=False, slots=True)
class CostShare(Allowance):
    """What one node of a plan may spend, in nano-dollars. A call counts for its cost, once that is known; until then
    for its worst case. `holder` names the node."""

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
    """How many tokens all calls of a run may take together, of input and output.

    A call that is under way counts for its estimated input and the limit on its reply, and so does one that ended
    without anybody knowing what it took; any other one for that. So what is exceeded, if the estimate was too low, is
    exceeded by that much and no more.
    """

    def _taken(self, record: CallRecord | None) -> int | None:
        if record is None or record.ended_at is None:
            return None
        tokens = record.input_tokens + record.output_tokens
        return tokens if tokens or record.cost_source is CostSource.NONE else None

    def _refusal(self, wanted: int, left: int) -> BudgetError:
        return BudgetError(
            f"the next step could take {wanted:,} tokens, and the run has {left:,} of its {self.limit:,} left",
            hint="raise --max-tokens-total, or lower --max-tokens",
        )
