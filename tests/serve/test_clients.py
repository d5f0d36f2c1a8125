"""The SDKs, unchanged, against the server: whole and streamed, tools, structured answers, errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel
from serving import ADDRESS, Served, served, simulated

ASK = "What is the capital of France?"
WEATHER = "What is the weather in Paris?"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Get the current weather in a city", "parameters": PARAMETERS}


class City(BaseModel):
    name: str
    population: int


def with_server(folder: Path, use: Callable[[Served], Awaitable[None]]) -> None:
    async def run() -> None:
        async with served(simulated(folder)) as server:
            await use(server)
            assert server.trouble == []

    asyncio.run(run())


def openai_client(server: Served) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{ADDRESS}/v1", api_key="any", http_client=server.http(), max_retries=0)


def test_openai_chat(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        chat = openai_client(server).chat.completions
        messages: list[Any] = [{"role": "user", "content": ASK}]
        whole = await chat.create(model="cheapest", messages=messages, extra_body={"orch": {"max_cost": 0.01}})
        assert "Paris" in (whole.choices[0].message.content or "")
        assert whole.usage is not None
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
        assert whole.model_extra is not None
        assert whole.id == f"chatcmpl-{whole.model_extra['orch']['run_id']}"
        streamed = await chat.create(
            model="gpt-6-luna", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in streamed]
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "Paris" in "".join(pieces)
        assert sum(map(bool, pieces)) > 3
        assert chunks[-1].usage is not None
        parsed = await chat.parse(model="gpt-6-luna", messages=messages, response_format=City)
        assert isinstance(parsed.choices[0].message.parsed, City)
        sure = await chat.create(model="gpt-4o-mini", messages=messages, logprobs=True, top_logprobs=3)
        assert sure.choices[0].logprobs is not None
        content = sure.choices[0].logprobs.content or []
        assert "".join(each.token for each in content) == sure.choices[0].message.content
        assert all([each.token, 3] == [each.top_logprobs[0].token, len(each.top_logprobs)] for each in content)

    with_server(tmp_path, use)


def test_openai_tools_and_the_conversation_stays_with_its_model(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        chat = openai_client(server).chat.completions
        tools: Any = [{"type": "function", "function": {**FUNCTION, "strict": False}}]
        messages: list[Any] = [{"role": "user", "content": WEATHER}]
        first = await chat.create(model="fallback", messages=messages, tools=tools)
        (call,) = first.choices[0].message.tool_calls or []
        assert (first.choices[0].finish_reason, call.type) == ("tool_calls", "function")
        messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}]
        stream = chat.stream(model="ensemble", messages=messages, tools=tools)
        with pytest.raises(openai.BadRequestError, match="ensemble makes no use of tools"):
            async with stream:
                pass
        async with chat.stream(model="cheapest", messages=messages, tools=tools) as stream_:
            last = await stream_.get_final_completion()
        assert (last.model, "18 degrees" in (last.choices[0].message.content or "")) == (first.model, True)
        other = await chat.create(model="claude-haiku-4-5", messages=messages, tools=tools)
        assert other.model == "claude-haiku-4-5"
        forced: Any = {"type": "function", "function": {"name": "get_weather"}}
        hello: list[Any] = [{"role": "user", "content": "Hello"}]
        choices: list[tuple[Any, bool]] = [(forced, True), ("required", True), ("none", False)]
        for choice, calls in choices:
            for model in ("gpt-6-luna", "claude-haiku-4-5", "gemini-3.5-flash"):
                made = await chat.create(model=model, messages=hello, tools=tools, tool_choice=choice)
                assert bool(made.choices[0].message.tool_calls) is calls, (model, choice)

    with_server(tmp_path, use)


def test_openai_responses(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        responses = openai_client(server).responses
        whole = await responses.create(model="cheapest", input=ASK, instructions="Be brief.")
        assert "Paris" in whole.output_text
        async with responses.stream(model="gpt-6-luna", input=ASK) as stream:
            events = [event async for event in stream]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
        assert "Paris" in (await stream.get_final_response()).output_text
        parsed = await responses.parse(model="gpt-6-luna", input="Name a city.", text_format=City)
        assert isinstance(parsed.output_parsed, City)
        tools: Any = [{"type": "function", **FUNCTION, "strict": True}]
        async with responses.stream(model="gpt-6-luna", input=WEATHER, tools=tools) as called:
            response = await called.get_final_response()
        call: Any = next(item for item in response.output if item.type == "function_call")
        assert json.loads(call.arguments)["city"]
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
        after = await responses.create(model="cheapest", input=[result], previous_response_id=response.id, tools=tools)
        assert ("18 degrees" in after.output_text, after.model) == (True, response.model)
        with pytest.raises(openai.BadRequestError, match="no such response"):
            await responses.create(model="cheapest", input=ASK, previous_response_id="resp_01")
        turns: list[Any] = [{"role": "user", "content": WEATHER}, call, result]
        assert "18 degrees" in (await responses.create(model="gpt-6-luna", input=turns, tools=tools)).output_text

    with_server(tmp_path, use)


def test_anthropic_messages(tmp_path: Path) -> None:
    async def use(server: Served) -> None:
        client = anthropic.AsyncAnthropic(base_url=ADDRESS, api_key="any", http_client=server.http(), max_retries=0)
        messages: list[Any] = [{"role": "user", "content": ASK}]
        whole: Any = await client.messages.create(model="cheapest", max_tokens=900, messages=messages)
        assert "Paris" in whole.content[0].text
        async with client.messages.stream(model="claude-haiku-4-5", max_tokens=900, messages=messages) as stream:
            assert "Paris" in "".join([text async for text in stream.text_stream])
            last = await stream.get_final_message()
        assert (last.stop_reason, last.usage.input_tokens > 0) == ("end_turn", True)
        tools: Any = [{"name": "get_weather", "description": "The weather in a city", "input_schema": PARAMETERS}]
        asked: list[Any] = [{"role": "user", "content": WEATHER}]
        async with client.messages.stream(model="fallback", max_tokens=900, messages=asked, tools=tools) as called:
            first = await called.get_final_message()
        use_: Any = next(block for block in first.content if block.type == "tool_use")
        assert (first.stop_reason, bool(use_.input["city"])) == ("tool_use", True)
        result = {"type": "tool_result", "tool_use_id": use_.id, "content": [{"type": "text", "text": "18 degrees"}]}
        asked += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        after: Any = await client.messages.create(model="cheapest", max_tokens=900, messages=asked, tools=tools)
        assert (after.model, "18 degrees" in after.content[0].text) == (first.model, True)
        parsed = await client.messages.parse(
            model="claude-haiku-4-5", max_tokens=900, messages=messages, output_format=City
        )
        assert isinstance(parsed.parsed_output, City)
        for how in ("bound", "exact"):
            counted: Any = await client.messages.count_tokens(
                model="claude-haiku-4-5", messages=messages, extra_body={"orch": {"count": how}}
            )
            assert (counted.input_tokens > 4, counted.orch["exact"]) == (True, how == "exact")
        assert "cheapest" in [model.id async for model in client.models.list()]
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(model="no-such-model", max_tokens=9, messages=messages)

    with_server(tmp_path, use)
