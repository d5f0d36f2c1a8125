"""Words in their plain forms: the singular of a noun, the infinitive of a verb in -s or -ing."""

from __future__ import annotations

from .lexicon import IRREGULAR, NO_PLURALS

_VOWELS = "aeiou"
_SIBILANT = ("s", "x", "z", "ch", "sh")
_DOUBLED = frozenset("bdgmnprt")  # run, running; but tell, telling


def singular(word: str) -> str:
    """A noun without its plural, which for a verb is its form without the third person's -s."""
    if (known := IRREGULAR.get(word)) is not None:
        return known
    if (
        not word.isalpha()
        or not word.islower()
        or len(word) < 4
        or not word.endswith("s")
        or word.endswith(("ss", "us", "is"))
        or word in NO_PLURALS
    ):
        return word
    if word.endswith(("aches", "axes")):
        return word[:-1]
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith("es") and word[:-2].endswith(_SIBILANT):
        return word[:-2] if not word.endswith(("ses", "zes")) or word.endswith(("sses", "zzes")) else word[:-1]
    return word[:-2] if word.endswith("oes") else word[:-1]


def plain_verb(word: str) -> str:
    """A verb without -ing or -s."""
    if not word.isalpha() or not word.endswith("ing") or len(word) < 6 or not set(word[:-3]) & set(_VOWELS + "y"):
        return singular(word)
    stem = word[:-3]
    if stem[-1] == stem[-2] and stem[-1] in _DOUBLED:
        return stem[:-1]
    silent = stem[-1] in "vcgsuz" or (
        stem[-1] in "tkldmnrp" and stem[-2] in _VOWELS and stem[-3:-2] not in tuple(_VOWELS)
    )
    return (
        f"{stem}e"
        if silent and not stem.endswith(("ss", "en", "er", "on", "or", "it", "et", "op", "ow", "al"))
        else stem
    )
