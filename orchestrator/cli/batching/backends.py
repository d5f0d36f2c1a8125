"""Who asks the lines of a batch, by the flags."""

from __future__ import annotations

from ...batch.backend import Backend
from ...batch.flow import WINDOW
from ...batch.live import Live
from ...batch.outcomes import Outcome
from ...deferred import dataclass
from ...run.engine import Engine
from ...run.events import Event
from .flags import Via
from .shown import Shown

MOST_AT_PROVIDERS = 100_000


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


def backend_of(engine: Engine, watch: Watch, via: Via | None, *, wait: bool) -> Backend:
    """The backend that asks. Without `wait`, what is at a provider stays there."""
    if via in (None, Via.LIVE):
        return Live(engine, watch)
    from ...batch.by_provider import ByProvider  # few batches go this way

    return ByProvider(engine, wait, watch, auto=via is Via.AUTO)


def window_of(via: Via | None) -> int:
    """How many lines may be under way."""
    return WINDOW if via in (None, Via.LIVE) else MOST_AT_PROVIDERS
