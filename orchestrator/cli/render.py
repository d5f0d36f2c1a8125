"""The only module that prints. stdout carries the answer or the JSON; everything else goes to stderr."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TextIO

from ..errors import OrchError
from ..events import BudgetAlerted, CallEnded, CallStarted, Event, Note, TextArrived, Waiting
from ..money import format_short
from ..result import OrchestrationResult

if TYPE_CHECKING:
    from rich.console import RenderableType

_PIPED_WIDTH = 200
_PROGRESS_EVERY_S = 0.2

# Everything that a terminal might obey: C0 and C1 controls but tab and newline, and the invisible characters that
# reorder text. What is not for a terminal goes out as it came.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class OutputError(OSError):
    """stdout can take no more, for another reason than that its reader is gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the answer cannot be written to stdout: {error.strerror}")


def for_terminal(text: str) -> str:
    """Text from elsewhere, without what a terminal would obey; line ends become plain newlines."""
    return _OBEYED.sub("", text.replace("\r\n", "\n"))


def as_json(document: Mapping[str, Any], *, indent: int | None = None) -> str:
    """JSON as UTF-8 text; escaped to ASCII where it holds what UTF-8 cannot."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent)
    return text


def line(text: str) -> None:
    """A line on stdout."""
    _write(sys.stdout, text if text.endswith("\n") else f"{text}\n")


def piece(text: str) -> None:
    """A piece of an answer, at once."""
    _write(sys.stdout, text)
    flush()


def say(text: str) -> None:
    """A line on stderr."""
    _write(sys.stderr, f"{text}\n")


def warn(text: str) -> None:
    say(f"warning: {text}")


def error(problem: OrchError) -> None:
    say(f"orch: {problem.message}")
    if problem.hint:
        say(f"      {problem.hint}")


def flush() -> None:
    """Force out what is still in the buffer, so that a closed pipe or a full disk is met here and not at exit."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error) from error


def abandon_stdout() -> None:
    """After a closed pipe: nothing more can be written, and Python must not try to at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def columns() -> int:
    """How wide a table may be: as the terminal is, or as wide as it likes when piped."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else _PIPED_WIDTH


def table(renderable: RenderableType) -> None:
    """A table on stdout: as wide as it needs to be when piped, so that no cell is cut."""
    from rich.console import Console  # heavy

    class Table(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with 1
            raise BrokenPipeError

    terminal = is_terminal(sys.stdout)
    console = Table(file=sys.stdout, width=None if terminal else _PIPED_WIDTH, highlight=False, soft_wrap=not terminal)
    try:
        console.print(renderable)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error) from error


def _write(stream: TextIO | None, text: str) -> None:
    """Raises BrokenPipeError or OutputError where stdout cannot take it. A stderr that cannot is let be."""
    if stream is None:
        return
    try:
        if stream.isatty():
            text = for_terminal(text)
            stream.write(text.encode(stream.encoding, "replace").decode(stream.encoding))
            return
        stream.flush()
        stream.buffer.write(text.encode("utf-8", "backslashreplace"))
        if stream is not sys.stdout:
            stream.flush()
    except BrokenPipeError:
        if stream is sys.stdout:
            raise
    except OSError as error:
        if stream is sys.stdout:
            raise OutputError(error) from error


class Watcher:
    """Shows a run while it happens: decisions with `verbose`, warnings always, on a terminal what is being waited for.

    `stream_answer` prints the pieces of the reply as they come; `streamed` then tells that some were printed.
    """

    def __init__(self, *, verbose: int, stream_answer: bool) -> None:
        self._verbose = verbose
        self._stream_answer = stream_answer
        self._status_shown = False
        self._shows_status = is_terminal(sys.stderr) and not verbose
        self.streamed = False
        self._ends_line = True

    def __call__(self, event: Event) -> None:
        match event:
            case TextArrived(text=text, final=final):
                if self._stream_answer and final:  # of other replies it is not known yet whether they are the answer
                    self._clear_status()
                    piece(text)
                    self.streamed = True
                    self._ends_line = text.endswith("\n")
            case CallStarted(model=model, attempt=attempt, step=step):
                again = "" if attempt == 1 else f", attempt {attempt}"
                self._status(f"{'' if step is None else f'{step}: '}asking {model}{again} …")
            case Waiting(model=model, seconds=seconds, reason=reason, position=position):
                place = "" if position is None else f", number {position} in the queue"
                self._status(f"{model}: waiting {seconds:.1f} s: {reason}{place}")
            case CallEnded(model=model, outcome=outcome, latency_ms=latency_ms, cost_nanousd=cost):
                if self._verbose:
                    say(f"· {model}: {outcome}, {(latency_ms or 0) / 1000:.2f} s, {format_short(cost)}")
            case BudgetAlerted(alert=alert):
                self._clear_status()
                warn(str(alert))
            case Note(text=text, loud=loud):
                if loud:
                    self._clear_status()
                    warn(text)
                elif self._verbose:
                    say(f"· {text}")

    def close(self) -> None:
        self._clear_status()
        if self.streamed and not self._ends_line:
            piece("\n")

    def _status(self, text: str) -> None:
        if self._verbose:
            say(f"· {text}")
        elif self._shows_status:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[2K{for_terminal(text)[:width]}")
            sys.stderr.flush()
            self._status_shown = True

    def _clear_status(self) -> None:
        if self._status_shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._status_shown = False


class Progress:
    """How far a long piece of work is, on one line of stderr that is written over; only on a terminal."""

    def __init__(self) -> None:
        self._shows = is_terminal(sys.stderr)
        self._next = 0.0

    def __call__(self, what: str, done: int, of: int) -> None:
        if self._shows and (now := time.monotonic()) >= self._next:
            self._next = now + _PROGRESS_EVERY_S
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[2K{for_terminal(f'{what}: {done:,} of {of:,}')[:width]}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shows and self._next:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def summary(result: OrchestrationResult) -> None:
    """One line on stderr about a run."""
    confidence = "" if result.confidence is None else f" · confidence {result.confidence:.2f}"
    source = " (estimate)" if result.cost_source == "estimate" else ""
    kind = " · simulated" if result.simulated else ""
    say(
        f"{result.model_used or result.status} · {format_short(result.cost_nanousd)}{source} · {result.latency:.2f} s"
        f"{confidence} · run {result.run_id}{kind}"
    )
