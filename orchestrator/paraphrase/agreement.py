"""Whether two prompts ask the same, and what parts them if they do not.

Similar is not the same: "is it safe" and "is it unsafe" are nearer to each other, for any model of meaning, than most
paraphrases. So each of the words must be accounted for: what is left when courtesies, articles and known synonyms are
taken away has to be the same on both sides, in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

from ..deferred import dataclass
from ..expressions import expression
from .forms import Sentence, sentence_of
from .lexicon import words
from .spelling import END, Word, is_exact, words_of

MOST_CHARS = 1_000  # of a prompt: what is longer has been pasted, and says the same only if it is the same
_ENGLISH = words(
    """the what how why does do are of and with please explain write which who when where should can could would is i my
    you your give tell describe compare list between difference that this define translate summarize summarise
    calculate convert solve generate create make build show name find fix add implement thanks hello hi hey thank
    to from about"""
)
_OF_OTHERS = words(
    """der die das und ist wie ich nicht ein eine le la les des et est une que qui comment pourquoi el los las como qué
    por para il lo gli che di è wat hoe het een van são uma não"""
)
_NEGATIONS = words("not no never without none nothing nobody neither nor cannot except non un")
_QUANTIFIERS = words(
    "all some any every each most many few several both only more less least fewer always sometimes ever"
)
_DIRECTIONS = words("to from into onto before after above below over under in out up down until since")
_WHITE = expression(r"\s+")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a prompt asks, as far as paraphrases of it have it in common.

    `sentences` are empty where `exact`, the text itself, has to be the same: code, formulas, what is long, and what is
    not English.
    """

    sentences: tuple[Sentence, ...]
    exact: str | None
    words: tuple[Word, ...]
    language: str


@lru_cache(512)
def asked_in(text: str) -> Asked:
    """What a prompt asks."""
    if len(text) > MOST_CHARS:
        return Asked((), text, (), "")
    read = words_of(text)
    language = _language(read)
    if language != "English" or is_exact(text.strip()):
        return Asked((), _as_written(text), tuple(read), language)
    try:
        found = [sentence_of([word.text for word in part]) for part in _parted(read)]
    except ValueError:
        return Asked((), _as_written(text), tuple(read), language)
    sentences = [each for each in found if each is not None]
    return Asked(tuple(sentences), None if sentences else _as_written(text), tuple(read), language)


def differences(one: str, other: str) -> tuple[str, ...]:
    """What parts two prompts, in words; empty if they ask the same."""
    a, b = asked_in(one), asked_in(other)
    if a.exact is not None or b.exact is not None:
        return () if a.exact == b.exact else tuple(_reasons(a, b)) or ("not the same to the letter",)
    if a.sentences == b.sentences:
        return ()
    return tuple(_reasons(a, b)) or ("order of words",)


def _as_written(text: str) -> str:
    """A text with white space that says nothing made one; where it may say something, as in code, as it is."""
    bare = text.strip()
    return bare if "\n" in bare else _WHITE.sub(" ", bare).rstrip("?. ")


def _parted(listed: list[Word]) -> Iterator[list[Word]]:
    part: list[Word] = []
    for word in listed:
        if word.text == END:
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _language(listed: list[Word]) -> str:
    """English, the script of another language, or `other`."""
    plain = [word.text for word in listed if word.kind in ("", "name") and word.text != END]
    letters = "".join(plain)
    if not letters.isascii() and sum(not character.isascii() for character in letters) > len(letters) / 4:
        return "another script"
    english, others = (sum(word.lower() in known for word in plain) for known in (_ENGLISH, _OF_OTHERS))
    return "English" if english and english > others else "other"


# -- what parts them ------------------------------------------------------------------------------------------------


def _reasons(a: Asked, b: Asked) -> Iterator[str]:
    """From what is certain to what is left over, each with the words that differ."""
    if a.language != b.language:
        yield f"language ({a.language or 'long'}, {b.language or 'long'})"
    mine, theirs = _left_over(a, b)
    for name, belongs in _KINDS:
        left, right = ([word for word in side if belongs(word)] for side in (mine, theirs))
        if left or right:
            yield f"{name} ({_said(left)} / {_said(right)})"
            mine, theirs = ([word for word in side if not belongs(word)] for side in (mine, theirs))
    forms = [tuple(sentence.form for sentence in each.sentences) for each in (a, b)]
    if forms[0] != forms[1]:
        yield f"what is asked for ({', '.join(forms[0]) or '-'} / {', '.join(forms[1]) or '-'})"
    if mine or theirs:
        yield f"words ({_said(mine)} / {_said(theirs)})"
    marks = [tuple(sentence.marks for sentence in each.sentences) for each in (a, b)]
    if marks[0] != marks[1] and forms[0] == forms[1] and not (mine or theirs):
        yield "tense or mood"


def _left_over(a: Asked, b: Asked) -> tuple[list[Word], list[Word]]:
    kinds = {word.text: word.kind for word in (*a.words, *b.words)}

    def bag(asked: Asked) -> Counter[str]:
        if not asked.sentences:
            return Counter(word.text for word in asked.words if word.text != END)
        parts = [part for each in asked.sentences for part in (*each.words, *each.marks)]
        return Counter(word for part in parts for word in part.split())

    one, other = bag(a), bag(b)
    mine, theirs = (
        [Word(text, kinds.get(text, "")) for text in (x - y).elements()] for x, y in ((one, other), (other, one))
    )
    return mine, theirs


def _said(listed: list[Word]) -> str:
    return " ".join(word.text.lstrip("#~") for word in listed[:6]) or "-"


_KINDS: tuple[tuple[str, Callable[[Word], bool]], ...] = (
    ("code", lambda word: word.kind == "code"),
    ("quoted text", lambda word: word.kind == "quoted"),
    ("numbers", lambda word: word.kind == "number"),
    ("units", lambda word: word.kind == "unit"),
    ("negation", lambda word: word.text in _NEGATIONS),
    ("quantity", lambda word: word.text in _QUANTIFIERS),
    ("names", lambda word: word.kind == "name"),
    ("direction", lambda word: word.text in _DIRECTIONS),
)
