"""What arrives is limited: endless replies, replies that unpack to gigabytes, and time that is up in a flood."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx2
import pytest
from provider_wires import TARGETS, Answer, FakeServer, Target, connected

from orchestrator import errors
from orchestrator.errors import Billed, ProviderError
from orchestrator.providers.incoming import Incoming, ReplyTooLongError, most_bytes, most_characters
from orchestrator.types import Completion, Message, Request

MIB = 1 << 20
REQUEST = Request("some-model", (Message("user", "Say hello"),), max_tokens=64, timeout_s=60)
BLANKS = b" " * 65_536
Packing = Callable[[bytes], bytes]

every_adapter = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)


class Endless(httpx2.AsyncByteStream):
    """A beginning, and then the same again for ever. `sent` counts the bytes."""

    def __init__(self, begins: bytes, repeats: bytes) -> None:
        self._begins, self._repeats = begins, repeats
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = self._begins
        while self.sent < 200 * MIB:
            self.sent += len(piece)
            yield piece
            piece = self._repeats


def asked(
    target: Target, reply: httpx2.Response, *, streamed: bool, request: Request = REQUEST
) -> Completion | ProviderError:
    async def main() -> Completion | ProviderError:
        provider = connected(target, FakeServer(lambda _: reply))
        try:
            if not streamed:
                return await provider.complete(request)
            *_, last = [event async for event in provider.stream(request)]
            assert isinstance(last, Completion)
            return last
        except ProviderError as error:
            return error
        finally:
            await provider.aclose()

    return asyncio.run(main())


def reply_of(body: httpx2.AsyncByteStream, media_type: str, packed: str = "") -> httpx2.Response:
    return httpx2.Response(
        200, stream=body, headers={"content-type": media_type} | ({"content-encoding": packed} if packed else {})
    )


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("begins", "repeats"),
    [(b"", BLANKS), (b'{"a": "', b"x" * 65_536), (b"data: ", b"x" * 65_536)],
    ids=["blanks", "a text", "a line"],
)
def test_an_endless_reply_is_given_up_at_its_limit(
    target: Target, streamed: bool, begins: bytes, repeats: bytes
) -> None:
    body = Endless(begins, repeats)
    error = asked(target, reply_of(body, "text/event-stream" if streamed else "application/json"), streamed=streamed)
    assert type(error) is errors.BadReplyError
    assert "more came than the limit on the reply allows" in error.message
    assert error.billed is Billed.UNKNOWN
    assert body.sent <= most_bytes(REQUEST, streamed=streamed) + len(repeats)


@every_adapter
@pytest.mark.parametrize(
    "repeats", [b"x" * 65_536, b"data:\n" * 10_000, b"{\n" * 30_000, b"data: x\n: no data\n" * 4_000]
)
def test_an_endless_event_is_given_up_however_long_the_answer_may_be(target: Target, repeats: bytes) -> None:
    body = Endless(b"data: ", repeats)
    request = replace(REQUEST, max_tokens=1_000_000)
    error = asked(target, reply_of(body, "text/event-stream"), streamed=True, request=request)
    assert type(error) is errors.BadReplyError
    assert body.sent < 20 * MIB


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("media_type", ["application/json", "text/html"])
def test_a_document_has_a_limit_however_long_the_answer_may_be(target: Target, streamed: bool, media_type: str) -> None:
    body = Endless(b"[", b"[],[],[]" * 8_000)
    error = asked(target, reply_of(body, media_type), streamed=streamed, request=replace(REQUEST, max_tokens=1_000_000))
    assert type(error) is errors.BadReplyError
    assert body.sent < 9 * MIB


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_endless_error_is_given_up_at_its_limit(target: Target, streamed: bool) -> None:
    body = Endless(b'{"error": {"message": "', b"x" * 65_536)
    reply = httpx2.Response(500, stream=body, headers={"content-type": "application/json"})
    error = asked(target, reply, streamed=streamed)
    assert type(error) is errors.BadReplyError
    assert body.sent <= most_bytes(REQUEST, streamed=streamed) + 65_536


@every_adapter
def test_of_an_endless_answer_what_can_be_one_is_kept(target: Target) -> None:
    begins, again = target.wire.stream(Answer(pieces=("x" * 4_000,), finish=None, usage=False))[:-1], b""
    for piece in begins:
        if b"x" * 4_000 in piece:
            again = piece
    body = Endless(b"".join(begins), again)
    error = asked(target, reply_of(body, "text/event-stream"), streamed=True)
    assert type(error) is errors.IncompleteError
    assert error.partial is not None
    assert error.partial.text == "x" * most_characters(REQUEST)
    assert body.sent < 2 * most_characters(REQUEST)


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_a_few_bytes_that_unpack_to_many_are_unpacked_up_to_the_limit(
    target: Target, streamed: bool, packed: str
) -> None:
    seen = 0

    class Counted(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal seen
            bomb = (gzip.compress if packed == "gzip" else zlib.compress)(b" " * (64 * MIB))
            for start in range(0, len(bomb), 1_000):
                seen += 1
                yield bomb[start : start + 1_000]

    media_type = "text/event-stream" if streamed else "application/json"
    error = asked(target, reply_of(Counted(), media_type, packed), streamed=streamed)
    assert type(error) is errors.BadReplyError
    assert "more came" in error.message
    assert seen < 10  # of 65


@every_adapter
@pytest.mark.parametrize("packed", ["gzip", "GZIP", "deflate", "identity", ""])
def test_a_packed_reply_is_read(target: Target, packed: str) -> None:
    pack: dict[str, Packing] = {"gzip": gzip.compress, "deflate": zlib.compress}
    body = pack.get(packed.lower(), bytes)(json.dumps(target.wire.whole(Answer())).encode())
    found = asked(target, reply_of(httpx2.ByteStream(body), "application/json", packed), streamed=False)
    assert isinstance(found, Completion)
    assert found.text == "Hello, world"


@every_adapter
@pytest.mark.parametrize("packed", ["gzip", "br", "gzip, gzip"])
def test_what_cannot_be_unpacked_is_a_bad_reply(target: Target, packed: str) -> None:
    found = asked(target, reply_of(httpx2.ByteStream(b"not packed at all"), "application/json", packed), streamed=False)
    assert type(found) is errors.BadReplyError


def incoming(body: httpx2.AsyncByteStream, *, most: int = 10 * MIB, seconds: float = 60.0) -> Incoming:
    deadline = asyncio.get_running_loop().time() + seconds
    return Incoming(body, "", most, deadline, lambda piece: None)


def test_time_that_is_up_is_noticed_although_there_is_always_more() -> None:
    body = Endless(b"", b"x")

    async def main() -> None:
        async for _ in incoming(body, seconds=0.0):
            pass

    with pytest.raises(httpx2.ReadTimeout):
        asyncio.run(main())
    assert body.sent == 1


def test_others_get_their_turn_although_there_is_always_more() -> None:
    stopped = False

    class UntilStopped(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while not stopped:
                yield b"x"

    async def stop() -> None:
        nonlocal stopped
        stopped = True

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stop())
            async for _ in incoming(UntilStopped()):  # which would raise ReplyTooLongError
                pass

    asyncio.run(main())
    assert stopped


def test_the_last_byte_of_the_limit_is_within_it() -> None:
    async def read(most: int) -> bytes:
        return b"".join([piece async for piece in incoming(httpx2.ByteStream(b"x" * 100), most=most)])

    assert asyncio.run(read(100)) == b"x" * 100
    with pytest.raises(ReplyTooLongError):
        asyncio.run(read(99))
