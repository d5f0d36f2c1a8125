"""OpenTelemetry spans of requests and of their calls, by the conventions for generative AI:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/.

    POST /v1/chat/completions        a server's span, below that of the client if it sends a `traceparent`
    └── chat gpt-6-luna              a client's span for each call of a model

Spans are made when a run is over, with the times of its rows: nothing is held up for them. They have no texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from ..distribution import version
from ..ledger.records import CallRecord, CallStatus
from ..run.result import OrchestrationResult
from .exchange import Exchange

_PROVIDERS = {"google": "gcp.gemini"}  # where the conventions have another name than models.yaml


class Tracing:
    """Makes the spans of one server. `close` sends what has not been sent."""

    def __init__(self, provider: TracerProvider, close: Callable[[], object] = lambda: None) -> None:
        self._tracer = trace.get_tracer("orchestrator", version(), tracer_provider=provider)
        self.close = close

    def record(self, exchange: Exchange, asked: str, result: OrchestrationResult) -> None:
        """Record a run that is over, and its calls."""
        carrier = {name: value for name in ("traceparent", "tracestate") if (value := exchange.header(name.encode()))}
        began = _nanoseconds(result.timestamp)
        span = self._tracer.start_span(
            f"POST {exchange.path}",
            context=propagate.extract(carrier),
            kind=SpanKind.SERVER,
            attributes=_of_run(exchange, asked, result),
            start_time=began,
        )
        for call in result.calls:
            self._call(call, span)
        _failed(span, None if result.error is None else result.error.code)
        span.end(began + round(result.latency * 1e9))

    def _call(self, call: CallRecord, parent: Span) -> None:
        span = self._tracer.start_span(
            f"chat {call.provider_model}",
            context=trace.set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes=_of_call(call),
            start_time=_nanoseconds(call.sent_at or call.created_at),
        )
        _failed(span, call.error_code if call.status is not CallStatus.COMPLETED else None)
        span.end(_nanoseconds(call.ended_at or call.created_at))


def tracing_for() -> Tracing:
    """Tracing as the variables of OpenTelemetry's own SDK say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # heavy, as the next
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider as Provider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = Provider(resource=Resource({"service.name": "orch"}).merge(Resource.create()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, provider.shutdown)


def _of_run(exchange: Exchange, asked: str, result: OrchestrationResult) -> dict[str, Any]:
    return _known(
        {
            "http.request.method": "POST",
            "url.path": exchange.path,
            "gen_ai.request.model": asked,
            "gen_ai.response.model": result.model_used,
            "gen_ai.usage.input_tokens": result.input_tokens,
            "gen_ai.usage.output_tokens": result.output_tokens,
            "orch.run_id": result.run_id,
            "orch.strategy": result.strategy,
            "orch.confidence": result.confidence,
            "orch.cost_nanousd": result.cost_nanousd,
            "orch.key": None if exchange.key is None else exchange.key.name,
        }
    )


def _of_call(call: CallRecord) -> dict[str, Any]:
    return _known(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDERS.get(call.provider, call.provider),
            "gen_ai.request.model": call.provider_model,
            "gen_ai.response.model": call.raw_model,
            "gen_ai.response.id": call.request_id,
            "gen_ai.response.finish_reasons": None if call.finish_reason is None else [call.finish_reason],
            "gen_ai.usage.input_tokens": call.input_tokens,
            "gen_ai.usage.output_tokens": call.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": call.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": call.cache_write_tokens,
            "orch.call_id": call.call_id,
            "orch.step": call.step,
            "orch.attempt": call.attempt,
            "orch.confidence": call.confidence,
            "orch.cost_nanousd": call.cost_nanousd,
        }
    )


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _failed(span: Span, code: str | None) -> None:
    if code is not None:
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))


def _nanoseconds(when: datetime) -> int:
    return round(when.timestamp() * 1_000_000) * 1_000
