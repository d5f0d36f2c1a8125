"""Server-sent events as the standard has them, written as the SDKs' readers take them.

The standard (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6) knows comments, `id`, `retry`,
events without data, a byte order mark and three line ends; servers and gateways use them, and the SDKs' readers take an
event without data for one that is no JSON. So what a reader sees is events with data alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import httpx2

from ..expressions import expression
from .incoming import LONGEST_JSON, ReplyTooLongError

_LINE_END = expression(rb"\r\n|\r|\n")
_MARK = b"\xef\xbb\xbf"
_EACH = 16  # bytes that a piece of an event takes up beside its own


class EventStream(httpx2.AsyncByteStream):
    """The body of a stream of events.

    Names of events are left out, unless `typed`: then an event without one is named by the `type` in its data, or is
    an `error` if its data has one.
    """

    def __init__(self, body: httpx2.AsyncByteStream, *, typed: bool) -> None:
        self._body = body
        self._typed = typed
        self._line: list[bytes] = []  # the pieces of a line whose end has not come yet
        self._first = True  # no line has ended yet
        self._after_return = False  # the last piece ended with \r: a \n that follows belongs to it
        self._name = b""
        self._data: list[bytes] = []
        self._line_size = self._data_size = 0  # how much room they take up

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            if events := b"".join(self._read(piece)):
                yield events
        # Some servers leave out the last empty line, or even the end of the last line.
        if events := b"".join(self._end()):
            yield events

    async def aclose(self) -> None:
        await self._body.aclose()

    def _read(self, piece: bytes) -> Iterator[bytes]:
        """The events that end in a piece."""
        if self._after_return and piece:
            piece = piece.removeprefix(b"\n")
        self._after_return = piece.endswith(b"\r") or (self._after_return and not piece)
        begun, *others = _LINE_END.split(piece)
        self._line.append(begun)
        self._line_size += len(begun) + _EACH
        for begun in others:
            yield from self._take(b"".join(self._line))
            self._line, self._line_size = [begun], len(begun) + _EACH
        if self._line_size + self._data_size > LONGEST_JSON:
            raise ReplyTooLongError("an event in it is longer than a reply can be")

    def _end(self) -> Iterator[bytes]:
        yield from self._take(b"".join(self._line))
        yield from self._dispatch()

    def _take(self, line: bytes) -> Iterator[bytes]:
        if self._first:
            line, self._first = line.removeprefix(_MARK), False
        if not line:
            yield from self._dispatch()
        elif line.startswith(b"{"):  # no event, but how some servers tell an error
            self._add(line)
        else:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._add(value)
            elif field == b"event":
                self._name = value

    def _add(self, data: bytes) -> None:
        self._data.append(data)
        self._data_size += len(data) + _EACH

    def _dispatch(self) -> Iterator[bytes]:
        name, data = self._name, self._data
        self._name, self._data, self._data_size = b"", [], 0
        if not b"".join(data).strip():
            return
        if not self._typed and b'"error"' in b"".join(data):
            data = _error_in_choice(data)
        if self._typed and (name := name or _type_of(b"\n".join(data))):
            yield b"event: %b\n" % name
        for line in data:
            yield b"data: %b\n" % line
        yield b"\n"


def _error_in_choice(data: list[bytes]) -> list[bytes]:
    """An event that has an error beside a choice, with the error in it: a reader of the SDKs' takes the error for all
    that there is, and what was counted until then is lost."""
    try:
        event = json.loads(b"\n".join(data))
        first = event["choices"][0]
        if not event["error"]:
            return data
        first.setdefault("error", event.pop("error"))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return data
    return [json.dumps(event).encode()]


def _type_of(data: bytes) -> bytes:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return b""
    if not isinstance(event, dict):
        return b""
    kind = event.get("type", "error" if "error" in event else None)
    return kind.encode() if isinstance(kind, str) and kind.isidentifier() else b""
