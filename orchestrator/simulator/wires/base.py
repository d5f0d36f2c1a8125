"""What the three wire formats have in common: the records between them and the rest of the simulator.

request body ─► Ask ─► Reply ─► one body, or the frames of a stream
                  └──► Rejected ─► ErrorReply
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any, Protocol, TypeAlias

from ...deferred import dataclass
from ...errors import UsageError
from ...expressions import expression
from ...reading.media import decoded_base64, media_at, media_of
from ...registry.model import ModelSpec
from ...types import FinishReason, Media, Tool, ToolCall, Usage
from ..tokens import Block

_MARKER = expression(r"\[(begin|end) ([\w.-]+) [a-z]{16}\]")

Json: TypeAlias = dict[str, Any]
Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. Role `tool` carries the result of a call, and `tool` its name where the wire says it."""

    role: str
    text: str
    tool: str | None = None
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a completion, whatever the wire. `prompt_text` is all that is counted and cached as input."""

    model: str
    turns: tuple[Turn, ...]
    prompt_text: str
    system: str = ""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"  # auto, none, required, or `=name` for one tool
    json: bool = False
    schema: Mapping[str, Any] | None = None
    stream: bool = False
    stream_usage: bool = True
    sse: bool = True  # google streams a JSON array where it is not asked for server-sent events
    thinking: bool = False  # the request turns reasoning on
    blocks: tuple[Block, ...] | None = None  # of a wire that caches only what is marked
    logprobs: bool = False
    top_logprobs: int = 0
    max_tokens_name: str = "max_tokens"

    @property
    def media(self) -> tuple[Media, ...]:
        """The images and documents of all turns."""
        return tuple(media for turn in self.turns for media in turn.media)

    @property
    def last(self) -> Turn:
        return self.turns[-1]

    @property
    def question(self) -> str:
        """The last thing that the user said. The markers of fences are left out: the same question gets the
        same answer."""
        text = next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")
        return _MARKER.sub(r"[\1 \2]", text)


def likeliest(piece: str, logprob: float, ask: Ask) -> list[tuple[str, float]]:
    """The tokens that the model holds for likely in the place of one: itself, then others that share what is left."""
    others = max(ask.top_logprobs - 1, 1)
    left = math.log(max(-math.expm1(logprob), 1e-9) / (others + 1))
    listed = [(piece, logprob), *((f"{piece}{number}", min(left, logprob)) for number in range(2, others + 2))]
    return listed[: ask.top_logprobs]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model made of it. `pieces` are the tokens of `text` in order."""

    text: str
    pieces: tuple[str, ...]
    finish: FinishReason
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    stop_sequence: str | None = None
    logprobs: tuple[float, ...] = ()
    refused_at_prompt: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a reply says beside its content. `serial` is unique to the request within one simulator."""

    serial: str
    model: str
    provider: str
    now: datetime


class Problem(StrEnum):
    """The ways a provider says no."""

    BAD_REQUEST = "bad_request"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    CONTEXT_TOO_LONG = "context_too_long"
    OUTPUT_TOO_LONG = "output_too_long"
    NOT_FOUND = "not_found"
    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    OUT_OF_CREDIT = "out_of_credit"


@dataclass(frozen=True, slots=True)
class Complaint:
    """One problem with its particulars, which the message of each wire names in its own way.

    `status` None is the provider's usual one. `tokens` is what was asked for, and `limit` what there is.
    """

    problem: Problem
    message: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    tokens: int = 0
    limit: int = 0

    def worded(self, template: str) -> str:
        return template.format(message=self.message, tokens=self.tokens, limit=self.limit)


class Rejected(Exception):
    """A request that the provider would reject."""

    def __init__(self, problem: Problem, message: str, *, tokens: int = 0, limit: int = 0) -> None:
        super().__init__(message)
        self.complaint = Complaint(problem, message, tokens=tokens, limit=limit)


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error as a provider sends it."""

    status: int
    body: Json
    headers: Headers = ()


class Stage(IntEnum):
    """Where in a stream a frame stands."""

    START = 0
    TEXT = 1
    FINISH = 2  # the terminal reason, and usage
    MARKER = 3  # message_stop, [DONE]


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece of a stream. `output_tokens` is how many tokens, reasoning too, have been generated with it."""

    data: bytes
    output_tokens: int
    stage: Stage


@dataclass(frozen=True, slots=True)
class Limits:
    """A minute's allowance of one model and what is left of it. None is no limit. `resets_in_s` is to its end."""

    requests: int | None
    requests_left: int | None
    tokens: int | None
    tokens_left: int | None
    requests_per_day: int | None
    requests_left_today: int | None
    resets_in_s: float


class Wire(Protocol):
    """A wire format. A module satisfies it."""

    def parse(self, body: Json, *, model: str | None, stream: bool) -> Ask:
        """Read a request; `model` and `stream` are what its path says. Raises Rejected."""
        ...

    def body(self, reply: Reply, ask: Ask, envelope: Envelope) -> Json: ...

    def frames(self, reply: Reply, ask: Ask, envelope: Envelope) -> Iterator[Frame]: ...

    def error(self, complaint: Complaint, envelope: Envelope) -> ErrorReply: ...

    def error_frame(self, complaint: Complaint, envelope: Envelope) -> bytes:
        """An error in the midst of a stream, where the status has already been sent."""
        ...

    def headers(self, envelope: Envelope, limits: Limits | None) -> Headers:
        """Request id and rate limits."""
        ...

    def models(self, specs: Sequence[ModelSpec], now: datetime) -> Json: ...


@dataclass(frozen=True, slots=True)
class Fields:
    """Reads a JSON object, and rejects what has the wrong type in the words that the provider would use."""

    content: Json
    path: str = ""
    missing: str = "{path}: Field required"
    mistyped: str = "{path}: Input should be a valid {kind}"

    def _path(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _reject(self, pattern: str, key: str, kind: str = "") -> Rejected:
        return Rejected(Problem.BAD_REQUEST, pattern.format(path=self._path(key), kind=kind))

    def _of(self, key: str, types: type | tuple[type, ...], kind: str) -> Any:
        value = self.content.get(key)
        if value is not None and (not isinstance(value, types) or (isinstance(value, bool) and types is not bool)):
            raise self._reject(self.mistyped, key, kind)
        return value

    def require(self, key: str) -> None:
        if self.content.get(key) is None:
            raise self._reject(self.missing, key)

    def text(self, key: str) -> str | None:
        value: str | None = self._of(key, str, "string")
        return value

    def integer(self, key: str) -> int | None:
        value: int | None = self._of(key, int, "integer")
        if value is not None and value < 1:
            raise Rejected(Problem.BAD_REQUEST, f"{self._path(key)}: Input should be greater than or equal to 1")
        return value

    def flag(self, key: str) -> bool:
        return bool(self._of(key, bool, "boolean"))

    def items(self, key: str) -> list[Any]:
        return self._of(key, list, "list") or []

    def table(self, key: str) -> Fields:
        return Fields(self._of(key, dict, "dictionary") or {}, self._path(key), self.missing, self.mistyped)

    def tables(self, key: str) -> list[Fields]:
        """The objects of a list."""
        tables = []
        for index, item in enumerate(self.items(key)):
            if not isinstance(item, dict):
                raise self._reject(self.mistyped, f"{key}.{index}", "dictionary")
            tables.append(Fields(item, self._path(f"{key}.{index}"), self.missing, self.mistyped))
        return tables


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8, as the providers send it; escaped where it holds a lone surrogate, which UTF-8 cannot."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def event(value: object, name: str | None = None) -> bytes:
    """One server-sent event."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + encode(value) + b"\n\n"


def rfc3339(when: datetime) -> str:
    """A time as RFC 3339."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def offered(body: Json) -> str:
    """The tools of a request as they count towards its input."""
    return json.dumps(body["tools"]) if body.get("tools") else ""


def media_in(part: object, read: Callable[[Mapping[str, Any]], Media | None]) -> tuple[Media, ...]:
    """The image or document of one part of a message, as `read` finds it. Raises Rejected for what is none."""
    if not isinstance(part, dict):
        return ()
    try:
        media = read(part)
    except UsageError as error:
        raise Rejected(Problem.BAD_REQUEST, f"Could not process image: {error.message}") from None
    return () if media is None else (media,)


def media_from(kind: object, data: object, url: object) -> Media:
    """An image or a document as a request has it: by its address, or by base64. Raises UsageError."""
    if isinstance(url, str):
        return media_at(url, "the file")
    return media_of(decoded_base64(str(data or ""), "the file"), f"the file of type {kind}")


def joined(parts: Iterable[str]) -> str:
    """The parts that are not empty, one a line."""
    return "\n".join(part for part in parts if part)


def plain(number: float) -> str:
    """A number without an exponent and without digits that say nothing."""
    return f"{number:.3f}".rstrip("0").rstrip(".")


def retry_hint(seconds: float | None) -> str:
    """A sentence that asks to retry later; empty without a time."""
    return "" if seconds is None else f" Please retry in {plain(seconds)}s."
