"""Where a prompt comes from: the command line, standard input, or both."""

from __future__ import annotations

import sys

from ..errors import UsageError


def read_prompt(given: str | None) -> str:
    """The prompt. `-`, or none given, takes it from standard input; piped input beside a prompt is added as context.

    Raises UsageError if there is none, or if the input is not UTF-8.
    """
    if given is None or given == "-":
        if sys.stdin is None or (given is None and sys.stdin.isatty()):
            raise UsageError("no prompt: give one with -p, or pipe it in")
        return _read_stdin()
    if sys.stdin is None or sys.stdin.isatty():
        return given
    context = _read_stdin()
    return f"{given}\n\n{context}" if context.strip() else given


def _read_stdin() -> str:
    try:
        raw = sys.stdin.buffer.read()
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is not UTF-8: byte 0x{raw[error.start]:02x} at position {error.start}",
            hint="convert it first, for example with: iconv -f latin1 -t utf-8",
        ) from error
