"""Images and PDF documents: of what kind they are, how large, and of how many pages. By their bytes, never by a name.

PNG, JPEG, GIF, WebP    what all providers take
PDF                     pages are counted by `pypdf`
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from ..conversation import Media, Prompt
from ..deferred import replace
from ..errors import UsageError
from ..expressions import expression

PDF = "application/pdf"
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
MAX_BYTES = 50_000_000  # of one file: more than any provider takes
_ADDRESS = expression(r"https?://[^\s/?#]+\S*")
_DATA_URL = expression(r"data:([\w.+/-]*)(?:;[\w.=+-]+)*?;base64,")
_FRAMES = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})  # of a JPEG


def media_of(data: bytes, called: str, name: str | None = None) -> Media:
    """An image or a document by its bytes; `called` is what it is in errors. Raises UsageError for anything else."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"{called} is too large: {len(data):,} bytes, and no provider takes over {MAX_BYTES:,}")
    kind = kind_of(data)
    if kind is None:
        raise UsageError(
            f"{called} is no image that models take, and no PDF", hint="it takes PNG, JPEG, GIF, WebP and PDF"
        )
    if kind == PDF:
        return Media(kind, data, name=name, pages=_pages(data, called))
    width, height = _size(kind, data)
    if not width or not height:
        raise UsageError(f"{called} is damaged: it begins as {kind} and has no size")
    return Media(kind, data, name=name, width=width, height=height)


def media_at(address: str, called: str) -> Media:
    """An image or a document by its address: a data URL, or one of http that is passed on as it is.

    One that is passed on is an image, or a PDF if its path ends so. Raises UsageError for any other address.
    """
    head = _DATA_URL.match(address)
    if head is not None:
        return media_of(decoded_base64(address[head.end() :], called), called)
    if not is_address(address):
        shown = address if len(address) <= 60 else f"{address[:60]}..."
        raise UsageError(f"{called} is no address of http, https or data: {shown!r}")
    path = address.partition("?")[0].partition("#")[0]
    return Media(PDF if path.lower().endswith(".pdf") else "image/*", url=address)


def is_address(text: str) -> bool:
    """Whether a text is an address of the web."""
    return _ADDRESS.fullmatch(text) is not None


def decoded_base64(text: str, called: str) -> bytes:
    """The bytes that base64 stands for. Raises UsageError for what is none, or far too much."""
    if len(text) > 2 * MAX_BYTES:
        raise UsageError(f"{called} is too large: no provider takes over {MAX_BYTES:,} bytes")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{called} is not base64: {error}") from None


def kind_of(data: bytes) -> str | None:
    """The media type by the first bytes; None for what no model takes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return PDF if b"%PDF-" in data[:1024] else None


def _size(kind: str, data: bytes) -> tuple[int, int]:
    """Width and height in pixels; 0 where they cannot be read."""
    try:
        match kind:
            case "image/png":
                return struct.unpack(">II", data[16:24])
            case "image/gif":
                return struct.unpack("<HH", data[6:10])
            case "image/webp":
                return _webp_size(data)
        return _jpeg_size(data)
    except (struct.error, IndexError):
        return 0, 0


def _webp_size(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """By the first frame header: segments are a marker, a length, and so many bytes."""
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            return 0, 0
        marker = data[place + 1]
        if marker == 0xFF:  # a byte that fills
            place += 1
            continue
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 2 + length
    return 0, 0


def _pages(data: bytes, called: str) -> int:
    import logging  # heavy, as the next is

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it repairs is nobody's business
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted:
            raise UsageError(f"{called} is encrypted", hint="save it without a password first")
        return len(reader.pages)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexError) as error:
        raise UsageError(f"{called} is a PDF that cannot be read: {error}") from None


def read_media(named: Sequence[str], option: str, fetch: Callable[[str, str], bytes] | None) -> tuple[Media, ...]:
    """The images and documents that are named, by path or by address. `option` names it in errors, `fetch` gets what is
    at an address; without it, an address is passed on to the provider. Raises UsageError for what cannot be read or is
    of another kind."""
    return tuple(_named(name, f"{option}: {name[:200]}", fetch) for name in named)


def with_media(prompt: Prompt, media: Sequence[Media]) -> Prompt:
    """The prompt with images and documents, which stand before its text."""
    if not media:
        return prompt
    return replace(prompt, parts=(*media, *(prompt.parts or (prompt.text,))))


def _named(name: str, called: str, fetch: Callable[[str, str], bytes] | None) -> Media:
    if is_address(name):
        if fetch is None:
            return media_at(name, called)
        return media_of(fetch(name, called), called, PurePosixPath(urlsplit(name).path).name or None)
    path = Path(name).expanduser()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{called} is too large: no provider takes over {MAX_BYTES:,} bytes")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{called} cannot be read: {reason}") from None
    return media_of(data, called, path.name)
