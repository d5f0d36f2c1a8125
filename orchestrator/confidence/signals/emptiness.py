"""Length without substance: an open answer whose words would suit any subject, or that says the same again and again.

The weights are logits, set by hand. Of 1,832 recorded open answers one in a thousand had three such words in ten, and
one in a hundred repeated three phrases of four; those were rated half as high as others.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..signal import Answer, Signal
from .substance import phrases_again, vague_words, words_of

EMPTY, REPETITIVE = -2.5, -2.5
_VAGUE, _AGAIN = (0.25, 0.5), (0.6, 0.95)  # shares: from where it counts, and from where in full
_FEWEST = 30  # words


def emptiness(answer: Answer) -> Iterator[Signal]:
    """Of a long open answer of more than a few words."""
    if not answer.is_open or answer.word_count < _FEWEST:
        return
    words = words_of(answer.text)
    vague, again = vague_words(words), phrases_again(words)
    if vague > _VAGUE[0]:
        yield Signal("emptiness", EMPTY * _part(vague, *_VAGUE), f"{vague:.0%} of its words would suit any subject")
    if again > _AGAIN[0]:
        yield Signal("emptiness", REPETITIVE * _part(again, *_AGAIN), f"{again:.0%} of its phrases were said before")


def _part(share: float, begins: float, full: float) -> float:
    return min(1.0, (share - begins) / (full - begins))
