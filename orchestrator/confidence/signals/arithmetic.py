"""The sums in a reply, worked out again: a model that adds wrongly is seldom right in the end."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from ...expressions import expression
from ..numerals import unlatex
from ..signal import Answer, Measure

_LEFT = frozenset("0123456789.,()%$+-*/x×÷ ")
_RESULT = expression(r"\s{0,3}\$?\s{0,3}(-?(?:\d[\d,]{0,20})?(?:\.\d{1,20})?)(?!\d|\s{0,3}[-+*/x×÷]\s{0,3}[\d(])")
_OPERATION = expression(r"[\d)%]\s*[-+*/x×÷]\s*[\d($.-]")
_MOST_SUMS, _LONGEST_SUM = 60, 80
_LONGEST_INTEGER = 30  # digits: a bound on what is worked out here
_SIGNS = str.maketrans({"x": "*", "×": "*", "÷": "/", "$": "", ",": ""})
_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def arithmetic(answer: Answer) -> Iterator[Measure]:
    """Right sums (binary logarithm of their count) and wrong ones (2 at most); nothing where there are none."""
    right, wrong = check_sums(answer.text)
    if right or wrong:
        yield Measure("right sums", math.log2(1 + right), f"{right} sums that are right")
        yield Measure("wrong sums", min(2, wrong), f"{wrong} sums that are wrong" if wrong else "no sum that is wrong")


def check_sums(text: str) -> tuple[int, int]:
    """How many of the sums that a text works out are right, and how many wrong. Rounding to the digits shown is right,
    and so is a share given as a percentage."""
    right = wrong = 0
    for left, result in _sums(unlatex(text)) if "=" in text else ():
        value, shown = evaluate(left), evaluate(result)
        if value is None or shown is None:
            continue
        tolerance = Fraction(1, 2 * 10 ** len(result.partition(".")[2]))
        if abs(value - shown) <= tolerance or abs(100 * value - shown) <= tolerance:
            right += 1
        else:
            wrong += 1
    return right, wrong


def _sums(text: str) -> Iterator[tuple[str, str]]:
    """What stands left and right of the first equals signs: a sum, and one number that nothing is done with."""
    places = [match.start() for match in re.finditer("=", text)][:_MOST_SUMS]
    for place in places:
        start = place
        while start > max(0, place - _LONGEST_SUM) and text[start - 1] in _LEFT:
            start -= 1
        left = text[start:place].strip(" x,.*/+")
        result = _RESULT.match(text, place + 1)
        if result and result.group(1).strip("-") and _OPERATION.search(left):
            yield left, result.group(1)


def evaluate(written: str) -> Fraction | None:
    """The exact value of a sum as people write it; None for what is none, or divides by nothing."""
    plain = re.sub(r"(?<![\d.])0+(?=\d)", "", written.translate(_SIGNS).replace("%", "/100"))
    if len(plain) > _LONGEST_SUM or re.search(rf"\d{{{_LONGEST_INTEGER}}}", plain):
        return None
    try:
        return _worth(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return None


def _worth(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(str(value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_worth(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_worth(left), _worth(right))
        case _:
            raise ValueError("not a sum")
