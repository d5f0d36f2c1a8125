"""What can be counted in a prompt: the features of the complexity score, each one that a person can read.

Counts enter as log(1 + n): the tenth number in a prompt says less than the second. Shares are of the words. The fitted
weights go by the names here, so that a feature can be added or dropped without a renumbering. Most features of a prompt
are 0: all begin so, and what counts to nothing is left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from enum import StrEnum
from functools import cache
from math import log, log1p
from typing import NamedTuple

from ..expressions import expression
from ..types import Task
from .lexicon import CUES, SUBJECTS, rows_of_words
from .prose import Prose

_LONGEST = 16_000  # characters of a prompt that are counted in
_CLAUSE = 400  # characters from the end, in which the last clause is looked for


class Family(StrEnum):
    """The form of a prompt. Each has weights of its own: what makes one form hard says little of another."""

    CHOICE = "multiple choice"  # a bare question with lettered options
    PROBLEM = "word problem"  # quantities in a few sentences, and a question about them
    OPEN = "open"  # everything else


class Options(NamedTuple):
    """Lettered options: their texts, and where in the prompt the first begins and the last ends."""

    texts: tuple[str, ...]
    start: int
    end: int


class Features(NamedTuple):
    """`values` has the value of each name of FEATURES."""

    family: Family
    values: dict[str, float]
    option_count: int
    number_count: int
    word_count: int


_WORD = expression(r"[^\W_]+(?:'[a-z]+)?")
_OPTION = expression(r"(?m)^[ \t]*\(?([A-J])[.):][ \t]*(\S.*)$")
_INLINE_OPTION = expression(r"(?:^|\s)\(?([A-J])\)[ \t]*(\S[^()\n]{0,300}?)(?=\s+\(?[A-J]\)|\n|$)")
_NUMBER = expression(r"[0-9][0-9,]*(?:\.[0-9]+)?")
_SENTENCE_END = expression(r"[.!?](?=\s|$)")
_OPERATOR = expression(r"[=^+*<>≤≥×÷∀∃→⊃~•]")
_LATEX = expression(r"\\[a-zA-Z]+")
_FRACTION = expression(r"[0-9] ?/ ?[0-9]|\\frac")
_MONEY = expression(r"[$£€][0-9]")
_NAME = expression(r"[A-Z](?<=[a-z,] [A-Z])[a-z]+")  # it begins with the capital, to which the engine skips
_NEGATED = expression(r"\b(?:NOT|EXCEPT|LEAST|except)\b")
_NEGATIONS = ("NOT", "EXCEPT", "LEAST", "except")
_LABEL = expression(
    r"(?m)^[ \t]*(?:[Cc]ontext|[Qq]uestion|[Pp]assage|[Pp]aragraph|[Ii]nput|[Pp]remise|Text)[ \t]*:|Question: "
)
_INDENT = expression(r"(?m)^(?: {2,}|\t)\S")
_FOREIGN = expression(r"[\u0250-\U0010ffff]+")
_ACCENT = expression(r"[\u00c0-\u024f]")
_NUMERIC_OPTION = expression(r"[-$(]*[0-9./]")
_FORMULA = expression(r"[=^\\]|\b[a-z]\b ?[(/+*-]")
_JUDGEMENT = expression(r"(?i)(?:true|false|wrong|not wrong|yes|no)\b")
_STATEMENT = expression(r"statement ?[1i]\b")
_LAST_CLAUSE = expression(r"[.!?:]\s+")

_FIRST_WORDS = (
    "what",
    "who",
    "which",
    "how",
    "why",
    "where",
    "when",
    "write",
    "if",
    "the",
    "a",
    "an",
    "in",
    "is",
    "find",
)
_ENDINGS = {"?": "ends in ?", ":": "ends in :", ".": "ends in .", ",": "ends open"}
_ASKS = ("what", "who", "which", "how", "why", "where", "when")
_SYMBOLS = frozenset("bcdefghjklmnopqrstuvwxyz")
_ROWS = tuple((name, f"{name}, share") for name in (*SUBJECTS, *CUES))
# What a puzzle relates to each other: said in a sentence or two, and then asked about.
_RELATED = ("comparisons", "kinship", "positions", "conditions", "quantifiers", "times", "number words", "multiples")


def read_features(prompt: str, prose: Prose, task: Task) -> Features:
    """Count what there is to count. Any string will do; of a very long one the first part is read."""
    text = prompt.strip()[:_LONGEST]
    options = _options(text)
    stem = text[: options.start] if options else text
    low = text.lower()
    words = _WORD.findall(low)
    stem_words = _WORD.findall(low[: len(stem)]) if options else words
    numbers = _NUMBER.findall(stem)
    values = _NOTHING_COUNTED.copy()
    _count_rows(words, values)
    if options:
        _measure_options(options.texts, values)
    if numbers:
        _measure_numbers(numbers, stem, len(stem_words), values)
    _measure_signs(stem, low, values)
    _measure_form(text, stem, low, values)
    _measure_question(stem, stem_words, values)
    _measure_vocabulary(text, stem, words, stem_words, values)
    values[f"task: {task}"] = 1.0
    values["short sum"] = float(bool(numbers) and len(words) < 8 and task is Task.MATH)
    family = _family(options, values, task, len(words), len(numbers)) if not prose.logs else Family.OPEN
    return Features(family, values, len(options.texts) if options else 0, len(numbers), len(words))


def _family(options: Options | None, values: dict[str, float], task: Task, words: int, numbers: int) -> Family:
    if values["labelled parts"] or (values["asks for a box"] and options):
        return Family.OPEN
    if options:
        return Family.CHOICE
    quantities = numbers + values["number words"] + values["multiples"]
    asked = values["questions"] or values["calculations"]
    if quantities >= 1.5 and asked and 10 <= words < 200 and task is not Task.CODE and not values["code"]:
        return Family.PROBLEM
    return Family.OPEN


def _options(text: str) -> Options | None:
    """The first run of options lettered from A on: two or more on lines of their own, or three or more in a line."""
    for pattern, at_least, mark in ((_OPTION, 2, "B"), (_INLINE_OPTION, 3, "B)")):
        run: list[re.Match[str]] = []
        if mark not in text:
            continue
        for option in pattern.finditer(text):
            if option[1] == chr(ord("A") + len(run)):
                run.append(option)
            elif len(run) >= at_least:
                break
            else:
                run = [option] if option[1] == "A" else []
        if len(run) >= at_least:
            return Options(tuple(option[2] for option in run), run[0].start(), run[-1].end())
    return None


@cache
def _rows_of_words() -> dict[str, tuple[int, ...]]:
    return rows_of_words()


def _count_rows(words: list[str], values: dict[str, float]) -> None:
    """For each row of the lexicon, how many of its words there are; for subjects also their share."""
    counts: dict[int, int] = {}
    for places in filter(None, map(_rows_of_words().get, words)):
        for place in places:
            counts[place] = counts.get(place, 0) + 1
    for place, count in counts.items():
        name, share = _ROWS[place]
        values[name] = log1p(count)
        values[share] = count / len(words)


def _measure_options(texts: tuple[str, ...], values: dict[str, float]) -> None:
    count = len(texts)
    lengths = [text.count(" ") + 1 for text in texts]
    values["options"] = float(len(texts))
    values["option words"] = log1p(sum(lengths) / count)
    values["longest option"] = log1p(max(lengths))
    values["option spread"] = log((max(lengths) + 1) / (min(lengths) + 1))
    values["numeric options"] = sum(bool(_NUMERIC_OPTION.match(text)) for text in texts) / count
    values["formula options"] = sum(bool(_FORMULA.search(text)) for text in texts) / count
    values["judgement options"] = float(any(_JUDGEMENT.match(text) for text in texts))
    values["name options"] = sum(text.istitle() for text in texts) / count
    values["of the above"] = float(any("of the above" in text or "of these" in text for text in texts))


def _measure_numbers(numbers: list[str], stem: str, words: int, values: dict[str, float]) -> None:
    amounts = [float(number.replace(",", "")) for number in numbers if len(number) < 16]
    values["numbers"] = log1p(len(numbers))
    values["numbers, share"] = len(numbers) / (words or 1)
    values["distinct numbers"] = log1p(len(set(numbers)))
    values["largest number"] = log1p(min(max(amounts, default=0.0), 1e9))
    values["decimals"] = log1p(sum("." in number for number in numbers))
    values["prices"] = log1p(len(_MONEY.findall(stem)))
    values["years"] = log1p(sum(len(number) == 4 and "1400" <= number < "2100" for number in numbers))


def _measure_signs(stem: str, low: str, values: dict[str, float]) -> None:
    values["percentages"] = log1p(stem.count("%") + low.count("percent"))
    if "/" in stem or "\\frac" in stem:
        values["fractions"] = log1p(len(_FRACTION.findall(stem)))
    if "\\" in stem:
        values["formulas"] = log1p(len(_LATEX.findall(stem)))
    values["dollar signs"] = log1p(stem.count("$"))
    values["operators"] = log1p(len(_OPERATOR.findall(stem)))


def _measure_form(text: str, stem: str, low: str, values: dict[str, float]) -> None:
    if "\n" in text:
        values["lines"] = log1p(text.count("\n"))
        values["indents"] = log1p(len(_INDENT.findall(text)))
    if "```" in text or ">>>" in text or "def " in text or "import " in text:
        values["code"] = 1.0
    if ":" in text:
        values["labelled parts"] = log1p(len(_LABEL.findall(text)))
    if "\\boxed" in text:
        values["asks for a box"] = 1.0
    if "within" in low and "sentence" in low:
        values["limits the answer"] = 1.0
    if "ontext: None" in text:
        values["no context"] = 1.0
    if low.endswith("answer:"):
        values["ends in answer"] = 1.0
    if "statement" in low and _STATEMENT.search(low):
        values["statements"] = 1.0
    values["quotation marks"] = log1p(stem.count('"') + stem.count("“"))
    values["commas, share"] = stem.count(",") / (1 + stem.count(" "))


def _measure_question(stem: str, words: list[str], values: dict[str, float]) -> None:
    end = stem.rstrip()
    last = end[-1:]
    sentences = len(_SENTENCE_END.findall(stem))
    questions = stem.count("?")
    values["sentences"] = log1p(sentences)
    values["words a sentence"] = log((len(words) or 1) / (1 + sentences))
    values["questions"] = log1p(questions)
    if (ending := _ENDINGS.get(last, "ends open" if last.isalnum() else None)) is not None:
        values[ending] = 1.0
    if "__" in stem or " _ " in stem:
        values["blank"] = 1.0
    if any(map(stem.__contains__, _NEGATIONS)) and _NEGATED.search(stem):
        values["negated question"] = 1.0
    if len(words) > 120 and last == "?" and questions <= 3:
        values["passage"] = 1.0
    told = questions and sentences >= 2 and len(words) <= 120 and not values["options"] and not values["labelled parts"]
    if told:
        values["puzzle"] = min(1.0, sum(map(values.__getitem__, _RELATED)) / 3)
    if words and words[0] in _FIRST_WORDS:
        values[f"first word {words[0]}"] = 1.0
    asked = set(_LAST_CLAUSE.split(end[-_CLAUSE:])[-1].lower().replace("?", " ").split())
    for word in asked.intersection(_ASKS):
        values[f"asks {word}"] = 1.0
    if "how" in asked and not asked.isdisjoint(("many", "much")):
        values["asks how many"] = 1.0
    values["words of the question"] = log1p(len(asked))


def _measure_vocabulary(
    text: str, stem: str, words: list[str], stem_words: list[str], values: dict[str, float]
) -> None:
    count = len(stem_words) or 1
    lengths = sorted(map(len, stem_words))
    values["words"] = log(len(words) or 1)
    values["words before the options"] = log(count)
    values["word length"] = sum(lengths) / count
    values["long words, share"] = (len(lengths) - bisect_left(lengths, 9)) / count
    values["very long words, share"] = (len(lengths) - bisect_left(lengths, 12)) / count
    values["variety"] = len(set(stem_words)) / count**0.5
    if lengths[:1] == [1]:
        values["symbols, share"] = sum(map(_SYMBOLS.__contains__, stem_words)) / count
    values["names, share"] = len(_NAME.findall(stem)) / count
    if not text.isascii():
        values["other scripts, share"] = sum(map(len, _FOREIGN.findall(text))) / len(text)
        if _ACCENT.search(text):
            values["accents"] = 1.0


# In the order of the weights.
_COUNTED = (
    *(name for names in _ROWS for name in names),
    *("options", "option words", "longest option", "option spread", "numeric options", "formula options"),
    *("judgement options", "name options", "of the above"),
    *(
        "numbers",
        "numbers, share",
        "distinct numbers",
        "largest number",
        "decimals",
        "percentages",
        "fractions",
        "prices",
    ),
    *("years", "formulas", "dollar signs", "operators"),
    *("lines", "indents", "code", "labelled parts", "asks for a box", "limits the answer", "no context"),
    *("ends in answer", "statements", "quotation marks", "commas, share"),
    *("sentences", "words a sentence", "questions", "ends in ?", "ends in :", "ends in .", "ends open", "blank"),
    *("negated question", "passage", "puzzle"),
    *(f"first word {word}" for word in _FIRST_WORDS),
    *(f"asks {word}" for word in _ASKS),
    *("asks how many", "words of the question", "words", "words before the options", "word length"),
    *("long words, share", "very long words, share", "variety", "symbols, share", "names, share"),
    *("other scripts, share", "accents"),
)
_NOTHING_COUNTED = dict.fromkeys(_COUNTED, 0.0)


def feature_names() -> tuple[str, ...]:
    """The name of every feature, in a fixed order."""
    tasks = (Task.CHAT, *(task for task in Task if task is not Task.CHAT))
    first, *others = (f"task: {task}" for task in tasks)
    return (*_COUNTED, first, "short sum", *others)
