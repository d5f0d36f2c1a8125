"""Who asks the lines of a batch, by the flags."""

from __future__ import annotations

from ...batch import flow
from ...batch.backend import Backend
from ...batch.live import Live
from ...batch.outcomes import Outcome
from ...deferred import dataclass
from ...run.engine import Engine
from ...run.events import Event
from .flags import Via
from .shown import Shown


@dataclass(slots=True)
class Watch:
    """Passes on the events of runs, and what comes of lines, to whoever shows them, once it is there."""

    shown: Shown | None = None

    def __call__(self, event: Event) -> None:
        if self.shown is not None:
            self.shown(event)

    def say(self, text: str) -> None:
        """Something that the user should know."""
        if self.shown is not None:
            self.shown.say(text)

    def hear(self, outcome: Outcome) -> None:
        """What came of a line."""
        if self.shown is not None:
            self.shown.hear(outcome)


def backend_of(engine: Engine, watch: Watch, via: Via | None, *, wait: bool) -> tuple[Backend, int]:
    """The backend that asks, and how many lines may be under way for it."""
    if via in (None, Via.LIVE):
        return Live(engine, watch), flow.WINDOW
    from ...batch import by_provider  # few batches go this way

    return by_provider.ByProvider(engine, wait, watch, auto=via is Via.AUTO), by_provider.WINDOW
