"""Reading the documents: their blocks, sections, tables, and the commands of their shell blocks."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

FENCE = re.compile(r"^([ ]*)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language, without the fences."""
    return [textwrap.dedent(body) for _, found, body in FENCE.findall(document) if found == language]


def block(document: str, language: str, start: str) -> str:
    """The one block that starts so."""
    (found,) = [body for body in blocks(document, language) if body.startswith(start)]
    return found


def section(document: str, heading: str) -> str:
    """What stands under a heading, until the next of any rank."""
    lines = document.splitlines(keepends=True)
    fences = accumulate(line.lstrip().startswith("```") for line in lines)
    starts = [n for n, (line, seen) in enumerate(zip(lines, fences, strict=True)) if line[0] == "#" and not seen % 2]
    (first,) = [n for n in starts if lines[n].lstrip("#").strip() == heading]
    return "".join(lines[first + 1 : next((n for n in starts if n > first), None)])


def rows(text: str, header: str) -> list[list[str]]:
    """The rows of the one table whose first column is headed so, each a list of cells."""
    (table,) = re.findall(rf"^\| {header} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def names(text: str, header: str) -> set[str]:
    """The names in code marks in the first column of a table."""
    return {name for row in rows(text, header) for name in re.findall(r"`([^`]+)`", row[0])}


class Command(NamedTuple):
    """One simple command of a shell block: its variables, its words, and whether something is piped into it."""

    environ: dict[str, str]
    words: list[str]
    piped: bool

    def __str__(self) -> str:
        return " ".join(self.words)


def commands(body: str) -> Iterator[Command]:
    for line in body.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        before = ""
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;<>"):
                given = [w for w in words if re.match(r"\w+=", w)]
                rest = [w.removeprefix("./scripts/") for w in words[len(given) :]]
                if rest and "<" not in before and ">" not in before:
                    yield Command(dict(w.split("=", 1) for w in given), rest, before == "|")
                words, before = [], word
            else:
                words.append(word)
