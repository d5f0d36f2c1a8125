"""A prompt read once for a whole run: what it is planned by, and what its answers are held against. Pure."""

from __future__ import annotations

from dataclasses import field

from ..config import RunOptions
from ..deferred import dataclass, replace
from ..once import kept_property
from ..types import Analysis, Prompt, Task
from .answer import AnswerForm
from .bounds import Tokenizer
from .complexity import ComplexityAnalyzer
from .needs import Need, Needs, needs_of, told
from .parsing import ParsedPrompt, parse_prompt
from .tokens import Counted, TokenCount

_TASKS = frozenset(Task)
_STRICT = (AnswerForm.JSON, AnswerForm.NUMBER, AnswerForm.CHOICE)  # an answer in another form is not accepted


@dataclass(frozen=True)
class Reading:
    """What is known of a prompt before anything is called.

    `parsed` is what was asked, in the light of what went before and without files that are attached; `analysis` counts
    all of it for its length, and has the task that the user named, if they named one. `said` is what the user says
    that the prompt asks for.
    """

    prompt: Prompt
    parsed: ParsedPrompt
    analysis: Analysis
    said: frozenset[Need] = frozenset()
    _counts: dict[str, Counted] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._counts[self.parsed.text] = self.parsed.tokens

    @kept_property
    def needs(self) -> Needs:
        """What the user says that the prompt asks for, or what it looks like. Few strategies want to know."""
        return told(self.said) if self.said else needs_of(self.parsed, self.analysis)

    def count(self, text: str, tokenizer: Tokenizer = Tokenizer.ANY) -> TokenCount:
        """The tokens of a text that is sent for the prompt, counted once however many calls it is sent in."""
        counted = self._counts.get(text)
        if counted is None:
            counted = self._counts[text] = Counted(text)
        return counted.tokens(tokenizer)


class OfReading:
    """What rests on the reading of one prompt."""

    __slots__ = ()
    reading: Reading

    @property
    def prompt(self) -> Prompt:
        """The prompt that was read."""
        return self.reading.prompt

    @property
    def analysis(self) -> Analysis:
        """The prompt's analysis."""
        return self.reading.analysis


def read_prompt(prompt: Prompt, options: RunOptions, analyzer: ComplexityAnalyzer) -> Reading:
    """Read a prompt. Raises ConfigError for a scorer of the user's own that fails, and UsageError for a saving with
    one."""
    parsed, analysis = analyzer.read(prompt.asked, saving=options.saving)
    if not prompt.is_alone:
        parsed, analysis = _in_light(prompt, parsed, analysis, analyzer, options.saving)
    reading = Reading(prompt, parsed, analysis, _said(options))
    if prompt.attached or not prompt.is_alone:
        texts = (prompt.text, *(turn.content for turn in (*prompt.before, *prompt.after)))
        analysis = replace(analysis, input_tokens=sum(reading.count(text).expected for text in texts))
    if options.task in _TASKS:
        analysis = replace(analysis, task=options.task or analysis.task)
    return reading if analysis is reading.analysis else replace(reading, analysis=analysis)


def _said(options: RunOptions) -> frozenset[Need]:
    """What the user says that the prompt asks for."""
    flags = ((Need.CRITICAL, options.critical), (Need.ROUTINE, options.routine))
    return frozenset((*map(Need, options.requires), *[need for need, given in flags if given]))


def _in_light(
    prompt: Prompt, own: ParsedPrompt, analysis: Analysis, analyzer: ComplexityAnalyzer, saving: float | None
) -> tuple[ParsedPrompt, Analysis]:
    """The question with what it leans on, unless it is harder by itself. A strict form is asked for by the question
    itself: who wanted a number before and asks why now wants no number."""
    from .light import in_light  # most prompts stand alone

    text = in_light(prompt)
    if text == own.text:
        return own, analysis
    whole = parse_prompt(text)
    if whole.form in _STRICT:
        whole = replace(whole, form=own.form)
    together = analyzer.analyze(whole, saving=saving)
    return (own, analysis) if together.score < analysis.score else (whole, together)
