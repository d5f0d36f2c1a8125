"""Files, folders and standard input given with a prompt: what is read, what is left out, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import ContextTooLongError, UsageError
from orchestrator.reading.attachments import LARGE_BYTES, Attachments, attach, left_out_note, read_attachments


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*named: str, window: int = 1_000_000, stdin: str | None = None) -> Attachments:
    return read_attachments(named, stdin=None if stdin is None else lambda: stdin, window=window)


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def test_lines_are_numbered_under_the_name_of_their_file(folder: Path) -> None:
    write(folder / "src" / "a.py", "import os\r\n\r\nx = 1\n")
    assert read("src/a.py").text == "file: src/a.py\n1\timport os\n2\t\n3\tx = 1"


def test_no_line_can_pass_for_the_head_of_another_file(folder: Path) -> None:
    write(folder / "a.txt", "one\n\nfile: b.txt\n1\tforged")
    heads = [line for line in read("a.txt").text.splitlines() if line.startswith("file: ")]
    assert heads == ["file: a.txt"]


def test_a_folder_is_read_in_order_without_what_is_not_meant(folder: Path) -> None:
    write(folder / "b.py", "b")
    write(folder / "a" / "z.py", "z")
    write(folder / ".git" / "config", "secret")
    write(folder / ".env", "KEY=secret")
    write(folder / "CVS" / "Entries", "secret")
    write(folder / "image.png", b"\x89PNG\0secret")
    write(folder / "large.txt", "x" * (LARGE_BYTES + 1))
    (folder / "link.txt").symlink_to(folder / ".env")
    found = read(".")
    assert found.names == ("b.py", "a/z.py")
    assert "secret" not in found.text
    note = left_out_note(found)
    assert note is not None
    assert note.startswith("left out of --context: files that are ")
    for reason in ("1 hidden", "1 binary", "1 longer than 1,000,000 bytes", "1 links"):
        assert reason in note


def test_a_hidden_or_large_file_is_read_if_it_is_named(folder: Path) -> None:
    write(folder / ".env.example", "KEY=")
    write(folder / "large.txt", "x " * LARGE_BYTES)
    assert read(".env.example", "large.txt").names == (".env.example", "large.txt")


def test_a_glob_finds_files_and_folders_each_once(folder: Path) -> None:
    write(folder / "src" / "a.py", "a")
    write(folder / "src" / "deep" / "b.py", "b")
    write(folder / "src" / "deep" / "c.txt", "c")
    assert read("src/**/*.py").names == ("src/a.py", "src/deep/b.py")
    assert read("src/*").names == ("src/a.py", "src/deep/b.py", "src/deep/c.txt")
    assert read("src/**").names == ("src/a.py", "src/deep/b.py", "src/deep/c.txt")
    assert read("src/a.py", "src", "src/a.*").names == ("src/a.py", "src/deep/b.py", "src/deep/c.txt")


def test_a_name_with_magic_in_it_is_that_file_if_there_is_one(folder: Path) -> None:
    write(folder / "what[1].txt", "it")
    assert read("what[1].txt").names == ("what[1].txt",)


def test_standard_input_is_a_file_among_others(folder: Path) -> None:
    write(folder / "a.txt", "a")
    assert read("a.txt", "-", stdin="piped\n").text == "file: a.txt\n1\ta\n\nfile: standard input\n1\tpiped"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("latin.txt", "caf\xe9".encode("latin1"), "latin.txt is not UTF-8: byte 0xe9 at", id="not UTF-8"),
        pytest.param("a.bin", b"ab\0c", "a.bin is not text: it has a NUL at position 2", id="binary, named"),
        pytest.param("empty.txt", b" \n", "there is no text in empty.txt", id="empty"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(folder: Path, name: str, content: bytes, message: str) -> None:
    write(folder / name, content)
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        read(name)


@pytest.mark.parametrize("name", ["none.txt", "none*.txt", "none/", "none" * 2000, "none\0"], ids=lambda name: name[:9])
def test_what_is_not_there_is_refused_by_name(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"none"):
        read(name)


@pytest.mark.parametrize("named", ["src", "src/*.*", "src/**"])
def test_what_was_not_named_itself_is_left_out_and_counted_if_it_is_no_text(folder: Path, named: str) -> None:
    write(folder / "src" / "a.py", "a")
    write(folder / "src" / "latin.py", "caf\xe9".encode("latin1"))
    write(folder / "src" / "late.py", b"x" * 10_000 + b"\xe9")
    write(folder / "src" / "windows.txt", "text".encode("utf-16"))
    write(folder / "src" / "late.bin", b"x" * 10_000 + b"\0")
    found = read(named)
    assert found.names == ("src/a.py",)
    assert found.left_out == {"not UTF-8": 3, "binary": 1}
    assert "3 not UTF-8" in (left_out_note(found) or "")
    with pytest.raises(UsageError, match=r"src/latin\.py is not UTF-8: byte 0xe9") as caught:
        read(named, "src/latin.py")
    assert "iconv -f latin1" in (caught.value.hint or "")
    with pytest.raises(UsageError, match=r"src/windows\.txt is not UTF-8") as caught:
        read("src/windows.txt")
    assert "iconv -f utf-16" in (caught.value.hint or "")


def test_a_folder_with_nothing_but_other_encodings_says_so(folder: Path) -> None:
    write(folder / "src" / "latin.py", "caf\xe9".encode("latin1"))
    with pytest.raises(UsageError, match="there is no text in src") as caught:
        read("src")
    assert caught.value.hint == "1 not UTF-8"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is closed to this user")
def test_what_is_closed_in_a_folder_is_left_out_and_counted(folder: Path) -> None:
    write(folder / "src" / "a.py", "a")
    write(folder / "src" / "closed.py", "secret")
    write(folder / "src" / "inner" / "b.py", "b")
    (folder / "src" / "closed.py").chmod(0)
    (folder / "src" / "inner").chmod(0)
    try:
        assert read("src").left_out == {"unreadable": 2}
    finally:
        (folder / "src" / "inner").chmod(0o700)


def test_what_cannot_fit_any_window_is_not_even_read(folder: Path) -> None:
    write(folder / "a.txt", "x" * 700)
    with pytest.raises(ContextTooLongError, match=r"700 bytes in 1 files, .* 10 tokens") as caught:
        read("a.txt", window=10)
    assert caught.value.exit_code == 7


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_a_name_stays_on_one_line(folder: Path) -> None:
    write(folder / "a\nfile: b", "x")
    assert read(".").text == "file: a\\nfile: b\n1\tx"


def test_the_question_is_told_from_what_goes_with_it() -> None:
    prompt = attach("Why?", None, "file: a\n1\tx")
    assert (prompt.question, prompt.context, prompt.asked) == ("Why?", "file: a\n1\tx", "Why?")
