"""The features that counted, in words: "12 numbers", "about law", "multiple choice, 4 options"."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from .features import Features
from .lexicon import CUES, SUBJECTS

_SHOWN = 10
_LEAST = 0.02  # logits

OTHERS = "everything else"

# What a row is called, and the features that it stands for.
_ROWS: dict[str, tuple[str, ...]] = {
    "{words}": (
        "words", "words before the options", "sentences", "lines", "words a sentence", "words of the question"
    ),
    "{numbers}": ("numbers", "numbers, share", "distinct numbers", "largest number", "decimals"),
    "{options}": ("options", "option words", "longest option", "option spread", "of the above"),
    "options that are numbers or formulas": ("numeric options", "formula options"),
    "options that are names or judgements": ("name options", "judgement options"),
    "formal notation": ("formulas", "dollar signs", "operators", "symbols, share"),
    "fractions and percentages": ("fractions", "percentages"),
    "years": ("years",),
    "sums of money": ("prices", "money", "money, share"),
    "relations between quantities": (
        "rates", "multiples", "remainders", "totals", "comparisons", "number words", "units",
        "times",
    ),
    "conditions and quantifiers": ("conditions", "quantifiers", "likelihoods", "causes"),
    "a negated question": ("negated question", "negations"),
    "a passage to read": ("passage", "given text"),
    "statements to judge": ("statements",),
    "a puzzle": ("puzzle", "kinship", "positions"),
    "code": ("code", "indents", "programming"),
    "kinds of words": ("word length", "long words, share", "very long words, share", "variety"),
    "names": ("names, share",),
    "other languages": ("other scripts, share", "accents"),
    "format of the prompt": ("labelled parts", "no context", "ends in answer"),
    "format of the answer": ("asks for a box", "limits the answer", "formats"),
    "punctuation": ("quotation marks", "commas, share"),
    "persons": ("first person", "second person", "third person", "past tense"),
    "asks for advice": ("advice",),
    "asks for a piece of writing": ("writing",),
    "role play": ("role play",),
    "asks to calculate": ("calculations",),
    "asks to discuss": ("essays",),
}  # fmt: skip
_QUESTION = "form of the question"


def in_words(logits: Mapping[str, float], features: Features) -> dict[str, float]:
    """The logits of features, added up by rows that say what they are, the largest first.

    What is small, and what counts by not being there, is one row at the end.
    """
    rows: dict[str, float] = {}
    rest, values = 0.0, features.values
    for feature, logit in logits.items():
        if values.get(feature, 1.0):
            row = _row_of(feature)
            rows[row] = rows.get(row, 0.0) + logit
        else:
            rest += logit
    ranked = sorted(rows, key=lambda row: -abs(rows[row]))
    shown = [row for row in ranked[:_SHOWN] if abs(rows[row]) >= _LEAST]
    counts = {
        "words": _counted(features.word_count, "word"),
        "numbers": _counted(features.number_count, "number"),
        "options": f"multiple choice, {features.option_count} options",
    }
    named = {row.format_map(counts) if row[0] == "{" else row: rows[row] for row in shown}
    rest += sum([rows[row] for row in ranked if row not in shown])
    return named | {OTHERS: rest} if rest else named


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@cache
def _row_of(feature: str) -> str:
    for row, features in _ROWS.items():
        if feature in features or feature.removesuffix(", share") in features:
            return row
    name = feature.removesuffix(", share")
    if name in SUBJECTS:
        return f"about {name}"
    if name in CUES or feature.startswith(("task: ", "basic: ", "intermediate: ", "advanced: ", "expert: ")):
        return name
    return _QUESTION
