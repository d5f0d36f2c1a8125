"""Where the questions of a conversation come from: a terminal, or lines of standard input."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

from ...decoding import decoded

_PROMPT, _GOES_ON = "> ", ". "


class Lines(Protocol):
    """Gives one question after another."""

    async def read(self) -> str | None:
        """The next one; None when there are no more. Raises KeyboardInterrupt where it was given up with Ctrl-C."""


class PipedLines:
    """One question a line. A thread of its own reads, which nobody has to wait for at the end."""

    def __init__(self) -> None:
        self._read: asyncio.Queue[bytes] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._feed, name="orch-stdin", daemon=True).start()

    async def read(self) -> str | None:
        """The next line without its end. Raises UsageError if it is not UTF-8."""
        line = await self._read.get()
        return decoded(line, "standard input").rstrip("\r\n") if line else None

    def _feed(self) -> None:
        for line in chain(_lines(), (b"",)):
            try:
                self._loop.call_soon_threadsafe(self._read.put_nowait, line)
            except RuntimeError:  # the loop is closed
                return


def _lines() -> Iterator[bytes]:
    """The lines of standard input, read without Python's own buffer: its lock, held by a thread that waits for input,
    would keep Python from ending."""
    rest = b""
    while True:
        try:
            piece = os.read(sys.stdin.fileno(), 65_536) if sys.stdin is not None else b""
        except (OSError, ValueError):
            piece = b""
        if not piece:
            break
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


class TerminalLines:
    """A terminal: Enter asks, Alt-Enter begins a new line, a paste stays whole. What was asked before is found with the
    arrow keys and Ctrl-R, also in a later conversation if there is a `history`, which only its owner can read."""

    def __init__(self, words: Iterable[str], history: Path | None) -> None:
        from prompt_toolkit import PromptSession  # heavy, as all of it
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.filters import Condition
        from prompt_toolkit.history import FileHistory, InMemoryHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

        keys = KeyBindings()

        @keys.add("enter", filter=Condition(lambda: not self._session.app.current_buffer.complete_state))
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        @keys.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        self._session: PromptSession[str] = PromptSession(
            multiline=True,
            key_bindings=keys,
            prompt_continuation=_GOES_ON,
            completer=WordCompleter([*words], sentence=True),
            complete_while_typing=False,
            history=InMemoryHistory() if history is None else FileHistory(str(_private(history))),
        )

    async def read(self) -> str | None:
        """What was typed or pasted; None after Ctrl-D."""
        try:
            return await self._session.prompt_async(_PROMPT)
        except EOFError:
            return None


def _private(file: Path) -> Path:
    """The file, there and for nobody else to read."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    return file
