"""What one node of a plan may spend of a run's cap. The cap itself is the ledger's to enforce."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import BudgetError
from ..ledger.records import CallRecord
from ..money import format_nanousd


@dataclass(eq=False, slots=True)
class Allowance:
    """An amount, and the calls that are held against it with what they cost, or may. `holder` names the node."""

    holder: str
    limit_nanousd: int
    _held: dict[str, int] = field(default_factory=dict)

    def left_nanousd(self, records: Mapping[str, CallRecord]) -> int:
        """What is left, by the run's calls as they stand."""
        return self.limit_nanousd - sum(_cost(records.get(call), held) for call, held in self._held.items())

    def hold(self, calls: Mapping[str, int], records: Mapping[str, CallRecord]) -> None:
        """Hold calls, by id, with their worst cases in nano-dollars: all of them, or none. Raises BudgetError."""
        worst, left = sum(calls.values()), self.left_nanousd(records)
        if worst > left:
            raise BudgetError(
                f"{self.holder} could cost {format_nanousd(worst)} more, and {format_nanousd(max(left, 0))} of its "
                f"share, {format_nanousd(self.limit_nanousd)}, is left",
                hint="raise --max-cost, or the budget_share in the plan",
            )
        self._held.update(calls)

    def release(self, calls: Mapping[str, int]) -> None:
        """Calls that were not reserved after all."""
        for call in calls:
            self._held.pop(call, None)


def _cost(record: CallRecord | None, held: int) -> int:
    """What a call counts for: its cost, once that is known; until then its worst case."""
    return held if record is None or record.cost_nanousd is None else record.cost_nanousd
