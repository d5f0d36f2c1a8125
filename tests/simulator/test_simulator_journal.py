"""The journal is the bill: it must be true whatever becomes of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from simulated_models import MODEL_OF, NOW, WIRES, entry, http, request, scenario, simulator
from skipping import SkippingClock, carry_out

from orchestrator.simulator.app import App
from orchestrator.simulator.scenario import FaultKind, RefusedAt

HARD = "Should I use REST or GraphQL?"
UNCHARGED = {"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0}


def run(app: App, talk: Callable[[httpx2.AsyncClient], Awaitable[Any]], clock: SkippingClock | None = None) -> Any:
    async def main() -> Any:
        async with http(app) as client:
            result = await talk(client)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, "the transport left tasks behind"
        return result

    return carry_out(main(), clock or SkippingClock())


async def ask(client: httpx2.AsyncClient, wire: str, prompt: str = HARD, **extra: Any) -> httpx2.Response:
    return await client.post(**request(wire, prompt, **extra))


async def read_stream(client: httpx2.AsyncClient, wire: str, pieces: int | None = None) -> bytes:
    """A stream to its end, or so many pieces of it and then no more."""
    read = b""
    async with client.stream("POST", **request(wire, HARD, stream=True)) as reply:
        taken = 0
        async for data in reply.aiter_raw():
            read += data
            taken += 1
            if taken == pieces:
                break
    return read


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", WIRES)
def test_a_delivered_answer_is_billed_in_full(wire: str, stream: bool) -> None:
    app = simulator()

    async def talk(client: httpx2.AsyncClient) -> None:
        await (read_stream(client, wire) if stream else ask(client, wire))

    run(app, talk)
    expected = entry(app)
    assert (expected["wire"], expected["model"], expected["status"]) == (wire, MODEL_OF[wire], 200)
    assert expected["delivered"]
    assert expected["input_tokens"] == -(-len(HARD) // 4) + 4
    assert expected["output_tokens"] > 15


@pytest.mark.parametrize("wire", WIRES)
def test_a_client_that_leaves_pays_for_what_was_generated_so_far(wire: str) -> None:
    full, left = simulator(), simulator()
    run(full, lambda client: read_stream(client, wire))
    run(left, lambda client: read_stream(client, wire, pieces=8))
    assert not entry(left)["delivered"]
    assert entry(left)["input_tokens"] == entry(full)["input_tokens"]
    assert 0 < entry(left)["output_tokens"] < entry(full)["output_tokens"]


def test_reasoning_is_billed_as_output_before_any_text_is_seen() -> None:
    app = simulator()

    async def talk(client: httpx2.AsyncClient) -> Any:
        whole = (await ask(client, "openai", model="gpt-5")).json()["usage"]
        body = request("openai", HARD, stream=True, model="gpt-5")
        async with client.stream("POST", **body) as reply:
            async for data in reply.aiter_raw():
                if b'"content":""' not in data:
                    break
        return whole

    usage = run(app, talk)
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < reasoning < usage["completion_tokens"] == entry(app, 0)["output_tokens"]
    assert reasoning < entry(app, 1)["output_tokens"] <= reasoning + 3


@pytest.mark.parametrize("billed", [True, False])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_cut_is_billed_or_not_as_the_scenario_says(stream: bool, billed: bool) -> None:
    app = simulator(scenario(FaultKind.CUT, after_tokens=5, billed=billed))

    async def talk(client: httpx2.AsyncClient) -> None:
        with pytest.raises(httpx2.RemoteProtocolError):
            await (read_stream(client, "openai") if stream else ask(client, "openai"))

    run(app, talk)
    assert entry(app)["status"] == (200 if stream else None)
    assert not entry(app)["delivered"]
    if not billed:
        assert UNCHARGED.items() <= entry(app).items()
    elif stream:
        assert entry(app)["output_tokens"] == 5
    else:
        assert entry(app)["output_tokens"] > 15


def test_a_stream_cut_before_anything_was_sent_has_no_status_and_no_output() -> None:
    app = simulator(scenario(FaultKind.CUT, after_tokens=0))

    async def talk(client: httpx2.AsyncClient) -> None:
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending a response"):
            await read_stream(client, "openai")

    run(app, talk)
    assert (entry(app)["status"], entry(app)["output_tokens"]) == (None, 0)
    assert entry(app)["input_tokens"] > 0


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.RATE_LIMITED, 429),
        (FaultKind.OVERLOADED, 529),
        (FaultKind.SERVER_ERROR, 500),
        (FaultKind.OUT_OF_CREDIT, 400),
        (FaultKind.AUTH, 401),
        (FaultKind.NOT_FOUND, 404),
        (FaultKind.REDIRECT, 307),
        (FaultKind.ERROR_IN_200, 200),
    ],
)
def test_an_error_is_in_the_journal_and_costs_nothing(kind: FaultKind, status: int) -> None:
    app = simulator(scenario(kind))
    reply = run(app, lambda client: ask(client, "anthropic"))
    assert reply.status_code == status
    assert entry(app) == {"wire": "anthropic", "model": "claude-mid", "status": status, "delivered": True} | UNCHARGED


@pytest.mark.parametrize(
    ("body", "status", "model"),
    [
        (b"not json", 400, ""),
        (b"[]", 400, ""),
        (b"[" * 100_000, 400, ""),
        (b'{"model": "gpt-4o-mini"}', 400, ""),
        (b'{"model": "nobody", "messages": [{"role": "user", "content": "hi"}]}', 404, "nobody"),
    ],
    ids=["no json", "no object", "deep", "no messages", "unknown model"],
)
def test_a_rejected_request_is_in_the_journal_too(body: bytes, status: int, model: str) -> None:
    app = simulator()
    reply = run(app, lambda client: client.post("/v1/chat/completions", content=body))
    assert reply.status_code == status
    assert reply.json()["error"]["message"]
    assert entry(app) == {"wire": "openai", "model": model, "status": status, "delivered": True} | UNCHARGED


@pytest.mark.parametrize(
    ("kind", "parameters", "output"),
    [
        (FaultKind.EMPTY, {}, 1),
        (FaultKind.REFUSED, {}, 1),
        (FaultKind.REFUSED, {"at": RefusedAt.PROMPT}, 0),
        (FaultKind.TRUNCATED, {"max_tokens": 3}, 3),
    ],
    ids=["empty", "refused", "refused at the prompt", "truncated"],
)
def test_an_answer_that_is_of_no_use_is_billed_all_the_same(kind: FaultKind, parameters: Any, output: int) -> None:
    app = simulator(scenario(kind, **parameters))
    usage = run(app, lambda client: ask(client, "openai")).json()["usage"]
    assert entry(app)["delivered"]
    assert (entry(app)["input_tokens"], entry(app)["output_tokens"]) == (usage["prompt_tokens"], output)
    assert usage["completion_tokens"] == output


def test_what_breaks_off_is_not_delivered() -> None:
    for kind in (FaultKind.MALFORMED, FaultKind.NO_TERMINAL_MARKER, FaultKind.ERROR_IN_STREAM):
        app = simulator(scenario(kind, after_tokens=4))
        run(app, lambda client: read_stream(client, "google"))
        assert not entry(app)["delivered"]
        assert entry(app)["output_tokens"] in (4, 5)


def test_silence_is_billed_and_has_no_status() -> None:
    app = simulator(scenario(FaultKind.TIMEOUT))

    clock = SkippingClock()

    async def talk(client: httpx2.AsyncClient) -> None:
        asking = asyncio.create_task(client.post(**request("openai", HARD), timeout=600))
        while not app.journal.as_json()["requests"]:  # noqa: ASYNC110  # the journal has no event
            await asyncio.sleep(0)
        clock.skip(600)
        with pytest.raises(httpx2.ReadTimeout):
            await asking

    run(app, talk, clock)
    assert entry(app)["status"] is None
    assert entry(app)["output_tokens"] > 15
    assert not entry(app)["delivered"]


def test_a_refused_connection_was_never_received() -> None:
    app = simulator(scenario(FaultKind.CONNECT_REFUSED))

    async def talk(client: httpx2.AsyncClient) -> None:
        with pytest.raises(httpx2.ConnectError):
            await ask(client, "openai")

    run(app, talk)
    assert app.journal.as_json() == {"requests": []}


@pytest.mark.parametrize("wire", WIRES)
def test_a_long_prefix_is_reported_as_cached_the_second_time(wire: str) -> None:
    app = simulator()
    prompt = "The same long text. " * 500

    async def talk(client: httpx2.AsyncClient) -> list[Any]:
        return [(await ask(client, wire, prompt, **marked)).json() for _ in range(2)]

    marked = {"cache_control": {"type": "ephemeral"}} if wire == "anthropic" else {}
    first, second = run(app, talk)
    cached = 2_500 if wire == "anthropic" else 2_432  # which caches what is marked, and not by blocks
    assert [entry(app, index)["cached_tokens"] for index in (0, 1)] == [0, cached]
    assert entry(app, 0)["input_tokens"] == entry(app, 1)["input_tokens"] == 2_504
    if wire == "anthropic":
        counts = [
            [usage[name] for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")]
            for usage in (first["usage"], second["usage"])
        ]
        assert counts == [[4, 2_500, 0], [4, 0, 2_500]]
    elif wire == "openai":
        assert second["usage"]["prompt_tokens"] == 2_504
        assert second["usage"]["prompt_tokens_details"] == {"cached_tokens": 2_432}
    else:
        assert "cachedContentTokenCount" not in first["usageMetadata"]
        assert second["usageMetadata"]["promptTokenCount"] == 2_504
        assert second["usageMetadata"]["cachedContentTokenCount"] == 2_432


def test_the_journal_is_read_and_cleared_over_http_and_is_not_in_itself() -> None:
    app = simulator()

    async def talk(client: httpx2.AsyncClient) -> list[Any]:
        await ask(client, "google")
        await client.get("/v1/models")
        return [
            (await client.get("/journal")).json()["requests"],
            (await client.delete("/journal")).json()["requests"],
            (await client.get("/journal")).json()["requests"],
        ]

    read, cleared, after = run(app, talk)
    assert [len(read), len(cleared), len(after)] == [1, 1, 0]
    assert read[0]["at"] == NOW.strftime("%Y-%m-%dT%H:%M:%S.250000Z")
    assert list(read[0]) == [
        "at",
        "wire",
        "model",
        "status",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "delivered",
    ]


def test_requests_at_the_same_time_are_kept_apart() -> None:
    app = simulator()

    async def talk(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        return await asyncio.gather(*(ask(client, wire, f"What is {n} + 1?") for n in range(20) for wire in WIRES))

    replies = run(app, talk)
    assert len(app.journal.entries) == 60
    assert all(listed.delivered for listed in app.journal.entries)
    ids = [r.json().get("id") or r.json()["responseId"] for r in replies]
    assert len(set(ids)) == 60
