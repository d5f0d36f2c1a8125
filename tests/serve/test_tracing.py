"""Spans of requests and calls, by OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

import asyncio
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from scripted import SURE, UNSURE, reply
from serving import CHAT, scripted, served

from orchestrator.errors import OverloadedError
from orchestrator.serve.tracing import Tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_request_is_a_span_and_so_is_each_of_its_calls(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    acts = {
        "gpt-4o-mini": reply(UNSURE),
        "gpt-4o": OverloadedError("busy", provider="openai"),
        "gpt-6-luna": reply(SURE),
    }

    async def run() -> None:
        async with served(scripted(tmp_path, **acts), tracing=Tracing(provider)) as server:
            asked = {"model": "gpt-4o-mini,gpt-4o,gpt-6-luna", "messages": [{"role": "user", "content": "Which one?"}]}
            assert (await server.post(CHAT, asked, traceparent=PARENT)).status == 200

    asyncio.run(run())
    *calls, whole = exporter.get_finished_spans()
    assert whole.name == f"POST {CHAT}"
    assert whole.parent is not None
    assert f"{whole.context.trace_id:032x}-{whole.parent.span_id:016x}" in PARENT
    assert {call.parent.span_id for call in calls if call.parent} == {whole.context.span_id}
    names = [call.name for call in calls]
    assert (names[0], set(names[1:-1]), names[-1]) == ("chat gpt-4o-mini", {"chat gpt-4o"}, "chat gpt-6-luna")
    first = dict(calls[0].attributes or {})
    assert (first["gen_ai.provider.name"], first["gen_ai.usage.output_tokens"]) == ("openai", 20)
    assert (dict(calls[1].attributes or {})["error.type"], calls[1].status.is_ok) == ("overloaded", False)
    told = dict(whole.attributes or {})
    assert (told["gen_ai.response.model"], told["gen_ai.usage.input_tokens"]) == ("gpt-6-luna", 20)
    assert "Which one?" not in str([dict(span.attributes or {}) for span in (*calls, whole)])
