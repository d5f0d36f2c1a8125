"""How many tokens a prompt takes by itself, as the model counts that is to be called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING

from ..config import RunOptions
from ..conversation import Media, Message
from ..deferred import dataclass, replace
from ..plan.load import MESSAGE_OVERHEAD, TURN_OVERHEAD, Load, with_schema, with_tools
from ..plan.turns import sent_text, without_tools
from ..reading.bounds import Tokenizer
from ..reading.prompt import Reading
from ..reading.tokens import TokenCount

if TYPE_CHECKING:
    from ..reading.vision import Vision
    from ..registry.model import ModelSpec

_NONE = TokenCount(0, 0)


def prompt_load(reading: Reading, options: RunOptions, spec: ModelSpec | None = None) -> Load:
    """The load of a prompt as it is, with its system prompt, turns, images, documents, tools and schema. Without a
    model, that of any."""
    return _load(reading, options, _tokenizer(spec), _vision(spec) if reading.prompt.media else None)


def _question_load(reading: Reading, options: RunOptions, tokenizer: Tokenizer, vision: Vision | None) -> Load:
    load = _load(reading, options, tokenizer, vision)
    texts = (reading.prompt.text, reading.prompt.question)
    whole, question = (reading.count(text, load.tokenizer) for text in texts)
    return replace(
        load,
        input_tokens=max(1, load.input_tokens - whole.expected + question.expected),
        input_bound=load.input_bound - whole.bound + question.bound,
    )


@dataclass(slots=True)
class Loads:
    """The load of one prompt on every model: computed once for all that count in the same way. `of_question`: without
    what was given with the question."""

    reading: Reading
    options: RunOptions
    of_question: bool = False
    _known: dict[tuple[Tokenizer, Vision | None], Load] = field(default_factory=dict)
    _media: bool = field(init=False)

    def __post_init__(self) -> None:
        self._media = bool(self.reading.prompt.media)

    def on(self, spec: ModelSpec | None = None) -> Load:
        """The load on a model; without one, on any."""
        tokenizer, vision = _tokenizer(spec), _vision(spec) if self._media else None
        load = self._known.get((tokenizer, vision))
        if load is None:
            load_of = _question_load if self.of_question else _load
            load = self._known[tokenizer, vision] = load_of(self.reading, self.options, tokenizer, vision)
        return load


def _tokenizer(spec: ModelSpec | None) -> Tokenizer:
    return Tokenizer.ANY if spec is None else spec.tokenizer


def _vision(spec: ModelSpec | None) -> Vision:
    from ..reading.vision import vision_of  # few prompts have images

    return vision_of("", "") if spec is None else vision_of(spec.provider, spec.id)


def _load(reading: Reading, options: RunOptions, tokenizer: Tokenizer, vision: Vision | None) -> Load:
    prompt = reading.prompt
    text = reading.count(prompt.text, tokenizer)
    system = reading.count(prompt.system, tokenizer) if prompt.system else _NONE
    load = Load(
        input_tokens=text.expected + system.expected,
        input_bound=text.bound + system.bound + MESSAGE_OVERHEAD,
        output_tokens=reading.analysis.output_tokens,
        tokenizer=tokenizer,
    )
    if not prompt.is_alone:
        load = _with_turns(load, reading, vision, with_tools=bool(options.tools))
    return with_schema(with_tools(load, options.tools), options.schema)


def _with_turns(load: Load, reading: Reading, vision: Vision | None, *, with_tools: bool) -> Load:
    """The load with the turns before and after the question, and with its images and documents."""
    prompt = reading.prompt
    others = (*prompt.before, *prompt.after)
    sent = others if with_tools else without_tools(others)
    turns = _sum(_turn(turn, reading, load.tokenizer, vision) for turn in sent)
    media = _media((part for part in prompt.parts if isinstance(part, Media)), vision)
    return replace(
        load,
        input_tokens=load.input_tokens + turns.expected + media.expected,
        input_bound=load.input_bound + turns.bound + media.bound,
        turn_tokens=turns.expected,
        turn_bound=turns.bound,
        media_tokens=media.expected,
        media_bound=media.bound,
    )


def _turn(turn: Message, reading: Reading, tokenizer: Tokenizer, vision: Vision | None) -> TokenCount:
    text, media = reading.count(sent_text(turn), tokenizer), _media(turn.media, vision)
    around = TURN_OVERHEAD * (1 + len(turn.tool_calls))
    return TokenCount(text.expected + media.expected, text.bound + media.bound + around)


def _media(media: Iterable[Media], vision: Vision | None) -> TokenCount:
    if vision is None:
        return _NONE
    from ..reading.vision import media_tokens

    return _sum(media_tokens(each, vision) for each in media)


def _sum(counts: Iterable[TokenCount]) -> TokenCount:
    listed = list(counts)
    return TokenCount(sum(count.expected for count in listed), sum(count.bound for count in listed))
