"""What is said to a model and by it, as turns, and the question that ends them. Records as those in `types`.

before ─► the question: text, images, documents ─► after: the calls of tools that it led to, and their results
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import datetime
from typing import Literal

from .deferred import dataclass

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that a model asks to be called. `arguments` is the JSON text as the model wrote it. `signature`, of
    the thoughts that led to it, is what the provider wants back with the call."""

    id: str
    name: str
    arguments: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """An image or a PDF document in a turn: its bytes, or the address that has them.

    `media_type` is `image/png`, `application/pdf` or the like. `width` and `height` are in pixels; these and `pages`
    are 0 where they are not known.
    """

    media_type: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    name: str | None = None
    width: int = 0
    height: int = 0
    pages: int = 0

    @property
    def is_document(self) -> bool:
        """Whether it is a document, and not an image."""
        return not self.media_type.startswith("image/")

    @property
    def base64(self) -> str:
        """Its bytes as base64."""
        return b64encode(self.data or b"").decode("ascii")

    @property
    def address(self) -> str:
        """Where it is: its address, or one that holds its bytes."""
        return f"data:{self.media_type};base64,{self.base64}" if self.url is None else self.url


Part = str | Media


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is its text; `parts`, if it has images or documents, are these and the text in order.

    `tool_calls` goes with role `assistant`; `tool_call_id` with role `tool`. The system prompt is no turn; a turn of
    role `system` is what the program that talks to the model puts in later.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    parts: tuple[Part, ...] = ()

    @classmethod
    def of(
        cls,
        role: Role,
        parts: Sequence[Part],
        *,
        tool_calls: tuple[ToolCall, ...] = (),
        tool_call_id: str | None = None,
    ) -> Message:
        """A turn of several parts, in order."""
        several = tuple(parts) if media_in(parts) else ()
        return cls(role, text_of(parts), tool_calls, tool_call_id, several)

    @property
    def media(self) -> tuple[Media, ...]:
        """Its images and documents."""
        return media_in(self.parts)

    @property
    def in_parts(self) -> tuple[Part, ...]:
        """Its parts, where a text alone is one."""
        return self.parts or (self.content,)


def text_of(parts: Iterable[Part]) -> str:
    """The text among the parts of a turn, each on lines of its own."""
    return "\n".join(part for part in parts if isinstance(part, str))


def media_in(parts: Iterable[Part]) -> tuple[Media, ...]:
    """The images and documents among the parts of a turn."""
    return tuple(part for part in parts if isinstance(part, Media))


@dataclass(frozen=True, slots=True)
class Sent:
    """The input that a model was sent for the answer before: how many tokens, how many of them its provider said that
    it keeps, and when."""

    model: str
    tokens: int
    kept: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the user asks, as the last of a conversation: `text` as it is sent, with an optional system prompt.

    `context` is the part of the text, its end, that was given beside the question, as by a pipe. What is `attached`,
    files that the user named, is fenced wherever it is sent: others may have written it.

    `before` are the turns that went before the question, and `after` those that it has led to so far: calls of tools
    and their results. `parts` is the question with its images and documents in order, where it has any; their texts
    make up `text`. `sent` is what went before it to the model that answered last, where that is known.
    """

    text: str
    system: str | None = None
    context: str = ""
    attached: bool = False
    before: tuple[Message, ...] = ()
    parts: tuple[Part, ...] = ()
    after: tuple[Message, ...] = ()
    sent: Sent | None = None

    @property
    def media(self) -> tuple[Media, ...]:
        """The images and documents of all turns, in order."""
        if self.is_alone:
            return ()
        return (*_media_of(self.before), *media_in(self.parts), *_media_of(self.after))

    @property
    def is_alone(self) -> bool:
        """Whether it is a text and nothing else: no other turns, no images, no documents."""
        return not (self.before or self.parts or self.after)

    @property
    def question(self) -> str:
        """The text without its context."""
        return self.text.removesuffix(self.context).rstrip() if self.context else self.text

    @property
    def asked(self) -> str:
        """What tells how hard the task is, and of what kind: files that are attached do not."""
        return self.question if self.attached else self.text


def _media_of(turns: Iterable[Message]) -> Iterator[Media]:
    return (media for turn in turns for media in turn.media)
