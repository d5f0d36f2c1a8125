"""Text from bytes that others wrote: UTF-8, or an error that says how to convert it."""

from __future__ import annotations

import codecs

from .errors import OrchError, UsageError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(raw: bytes, what: str, kind: type[OrchError] = UsageError) -> str:
    """The text, without a byte order mark. Raises an error of the kind if it is not UTF-8; `what` it is, in words."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(what, error, kind) from error


def not_utf8(what: str, error: UnicodeDecodeError, kind: type[OrchError] = UsageError) -> OrchError:
    """The error for what is not UTF-8: the byte, its place and how to convert it."""
    byte = error.object[error.start]
    return kind(
        f"{what} is not UTF-8: byte 0x{byte:02x} at position {error.start:,}", hint=how_to_convert(error.object)
    )


def how_to_convert(raw: bytes) -> str:
    """A command that makes UTF-8 of it, from UTF-16 where it is marked as such (Windows PowerShell writes that)."""
    encoding = "utf-16" if is_utf16(raw) else "latin1"
    return f"convert it first, for example with: iconv -f {encoding} -t utf-8"


def is_utf16(raw: bytes) -> bool:
    """Whether it begins with a mark of UTF-16."""
    return raw.startswith(_UTF_16)
