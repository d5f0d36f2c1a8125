"""Whether a model takes the images and documents of a conversation: their kinds, their number and their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..conversation import Media
from ..registry.model import Feature, ModelSpec
from ..registry.providers import PROVIDERS
from .base import Obstacle


class _Most(NamedTuple):
    """What a provider takes in one request: images, the bytes of each and of all as base64, pages of documents."""

    images: int
    image_bytes: int
    all_bytes: int
    pages: int


# By the API that is spoken: https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support,
# https://platform.openai.com/docs/guides/images-vision and .../pdf-files,
# https://ai.google.dev/gemini-api/docs/image-understanding and .../document-processing
_MOST: Mapping[str, _Most] = {
    "anthropic": _Most(100, 5_000_000, 32_000_000, 100),
    "openai": _Most(500, 50_000_000, 50_000_000, 100),
    "google": _Most(3_000, 50_000_000, 100_000_000, 1_000),
}
_FETCH_DOCUMENTS = ("anthropic", "google")  # a document may be an address; the others want its bytes


def unfit_for(media: Sequence[Media], spec: ModelSpec) -> Obstacle | None:
    """Why a model does not take these images and documents; None if it does."""
    if not media:
        return None
    documents = [each for each in media if each.is_document]
    if len(documents) < len(media) and Feature.VISION not in spec.supports:
        return Obstacle.NO_IMAGES
    api = PROVIDERS[spec.provider].module.rpartition(".")[2]
    by_address = api not in _FETCH_DOCUMENTS and any(each.url is not None for each in documents)
    if by_address or (documents and Feature.PDF not in spec.supports):
        return Obstacle.NO_DOCUMENTS
    most = _MOST.get(api, _MOST["openai"])
    sizes = [len(each.data or b"") for each in media if not each.is_document]
    all_bytes = sum(len(each.data or b"") for each in media) * 4 // 3
    fits = (
        len(sizes) <= most.images
        and max(sizes, default=0) * 4 // 3 <= most.image_bytes
        and all_bytes <= most.all_bytes
        and sum(each.pages for each in documents) <= most.pages
    )
    return None if fits else Obstacle.MEDIA
