"""The body of a reply on its way in: unpacked, within a limit, and only until its time is up.

A reply may be endless, or a few bytes that unpack to gigabytes. So this program unpacks it itself, a piece at a time,
and counts what comes out. And where data is always there to be read, no task waits, and no time limit of the event loop
is ever looked at: the time is checked here, and others get their turn.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx2

from ..types import Request

ENCODING = "gzip"  # how a provider is told that it may pack its reply with
_MIB = 1 << 20
_WHOLE = (_MIB, 40)  # bytes of a reply in one piece: so many, and so many more for each token that was allowed
_STREAMED = (2 * _MIB, 2048)  # each token may come in an event of its own, with all that stands around it
_LOGPROBS = 512  # more for each token, where a provider is asked how sure the model was of it
# Of one JSON document, however long the answer may be: read, it takes up to twenty times as much room.
LONGEST_JSON = 8 * _MIB
_CHARACTERS = (_MIB // 4, 64)  # of an answer: a token of English has 4 or 5, one of blanks many
LISTED = 16 * _MIB  # of a list of models, which can have thousands

_PIECE = 65_536  # bytes that are unpacked at a time
_TURN_S = 0.05  # others wait no longer than this for their turn
_ANY_HEADER = 32  # zlib: gzip or zlib, whichever it is


class ReplyTooLongError(httpx2.StreamError):
    """More came than a reply can have."""


def most_bytes(request: Request, *, streamed: bool) -> int:
    """How long a reply to the request can be, in bytes as they are unpacked, generously."""
    base, each = _STREAMED if streamed else _WHOLE
    scored = _LOGPROBS * (1 + request.top_logprobs) if request.logprobs else 0
    return base + (each + scored) * request.max_tokens


def most_characters(request: Request) -> int:
    """How long the answer in a reply to the request can be, generously."""
    return most_characters_of((1 + request.top_logprobs) * request.max_tokens)


def most_characters_of(max_tokens: int) -> int:
    """How long an answer of so many tokens can be, generously."""
    base, each = _CHARACTERS
    return base + each * max_tokens


def is_too_long(error: BaseException | None) -> bool:
    """Whether an exception is ReplyTooLongError, or was raised from it."""
    while error is not None:
        if isinstance(error, ReplyTooLongError):
            return True
        error = error.__cause__
    return False


class Incoming(httpx2.AsyncByteStream):
    """A reply's body. `encoding` is its Content-Encoding; `most` limits it, in bytes; `deadline` is on the event loop's
    clock; `seen` is shown each piece.

    Raises ReplyTooLongError, httpx2.ReadTimeout, and httpx2.DecodingError for what cannot be unpacked.
    """

    def __init__(
        self, body: httpx2.AsyncByteStream, encoding: str, most: int, deadline: float, seen: Callable[[bytes], None]
    ) -> None:
        self._body = body
        self._unpacked = _unpacker(encoding)
        self._left = most
        self._deadline = deadline
        self._seen = seen

    async def __aiter__(self) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        turn = clock() + _TURN_S
        async for packed in self._body:
            for piece in self._unpacked(packed):
                self._left -= len(piece)
                if self._left < 0:
                    raise ReplyTooLongError("it is longer than a reply can be")
                self._seen(piece)
                yield piece
                now = clock()
                if now >= self._deadline:
                    raise httpx2.ReadTimeout("timed out")
                if now >= turn:
                    await asyncio.sleep(0)
                    turn = clock() + _TURN_S

    async def aclose(self) -> None:
        await self._body.aclose()


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """A whole body, as `Incoming` gives it piece by piece."""
    pieces, left = [], most
    for piece in _unpacker(encoding)(body):
        left -= len(piece)
        if left < 0:
            raise ReplyTooLongError("it is longer than a reply can be")
        pieces.append(piece)
    return b"".join(pieces)


def _unpacker(encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return lambda data: iter((data,) if data else ())
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | _ANY_HEADER)

    def unpack(data: bytes) -> Iterator[bytes]:
        while data and not unpacking.eof:
            try:
                piece = unpacking.decompress(data, _PIECE)
            except zlib.error as error:
                raise httpx2.DecodingError(str(error)) from error
            data = unpacking.unconsumed_tail
            if piece:
                yield piece
            elif not data:
                return

    return unpack
