"""The tokens that an image or a page of a PDF takes, by what each provider publishes. Pure.

    tiles     OpenAI until GPT-5: scaled into 2048 x 2048, then to 768 on the short side; so many tokens, and more for
              each 512 x 512
    patches   OpenAI since GPT-5 mini: 32 x 32 pixels each, up to a number, times a factor
    pixels    Anthropic: width x height / 750, scaled down to a most; a page is its text (1,500 to 3,000) and its image
    gemini    until 2.5: 258 for each tile of a crop; from 3 on: 1,120 an image, 560 a page

https://platform.openai.com/docs/guides/images-vision#calculating-costs,
https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support,
https://ai.google.dev/gemini-api/docs/media-resolution. Of other models nothing is known: the most that any of these
takes is the bound.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from ..conversation import Media
from ..expressions import expression
from .tokens import TokenCount

_PAGE_TEXT = (1_500, 3_000)  # tokens of a page's text: as Anthropic expects it, and the most that it names
_PAGE = (1_240, 1_754)  # pixels of a page of A4 as it is rendered, at 150 dots an inch
_LARGEST = (2_048, 2_048)  # pixels that an image is taken to have where its size is not known
_UNKNOWN_PAGES = 600  # the most that a provider takes
_SLACK = 16  # tokens around an image or a document


class Measure(StrEnum):
    """How a model's images are measured."""

    TILES = "tiles"
    PATCHES = "patches"
    PIXELS = "pixels"
    CROPS = "crops"
    FIXED = "fixed"


class Vision(NamedTuple):
    """What a model's images cost: `base` tokens and `each` more by the measure, at `most` so many of these; or, of what
    has a `page` price, that for each page of a document."""

    measure: Measure
    base: float = 0
    each: float = 1
    most: int = 0
    page: int | None = None


_UNKNOWN = Vision(Measure.PATCHES, each=2.46, most=10_000)
_ANTHROPIC = ((expression(r"claude-(?:3|(?:opus|sonnet|haiku)-(?:3|4-[0-6]\b))"), Vision(Measure.PIXELS, most=1_640)),)
_OPENAI = (
    (expression(r"gpt-4o-mini"), Vision(Measure.TILES, 2_833, 5_667)),
    (expression(r"(?:gpt-4\.1|gpt-5)-mini"), Vision(Measure.PATCHES, each=1.62, most=1_536)),
    (expression(r"(?:gpt-4\.1|gpt-5)-nano"), Vision(Measure.PATCHES, each=2.46, most=1_536)),
    (expression(r"o4-mini"), Vision(Measure.PATCHES, each=1.72, most=1_536)),
    (expression(r"gpt-4|chatgpt-4o"), Vision(Measure.TILES, 85, 170)),
    (expression(r"o[13]\b"), Vision(Measure.TILES, 75, 150)),
    (expression(r"gpt-5(?:-chat|\Z|-\d)"), Vision(Measure.TILES, 70, 140)),
)
_GOOGLE = ((expression(r"gemini-[12]\b"), Vision(Measure.CROPS, each=258, page=258)),)
_BY_PROVIDER = {
    "anthropic": (_ANTHROPIC, Vision(Measure.PIXELS, most=5_000)),
    "openai": (_OPENAI, _UNKNOWN),
    "google": (_GOOGLE, Vision(Measure.FIXED, 1_120, page=560)),
}


def vision_of(provider: str, model: str) -> Vision:
    """What the images of a model cost, by the name that its provider is sent."""
    rows, others = _BY_PROVIDER.get(provider, ((), _UNKNOWN))
    return next((vision for pattern, vision in rows if pattern.match(model)), others)


def media_tokens(media: Media, vision: Vision) -> TokenCount:
    """The tokens of an image or a document: as they are expected, and the most."""
    if not media.is_document:
        known = media.width > 0
        tokens = _image(vision, *((media.width, media.height) if known else _LARGEST))
        most = tokens if known or vision.measure is Measure.FIXED else _most(vision)
        return TokenCount(tokens, math.ceil(most * 1.1) + _SLACK)
    pages = media.pages or _UNKNOWN_PAGES
    if vision.page is not None:
        return TokenCount(pages * vision.page, pages * 2 * vision.page + _SLACK)
    picture = _image(vision, *_PAGE)
    expected, most = (pages * (picture + text) for text in _PAGE_TEXT)
    return TokenCount(expected, math.ceil(most * 1.1) + _SLACK)


def _image(vision: Vision, width: int, height: int) -> int:
    match vision.measure:
        case Measure.TILES:
            return math.ceil(vision.base + vision.each * _tiles(width, height))
        case Measure.PATCHES:
            return math.ceil(vision.each * min(math.ceil(width / 32) * math.ceil(height / 32), vision.most))
        case Measure.PIXELS:
            tokens = max(math.ceil(width * height / 750), math.ceil(width / 28) * math.ceil(height / 28))
            return min(tokens, vision.most)
        case Measure.CROPS:
            return math.ceil(vision.each * _crops(width, height))
    return math.ceil(vision.base)


def _most(vision: Vision) -> int:
    """Of an image of any size: OpenAI's largest is 8 tiles, Gemini's is taken to be 24."""
    match vision.measure:
        case Measure.TILES:
            return math.ceil(vision.base + vision.each * 8)
        case Measure.CROPS:
            return math.ceil(vision.each * 24)
    return math.ceil(vision.each * vision.most)


def _tiles(width: int, height: int) -> int:
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    return math.ceil(width * scale / 512) * math.ceil(height * scale / 512)


def _crops(width: int, height: int) -> int:
    if max(width, height) <= 384:
        return 1
    unit = max(256, min(768, int(min(width, height) / 1.5)))
    return math.ceil(width / unit) * math.ceil(height / unit)
