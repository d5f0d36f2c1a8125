"""Who asks the lines of a batch, by the flags."""

from __future__ import annotations

from ...batch.backend import Backend
from ...batch.live import Live
from ...batch.outcomes import Outcome
from ...deferred import dataclass
from ...run.engine import Engine
from ...run.events import Event
from .shown import Shown


@dataclass(slots=True)
class Watch:
    """Passes on the events of runs, and what comes of lines, to whoever shows them, once it is there."""

    shown: Shown | None = None

    def __call__(self, event: Event) -> None:
        if self.shown is not None:
            self.shown(event)

    def hear(self, outcome: Outcome) -> None:
        """What came of a line."""
        if self.shown is not None:
            self.shown.hear(outcome)


def backend_of(engine: Engine, watch: Watch) -> Backend:
    """The backend that asks."""
    return Live(engine, watch)
