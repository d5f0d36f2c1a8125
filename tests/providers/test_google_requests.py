"""Whole replies are asked for without the SDK; the SDK's own request for the same, streamed, says what it must look
like."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest

from orchestrator.errors import RequestRejectedError
from orchestrator.providers.base import Endpoint
from orchestrator.providers.google import connect
from orchestrator.types import Message, Request, ResponseFormat, Tool, ToolCall

REPLY = {"candidates": [{"content": {"parts": [{"text": "Paris"}]}, "finishReason": "STOP"}]}
ASKED = (Message("user", "Où?"),)
LOOK_UP = Tool("look_up", "Looks it up.", {"type": "object", "properties": {"word": {"type": "string"}}})
CALL = ToolCall("call_1", "look_up", '{"word": "é"}')
SIGNED = ToolCall("call_2", "look_up", "{}", "c2lnbmVk")
CALLED = (
    *ASKED,
    Message("assistant", "", tool_calls=(SIGNED, CALL)),
    *(Message("tool", "[1]", tool_call_id=call.id) for call in (SIGNED, CALL)),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", "[1]", tool_call_id="call_1"),
)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def sent_for(request: Request, base_url: str | None, *, streamed: bool) -> httpx2.Request:
    seen: list[httpx2.Request] = []

    def answer(sent: httpx2.Request) -> httpx2.Response:
        seen.append(sent)
        if not streamed:
            return httpx2.Response(200, json=REPLY)
        events = f"data: {json.dumps(REPLY)}\n\n".encode()
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=events)

    async def ask() -> None:
        provider = connect(Endpoint("google", base_url, "a-key"), httpx2.MockTransport(answer))
        if streamed:
            async for _ in provider.stream(request):
                pass
        else:
            await provider.complete(request)
        await provider.aclose()

    asyncio.run(ask())
    (sent,) = seen
    return sent


@pytest.mark.parametrize(
    "request_",
    [
        Request("gemini-x", ASKED, 100),
        Request("models/gemini-x", ASKED, 100, timeout_s=7.5),
        Request(
            "tunedModels/mine-1", (*ASKED, Message("assistant", "b"), Message("user", "c")), 100, system="Be brief."
        ),
        Request("gemini-x", ASKED, 100, temperature=0.5, stop=("x",), logprobs=True, top_logprobs=2),
        Request("gemini-x", ASKED, 100, response_format=ResponseFormat()),
        Request("gemini-x", ASKED, 100, response_format=ResponseFormat(SCHEMA)),
        Request(
            "gemini-x",
            (*ASKED, Message("assistant", "", tool_calls=(CALL,)), Message("tool", "[1]", tool_call_id="call_1")),
            100,
            tools=(LOOK_UP,),
        ),
        Request("gemini-3-x", CALLED, 100, tools=(LOOK_UP,)),
    ],
    ids=["plain", "model with its collection", "turns and system", "sampling", "json", "schema", "tools", "signed"],
)
@pytest.mark.parametrize("base_url", [None, "https://proxy.test/google/"], ids=["google", "proxy"])
def test_a_whole_reply_is_asked_for_as_the_sdk_asks_for_a_stream(request_: Request, base_url: str | None) -> None:
    whole, streamed = (sent_for(request_, base_url, streamed=streamed) for streamed in (False, True))
    assert str(streamed.url) == str(whole.url).replace(":generateContent", ":streamGenerateContent?alt=sse")
    assert json.loads(whole.content) == json.loads(streamed.content)
    others = {"content-length", "connection"}
    assert {n: v for n, v in whole.headers.items() if n not in others} == {
        n: v for n, v in streamed.headers.items() if n not in others
    }


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_whose_id_leads_elsewhere_is_not_asked(streamed: bool) -> None:
    with pytest.raises(RequestRejectedError):
        sent_for(Request("../../elsewhere", ASKED, 100), None, streamed=streamed)


def test_the_first_call_of_a_turn_has_the_signature_of_its_thoughts_or_says_that_they_were_another_models() -> None:
    body = json.loads(sent_for(Request("gemini-3-x", CALLED, 100, tools=(LOOK_UP,)), None, streamed=False).content)
    called = [part for turn in body["contents"] for part in turn["parts"] if "functionCall" in part]
    signed = [part.get("thoughtSignature") for part in called]
    assert signed == ["c2lnbmVk", None, "skip_thought_signature_validator"]
