"""The records that flow through orch. All are frozen; none does any work of its own.

Prompt ─► Analysis ─► plan ─► Request ─► Completion ─► Verdict
                                             └─ Usage
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from .conversation import Media as Media
from .conversation import Message as Message
from .conversation import Part as Part
from .conversation import Prompt as Prompt
from .conversation import Role as Role
from .conversation import ToolCall as ToolCall
from .deferred import dataclass


class Level(StrEnum):
    """How capable a model must be. Ordered: `rank` runs from 0 (basic) to 3 (expert)."""

    BASIC = "basic"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    EXPERT = "expert"

    @property
    def rank(self) -> int:
        """The place among the levels, from 0."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


class Task(StrEnum):
    """What kind of task a prompt is: `Analysis.task` is one of these."""

    MATH = "math"
    CODE = "code"
    DEBUGGING = "debugging"
    RESEARCH = "research"
    PLANNING = "planning"  # plans, schedules, the design of systems
    WRITING = "writing"
    EXTRACTION = "extraction"
    TRANSLATION = "translation"
    SUMMARY = "summary"
    CLASSIFICATION = "classification"
    ANALYSIS = "analysis"  # comparing, weighing, judging
    EXPLANATION = "explanation"
    QUESTION = "question"  # facts
    CHAT = "chat"  # anything else


class FinishReason(StrEnum):
    """Why a model stopped, in one vocabulary for all providers."""

    STOP = "stop"
    LENGTH = "length"  # the output limit was reached: the text is truncated
    TOOL_CALLS = "tool_calls"
    REFUSED = "refused"  # refusal, content filter, safety block
    INCOMPLETE = "incomplete"  # the stream ended, or was cut, before the provider said why


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of a prompt before anything is called.

    `score` runs from 0 to 1: the chance that a weak model will not do. `difficulty`, 0 to 1 too, is its place on the
    scale of the levels, of which each takes a quarter. `features` names what counted, each with its weight in the
    score. `input_tokens` and `output_tokens` are estimates (expected, not upper bounds).

    `unfamiliar`: the prompt is of a kind that the score was not fitted to, so that the score may be no better than a
    coin flip. `ordered`: an order in the prompt names its level ("prove", "summarise", "what is").
    """

    score: float
    level: Level
    task: str
    features: Mapping[str, float]
    input_tokens: int
    output_tokens: int
    difficulty: float
    unfamiliar: bool = False
    ordered: bool = False

    def complexity(self) -> dict[str, Any]:
        """How hard the prompt is, as the JSON of plans and runs has it."""
        return {
            "score": self.score,
            "level": self.level.value,
            "features": dict(self.features),
            "unfamiliar": self.unfamiliar,
        }


@dataclass(frozen=True, slots=True)
class Tool:
    """A function offered to a model. `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """Ask for JSON: any object, or one that fits `schema` where the provider can enforce it."""

    schema: Mapping[str, Any] | None = None
    name: str = "answer"


class Effort(StrEnum):
    """How long a model should think before it answers."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Caching:
    """What of a request is likely to be sent again, for providers that keep the beginning of a request.

    `key` is the same for requests that begin alike. `opening`: tools and system prompt are kept by themselves. `files`
    is how many characters of files the turn `asking`, by its place among the messages, begins with. `goes_on`: the
    conversation is kept up to its last turn, as more turns will follow.
    """

    key: str
    opening: bool
    asking: int
    files: int
    goes_on: bool


@dataclass(frozen=True)
class Request:
    """One completion to ask of one provider. `model` is the provider's own id. `timeout_s` covers the whole call.

    What a model does not take is left out before. One that `embeds` asks for the embedding of its message, with so many
    `dimensions`, instead of an answer. `top_logprobs`: with the logprobs, those of so many tokens that the
    model held for likely in each place. `effort` is passed on by its name, and `thinking_tokens` to models
    that take a number instead. `tool_choice` is `auto`, `none`, `required`, or the name of a tool after `=`.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    effort: Effort | None = None
    thinking_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    response_format: ResponseFormat | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    caching: Caching | None = None
    timeout_s: float = 600.0
    embeds: bool = False
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, in one convention for all providers.

    `input_tokens` includes `cached_tokens` (read from the provider's cache) and `cache_write_tokens`.
    `output_tokens` includes `reasoning_tokens`. So input + output is the whole call, and no token is counted twice.
    `raw` is the usage object as the provider sent it, with what else in the reply its price depends on.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural logarithm of the chance that the model gave the token it wrote, and the likeliest tokens in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of what a model thought before, or while, it answered."""

    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. `usage` is None where the provider reported none. Times are in milliseconds.

    `ttft_ms`, the time to the first token, is known only for a streamed call. `thoughts` is what the reply has of the
    model's thoughts, kept apart from `text`; `thought` says that the server had a field for them, which may hold less
    than is billed as output. `disbelieved` is what the provider counted if that cannot be; `usage` is None then.
    `embedding` is what a request that `embeds` asked for.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage | None
    latency_ms: int
    model: str  # as the provider named it in the reply
    request_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    ttft_ms: int | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    thoughts: str = ""
    thought: bool = False
    disbelieved: Usage | None = None
    embedding: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far an answer can be trusted: `confidence` 0 to 1, what it was made from, and why, in words."""

    confidence: float
    signals: Mapping[str, float]
    reasons: tuple[str, ...]


class CountBy(StrEnum):
    """How the tokens of a prompt are known before it is sent."""

    BOUND = "bound"  # by what is known of the model's tokenizer
    EXACT = "exact"  # the provider is asked, where it can be and the prompt is long


class AcceptRule(StrEnum):
    """What makes a cascade take an answer."""

    CONFIDENCE = "confidence"  # one answer that can be trusted
    AGREEMENT = "agreement"  # the first two legs, asked at the same time, answer the same


def digest_of(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes, as the ledger has it of prompts and answers."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
