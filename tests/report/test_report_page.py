"""The report's page: its figures against SQL, what hostile names can do in it, and what is on the screen."""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any

import pytest
from chromium import Tab, browser, chromium
from report_recording import NOON, UNPRICED, Recorder, recording

from orchestrator.ledger.budgets import Budget, BudgetState, Scope, budget_states, set_budgets
from orchestrator.ledger.ratings import Rating, rate
from orchestrator.ledger.records import CallStatus, CostSource, RunStatus
from orchestrator.money import format_nanousd
from orchestrator.period import Period
from orchestrator.report import charting, drawing
from orchestrator.report.aggregate import summarise
from orchestrator.report.dimensions import By
from orchestrator.report.outlook import outlook
from orchestrator.report.page.document import page
from orchestrator.report.page.figures import read_figures
from orchestrator.report.page.listed import listed_runs
from orchestrator.report.selection import Selection

recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)
NOW = NOON + timedelta(hours=2)
CASCADE = '{"cascade": {"threshold": 0.6, "legs": []}}'
HOSTILE = "</script><script>document.title='owned'</script><!--<img src=x onerror=alert(1)>\"'&\u2028\u202e\x1b"
PRICE = json.dumps({"rates": {"input": "2", "output": "10", "cache_read": "0.2", "cache_write": "2.5"}})


def filled(recorder: Recorder, name: str, runs: int = 60) -> Recorder:
    """Runs of three weeks: cascades, single calls, failures, ratings, a budget; `name` is that of everything that
    a model or a user can name."""
    random = Random(name == HOSTILE)  # the same ledger each time
    models = ["small", "large", name]

    def call(model: str, **columns: Any) -> dict[str, Any]:
        tokens = random.randrange(100, 4_000)
        sizes = {"input_tokens": tokens, "cached_tokens": tokens // 2, "output_tokens": random.randrange(10, 900)}
        cost = random.randrange(1, 10**9)
        given = {"model": model, "latency_ms": random.randrange(50, 9_000), "cost_nanousd": cost, "price": PRICE}
        return given | sizes | columns

    for number in range(runs):
        legs = models[: random.randrange(1, 4)]
        failed = number % 7 == 0
        calls = [call(model) for model in legs]
        if failed:
            calls[0] |= {"status": CallStatus.FAILED, "error_code": "overloaded", "error_message": name}
            calls[0] |= {"cost_nanousd": 0, "cost_source": CostSource.NONE, "model": legs[-1]}
        run = recorder.run(
            *(calls[:1] if failed else calls),
            at=NOON - timedelta(hours=8 * number),
            strategy="fallback" if number % 3 else "cheapest",
            plan=CASCADE if number % 3 else '{"call": {}}',
            status=RunStatus.FAILED if failed else RunStatus.COMPLETE,
            model_used=None if failed else legs[-1],
            confidence=None if failed else random.random(),
            latency_ms=random.randrange(50, 9_000),
            prompt=f"{name} {number}",
            category=name,
        )
        if not failed and number % 2:
            rate(recorder.ledger, run, Rating(float(random.random() < 0.7), NOON))
    recorder.run(UNPRICED | {"model": name}, prompt="no price", strategy="cheapest", model_used=name)
    budgets = [Budget(Period.MONTH, Scope.MODEL, name, 10**10), Budget(Period.DAY, Scope.ALL, "", 10**12)]
    recorder.ledger.write(lambda connection: set_budgets(connection, budgets))
    return recorder


class _Page(HTMLParser):
    """The tags of a page, the cells of its tables, and what a click on their rows looks for."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.tables: list[list[list[str]]] = []
        self.choices: list[dict[str, Any]] = []
        self._in_cell = False
        self.feed(written)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True
        if (choice := dict(attrs).get("data-choice")) is not None:
            self.choices.append(json.loads(choice))

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.tables[-1][-1][-1] += data

    def table(self, first: str) -> list[list[str]]:
        """The rows of the table whose first heading is this, without it."""
        return next(table[1:] for table in self.tables if table[0][0] == first)


def sums(recorder: Recorder, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(recorder.ledger.path) as connection:
        return connection.execute(sql).fetchall()


def listed(written: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="listed">(.*?)</script>', written)
    assert found is not None
    runs: list[dict[str, Any]] = json.loads(found[1])
    return runs


def _bars(written: str) -> Iterator[dict[str, Any]]:
    """What a click on each bar and point of the charts looks for."""
    for spec in re.findall(r'<figure.*?<script type="application/json">(.*?)</script>', written):
        known = json.loads(spec)
        for data in [known.get("data"), *(layer.get("data") for layer in known.get("layer", ()))]:
            values = [] if data is None or data["values"][0] == {"low": 0, "good": 0} else data["values"]
            yield from (value["runs"] for value in values)


def fits(run: dict[str, Any], choice: dict[str, Any]) -> bool:
    def several(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    return all(any(each in several(run[key]) for each in several(wanted)) for key, wanted in choice.items())


def test_its_figures_are_those_of_sql_to_the_nano_dollar(recorder: Recorder) -> None:
    read = _Page(page(filled(recorder, "third").ledger, REAL, now=NOW))
    by_model = dict(sums(recorder, "SELECT model, sum(cost_nanousd) FROM calls GROUP BY 1"))
    shown = {row[0]: row[3].removeprefix("≥ ") for row in read.table("Model")}
    assert shown.pop("Total") == format_nanousd(sum(by_model.values()))
    assert shown == {model: format_nanousd(cost) for model, cost in by_model.items()}
    by_day = dict(sums(recorder, "SELECT day, sum(cost_nanousd) FROM calls GROUP BY 1"))
    assert {row[0]: row[2] for row in read.table("Day")[:-1]} == {
        day: format_nanousd(cost or 0) for day, cost in by_day.items()
    }
    cached = dict(sums(recorder, "SELECT model, sum(cached_tokens) FROM calls WHERE cached_tokens GROUP BY 1"))
    (saved,) = [table for table in read.tables if table[0][-1] == "Saved"]
    assert {row[0]: row[3] for row in saved[1:-1]} == {
        model: format_nanousd(tokens * 1_800) for model, tokens in cached.items()
    }
    legs = read.table("Leg")
    ((cost, runs),) = sums(
        recorder,
        "SELECT sum(cost_nanousd), count(DISTINCT run_id) FROM calls JOIN runs USING (run_id) WHERE plan LIKE '%casc%'",
    )
    assert legs[-1][5] == format_nanousd(cost)
    assert int(legs[-1][2]) + int(legs[-1][4]) == runs == int(legs[0][1])
    ((failed,),) = sums(recorder, "SELECT count(*) FROM calls WHERE error_code IS NOT NULL")
    assert sum(int(row[2]) for row in read.table("Error")) == failed
    ((dearest,),) = sums(recorder, "SELECT max(s) FROM (SELECT sum(cost_nanousd) AS s FROM calls GROUP BY run_id)")
    assert read.table("Run")[0][2] == format_nanousd(dearest)


@pytest.mark.parametrize("name", ["third", HOSTILE], ids=["plain", "hostile"])
def test_every_figure_leads_to_runs_even_where_not_all_are_listed(recorder: Recorder, name: str) -> None:
    written = page(filled(recorder, name).ledger, REAL, now=NOW)
    runs, choices, bars = listed(written), _Page(written).choices, list(_bars(written))
    assert len(runs) == 61
    assert all(bar in choices or any(fits(run, bar) for run in runs) for bar in bars)
    assert [bar for bar in bars if "budgets" in bar] == [choice for choice in choices if "budgets" in choice] != []
    assert len(choices) > 40
    assert all(any(fits(run, choice) for run in runs) for choice in choices)
    by_day = summarise(recorder.ledger, REAL, by=(By.DAY, By.MODEL)).groups
    figures = recorder.ledger.read(lambda connection: read_figures(connection, REAL, by_day))
    states = recorder.ledger.read(lambda connection: budget_states(connection, NOW.date(), simulated=False))
    few = recorder.ledger.read(lambda connection: listed_runs(connection, REAL, figures, states, newest=0))
    few = listed(charting.data(few, "listed"))  # as the page writes it
    assert len({run["run"] for run in few}) == len(few)
    assert all(any(fits(run, choice) for run in few) for choice in choices)


def test_names_and_prompts_cannot_write_into_the_page(tmp_path: Path) -> None:
    def written(name: str) -> str:
        (folder := tmp_path / str(len(name))).mkdir()
        with (made := Recorder(folder / "ledger.db")).ledger:
            return page(filled(made, name).ledger, Selection(simulated=False, category=name), now=NOW)

    hostile = written(HOSTILE)
    assert _Page(hostile).tags == _Page(written("plain")).tags
    assert "\u2028" not in hostile.replace(drawing.script(), "")
    assert any(HOSTILE[:40] in row[0] for row in _Page(hostile).table("Model"))


def test_the_page_fetches_nothing_and_runs_no_script_but_its_own(recorder: Recorder) -> None:
    written = page(filled(recorder, "third").ledger, REAL, now=NOW)
    scripts = re.findall(r"<script>(.*?)</script>", written, flags=re.DOTALL)
    assert len(scripts) == 3
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', written)
    digests = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts]
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {' '.join(digests)}; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"(?:src=|url\(|@import|<link)", written.replace(scripts[0], ""))


@pytest.mark.parametrize(
    ("days", "unit"), [(20, Period.DAY), (200, Period.WEEK), (1_000, Period.MONTH)], ids=["days", "weeks", "months"]
)
def test_a_long_time_is_drawn_by_weeks_or_months(recorder: Recorder, days: int, unit: Period) -> None:
    for ago in (0, 1, days):
        recorder.run({"cost_nanousd": 10 + ago}, at=NOON - timedelta(days=ago))
    by_day = summarise(recorder.ledger, REAL, by=(By.DAY, By.MODEL)).groups
    figures = recorder.ledger.read(lambda connection: read_figures(connection, REAL, by_day))
    assert figures.unit is unit
    assert sum(span.cost_nanousd for span in figures.spans) == 31 + days
    starts = {unit.days((NOON - timedelta(days=ago)).date())[0].isoformat() for ago in (0, 1, days)}
    assert {span.start for span in figures.spans} == starts


@pytest.mark.parametrize(
    ("spent", "hour", "expected", "used_up"),
    [
        (25, 6, 100, None),
        (50, 6, 200, 12),
        (100, 6, 400, 6),
        (150, 6, 600, 6),
        (0, 6, 0, None),
    ],
    ids=["at the limit at the end", "twice as fast", "used up now", "over it", "nothing"],
)
def test_a_budget_s_pace_says_when_it_is_used_up(spent: int, hour: int, expected: int, used_up: int | None) -> None:
    day = date(2026, 11, 18)
    state = BudgetState(Budget(Period.DAY, Scope.ALL, "", 100), day, spent, spent)
    now = datetime(2026, 11, 18, hour, tzinfo=UTC)
    found = outlook(state, now, lambda naive: naive.replace(tzinfo=UTC))
    assert found.elapsed == pytest.approx(0.25)
    assert found.expected_nanousd == expected
    assert found.exhausted_at == (None if used_up is None else datetime(2026, 11, 18, used_up, tzinfo=UTC))


Orch = Callable[..., CompletedProcess[bytes]]


def test_the_command_writes_the_page_to_a_file_or_to_stdout(
    recorder: Recorder, orch: Orch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(recorder, "third", 3)
    monkeypatch.chdir(tmp_path)
    ledger = ("--ledger", str(recorder.ledger.path))
    for words, file in (((), "orch-report.html"), (("mine.html",), "mine.html")):
        done = orch("report", *ledger, "--html", *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", f"wrote {file}\n".encode())
        assert (tmp_path / file).read_bytes().startswith(b"<!doctype html>")
    assert orch("report", "--html", *ledger).returncode == 0
    piped = orch("report", *ledger, "--html", "-")
    assert piped.stdout.endswith(b"</body></html>\n")
    refused = orch("report", *ledger, "--html", "--by", "day")
    assert (refused.returncode, b"--html makes no use of --by" in refused.stderr) == (2, True)
    assert b"No runs in this period" in orch("report", "--html", "-").stdout


def test_the_script_of_the_charts_is_kept_and_what_others_may_have_written_is_not_read(tmp_path: Path) -> None:
    folder, made = tmp_path / "cache" / "charts", drawing.script()
    assert drawing.script(folder) == made
    (kept,) = folder.iterdir()
    digest, body = kept.read_text(encoding="utf-8").split("\n", 1)
    assert body == made
    other = f"// {body}"
    kept.write_text(f"{digest}\n{other}", encoding="utf-8")
    assert drawing.script(folder) == made  # not what was kept by this digest
    kept.write_text(f"{sha256(other.encode()).hexdigest()}\n{other}", encoding="utf-8")
    assert drawing.script(folder) == other
    folder.chmod(0o777)
    assert drawing.script(folder) == made


def test_without_the_library_the_page_has_its_tables(
    recorder: Recorder, orch: Orch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "has_library", lambda: False)
    filled(recorder, "third", 3)
    written = page(recorder.ledger, REAL, now=NOW)
    assert "pip install" in written
    assert (_Page(written).tags["figure"], len(_Page(written).tables) > 6) == (0, True)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recorder, Path]]:
    folder = tmp_path_factory.mktemp("page")
    with (made := Recorder(folder / "ledger.db")).ledger:
        file = folder / "page.html"
        file.write_bytes(page(filled(made, HOSTILE).ledger, REAL, now=NOW).encode())
        yield made, file


# How much each chart consists of, once all of them are drawn.
_DRAWN = """
    Promise.all([...document.querySelectorAll("figure div")].map(at => new Promise(done => {
        const look = () => {
            const svg = at.querySelector("svg");
            svg ? done(svg.querySelectorAll("path").length) : setTimeout(look, 10);
        };
        look();
    })))
"""


@pytest.mark.skipif(browser() is None, reason="there is no Chromium")
def test_on_the_screen(on_disk: tuple[Recorder, Path]) -> None:
    """Wide and narrow, light and dark: everything is drawn and fits, nothing is fetched, and a click lists the runs."""
    recorder, file = on_disk
    with chromium() as tab:
        for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
            tab.open(file, width=width, dark=dark)
            drawn = tab.run(_DRAWN)
            assert len(drawn) == 11
            assert min(drawn) > 3
            assert tab.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            ground = tab.run("getComputedStyle(document.querySelector('thead th')).backgroundColor")
            assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) is dark
        assert tab.run("document.title") == "orch report"
        assert {request for request in tab.requests if not request.startswith("file:///")} == set()
        assert tab.console == []
        _clicked(tab, recorder)
    ((cost,),) = sums(recorder, "SELECT sum(cost_nanousd) FROM calls")
    assert format_nanousd(cost) in _Page(file.read_text()).table("Model")[-1][3]


def _clicked(tab: Tab, recorder: Recorder) -> None:
    """A bar of the first chart, and the first row of its table, list the runs that they stand for."""
    tab.run("document.querySelector('figure').scrollIntoView()")
    named, x, y = tab.run(
        "(() => { const bar = document.querySelector('figure .mark-rect path'), at = bar.getBoundingClientRect();"
        "return [bar.getAttribute('aria-label'), at.x + at.width / 2, at.y + at.height / 2]; })()"
    )
    hidden = "getComputedStyle(document.getElementById('every')).display === 'none'"
    assert tab.run(hidden)  # all are listed
    tab.run(_AWAIT_CHANGE)
    tab.click(x, y)
    assert tab.run(_LISTED) == _runs_of(recorder, named.split("from: ")[1][:10], named.split("model: ")[1][:5])
    assert not tab.run(hidden)
    tab.run(f"{_AWAIT_CHANGE}; document.querySelector('td button').click()")
    assert tab.run(_LISTED) == _runs_of(recorder, "%", tab.run("document.querySelector('td button').textContent")[:5])


_AWAIT_CHANGE = "changed = new Promise(done => addEventListener('hashchange', done, {once: true})), 0"
_LISTED = "changed.then(() => document.querySelectorAll('#list li').length)"


def _runs_of(recorder: Recorder, day: str, model: str) -> int:
    """How many runs called a model on a day, by the beginnings of their names."""
    calls = "SELECT count(DISTINCT run_id) FROM calls JOIN runs USING (run_id)"
    ((count,),) = sums(recorder, f"{calls} WHERE runs.day LIKE '{day}' AND model LIKE '{model}%'")
    return int(count)
