"""The transport in process: what a client may do with a stream, whatever the app does meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import httpx2

from orchestrator.simulator.transport import SimulatorTransport


async def lingering(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, and then waits in tasks of its own for what never comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"all of it", "more_body": False})
    await asyncio.gather(asyncio.sleep(3_600), return_exceptions=True)
    await asyncio.gather(asyncio.Event().wait(), return_exceptions=True)


def test_a_client_may_stop_waiting_for_the_end_of_a_stream() -> None:
    async def read() -> tuple[list[bytes], bool]:
        seen = []
        client = httpx2.AsyncClient(transport=SimulatorTransport(lingering))  # type: ignore[arg-type]
        async with client, client.stream("GET", "http://simulator.test/") as response:
            with anyio.move_on_after(0.05) as waiting:
                async for chunk in response.aiter_bytes():
                    seen.append(chunk)
        return seen, waiting.cancelled_caught

    assert asyncio.run(read()) == ([b"all of it"], True)
