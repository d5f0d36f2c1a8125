"""The code in a reply, and a form of it that is the same for code that differs only in names, comments and layout."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

from ..expressions import expression

_FENCE = expression(r"^[ \t]{0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t]{0,3}\1", re.MULTILINE | re.DOTALL)
_COMMENT = expression(r"(?m)(?:(?<=\s)|^)(?:#|//).*$|/\*.*?\*/", re.DOTALL)
_TOKEN = expression(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\w+|[^\w\s]""")  # a string is one, with its spaces
_CODE_LINE = expression(  # `[^\S\n]`: white space within the line, so that many empty lines are each read once
    r"(?m)^[^\S\n]*(?:def |class |import |from \w+ import |return\b|for .+:$|while .+:$|if .+:$|print\()"
)


def code_of(text: str) -> str | None:
    """The longest fenced block of a reply, or the whole of one that looks like a program; None if there is none."""
    fenced = _FENCE.findall(text) if "```" in text or "~~~" in text else ()
    blocks = [body for _, body in fenced if body.strip()]
    if blocks:
        return str(max(blocks, key=len))
    looks = len(_CODE_LINE.findall(text))
    return text if looks > 1 and looks >= text.count("\n") / 4 else None


@lru_cache(2)  # two signals ask for it, one after the other
def parses(code: str) -> bool:
    """Whether a text is a Python program, as far as its syntax goes."""
    return _tree(code) is not None


def code_form(code: str) -> str:
    """One line that is equal for programs of the same form: Python by its syntax tree, with names numbered by first
    use, other languages by their tokens without comments and white space."""
    tree = _tree(code)
    if tree is None:
        return " ".join(_TOKEN.findall(_COMMENT.sub("", code)))
    return ast.dump(_Renamed().visit(_without_docstrings(tree)))


def _tree(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            body = [
                line for line in node.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ]
            node.body = body or [ast.Pass()]
            if not isinstance(node, ast.Module | ast.ClassDef):
                node.returns = None
    return tree


class _Renamed(ast.NodeTransformer):
    """Variables, arguments and functions that the code itself names, numbered; what it calls keeps its name."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self._named(node.arg), None)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._named(node.name)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if isinstance(node.ctx, ast.Store) or node.id in self._names:
            return ast.Name(self._named(node.id), node.ctx)
        return node

    def _named(self, name: str) -> str:
        return self._names.setdefault(name, f"n{len(self._names)}")
