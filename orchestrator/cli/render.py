"""The only module that prints. stdout carries the answer or the JSON; everything else goes to stderr."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import TYPE_CHECKING, Any, Self, TextIO

from ..errors import OrchError
from ..unseen import for_terminal

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

_PIPED_WIDTH = 200
_PROGRESS_EVERY_S = 0.2


class OutputError(OSError):
    """stdout can take no more, for another reason than that its reader is gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the answer cannot be written to stdout: {error.strerror}")


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
    wipe_status()
    _write(sys.stdout, text if text.endswith("\n") else f"{text}\n")


def piece(text: str) -> None:
    """A piece of an answer, at once."""
    wipe_status()
    _write(sys.stdout, text)
    flush()


def say(text: str) -> None:
    """A line on stderr."""
    wipe_status()
    _write(sys.stderr, f"{text}\n")


def warn(text: str) -> None:
    """Print a warning to stderr."""
    say(f"warning: {text}")


def error(problem: OrchError) -> None:
    """Print an error and its hint to stderr."""
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
    """Whether a stream is a terminal."""
    return stream is not None and stream.isatty()


def columns() -> int:
    """How wide a table may be: as the terminal is, or as wide as it likes when piped."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else _PIPED_WIDTH


def table(renderable: RenderableType) -> None:
    """A table on stdout: as wide as it needs to be when piped, so that no cell is cut."""
    from rich.console import Console  # heavy

    class Table(Console):
        """Draws in memory, with the lines that stdout has the characters for."""

        @property
        def encoding(self) -> str:
            return sys.stdout.encoding.lower() if terminal else "utf-8"

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                filtered = terminal and not segment.control
                yield segment._replace(text=for_terminal(segment.text)) if filtered else segment

    wipe_status()
    terminal, drawn = is_terminal(sys.stdout), StringIO()
    console = Table(file=drawn, force_terminal=terminal, width=columns(), highlight=False, soft_wrap=not terminal)
    console.print(renderable)
    _put(sys.stdout, drawn.getvalue())


class Bytes:
    """stdout for what is written as UTF-8, each time in whole characters.

    Raises BrokenPipeError or OutputError, also where there is no stdout.
    """

    def write(self, data: bytes) -> int:
        if sys.stdout is None:
            raise OutputError(OSError(errno.EBADF, os.strerror(errno.EBADF)))
        _write(sys.stdout, data.decode())
        return len(data)


def _write(stream: TextIO | None, text: str) -> None:
    _put(stream, for_terminal(text) if is_terminal(stream) else text)


def _put(stream: TextIO | None, text: str) -> None:
    """Raises BrokenPipeError or OutputError where stdout cannot take it. A stderr that cannot is let be."""
    if stream is None:
        return
    try:
        if stream.isatty():
            stream.write(text.encode(stream.encoding, "replace").decode(stream.encoding))
        else:
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


def status(text: str) -> None:
    """A line on stderr, on a terminal, that is written over by the next one or wiped out by `wipe_status`."""
    _put(sys.stderr, f"{_wipe()}{for_terminal(text)[: _width()]}")
    _status_line.is_shown = True


def wipe_status() -> None:
    """Remove the status line from the terminal, if one is shown."""
    if _status_line.is_shown:
        _put(sys.stderr, _wipe())
        _status_line.is_shown = False


def _wipe() -> str:
    """What empties a terminal's line: an escape, which a console of Windows may show as it is."""
    return f"\r{' ' * _width()}\r" if sys.platform == "win32" else "\r\x1b[2K"


def _width() -> int:
    return shutil.get_terminal_size().columns - 1


class _StatusLine:
    """Whether the last line of the terminal is a status: whatever is printed next takes its place."""

    is_shown = False


_status_line = _StatusLine()


class Progress:
    """How far a long piece of work is, on one line of stderr that is written over; only on a terminal."""

    def __init__(self) -> None:
        self._shows = is_terminal(sys.stderr)
        self._next = 0.0

    def __call__(self, what: str, done: int, of: int) -> None:
        if self._shows and (now := time.monotonic()) >= self._next:
            self._next = now + _PROGRESS_EVERY_S
            status(f"{what}: {done:,} of {of:,}")
        if self._shows and self._next and done >= of:
            wipe_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shows and self._next:
            wipe_status()
