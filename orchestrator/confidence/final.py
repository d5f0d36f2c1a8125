"""Where the answer of a reply stands, and what it is.

It is what the reply itself marks as its answer (`\\boxed{...}`, `#### 42`, the answer field of a JSON object, "the
answer is ..."), else what the prompt asks for (one of its options, a number, yes or no, code, JSON), else a short reply
as a whole. A long text without any of these has key points only.
"""

from __future__ import annotations

import re
from enum import StrEnum

from ..deferred import dataclass
from ..expressions import expression
from ..reading.answer import AnswerForm
from ..reading.prose import count_words
from .code_form import code_form, code_of
from .dates import dated
from .exact import exact_form, is_quoted
from .json_answers import answer_field, json_in
from .numerals import edges, plain_numbers, quantity_in, unlatex
from .wanted import Wanted
from .words import plain_words

SHORT_WORDS = 12  # a reply of at most so many words is its own answer
_MOST_BOXES = 50  # the last ones
_MARKED_WORDS = 40  # what is marked as the answer but longer than this is an explanation


class AnswerKind(StrEnum):
    """What an answer can be compared as, from the most definite to the least."""

    CHOICE = "choice"
    NUMBER = "number"
    LITERAL = "literal"
    JSON = "JSON"
    CODE = "code"
    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """What a reply answers. `text` is as the reply has it; `key` is what is compared, equal for equal answers.

    `marked` says that the reply itself points it out. `others` are further numbers that might be meant instead; `unit`
    is the number's, by a name of `numerals.UNITS`. `is_exact`: the prompt asks for a literal, in which all signs count.
    """

    kind: AnswerKind
    text: str
    key: str
    marked: bool = False
    others: tuple[str, ...] = ()
    unit: str = ""
    is_exact: bool = False

    @property
    def is_quoted(self) -> bool:
        """Whether it is one quoted string."""
        return self.kind is AnswerKind.LITERAL and is_quoted(self.text)


def final_answer(text: str, prompt: str | Wanted | None = None) -> FinalAnswer:
    """The final answer of a reply. Pure; any string will do. Of a very long one the beginning and the end are read."""
    return _final(edges(text), Wanted.by(prompt))


# -- where the answer stands --------------------------------------------------------------------------------------

_ANSWER_IS = expression(
    r"(?i)\b(?:answer|result|solution|choice|option|judg[e]?ment)"
    r"(?: (?:to|for|of) [^.:\n]{1,60}?)?(?:\*\*)?(?: (?:is|would be|should be)(?: therefore| thus)?:?|:)(?:\*\*)?\s*"
    r"(\S[^\n]{0,300})"
)
# `[^\S\n]` is white space within a line: with `\s`, each of many empty lines would be begun at, and read to the last.
_MARKS = expression(r"(?m)^[^\S\n]*####\s*(\S[^\n]{0,200})")
_BOLD_END = expression(r"\*\*([^*\n]{1,80})\*\*[^\w\n]*\Z")
_SENTENCE_END = expression(r"(?<=[.!?])\s+(?=\S)|\n+")
_BEGINS_A_LITERAL = expression(r"""[(\[{'"]""")


def _final(text: str, asked: Wanted) -> FinalAnswer:
    marked = _marked(text)
    if asked.options and (choice := _choice(text, marked, asked.options)) is not None:
        return choice
    if asked.form is AnswerForm.JSON and (value := json_in(text)) is not None:
        field = answer_field(text)
        return FinalAnswer(AnswerKind.JSON, text, value) if field is None else _classified(field, asked, marked=True)
    code = code_of(text)
    if code is not None and asked.is_exact and (form := exact_form(code.strip())) is not None:
        return _exact(code.strip(), form, marked=True, exact=True)
    if code is not None and (asked.form is AnswerForm.CODE or (marked is None and len(code) > len(text) / 2)):
        return FinalAnswer(AnswerKind.CODE, code, code_form(code))
    if marked is not None:
        return _classified(marked, asked, marked=True)
    if asked.form is AnswerForm.NUMBER and (number := concluding_number(text)) is not None:
        return number
    if count_words(text) <= SHORT_WORDS:
        return _classified(text.strip(), asked, marked=False)
    if asked.form is AnswerForm.YES_NO and (word := re.match(r"\W*(yes|no|true|false)\b", text, re.IGNORECASE)):
        return FinalAnswer(AnswerKind.SHORT, word.group(1), word.group(1).lower())
    if (number := concluding_number(text)) is not None and number.marked:
        return number
    return FinalAnswer(AnswerKind.LONG, text, " ".join(text.split()))


def _marked(text: str) -> str | None:
    """What the reply points out as its answer: the last box, else the last mark, else the answer field of a JSON
    object, else the last "the answer is"."""
    boxes = boxes_in(text)
    if boxes:
        return boxes[-1]
    if "####" in text and (marks := _MARKS.findall(text)):
        return str(marks[-1])
    if (field := answer_field(text)) is not None:
        return field
    said = [match.group(1).strip() for match in _ANSWER_IS.finditer(text)]
    if said:
        if _BEGINS_A_LITERAL.match(said[-1]) and exact_form(said[-1].rstrip(".")) is not None:
            return said[-1].rstrip(".")
        first = _SENTENCE_END.split(said[-1])[0].strip().strip("*").rstrip(".")
        if re.search(r"\S", first) and count_words(first) <= _MARKED_WORDS:
            return first
    bold = _BOLD_END.search(text[-400:])
    return bold.group(1) if bold and re.search(r"[0-9]", bold.group(1)) else None


_BOX = expression(r"\\(?:boxed|fbox)\s*\{")


def boxes_in(text: str) -> list[str]:
    """The contents of every `\\boxed{...}`, with braces balanced; doubled braces count as one pair."""
    boxes: list[str] = []
    if "box" not in text:
        return boxes
    for start in list(_BOX.finditer(text))[-_MOST_BOXES:]:
        depth, at = 1, start.end()
        while at < len(text) and depth and at - start.end() < 2_000:
            depth += (text[at] == "{") - (text[at] == "}")
            at += 1
        content = text[start.end() : at - 1 if depth == 0 else at].strip()
        while content.startswith("{") and content.endswith("}"):
            content = content[1:-1].strip()
        if content:
            boxes.append(content)
    return boxes


# -- options ------------------------------------------------------------------------------------------------------

_IN_TEXT_MARKS = expression(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}")
_SEVERAL = expression(r"\(?([A-Z])\)?(?:\s*(?:,|&|and|,\s*and)\s*\(?([A-Z])\)?)+(?![\w'])")


def _choice(text: str, marked: str | None, options: dict[str, str]) -> FinalAnswer | None:
    """One of the options: by its letter where the reply marks one or begins with one, else by its text."""
    for place in (marked, text):
        if place is None:
            continue
        letter = _letter(place, options)
        if letter is not None:
            return FinalAnswer(AnswerKind.CHOICE, place, letter, marked=place is marked)
    whole = plain_words(text)
    named = [letter for letter, option in options.items() if option and option in whole]
    if len(named) == 1:
        return FinalAnswer(AnswerKind.CHOICE, text, named[0])
    letters = re.findall(r"\b(?:[Oo]ption|[Aa]nswer|[Cc]hoice)(?: is)?:? \(?([A-Z])\)?(?!\w)", text)
    if letters and letters[-1] in options:
        return FinalAnswer(AnswerKind.CHOICE, text, letters[-1])
    return None


def _letter(text: str, options: dict[str, str]) -> str | None:
    """The option that a text is, or begins with; of several that it lists, all of them."""
    bare = _IN_TEXT_MARKS.sub(r"\1", text).strip().strip("*$ ")
    several = _SEVERAL.match(bare)
    if several and (letters := re.findall(r"[A-Z]", several.group())) and all(letter in options for letter in letters):
        return ",".join(sorted(set(letters)))
    lettered = re.match(r"\(?([A-Z])(?:\)|[.:,]|\*\*|$|\s*[-–]|\s+(?:because|since|is|as)\b)", bare)
    if lettered and lettered.group(1) in options:
        return lettered.group(1)
    plain = plain_words(bare)
    return next((letter for letter, option in options.items() if plain and plain == option), None)


# -- numbers and words --------------------------------------------------------------------------------------------


def concluding_number(text: str) -> FinalAnswer | None:
    """The number that a worked answer ends with: of those in its last sentence with a number, the one after its last
    `=`, else the one that was worked out last before ("109 years old, 10 years from now"), else the last. It counts
    as marked if the answer shows how it came about."""
    sentences = [sentence for sentence in _SENTENCE_END.split(unlatex(text).strip()) if plain_numbers(sentence)]
    if not sentences:
        return None
    last = sentences[-1]
    named = plain_numbers(last)
    worked_out = [values[0] for part in "\n".join(sentences).split("=")[1:] if (values := plain_numbers(part[:60]))]
    of_last = plain_numbers(last.rpartition("=")[2]) if "=" in last else []
    chosen = of_last[0] if of_last else next((value for value in reversed(worked_out) if value in named), named[-1])
    others = tuple(dict.fromkeys(str(value) for value in named if value != chosen))
    return FinalAnswer(AnswerKind.NUMBER, last, str(chosen), marked=chosen in worked_out, others=others)


_DEFINED = expression(r"[A-Za-z]\w?(?:\([a-z]\))?\s*(?:=|≈|:=)\s*(?=\S)")
_DENIED = expression(r"(?i)\b(?:not|never|no)\b|n't\b|≠|!=|\\ne")


def _classified(text: str, asked: Wanted, *, marked: bool) -> FinalAnswer:
    """A short answer: a literal or a formula if it is one, a number whatever unit it is in, a date; else its words."""
    bare = _unwrapped(text)
    exact = asked.is_exact
    if (quantity := quantity_in(bare)) is not None:
        return FinalAnswer(AnswerKind.NUMBER, text, str(quantity.value), marked, unit=quantity.unit, is_exact=exact)
    if not bare or bare in _IN_WORDS:
        return FinalAnswer(AnswerKind.SHORT, text, plain_words(text), marked, is_exact=exact)
    defined = _DEFINED.match(bare)
    form = exact_form(bare) or (exact_form(bare[defined.end() :]) if defined else None)
    if form is not None:
        return _exact(bare, form, marked=marked, exact=exact)
    if marked and "=" in text and not _DENIED.search(text) and (numbers := plain_numbers(unlatex(text))):
        ending = quantity_in(bare.rpartition("=")[2].strip())
        if ending is not None:
            return FinalAnswer(AnswerKind.NUMBER, text, str(ending.value), marked, unit=ending.unit)
        others = tuple(dict.fromkeys(map(str, numbers)))
        return FinalAnswer(AnswerKind.SHORT, text, plain_words(text), marked, others=others)
    if exact:
        return FinalAnswer(AnswerKind.LITERAL, text, bare, marked, is_exact=True)
    return FinalAnswer(AnswerKind.SHORT, text, dated(bare) or plain_words(bare), marked)


def _exact(text: str, form: str, *, marked: bool, exact: bool) -> FinalAnswer:
    kind = AnswerKind.NUMBER if re.fullmatch(r"-?\d+(?:/\d+)?", form) else AnswerKind.LITERAL
    return FinalAnswer(kind, text, form, marked, is_exact=exact)


_IN_WORDS = frozenset(("True", "False", "None"))
_WRAPPINGS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"), ("\\text{", "}"))


def _unwrapped(text: str) -> str:
    """A short answer without the marks of layout around it, and without the full stop of its sentence."""
    bare = text.strip()
    for _ in range(4):
        before = bare
        for opening, closing in _WRAPPINGS:
            if bare.startswith(opening) and bare.endswith(closing):
                inside = bare[len(opening) : -len(closing)]
                if inside.strip() and opening not in inside:
                    bare = inside.strip()
        if bare.endswith(".") and not bare.endswith(".."):
            bare = bare[:-1].rstrip()
        if bare == before:
            break
    return bare
