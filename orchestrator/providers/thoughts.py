"""What a model thought, kept apart from its answer where a server leaves both in one text.

Most servers send thoughts in a field of their own. Where a server is not set up for a model, its marks arrive in the
text: `<think>...</think>`, Mistral's `[THINK]`, the channels of gpt-oss. Many chat templates open the thought
themselves, so that the closing mark alone is in the reply. Marks count at the head of a reply only: an answer that
writes about them stays whole.

Sources of the marks: the reasoning parsers of vLLM (vllm/reasoning) and SGLang (docs, "Reasoning Parser"), OpenAI's
harmony format (github.com/openai/harmony, docs/format.md), and public reports of marks in replies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import islice
from typing import Literal

from ..deferred import dataclass, replace
from ..expressions import expression
from ..types import Completion, FinishReason, Thought, TokenLogprob
from .text import is_blank

_TAGS = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think", "mm:think")
_MARKS: Mapping[str, str] = {  # in lower case: what opens a thought, and what closes it
    **{f"<{tag}>": f"</{tag}>" for tag in _TAGS},
    "[think]": "[/think]",  # Mistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|begin_of_thought|>": "<|end_of_thought|>",  # Sky-T1, OpenThinker
    "<|start_thinking|>": "<|end_thinking|>",  # Cohere
    "<|channel>thought": "<channel|>",  # Gemma 4
}
_ANALYSIS, _FINAL = "analysis", expression("assistant ?final")  # gpt-oss, without its special tokens
_ANSWER_MARKS: Mapping[str, str] = {
    "<|start_response|>": "<|end_response|>",
    "<|begin_of_solution|>": "<|end_of_solution|>",
}
_HEADS = ("<|start|>", "<|channel|>")
_FIRST_OF_A_MARK = frozenset(mark[0] for mark in (*_MARKS, *_MARKS.values(), *_ANSWER_MARKS, *_HEADS, _ANALYSIS, "A"))
_CHANNEL = expression(r"(?:<\|start\|>assistant[^<]*)?<\|channel\|>(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_LONGEST_HEAD = 200  # characters of a message's head in the harmony format; function names are in it
_MESSAGE_ENDS = expression(r"<\|(?:end|call|return)\|>|(?=<\|(?:start|channel)\|>)")
_ANSWER_ENDS = expression(r"<\|(?:end|return)\|>")
_CLOSING = expression(
    "|".join(map(re.escape, _MARKS.values()))
    + r"|<\|end\|>(?=<\|start\|>)|(?=<\|start\|>assistant<\|channel\|>|<\|channel\|>final)",
    re.IGNORECASE,
)
_IN_EVERY_CLOSING = ("</", "[/", "<|", "◁/", "<channel|")
_AT_ONCE = expression("")
_OPENING = expression("|".join(map(re.escape, _MARKS)), re.IGNORECASE)
_LONGEST = 48  # characters of a closing mark with what it is known by
_MOST_LOOKED_AT = 8  # closing marks in a reply, each with all of the text before it
_AFTER_A_WORD = " \t.,:;`'\")"
_NOT_BEFORE_A_MARK = "`'\"“‘«*(<[|/,"  # an answer that names a mark sets it off by one of these, or by a space
_SENTENCE_ENDS = ".!?…。！？:)]}"

# Models whose chat template opens the thought, by their own documentation: until the closing mark comes, nobody can
# tell the thought from an answer. So nothing of their replies is given out before, nor of a reply that begins like a
# thought, unless the server has a field for thoughts.
_THINKERS = expression(
    r"\br1\b|qwq|think|reason|glm-(?:z1|[45])|minimax-m|nemotron|exaone-(?:deep|4)|mimo", re.IGNORECASE
)
_BEGINNINGS = (
    *("okay", "alright", "hmm", "got it", "wait", "let me think", "let me recall", "let me see", "let's think"),
    *("the user", "user asks", "user wants", "we need to", "i need to", "first, i", "嗯", "首先", "用户", "好的，用户"),
)


class _State(Enum):
    OPENING = auto()  # nothing of an answer yet
    THOUGHT = auto()
    ANSWER = auto()
    OVER = auto()  # the answer's own closing mark came


@dataclass(frozen=True, slots=True)
class _Mark:
    """An opening mark of `length` characters, of a thought or else of the answer, and what closes it."""

    length: int
    closing: re.Pattern[str]
    of_thought: bool = True


class Splitter:
    """Takes the text of a reply piece by piece and yields what can be passed on: text of the answer, and thoughts.

    `answer` and `thoughts` hold what is known. `whole`: the text of the answer is yielded by `end` only.
    """

    def __init__(self, model: str, *, whole: bool = False) -> None:
        self.answer: list[str] = []
        self.thoughts: list[str] = []
        self._whole = whole
        self._thinks = _THINKERS.search(model) is not None
        self._holds = whole  # the answer so far has not been yielded
        self._state = _State.OPENING
        self._blanks: list[str] = []  # white space that the text begins with
        self._held = ""  # what is not known yet to be answer, thought or mark
        self._marked = False  # a mark was there: from here on, thoughts have an opening mark
        self._mark = ""  # the latest opening mark
        self._closing: re.Pattern[str] | None = None
        self._thought_from = 0  # index into `thoughts`
        self._length, self._window = 0, ""  # characters of the answer so far, and the last of them
        self._looked_at = -1
        self._looks = _MOST_LOOKED_AT

    @property
    def has_answer(self) -> bool:
        """Whether there is any text, other than white space, that is not known to be a thought."""
        held = "" if self._state is _State.THOUGHT else self._held
        return not all(map(is_blank, self.answer)) or not is_blank(held)

    def feed(self, piece: str) -> Iterator[str | Thought]:
        """Takes the next piece of the text."""
        if self._state is _State.OPENING and not self._held and is_blank(piece):
            self._blanks.append(piece)
            return
        self._held += piece
        before: _State | None = None
        while self._held and self._state not in (before, _State.OVER):
            before = self._state
            match before:
                case _State.OPENING:
                    self._open()
                case _State.THOUGHT:
                    yield from self._read_thought()
                case _State.ANSWER:
                    yield from self._read_answer()

    def release(self) -> Iterator[str | Thought]:
        """The server has a field for thoughts: in the text, each has its opening mark."""
        self._thinks, self._looks = False, 0
        if self._holds and not self._whole:
            self._holds = False
            yield from filter(None, ["".join(self.answer)])

    def end(self, *, proper: bool) -> Iterator[str | Thought]:
        """No more comes. `proper`: the model ended the reply itself."""
        rest, self._held = self._held, ""
        match self._state:
            case _State.THOUGHT if proper and self._is_no_mark(rest):
                rest = self._mark + "".join(self.thoughts[self._thought_from :]) + rest
                del self.thoughts[self._thought_from :]
            case _State.THOUGHT:
                yield from self._think(rest)
                rest = ""
            case _State.ANSWER if not proper and self._is_cut_thought():
                yield from self._think("".join(self.answer) + rest)
                self.answer, rest = [], ""
            case _State.OPENING if is_blank(rest):
                rest = ""
            case _State.OPENING:
                rest = rest.lstrip() if self._marked else "".join([*self._blanks, rest])
            case _State.OVER:
                rest = ""
        if rest:
            self.answer.append(rest)
        text = "".join(self.answer) if self._holds else rest
        self._holds = False
        if text:
            yield text

    def of_answer(self, logprobs: Sequence[TokenLogprob]) -> tuple[TokenLogprob, ...]:
        """The tokens of the answer; none if they cannot be told from those of a thought."""
        if not self._marked:
            return tuple(logprobs)
        answer, length, first = "".join(self.answer).strip(), 0, len(logprobs)
        while first and length < len(answer):
            first -= 1
            length += len(logprobs[first].token)
        found = tuple(logprobs[first:])
        return found if "".join(entry.token for entry in found).strip() == answer else ()

    def _open(self) -> None:
        body = self._held.lstrip()
        if is_blank(body):
            self._blanks.append(self._held)
            self._held = ""
            return
        mark = _mark_of(body)
        if isinstance(mark, _Mark):
            self._mark, self._held = body[: mark.length], body[mark.length :]
            self._closing, self._marked, self._thought_from = mark.closing, True, len(self.thoughts)
            self._state = _State.THOUGHT if mark.of_thought else _State.ANSWER
            return
        if mark is None and not self._marked and not self._holds:
            mark = self._hold_if_it_may_be_a_thought(body)
        if mark is None:
            self._held = body if self._marked else "".join([*self._blanks, self._held])
            self._closing, self._state = None, _State.ANSWER

    def _hold_if_it_may_be_a_thought(self, body: str) -> Literal["undecided"] | None:
        begins = _begins_like_a_thought(body)
        if begins is None and not self._thinks and self._looks:
            return "undecided"
        self._holds = self._looks > 0 and (self._thinks or begins is True)
        return None

    def _read_thought(self) -> Iterator[Thought]:
        assert self._closing is not None
        closed = self._closing.search(self._held)
        if closed is None:
            thought, self._held = self._held[:-_LONGEST], self._held[-_LONGEST:]
        else:
            thought, self._held = self._held[: closed.start()], self._held[closed.end() :]
            self._state = _State.OPENING
        yield from self._think(thought)

    def _read_answer(self) -> Iterator[str | Thought]:
        text, self._held = self._held, ""
        if self._closing is not None:  # of the answer's own mark
            closed = self._closing.search(text)
            at = closed.start() if closed else text.rfind("<", -_LONGEST)
            if at >= 0:
                text, self._held = text[:at], text[at:]
            if closed:
                self._state = _State.OVER
        if text:
            self.answer.append(text)
        if not self._marked and (closed := self._closing_without_opening(text)) is not None:
            before = "".join(self.answer)
            self.answer, self._held = [], before[closed.end() :]
            self._holds, self._marked, self._state = self._whole, True, _State.OPENING
            yield from self._think(before[: closed.start()])
        elif text and not self._holds:
            yield text

    def _closing_without_opening(self, text: str) -> re.Match[str] | None:
        """The mark that ends a thought which began with the reply, if that is what the text so far has."""
        before, window = self._length - len(self._window), self._window + text
        self._length, self._window = self._length + len(text), window[-_LONGEST:]
        if not self._looks or not any(sign in window for sign in _IN_EVERY_CLOSING):
            return None
        places = [before + found.start() for found in _CLOSING.finditer(window)]
        if not places or places[-1] <= self._looked_at:
            return None
        self._looks, self._looked_at = self._looks - 1, places[-1]
        return _closing_of_a_thought("".join(self.answer))

    def _think(self, text: str) -> Iterator[Thought]:
        if text:
            self.thoughts.append(text)
            yield Thought(text)

    def _is_no_mark(self, rest: str) -> bool:
        """Whether what looks like the mark of a thought that is never closed is a word of the answer."""
        following = "".join([*self.thoughts[self._thought_from :], rest])[:1]
        return self._mark == _ANALYSIS or following in _AFTER_A_WORD

    def _is_cut_thought(self) -> bool:
        """Whether an answer that was cut off before a closing mark is rather the thought of a model that thinks."""
        return self._holds and self._thinks and _begins_like_a_thought("".join(self.answer).lstrip()) is True


def apart(completion: Completion) -> Completion:
    """A completion whose text may have thoughts in it, with these kept apart."""
    split = Splitter(completion.model, whole=True)
    for _ in split.feed(completion.text):
        pass
    for _ in split.end(proper=completion.finish_reason not in (FinishReason.LENGTH, FinishReason.INCOMPLETE)):
        pass
    return replace(
        completion,
        text="".join(split.answer),
        thoughts=completion.thoughts + "".join(split.thoughts),
        logprobs=split.of_answer(completion.logprobs or ()) or None,
    )


def _mark_of(body: str) -> _Mark | Literal["undecided"] | None:
    """The mark that a reply begins with. `undecided`: more has to come to tell."""
    if body[0] not in _FIRST_OF_A_MARK:
        return None
    head = body[:_LONGEST].lower()
    if body.startswith(_ANALYSIS) and body[len(_ANALYSIS) : len(_ANALYSIS) + 1].isupper():
        return _Mark(len(_ANALYSIS), _FINAL)
    for opening, closing in _MARKS.items():
        if head.startswith(opening):
            return _Mark(len(opening), re.compile(re.escape(closing), re.IGNORECASE))
        if head.startswith(closing):  # the chat template has opened a thought, and the model has none
            return _Mark(len(closing), _AT_ONCE)
    for opening, closing in _ANSWER_MARKS.items():
        if head.startswith(opening):
            return _Mark(len(opening), re.compile(re.escape(closing), re.IGNORECASE), of_thought=False)
    if head.startswith(_HEADS):
        if (channel := _CHANNEL.match(body)) is not None:
            final = channel[1] == "final"
            return _Mark(channel.end(), _ANSWER_ENDS if final else _MESSAGE_ENDS, of_thought=not final)
        return "undecided" if len(body) < _LONGEST_HEAD else None
    possible = (*_MARKS, *_MARKS.values(), *_ANSWER_MARKS, *_HEADS, _ANALYSIS)
    return "undecided" if any(mark.startswith(head) for mark in possible) else None


def _begins_like_a_thought(body: str) -> bool | None:
    """Whether a text begins as models begin their thoughts. None: more has to come to tell."""
    head = body[:_LONGEST].lower()
    if head.startswith(_BEGINNINGS):
        return True
    return None if any(beginning.startswith(head) for beginning in _BEGINNINGS) else False


def _closing_of_a_thought(text: str) -> re.Match[str] | None:
    """The closing mark of a thought without its opening: one that the text does not merely name, or show as code."""
    for closing in islice(_CLOSING.finditer(text), _MOST_LOOKED_AT):
        before = text[: closing.start()]
        line = before.rpartition("\n")[2]
        if _OPENING.search(before):
            return None
        if before.count("```") % 2 or line.count("`") % 2:
            continue
        if not line.strip() or not closing[0].startswith(("</", "[/", "◁/")):
            return closing
        set_off = not line[-1].isspace() and line[-1] not in _NOT_BEFORE_A_MARK
        if set_off or line.rstrip()[-1] in _SENTENCE_ENDS:
            return closing
    return None
