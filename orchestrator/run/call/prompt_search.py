"""Finds the kept prompts that are nearest to a new one.

The heads of the vectors of a scope are in memory: one product of a matrix tells which few prompts can be near, and
only those are read and compared whole. A head is a good guess, as embeddings have no special dimensions, or the best
ones first. What another process has kept is found too; what was removed is dropped when it comes up.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...ledger.kept_prompts import KeptPrompt, KeptPrompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

HEAD = 128  # numbers of a head
_LOOKED_AT = 48  # prompts that are compared whole
_MOST_SCOPES = 64  # in memory at a time


class Near(NamedTuple):
    """A kept prompt, the key of its answer, and its cosine similarity to the new one."""

    key: str
    text: str
    similarity: float


class PromptSearch:
    """Searches in a file of prompts. Safe to use from several threads."""

    def __init__(self, prompts: KeptPrompts) -> None:
        self.prompts = prompts
        self._lock = threading.Lock()
        self._scopes: OrderedDict[tuple[str, str], _Heads] = OrderedDict()

    def nearest(self, source: str, scope: str, vector: Vector) -> list[Near]:
        """The prompts that are nearest to a vector of length 1, the nearest first. Raises LedgerError."""
        import numpy as np

        with self._lock:
            heads = self._scopes.setdefault((source, scope), _Heads())
            self._scopes.move_to_end((source, scope))
            if len(self._scopes) > _MOST_SCOPES:
                self._scopes.popitem(last=False)
            heads.add(self.prompts.heads(source, scope, heads.last))
            likely = heads.likely(vector)
            kept = self.prompts.vectors(likely)
            heads.drop(set(likely) - {each.id for each in kept})
        if not kept:
            return []
        rows = np.frombuffer(b"".join(each.vector for each in kept), np.float16).reshape(len(kept), -1)
        alike = rows.astype(np.float32) @ vector
        found = [Near(each.key, each.text, float(one)) for each, one in zip(kept, alike, strict=True)]
        return sorted(found, key=lambda near: -near.similarity)


def kept_prompt(key: str, source: str, scope: str, text: str, vector: Vector) -> KeptPrompt:
    """A prompt as it is kept. `vector` has length 1."""
    import numpy as np

    return KeptPrompt(key, source, scope, text, vector.astype(np.float16).tobytes(), _head(vector).tobytes())


def _head(vector: Vector) -> Any:
    """The beginning of a vector, with length 1 again."""
    import numpy as np

    head = vector[:HEAD]
    return (head / max(float(np.linalg.norm(head)), 1e-6)).astype(np.float16)


class _Heads:
    """The heads of a scope: rows of a matrix with room for more, in the order of their numbers."""

    def __init__(self) -> None:
        self.last = 0
        self._count = 0
        self._ids: Any = None
        self._rows: Any = None

    def add(self, heads: Sequence[tuple[int, bytes]]) -> None:
        import numpy as np

        if not heads:
            return
        new = np.frombuffer(b"".join(head for _, head in heads), np.float16).reshape(len(heads), -1)
        needed = self._count + len(heads)
        if self._rows is None or needed > len(self._rows):
            rows, ids = (
                np.zeros((max(2 * needed, 64), new.shape[1]), np.float32),
                np.zeros(max(2 * needed, 64), np.int64),
            )
            if self._count:
                rows[: self._count], ids[: self._count] = self._rows[: self._count], self._ids[: self._count]
            self._rows, self._ids = rows, ids
        self._rows[self._count : needed] = new
        self._ids[self._count : needed] = [number for number, _ in heads]
        self._count, self.last = needed, heads[-1][0]

    def likely(self, vector: Vector) -> list[int]:
        import numpy as np

        if not self._count:
            return []
        ids = self._ids[: self._count]
        if self._count <= _LOOKED_AT:
            return [int(each) for each in ids]
        alike = self._rows[: self._count] @ _head(vector).astype(np.float32)
        return [int(ids[place]) for place in np.argpartition(-alike, _LOOKED_AT)[:_LOOKED_AT]]

    def drop(self, gone: set[int]) -> None:
        import numpy as np

        if gone:
            stay = ~np.isin(self._ids[: self._count], list(gone))
            left = int(stay.sum())
            self._rows[:left], self._ids[:left] = self._rows[: self._count][stay], self._ids[: self._count][stay]
            self._count = left
