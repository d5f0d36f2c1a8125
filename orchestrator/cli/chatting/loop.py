"""One question after another, and their answers."""

from __future__ import annotations

import asyncio
import signal

from ...errors import Interrupted, OrchError
from ...run.result import tool_call_dict
from ...run.streaming import AnswerStream
from .. import render
from ..watching import Watcher, closing_words
from .commands import Again, Leave, carried_out
from .lines import Lines
from .talk import Talk


class Loop:
    """Carries on a conversation until its questions end. `on_terminal`: Ctrl-C cancels the answer and not the
    conversation. `exit_code` is that of the last question that had no answer, else 0."""

    def __init__(self, talk: Talk, lines: Lines, *, verbose: int, on_terminal: bool) -> None:
        self._talk = talk
        self._lines = lines
        self._verbose = verbose
        self._on_terminal = on_terminal
        self.exit_code = 0

    async def run(self) -> None:
        """Until the questions end, or one says /exit."""
        while True:
            try:
                text = await self._lines.read()
            except KeyboardInterrupt:  # what was typed is given up
                continue
            if text is None:
                return
            try:
                if text.strip():
                    await self._take(text)
            except Leave:
                return
            except OrchError as error:
                self.exit_code = error.exit_code
                render.error(error)
            render.flush()

    async def _take(self, text: str) -> None:
        watcher = Watcher(verbose=self._verbose, stream_answer=True)
        if not text.startswith("/"):
            await self._answer(self._talk.ask(text, watcher), watcher)
            return
        try:
            render.say(carried_out(self._talk, text))
        except Again:
            await self._answer(self._talk.retry(watcher), watcher)

    async def _answer(self, stream: AnswerStream, watcher: Watcher) -> None:
        """Show an answer as it comes, and keep it. Raises the error that it ended in."""
        try:
            await self._cancellable(_shown(stream, watcher))
        finally:
            watcher.close()
            result = stream.result
            if result is not None:
                self._talk.keep(result)
                for call in result.tool_calls:
                    render.line(render.as_json(tool_call_dict(call)))
                closing_words(result, verbose=self._verbose)

    async def _cancellable(self, showing: asyncio.Task[None]) -> None:
        """Wait for an answer. On a terminal, Ctrl-C cancels it and is over with that."""
        if not self._on_terminal:
            await showing
            return
        loop, whole = asyncio.get_running_loop(), asyncio.current_task()
        assert whole is not None
        try:
            loop.add_signal_handler(signal.SIGINT, showing.cancel)
        except NotImplementedError:  # Windows: Ctrl-C ends the conversation
            await showing
            return
        try:
            await asyncio.wait({showing})
        except asyncio.CancelledError:  # SIGTERM, or a terminal that was closed
            showing.cancel()
            await asyncio.wait({showing})
            raise
        finally:
            loop.add_signal_handler(signal.SIGINT, whole.cancel)
        if showing.cancelled():
            raise Interrupted("the answer was cancelled")
        showing.result()


def _shown(stream: AnswerStream, watcher: Watcher) -> asyncio.Task[None]:
    async def show() -> None:
        async for piece in stream:
            if not watcher.streamed:
                render.piece(piece if piece.endswith("\n") else f"{piece}\n")

    return asyncio.ensure_future(show())
