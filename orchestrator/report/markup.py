"""Tables as Markdown, as HTML and as plain text, piece by piece. What comes from models and users is never markup.

An HTML page is one file that asks for nothing: it has its style in it, and its policy forbids all else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Protocol

from ..expressions import expression
from ..unseen import without_unseen
from .plain import one_line

_MARKDOWN = expression(r"[\\`*_\[\]|~#]")
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 1rem; }}
h1 {{ font-size: 1.2rem; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid #8886; text-align: left; white-space: pre-wrap; }}
.n {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
</style>
</head>
<body>
"""


class Markup(Protocol):
    """How a document with tables is written. `right` says of each column whether it holds figures."""

    def begin(self, title: str) -> str: ...

    def open(self, title: str, headings: Sequence[str], right: Sequence[bool]) -> str: ...

    def row(self, cells: Sequence[str], right: Sequence[bool]) -> str: ...

    def close(self, notes: Sequence[str] = ()) -> str: ...

    def end(self) -> str: ...


class Markdown:
    """Tables of GitHub's flavour."""

    def begin(self, title: str) -> str:
        return ""

    def open(self, title: str, headings: Sequence[str], right: Sequence[bool]) -> str:
        heading = f"## {_markdown(title)}\n\n" if title else ""
        marks = " | ".join("---:" if each else "---" for each in right)
        return f"{heading}{self.row(headings, right)}| {marks} |\n"

    def row(self, cells: Sequence[str], right: Sequence[bool]) -> str:
        return f"| {' | '.join(map(_markdown, cells))} |\n"

    def close(self, notes: Sequence[str] = ()) -> str:
        return "".join(f"\n{_markdown(note)}\n" for note in notes) + "\n"

    def end(self) -> str:
        return ""


class Html:
    """A page of tables."""

    def begin(self, title: str) -> str:
        return _HEAD.format(title=escape(title or "orch"))

    def open(self, title: str, headings: Sequence[str], right: Sequence[bool]) -> str:
        heading = f"<h1>{escape(one_line(title))}</h1>\n" if title else ""
        return f"{heading}<div><table>\n<thead>{self._row('th', headings, right)}</thead>\n<tbody>\n"

    def row(self, cells: Sequence[str], right: Sequence[bool]) -> str:
        return self._row("td", cells, right)

    def close(self, notes: Sequence[str] = ()) -> str:
        return "</tbody>\n</table></div>\n" + "".join(f"<p>{escape(one_line(note))}</p>\n" for note in notes)

    def end(self) -> str:
        return "</body>\n</html>\n"

    def _row(self, element: str, cells: Sequence[str], right: Sequence[bool]) -> str:
        made = (
            f"<{element}{' class=n' if each else ''}>{escape(without_unseen(cell))}</{element}>"
            for cell, each in zip(cells, right, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>\n"


class Tabbed:
    """Cells with tabs between them."""

    def begin(self, title: str) -> str:
        return ""

    def open(self, title: str, headings: Sequence[str], right: Sequence[bool]) -> str:
        return self.row(headings, right)

    def row(self, cells: Sequence[str], right: Sequence[bool]) -> str:
        return "\t".join(map(one_line, cells)) + "\n"

    def close(self, notes: Sequence[str] = ()) -> str:
        return ""

    def end(self) -> str:
        return ""


class Table(Protocol):
    """A table as text: its title, its headings, which of them are of figures, its rows, and what is said below."""

    @property
    def title(self) -> str: ...

    @property
    def headings(self) -> tuple[str, ...]: ...

    @property
    def right(self) -> tuple[bool, ...]: ...

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


def pieces(tables: Sequence[Table], markup: Markup) -> Iterator[str]:
    """A document of these tables."""
    yield markup.begin(tables[0].title if tables else "")
    for table in tables:
        yield markup.open(table.title, table.headings, table.right)
        for row in table.rows:
            yield markup.row(row, table.right)
        yield markup.close(table.notes)
    yield markup.end()


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", escape(one_line(text), quote=False))
