"""What the server does with requests: streams, errors, keys, budgets, clients that leave, pages that may not ask."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, SURE, UNSURE, Hang, Script, Stage, reply
from serving import CHAT, MESSAGES, RESPONSES, Answer, Served, scripted, served, simulated

from orchestrator.clock import local_now
from orchestrator.errors import OverloadedError, RefusedError, UsageError
from orchestrator.ledger.keys import Key, add_key, new_secret, revoke_key
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.reading.messages import from_openai
from orchestrator.run.engine import Engine
from orchestrator.serve.conversations import Conversations
from orchestrator.serve.keyring import KeyRing
from orchestrator.serve.server import Serving, check_may_listen
from orchestrator.types import Completion, FinishReason, Request, ToolCall

WIRES = pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES], ids=["chat", "responses", "messages"])
HELLO = "Which one is it?"


def body(path: str, model: str = "gpt-6-luna", **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"input": HELLO} if path == RESPONSES else {"messages": [{"role": "user", "content": HELLO}]}
    return {"model": model, **said, **({"max_tokens": 900} if path == MESSAGES else {}), **more}


def with_server(engine: Engine, use: Callable[[Served], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        async with served(engine, **options) as server:
            await use(server)

    asyncio.run(run())


def key_in(ledger: Ledger, name: str = "ci", daily: int | None = None, **more: Any) -> str:
    secret, caps = new_secret(), {} if daily is None else {Period.DAY: daily}
    ledger.write(lambda connection: add_key(connection, Key(name, NOW, **more), secret, caps))
    return secret


# -- answers -----------------------------------------------------------------------------------------------------------


@WIRES
def test_an_answer_says_what_it_cost_and_who_gave_it(tmp_path: Path, path: str) -> None:
    async def use(server: Served) -> None:
        answer = await server.post(path, body(path))
        orch, usage = answer.json["orch"], answer.json["usage"]
        recorded = find_run(server.ledger, orch["run_id"])
        assert (answer.status, SURE in answer.body.decode()) == (200, True)
        assert answer.json["id"].endswith(orch["run_id"])
        assert orch["cost_nanousd"] == recorded.totals.cost_nanousd
        assert (orch["model"], answer.json["model"], answer.headers["x-orch-model"]) == ("gpt-6-luna",) * 3
        assert answer.headers["x-orch-run-id"] == orch["run_id"]
        assert "e" not in answer.headers["x-orch-cost"]
        assert sorted(number for number in usage.values() if isinstance(number, int) and number)[:2] == [10, 20]

    with_server(scripted(tmp_path, **{"gpt-6-luna": reply(SURE)}), use)


@WIRES
def test_what_a_cascade_rejects_is_not_streamed_and_its_last_leg_comes_piece_by_piece(
    tmp_path: Path, path: str
) -> None:
    async def use(server: Served) -> None:
        rejected_first = await server.post(path, body(path, "gpt-4o-mini,gpt-6-luna", stream=True))
        alone = await server.post(path, body(path, stream=True))
        for answer in (rejected_first, alone):
            assert (answer.status, answer.text) == (200, SURE)
        assert (len(rejected_first.chunks), len(alone.chunks)) == (1, len(SURE.split()) + 1)
        assert alone.headers["content-type"].startswith("text/event-stream")
        assert alone.headers["x-orch-run-id"] in alone.body.decode()

    acts = {"gpt-4o-mini": reply(UNSURE), "gpt-6-luna": reply(SURE)}
    with_server(scripted(tmp_path, **acts), use)


@WIRES
def test_a_stream_shows_signs_of_life_until_there_is_something_to_show(tmp_path: Path, path: str) -> None:
    async def use(server: Served) -> None:
        answer = await server.post(path, body(path, "gpt-4o-mini,gpt-6-luna", stream=True))
        first = answer.events[0]
        assert first == {"type": "ping"} if path == MESSAGES else first == ": at work"
        assert answer.text == SURE

    acts = {"gpt-4o-mini": reply(UNSURE), "gpt-6-luna": reply(SURE)}
    with_server(scripted(tmp_path, **acts), use, every_s=0.0)


@WIRES
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_refusal_and_a_reply_that_was_cut_are_told_as_the_apis_tell_them(
    tmp_path: Path, path: str, streamed: bool
) -> None:
    async def use(server: Served) -> None:
        refused = (await server.post(path, body(path, stream=streamed))).body.decode()
        assert {CHAT: '"content_filter"', RESPONSES: '"content_filter"', MESSAGES: '"refusal"'}[path] in refused
        cut = (await server.post(path, body(path, "gpt-4o-mini", stream=streamed))).body.decode()
        assert {CHAT: '"length"', RESPONSES: '"max_output_tokens"', MESSAGES: '"max_tokens"'}[path] in cut

    acts = {
        "gpt-6-luna": RefusedError("it will not say", provider="openai"),
        "gpt-4o-mini": reply("It is", finish=FinishReason.LENGTH),
    }
    with_server(scripted(tmp_path, **acts), use)


def test_options_of_a_run_come_in_the_body_or_in_headers(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        asked = body(CHAT, "gpt-4o-mini,gpt-6-luna")
        assert (await server.post(CHAT, asked)).json["model"] == "gpt-6-luna"
        by_header = await server.post(CHAT, asked, X_Orch_Threshold="0", X_Orch_Tag="nightly")
        by_body = await server.post(CHAT, {**asked, "orch": {"confidence_threshold": 0, "tags": ["nightly"]}})
        for answer in (by_header, by_body):
            assert answer.json["model"] == "gpt-4o-mini", answer.json
            assert find_run(server.ledger, answer.json["orch"]["run_id"]).run.tags == ("nightly",)
        both = await server.post(CHAT, {**asked, "orch": {"threshold": 0}}, X_Orch_Threshold="0.9")
        assert both.json["model"] == "gpt-4o-mini"
        told = await server.post(CHAT, body(CHAT, presence_penalty=1, user="me", verbosity="low"))
        assert told.json["orch"]["left_out"] == ["verbosity", "presence_penalty"]

    acts = {"gpt-4o-mini": reply(UNSURE), "gpt-6-luna": reply(SURE)}
    with_server(scripted(tmp_path, **acts), use)


def test_a_conversation_with_tools_stays_with_its_model_until_that_fails(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asks = replace(reply(""), tool_calls=(ToolCall("call_1", "look", "{}"),), finish_reason=FinishReason.TOOL_CALLS)
    question = {"role": "user", "content": HELLO}

    def after(call_id: str) -> list[Any]:
        call = {"id": call_id, "type": "function", "function": {"name": "look", "arguments": " {} "}}
        result = {"role": "tool", "tool_call_id": call_id, "content": "a cat"}
        return [question, {"role": "assistant", "content": None, "tool_calls": [call]}, result]

    async def use(server: Served) -> None:
        async def ask(model: str, messages: list[Any], **more: Any) -> str:
            answer = await server.post(CHAT, {"model": model, "messages": messages, "tools": [tool], **more})
            assert answer.status == 200, answer.json
            return str(answer.json["model"])

        assert await ask("gpt-6-luna,gpt-4o-mini", [question]) == "gpt-6-luna"
        other_order = "gpt-4o-mini,gpt-6-luna"
        assert await ask(other_order, after("call_1")) == "gpt-6-luna"
        assert await ask(other_order, after("an id of the client's own")) == "gpt-6-luna"
        assert await ask(other_order, after("call_1"), orch={"stay": False}) == "gpt-4o-mini"
        assert await ask("gpt-4o-mini", after("call_1")) == "gpt-4o-mini"
        again = Conversations(server.ledger, lambda: NOW)  # a server that has started anew
        assert await again.model_of(from_openai(after("call_1")), "") == "gpt-6-luna"
        assert await again.model_of(from_openai(after("call_1")), "of a key") is None
        assert await ask(other_order, after("call_1")) == "gpt-4o-mini"  # the other one fails by now

    acts = {"gpt-6-luna": [asks, reply(SURE), reply(SURE), OverloadedError("busy", provider="openai")]}
    with_server(scripted(tmp_path, **acts, **{"gpt-4o-mini": reply(SURE)}), use)


def test_the_signature_of_a_call_comes_back_to_its_model_whether_the_client_keeps_it_or_not(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    made = ToolCall("call_1", "look", "{}", "c2lnbmVk")
    asks = replace(reply(""), tool_calls=(made,), finish_reason=FinishReason.TOOL_CALLS)
    question, result = (
        {"role": "user", "content": HELLO},
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
    )
    seen: list[str | None] = []

    def answer(request: Request) -> Completion:
        seen.extend(call.signature for turn in request.messages for call in turn.tool_calls)
        return reply(SURE)

    async def use(server: Served) -> None:
        async def ask(*messages: Any, stream: bool = False) -> Answer:
            asked = {"model": "gpt-6-luna", "messages": messages, "tools": [tool], "stream": stream}
            return await server.post(CHAT, asked)

        streamed = next(event for event in (await ask(question, stream=True)).events if "extra_content" in str(event))
        said = (await ask(question)).json["choices"][0]["message"]
        for call in (*said["tool_calls"], *streamed["choices"][0]["delta"]["tool_calls"]):
            assert call["extra_content"] == {"google": {"thought_signature": "c2lnbmVk"}}
        bare = {**said, "tool_calls": [{**said["tool_calls"][0], "extra_content": None}]}
        for kept in (said, bare):
            assert (await ask(question, kept, result)).status == 200

    with_server(scripted(tmp_path, **{"gpt-6-luna": [asks, asks, answer, answer]}), use)
    assert seen == ["c2lnbmVk", "c2lnbmVk"]


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "asked", "status", "code", "words"),
    [
        pytest.param(CHAT, b'{"model":', 400, "usage", "not JSON", id="bad JSON"),
        pytest.param(MESSAGES, b'{"model": "\xff"}', 400, "usage", "not UTF-8", id="bad UTF-8"),
        pytest.param(CHAT, b"[" * 100_000, 400, "usage", "nested too deeply", id="deep"),
        pytest.param(RESPONSES, b"[1]", 400, "usage", "not a JSON object", id="a list"),
        pytest.param(CHAT, b" " * 3_000, 413, "too_large", "more than 2,000 bytes", id="too large"),
        pytest.param(CHAT, body(CHAT, "gpt-6-lunar"), 404, "model_not_found", "gpt-6-luna", id="unknown model"),
        pytest.param(MESSAGES, body(MESSAGES, "nobody"), 404, "model_not_found", "there is no model", id="no model"),
        pytest.param(CHAT, {"model": "auto"}, 400, "usage", "messages: expected a list", id="no messages"),
        pytest.param(MESSAGES, {"model": "auto"}, 400, "usage", "max_tokens: is missing", id="no limit"),
        pytest.param(CHAT, body(CHAT, temperature="hot"), 400, "usage", "temperature: expected a number", id="type"),
        pytest.param(CHAT, body(CHAT, temperature=9), 400, "usage", "from 0 to 2", id="range"),
        pytest.param(CHAT, body(CHAT, n=2), 400, "usage", "n: one answer", id="several answers"),
        pytest.param(CHAT, body(CHAT, tools=[{"type": "web"}]), 400, "usage", "cannot be passed on", id="server tool"),
        pytest.param(CHAT, body(CHAT, orch={"verify": "true"}), 400, "usage", "a command on the server", id="command"),
        pytest.param(CHAT, body(CHAT, orch={"max_cst": 1}), 400, "usage", "max_cost", id="unknown option"),
        pytest.param(CHAT, body(CHAT, orch={"max_cost": 0}), 402, "insufficient_quota", "cost cap", id="cap"),
        pytest.param(MESSAGES, body(MESSAGES, orch={"max_cost": 0}), 402, "budget", "cost cap", id="cap, messages"),
        pytest.param(CHAT, body(CHAT, "gpt-4o-mini"), 503, "overloaded", "busy", id="overloaded"),
        pytest.param("/v1/embeddings", body(CHAT), 404, "not_found", "nothing at", id="no such path"),
    ],
)  # fmt: skip
def test_an_error_has_its_status_and_the_form_of_the_api(
    tmp_path: Path, path: str, asked: Any, status: int, code: str, words: str
) -> None:
    async def use(server: Served) -> None:
        answer = await server.post(path, asked)
        error = answer.json["error"]
        assert (answer.status, error["code"], words in error["message"]) == (status, code, True), answer.json
        assert (answer.json.get("type") == "error") is (path == MESSAGES)
        assert server.log[-1]["error"] is not None
        assert server.trouble == []

    busy, most = OverloadedError("busy", provider="openai"), 200_000 if len(asked) > 50_000 else 2_000
    with_server(
        scripted(tmp_path, **{"gpt-6-luna": reply(SURE), "gpt-4o-mini": busy}),
        use,
        most_bytes=most,
    )


@WIRES
def test_an_error_after_the_stream_has_begun_is_told_in_it(tmp_path: Path, path: str) -> None:
    async def use(server: Served) -> None:
        answer = await server.post(path, body(path, stream=True))
        assert answer.status == 200
        told = json.dumps(answer.events)
        assert ("busy" in told, "overloaded" in told) == (True, True)

    with_server(scripted(tmp_path, **{"gpt-6-luna": OverloadedError("busy", provider="openai")}), use, every_s=0.0)


def test_a_bug_shows_nothing_of_itself(tmp_path: Path) -> None:
    def fail(_: object) -> Any:
        raise RuntimeError("a secret")

    async def use(server: Served) -> None:
        server.gate._app = fail  # type: ignore[assignment]  # nothing from outside makes it fail
        answer = await server.post(CHAT, body(CHAT))
        assert (answer.status, b"secret" in answer.body) == (500, False)
        assert "a secret" in server.trouble[0] or "TypeError" in server.trouble[0]

    with_server(scripted(tmp_path), use)


# -- who may ask -------------------------------------------------------------------------------------------------------


def test_a_key_has_its_budget_its_rate_its_names_and_its_tags(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        capped = key_in(server.ledger, "capped", daily=1)
        few = key_in(server.ledger, "few", rpm=2, tags=("team-a",))
        some = key_in(server.ledger, "some", models=("gpt-6-luna",))
        answer = await server.post(CHAT, body(CHAT), authorization=f"Bearer {capped}")
        assert (answer.status, answer.json["error"]["code"]) == (402, "insufficient_quota")
        assert "for key capped" in answer.json["error"]["message"]
        answers = [await server.post(MESSAGES, body(MESSAGES), x_api_key=few) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) in (59, 60)
        server.gate._keys = KeyRing(  # another server over the ledger, or this one started anew
            server.ledger, required=False, simulated=False, clock=local_now, monotonic=time.monotonic
        )
        assert (await server.post(MESSAGES, body(MESSAGES), x_api_key=few)).status == 429
        run = find_run(server.ledger, answers[0].json["orch"]["run_id"]).run
        assert (run.key, run.tags) == ("few", ("team-a",))
        asked = [
            body(CHAT),
            body(CHAT, "gpt-4o-mini"),
            body(CHAT, orch={"strategy": "gpt-4o-mini"}),
            body(CHAT, "auto"),
        ]
        found = [(await server.post(CHAT, each, authorization=f"Bearer {some}")).status for each in asked]
        assert found == [200, 403, 403, 403]
        listed = (await server.get("/v1/models", authorization=f"Bearer {some}")).json["data"]
        assert [model["id"] for model in listed] == ["gpt-6-luna"]
        server.ledger.write(lambda connection: revoke_key(connection, "some", NOW))
        server.gate._keys._read_at = 0.0  # a second later
        assert (await server.post(CHAT, body(CHAT), authorization=f"Bearer {some}")).status == 401

    with_server(scripted(tmp_path, **{"gpt-6-luna": reply(SURE), "gpt-4o-mini": reply(SURE)}), use)


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        pytest.param({}, [200, 401, 200, 403], id="loopback"),
        pytest.param({"host": "0.0.0.0"}, [401, 401, 401, 401], id="open to others"),
        pytest.param({"tls_name": "orch.example"}, [401, 401, 401, 401], id="behind a proxy, with keys"),
    ],
)
def test_who_is_answered_without_a_key(tmp_path: Path, options: Any, statuses: list[int]) -> None:
    async def use(server: Served) -> None:
        keys = [{"authorization": f"Bearer {key}"} for key in ("sk-orch-none", "any")]
        tries: list[dict[str, Any]] = [{}, *keys, {"host": "orch.example"}]
        assert [(await server.post(CHAT, body(CHAT), **each)).status for each in tries] == statuses
        assert (await server.get("/healthz")).status == 200

    engine = scripted(tmp_path, **{"gpt-6-luna": reply(SURE)})
    with Ledger.open(engine.settings.ledger) as ledger:
        secret = key_in(ledger)
    with_server(engine, use, **options)

    async def with_key(server: Served) -> None:
        assert (await server.post(CHAT, body(CHAT), authorization=f"Bearer {secret}")).status == 200

    with_server(engine, with_key, **options)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"host": "evil.example"}, 403, id="a name that leads here"),
        pytest.param({"origin": "https://evil.example"}, 403, id="a page of another server"),
        pytest.param({"origin": "null"}, 403, id="a page of a file"),
        pytest.param({"origin": "http://localhost:3000"}, 403, id="a page of another port"),
        pytest.param({"origin": "http://127.0.0.1:4141"}, 200, id="a page of its own"),
        pytest.param({"host": "localhost:4141"}, 200, id="localhost"),
        pytest.param({"host": "[::1]:4141"}, 200, id="IPv6"),
    ],
)
def test_a_page_in_a_browser_cannot_use_a_loopback_server(tmp_path: Path, headers: Any, status: int) -> None:
    async def use(server: Served) -> None:
        assert (await server.post(CHAT, body(CHAT), **headers)).status == status

    with_server(scripted(tmp_path, **{"gpt-6-luna": reply(SURE)}), use)


def test_an_address_that_others_can_reach_wants_keys_or_a_proxy() -> None:
    with pytest.raises(UsageError, match="anybody there could spend"):
        check_may_listen(Serving(host="0.0.0.0"), keys=0)
    for serving, keys in ((Serving(host="0.0.0.0"), 1), (Serving(host="0.0.0.0", tls_name="a.b"), 0), (Serving(), 0)):
        check_may_listen(serving, keys=keys)


# -- the end of things -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("streamed", "leaves_after"), [(False, 0), (True, 0), (True, 1)])
def test_a_client_that_leaves_is_cancelled_and_settled(tmp_path: Path, streamed: bool, leaves_after: int) -> None:
    async def use(server: Served) -> None:
        await server.post(CHAT, body(CHAT, stream=streamed), leaves_after=leaves_after)
        assert server.log[-1]["gone"] is True
        recorded = find_run(server.ledger, "last")
        assert recorded.run.status.value == "interrupted"
        assert {call.status.value for call in recorded.calls} <= {"interrupted"}
        assert all(call.cost_nanousd is not None for call in recorded.calls)

    with_server(scripted(tmp_path, **{"gpt-6-luna": Hang()}), use)


def test_what_is_under_way_when_the_server_ends_is_settled_and_told(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        asking = [
            asyncio.create_task(server.post(MESSAGES, body(MESSAGES, stream=streamed))) for streamed in (False, True)
        ]
        await script.hanging.wait()
        await server.gate.settled()
        await asyncio.wait(asking)
        assert {entry["error"] for entry in server.log} == {"interrupted"}
        statuses = server.ledger.read(lambda c: c.execute("SELECT status FROM runs").fetchall())
        assert [row["status"] for row in statuses] == ["interrupted"] * 2

    script = Script({"gpt-6-luna": [Hang()]})
    with_server(Stage(tmp_path, script).engine(), use)


def test_many_at_once_share_a_budget_that_is_never_overspent_and_lose_no_answer(tmp_path: Path) -> None:
    cap = 600_000

    async def use(server: Served) -> None:
        secret = key_in(server.ledger, daily=cap)
        asked = body(CHAT, max_tokens=60)
        asking = [server.post(CHAT, asked, authorization=f"Bearer {secret}") for _ in range(64)]
        answers = await asyncio.gather(*asking)
        good = [answer for answer in answers if answer.status == 200]
        assert {answer.status for answer in answers} == {200, 402}
        spent = sum(answer.json["orch"]["cost_nanousd"] for answer in good)
        query = "SELECT settled_nanousd FROM spending WHERE scope = 'key' AND name = 'ci'"
        assert spent == server.ledger.read(lambda c: c.execute(query).fetchone()[0])
        assert 0 < spent <= cap

    with_server(simulated(tmp_path), use)


def test_figures_health_and_the_log(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        await server.post(CHAT, body(CHAT))
        figures = (await server.get("/metrics")).body.decode()
        for line in (
            'orch_http_requests_total{path="/v1/chat/completions",status="200"} 1.0',
            'orch_calls_total{model="gpt-6-luna",outcome="completed"} 1.0',
            'orch_tokens_total{kind="output",model="gpt-6-luna"} 20.0',
            "orch_requests_in_flight 1.0",
        ):
            assert line in figures
        report = await server.get("/")
        assert (report.status, "gpt-6-luna" in report.body.decode()) == (200, True)
        entry = server.log[0]
        assert (entry["status"], entry["model"], entry["calls"]) == (200, "gpt-6-luna", 1)
        assert HELLO not in json.dumps(server.log)

    with_server(scripted(tmp_path, **{"gpt-6-luna": reply(SURE)}), use)
