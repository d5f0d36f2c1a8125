"""Answers in which every sign counts: literals of a programming language, tuples, intervals and formulas.

`exact_form` gives one text that is equal for equal answers and differs wherever order, sign, quotes or brackets do.
Numbers inside go by value (`1/2` is `0.5`), sets and mappings have no order, and formulas go by what they come to: at
three fixed points where they have variables, so that `2x + 1` is `1 + 2x`, and `\\sqrt{32}` is `4*sqrt(2)`.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ..expressions import expression
from .numerals import unlatex

_MOST_CHARS, _MOST_FORMULA_CHARS, _MOST_POWER, _MOST_SIZE = 4_000, 200, 64, 10**40
_POINTS = (0.0, 0.37, 1.91)  # where the variables of a formula are put; see `_variable`
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def exact_form(text: str) -> str | None:
    """The form of a literal, a bracketed group or a formula; None for a text that is none of them."""
    if not text or len(text) > _MOST_CHARS:
        return None
    if (literal := _literal(text)) is not None:
        return literal
    plain = _without_marks(text)
    return _group(plain) or formula(plain)


def is_quoted(text: str) -> bool:
    """Whether a text is one quoted string."""
    return _evaluated(text, str) is not None


# -- literals -------------------------------------------------------------------------------------------------------


_BEGINS_A_WORD = expression(r"(?:None|True|False|set\(\)|[rbu]+['\"])")


def _literal(text: str) -> str | None:
    if text[0] not in "([{'\"-" and not _BEGINS_A_WORD.match(text):
        return None
    if text == "set()":
        return "{}set"
    value = _evaluated(text, object)
    return None if value is None or isinstance(value, int | float | complex) else _written(value)


def _evaluated(text: str, kind: type) -> Any:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, kind) else None


def _written(value: object) -> str:
    match value:
        case bool() | None | str() | bytes():
            return repr(value)
        case int() | float():
            return str(Fraction(value)) if math.isfinite(value) and abs(value) < _MOST_SIZE else repr(value)
        case list():
            return f"[{','.join(map(_written, value))}]"
        case tuple():
            return f"({','.join(map(_written, value))})"
        case set() | frozenset():
            return f"{{{','.join(sorted(map(_written, value)))}}}"
        case dict():
            pairs = sorted(f"{_written(key)}:{_written(each)}" for key, each in value.items())
            return f"{{{','.join(pairs)}:}}"
        case _:
            return repr(value)


# -- groups ---------------------------------------------------------------------------------------------------------


def _group(text: str) -> str | None:
    """A tuple, point, interval or set of formulas in brackets, which need not be of one kind: `[0, 1)`."""
    if len(text) < 2 or text[0] not in _PAIRS or text[-1] not in _PAIRS.values():
        return None
    parts = _parts(text[1:-1])
    if parts is None or len(parts) < 2:
        return None
    forms = [exact_form(part.strip()) or " ".join(part.split()).lower() for part in parts]
    if text[0] == "{" and text[-1] == "}":
        forms.sort()
    return f"{text[0]}{','.join(forms)}{text[-1]}"


def _parts(text: str) -> list[str] | None:
    """What stands between the commas that are in no brackets; None where brackets do not match."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return None
        if character == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]] if depth == 0 else None


# -- formulas -------------------------------------------------------------------------------------------------------

_NAMES: dict[str, float] = {"pi": math.pi, "e": math.e, "inf": math.inf}
_CALLS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tan": math.tan, "log": math.log10, "ln": math.log,
    "exp": math.exp, "abs": abs, "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan,
}  # fmt: skip
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_TOKEN = expression(r"\d+(?:\.\d+)?|\.\d+|[a-z]+|\*\*|[-+*/(),]", re.IGNORECASE)
_DATE = expression(r"\d{4}-\d\d?-\d\d?|\d\d?[-/]\d\d?[-/](?:\d\d|\d{4})")
_LOOKS = expression(r"[\d√π]|[-+*/^]|sqrt|\bpi\b|\binf\b")


def formula(text: str) -> str | None:
    """What a formula comes to, as text: a fraction where it is exact, else its values. None for what is no formula."""
    if len(text) > _MOST_FORMULA_CHARS or not _LOOKS.search(text) or _DATE.fullmatch(text):
        return None
    tokens = _tokens(text)
    if tokens is None:
        return None
    try:
        tree = ast.parse("".join(tokens), mode="eval").body
        values = [_value(tree, point) for point in _POINTS]
        if all(value == values[0] for value in values) and isinstance(values[0], Fraction):
            return str(values[0])
        return "≈" + " ".join(f"{float(value):.9g}" for value in values)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        return None


_SIGNS = str.maketrans({"−": "-", "×": "*", "·": "*", "÷": "/", "π": "pi", "∞": "inf"})
_MARK = expression(r"[\\^√,]")


def _without_marks(text: str) -> str:
    """LaTeX and signs of mathematics in the notation of a programming language."""
    text = text if text.isascii() else text.translate(_SIGNS)
    if not _MARK.search(text):  # as in most answers
        return unlatex(text).strip()
    text = text.replace("\\infty", "inf")
    for _ in range(4):  # from the inside out
        text = re.sub(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"((\1)/(\2))", text)
        text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r"sqrt(\1)", text)
        text = re.sub(r"\^\s*\{([^{}]*)\}", r"^(\1)", text)
    text = re.sub(r"√\s*\(", "sqrt(", re.sub(r"√\s*(\d+|[a-z])", r"sqrt(\1)", text))
    text = re.sub(r"\\(sqrt|pi|sin|cos|tan|ln|log|exp)\b", r"\1", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text) if not re.match(r"\s*[(\[{]", text) else text
    return unlatex(text).strip()


def _tokens(text: str) -> list[str] | None:
    """The tokens of a formula, with the products that mathematics leaves out; None for what has other signs."""
    text = re.sub(r"(?<![\d.])(\d+)\s+(\d+)\s*/\s*(\d+)(?!\d)", r"(\1+\2/\3)", text)  # a mixed number
    if re.search(r"\d\s+[\d.]", text):
        return None
    text = text.replace("^", "**").replace(" ", "")
    tokens: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        token, place = match.group(), match.end()
        names = _names(token) if token[0].isalpha() else [token]
        if names is None:
            return None
        for name in names:
            before = tokens[-1] if tokens else ""
            ends = before[-1:].isalnum() or before == ")"
            called = before in _CALLS and name == "("
            if ends and not called and (name[0].isalnum() or name == "("):
                tokens.append("*")
            tokens.append(name if not name[0].isdigit() else name.lstrip("0") or "0")
    return tokens


def _names(word: str) -> list[str] | None:
    """What a run of letters is in a formula: a name that is known, or a variable or two."""
    if word in _CALLS or word in _NAMES:
        return [word]
    for name in (*_CALLS, "pi"):
        if word.endswith(name) and len(word) - len(name) <= 2:
            return [*word[: -len(name)], name]
    return list(word) if len(word) <= 2 else None


def _value(node: ast.AST, point: float) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.Name(id=name):
            return _NAMES[name] if name in _NAMES else _variable(name, point)
        case ast.UnaryOp(op=ast.USub(), operand=below):
            return -_value(below, point)
        case ast.UnaryOp(op=ast.UAdd(), operand=below):
            return _value(below, point)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left, point), _value(right, point))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_value(left, point), _value(right, point))
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _CALLS:
            return _CALLS[name](float(_value(argument, point)))
        case _:
            raise ValueError("no formula")


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > _MOST_POWER or abs(base) > _MOST_SIZE:
        raise ValueError("too large")
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return base ** int(exponent)
    raised = float(base) ** float(exponent)
    if isinstance(raised, complex):
        raise ValueError("not real")
    return raised


def _variable(name: str, point: float) -> float:
    """A value between 1 and 4 that differs by name and point."""
    return 1 + (ord(name[0]) * 0.6180339887 + point) % 3
