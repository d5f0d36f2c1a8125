"""What a run tells whoever runs it from a shell: what happens meanwhile, and in one line what came of it."""

from __future__ import annotations

import sys
from datetime import timedelta
from textwrap import indent

from ..clock import Clock, local_now
from ..money import format_short
from ..run.events import BudgetAlerted, CallEnded, CallStarted, Event, Note, TextArrived, Thoughts, Waiting
from ..run.result import OrchestrationResult
from .render import is_terminal, piece, say, status, warn, wipe_status

_LONG_S = 5.0  # a wait of which it is worth knowing when it ends


class Watcher:
    """Shows a run while it happens: decisions with `verbose`, warnings always, on a terminal what is being waited for.

    `stream_answer` prints the pieces of the reply as they come; `streamed` then tells that some were printed.
    """

    def __init__(self, *, verbose: int, stream_answer: bool, clock: Clock = local_now) -> None:
        self._verbose = verbose
        self._clock = clock
        self._stream_answer = stream_answer
        self._shows_status = is_terminal(sys.stderr) and not verbose
        self.streamed = False
        self._ends_line = True

    def __call__(self, event: Event) -> None:
        if not isinstance(event, TextArrived):
            self._end_line()  # the reply is over: what comes next must neither follow its last line nor wipe it out
        match event:
            case TextArrived(text=text, final=final):
                if self._stream_answer and final:  # of other replies it is not known yet whether they are the answer
                    wipe_status()
                    piece(text)
                    self.streamed = True
                    self._ends_line = text.endswith("\n")
            case Thoughts(model=model, text=text):
                if self._verbose:
                    say(f"· {model} thought:\n{indent(text, '    ')}")
            case CallStarted(model=model, attempt=attempt, step=step):
                again = "" if attempt == 1 else f", attempt {attempt}"
                self._status(f"{'' if step is None else f'{step}: '}asking {model}{again} …")
            case Waiting(model=model, seconds=seconds, reason=reason, position=position):
                place = "" if position is None else f", number {position} in the queue"
                # What is shown stays for as long as the place in the queue is the same: a time of day stays true.
                until = f", until {self._clock() + timedelta(seconds=seconds):%H:%M:%S}" if seconds >= _LONG_S else ""
                self._status(f"{model}: waiting {seconds:.1f} s{until}: {reason}{place}")
            case CallEnded(model=model, outcome=outcome, latency_ms=latency_ms, cost_nanousd=cost):
                if self._verbose:
                    say(f"· {model}: {outcome}, {(latency_ms or 0) / 1000:.2f} s, {format_short(cost)}")
            case BudgetAlerted(alert=alert):
                wipe_status()
                warn(str(alert))
            case Note(text=text, loud=loud):
                if loud:
                    wipe_status()
                    warn(text)
                elif self._verbose:
                    say(f"· {text}")

    def close(self) -> None:
        """Stop watching, and remove the status line."""
        wipe_status()
        self._end_line()

    def _end_line(self) -> None:
        if not self._ends_line:
            piece("\n")
            self._ends_line = True

    def _status(self, text: str) -> None:
        if self._verbose:
            say(f"· {text}")
        elif self._shows_status:
            status(text)


def summary(result: OrchestrationResult) -> None:
    """One line on stderr about a run."""
    confidence = "" if result.confidence is None else f" · confidence {result.confidence:.2f}"
    source = " (estimate)" if result.cost_source == "estimate" else ""
    kind = " · simulated" if result.simulated else ""
    say(
        f"{result.model_used or result.status} · {format_short(result.cost_nanousd)}{source} · {result.latency:.2f} s"
        f"{confidence} · run {result.run_id}{kind}"
    )


def closing_words(result: OrchestrationResult, *, verbose: int) -> None:
    """What is said on stderr when a run has ended: its explanation if it has one, and where somebody may be reading, or
    with `verbose`, its summary."""
    if result.explanation is not None:
        for text in result.explanation.lines():
            say(text)
    if verbose or is_terminal(sys.stderr):
        summary(result)
