"""What a run tells whoever watches it, while it happens. Watching changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from ..deferred import dataclass
from ..ledger.budgets import Alert


@dataclass(frozen=True, slots=True)
class CallStarted:
    """`step` is the name of the plan's step, if it has one."""

    call_id: str
    model: str
    attempt: int
    step: str | None = None


@dataclass(frozen=True, slots=True)
class TextArrived:
    """A piece of a streamed reply. `final` says that it is a piece of the run's answer: nothing can take its place."""

    call_id: str
    text: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class CallEnded:
    """`outcome` in words: `completed`, or what went wrong."""

    call_id: str
    model: str
    outcome: str
    latency_ms: int | None
    cost_nanousd: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing happens for a while, and why. `position` is the place in a queue, from 1, where there is one."""

    model: str
    seconds: float
    reason: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A decision, in words; a `loud` one is a warning that the user should see even without asking for detail."""

    text: str
    loud: bool = False


@dataclass(frozen=True, slots=True)
class BudgetAlerted:
    """A budget has been spent to a percentage that the user wants to hear of."""

    alert: Alert


Event = CallStarted | TextArrived | CallEnded | Waiting | Note | BudgetAlerted
Observer = Callable[[Event], None]


def unobserved(_: Event) -> None:
    """The observer of a run that nobody watches."""
