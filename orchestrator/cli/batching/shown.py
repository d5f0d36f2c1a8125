"""How a batch is shown while it works: a bar with figures on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from ...batch.outcomes import Outcome
from ...batch.progress import Progress
from ...money import format_short
from ...run.events import BudgetAlerted, Event, Note
from ...unseen import for_terminal
from .. import render

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_EVERY_S = 0.25
_FIRST_LINE_S, _LINE_EVERY_S = 5.0, 30.0
_MOST_WARNINGS = 10  # different ones


class Shown:
    """Shows the progress of a job until it is cancelled, and warnings of its runs, each once; if `verbose`, what came
    of each line."""

    def __init__(self, progress: Progress, name: str, *, verbose: bool = False) -> None:
        self._progress = progress
        self._name = name
        self._verbose = verbose
        self._warned: set[str] = set()
        self._bar: Bar | None = None
        self.draining: str | None = None

    def __call__(self, event: Event) -> None:
        """Warn of what users should know."""
        if isinstance(event, BudgetAlerted):
            self.warn(str(event.alert))
        elif isinstance(event, Note) and event.loud:
            self.warn(event.text)

    def hear(self, outcome: Outcome) -> None:
        """What came of a line, which is told if that is wanted."""
        if not self._verbose:
            return
        document = outcome.document
        model, error = document.get("model_used"), document.get("error")
        what = f"{model}, {format_short(outcome.cost_nanousd)}" if error is None else f"{error['message']}"
        self.say(f"· line {outcome.line.number:,}: {outcome.status.replace('_', ' ')}: {what}")

    def warn(self, text: str) -> None:
        """A warning, unless it was given before."""
        if text in self._warned or len(self._warned) >= _MOST_WARNINGS:
            return
        self._warned.add(text)
        self.say(f"warning: {text}")
        if len(self._warned) == _MOST_WARNINGS:
            self.say("there may be more warnings: each run has its own, see orch show RUN")

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is None:
            render.say(text)
        else:
            self._bar.console.print(for_terminal(text), markup=False, highlight=False)

    async def show(self) -> None:
        """Show how far it is until this is cancelled."""
        if render.is_terminal(sys.stderr):
            await self._show_bar()
        else:
            await self._show_lines()

    async def _show_lines(self) -> None:
        await asyncio.sleep(_FIRST_LINE_S)
        while True:
            render.say(f"batch {self._name}: {', '.join(self._figures())}")
            await asyncio.sleep(_LINE_EVERY_S)

    async def _show_bar(self) -> None:
        from rich.console import Console  # heavy
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console(file=sys.stderr, highlight=False)
        columns = (BarColumn(20), TextColumn("{task.description}", markup=False))
        with Bar(*columns, console=console, transient=True, refresh_per_second=8) as bar:
            self._bar = bar
            task = bar.add_task("", total=None)
            try:
                while True:
                    progress = self._progress
                    settled = progress.done + progress.failed + progress.not_asked
                    text = for_terminal(" · ".join(self._figures()))
                    bar.update(task, description=text, completed=settled, total=progress.lines)
                    await asyncio.sleep(_EVERY_S)
            finally:
                self._bar = None

    def _figures(self) -> list[str]:
        progress, standing = self._progress, self._progress.standing()
        lines = progress.lines
        figures = [f"{progress.done:,}{'' if lines is None else f' of {lines:,}'} done"]
        figures += [f"{progress.failed:,} failed"] if progress.failed else []
        figures += [f"{progress.not_asked:,} not asked"] if progress.not_asked else []
        projected = progress.projected_nanousd
        of_all = "" if projected is None else f" of about {format_short(projected)}"
        figures += [f"{format_short(progress.spent_nanousd)}{of_all}"]
        figures += [f"{progress.rate:.3g} a second"] if progress.rate else []
        figures += [f"{_spoken(left)} left"] if (left := progress.left_s) is not None else []
        if self.draining is not None:
            figures += [self.draining]
        elif standing.waits_for is not None:
            figures += [f"waiting: {standing.waits_for}"]
        else:
            figures += [f"{standing.in_flight} in flight"]
        return figures


def _spoken(seconds: float) -> str:
    """A time in one or two units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
