"""`orch chat`: a conversation from lines of standard input, and what is said to it itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Orch = Callable[..., CompletedProcess[bytes]]


def said(orch: Orch, *lines: str) -> tuple[int, str, str]:
    done = orch("chat", "--simulate", "-m", "gpt-6.1-sol", stdin="\n".join(lines).encode())
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_each_line_is_answered_in_the_light_of_the_others(orch: Orch, tmp_path: Path) -> None:
    saved = tmp_path / "talk.json"
    lines = (
        "What is the capital of France?",
        "",
        "And of Spain?",
        "/system Be brief.",
        f"/save {saved}",
        "/cost",
        "/exit",
    )
    code, out, err = said(orch, *lines, "never asked")
    assert code == 0
    assert len(out.splitlines()) >= 2
    assert "saved 4 turns" in err
    assert "(answers: 2, calls: 2" in err
    messages = json.loads(saved.read_text())
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant"]
    assert messages[3]["content"] == "And of Spain?"
    latest = json.loads(orch("show", "last", "--simulate", "--output", "json").stdout)
    assert latest["messages"] == messages[1:4]
    assert "User: What is the capital of France?" in orch("show", "last", "--simulate").stdout.decode()
    # The run of a later question can be gone on from, with all that was said before it.
    shown = json.loads(orch("run", "--simulate", "--continue", "last", "-p", "why?", "--output", "json").stdout)
    assert shown["input_tokens"] > 40


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("/nosuch", 2, "there is no /nosuch here"),
        ("/retry", 2, "nothing has been asked yet"),
        ("/model nobody-knows", 2, "there is no chain or model named 'nobody-knows'"),
        ("/attach nowhere.png", 2, "/attach: nowhere.png cannot be read"),
        ("/save", 2, "/save takes the name of a file"),
        ("/help", 0, "/retry [MODEL]"),
        ("/model haiku", 0, "asking claude-haiku-5-5"),
        ("/system", 0, "no system prompt"),
        ("/cost", 0, "$0.00 (answers: 0"),
        ("/new", 0, "a new conversation"),
    ],
)
def test_what_is_said_to_chat_itself(orch: Orch, line: str, code: int, words: str) -> None:
    ended, out, err = said(orch, line)
    assert (ended, out) == (code, "")
    assert words in err


def test_retry_asks_the_last_question_again_and_forgets_its_answer(orch: Orch, tmp_path: Path) -> None:
    saved = tmp_path / "talk.md"
    code, _, err = said(orch, "Name a river.", "/retry haiku", f"/save {saved}", "/cost")
    assert code == 0
    assert "(answers: 2, calls: 2" in err
    assert saved.read_text().count("## You") == 1
