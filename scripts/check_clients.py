"""Real clients, as they are installed, against `orch serve --simulate`: what each is used for, and whether it works.

    python -m venv clients
    clients/bin/pip install openai anthropic langchain-openai langchain-anthropic 'pydantic-ai-slim[openai,anthropic]' \
        llm litellm
    .venv/bin/python scripts/check_clients.py clients/bin/python [CLIENT ...]

Prints a line a check; the exit code is how many failed. The clients are no dependencies of orch.
"""

# The clients are not installed where orch is.
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WEATHER = "Get the current weather in a city"
ASK = "What is the weather in Paris?"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": WEATHER, "parameters": PARAMETERS}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
Check = Callable[[str], Any]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def said(condition: object, what: object = "") -> None:
    if not condition:
        raise AssertionError(what)


# -- the SDKs ----------------------------------------------------------------------------------------------------------


@check
def openai_chat(base: str) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{base}/v1", api_key="x")
    ask: Any = {"model": "cheapest", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    whole = client.chat.completions.create(**ask)
    said("Paris" in (whole.choices[0].message.content or ""), whole)
    said(whole.usage and whole.usage.completion_tokens and whole.usage.prompt_tokens_details is not None, whole.usage)
    said(whole.model_extra and whole.model_extra["orch"]["cost_nanousd"] > 0, whole.model_extra)
    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    said("Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), chunks)
    said(chunks[-1].usage and chunks[-1].usage.completion_tokens > 0, chunks[-1])
    raw = client.chat.completions.with_raw_response.create(**ask, extra_body={"orch": {"max_cost": 0.01}})
    said(raw.headers["x-orch-model"] == raw.parse().model, raw.headers)
    logprobs = client.chat.completions.create(**{**ask, "model": "gpt-4o-mini"}, logprobs=True).choices[0].logprobs
    said(logprobs and logprobs.content and logprobs.content[0].logprob <= 0, logprobs)
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    parts: Any = [{"type": "text", "text": "What is in the picture?"}, image]
    said(client.chat.completions.create(**{**ask, "messages": [{"role": "user", "content": parts}]}).id)
    said("gpt-6-luna" in [model.id for model in client.models.list()])
    said(client.models.retrieve("cheapest").id == "cheapest")


@check
def openai_tools(base: str) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{base}/v1", api_key="x")
    messages: list[Any] = [{"role": "user", "content": ASK}]
    first = client.chat.completions.create(model="fallback", messages=messages, tools=[TOOL])
    (call,) = first.choices[0].message.tool_calls or []
    said(first.choices[0].finish_reason == "tool_calls" and call.function.name == "get_weather", first)
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}]
    with client.chat.completions.stream(model="fallback", messages=messages, tools=[TOOL]) as stream:
        last = stream.get_final_completion()
    said("18 degrees" in (last.choices[0].message.content or "") and last.model == first.model, last)
    forced: Any = {"type": "function", "function": {"name": "get_weather"}}
    hello: list[Any] = [{"role": "user", "content": "Hello"}]
    made = client.chat.completions.create(model="gpt-6-luna", messages=hello, tools=[TOOL], tool_choice=forced)
    said(made.choices[0].message.tool_calls, made)
    none = client.chat.completions.create(model="gpt-6-luna", messages=messages[:1], tools=[TOOL], tool_choice="none")
    said(not none.choices[0].message.tool_calls, none)


@check
def openai_structured(base: str) -> None:
    import openai
    from pydantic import BaseModel

    class City(BaseModel):
        name: str
        population: int

    client = openai.OpenAI(base_url=f"{base}/v1", api_key="x")
    ask: list[Any] = [{"role": "user", "content": "Name a city and its population."}]
    parsed = client.chat.completions.parse(model="gpt-6-luna", messages=ask, response_format=City)
    said(isinstance(parsed.choices[0].message.parsed, City), parsed)
    response = client.responses.parse(model="gpt-6-luna", input="Name a city and its population.", text_format=City)
    said(isinstance(response.output_parsed, City), response)


@check
def openai_responses(base: str) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{base}/v1", api_key="x")
    whole = client.responses.create(model="cheapest", input="What is the capital of France?", instructions="Be brief.")
    said("Paris" in whole.output_text and whole.usage and whole.usage.output_tokens, whole)
    events = list(client.responses.create(model="gpt-6-luna", input="What is the capital of France?", stream=True))
    said(events[0].type == "response.created" and events[-1].type == "response.completed", events[-1])
    said([event.sequence_number for event in events] == list(range(len(events))))
    with client.responses.stream(model="gpt-6-luna", input="What is the capital of France?") as stream:
        said("Paris" in stream.get_final_response().output_text)
    tool: Any = {"type": "function", **TOOL["function"], "strict": True}
    with client.responses.stream(model="gpt-6-luna", input=ASK, tools=[tool]) as stream:
        called = stream.get_final_response()
    call: Any = next(item for item in called.output if item.type == "function_call")
    said(json.loads(call.arguments)["city"], call)
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
    asked: Any = {"role": "user", "content": ASK}
    again = client.responses.create(model="gpt-6-luna", input=[asked, call, result], tools=[tool])
    said("18 degrees" in again.output_text, again)
    on = client.responses.create(model="gpt-6-luna", input=[result], previous_response_id=called.id, tools=[tool])
    said("18 degrees" in on.output_text, on)


@check
def openai_errors(base: str) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{base}/v1", api_key="x", max_retries=0)
    hello: list[Any] = [{"role": "user", "content": "Hello"}]
    try:
        client.chat.completions.create(model="no-such-model", messages=hello)
    except openai.NotFoundError as error:
        said(error.code == "model_not_found", error)
    try:
        client.chat.completions.create(model="auto", messages=[])
    except openai.BadRequestError as error:
        said("messages" in error.message, error)
    try:
        client.chat.completions.create(model="gpt-6-luna", messages=hello, extra_body={"orch": {"max_cost": 0}})
        raise AssertionError("a cap of nothing paid for an answer")
    except openai.APIStatusError as error:
        said(error.status_code == 402, error)
    try:
        openai.OpenAI(base_url=f"{base}/v1", api_key="sk-orch-none").models.list()
        raise AssertionError("a key that is not known was taken")
    except openai.AuthenticationError as error:
        said(error.code == "invalid_api_key", error)


@check
def openai_async(base: str) -> None:
    import openai

    async def many() -> None:
        client = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="x")
        hello: list[Any] = [{"role": "user", "content": "Hello"}]
        asking = [client.chat.completions.create(model="gpt-6-luna", messages=hello) for _ in range(32)]
        said(len({each.id for each in await asyncio.gather(*asking)}) == 32)

    asyncio.run(many())


@check
def anthropic_messages(base: str) -> None:
    import anthropic

    client = anthropic.Anthropic(base_url=base, api_key="x")
    ask: Any = {"max_tokens": 500, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    whole = client.messages.create(model="cheapest", **ask)
    said("Paris" in whole.content[0].text and whole.usage.output_tokens and whole.stop_reason == "end_turn", whole)
    with client.messages.stream(model="claude-haiku-4-5", system="Be brief.", **ask) as stream:
        said("Paris" in "".join(stream.text_stream))
        last = stream.get_final_message()
    said(last.usage.input_tokens > 0 and last.usage.output_tokens > 0, last.usage)
    said(client.messages.count_tokens(model="claude-haiku-4-5", messages=ask["messages"]).input_tokens > 3)
    said("cheapest" in [model.id for model in client.models.list()])
    picture: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    parts: Any = [picture, {"type": "text", "text": "What is in the picture?"}]
    said(client.messages.create(model="auto", max_tokens=500, messages=[{"role": "user", "content": parts}]).id)
    try:
        client.messages.create(model="no-such-model", **ask)
        raise AssertionError("there is no such model")
    except anthropic.NotFoundError as error:
        said(error.body["error"]["type"] == "not_found_error", error.body)


@check
def anthropic_tools(base: str) -> None:
    import anthropic

    client = anthropic.Anthropic(base_url=base, api_key="x")
    tools: Any = [{"name": "get_weather", "description": WEATHER, "input_schema": PARAMETERS}]
    messages: list[Any] = [{"role": "user", "content": ASK}]
    with client.messages.stream(model="fallback", max_tokens=900, messages=messages, tools=tools) as stream:
        first = stream.get_final_message()
    call: Any = next(block for block in first.content if block.type == "tool_use")
    said(first.stop_reason == "tool_use" and call.input["city"], first)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "18 degrees"}]}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    last = client.messages.create(model="fallback", max_tokens=900, messages=messages, tools=tools)
    said("18 degrees" in last.content[0].text and last.model == first.model, last)
    hello: list[Any] = [{"role": "user", "content": "Hello"}]
    forced = client.messages.create(
        model="claude-haiku-4-5", max_tokens=900, messages=hello, tools=tools, tool_choice={"type": "any"}
    )
    said(forced.stop_reason == "tool_use", forced)


@check
def anthropic_structured(base: str) -> None:
    import anthropic
    from pydantic import BaseModel

    class City(BaseModel):
        name: str
        population: int

    client = anthropic.Anthropic(base_url=base, api_key="x")
    ask: list[Any] = [{"role": "user", "content": "Name a city and its population."}]
    parsed = client.messages.parse(model="claude-haiku-4-5", max_tokens=900, messages=ask, output_format=City)
    said(isinstance(parsed.parsed_output, City), parsed)


# -- what is built on them ---------------------------------------------------------------------------------------------


@check
def langchain(base: str) -> None:
    from langchain_anthropic import ChatAnthropic
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from pydantic import BaseModel

    @tool
    def get_weather(city: str) -> str:
        """Get the current weather in a city."""
        return f"18 degrees in {city}"

    class City(BaseModel):
        """A city."""

        name: str
        population: int

    openai_model = ChatOpenAI(model="cheapest", base_url=f"{base}/v1", api_key="x")
    anthropic_model = ChatAnthropic(model="cheapest", base_url=base, api_key="x")
    for model in (openai_model, anthropic_model):
        said("Paris" in str(model.invoke("What is the capital of France?").content))
        said("Paris" in "".join(str(chunk.text) for chunk in model.stream("What is the capital of France?")))
        asked: list[Any] = [HumanMessage(ASK)]
        first = model.bind_tools([get_weather]).invoke(asked)
        (call,) = first.tool_calls
        result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
        last = model.bind_tools([get_weather]).invoke([*asked, first, result])
        said("18 degrees" in str(last.content), last)
        for method in ("function_calling", "json_schema"):
            found = model.with_structured_output(City, method=method).invoke("Name a city and its population.")
            said(isinstance(found, City), (method, found))
    responses = ChatOpenAI(model="cheapest", base_url=f"{base}/v1", api_key="x", use_responses_api=True)
    said("Paris" in str(responses.invoke("What is the capital of France?").content))


@check
def pydantic_ai(base: str) -> None:
    from pydantic import BaseModel
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    class City(BaseModel):
        name: str
        population: int

    provider = OpenAIProvider(base_url=f"{base}/v1", api_key="x")
    anthropic_provider = AnthropicProvider(base_url=base, api_key="x")
    models: list[Any] = [
        OpenAIChatModel("cheapest", provider=provider),
        OpenAIResponsesModel("cheapest", provider=provider),
        AnthropicModel("cheapest", provider=anthropic_provider),
    ]
    for model in models:
        said("Paris" in Agent(model).run_sync("What is the capital of France?").output)
        said(isinstance(Agent(model, output_type=City).run_sync("Name a city.").output, City))
        agent = Agent(model)

        @agent.tool_plain
        def get_weather(city: str) -> str:
            """Get the current weather in a city."""
            return f"18 degrees in {city}"

        said("18 degrees" in agent.run_sync(ASK).output)

        async def streamed(agent: Any = agent) -> str:
            async with agent.run_stream("What is the capital of France?") as stream:
                return str(await stream.get_output())

        said("Paris" in asyncio.run(streamed()))


@check
def litellm(base: str) -> None:
    import litellm

    ask: Any = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "api_key": "x"}
    for model, at in (("openai/cheapest", f"{base}/v1"), ("anthropic/cheapest", base)):
        said("Paris" in litellm.completion(model=model, api_base=at, **ask).choices[0].message.content)
        pieces = litellm.completion(model=model, api_base=at, stream=True, **ask)
        said("Paris" in "".join(piece.choices[0].delta.content or "" for piece in pieces))
        asked: Any = {**ask, "messages": [{"role": "user", "content": ASK}]}
        called = litellm.completion(model=model, api_base=at, tools=[TOOL], **asked)
        said(called.choices[0].message.tool_calls, called)


@check
def llm(base: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = f"- model_id: orch\n  model_name: cheapest\n  api_base: {base}/v1\n  supports_schema: true\n"
        Path(folder, "extra-openai-models.yaml").write_text(written)
        environ = {**os.environ, "LLM_USER_PATH": folder, "OPENAI_API_KEY": "x"}
        command = [str(Path(sys.executable).parent / "llm"), "-m", "orch"]
        for more in ([], ["--no-stream"]):
            done = subprocess.run(
                [*command, *more, "What is the capital of France?"], capture_output=True, text=True, env=environ
            )
            said("Paris" in done.stdout, done)
        on = subprocess.run([*command, "-c", "And of Italy?"], capture_output=True, text=True, env=environ)
        said(on.returncode == 0 and on.stdout.strip(), on)


@check
def curl(base: str) -> None:
    body = json.dumps(
        {"model": "cheapest", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    )
    done = subprocess.run(["curl", "-s", f"{base}/v1/chat/completions", "-d", body], capture_output=True, text=True)
    said("Paris" in json.loads(done.stdout)["choices"][0]["message"]["content"], done)


@check
def agent_of_30_turns(base: str) -> None:
    """Thirty turns of one conversation with tools: it stays with the model that began it, by both APIs."""
    import anthropic
    import openai

    cities = ["Paris", "Rome", "Oslo", "Cairo", "Lima", "Quito", "Delhi", "Tokyo", "Seoul", "Hanoi", "Berne", "Riga",
              "Prague", "Sofia", "Minsk"]  # fmt: skip
    client = openai.OpenAI(base_url=f"{base}/v1", api_key="x")
    messages: list[Any] = []
    models, turns = set(), 0
    for city in cities:
        messages.append({"role": "user", "content": f"What is the weather in {city}?"})
        while True:
            turn = client.chat.completions.create(model="fallback", messages=messages, tools=[TOOL])
            models.add(turn.model)
            turns += 1
            messages.append(turn.choices[0].message.model_dump(exclude_none=True))
            if not turn.choices[0].message.tool_calls:
                break
            for call in turn.choices[0].message.tool_calls:
                messages.append({"role": "tool", "tool_call_id": call.id, "content": f"18 degrees in {city}"})
    said(turns == 30 and len(models) == 1, (turns, models))
    anthropic_client, blocks = anthropic.Anthropic(base_url=base, api_key="x"), list[Any]()
    tools: Any = [{"name": "get_weather", "description": WEATHER, "input_schema": PARAMETERS}]
    models, turns = set(), 0
    for city in cities:
        blocks.append({"role": "user", "content": f"What is the weather in {city}?"})
        while True:
            reply = anthropic_client.messages.create(model="fallback", max_tokens=900, messages=blocks, tools=tools)
            models.add(reply.model)
            turns += 1
            blocks.append({"role": "assistant", "content": reply.content})
            if reply.stop_reason != "tool_use":
                break
            used = [block for block in reply.content if block.type == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": each.id, "content": "18 degrees"} for each in used]
            blocks.append({"role": "user", "content": results})
    said(turns == 30 and len(models) == 1, (turns, models))


# -- carrying them out -------------------------------------------------------------------------------------------------


def run_checks(base: str, names: list[str]) -> int:
    """In the Python that has the clients."""
    failed = 0
    for name in names or list(CHECKS):
        try:
            CHECKS[name](base)
            print(f"{name}: works", flush=True)
        except Exception as error:  # noqa: BLE001  # whatever a client raises, the others are checked too
            failed += 1
            place = traceback.extract_tb(error.__traceback__)
            here = [frame.lineno for frame in place if frame.filename == __file__]
            print(f"{name}: FAILED at line {here[-1]}: {type(error).__name__}: {str(error)[:600]}", flush=True)
    return failed


def main() -> int:
    python, *names = sys.argv[1:]
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "HOME": home, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        command = [sys.executable, "-m", "orchestrator", "serve", "--simulate", "--port", "0", "--access-log", "none"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ, cwd=ROOT)
        try:
            assert server.stderr is not None
            base = server.stderr.readline().split()[2].removesuffix("/v1")
            return subprocess.run([python, __file__, "--against", base, *names], env=environ).returncode
        finally:
            server.terminate()
            _, left = server.communicate()
            print(left, end="")


if __name__ == "__main__":
    against = sys.argv[1:2] == ["--against"]
    sys.exit(run_checks(sys.argv[2], sys.argv[3:]) if against else main())
