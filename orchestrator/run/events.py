"""Events that a run sends to its observer while it happens. Observing changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from ..deferred import dataclass
from ..ledger.budgets import Alert


@dataclass(frozen=True, slots=True)
class Begun:
    """The run has its id. Nothing has been sent."""

    run_id: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call is about to be sent. `step` is the name of the plan's step, if it has one."""

    call_id: str
    model: str
    attempt: int
    step: str | None = None


@dataclass(frozen=True, slots=True)
class TextArrived:
    """A piece of a streamed reply. `final`: it is a piece of the run's answer, which nothing can replace."""

    call_id: str
    text: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Thoughts:
    """What a model thought, as far as its reply has it. Never part of the answer."""

    call_id: str
    model: str
    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call ended. `outcome` in words: `completed`, or what went wrong."""

    call_id: str
    model: str
    outcome: str
    latency_ms: int | None
    cost_nanousd: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run waits for a while, and why. `position` is the place in a queue, from 1, if there is one."""

    model: str
    seconds: float
    reason: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A decision, in words. A `loud` one is a warning that users see without asking for detail."""

    text: str
    loud: bool = False


@dataclass(frozen=True, slots=True)
class BudgetAlerted:
    """Spending has reached an alert percentage of a budget."""

    alert: Alert


Event = Begun | CallStarted | TextArrived | Thoughts | CallEnded | Waiting | Note | BudgetAlerted
Observer = Callable[[Event], None]


def unobserved(_: Event) -> None:
    """An observer that ignores all events."""


class Bystander:
    """An observer of many runs at a time, for whom none of them waits: the end of a call reaches it when its row is
    written, perhaps after events that followed it."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe

    def __call__(self, event: Event) -> None:
        self._observe(event)
