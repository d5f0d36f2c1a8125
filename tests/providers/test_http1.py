"""The transport under every provider, against a server on a socket: what is reused, what is closed, what went wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from orchestrator.providers.http1 import Http1Transport, head_of
from orchestrator.providers.http1_connection import Reply
from orchestrator.providers.incoming import ReplyTooLongError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\n"
TIMEOUTS = {"connect": 5.0, "read": 5.0, "write": 5.0}


class Server:
    """Answers the nth request of all connections with the nth script: bytes to write, or what does something else."""

    def __init__(self, *scripts: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._scripts = iter(scripts)
        self.connections = 0
        self.hung_up = asyncio.Event()  # by the client
        self.requests: list[bytes] = []
        self.url = httpx2.URL("http://127.0.0.1/v1")

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                self.requests.append(head + await reader.readexactly(length))
                script = next(self._scripts)
                if isinstance(script, bytes):
                    writer.write(script)
                else:
                    await script(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(server: Server, kept_alive_s: float = 60) -> AsyncIterator[Http1Transport]:
    async with await asyncio.start_server(server.talk, "127.0.0.1", 0) as listening:
        server.url = httpx2.URL(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1?a=b")
        transport = Http1Transport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), kept_alive_s)
        try:
            yield transport
        finally:
            await transport.aclose()


async def post(transport: Http1Transport, server: Server, content: bytes = b"x", **timeouts: float) -> httpx2.Response:
    request = httpx2.Request("POST", server.url, content=content, extensions={"timeout": TIMEOUTS | timeouts})
    return await transport.handle_async_request(request)


async def post_at_once(
    transport: Http1Transport, server: Server, content: bytes = b"x", most: int = 1_000_000
) -> httpx2.Response:
    """As `post`, with the reply read to its end."""
    reply, length = Reply(), b"host: here\r\ncontent-length: %d\r\n\r\n" % len(content)
    message = head_of("POST", server.url, ()) + length + content
    body = await transport.exchange(server.url, message, reply, connect_s=5.0, most=most)
    return httpx2.Response(reply.status_code, headers=reply.raw_headers, content=body)


both_ways = pytest.mark.parametrize("ask", [post, post_at_once], ids=["piece by piece", "at once"])
Ask = Callable[..., Awaitable[httpx2.Response]]


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    pass


def test_a_request_is_sent_as_it_is_and_a_connection_is_used_again_once_its_reply_was_read() -> None:
    async def run() -> None:
        server = Server(OK, OK, OK)
        async with serving(server) as transport:
            for content in (b"first", b""):
                reply = await post(transport, server, content)
                assert (reply.status_code, reply.http_version, reply.reason_phrase) == (200, "HTTP/1.1", "OK")
                assert await reply.aread() == b"ok"
            unread = await post(transport, server)
            assert server.connections == 1
            await unread.aclose()
            await server.hung_up.wait()  # what was not read to its end is of no use for another request
        assert server.requests[0].startswith(b"POST /v1?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
        assert server.requests[0].endswith(b"\r\n\r\nfirst")

    asyncio.run(run())


def test_requests_at_the_same_time_have_a_connection_each_and_they_are_kept() -> None:
    async def run() -> None:
        server = Server(*[OK] * 20)
        async with serving(server) as transport:
            for _ in range(2):
                for reply in await asyncio.gather(*(post(transport, server) for _ in range(10))):
                    await reply.aread()
        assert server.connections == 10

    asyncio.run(run())


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + b"Content-Length: 4\r\n\r\ntext",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nte\r\n2\r\nxt\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n4 \r\ntext\r\n0\r\nX: y\r\n\r\n",
        HEAD.replace(b"\r", b"") + b"Content-Length: 4\n\ntext",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        + HEAD
        + b"Content-Length: 4\r\n\r\ntext",
    ],
    ids=[
        "by its length",
        "in chunks",
        "in chunks whatever its length",
        "in lines as Unix has them",
        "after heads that only announce it",
    ],
)
@both_ways
def test_a_body_ends_as_its_head_says(reply: bytes, ask: Ask) -> None:
    async def run() -> None:
        server = Server(reply, OK)
        async with serving(server) as transport:
            assert await (await ask(transport, server)).aread() == b"text"
            assert await (await ask(transport, server)).aread() == b"ok"
        assert server.connections == 1

    asyncio.run(run())


@both_ways
def test_a_body_without_a_length_ends_with_its_connection(ask: Ask) -> None:
    async def answer_and_hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\ntext")
        writer.close()

    async def run() -> None:
        server = Server(answer_and_hang_up, OK)
        async with serving(server) as transport:
            assert await (await ask(transport, server)).aread() == b"text"
            assert await (await ask(transport, server)).aread() == b"ok"
        assert server.connections == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    "after",
    [b"Connection: close\r\n", b"Content-Length: 2\r\n\r\nok" + OK],
    ids=["the server said that it closes", "there is a reply that nobody asked for"],
)
@both_ways
def test_a_connection_that_will_not_do_is_not_used_again(after: bytes, ask: Ask) -> None:
    reply = HEAD + after + (b"" if b"ok" in after else b"Content-Length: 2\r\n\r\nok")

    async def run() -> None:
        server = Server(reply, OK)
        async with serving(server) as transport:
            for _ in range(2):
                assert await (await ask(transport, server)).aread() == b"ok"
        assert server.connections == 2

    asyncio.run(run())


def test_a_connection_that_the_server_has_just_closed_is_not_used_again() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        theirs.append(writer.get_extra_info("socket"))

    async def run() -> None:
        server = Server(answer, OK)
        async with serving(server) as transport:
            assert await (await post(transport, server)).aread() == b"ok"
            theirs[0].shutdown(socket.SHUT_RDWR)  # the client's event loop has no turn in which to notice
            assert await (await post(transport, server)).aread() == b"ok"
        assert server.connections == 2

    theirs: list[socket.socket] = []
    asyncio.run(run())


def test_a_connection_that_was_idle_for_too_long_is_closed() -> None:
    async def run() -> None:
        server = Server(OK, OK)
        async with serving(server, kept_alive_s=-1) as transport:
            for _ in range(2):
                await (await post(transport, server)).aread()
            await server.hung_up.wait()
        assert server.connections == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", httpx2.RemoteProtocolError),
        (HEAD[:9], httpx2.RemoteProtocolError),
        (HEAD + b"Content-Length: 9\r\n\r\nhalf", httpx2.RemoteProtocolError),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", httpx2.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", httpx2.RemoteProtocolError),
        (HEAD + b"X: " + b"y" * 200_000, httpx2.RemoteProtocolError),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 200_000, httpx2.RemoteProtocolError),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", httpx2.RemoteProtocolError),
    ],
    ids=[
        *("nothing", "half a head", "half a body", "half a chunk", "another protocol", "a head without end"),
        *("a trailer without end", "a change of protocol"),
    ],
)
@both_ways
def test_a_reply_that_breaks_off_or_is_none_is_a_protocol_error(reply: bytes, error: type[Exception], ask: Ask) -> None:
    async def answer_and_hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        writer.close()

    async def run() -> None:
        server = Server(answer_and_hang_up, OK)
        async with serving(server) as transport:
            with pytest.raises(error):
                await (await ask(transport, server)).aread()
            assert await (await ask(transport, server)).aread() == b"ok"  # on a new one
        assert server.connections == 2

    asyncio.run(run())


def test_a_reset_is_a_read_error() -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def run() -> None:
        server = Server(reset)
        async with serving(server) as transport:
            with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
                await post(transport, server, b"x" * 1_000_000)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("script", "content", "timeouts", "error"),
    [
        (say_nothing, b"x", {"read": 0.01}, httpx2.ReadTimeout),
        (HEAD + b"Content-Length: 9\r\n\r\nhalf", b"x", {"read": 0.01}, httpx2.ReadTimeout),
    ],
    ids=["no head", "half a body"],
)
def test_a_reply_that_does_not_come_in_time_closes_the_connection(
    script: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]],
    content: bytes,
    timeouts: dict[str, float],
    error: type[Exception],
) -> None:
    async def run() -> None:
        server = Server(script)
        async with serving(server) as transport:
            with pytest.raises(error):
                await (await post(transport, server, content, **timeouts)).aread()
            await server.hung_up.wait()

    asyncio.run(run())


def test_a_server_that_does_not_read_is_a_write_timeout() -> None:
    async def run() -> None:
        never = asyncio.Event()

        async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await never.wait()
            writer.close()

        server = Server()
        server.talk = ignore  # type: ignore[method-assign]  # one that takes the connection and nothing else
        async with serving(server) as transport:
            with pytest.raises(httpx2.WriteTimeout):
                await post(transport, server, b"x" * 50_000_000, write=0.01)
            never.set()

    asyncio.run(run())


@both_ways
def test_a_cancelled_request_closes_its_connection(ask: Ask) -> None:
    async def run() -> None:
        arrived = asyncio.Event()

        async def note(writer: asyncio.StreamWriter) -> None:
            arrived.set()

        server = Server(note)
        async with serving(server) as transport:
            task = asyncio.ensure_future(ask(transport, server))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.hung_up.wait()

    asyncio.run(run())


def test_a_body_that_is_longer_than_it_may_be_is_given_up() -> None:
    async def run() -> None:
        server = Server(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 100_000, OK)
        async with serving(server) as transport:
            with pytest.raises(ReplyTooLongError):
                await post_at_once(transport, server, most=50_000)
            await server.hung_up.wait()
            assert await (await post_at_once(transport, server, most=2)).aread() == b"ok"

    asyncio.run(run())


def test_what_is_sent_in_chunks_is_sent_with_its_length() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    async def run() -> None:
        server = Server(OK)
        async with serving(server) as transport:
            request = httpx2.Request("POST", server.url, content=pieces(), extensions={"timeout": TIMEOUTS})
            await (await transport.handle_async_request(request)).aread()
        assert server.requests[0].endswith(b"content-length: 4\r\n\r\nabcd")

    asyncio.run(run())


def test_what_nobody_reads_stays_with_the_server() -> None:
    pieces = 400

    async def run() -> None:
        written = 0

        async def write_much(writer: asyncio.StreamWriter) -> None:
            nonlocal written
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % (pieces * 100_000))
            for _ in range(pieces):
                writer.write(b"x" * 100_000)
                await writer.drain()
                written += 1

        server = Server(write_much)
        async with serving(server) as transport:
            reply = await post(transport, server)
            before = -1
            while before < written:  # until the server cannot go on
                before = written
                for _ in range(100):
                    await asyncio.sleep(0)
            assert written < pieces
            assert len(await reply.aread()) == pieces * 100_000

    asyncio.run(run())


def test_a_header_that_would_be_two_is_refused_and_nothing_is_sent() -> None:
    async def run() -> None:
        server = Server(OK)
        async with serving(server) as transport:
            request = httpx2.Request("POST", server.url, headers={"x": "y\r\nInjected: z"}, content=b"")
            with pytest.raises(httpx2.LocalProtocolError):
                await transport.handle_async_request(request)
        assert not server.requests

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1:1", "a..b", f"{'a' * 64}.test"])
def test_a_host_that_nobody_answers_for_is_a_connect_error(host: str) -> None:
    async def run() -> None:
        transport = Http1Transport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), 60)
        request = httpx2.Request("POST", httpx2.URL(f"http://{host}/v1"), content=b"")
        with pytest.raises(httpx2.ConnectError):
            await transport.handle_async_request(request)

    asyncio.run(run())


def test_a_server_without_tls_is_a_connect_error_where_there_must_be_some() -> None:
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def run() -> None:
        server = Server()
        server.talk = complain  # type: ignore[method-assign]  # what comes is no request
        async with serving(server) as transport:
            server.url = server.url.copy_with(scheme="https")
            with pytest.raises(httpx2.ConnectError):
                await post(transport, server)

    asyncio.run(run())


def test_a_handshake_that_does_not_end_is_a_connect_timeout() -> None:
    async def run() -> None:
        server = Server()
        async with serving(server) as transport:
            server.url = server.url.copy_with(scheme="https")
            began = time.monotonic()
            with pytest.raises(httpx2.ConnectTimeout):
                await post(transport, server, connect=0.01)
            assert time.monotonic() - began < 5
            await server.hung_up.wait()

    asyncio.run(run())
