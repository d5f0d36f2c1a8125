"""Groups of features, for measuring what each is worth."""

from __future__ import annotations

from orchestrator.reading.features import feature_names
from orchestrator.reading.lexicon import CUES, SUBJECTS


def _rows(rows: dict[str, str]) -> list[str]:
    return [name for row in rows for name in (row, f"{row}, share")]


def _starting(*starts: str) -> list[str]:
    return [name for name in feature_names() if name.startswith(starts)]


GROUPS: dict[str, list[str]] = {
    "length": [
        "words", "words before the options", "sentences", "lines", "words a sentence", "words of the question"
    ],
    "numbers": [
        "numbers", "numbers, share", "distinct numbers", "largest number", "decimals", "percentages", "fractions",
        "prices", "years",
    ],
    "formal notation": ["formulas", "dollar signs", "operators", "symbols, share", "formula options"],
    "subjects": _rows(SUBJECTS),
    "words of quantity, condition and person": _rows(CUES),
    "form of the options": [
        "options", "option words", "longest option", "option spread", "numeric options", "judgement options",
        "name options", "of the above",
    ],
    "form of the question": [*_starting("first word", "asks ", "ends "), "questions", "blank", "negated question"],
    "passages, puzzles and statements": ["passage", "puzzle", "statements", "given text"],
    "format of prompt and answer": [
        "labelled parts", "asks for a box", "limits the answer", "no context", "formats",
    ],
    "code": ["code", "indents", "programming"],
    "kinds of words": [
        "word length", "long words, share", "very long words, share", "variety", "names, share"
    ],
    "languages": ["other scripts, share", "accents"],
    "punctuation": ["quotation marks", "commas, share"],
    "task": _starting("task: "),
}  # fmt: skip
