"""Tables without lines, as the commands print them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from . import render


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    dimmed: Collection[str] = (),
    indent: bool = False,
) -> None:
    """Print cells under headings. No cell is broken, and none is read as markup.

    `right` are the headings of columns of figures; `dimmed` are the first cells of rows that matter less.
    """
    from rich.table import Table  # heavy
    from rich.text import Text  # heavy

    table = Table(box=None, pad_edge=indent, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left")
    for row in rows:
        table.add_row(*(Text(cell, no_wrap=True) for cell in row), style="dim" if row[0] in dimmed else None)
    render.table(table)
