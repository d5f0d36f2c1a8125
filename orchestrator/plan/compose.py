"""Composes what a call sends: fills in its template, fences text that others wrote, and measures its length.

Model outputs and context are fenced wherever they go into a prompt. Files come before the question, so that a provider
that caches prompts by their beginning reads the same files once. In a check the user's prompt is fenced too: there
it is the measure of an answer, and not a task.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from ..deferred import dataclass, replace
from ..expressions import expression
from ..reading.bounds import JOINT, Tokenizer
from ..reading.fencing import MARKER_LENGTH, explained, fenced, marker_of
from ..reading.tokens import TokenCount, count_tokens, upper_bound_tokens
from ..types import Message, Prompt, ResponseFormat
from . import Call
from .load import MESSAGE_OVERHEAD, Load, schema_bound
from .template import ANSWER, ANSWERS, CONTEXT, HISTORY, PROMPT, QUESTION, STEPS, Slot, Template, parse
from .turns import transcript, with_text, without_tools

# For each token that a step was allowed, so many tokens of what it gave are put into a prompt, by the bound for any
# tokenizer. So what a plan can cost at most is a bound and not a guess. The tokenizer of the model that reads it may
# give more tokens than the writer's, and the bound lies above that.
READ_PER_WRITTEN = 6

VERDICT_FORMAT = ResponseFormat(
    {
        "type": "object",
        "properties": {
            "score": {"type": "number", "description": "from 0, useless, to 1, nothing left to improve"},
            "issues": {"type": "array", "items": {"type": "string"}, "description": "what is wrong or missing"},
        },
        "required": ["score", "issues"],
        "additionalProperties": False,
    },
    "verdict",
)
VERDICT_TOKENS = 80  # of a verdict as it is expected: a number, and an issue or two
_LONE_SURROGATE = expression("[\ud800-\udfff]")
_VERDICT_WISH = (
    'Reply with one JSON object and nothing else: {"score": from 0 (useless) to 1 (nothing left to improve), '
    '"issues": [each thing that is wrong or missing, in one sentence]}.'
)
Count = Callable[[str, Tokenizer], TokenCount]  # a run's own remembers what it has counted
_AS_IT_IS = "$prompt"
_DEFAULT_CHECK = """\
Judge how well an answer does what was asked: is it right, complete, clear, and in the form that was asked for?

What was said before:

$history

What was asked:

$prompt

The answer to judge:

$answer"""
_DEFAULT_SYNTHESIS = """\
$prompt

Several answers to this follow. Write the best answer that can be made of them: keep what is right, settle what they
disagree on by its merits, leave out what is wrong, and do not speak of the answers themselves.

$answers"""


@dataclass(frozen=True, slots=True)
class Composed:
    """What is sent for a call: the turns, of which the one with `text` asks."""

    text: str
    system: str | None
    load: Load
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """The length of a step's output: its expected tokens (0 if the step may be missing), and the most in any
    tokenizer."""

    tokens: int
    most: int


@dataclass(frozen=True, slots=True)
class Material:
    """What a call's template can use: the outputs of `steps` by name, the answer that a check judges, a panel's
    answers."""

    steps: Mapping[str, str]
    answers: tuple[str, ...] = ()
    answer: str | None = None

    @property
    def judging(self) -> bool:
        """Whether the call is a check."""
        return self.answer is not None


def compose(call: Call, prompt: Prompt, material: Material, base: Load, count: Count = count_tokens) -> Composed:
    """The text and the system prompt of a call, and their tokens.

    `base` is the load of the prompt alone; the call's expected output is the same.
    """
    template = template_of(call, prompt, judging=material.judging, synthesising=bool(material.answers))
    system = system_of(call, prompt, judging=material.judging)
    if template is None:
        load = base if system == prompt.system else _with_tools_of(base, _load(prompt.text, system, base, count))
        return Composed(prompt.text, system, load, _as_it_is(prompt, base))
    said = transcript((*prompt.before, *prompt.after)) if prompt.before or prompt.after else ""
    texts = [prompt.text, said, *material.steps.values(), *material.answers, material.answer or ""]
    marker = marker_of(prompt.context or "\0".join(texts), texts)
    text = template.render(_values(template, prompt, material, marker)) or prompt.text
    if marker in text:
        text = f"{text}\n\n{explained(marker)}"
    if material.judging:
        text = f"{text}\n\n{_VERDICT_WISH}"
    turns = not material.judging and HISTORY not in template.slots()
    load = _load(text, system, base, count, judging=material.judging, turns=turns)
    return Composed(text, system, load, _around(text, prompt, turns=turns))


def said_so_far(prompt: Prompt) -> tuple[Message, ...]:
    """The conversation with its question as a call without a template sends it: files in their fence."""
    sent = compose(Call(), prompt, Material({}), Load(0, 0, 0, tool_bound=1))
    question = with_text(Message("user", prompt.text, parts=prompt.parts), sent.text)
    return (*prompt.before, question, *prompt.after)


def template_of(call: Call, prompt: Prompt, *, judging: bool = False, synthesising: bool = False) -> Template | None:
    """The template of a call, or the built-in one of a check or a synthesiser. None: the prompt is sent as it is.

    A prompt with files attached always has a template, since files are fenced.
    """
    text = call.template
    if text is None and judging:
        text = _DEFAULT_CHECK
    if text is None and synthesising:
        text = _DEFAULT_SYNTHESIS
    if text is None and prompt.attached:
        text = _AS_IT_IS
    return None if text is None else parse(text)


def system_of(call: Call, prompt: Prompt, *, judging: bool) -> str | None:
    """The call's own system prompt, followed by the user's; a judge does not get the user's."""
    own, users = call.system or None, None if judging else prompt.system or None
    return f"{own}\n\n{users}" if own and users else own or users


def reply_limit(call: Call, of_run: int | None, *, judging: bool) -> int | None:
    """The output limit of a call: its own or the run's, whichever is lower.

    The run's is for answers: a check keeps to its own limit, since a truncated verdict is useless.
    """
    if judging and call.max_tokens is not None:
        return call.max_tokens
    return min((limit for limit in (call.max_tokens, of_run) if limit is not None), default=None)


def expected_loads(
    call: Call,
    prompt: Prompt,
    sizes: Mapping[str, Size],
    base: Load,
    *,
    answers: Sequence[Size] = (),
    answer: Size | None = None,
    count: Count = count_tokens,
) -> tuple[Load, Load]:
    """The load of a call before the calls that it depends on are made: the least, and the expected one with its bound.

    Every text that `compose` can make of the call has at most `input_bound` tokens.
    """
    judging = answer is not None
    template = template_of(call, prompt, judging=judging, synthesising=bool(answers))
    system = system_of(call, prompt, judging=judging)
    if template is None:
        load = base if system == prompt.system else _with_tools_of(base, _load(prompt.text, system, base, count))
        return load, load
    known = _values(template, prompt, Material({}, answer="" if judging else None), "x" * MARKER_LENGTH)
    given = {f"{STEPS}{name}": size for name, size in sizes.items()}
    if answer is not None:
        given[ANSWER] = answer
    if answers:
        overhead = len(fenced("answer-10", "", "x" * MARKER_LENGTH)) + 1 + JOINT
        given[ANSWERS] = Size(sum(size.tokens for size in answers), sum(size.most + overhead for size in answers))
    tail = "\n\n".join(["", explained("x" * MARKER_LENGTH), _VERDICT_WISH if judging else ""])
    turns = not judging and HISTORY not in template.slots()
    least = _load(template.render(known) or prompt.text, system, base, count, judging=judging, turns=turns)
    tokens, bound = count(tail, base.tokenizer)
    for paragraph in template.paragraphs:
        counted = [_piece_size(piece, known, given, base.tokenizer, count) for piece in paragraph]
        bound += sum(size.most + JOINT for size in counted) + len("\n\n")
        there = all(size.tokens or isinstance(piece, str) for piece, size in zip(paragraph, counted, strict=True))
        tokens += sum(size.tokens for size in counted) if there else 0
    bound = max(bound, count(prompt.text, base.tokenizer).bound)
    system_load = _load("", system, base, count, judging=judging, turns=turns)
    return least, Load(
        input_tokens=tokens + system_load.input_tokens,
        input_bound=bound + system_load.input_bound,
        output_tokens=base.output_tokens,
        tokenizer=base.tokenizer,
    )


def sees_context(call: Call) -> bool:
    """Whether a call is sent the context: yes, unless its template asks for the question alone."""
    return call.template is None or not {PROMPT, CONTEXT}.isdisjoint(parse(call.template).slots())


def insertable(text: str, max_tokens: int) -> str:
    """What a step gave, as it is put into another prompt: at most READ_PER_WRITTEN tokens for each token that it was
    allowed, and without the halves of characters that cannot be sent."""
    sent, most = _LONE_SURROGATE.sub("\ufffd", text), READ_PER_WRITTEN * max_tokens
    if upper_bound_tokens(sent) <= most:
        return sent
    end = bisect_right(range(len(sent)), most, key=lambda length: upper_bound_tokens(sent[:length])) - 1
    return sent[:end]


def _as_it_is(prompt: Prompt, base: Load) -> tuple[Message, ...]:
    """The conversation as it is; for a model that is offered no tools, without calls of them."""
    around = (prompt.before, prompt.after)
    before, after = around if base.tool_bound else (tuple(without_tools(turns)) for turns in around)
    return (*before, Message("user", prompt.text, parts=prompt.parts), *after)


def _around(text: str, prompt: Prompt, *, turns: bool) -> tuple[Message, ...]:
    """The text in the place of the question, with its images and documents, and with the turns around it if they are
    sent as turns."""
    question = with_text(Message("user", prompt.text, parts=prompt.parts), text)
    if not turns:
        return (question,)
    return (*without_tools(prompt.before), question, *without_tools(prompt.after))


def _values(template: Template, prompt: Prompt, material: Material, marker: str) -> dict[str, str]:
    """The values of the placeholders that have one."""
    slots = frozenset(template.slots())
    apart = CONTEXT in slots
    asked = prompt.question if apart else prompt.text
    said = fenced(HISTORY, transcript(prompt.before), marker) if prompt.before else ""
    if material.judging:
        told = f"{said}\n" if said and HISTORY not in slots else ""  # the check is the user's own
        led_to = f"\n\n{transcript(prompt.after)}" if prompt.after else ""
        values = {
            PROMPT: told + fenced("prompt", asked + led_to, marker),
            QUESTION: told + fenced("prompt", prompt.question + led_to, marker),
        }
    else:
        if prompt.attached and not apart:
            asked = f"{fenced(CONTEXT, prompt.context, marker)}\n\n{prompt.question}"
        values = {PROMPT: asked, QUESTION: prompt.question}
    given = {f"{STEPS}{name}": text for name, text in material.steps.items()}
    given |= {CONTEXT: prompt.context, ANSWER: material.answer or ""}
    values |= {key: fenced(key.removeprefix(STEPS), text, marker) for key, text in given.items() if text.strip()}
    numbered = (fenced(f"answer-{n}", text, marker) for n, text in enumerate(material.answers, start=1))
    return values | {ANSWERS: "\n".join(numbered), HISTORY: said}


def _piece_size(
    piece: str | Slot, known: Mapping[str, str], given: Mapping[str, Size], tokenizer: Tokenizer, count: Count
) -> Size:
    if isinstance(piece, str):
        return Size(*count(piece, tokenizer))
    if text := known.get(piece.key):
        return Size(*count(text, tokenizer))
    size = given.get(piece.key)
    if size is None:
        return Size(0, 0)
    around = fenced(piece.key.removeprefix(STEPS), "", "x" * MARKER_LENGTH)
    tokens, bound = count(around, tokenizer)
    return Size(size.tokens and size.tokens + tokens, size.most + bound)


def _load(
    text: str, system: str | None, base: Load, count: Count, *, judging: bool = False, turns: bool = True
) -> Load:
    """The load of these texts, with the question's images and documents, with the turns around it if they are sent as
    turns, and with the schema of the reply: a verdict's, or the one that the run's answer must fit.

    Any call but a check may give the run's answer and is sent the run's schema.
    """
    beside_tokens = base.media_tokens + (base.turn_tokens if turns else 0)
    beside_bound = base.media_bound + (base.turn_bound if turns else 0)
    schema = _verdict_bound(base.tokenizer) if judging else base.schema_bound
    body, head = count(text, base.tokenizer), count(system or "", base.tokenizer)
    return Load(
        input_tokens=body.expected + head.expected + beside_tokens + (0 if judging else base.schema_tokens),
        input_bound=body.bound + head.bound + beside_bound + MESSAGE_OVERHEAD + schema,
        output_tokens=base.output_tokens,
        schema_tokens=base.schema_tokens,
        schema_bound=base.schema_bound,
        turn_tokens=base.turn_tokens,
        turn_bound=base.turn_bound,
        media_tokens=base.media_tokens,
        media_bound=base.media_bound,
        tokenizer=base.tokenizer,
    )


@cache
def _verdict_bound(tokenizer: Tokenizer) -> int:
    return schema_bound(json.dumps(VERDICT_FORMAT.schema), tokenizer)


def _with_tools_of(base: Load, load: Load) -> Load:
    """Only a call that sends the user's own prompt is offered tools; one with a template is not."""
    return replace(
        load,
        input_tokens=load.input_tokens + base.tool_tokens,
        input_bound=load.input_bound + base.tool_bound,
        tool_tokens=base.tool_tokens,
        tool_bound=base.tool_bound,
    )
