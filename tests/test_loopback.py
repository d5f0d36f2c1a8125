"""The sockets of servers."""

import asyncio
import socket

from orchestrator.loopback import listen


def test_a_reply_in_two_writes_does_not_wait_for_an_acknowledgement() -> None:
    async def nodelay() -> int:
        accepted: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

        def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(writer.transport)

        with listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(take, sock=listener):
                _, client = await asyncio.open_connection(*listener.getsockname())
                transport = await accepted
                option: int = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                transport.close()
                client.close()
        return option

    assert asyncio.run(nodelay())
