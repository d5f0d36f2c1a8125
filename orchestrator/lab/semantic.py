"""What the semantic cache would do on pairs of prompts: hits, false hits and missed paraphrases, by similarity.

A pair is a JSON line {"a": ..., "b": ..., "same": true}. With a "similarity" of its own, from any source of embeddings,
nothing is embedded for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..deferred import dataclass
from ..errors import UsageError
from ..paraphrase.agreement import differences
from ..reading.embedding import Embedder
from .reading import read_objects

if TYPE_CHECKING:
    from ..reading.embedding import Matrix

MOST_FALSE = 0.005  # of pairs that ask something else: what is advised keeps below it
_THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_Z = 1.959963984540054  # the quantile of the normal distribution for an interval of 95 %
_EXAMPLES = 5


class Pair(NamedTuple):
    """Two prompts, whether they ask the same, and how similar they are if that is known."""

    a: str
    b: str
    same: bool
    similarity: float | None = None


class Judged(NamedTuple):
    """A pair with its similarity, and what parts the two prompts by the comparison; empty if that is nothing."""

    pair: Pair
    similarity: float
    differs: tuple[str, ...]


class Share(NamedTuple):
    """How many of how many."""

    number: int
    of: int

    def interval(self) -> tuple[float, float]:
        """Wilson's interval of 95 % (1927): good for shares that are near 0, too. From 0 to 1 if there are none."""
        if not self.of:
            return 0.0, 1.0
        share, square = self.number / self.of, _Z * _Z
        middle = (share + square / (2 * self.of)) / (1 + square / self.of)
        half = _Z / (1 + square / self.of) * math.sqrt(share * (1 - share) / self.of + square / (4 * self.of * self.of))
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """As in JSON."""
        low, high = self.interval()
        value = self.number / self.of if self.of else None
        return {"count": self.number, "of": self.of, "share": value, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """The figures from a similarity on. `alone`: false hits if similarity decided by itself."""

    threshold: float
    hits: Share
    false_hits: Share
    alone: Share


@dataclass(frozen=True, slots=True)
class PairsReport:
    """`missed` counts the paraphrases that the comparison does not take for the same, by what it says parts them.
    `advised` is a threshold, None if there is none that keeps false hits below `MOST_FALSE`."""

    source: str
    rows: tuple[AtThreshold, ...]
    missed: Mapping[str, int]
    advised: float | None
    wrong: tuple[Judged, ...]
    overlooked: tuple[Judged, ...]

    def to_dict(self) -> dict[str, Any]:
        """As in JSON."""
        rows = [
            {
                "threshold": row.threshold,
                "hits": row.hits.to_dict(),
                "false_hits": row.false_hits.to_dict(),
                "false_hits_by_similarity_alone": row.alone.to_dict(),
            }
            for row in self.rows
        ]
        return {
            "schema_version": 1,
            "embedding": self.source,
            "thresholds": rows,
            "advised_threshold": self.advised,
            "missed": dict(self.missed),
            "false": [_example(each) for each in self.wrong],
            "missed_pairs": [_example(each) for each in self.overlooked],
        }


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file, plain or gzipped. Raises UsageError, naming file and line."""
    pairs: list[Pair] = []
    for found, fail in read_objects(path):
        a, b, same, similarity = (found.get(name) for name in ("a", "b", "same", "similarity"))
        if not (isinstance(a, str) and isinstance(b, str) and isinstance(same, bool)):
            fail('expected two texts "a" and "b", and "same": true or false')
        if similarity is not None and not (isinstance(similarity, int | float) and -1 <= similarity <= 1):
            fail("the similarity must be a number from -1 to 1")
        pairs.append(Pair(a, b, same, similarity))
    if not pairs:
        raise UsageError(f"{path}: there is nothing in it", hint='each line is {"a": ..., "b": ..., "same": true}')
    return pairs


def texts_of(pairs: Sequence[Pair]) -> list[str]:
    """The prompts whose embeddings are needed, each once."""
    return list(dict.fromkeys(text for pair in pairs if pair.similarity is None for text in (pair.a, pair.b)))


@dataclass(frozen=True, slots=True)
class GivenEmbeddings:
    """An `Embedder` of texts whose vectors are known."""

    name: str
    vectors: Mapping[str, Sequence[float]]

    def embed(self, texts: Sequence[str]) -> Matrix:
        """As `Embedder.embed`, of these texts."""
        import numpy as np

        rows = np.asarray([self.vectors[text] for text in texts], np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        embedded: Matrix = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
        return embedded


def judged(pairs: Sequence[Pair], embedder: Embedder | None) -> list[Judged]:
    """Each pair as the semantic cache sees it. `embedder` may be None if all of them have a similarity."""
    texts = texts_of(pairs)
    rows = dict(zip(texts, embedder.embed(texts), strict=True)) if embedder is not None and texts else {}
    return [
        Judged(
            pair,
            float(rows[pair.a] @ rows[pair.b]) if pair.similarity is None else pair.similarity,
            differences(pair.a, pair.b),
        )
        for pair in pairs
    ]


def report_on(pairs: Iterable[Judged], source: str, threshold: float | None = None) -> PairsReport:
    """The figures, at `threshold` too if one is given."""
    every = list(pairs)
    same, other = ([each for each in every if each.pair.same is wanted] for wanted in (True, False))
    wanted = sorted({*_THRESHOLDS, *(() if threshold is None else (threshold,))})
    missed = [each for each in same if each.differs]
    counts = Counter(each.differs[0].partition(" (")[0] for each in missed)
    advised = _advised(same, other)
    wrong = [each for each in other if _hits(each, advised or 0.0)]
    return PairsReport(
        source,
        tuple(_at(each, same, other) for each in wanted),
        dict(counts.most_common()),
        advised,
        tuple(sorted(wrong, key=lambda each: -each.similarity)[:_EXAMPLES]),
        tuple(sorted(missed, key=lambda each: -each.similarity)[:_EXAMPLES]),
    )


def _hits(each: Judged, threshold: float) -> bool:
    return not each.differs and each.similarity >= threshold


def _at(threshold: float, same: Sequence[Judged], other: Sequence[Judged]) -> AtThreshold:
    hits, false = (Share(sum(_hits(each, threshold) for each in those), len(those)) for those in (same, other))
    alone = Share(sum(each.similarity >= threshold for each in other), len(other))
    return AtThreshold(threshold, hits, false, alone)


def _advised(same: Sequence[Judged], other: Sequence[Judged]) -> float | None:
    """The highest threshold in hundredths that loses at most one in a hundred hits; a higher one if there are too many
    false hits at that."""
    found = sorted(each.similarity for each in same if not each.differs)
    start = math.floor(100 * found[len(found) // 100]) if found else 0
    for hundredths in range(max(start, 0), 100):
        false = sum(_hits(each, hundredths / 100) for each in other)
        if not other or false / len(other) <= MOST_FALSE:
            return hundredths / 100
    return None


def _example(each: Judged) -> dict[str, Any]:
    return {"a": each.pair.a, "b": each.pair.b, "similarity": round(each.similarity, 4), "differs": list(each.differs)}
