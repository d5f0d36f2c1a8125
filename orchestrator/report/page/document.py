"""The report as one HTML file: charts, the table behind each, and the runs behind each figure.

Its figures are the report's: they come from `summarise` and from SELECTs on the same rows, and a table has every digit.
All text of models and users goes through `charting`, which escapes it, or stands in the page as data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ...distribution import with_extra
from ...ledger.store import Ledger
from ...money import format_nanousd
from .. import charting, drawing
from ..figures import group_notes, idle_line, scope
from ..idle import Idle
from ..imported import in_words
from ..period import Localise
from ..selection import Selection
from . import charts
from .listed import NEWEST
from .material import Material, gather
from .sections import SECTIONS, cost_of, percent, seconds

_HERE = Path(__file__)


def page(
    ledger: Ledger | None,
    selection: Selection,
    *,
    now: datetime,
    localise: Localise = datetime.astimezone,
    idle: Sequence[Idle] = (),
    reload_s: int | None = None,
    keep_in: Path | None = None,
) -> str:
    """The page of the selected runs, which fetches nothing and runs no script but its own.

    `now` is aware, in the user's zone; `idle` are the machines that were on. With `reload_s` a browser loads it again
    after so many seconds. The script that draws the charts is kept in the folder `keep_in`. Without the extra `charts`
    the page has the tables alone, and says so. Raises LedgerError.
    """
    material = gather(ledger, selection, now=now, localise=localise, idle=idle)
    head = charting.note(f"{scope(selection)}; as of {now:%Y-%m-%d %H:%M}")
    if material is None:
        return charting.page(
            "orch report", [head, charting.note("No runs in this period.")], drawn=False, reload_s=reload_s
        )
    drawn = drawing.has_library()
    return charting.page(
        "orch report",
        [head, *([] if drawn else [charting.note(no_charts())]), *_parts(material, drawn)],
        drawn=drawn,
        style=_beside("page.css"),
        script=_beside("page.js"),
        reload_s=reload_s,
        keep_in=keep_in,
    )


def _beside(name: str) -> str:
    return _HERE.with_name(name).read_text(encoding="utf-8")


def _parts(material: Material, drawn: bool) -> Iterator[str]:
    """The sections that have something to show: texts are HTML, mappings are charts."""
    yield charting.tiles(_tiles(material))
    yield from map(
        charting.note, (*group_notes(material.models.total), *map(idle_line, material.idle), *in_words(material.beside))
    )
    sections = [(name, title, list(make(material))) for name, title, make in SECTIONS]
    sections = [section for section in sections if section[2]]
    yield charting.contents([*((name, title) for name, title, _ in sections), ("runs", "Runs")])
    for name, title, parts in sections:
        yield charting.heading(title, name)
        for part in parts:
            if isinstance(part, str):
                yield part
            elif drawn:
                yield charting.chart(part, label=title)
    yield from _runs(material)


def _tiles(material: Material) -> list[tuple[str, str]]:
    total = material.days.total  # of whole runs, which a report by model has not
    saved = total.saved_nanousd + sum(saving.saved_nanousd for saving in material.figures.savings)
    rated = "" if total.mean_rating is None else f"{total.mean_rating:.2f}, "
    return [
        ("Cost", cost_of(total)),
        ("Runs", f"{total.runs:,}"),
        ("Calls", f"{total.calls:,}"),
        ("Complete", percent(total.success_rate)),
        ("Run, p50", seconds(total.p50_run_latency_ms)),
        ("Run, p95", seconds(total.p95_run_latency_ms)),
        ("Saved by caches", format_nanousd(saved)),
        ("Rated", f"{rated}{total.rated_runs:,} {'run' if total.rated_runs == 1 else 'runs'}"),
    ]


def _runs(material: Material) -> Iterator[str]:
    """The list that the page's script fills."""
    runs, listed = material.models.total.runs, len(material.listed)
    yield charting.heading("Runs", "runs")
    if listed < min(runs, NEWEST):
        yield charting.note(
            f"{listed:,} of {runs:,} runs are listed: the others were taken out (orch ledger prune, forget), and "
            "there are only their sums."
        )
    elif listed < runs:
        yield charting.note(
            f"{listed:,} of {runs:,} runs are listed: the newest, the most expensive, those that failed, and some for "
            "each figure. orch export has all of them."
        )
    yield (
        '<p><span id="chosen"></span> <button type="button" class="link" id="every" hidden>show all</button></p>'
        '<p><label>Order <select id="order"><option value="time">newest first</option>'
        '<option value="cost">most expensive first</option></select></label></p>'
        '<ul id="list"></ul><button type="button" id="more" hidden>more</button>'
    )
    yield charting.data(list(material.listed), "listed")
    yield charting.data(charts.UNITS[material.figures.unit], "unit")
    yield charting.data(" --simulate" if material.models.selection.simulated else "", "flags")


def no_charts() -> str:
    """What is to be said where the charts' library is not installed."""
    return f"the charts are left out, as their library is not installed: {with_extra('charts')}"
