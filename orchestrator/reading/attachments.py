"""What is given with a prompt: files, folders and standard input, as one text with a number before each line.

A name, a line number: what a model says of the material it can say with a reference, `path:line`. The numbers also keep
files apart: no line of a file can pass for the head of another one.

What is named is read, or refused by name. In a folder, and among what a glob finds, only ordinary text files are meant:
hidden ones (with them .git and .env), version control, links, what is not text or not UTF-8, what cannot be read, and
what is very large are left out, and counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import field
from glob import glob, has_magic
from pathlib import Path

from ..decoding import decoded, is_utf16
from ..deferred import dataclass
from ..errors import ContextTooLongError, UsageError
from ..expressions import expression
from ..types import Prompt

STDIN = "-"
_PROMPT_FIRST = "the prompt stands before --context, or behind -- after it"
LARGE_BYTES = 1_000_000  # a file in a folder that is longer than this was hardly written to be read
# English has 4 to 5 bytes a token, indented code perhaps 10: what is longer than this for each token of the largest
# window cannot fit, and is not even read.
_MOST_BYTES_PER_TOKEN = 64
_SNIFFED_BYTES = 8_000  # git takes a file for binary if there is a NUL in so many bytes at its beginning
_VERSION_CONTROL = frozenset({"CVS", "_darcs", "RCS", "SCCS"})  # those that are not hidden
_LINE_ENDS = expression(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Attachments:
    """`text` is what is sent. `left_out` counts what was passed over in folders, by the reason in words."""

    text: str
    names: tuple[str, ...]
    left_out: Counter[str]


def read_attachments(named: Sequence[str], *, stdin: Callable[[], str] | None, window: int) -> Attachments:
    """Read files, folders, globs and `-`, which is standard input, in the order in which they are named.

    `window` is the largest context window that there is, in tokens. Raises UsageError for what cannot be read, is not
    UTF-8 or has no text in it, and ContextTooLongError for what is far too long for any window.
    """
    files = _Found()
    for name in named:
        try:
            files.add(name)
        except OSError as error:
            raise UsageError(f"--context: {name[:200]} cannot be read: {error.strerror or error}") from error
    _check_size(files.files, window)
    texts = {}
    for path, named_itself in files.files.items():
        text, reason = (_read(path), "") if named_itself else _read_if_text(path)
        if text is None:
            files.left_out[reason] += 1
        else:
            texts[_shown(path)] = text
    if files.stdin:
        if stdin is None:
            raise UsageError("--context -: there is no standard input to read here")
        texts["standard input"] = stdin()
    texts = {name: text for name, text in texts.items() if text.strip()}
    if not texts:
        raise UsageError(f"--context: there is no text in {', '.join(named)}", hint=_in_words(files.left_out))
    return Attachments("\n\n".join(_numbered(name, text) for name, text in texts.items()), tuple(texts), files.left_out)


def attach(question: str, system: str | None, material: str) -> Prompt:
    """A prompt with material that others may have written."""
    return Prompt(f"{question}\n\n{material}", system, context=material, attached=True)


@dataclass(slots=True)
class _Found:
    """The files that are meant, each once, in order, and whether they were named themselves."""

    files: dict[Path, bool] = field(default_factory=dict)
    stdin: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    seen: dict[Path, Path] = field(default_factory=dict)

    def add(self, name: str) -> None:
        path = Path(name).expanduser()
        try:
            is_folder, is_there = path.is_dir(), path.exists()
        except (OSError, ValueError) as error:  # a closed folder on the way, a name that is too long, a NUL
            reason = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"--context: {name} cannot be read: {reason}") from None
        if name == STDIN:
            self.stdin = True
        elif is_folder:
            self._add_folder(path)
        elif is_there:
            self._add_file(path, named_itself=True)
        elif has_magic(name):
            self._add_all(name)
        else:
            raise UsageError(f"--context: there is no file {name}", hint=_PROMPT_FIRST if " " in name else None)

    def _add_all(self, pattern: str) -> None:
        matches = sorted(glob(os.path.expanduser(pattern), recursive=True))  # noqa: PTH111, PTH207  # Path has no such glob
        if not matches:
            raise UsageError(f"--context: nothing is called {pattern}", hint=_PROMPT_FIRST if " " in pattern else None)
        for match in map(Path, matches):
            if not match.is_dir():
                self._add_if_text(match)
            elif "**" not in pattern:  # which finds what is in a folder as well
                self._add_folder(match)

    def _add_folder(self, folder: Path) -> None:
        def unreadable(error: OSError) -> None:
            if Path(error.filename) == folder:
                raise _unreadable(folder, error) from error
            self.left_out["unreadable"] += 1

        for parent, folders, files in os.walk(folder, onerror=unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _VERSION_CONTROL)
            for name in sorted(files):
                if name.startswith("."):
                    self.left_out["hidden"] += 1
                else:
                    self._add_if_text(Path(parent, name))

    def _add_if_text(self, path: Path) -> None:
        if path.is_symlink() or not path.is_file():
            self.left_out["links or no ordinary files"] += 1
        elif path.stat().st_size > LARGE_BYTES:
            self.left_out[f"longer than {LARGE_BYTES:,} bytes"] += 1
        elif (why := _no_text(path)) is not None:
            self.left_out[why] += 1
        else:
            self._add_file(path, named_itself=False)

    def _add_file(self, path: Path, *, named_itself: bool) -> None:
        first = self.seen.setdefault(path.resolve(), path)
        self.files[first] = named_itself or self.files.get(first, False)


def _in_words(left_out: Counter[str]) -> str | None:
    """What was left out, for people: `2 binary, 1 hidden`."""
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or None


def left_out_note(attachments: Attachments) -> str | None:
    """A sentence on what was passed over, or None."""
    words = _in_words(attachments.left_out)
    return None if words is None else f"left out of --context: files that are {words}"


def _check_size(files: Collection[Path], window: int) -> None:
    size = sum(path.stat().st_size for path in files)
    if size > window * _MOST_BYTES_PER_TOKEN:
        raise ContextTooLongError(
            f"--context does not fit: it is {size:,} bytes in {len(files):,} files, and the largest context window "
            f"here is {window:,} tokens",
            provider=None,
        )


def _no_text(path: Path) -> str | None:
    """Why a file is left out by its beginning alone, in words: all others count for the size of the whole."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_SNIFFED_BYTES)
    except OSError:
        return "unreadable"
    if is_utf16(start):
        return "not UTF-8"
    return "binary" if b"\0" in start else None


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    text = decoded(raw, f"--context: {_shown(path)}")
    if "\0" in text:
        raise UsageError(f"--context: {_shown(path)} is not text: it has a NUL at position {raw.index(0)}")
    return text


def _read_if_text(path: Path) -> tuple[str | None, str]:
    """The text of a file that was not named itself; None, and the reason in words, if there is none to be read."""
    try:
        raw = path.read_bytes()
    except OSError:
        return None, "unreadable"
    if b"\0" in raw and not is_utf16(raw):
        return None, "binary"
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return None, "not UTF-8"


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"--context: {_shown(path)} cannot be read: {error.strerror or error}")


def _numbered(name: str, text: str) -> str:
    lines = list(_lines(text))
    return "\n".join([f"file: {name}", *(f"{number}\t{line}" for number, line in enumerate(lines, start=1))])


def _lines(text: str) -> Iterator[str]:
    """The lines as editors count them; the end of the last one begins no further line."""
    lines = _LINE_ENDS.split(text)
    return iter(lines[:-1] if lines[-1] == "" else lines)


def _shown(path: Path) -> str:
    """A path on one line, in characters that can be sent."""
    name = path.as_posix()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
