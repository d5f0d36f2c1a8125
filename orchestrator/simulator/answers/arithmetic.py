"""Arithmetic that is really done: exact, and with bounds on the size of what is computed."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from math import isqrt

from ...expressions import expression

_MAX_CHARACTERS = 120
_MAX_EXPONENT = 64
_MAX_BITS = 512
_DECIMALS = 6

_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (expression(pattern, re.IGNORECASE), symbol)
    for pattern, symbol in (
        (r"(\d+(?:\.\d+)?)\s*(?:%|percent) of", r"\1/100*"),
        (r"\b(?:multiplied by|times)\b|(?<=\d)\s*[x×·]\s*(?=\d)", "*"),
        (r"\bdivided by\b|÷", "/"),
        (r"\bplus\b", "+"),
        (r"\bminus\b|−", "-"),
        (r"\b(?:to the power of|raised to)\b|\^", "**"),
        (r"\bsquared\b", "**2"),
        (r"\bcubed\b", "**3"),
        (r"\b(?:the )?square root of (\d+)|\bsqrt\((\d+)\)", r"root(\1\2)"),
        (r"(?<=\d),(?=\d{3}\b)", ""),
    )
)
_DATE = expression(r"\b\d{4}-\d{1,2}-\d{1,2}\b")
_EXPRESSION = expression(r"(?:root\(|[-(]|\b(?=\d))[\d\s.+\-*/%()root]*[\d)]")
_CUE = expression(
    r"\b(?:what(?:'s| is| are)|calculate|compute|how much|evaluate|solve|work out|add|sum)\b|=|^[\s\d(.]", re.I
)

_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
}


def solve(text: str) -> tuple[str, str] | None:
    """The expression that a question asks to be worked out, and its value; None if it asks for none."""
    if len(text) > 4 * _MAX_CHARACTERS or not _CUE.search(text) or _DATE.search(text):
        return None
    for pattern, symbol in _WORDS:
        text = pattern.sub(symbol, text)
    candidates = [found.strip() for found in _EXPRESSION.findall(text)]
    expression = max(candidates, key=len, default="")
    if not re.search(r"\d\s*[-+*/%]|root\(", expression):
        return None
    value = evaluate(expression)
    return None if value is None else (_shown(expression), number(value))


def evaluate(expression: str) -> Fraction | None:
    """The value of an expression in + - * / // % ** and parentheses; None if it is not one, or is out of bounds."""
    if len(expression) > _MAX_CHARACTERS:
        return None
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id="root"), args=[operand]):
            return _root(_value(operand))
    raise ValueError("not arithmetic")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or abs(exponent) > _MAX_EXPONENT or bits * abs(exponent) > _MAX_BITS:
        raise ValueError("out of bounds")
    return Fraction(base ** int(exponent))


def _root(square: Fraction) -> Fraction:
    """The square root, to within the digits that are shown."""
    if square < 0:
        raise ValueError("not real")
    scale = 10 ** (2 * _DECIMALS + 2)
    return Fraction(isqrt(int(square * scale * scale)), scale)


def number(value: Fraction) -> str:
    """With at most six decimals, and none that say nothing."""
    if value.denominator == 1:
        return str(value.numerator)
    scaled = round(value * 10**_DECIMALS)
    whole, decimals = divmod(abs(scaled), 10**_DECIMALS)
    return f"{'-' if scaled < 0 else ''}{whole}.{decimals:0{_DECIMALS}d}".rstrip("0").rstrip(".")


def _shown(expression: str) -> str:
    named = re.sub(r"root\((\d+)\)", r"√\1", expression).replace("**", "^")
    return re.sub(r"\s*([-+*/%^])\s*", r" \1 ", named).replace("*", "×").strip()
