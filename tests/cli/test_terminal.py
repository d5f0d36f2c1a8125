"""What reaches a terminal, and what does not, whichever command writes it."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import render
from orchestrator.report.plain import one_line
from orchestrator.unseen import for_terminal, without_unseen

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
HOSTILE = "a\x1b]52;c;cHduZWQ=\x07b\x9b31mc\u061cd\u202ee\u2066f\ufff9g\u200bh\U000e0041i\rj\x08k"
SEEN = "a]52;c;cHduZWQ=b31mcdefghijk"
# What is written with these, or seen: the joiners of emoji and scripts, number signs, the layout of hieroglyphs.
KEPT = {0x200C, 0x200D, *range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}


def on_terminal(*argv: str, **environ: str) -> tuple[int, str]:
    """Exit code and what a terminal was sent on stdout and stderr."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *argv],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "200", **environ},
    ) as process:
        os.close(theirs)
        sent = b""
        while piece := _read(ours):
            sent += piece
    os.close(ours)
    return process.returncode, sent.decode(environ.get("PYTHONIOENCODING", "utf-8")).replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux: everybody else has closed it
        return b""


def test_the_table_holds_every_character_that_unicode_calls_a_control_or_a_format() -> None:
    wanted = {
        number
        for number in range(0x110000)
        if unicodedata.category(chr(number)) in ("Cc", "Cf", "Zl", "Zp")
        and number not in KEPT
        and not 0x13430 <= number < 0x13440
    }
    found = {number for number in range(0x110000) if not without_unseen(chr(number))}
    assert found == wanted - {ord("\t"), ord("\n")}


def test_emoji_scripts_and_layout_stay() -> None:
    text = "👨\u200d👩\u200d👧 می\u200cخواهم 中文\tx\n🇩🇪 ❤\ufe0f"
    assert for_terminal(text) == text
    assert for_terminal("one\r\ntwo") == "one\ntwo"
    assert one_line(f"{HOSTILE}\n x") == f"{SEEN} x".replace("ij", "i j")  # \r is white space


@pytest.fixture
def recorded(orch: Orch) -> None:
    asked = orch("run", "--simulate", "-p", f"What is 2 + 2? {HOSTILE}", "--system", HOSTILE, "--category", HOSTILE)
    assert asked.returncode == 0


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["export", "--text"], id="exported calls"),
        pytest.param(["export", "--text", "--rows", "runs"], id="exported runs"),
        pytest.param(["export", "--text", "-o", "/dev/stdout"], id="export to a terminal by its name"),
        pytest.param(["show", "last"], id="show"),
        pytest.param(["show", "last", "-o", "json"], id="JSON"),
        pytest.param(["report", "--by", "category"], id="table"),
        pytest.param(["run", "-p", f"hi {HOSTILE}", "-o", "json", "--category", HOSTILE], id="run"),
        pytest.param(["run", "-p", "hi", "--chain", f"no{HOSTILE}"], id="message"),
    ],
)
def test_nothing_that_a_terminal_obeys_reaches_one(argv: list[str]) -> None:
    code, sent = on_terminal(*argv, "--simulate")
    assert code == (2 if argv[-1].startswith("no") else 0), sent
    assert "c;cHduZWQ=" in sent or "run" in argv
    drawn = sent.replace("\r\x1b[2K", "")  # the line of what is under way is this program's own
    assert drawn == for_terminal(drawn)


@pytest.mark.parametrize("name", ["pipeline", "cheapest"])
def test_nothing_wipes_out_the_last_line_of_an_answer_that_was_shown_as_it_came(orch: Orch, name: str) -> None:
    argv = ["run", "--simulate", "-s", name, "-p", "Should I use REST or GraphQL?"]
    answer = orch(*argv).stdout.decode()
    code, sent = on_terminal(*argv)
    assert code == 0
    assert answer in sent


@pytest.mark.usefixtures("recorded")
def test_a_pipe_gets_the_characters_as_they_are(orch: Orch, tmp_path: Path) -> None:
    piped = orch("export", "--text", "--rows", "runs", "--simulate").stdout.decode()
    assert HOSTILE in piped
    file = tmp_path / "runs.csv"
    assert orch("export", "--text", "--rows", "runs", "--simulate", "-o", str(file)).returncode == 0
    assert file.read_bytes().decode() == piped


@pytest.mark.parametrize("argv", [["models"], ["report"], ["plan", "-p", "naïve?"]], ids=" ".join)
def test_a_terminal_that_has_ascii_alone_is_sent_no_more(orch: Orch, argv: list[str]) -> None:
    orch("run", "--simulate", "-p", "hi", "--tag", "naïve")
    code, sent = on_terminal(*argv, "--simulate", PYTHONIOENCODING="ascii")
    assert code == 0
    assert sent.isascii()


class _Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_what_is_printed_takes_the_place_of_a_status_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with render.Progress() as progress:
        progress("asking", 1, 2)
        render.say("2 answers added")
        render.say("and no more")
    assert screen.getvalue() == "\r\x1b[2Kasking: 1 of 2\r\x1b[2K2 answers added\nand no more\n"
