"""The words of a user's command, here and on Windows."""

from __future__ import annotations

import pytest

from orchestrator.command_line import words_of


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (r"C:\tools\check.exe --strict", [r"C:\tools\check.exe", "--strict"]),
        (r'"C:\Program Files\py\python.exe" -m json.tool', [r"C:\Program Files\py\python.exe", "-m", "json.tool"]),
        (r"\\server\share\check.cmd a#b", [r"\\server\share\check.cmd", "a#b"]),
        ("check it's", ["check", "it's"]),
        ("  ", []),
    ],
)
def test_on_windows_a_backslash_parts_folders(command: str, words: list[str]) -> None:
    assert words_of(command, windows=True) == words


def test_elsewhere_words_are_a_shells() -> None:
    assert words_of(r"sh -c 'grep -q \"a b\"' x\ y", windows=False) == ["sh", "-c", r"grep -q \"a b\"", "x y"]


@pytest.mark.parametrize("windows", [False, True])
def test_a_quote_that_is_not_closed_is_an_error(windows: bool) -> None:
    with pytest.raises(ValueError, match="No closing quotation"):
        words_of('check "this', windows=windows)
