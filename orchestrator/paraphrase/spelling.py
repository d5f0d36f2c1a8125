"""A prompt as a line of words in which what must be equal is one word each: code, quotations, names, numbers, units.

    'What is 1,000 km in "miles"?'  ->  what is #1000 ~length:km in «3f2a…» ?

Words are in lower case and without short forms. A word that means something else when it has a capital (`Turkey`, `US`)
keeps it. Nothing is lost: every sign that is not mere punctuation is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from ..confidence.numerals import UNITS
from ..expressions import expression
from .lexicon import BRANDS, CAPITALISED, CONTRACTIONS, INSTITUTIONS, NUMBER_WORDS, ORDINALS, SCALES

END = "."  # of a sentence
_TOKEN = expression(
    r"""(?P<fence>```(?s:.*?)(?:```|\Z)|~~~(?s:.*?)(?:~~~|\Z)|``[^\n]+?``|`[^`\n]+`)
    |(?P<quote>"[^"\n]+"|“[^”]+”|«[^»]+»|„[^“”]+[“”]|「[^」]+」|(?<!\w)'(?=\S)[^'\n]+(?<=\S)'(?!\w)|‘[^’\n]+’(?!\w))
    |(?P<address>https?://\S+?(?=[.,;:!?)]*(?:\s|\Z))|[\w.+-]+@[\w-]+\.[\w.-]*\w)
    |(?P<path>(?:~|\.{1,2})?/[\w.@+-]+(?:/[\w.@+-]*)*|[A-Za-z]:\\\S+|\w[\w-]*(?:/[\w.-]+)*\.[A-Za-z]\w{0,6}\b(?![.\w]))
    |(?P<date>\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?![\w])|\d{1,2}:\d{2}(?::\d{2})?)
    |(?P<number>(?<![\w.])(?:(?<![^\s(])[-−+])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)*(?:[eE][+-]?\d+)?(?![\w.]*\d))
    |(?P<name>--?[A-Za-z][\w-]+|\w+(?:_\w+)+|\w*\d\w*(?:[-.]\w+)*|[A-Za-z]{1,3}(?:\+\+|\#)|\w+(?:\.\w+)*\(\)|\.[A-Za-z]\w+)
    |(?P<word>[^\W\d_]+(?:['’-][^\W\d_]+)*)
    |(?P<sign>\S)""",
    re.VERBOSE,
)
_ORDINAL = expression(r"(\d+)(?:st|nd|rd|th)", re.IGNORECASE)
_SENTENCE_END = frozenset(".!?。！？;")
_QUIET = frozenset(":()[]…-–—'’\"“”*#_")  # punctuation: it parts words and says nothing by itself, but see `_is_exact`
_EXACT = expression(r"[=<>{}\[\];|\\^~&@*_+/]|\w\(|\S\)\S|->|\n|\d!|\d\s*[-−–:]\s*\d|\b\w\s[-−–]\s\w\b")
_CAMEL = expression(r"[a-z0-9][A-Z]")


class Word(NamedTuple):
    """A word of the line, and how it was written: `name`, if it stands for a thing by that name, `number`, `unit`,
    `quoted`, `code`, or plain."""

    text: str
    kind: str = ""


def words_of(text: str) -> list[Word]:
    """The words of a prompt; sentences end with a word `.`."""
    shouted = text.isupper()
    words: list[Word] = []
    begins = True
    for match in _TOKEN.finditer(text.replace("’", "'")):
        kind, raw = match.lastgroup or "", match.group()
        words += _spelled(kind, raw, begins=begins, shouted=shouted)
        begins = kind == "sign" and raw in _SENTENCE_END
    counted = list(_with_numbers(words))
    after = zip([None, *counted], counted, strict=False)
    units = [_as_unit(word) if before is not None and before.kind == "number" else word for before, word in after]
    return list(_with_names(units))


def is_exact(text: str) -> bool:
    """Whether a text, without its quotations and code, has signs of code or of formulas: then all of it counts."""
    apart = ("fence", "quote", "address", "path", "date")
    bare = _TOKEN.sub(lambda match: "" if match.lastgroup in apart else match[0], text)
    return _EXACT.search(bare.strip()) is not None


def _spelled(kind: str, raw: str, *, begins: bool, shouted: bool) -> Iterator[Word]:
    if kind == "fence":
        yield Word(_mark(raw), "code")
    elif kind == "quote":
        yield Word(_mark(raw[1:-1]), "quoted")
    elif kind in ("address", "path", "date"):
        yield Word(f"«{raw}»", "number" if kind == "date" else "name")
    elif kind == "number":
        yield Word("#" + raw.replace(",", "").replace("−", "-").lstrip("+"), "number")
    elif kind == "name":
        yield from _named(raw)
    elif kind == "word":
        yield from _worded(raw, begins=begins, shouted=shouted)
    elif raw in _SENTENCE_END:
        yield Word(END)
    elif raw in "%$€£¥¢°":
        yield Word(_unit(raw) or f"~{raw}", "unit")
    elif raw == ",":
        yield Word(raw)
    elif raw not in _QUIET:
        yield Word(raw, "sign")


def _mark(text: str) -> str:
    """A word that is the same for the same bytes."""
    return f"«{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}»"


def _named(raw: str) -> Iterator[Word]:
    """What has a digit or a sign in it: a number with its unit, an ordinal, or a name that counts as it is written."""
    if (ordinal := _ORDINAL.fullmatch(raw)) is not None:
        yield Word(f"#{ordinal[1]}th", "number")
        return
    measured = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]+)", raw)
    if measured is not None and (unit := _unit(measured[2].lower())):
        yield Word(f"#{measured[1]}", "number")
        yield Word(unit, "unit")
        return
    plain = raw.lower() if raw[0] not in "-." and not _CAMEL.search(raw) else raw
    yield Word(plain, "name")


def _worded(raw: str, *, begins: bool, shouted: bool) -> Iterator[Word]:
    lowered = raw.lower()
    if (whole := CONTRACTIONS.get(lowered)) is not None:
        yield from map(Word, whole.split())
        return
    if "-" in lowered and all(part in NUMBER_WORDS for part in lowered.split("-")):
        yield from map(Word, lowered.split("-"))
        return
    of, possessive = (lowered[:-2], True) if lowered.endswith("'s") else (lowered, False)
    written = raw[: len(of)]
    as_name = of in CAPITALISED and not shouted and _stands_out(written, begins=begins)
    as_name = as_name or (not shouted and _is_letter(written, begins=begins))
    if as_name or (_CAMEL.search(written) and of not in BRANDS):
        yield Word(written, "name")
    else:
        proper = not begins and not shouted and written[:1].isupper()
        yield Word(of, "name" if proper and of != "i" else "")
    if possessive:
        yield Word("'s")


def _stands_out(written: str, *, begins: bool) -> bool:
    """Whether a word that is also a common one is written as a name: a capital at the beginning says nothing."""
    return (len(written) > 1 and written.isupper()) or (written[:1].isupper() and not begins)


def _is_letter(written: str, *, begins: bool) -> bool:
    """Whether it is a letter that stands for something: `is A a subset of B`."""
    return len(written) == 1 and written.isupper() and written != "I" and not begins


def _unit(word: str) -> str:
    """A unit by what it measures; empty for what is none. `kilometres` is `km`, and neither is `m`."""
    known = word if word in UNITS else word[:-1] if word.endswith("s") and word[:-1] in UNITS else ""
    if not known:
        return ""
    measures, factor = UNITS[known]
    return f"~{measures}:{factor}"


def _with_names(words: list[Word]) -> Iterator[Word]:
    """A name with `of` in it is no other one: the University of Washington is not Washington University."""
    for place, word in enumerate(words):
        around = (*words[max(place - 1, 0) : place], *words[place + 1 : place + 2])
        in_name = word.text == "of" and len(around) == 2 and around[0].text in INSTITUTIONS and around[1].kind == "name"
        yield Word("+of", "name") if in_name else word


def _as_unit(word: Word) -> Word:
    """A word after a number: a unit, if it is one."""
    unit = "" if word.kind else _unit(word.text)
    return Word(unit, "unit") if unit else word


def _with_numbers(words: list[Word]) -> Iterator[Word]:
    """Numbers that are written as words in digits: `twenty-three thousand` is 23000."""
    place = 0
    while place < len(words):
        value, length = _number_at(words, place)
        if length:
            yield Word(f"#{value}", "number")
            place += length
        elif (ordinal := ORDINALS.get(words[place].text)) is not None:
            yield Word(f"#{ordinal}th", "number")
            place += 1
        else:
            yield words[place]
            place += 1


def _number_at(words: list[Word], start: int) -> tuple[int, int]:
    """The value of a number in words that begins at a place, and how many words it takes; 0 words if there is none."""
    whole = part = 0
    place, last = start, 0
    while place < len(words):
        text = words[place].text
        if (value := NUMBER_WORDS.get(text)) is not None and (last == 0 or (last in (20, 100) and value < last)):
            part, last = part + value, 20 if value >= 20 else 1
        elif (scale := SCALES.get(text)) is not None and (place > start or text != "hundred"):
            part = max(part, 1) * scale
            last = 100 if scale == 100 else 0
            if scale > 100:
                whole, part, last = whole + part, 0, 100
        elif text == "and" and last == 100 and place + 1 < len(words) and words[place + 1].text in NUMBER_WORDS:
            pass
        else:
            break
        place += 1
    return whole + part, place - start
