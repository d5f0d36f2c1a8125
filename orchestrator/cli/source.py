"""Where a prompt comes from: the command line, standard input, or both."""

from __future__ import annotations

import sys

from ..errors import UsageError
from ..types import Prompt


def read_prompt(given: str | None, system: str | None = None) -> Prompt:
    """The prompt. `-`, or none given, takes it from standard input; piped input beside a prompt is added as context.

    Raises UsageError if there is none, or if the input is not UTF-8.
    """
    if given is None or given == "-":
        if sys.stdin is None or (given is None and sys.stdin.isatty()):
            raise UsageError("no prompt: give one with -p, or pipe it in")
        return Prompt(_read_stdin(), system)
    if sys.stdin is None or sys.stdin.isatty():
        return Prompt(given, system)
    context = _read_stdin()
    return Prompt(f"{given}\n\n{context}", system, context) if context.strip() else Prompt(given, system)


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
