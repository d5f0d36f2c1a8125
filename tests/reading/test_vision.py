"""What images and pages take, against the examples that providers publish; and kinds and sizes by the bytes."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from pypdf import PdfWriter

from orchestrator.errors import UsageError
from orchestrator.reading.media import PDF, media_at, media_of
from orchestrator.reading.vision import media_tokens, vision_of
from orchestrator.types import Media


@pytest.mark.parametrize(
    ("provider", "model", "size", "tokens"),
    [
        ("openai", "gpt-4o", (1024, 1024), 765),  # 4 tiles
        ("openai", "gpt-4o", (2048, 4096), 1105),  # 6 tiles
        ("openai", "gpt-4o-mini", (1024, 1024), 25_501),
        ("openai", "o3", (1024, 1024), 675),
        ("openai", "gpt-5", (1024, 1024), 630),
        ("openai", "gpt-4.1-mini", (1024, 1024), 1659),  # 1,024 patches
        ("openai", "gpt-5-nano", (8000, 8000), 3779),  # 1,536 patches at most
        ("anthropic", "claude-sonnet-4-5", (200, 200), 64),
        ("anthropic", "claude-sonnet-4-5", (1000, 1000), 1334),
        ("anthropic", "claude-sonnet-4-5", (4000, 3000), 1640),
        ("anthropic", "claude-opus-4-8", (2000, 1500), 4000),
        ("google", "gemini-2.5-pro", (384, 384), 258),
        ("google", "gemini-2.5-pro", (960, 540), 1548),  # 6 tiles
        ("google", "gemini-3.8-flash", (960, 540), 1120),
    ],
)
def test_an_image_takes_what_the_provider_publishes(
    provider: str, model: str, size: tuple[int, int], tokens: int
) -> None:
    counted = media_tokens(Media("image/png", b"", width=size[0], height=size[1]), vision_of(provider, model))
    assert counted.expected == tokens
    assert tokens < counted.bound < 1.2 * tokens + 20


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter"])
def test_what_is_not_known_is_bounded_by_the_most_that_there_is(provider: str) -> None:
    vision = vision_of(provider, "a-model-of-next-year")
    somewhere = media_tokens(Media("image/*", url="https://example.com/a"), vision)
    small = media_tokens(Media("image/png", b"", width=640, height=480), vision)
    assert somewhere.bound >= small.bound
    one, ten = (media_tokens(Media(PDF, b"", pages=pages), vision) for pages in (1, 10))
    assert ten.expected == 10 * one.expected
    assert media_tokens(Media(PDF, url="https://example.com/a.pdf"), vision).bound > ten.bound


def paper(pages: int, password: str | None = None) -> bytes:
    writer, written = PdfWriter(), BytesIO()
    for _ in range(pages):
        writer.add_blank_page(100, 100)
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(written)
    return written.getvalue()


JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x11\x08" + struct.pack(">HH", 30, 40) + b"\0" * 12
WEBP = b"RIFF\0\0\0\0WEBP"
SEEN = {
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 40, 30), "image/png", (40, 30)),
    "gif": (b"GIF89a" + struct.pack("<HH", 40, 30), "image/gif", (40, 30)),
    "jpeg": (JPEG, "image/jpeg", (40, 30)),
    "webp, lossy": (WEBP + b"VP8 " + b"\0" * 10 + struct.pack("<HH", 40, 30), "image/webp", (40, 30)),
    "webp, lossless": (WEBP + b"VP8L\0\0\0\0/" + struct.pack("<I", 39 | 29 << 14), "image/webp", (40, 30)),
    "webp, extended": (WEBP + b"VP8X" + b"\0" * 8 + b"\x27\0\0\x1d\0\0", "image/webp", (40, 30)),
}


@pytest.mark.parametrize(("data", "kind", "size"), SEEN.values(), ids=SEEN)
def test_kind_and_size_are_read_from_the_bytes(data: bytes, kind: str, size: tuple[int, int]) -> None:
    media = media_of(data, "it")
    assert (media.media_type, (media.width, media.height)) == (kind, size)
    for end in range(9, len(data)):
        try:
            media_of(data[:end], "it")
        except UsageError as error:
            assert error.message.startswith("it is")  # noqa: PT017


def test_pages_are_counted_and_what_cannot_be_read_is_refused() -> None:
    assert media_of(paper(3), "it").pages == 3
    for data, problem in (
        (paper(1, "secret"), "is encrypted"),
        (paper(2)[:60], "cannot be read"),
        (b"text", "no image"),
    ):
        with pytest.raises(UsageError, match=problem):
            media_of(data, "it")


def test_an_address_is_passed_on_or_holds_the_bytes() -> None:
    assert media_at("https://example.com/a.PDF?b=1", "it").is_document
    assert not media_at("https://example.com/a", "it").is_document
    for address in ("ftp://example.com/a", "/etc/passwd", "https://", "data:image/png,abc", "https://a b"):
        with pytest.raises(UsageError):
            media_at(address, "it")
