"""A key taken out of what a provider says: as it is, in pieces, and in the forms in which it may be written.

A server that echoes a key may break it with blanks, escapes or invisible characters, cut it, turn it round or encode
it. So letters and digits alone are compared, without case, and any run of them that could only come from the key is
masked: a piece of at least `_LEAST` of its characters.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache

from ..deferred import dataclass
from ..expressions import expression

MASK = "[redacted]"
_SHORTEST_KEY = 6  # a shorter one, such as a self-hosted server's "none", would mask ordinary words
_LEAST = 14  # letters and digits of a piece of a key that is known for one; a key with fewer is known as it is only
_SHORT = 512  # letters and digits of a text in which every place is looked at
_OTHER = expression(r"[^0-9A-Za-z]+")
_LETTER = expression(r"[0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The pieces of a key, each `_LEAST` letters and digits long, in all forms; `samples` are so many of them that one
    is in every piece of twice that length."""

    all: frozenset[str]
    samples: tuple[str, ...]


def without_key(text: str, key: str | None) -> str:
    """The text without the key in any form."""
    if not key or len(key) < _SHORTEST_KEY:
        return text
    if key in text:
        text = text.replace(key, MASK)
    if len(_plain(key)) < _LEAST:
        return text
    pieces, plain = _pieces(key), _plain(text)
    if len(plain) > _SHORT and not any(sample in plain for sample in pieces.samples):
        return text
    return _masked(text, plain, pieces)


def split_at_key(piece: str, key: str | None) -> tuple[str, str]:
    """A piece of a stream without the key, and what it ends with that may be the beginning of one."""
    if not piece or not key or len(key) < _SHORTEST_KEY:
        return piece, ""
    piece = piece.replace(key, MASK)
    at = piece.find(key[0], max(len(piece) - len(key) + 1, 0))
    while at >= 0:
        if key.startswith(piece[at:]):
            return piece[:at], piece[at:]
        at = piece.find(key[0], at + 1)
    return piece, ""


def _masked(text: str, plain: str, pieces: _Pieces) -> str:
    places = [letter.start() for letter in _LETTER.finditer(text)]  # of the characters of `plain`
    runs: list[list[int]] = []  # where in `plain` a run of such pieces begins and ends
    for at in range(len(plain) - _LEAST + 1):
        if plain[at : at + _LEAST] in pieces.all:
            if runs and at <= runs[-1][1]:
                runs[-1][1] = at + _LEAST
            else:
                runs.append([at, at + _LEAST])
    for start, end in reversed(runs):
        text = text[: places[start]] + MASK + text[places[end - 1] + 1 :]
    return text


@lru_cache(32)
def _pieces(key: str) -> _Pieces:
    forms = [_plain(form) for form in _forms(key)]
    starts = [(form, at) for form in forms for at in range(len(form) - _LEAST + 1)]
    samples = (form[at : at + _LEAST] for form, at in starts if at % _LEAST == 0)
    return _Pieces(frozenset(form[at : at + _LEAST] for form, at in starts), tuple(samples))


def _forms(key: str) -> Iterator[str]:
    yield key
    yield key[::-1]
    raw = key.encode()
    yield raw.hex()
    for before in range(3):  # base64 of it, wherever it stands in what was encoded: without what depends on others
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        yield encoded[(before * 4 + 2) // 3 : -1]


def _plain(text: str) -> str:
    return _OTHER.sub("", text).lower()
