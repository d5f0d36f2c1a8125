"""What a bench found, as a page: one HTML file with its pictures in it, and nothing that would have to be fetched."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from . import svg, tables
from .plot import plot_of
from .report import BenchReport, SetReport
from .tables import Table
from .text import FRONTIER, intervals_in_words, notes_of, replayable_in_words

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1.5rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #e4e4e4; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; } .note { color: #555; }
"""


def page(report: BenchReport) -> str:
    """The whole page."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>orch bench</title><style>{_STYLE}</style></head><body>",
            "<h1>orch bench</h1>",
            f'<p class="note">{escape(intervals_in_words(report))}</p>',
            *_ledger(report),
            *(part for found in report.sets for part in _set(found)),
            *_together(report),
            "</body></html>",
            "",
        ]
    )


def _set(report: SetReport) -> Iterator[str]:
    yield f"<h2>{escape(report.name)}: {report.prompts:,} prompts</h2>"
    roles = {report.weak: "weak: ", report.strong: "strong: "}
    models = (f"<li>{roles.get(m.name, '')}{escape(f'{m.name}, {tables.rates(m)}')}</li>" for m in report.models)
    yield f"<ul>{''.join(models)}</ul>"
    yield _table(tables.strategies("strategy", report.rows))
    yield f'<p class="note">{escape(FRONTIER)}</p>'
    yield svg.picture([plot_of(report)])
    if report.orderings:
        yield _table(tables.orderings(report.orderings))
    if report.sweep:
        yield _table(tables.strategies("threshold", report.sweep))
    if report.confidence:
        yield _table(tables.confidence("confidence in", report.confidence))
        yield "".join(svg.reliability(calibration) for calibration in report.confidence)
    yield "".join(f'<p class="note">{escape(note)}</p>' for note in notes_of(report))


def _ledger(report: BenchReport) -> Iterator[str]:
    found = report.ledger
    if found is not None:
        yield f"<h2>{escape(found.name)}: {found.runs:,} rated runs</h2>"
        yield _table(tables.observed("strategy", found.strategies))
        yield _table(tables.observed("model", found.models))
        if found.confidence:
            yield _table(tables.confidence("confidence in", found.confidence))
            yield "".join(svg.reliability(calibration) for calibration in found.confidence)
        yield f'<p class="note">{escape(replayable_in_words(found))}</p>'


def _together(report: BenchReport) -> Iterator[str]:
    if report.together is not None:
        yield "<h2>All sets together</h2>"
        yield _table(tables.confidence("confidence in", [report.together]))
        yield svg.reliability(report.together)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell.strip())}</th>" for cell in table.header)
    rows = ("".join(f"<td>{escape(cell.strip())}</td>" for cell in row) for row in table.rows)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
