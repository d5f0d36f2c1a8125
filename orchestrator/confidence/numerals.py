"""The numbers that a text writes in digits, by value, and the units that they are in."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from ..expressions import expression
from ..reading.prose import EDGE_CHARS

_MOST_DIGITS, _LARGEST_EXPONENT = 40, 100
_LONGEST = 64  # characters that so many digits can take, with commas between them and spaces around a bar

_NUMBER = expression(
    r"(?<![\w.])-?(?:(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|\.\d+)(?:\s{0,3}/\s{0,3}\d+(?![\d/]))?(?:e[+-]?\d+)?"
)

# What a text has where there is anything to do, the pattern, and what is written for it.
_LATEX: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("\u2212", expression("\u2212"), "-"),  # the sign for minus
    ("\\", expression(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"\1/\2"),
    ("\\", expression(r"\\(?:text|mathrm|mathbf|textbf|operatorname|mbox)\s*\{([^{}]*)\}"), r" \1 "),
    ("\\", expression(r"\\(?:left|right|displaystyle|[,;!: ])"), ""),
    ("\\", expression(r"\\(?:times|cdot)"), "*"),
    ("<<", expression(r"<<[^<>\n]{0,200}>>"), ""),  # a calculator's working, as some models were taught to write it
    (",", expression(r"(?<=\d),\\?,?(?=\d{3}\b)"), ","),
    ("\\circ", expression(r"\^\{?\\circ\}?"), " degrees "),
    ("\\", expression(r"\\([%$#&_{}])"), r"\1"),
    ("\\", expression(r"\\[()\[\]]"), " "),
    ("$", expression(r"\$"), " "),
)


def unlatex(text: str) -> str:
    """A text with its LaTeX written plainly, as far as numbers and words go."""
    for mark, pattern, plain in _LATEX:
        if mark in text:
            text = pattern.sub(plain, text)
    return text


def edges(text: str) -> str:
    """A text, of a very long one its beginning and its end."""
    return text if len(text) <= 2 * EDGE_CHARS else text[:EDGE_CHARS] + "\n" + text[-EDGE_CHARS:]


def numbers_in(text: str) -> list[Fraction]:
    """Every number that a text writes in digits, in order. Of a very long text the beginning and the end are read."""
    return plain_numbers(unlatex(edges(text)))


def plain_numbers(text: str) -> list[Fraction]:
    """Every number of a text without LaTeX, in order."""
    return [value for written in _NUMBER.findall(text) if (value := _value(written)) is not None]


def _value(written: str) -> Fraction | None:
    return None if len(written) > _LONGEST else _value_of(written)


@lru_cache(4_096)  # a worked answer writes each of its numbers several times
def _value_of(written: str) -> Fraction | None:
    if len(written) < _MOST_DIGITS and written.isdecimal():  # most of them
        return Fraction(int(written))
    whole = written.replace(",", "").replace(" ", "")
    if len(whole) > _MOST_DIGITS:
        return None
    above, _, below = whole.partition("/")
    try:
        exponent = re.search(r"e([+-]?\d+)", above)
        if exponent is not None and abs(int(exponent.group(1))) > _LARGEST_EXPONENT:
            return None
        return Fraction(Decimal(above)) / (int(below) if below else 1)
    except (ArithmeticError, ValueError):
        return None


# -- quantities -----------------------------------------------------------------------------------------------------


class Quantity(NamedTuple):
    """A number, and the name of its unit in `UNITS`; empty where it has none that is known."""

    value: Fraction
    unit: str


# Names of units that stand for one another, by what they measure, and how many of the first one each is.
_UNITS: tuple[tuple[str, dict[str, str]], ...] = (
    ("length", {"m metre meter": "1", "km kilometre kilometer": "1000", "cm centimetre centimeter": "1/100",
                "mm millimetre millimeter": "1/1000", "mile mi": "1609.344", "foot feet ft": "0.3048",
                "inch inches": "0.0254", "yard yd": "0.9144"}),
    ("mass", {"kg kilogram": "1", "g gram": "1/1000", "mg milligram": "1/1000000", "tonne": "1000",
              "pound lb": "0.45359237", "ounce oz": "0.028349523125"}),
    ("time", {"second sec s": "1", "minute min": "60", "hour hr h": "3600", "day": "86400", "week": "604800",
              "ms millisecond": "1/1000"}),
    ("months", {"month": "1", "year yr": "12", "decade": "120", "century centuries": "1200"}),
    ("volume", {"litre liter l": "1", "ml millilitre milliliter": "1/1000", "gallon": "3.785411784"}),
    ("dollars", {"$ dollar usd": "1", "cent ¢": "1/100"}),
    ("euros", {"€ euro eur": "1"}),
    ("pounds", {"£ gbp": "1", "pence": "1/100"}),
    ("yen", {"¥ yen jpy": "1"}),
    ("share", {"% percent": "1/100"}),
    ("celsius", {"°c celsius": "1"}),
    ("fahrenheit", {"°f fahrenheit": "1"}),
    ("kelvin", {"k kelvin": "1"}),
    ("speed", {"mph": "1", "kph kmh": "0.621371192"}),
    ("information", {"byte": "1", "kb kilobyte": "1000", "mb megabyte": "1000000", "gb gigabyte": "1000000000"}),
)  # fmt: skip
UNITS: dict[str, tuple[str, Fraction]] = {
    name: (measures, Fraction(factor)) for measures, units in _UNITS for names, factor in units.items()
    for name in names.split()
}  # fmt: skip

_UNIT = expression(r"[$€£¥¢%]|°\s?[a-z]|[a-z]+")
# Words that make more of a number than the number: a bound, a denial, a part of another.
_MORE = expression(
    r"(?i)\b(?:not|no|never|than|least|most|under|over|above|below|between|almost|nearly|minus|negative|up|or|of|and"
    r"|thousand|million|billion|trillion|dozen|hundred|half|third|quarter|squared?|cubed?|per|times|before|after|ago"
    r"|am|pm|bc|ad|bce|ce|i|pi|sqrt|root|log|ln|mod)\b|n't\b|[+*^_=√π<>≤≥±×!:|\\{}\[\];]|\d\s*[-–]\s*\d|[a-z]/[a-z]|\)\s*\(|[\'\"]"
)
_STUCK = expression(r"(?:\d([^\W\d_]+)|[^\W\d_]\d)")  # letters right beside a digit: a unit, or no number
_DIGIT = expression(r"\d")
_MOST_WORDS = 3


def quantity_in(text: str) -> Quantity | None:
    """The quantity that a text is, and nothing but it: one number with at most a unit or a few words beside it."""
    if not _DIGIT.search(text):
        return None
    plain = unlatex(text.replace("\\$", "$")) if "\\" in text or "<" in text or "\u2212" in text else text
    lowered = re.sub(r"(?<=\d)\s*degrees?\b", "°", plain.lower().replace("km/h", "kph"))
    lowered = re.sub(r"([$€£¥])\s*-", r"-\1", lowered)
    bare = re.sub(r"[$€£¥]", "", lowered)
    numbers = list(_NUMBER.finditer(bare))
    if len(numbers) != 1 or (value := _value(numbers[0].group())) is None:
        return None
    beside = bare[: numbers[0].start()] + " " + bare[numbers[0].end() :]
    if (stuck := _STUCK.search(bare)) and not re.match(r"e\d", bare[stuck.end() - 1 :]) and not _unit(stuck[1] or ""):
        return None
    if _MORE.search(beside) or re.search(r"\d", beside) or len(re.findall(r"[^\W\d_]+", beside)) > _MOST_WORDS:
        return None
    around = re.sub(_NUMBER_AT, " ", lowered)
    return Quantity(value, next((unit for word in _UNIT.findall(around) if (unit := _unit(word))), ""))


_NUMBER_AT = r"-?[\d,.]+(?:\s{0,3}/\s{0,3}\d+)?(?:e[+-]?\d+)?"


def _unit(word: str) -> str:
    word = word.replace(" ", "")
    return word if word in UNITS else word[:-1] if word.endswith("s") and word[:-1] in UNITS else ""


def same_quantity(one: Quantity, other: Quantity) -> float:
    """How far two quantities are the same, 0 to 1. A unit that one leaves out is that of the other; a share may also
    be meant by its value, as 0.5 by 50 %."""
    if one.unit and other.unit:
        (measures, factor), (measured, by) = UNITS[one.unit], UNITS[other.unit]
        return float(measures == measured and one.value * factor == other.value * by)
    if one.value == other.value:
        return 1.0
    share, bare = (one, other) if one.unit else (other, one)
    return float(share.unit in ("%", "percent") and share.value == 100 * bare.value)
