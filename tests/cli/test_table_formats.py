from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Orch = Callable[..., CompletedProcess[bytes]]
HOSTILE = "<script>alert(1)</script> | [x](http://a) `b` \x1b[31m\u202e&amp;\u2028=1+1"
COMMANDS = [["report", "--by", "category"], ["stats"]]


class Page(HTMLParser):
    """What a browser would show of a page, and which elements it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.elements = "", set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def asked(orch: Orch) -> Orch:
    assert orch("run", "--simulate", "--category", HOSTILE, "--tag", HOSTILE, "-p", HOSTILE).returncode == 0
    return orch


@pytest.mark.parametrize("argv", [*COMMANDS, ["export", "--text"]], ids=lambda argv: argv[0])
def test_names_from_outside_are_no_markup_in_any_format(asked: Orch, argv: list[str]) -> None:
    page = asked(*argv, "--simulate", "-o", "html").stdout.decode()
    assert page.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in page
    shown = Page(page)
    assert not shown.elements & {"script", "a", "img", "iframe"}
    assert "<script>alert(1)</script>" in shown.text
    assert not {"\x1b", "\u202e"} & set(page)
    table = asked(*argv, "--simulate", "-o", "md").stdout.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\| \\[x\\](http://a) \\`b\\`" in table
    assert not {"\x1b", "\u202e", "\u2028"} & set(table)
    widths = {line.replace("\\|", "").count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(widths) <= 2  # that of each of its tables


@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv[0])
def test_a_file_has_the_format_of_its_name_and_stdout_has_text(asked: Orch, argv: list[str], tmp_path: Path) -> None:
    for suffix in ("json", "csv", "md", "html"):
        file = tmp_path / f"out.{suffix}"
        done = asked(*argv, "--simulate", "-o", str(file))
        assert (done.returncode, b"$0." in done.stdout) == (0, True)
        printed = asked(*argv, "--simulate", "-o", suffix).stdout
        if suffix == "json":
            assert json.loads(file.read_bytes()) == json.loads(printed)
        else:
            assert file.read_bytes() == printed
    refused = asked(*argv, "--simulate", "-o", "out.pdf")
    assert (refused.returncode, b"text, json, csv, md, html" in refused.stderr) == (2, True)


def test_the_rows_of_a_spreadsheet_are_the_groups_with_all_their_figures(asked: Orch) -> None:
    asked("run", "--simulate", "-s", "ensemble", "-p", "Which is better, a or b?")
    argv = ("report", "--simulate", "--by", "strategy,model", "--period", "day")
    rows = list(csv.DictReader(io.StringIO(asked(*argv, "-o", "csv").stdout.decode(), newline="")))
    document = json.loads(asked(*argv, "-o", "json").stdout)
    assert [row["strategy"] for row in rows] == [group["keys"]["strategy"] for group in document["groups"]]
    assert sum(int(row["cost_nanousd"]) for row in rows) == document["total"]["cost_nanousd"] > 0
    unknown = asked("report", "--simulate", "--by", "modle")
    assert (unknown.returncode, b"'model'" in unknown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("argv", "begins"),
    [
        pytest.param(["-o", "csv"], b"call_id,", id="csv"),
        pytest.param(["-o", "text", "--rows", "runs"], b"run_id\tcreated_at", id="text"),
        pytest.param(["-o", "md"], b"| call\\_id |", id="markdown"),
        pytest.param(["-o", "rows.jsonl"], b'{"call_id"', id="by the file's name"),
        pytest.param(["-o", "rows.jsonl", "-f", "csv"], b"call_id,", id="the format that is named"),
        pytest.param(["-o", "rows"], b"call_id,", id="a name without an end"),
    ],
)
def test_an_export_takes_formats_and_files_alike(
    asked: Orch, argv: list[str], begins: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = asked("export", "--simulate", *argv)
    assert done.returncode == 0
    written = next(tmp_path.iterdir()).read_bytes() if argv[1].startswith("rows") else done.stdout
    assert written.startswith(begins)
    assert asked("export", "--simulate", "-o", "csv", "-f", "json").returncode == 2
