"""What plugins are written with: the contracts of the four kinds, and the records that go in and come out.

A provider is a `ProviderInfo` and a module that is an `Adapter`; a strategy is a `Strategy`; a signal is an
`AnswerSignal`; a command is a Typer app, or a function that Typer can make one of. CONTRIBUTING.md says how they are
installed.
"""

from __future__ import annotations

from .choose.table import Decision, Obstacle, Offer, Situation, Strategy, takes
from .confidence.signal import Answer, AnswerSignal, Signal
from .config import load_settings
from .errors import OrchError, ProviderError, UsageError
from .plan import Call, Cascade, Panel, Sequence
from .providers.base import Adapter, AtWork, Capabilities, Endpoint, Health, Provider, RateLimitStatus, StreamEvent
from .registry.providers import ProviderInfo
from .types import Completion, Effort, FinishReason, Media, Message, Request, ToolCall, Usage

__all__ = [
    "Adapter",
    "Answer",
    "AnswerSignal",
    "AtWork",
    "Call",
    "Capabilities",
    "Cascade",
    "Completion",
    "Decision",
    "Effort",
    "Endpoint",
    "FinishReason",
    "Health",
    "Media",
    "Message",
    "Obstacle",
    "Offer",
    "OrchError",
    "Panel",
    "Provider",
    "ProviderError",
    "ProviderInfo",
    "RateLimitStatus",
    "Request",
    "Sequence",
    "Signal",
    "Situation",
    "Strategy",
    "StreamEvent",
    "ToolCall",
    "Usage",
    "UsageError",
    "load_settings",
    "takes",
]
