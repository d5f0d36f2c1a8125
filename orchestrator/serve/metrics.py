"""What is counted, as Prometheus reads it: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..errors import LedgerError
from ..ledger.breakers import OPEN, breaker_states
from ..ledger.store import Ledger
from ..money import NANO_PER_DOLLAR
from ..run.events import CallEnded, Event, Waiting
from ..run.result import OrchestrationResult
from .exchange import Exchange

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_OTHER = "other"  # a path that nothing is at: what clients make up is no label


class Metrics:
    """The figures of one server, since it started."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime], paths: Iterable[str]) -> None:
        self._registry = registry = CollectorRegistry()
        self._paths = frozenset(paths)
        self._requests = Counter(
            "orch_http_requests", "Requests, by path and status.", ["path", "status"], registry=registry
        )
        self._latency = Histogram(
            "orch_http_request_seconds", "Time of requests.", ["path"], buckets=_SECONDS, registry=registry
        )
        self.in_flight = Gauge("orch_requests_in_flight", "Requests that are being answered.", registry=registry)
        self._waits = Counter("orch_waits", "Waits for rate limits and before retries.", ["model"], registry=registry)
        self._calls = Counter(
            "orch_calls", "Calls of models, by how they ended.", ["model", "outcome"], registry=registry
        )
        self._call_time = Histogram(
            "orch_call_seconds", "Time of calls of models.", ["model"], buckets=_SECONDS, registry=registry
        )
        self._tokens = Counter("orch_tokens", "Tokens of calls.", ["model", "kind"], registry=registry)
        self._cost = Counter("orch_cost_dollars", "What calls cost.", ["model", "key"], registry=registry)
        # A metric looks for its child under a lock, which takes longer than to count.
        self._of = cache(lambda metric, *labels: metric.labels(*labels))
        self.queue = Gauge("orch_queue", "Runs that wait for a model's rate limit or a retry.", registry=registry)
        registry.register(_Breakers(ledger, clock))

    def text(self) -> bytes:
        """All figures."""
        return generate_latest(self._registry)

    def answered(self, exchange: Exchange, seconds: float) -> None:
        """Count a request that has been answered."""
        path = exchange.path if exchange.path in self._paths else _OTHER
        self._of(self._requests, path, str(exchange.status or "gone")).inc()
        self._of(self._latency, path).observe(seconds)

    def observe(self, event: Event) -> None:
        """Count what happens in a run."""
        match event:
            case Waiting(model=model):
                self._of(self._waits, model).inc()
            case CallEnded(model=model, outcome=outcome, latency_ms=latency_ms):
                self._of(self._calls, model, outcome.replace(" ", "_")[:40]).inc()
                if latency_ms is not None:
                    self._of(self._call_time, model).observe(latency_ms / 1000)

    def ended(self, result: OrchestrationResult, key: str | None) -> None:
        """Count what a run took."""
        for call in result.calls:
            kinds = {
                "input": call.input_tokens,
                "output": call.output_tokens,
                "cached": call.cached_tokens,
                "reasoning": call.reasoning_tokens,
            }
            for kind, tokens in kinds.items():
                if tokens:
                    self._of(self._tokens, call.model, kind).inc(tokens)
            if call.cost_nanousd:
                self._of(self._cost, call.model, key or "").inc(call.cost_nanousd / NANO_PER_DOLLAR)


class _Breakers(Collector):
    """Which models and providers are set aside, looked up when it is asked for."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """As prometheus_client wants it."""
        gauge = GaugeMetricFamily("orch_breaker_open", "1: set aside after failures.", labels=["provider", "model"])
        try:
            for breaker in breaker_states(self._ledger, self._clock()):
                gauge.add_metric([breaker.provider, breaker.model or ""], float(breaker.state == OPEN))
        except LedgerError:
            return []
        return [gauge]
