"""How a reply concludes: whether it points its answer out, whether anything else could be meant, and what it is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction

from ...expressions import expression
from ..code_form import parses
from ..exact import exact_form
from ..final import AnswerKind, boxes_in
from ..signal import Answer, Measure

_ENDING = 40  # characters
_DECIMALS = expression(r"\d\.\d")
_BEGINS_BOXED = expression(r"\W*\\?boxed")


def conclusion(answer: Answer) -> Iterator[Measure]:
    """Shares and switches run from 0 to 1; counts are binary logarithms."""
    final = answer.final
    boxes = len(boxes_in(answer.text))
    yield Measure("further boxes", min(3, max(0, boxes - 1)), f"{boxes} answers in boxes")
    match final.kind:
        case AnswerKind.NUMBER:
            yield from _number(answer)
        case AnswerKind.CHOICE:
            yield from _choice(answer)
        case AnswerKind.CODE:
            sound = parses(final.text)
            yield Measure("parses", float(sound), "a program that parses" if sound else "a program that does not parse")
            lines = final.text.count("\n")
            yield Measure("lines of code", math.log2(1 + lines), f"{lines} lines of code")
        case AnswerKind.LITERAL:
            reads = exact_form(final.text) is not None
            yield Measure("reads as a literal", float(reads), f"{'a' if reads else 'not a'} literal or formula")
        case _:
            words = len(final.key.split())
            yield Measure("words of the answer", math.log2(1 + words), f"an answer of {words} words")


def _number(answer: Answer) -> Iterator[Measure]:
    final, number = answer.final, Fraction(answer.final.key)
    others = len(final.others)
    yield Measure("other numbers", math.log2(1 + others), f"{others} other numbers in its last sentence")
    ends = bool(re.search(r"\d\W{0,3}$", answer.text.rstrip()))
    yield Measure("ends on a number", float(ends), "ends on its number" if ends else "does not end on its number")
    last = answer.numbers[-1:] == (number,)
    yield Measure("last number", float(last), "the last number is the answer" if last else "goes on to other numbers")
    decimal = bool(_DECIMALS.search(answer.text[-_ENDING:]))
    yield Measure("ends in decimals", float(decimal), "ends in decimals" if decimal else "ends in no decimals")
    whole = number.denominator == 1
    yield Measure("whole number", float(whole), f"the answer is {'' if whole else 'not '}a whole number")
    positive = number > 0
    yield Measure("positive", float(positive), f"the answer is {'' if positive else 'not '}more than 0")
    size = math.log10(1 + float(min(abs(number), Fraction(10**12))))
    yield Measure("size of the answer", size, "the size of the answer")
    if answer.asked is not None:
        given = number in answer.asked.numbers
        yield Measure("number of the prompt", float(given), f"the answer is {'' if given else 'not '}in the prompt")


def _choice(answer: Answer) -> Iterator[Measure]:
    options = {} if answer.asked is None else answer.asked.wanted.options
    letter = answer.final.key
    chosen = options.get(letter, "")  # nothing where it chooses several
    place = (ord(letter[0]) - ord("A")) / max(1, len(options) - 1)
    yield Measure("place of the option", place, f"option {letter} of {len(options)}")
    mean = sum(map(len, options.values())) / max(1, len(options))
    yield Measure("length of the option", math.log2((1 + len(chosen)) / (1 + mean)), "the length of the option")
    words = set(chosen.split())
    quoted = len(words & set(re.findall(r"\w+", answer.text.lower()))) / max(1, len(words))
    yield Measure("option in words", quoted, f"{quoted:.0%} of the option's words in the reply")
    discussed = sum(bool(re.search(rf"\b{letter}\b", answer.text)) for letter in options)
    yield Measure("options named", math.log2(1 + discussed), f"{discussed} options named by letter")
    first = bool(_BEGINS_BOXED.match(answer.text))
    yield Measure(
        "answers first", float(first), "answers before it explains" if first else "explains before it answers"
    )
    numeric = bool(chosen) and not re.search(r"[^\W\d_]{3}", chosen)
    yield Measure("numeric options", float(numeric), f"an option {'of' if numeric else 'not of'} numbers")
