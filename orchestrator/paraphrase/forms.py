"""A sentence as what it asks for: the form of the question, what verbs add to it, and its words in order.

    how can I sort a list in Python?                      -> HOW TO  sort list in python
    In Python, what is the way to sort lists?             -> HOW TO  sort list in python
    which symptoms did the plague have?                   -> WHAT    past  plague symptom

Two sentences ask the same if all of that is the same. The rules know English; those that write a sentence in another
way are in `rewriting.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

from ..deferred import dataclass
from ..expressions import expression
from .lemmas import plain_verb, singular
from .lexicon import (
    CLOSERS,
    DETERMINERS,
    MINE,
    ONLY_BEFORE_ORDER,
    ONLY_BEFORE_QUESTION,
    OPENERS,
    ORDERS,
    SOFTENERS,
    SYNONYMS,
)


class Form(StrEnum):
    """What a sentence asks for."""

    HOW_TO = "how to do it"
    HOW = "how it is done"
    WHY = "why"
    CAUSE = "the cause"
    WHAT = "what it is"
    WHO = "who it is"
    DIFFERENCE = "the difference"
    COMPARISON = "a comparison"
    WHAT_DO = "what it does"
    WHICH = "which one"
    WHO_DOES = "who does it"
    WHEN = "when"
    WHERE = "where"
    WHOSE = "whose"
    HOW_MUCH = "how much"
    WHETHER = "whether"
    TOLD = "an order or a statement"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`marks` are what auxiliary verbs add, such as past, should or not, wherever they stand."""

    form: Form
    marks: tuple[str, ...]
    words: tuple[str, ...]


_ABOUT = (Form.WHAT, Form.WHO)  # of a thing by its name: what article that has can matter
_OF_TWO = (Form.DIFFERENCE, Form.COMPARISON)  # the order of the two does not count
# Singular and plural ask the same in these: "how do I delete a file", "how do I delete files".
_FOLDING = frozenset(
    (*_OF_TWO, Form.HOW_TO, Form.HOW, Form.WHY, Form.CAUSE, Form.WHAT, Form.WHAT_DO, Form.WHERE, Form.HOW_MUCH,
     Form.WHETHER)
)  # fmt: skip


def sentence_of(words: Sequence[str]) -> Sentence | None:
    """What a sentence asks for; None if nothing is left of it but courtesies.

    Raises ValueError for one that is about words that are left out otherwise, as in "what does 'the' mean".
    """
    text = _without_courtesies(" ".join(words))
    if not text.strip(" ,"):
        return None
    rewriting, forms = _rules()
    for pattern, written in rewriting:
        text = pattern.sub(written, text)
    form, parts = next(
        ((form, found.groups("")) for form, pattern in forms if (found := pattern.match(text)) is not None),
        (Form.TOLD, (text,)),
    )
    if form in _OF_TWO:
        sides = [" ".join(_plain(_reordered(side, form), form)[1]) for side in parts]
        sentence = Sentence(form, (), tuple(sorted(sides)))
    else:
        asked = " ".join(filter(None, parts))
        ordered = _reordered(asked, form)
        sentence = Sentence(form, *_plain(ordered, form, _articles(asked, ordered) if form in _ABOUT else ()))
    if not all(sentence.words or ("",)):
        raise ValueError("nothing is left to compare")
    return sentence


@cache
def _rules() -> tuple[list[tuple[re.Pattern[str], str]], list[tuple[Form, re.Pattern[str]]]]:
    """The rules of `rewriting.txt`: patterns with what is written for them, and forms with their patterns."""
    macros: dict[str, str] = {}
    rewriting: list[tuple[re.Pattern[str], str]] = []
    forms: list[tuple[Form, re.Pattern[str]]] = []
    for line in Path(__file__).with_name("rewriting.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("# "):
            continue
        if (macro := re.fullmatch(r"<(\w+)> = (.*)", line)) is not None:
            macros[macro[1]] = macro[2]
            continue
        whole = re.sub(r"(?<![?\\P])<(\w+)>", lambda found: macros[found[1]], line)
        if whole.startswith("FORM "):
            _, name, pattern = whole.split(" ", 2)
            forms.append((Form[name], re.compile(pattern, re.IGNORECASE)))
        else:
            pattern, written = whole.split(" => ")
            rewriting.append((re.compile(pattern, re.IGNORECASE), written))
    return rewriting, forms


_MARKS = {"is": "be", "are": "be", "am": "be", "was": "be past", "were": "be past", "did": "past", "do": "", "does": ""}
_MODALS = frozenset(("can", "could", "will", "would", "should", "shall", "must", "may", "might"))
_JOINTS = frozenset(("or", "and", "", "vs", "versus", "than"))
_QUESTION = expression(r"(?:how|what|why|when|where|who|whom|whose|which|whether|if|is|are|does|do|did|can|should)\b")

# -- courtesies -----------------------------------------------------------------------------------------------------

_CLOSED = expression(
    rf"(?:^|, )(?:{'|'.join(CLOSERS)})$"
    r"|(?<!\bsay)(?<!\bword)(?<!\bwrite)(?<!\bspell)(?<!\btype)(?<!\buse)(?<!\bto)(?<!\bor)(?<!\band)(?<!\bwith)"
    r"(?<!\bpretty)(?<!\bdoes)(?<!\bsaying)(?<!\bfor)(?<!\bof)(?<!^) please$"
)
_FOR_ME = expression(
    r"^((?:explain|describe|show) \S.*|(?:write|make|create|draft|summarize|list|translate|generate) \S.*(?= for)) "
    r"(?:to|for) me$"
)
_BY_LENGTH = tuple(sorted(OPENERS, key=len, reverse=True))


def _without_courtesies(text: str) -> str:
    text = f"{text.strip(' ,')} "
    changed = True
    while changed:
        changed = False
        for opener in _BY_LENGTH:
            if text.startswith(f"{opener} "):
                rest = text[len(opener) + 1 :].lstrip(" ,")
                if opener in ONLY_BEFORE_QUESTION and not _QUESTION.match(rest):
                    continue
                if opener in ONLY_BEFORE_ORDER and rest.partition(" ")[0] not in ORDERS:
                    continue
                text, changed = rest, True
                break
    text = text.rstrip(" ,")
    while (closed := _CLOSED.search(text)) is not None:
        text = text[: closed.start()].rstrip(" ,")
    return _FOR_ME.sub(r"\1", text)


# -- order ----------------------------------------------------------------------------------------------------------

_BREAK = (
    r"(?:in|on|at|to|from|for|with|without|by|and|or|that|which|who|than|as|is|are|was|were|do|does|did|can|will|should"
    r"|into|over|under|before|after|between|during|using|of|,)\b"
)
_OF, _OF_AT_HEAD = (  # what is before `of`: all words from an article on, or from the head; else one word
    expression(
        rf"((?:(?<!\S)(?:the|a|an|some) {head})((?:(?!{_BREAK})\S+ ){{1,3}})"
        rf"|(?<!\S)()((?!{_BREAK}|what\b)\S+ ))of ((?:(?!{_BREAK})\S+(?: |$)){{1,4}})"
    )
    for head in ("", "|^")
)
_CHOICE = expression(r"(?<!\S)(\S+) or (\S+)(?!\S)(?! or )")
_OWNED = expression(r"(\S+) 's (?=\S)")


def _reordered(text: str, form: Form) -> str:
    """`the symptoms of diabetes`, and `diabetes's symptoms`, as `diabetes symptoms`."""
    text = _OWNED.sub(r"\1 ", text)
    text = _CHOICE.sub(lambda match: " or ".join(sorted(match.groups())), text)
    pattern = _OF_AT_HEAD if form is Form.WHAT else _OF
    while found := list(pattern.finditer(text)):
        last = found[-1]
        head = last[2] or last[4]
        text = f"{text[: last.start()]}{last[5].rstrip()} {head.rstrip()} {text[last.end() :]}".strip()
    return text


# -- words ----------------------------------------------------------------------------------------------------------

_FEW = expression(r"\ba (few|little|lot)\b")
_SHORT = 2  # words
_LONGEST = max(len(phrase.split()) for phrase in SYNONYMS)


def _plain(text: str, form: Form, articles: Sequence[str] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The marks, and the words without those that say nothing, in their plain forms."""
    rest = [word for word in _FEW.sub(r"some-\1", text).split() if word not in SOFTENERS]
    marks = list(articles)
    words: list[str] = []
    for place, word in enumerate(rest):
        last, following = (words[-1:] or [""])[0], (rest[place + 1 : place + 2] or [""])[0]
        if following in _JOINTS or (last in _JOINTS and last):
            words.append(word)  # it may be what is talked about: "a or an", "which or that"
        elif word in _MARKS or (word in _MODALS and form is not Form.TOLD):
            added = _MARKS.get(word, word)
            if added and set(marks) - {"the", "a"}:
                words.append(word)  # a second one belongs where it stands
            else:
                marks += added.split()
        elif word in DETERMINERS:
            words += ["a"] if form is Form.TOLD and word != "the" else []
        elif word in ("that", "which") and words and form is not Form.WHICH:
            words.append("to")  # "a function that sorts" is one "to sort"
        elif not (form is Form.HOW_TO and word in MINE):
            words.append(word)
    same = _with_synonyms(_folded(words, form))
    return tuple(sorted(marks)), tuple(word for word in same if word != "to")


def _articles(asked: str, ordered: str) -> list[str]:
    """The article of what is asked about in a word or two, as far as it tells one question from another: "what is the
    time", "what is a light". Plurals without one are as good as `a`."""
    words = [word for word in ordered.split() if word not in DETERMINERS]
    if not words or len(words) > _SHORT:
        return []
    if asked.startswith("the ") and not {"of", "'s"} & set(asked.split()):
        return ["the"]
    plural = singular(words[-1]) != words[-1] or words[-1] in ("pros", "cons")
    return ["a"] if plural or asked.startswith(("a ", "an ")) else []


def _folded(words: list[str], form: Form) -> list[str]:
    """The words in their plain forms, as far as the form of the question allows it."""
    folded = [singular(word) for word in words] if form in _FOLDING else list(words)
    ordered = form is Form.HOW_TO or folded[:1] == ["it"]  # what to do, or "is it safe to do"
    for place, word in enumerate(folded):
        if (ordered and place == 0) or (place and words[place - 1] == "to"):
            folded[place] = plain_verb(word)
    return folded


def _with_synonyms(words: list[str]) -> list[str]:
    same: list[str] = []
    place = 0
    while place < len(words):
        for length in range(min(_LONGEST, len(words) - place), 0, -1):
            phrase = " ".join(words[place : place + length])
            known = SYNONYMS.get(phrase)
            if known is None and length == 1 and (one := singular(phrase)) != phrase and one in SYNONYMS:
                known = f"{SYNONYMS[one]}s"
            if known is not None:
                same += known.split()
                place += length
                break
        else:
            same.append(words[place])
            place += 1
    return same
