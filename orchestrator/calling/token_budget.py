"""How many tokens all calls of a run may take together, of input and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import BudgetError
from ..ledger.records import CallRecord


@dataclass(eq=False, slots=True)
class TokenBudget:
    """A number of tokens, and the calls that are held against it.

    A call that is under way counts for its estimated input and the limit on its reply; one that has ended, for what it
    took. So what is exceeded, if the estimate was too low, is exceeded by that much and no more.
    """

    limit: int
    _held: dict[str, int] = field(default_factory=dict)

    def left(self, records: Mapping[str, CallRecord]) -> int:
        """What is left, by the run's calls as they stand."""
        ended = {call: record for call, record in records.items() if record.ended_at is not None}
        under_way = sum(held for call, held in self._held.items() if call not in ended)
        return self.limit - under_way - sum(record.input_tokens + record.output_tokens for record in ended.values())

    def hold(self, calls: Mapping[str, int], records: Mapping[str, CallRecord]) -> None:
        """Hold calls, by id, with what they may take: all of them, or none. Raises BudgetError."""
        wanted, left = sum(calls.values()), max(self.left(records), 0)
        if wanted > left:
            raise BudgetError(
                f"the next step could take {wanted:,} tokens, and the run has {left:,} of its {self.limit:,} left",
                hint="raise --max-tokens-total, or lower --max-tokens",
            )
        self._held.update(calls)

    def release(self, calls: Mapping[str, int]) -> None:
        """Calls that were not reserved after all."""
        for call in calls:
            self._held.pop(call, None)
