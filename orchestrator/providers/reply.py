"""A reply as it is read, and what it comes to in the end: a completion, or one of the errors that carry a partial one.

The adapters read decoded JSON, not the SDKs' models: a server that leaves a field out, or adds one, must not matter.
`dig`, `text_at` and `items_at` therefore take JSON of any shape and never raise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field

from ..billing import stated_cost
from ..deferred import dataclass, replace
from ..errors import BadReplyError, Billed, EmptyReplyError, IncompleteError, ProviderError, RefusedError
from ..money import MOST_TOKENS
from ..types import Completion, FinishReason, Thought, TokenLogprob, ToolCall, Usage
from .counts import counted, merged
from .failures import Source, message
from .incoming import ReplyTooLongError
from .redaction import split_at_key, without_key
from .text import kept, scrub, scrub_json
from .thoughts import Splitter

_LEAST = 16  # characters that a piece of a tool call or a token counts for, however little is in it
_MOST_THOUGHT = 1 << 22  # characters of thoughts that are kept: nothing rests on the rest of them


class ErrorInReply(Exception):
    """A reply with status 200 that holds an error instead of an answer, or after part of one."""

    def __init__(self, body: object) -> None:
        super().__init__("an error inside a reply")
        self.body = body


def dig(node: object, *path: str | int) -> object:
    """What is at a path of keys and indices, or None."""
    for step in path:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and -len(node) <= step < len(node):
            node = node[step]
        else:
            return None
    return node


def text_at(node: object, *path: str | int) -> str:
    """The text at a path, or "" if there is something else."""
    value = dig(node, *path)
    return value if isinstance(value, str) else ""


def items_at(node: object, *path: str | int) -> Sequence[object]:
    """The list at a path, or an empty one."""
    value = dig(node, *path)
    return value if isinstance(value, list) else ()


def numbers_at(node: object, *path: str | int) -> tuple[float, ...]:
    """The list of finite numbers at a path, or an empty one."""
    found = items_at(node, *path)
    numbers = tuple(float(each) for each in found if isinstance(each, int | float) and math.isfinite(each))
    return numbers if len(numbers) == len(found) else ()


def _scored(entry: object, value: str) -> tuple[str, float] | None:
    """A token and its logprob, which is called `value`."""
    number = dig(entry, value)
    if not isinstance(number, int | float) or isinstance(number, bool):
        return None
    return scrub(text_at(entry, "token")), float(number)


CallKey = tuple[object, int]  # where a wire has a tool call, and which one of those there


@dataclass(slots=True)
class _CallDraft:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    signature: str = ""


@dataclass(slots=True)
class Draft:
    """What has been read so far. `clock` gives seconds, of any origin; `room` is how many characters may still come.
    `note` is the provider's word for its ending. `whole`: the reply is no stream."""

    source: Source
    clock: Callable[[], float]
    room: int
    whole: bool = False
    started: float = field(init=False)
    first: float | None = None
    refusal: list[str] = field(default_factory=list)
    calls: dict[CallKey, _CallDraft] = field(default_factory=dict)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    usage: Usage | None = None
    facts: dict[str, object] = field(default_factory=dict)
    thought: bool = False  # some of what it thought was in a field of the reply
    worked: bool = False  # something of an answer is in the latest event
    disbelieved: Usage | None = None  # counts that cannot be
    provisional: bool = False  # the usage so far is from before all of the answer was written
    finish: FinishReason | None = None
    ended: bool = False  # the wire's own last marker came
    note: str = ""
    model: str = ""
    request_id: str | None = None
    embedding: tuple[float, ...] = ()
    _told_output: bool = False  # a count of output is in the latest event
    _thoughts: list[str] = field(default_factory=list)  # from that field
    _thought_room: int = _MOST_THOUGHT
    _split: Splitter = field(init=False)
    _half: str = ""  # what a piece ends with that may be half of a pair, or the beginning of the key, until more comes

    def __post_init__(self) -> None:
        self.started = self.clock()
        self._split = Splitter(self.source.model, whole=self.whole)

    @property
    def text(self) -> str:
        """The text of the answer so far."""
        return "".join(self._split.answer)

    @property
    def begun(self) -> bool:
        """Whether any of the answer has arrived. White space is none."""
        return bool(self._split.has_answer or self.calls)

    @property
    def over(self) -> bool:
        """Whether the provider said that the answer is properly over: an error, or the end of the connection, that
        comes after it takes nothing of it back."""
        if self.finish is FinishReason.LENGTH:
            return True
        proper = self.finish in (FinishReason.STOP, FinishReason.TOOL_CALLS) or (self.finish is None and self.ended)
        return proper and self.begun

    @contextmanager
    def event(self) -> Iterator[None]:
        """Inside, one event of a stream is read. The usage does not count what comes in an event after its own."""
        self.worked = self._told_output = False
        try:
            yield
        finally:
            self.provisional |= self.worked and not self._told_output

    def add_text(self, piece: str) -> Iterator[str | Thought]:
        """Takes a piece of the reply's text and yields what can be passed on of it."""
        piece = self._half + piece
        self._half = ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        piece, begun = split_at_key(piece, self.source.key)
        self._half = begun + self._half
        if piece:
            self._touch()
            piece, whole = scrub(piece[: self.room]), piece
            yield from self._split.feed(piece)
            self._take_room(len(whole))

    def add_thought(self, piece: str) -> Iterator[str | Thought]:
        """Takes a piece of what the server has in a field for thoughts."""
        if piece:
            self.note_thought(True)
            yield from self._split.release()
        if piece and self._thought_room > 0:
            self._thought_room -= max(len(piece), _LEAST)
            self._thoughts.append(scrub(piece))
            yield Thought(self._thoughts[-1])

    def finish_text(self) -> Iterator[str | Thought]:
        """What is left of the text when no more comes: a lone half of a pair is U+FFFD."""
        if self._half:
            piece, self._half = scrub(self._half), ""
            yield from self._split.feed(piece)
        cut = self.finish in (FinishReason.LENGTH, FinishReason.INCOMPLETE)
        yield from self._split.end(proper=not cut and (self.whole or self.told))

    def add_call(
        self, key: CallKey, *, call_id: str = "", name: str = "", arguments: str = "", signature: str = ""
    ) -> None:
        """Takes a tool call, or a further piece of the one under this key."""
        self._touch()
        self._take_room(_LEAST + len(call_id) + len(name) + len(arguments) + len(signature))
        call = self.calls.setdefault(key, _CallDraft())
        call.id = call.id or call_id
        call.name = call.name or name
        call.arguments.append(arguments)
        call.signature = call.signature or signature

    def note_thought(self, *thoughts: object) -> None:
        """Takes note of what the model thought, where the reply has any of it."""
        if any(thoughts):
            self.thought = self.worked = True

    def add_refusal(self, piece: str) -> None:
        """Take a piece of a refusal."""
        self._take_room(len(piece))
        self.refusal.append(piece)

    def add_logprobs(
        self, entries: Sequence[object], value: str, others: Callable[[int], Sequence[object]] = lambda _: ()
    ) -> None:
        """Takes a provider's list of tokens, whose logprob is called `value`; entries without a number are left out.
        `others` has the likeliest tokens in the place of each, in the same form."""
        for place, entry in enumerate(entries):
            if (scored := _scored(entry, value)) is not None:
                top = tuple(each for other in others(place) if (each := _scored(other, value)) is not None)
                self._take_room(_LEAST * (1 + len(top)))
                self.logprobs.append(TokenLogprob(*scored, top))

    def _take_room(self, characters: int) -> None:
        """Raises ReplyTooLongError where there is not so much room."""
        self.room -= characters
        self.worked = True
        if self.room < 0:
            raise ReplyTooLongError("it is longer than an answer can be")

    def learn(self, **facts: object) -> None:
        """Takes facts of the reply that its price depends on and that stand beside its usage."""
        told = {name: value for name, value in facts.items() if value not in (None, "", [], {})}
        if told:
            self.facts |= self._kept(told)

    def report(self, raw: object) -> Iterator[Usage]:
        """Takes a usage object and yields what it comes to, together with what was reported before, if that is news.

        One that is not made of counts is no usage.
        """
        if not isinstance(raw, dict):
            return
        try:
            usage = counted(raw)
            told = usage.output_tokens > 0
            if self.usage is not None:
                raw = merged(self.usage.raw, raw)
                usage = counted(raw)
        except ValueError:
            return
        if told:
            self.provisional, self._told_output = False, True
        usage = replace(usage, raw=self._kept(raw))
        if max(usage.input_tokens, usage.output_tokens) >= MOST_TOKENS:
            self.disbelieved = usage
            return
        known, self.usage = self.usage, usage
        if usage != known:
            yield usage

    def _kept(self, told: dict[str, object]) -> dict[str, object]:
        """What the reply tells, as it may be kept."""
        plain = scrub_json(told, lambda text: kept(text, self.source.key))
        assert isinstance(plain, dict)
        return plain

    def report_failure(self, body: object) -> None:
        """Take the usage in the body of an error status, under any of its names: it counts the whole call."""
        for raw in (dig(body, "usage"), dig(body, "usageMetadata"), dig(body, "error", "usage")):
            self.ended |= any(True for _ in self.report(raw))

    @property
    def told(self) -> bool:
        """Whether the provider said that the reply is over: what it counted until then is all of it."""
        return self.finish is not None or self.ended

    def _counted(self) -> Usage | None:
        """The usage, if it can be the bill: a prompt has tokens, and so has an answer. A zero never was a count."""
        usage = self._reported()
        if usage is None or self.provisional:
            return None
        if usage.input_tokens == 0 or (self.begun and usage.output_tokens == 0):
            return usage if stated_cost(usage.raw) is not None else None
        return usage

    def _reported(self) -> Usage | None:
        if self.usage is None:
            return Usage(raw=self.facts) if stated_cost(self.facts) is not None else None
        return replace(self.usage, raw=merged(self.facts, self.usage.raw)) if self.facts else self.usage

    def completion(self, finish: FinishReason, *, final: bool = True) -> Completion:
        """What there is. `final` says that no more would have come, so that what was counted can be the bill."""
        now = self.clock()
        key = self.source.key

        def clean(text: str) -> str:
            return without_key(scrub(text), key)

        calls = tuple(
            ToolCall(
                clean(call.id) or f"call_{number}",
                clean(call.name),
                clean("".join(call.arguments)) or "{}",
                clean(call.signature) or None,
            )
            for number, call in enumerate(self.calls.values())
        )
        usage = self._counted() if final else self._reported()
        return Completion(
            text=clean(self.text or "".join(self.refusal)),
            finish_reason=finish,
            usage=usage if self.disbelieved is None else None,
            latency_ms=_ms(now - self.started),
            model=kept(self.model, key) or self.source.model,
            request_id=self._kept_id(),
            tool_calls=calls,
            ttft_ms=None if self.first is None else _ms(self.first - self.started),
            logprobs=self._split.of_answer(self.logprobs) or None,
            thoughts=clean("".join([*self._thoughts, *self._split.thoughts])),
            thought=self.thought,
            disbelieved=self.disbelieved,
            embedding=self.embedding,
        )

    def partial(self) -> Completion | None:
        """What there is, marked incomplete. None if neither text nor usage came."""
        return self.completion(FinishReason.INCOMPLETE, final=False) if self.begun or self.usage else None

    def deliver(self, *, streamed: bool) -> Completion:
        """The completion, at the end of the reply.

        Raises RefusedError, IncompleteError (some text, then no proper end), EmptyReplyError, or BadReplyError (a
        stream that ended before it began). A reply that is not a stream has ended properly by being whole.
        """
        self.ended = self.ended or not streamed
        finish = self.finish
        if finish is None and self.ended:
            finish = FinishReason.STOP
        if self.refusal and finish is not FinishReason.LENGTH:
            finish = FinishReason.REFUSED
        if finish is FinishReason.REFUSED:
            raise self._error(RefusedError, "refused or filtered", FinishReason.REFUSED)
        if finish is None or finish is FinishReason.INCOMPLETE:
            if self.begun:
                raise self._error(IncompleteError, "the reply was cut off", FinishReason.INCOMPLETE)
            raise self._error(BadReplyError, "the reply ended before it began", FinishReason.INCOMPLETE)
        if not self.begun and not self.embedding and finish is not FinishReason.LENGTH:
            raise self._error(EmptyReplyError, "an empty reply", finish)
        return self.completion(finish)

    def interrupt(self, error: ProviderError, *, accepted: bool) -> ProviderError:
        """The error for a reply that failed on the way: after any of the answer, what came is kept and it stops.

        `accepted` says that the provider had begun to stream a reply (status 200) before it failed.
        """
        for _ in self.finish_text():
            pass
        counted = self._counted() if self.told else None  # all that was charged, whatever came after it
        if not self.begun:
            error.partial = error.partial or self.partial()
            if counted is not None:
                error.billed, error.partial = Billed.YES, self.completion(FinishReason.INCOMPLETE)
            elif accepted and error.billed is Billed.NO:
                error.billed = Billed.UNKNOWN  # it was at work on it, and nobody says what it charges for that
            return error
        return IncompleteError(
            message(self.source, "the reply was cut off", error.message.removeprefix(message(self.source, ""))),
            provider=error.provider,
            model=error.model,
            status=error.status,
            provider_code=error.provider_code,
            request_id=error.request_id or self._kept_id(),
            retry_after_s=error.retry_after_s,
            billed=None if counted is None else Billed.YES,
            partial=self.completion(FinishReason.INCOMPLETE, final=counted is not None),
        )

    def _error(self, kind: type[ProviderError], phrase: str, finish: FinishReason) -> ProviderError:
        has_use = self.begun or self.refusal or self.usage is not None
        partial = self.completion(finish, final=self.told) if has_use else None
        billed = None
        if partial is None:  # nothing came and no tokens were reported: whether it is charged, only the provider knows
            billed = Billed.UNKNOWN
        elif self.told and partial.usage is not None:
            billed = Billed.YES  # what it counted is the bill, whether or not the reply can be used
        return kind(
            message(self.source, phrase, self.note),
            provider=self.source.provider,
            model=self.source.model,
            provider_code=kept(self.note.lower(), self.source.key) or None,
            request_id=self._kept_id(),
            billed=billed,
            partial=partial,
        )

    def _kept_id(self) -> str | None:
        return kept(self.request_id, self.source.key) if self.request_id else None

    def _touch(self) -> None:
        if self.first is None:
            self.first = self.clock()


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 0)
