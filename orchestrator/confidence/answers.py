"""What a reply finally answers, and how far two replies answer the same.

A reply reasons, shows and repeats; what counts is where it ends up. `final_answer` finds it: what the reply itself
marks as its answer (`\\boxed{...}`, `#### 42`, "the answer is ..."), else what the prompt asks for (one of its options,
a number, yes or no, code, JSON), else a short reply as a whole. A long text without any of these has key points only.

`same_answer` compares two replies by the strongest form that they share, from 0 (different) to 1 (the same). Numbers
are compared by value, options by letter or text, words without case and punctuation, Python by its syntax tree without
names, comments and layout, JSON by value, long texts by how many of their key points they have in common.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from ..deferred import dataclass
from ..expressions import expression
from ..reading.answer import AnswerForm
from ..reading.parsing import parse_prompt
from ..reading.prose import EDGE_CHARS, count_words
from .code_form import code_form, code_of
from .keypoints import agree, key_points

AGREES_FROM = 0.5  # of `same_answer`: the two replies say the same
_PROGRAMS = 0.45  # programs that are not of one form may still do the same, but nothing here says so
SHORT_WORDS = 12  # a reply of at most so many words is its own answer
_MOST_BOXES = 50  # the last ones
_MARKED_WORDS = 40  # what is marked as the answer but longer than this is an explanation


class AnswerKind(StrEnum):
    """What an answer can be compared as, from the most definite to the least."""

    CHOICE = "choice"
    NUMBER = "number"
    JSON = "JSON"
    CODE = "code"
    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """What a reply answers. `text` is as the reply has it; `key` is what is compared, equal for equal answers.

    `marked` says that the reply itself points it out. `others` are further numbers that might be meant instead.
    """

    kind: AnswerKind
    text: str
    key: str
    marked: bool = False
    others: tuple[str, ...] = ()


def final_answer(text: str, prompt: str | Wanted | None = None) -> FinalAnswer:
    """The final answer of a reply. Pure; any string will do. Of a very long one the beginning and the end are read."""
    return _final(_edges(text), Wanted.by(prompt))


def same_answer(one: str, other: str, prompt: str | None = None) -> float:
    """How far two replies to one prompt give the same answer, 0 to 1; they agree from `AGREES_FROM`. Symmetric."""
    wanted = Wanted.by(prompt)
    return compare(final_answer(one, wanted), final_answer(other, wanted))


def compare(one: FinalAnswer, other: FinalAnswer) -> float:
    """How far two final answers are the same, 0 to 1. Symmetric. An empty answer agrees with nothing."""
    if not one.key or not other.key:
        return 0.0
    if one.kind is not other.kind:
        return _across(one, other)
    if one.key == other.key:
        return 1.0
    match one.kind:
        case AnswerKind.NUMBER:
            return 0.6 if one.key in other.others or other.key in one.others else 0.0
        case AnswerKind.SHORT:
            return _likeness(one.key, other.key)
        case AnswerKind.LONG:
            return _shared_points(one.text, other.text)
        case AnswerKind.CODE:
            return _PROGRAMS * _words_in_common(one.key, other.key)
        case _:
            return 0.0


# -- what is asked ------------------------------------------------------------------------------------------------

_OPTION = expression(r"(?m)^[ \t]*\(?([A-Z])[.):]\)?[ \t]+(\S.{0,300}?)[ \t]*$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a prompt asks for: the form, None where it is not known, and its options by letter where it lists some."""

    form: AnswerForm | None
    options: dict[str, str]

    @classmethod
    def by(cls, prompt: str | Wanted | None) -> Wanted:
        """What a prompt's text asks for; what is known already is given back."""
        if isinstance(prompt, Wanted):
            return prompt
        return cls(None, {}) if prompt is None else cls(parse_prompt(prompt).form, options_in(prompt))


def options_in(prompt: str) -> dict[str, str]:
    """The options that a prompt lists, by letter from A on without a gap; empty if there are fewer than two."""
    options: dict[str, str] = {}
    for letter, text in _OPTION.findall(prompt[-2 * EDGE_CHARS :]):
        if letter == "A":
            options = {}
        if letter == chr(ord("A") + len(options)):
            options[letter] = _plain(text)
    return options if len(options) > 1 else {}


# -- where the answer stands --------------------------------------------------------------------------------------

_ANSWER_IS = expression(
    r"(?i)\b(?:answer|result|solution|choice|option|judg[e]?ment)"
    r"(?: (?:to|for|of) [^.:\n]{1,60}?)?(?:\*\*)?(?: (?:is|would be|should be)(?: therefore| thus)?:?|:)(?:\*\*)?\s*"
    r"(\S[^\n]{0,300})"
)
# `[^\S\n]` is white space within a line: with `\s`, each of many empty lines would be begun at, and read to the last.
_MARKS = expression(r"(?m)^[^\S\n]*####\s*(\S[^\n]{0,200})")
_JSON_FENCE = expression(r"```(?:json)?[^\S\n]*\n")
_BOLD_END = expression(r"\*\*([^*\n]{1,80})\*\*[^\w\n]*\Z")
_SENTENCE_END = expression(r"(?<=[.!?])\s+(?=\S)|\n+")


def _final(text: str, asked: Wanted) -> FinalAnswer:
    marked = _marked(text)
    if asked.options and (choice := _choice(text, marked, asked.options)) is not None:
        return choice
    if asked.form is AnswerForm.JSON and (value := json_in(text)) is not None:
        return FinalAnswer(AnswerKind.JSON, text, value)
    code = code_of(text)
    if code is not None and (asked.form is AnswerForm.CODE or (marked is None and len(code) > len(text) / 2)):
        return FinalAnswer(AnswerKind.CODE, code, code_form(code))
    if marked is not None:
        return _classified(marked, marked=True)
    if asked.form is AnswerForm.NUMBER and (number := _concluding_number(text)) is not None:
        return number
    if count_words(text) <= SHORT_WORDS:
        return _classified(text.strip(), marked=False)
    if asked.form is AnswerForm.YES_NO and (word := re.match(r"\W*(yes|no|true|false)\b", text, re.IGNORECASE)):
        return FinalAnswer(AnswerKind.SHORT, word.group(1), word.group(1).lower())
    if (number := _concluding_number(text)) is not None and number.marked:
        return number
    return FinalAnswer(AnswerKind.LONG, text, " ".join(text.split()))


def _marked(text: str) -> str | None:
    """What the reply points out as its answer: the last box, else the last mark, else the last "the answer is"."""
    boxes = boxes_in(text)
    if boxes:
        return boxes[-1]
    if marks := _MARKS.findall(text):
        return str(marks[-1])
    said = [match.group(1) for match in _ANSWER_IS.finditer(text)]
    if said:
        first = _SENTENCE_END.split(said[-1])[0].strip().strip("*").rstrip(".")
        if 0 < count_words(first) <= _MARKED_WORDS:
            return first
    bold = _BOLD_END.search(text[-400:])
    return bold.group(1) if bold and re.search(r"[0-9]", bold.group(1)) else None


def boxes_in(text: str) -> list[str]:
    """The contents of every `\\boxed{...}`, with braces balanced; doubled braces count as one pair."""
    boxes = []
    for start in list(re.finditer(r"\\(?:boxed|fbox)\s*\{", text))[-_MOST_BOXES:]:
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


def _choice(text: str, marked: str | None, options: dict[str, str]) -> FinalAnswer | None:
    """One of the options: by its letter where the reply marks one or begins with one, else by its text."""
    for place in (marked, text):
        if place is None:
            continue
        letter = _letter(place, options)
        if letter is not None:
            return FinalAnswer(AnswerKind.CHOICE, place, letter, marked=place is marked)
    whole = _plain(text)
    named = [letter for letter, option in options.items() if option and option in whole]
    if len(named) == 1:
        return FinalAnswer(AnswerKind.CHOICE, text, named[0])
    letters = re.findall(r"\b(?:[Oo]ption|[Aa]nswer|[Cc]hoice)(?: is)?:? \(?([A-Z])\)?(?!\w)", text)
    if letters and letters[-1] in options:
        return FinalAnswer(AnswerKind.CHOICE, text, letters[-1])
    return None


def _letter(text: str, options: dict[str, str]) -> str | None:
    """The option that a text is, or begins with."""
    bare = re.sub(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}", r"\1", text).strip().strip("*$ ")
    lettered = re.match(r"\(?([A-Z])(?:\)|[.:,]|\*\*|$|\s*[-–]|\s+(?:because|since|is|as)\b)", bare)
    if lettered and lettered.group(1) in options:
        return lettered.group(1)
    plain = _plain(bare)
    return next((letter for letter, option in options.items() if plain and plain == option), None)


# -- numbers ------------------------------------------------------------------------------------------------------

_NUMBER = expression(
    r"(?<![\w.])-?(?:(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|\.\d+)(?:\s{0,3}/\s{0,3}\d+(?![\d/]))?(?:e[+-]?\d+)?"
)


def number_in(text: str) -> Fraction | None:
    """The one number that a text is, units and currency aside; None if it is none or several."""
    numbers = _numbers(unlatex(text))
    return numbers[0] if len(numbers) == 1 else None


def numbers_in(text: str) -> list[Fraction]:
    """Every number that a text writes in digits, in order. Of a very long text the beginning and the end are read."""
    return _numbers(unlatex(_edges(text)))


def _numbers(text: str) -> list[Fraction]:
    numbers = []
    for match in _NUMBER.finditer(text):
        if (value := _value(match.group())) is not None:
            numbers.append(value)
    return numbers


def _value(written: str) -> Fraction | None:
    whole = written.replace(",", "").replace(" ", "")
    if len(whole) > 40:
        return None
    above, _, below = whole.partition("/")
    try:
        exponent = re.search(r"e([+-]?\d+)", above)
        if exponent is not None and abs(int(exponent.group(1))) > 100:
            return None
        return Fraction(Decimal(above)) / (int(below) if below else 1)
    except (ArithmeticError, ValueError):
        return None


def _concluding_number(text: str) -> FinalAnswer | None:
    """The number that a worked answer ends with: of those in its last sentence with a number, the one after its last
    `=`, else the one that was worked out last before ("109 years old, 10 years from now"), else the last. It counts
    as marked if the answer shows how it came about."""
    sentences = [sentence for sentence in _SENTENCE_END.split(unlatex(text).strip()) if _numbers(sentence)]
    if not sentences:
        return None
    last = sentences[-1]
    named = _numbers(last)
    worked_out = [values[0] for part in "\n".join(sentences).split("=")[1:] if (values := _numbers(part[:60]))]
    of_last = _numbers(last.rpartition("=")[2]) if "=" in last else []
    chosen = of_last[0] if of_last else next((value for value in reversed(worked_out) if value in named), named[-1])
    others = tuple(dict.fromkeys(str(value) for value in named if value != chosen))
    return FinalAnswer(AnswerKind.NUMBER, last, str(chosen), marked=chosen in worked_out, others=others)


# -- words --------------------------------------------------------------------------------------------------------


def _classified(text: str, *, marked: bool) -> FinalAnswer:
    """A short answer: a number if it is one, whatever unit it is in; else its words."""
    number = number_in(text)
    if number is not None and count_words(re.sub(r"\\?[a-z]+\{|[\d.,/{}$%\\-]+", " ", text)) <= 3:
        return FinalAnswer(AnswerKind.NUMBER, text, str(number), marked)
    if marked and (numbers := _numbers(unlatex(text))) and "=" in text:
        return FinalAnswer(AnswerKind.NUMBER, text, str(numbers[-1]), marked)
    return FinalAnswer(AnswerKind.SHORT, text, _plain(text), marked)


# A character without which there is nothing to do, the pattern, and what is written for it.
_LATEX: tuple[tuple[str, str, str], ...] = (
    ("\\", r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\1/\2"),
    ("\\", r"\\(?:text|mathrm|mathbf|textbf|operatorname|mbox)\s*\{([^{}]*)\}", r" \1 "),
    ("\\", r"\\(?:left|right|displaystyle|[,;!: ])", ""),
    ("\\", r"\\(?:times|cdot)", "*"),
    ("<", r"<<[^<>\n]{0,200}>>", ""),  # a calculator's working, as some models were taught to write it
    (",", r"(?<=\d),\\?,?(?=\d{3}\b)", ","),
    ("\\", r"\^\{?\\circ\}?", " degrees "),
    ("\\", r"\\([%$#&_{}])", r"\1"),
    ("\\", r"\\[()\[\]]", " "),
    ("$", r"\$", " "),
)


def unlatex(text: str) -> str:
    """A text with its LaTeX written plainly, as far as numbers and words go."""
    for mark, pattern, plain in _LATEX:
        if mark in text:
            text = re.sub(pattern, plain, text)
    return text


def _plain(text: str) -> str:
    """Words alone: no case, no punctuation, no article."""
    words = re.findall(r"\w+(?:[.,]\d+)*|[+<>=*/^-]", unlatex(text).lower().replace("’", "'"))
    return " ".join(word for word in words if word not in ("a", "an", "the", "-"))


def _likeness(one: str, other: str) -> float:
    """Short answers: near 1 where one holds all words of the other and is not much longer, else by their words."""
    own, theirs = set(one.split()), set(other.split())
    common = len(own & theirs)
    if {"not", "no"} & (own ^ theirs):
        return 0.0
    if common and common == min(len(own), len(theirs)):
        return 0.9 if max(len(own), len(theirs)) <= 4 * common else 0.5
    return 0.8 * _words_in_common(one, other)


def _words_in_common(one: str, other: str) -> float:
    """The F1 of the words of two texts, each counted once."""
    own, theirs = set(one.split()), set(other.split())
    return 2 * len(own & theirs) / (len(own) + len(theirs)) if own and theirs else 0.0


def _shared_points(one: str, other: str) -> float:
    """The part of the key points of two texts that both have (F1 over points)."""
    own, theirs = key_points(one), key_points(other)
    if not own or not theirs:
        return 0.0
    of_own = sum(any(agree(point, match) for match in theirs) for point in own)
    of_theirs = sum(any(agree(point, match) for match in own) for point in theirs)
    return (of_own + of_theirs) / (len(own) + len(theirs))


def _across(one: FinalAnswer, other: FinalAnswer) -> float:
    """Answers of different kinds: a short one may stand in a long one; a number among other words."""
    kinds = {one.kind, other.kind}
    if kinds == {AnswerKind.NUMBER, AnswerKind.SHORT}:
        number, words = (one, other) if one.kind is AnswerKind.NUMBER else (other, one)
        return 0.6 if number.key in {str(value) for value in _numbers(words.text)} else 0.0
    if AnswerKind.LONG in kinds:
        long, short = (one, other) if one.kind is AnswerKind.LONG else (other, one)
        if short.kind is AnswerKind.NUMBER:
            ending = _concluding_number(long.text)
            return 0.6 if ending is not None and short.key in (ending.key, *ending.others) else 0.0
        if short.kind is AnswerKind.SHORT and short.key:
            return 0.6 if f" {short.key} " in f" {_plain(long.text)} " else 0.0
    return 0.0


def json_in(text: str) -> str | None:
    """The JSON value that a reply holds, in one form for equal values; None if there is none."""
    fenced = _fenced(text)
    body = text if fenced is None else fenced
    start = min((at for at in (body.find("{"), body.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(body[start:])
        return json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):  # writing nests a little deeper than reading, and may fail where that did not
        return None


def _fenced(text: str) -> str | None:
    """What stands between the first fence for JSON, or for nothing in particular, and the one that ends it; None
    without both. A reply of any length goes through here whole: the time grows with its length and no faster."""
    opening = _JSON_FENCE.search(text)
    if opening is None:
        return None
    end = text.find("```", opening.end())
    return None if end < 0 else text[opening.end() : end]


def _edges(text: str) -> str:
    return text if len(text) <= 2 * EDGE_CHARS else text[:EDGE_CHARS] + "\n" + text[-EDGE_CHARS:]
