"""How much there is to an open answer: an essay, advice, a plan, a program with words around it.

Length by itself is not measured: padding would raise it. What counts is how many different words of content there are,
how much is said twice, how concrete it is, and its order and ending. Nothing of the prompt is used, since the recorded
answers come without theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ...expressions import expression
from ...reading.answer import AnswerForm
from ...reading.prose import EDGE_CHARS
from ...types import Task
from ..cues import share_of_foreign
from ..final import SHORT_WORDS
from ..keypoints import STOP_WORDS
from ..signal import Answer, Measure

_SHORT_BY_NATURE = frozenset((Task.TRANSLATION, Task.SUMMARY, Task.CHAT, Task.EXTRACTION, Task.CLASSIFICATION))
_WORD = expression(r"[^\W_]+")
_SENTENCE = expression(r"(?<=[.!?])\s+|\n+")
_PARAGRAPHS = expression(r"\n[ \t]*\n")
_COUNTED: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("list items", expression(r"(?m)^[ \t]{0,12}(?:[-*+•]|\d{1,3}[.)])[ \t]")),
    ("headings", expression(r"(?m)^#{1,6} |^\*\*[^*\n]{1,100}\*\*:?[ \t]*$")),
    ("bold phrases", expression(r"\*\*[^*\n]{1,200}\*\*")),
    ("code blocks", expression(r"(?m)^[ \t]{0,3}```")),
    ("lines of code", expression(r"(?m)^(?:    |\t)\S|[;{}][ \t]*$")),
    ("numbers", expression(r"\d+")),
    ("questions", expression(r"\?")),
    ("exclamations", expression(r"!")),
    ("colons", expression(r":")),
    ("asides", expression(r"\(")),
    ("formulas", expression(r"\\\w")),
    ("of itself", expression(r"(?i)\b(?:i|i'm|my|me)\b")),
    ("qualifications", expression(r"(?i)\b(?:may|might|could|perhaps|generally|typically|often)\b")),
    ("connections", expression(r"(?i)\b(?:however|because|therefore|since|although|while|thus)\b")),
)
_LONG_WORD = 9
_ENDED = expression(r"[.!?:)\]\"'`*|}>…。！？]\s*\Z")
_APOLOGY = expression(r"(?i)\b(?:sorry|apologi[sz]e|as an ai|i cannot|i can't|unable to)\b")
_OBLIGING = expression(r"(?i)\W*(?:sure|certainly|of course|absolutely)\b")
# Words that say little of any subject: an answer may have some, and one made of them says nothing.
VAGUE = frozenset(
    "important importance crucial essential significant significance key various several different certain number"  # noqa: SIM905
    " aspect aspects factor factors thing things way ways consider considered considering consideration considerations"
    " overall general generally ultimately conclusion summary note noted remember keep mind ensure ensuring approach"
    " approaches situation situations context careful carefully thoughtful thoughtfully understand understanding"
    " understood depend depends depending perspective perspectives people individual individuals need needs play plays"
    " role roles impact topic topics subject matter matters question questions point points take takes taken make makes"
    " making good better best great help helps helpful provide provides providing include includes including related"
    " relevant complex nuanced multifaceted view views involved balance level levels today world life time process"
    " many often always well know known valuable value useful explore exploring comprehensive".split()
)


def substance(answer: Answer) -> Iterator[Measure]:
    """Of a long open answer, unless a short one is asked for. Counts are binary logarithms; shares are 0 to 1."""
    if not answer.is_open or answer.word_count <= SHORT_WORDS or not _may_be_long(answer):
        return
    text = answer.text[: 2 * EDGE_CHARS]
    words = words_of(text)
    if not words:
        return
    yield from _of_words(words)
    sentences = sum(1 for part in _SENTENCE.split(text) if part.strip())
    length = len(words) / max(1, sentences)
    yield Measure("open: words a sentence", math.log2(1 + length), f"sentences of {length:.0f} words")
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    paragraph = len(words) / (1 + len(_PARAGRAPHS.findall(text)))
    yield Measure("open: words a paragraph", math.log2(1 + paragraph), f"paragraphs of {paragraph:.0f} words")
    for name, line in (("first", lines[0]), ("last", lines[-1])):
        count = len(line.split())
        yield Measure(f"open: words of the {name} line", math.log2(1 + count), f"a {name} line of {count} words")
    again = 1 - len(set(lines)) / max(1, len(lines))
    yield Measure("open: lines again", again, f"{again:.0%} of its lines said before")
    for name, pattern in _COUNTED:
        count = len(pattern.findall(text))
        yield Measure(f"open: {name}", math.log2(1 + count), f"{count} {name}")
    ended = len(text) < len(answer.text) or _ENDED.search(text) is not None
    yield Measure("open: ends", float(ended), "ends in a sentence" if ended else "ends within a sentence")
    sorry = _APOLOGY.search(text[:400]) is not None
    yield Measure("open: apologises", float(sorry), "begins with an apology" if sorry else "begins without an apology")
    yield Measure("open: obliges", float(_OBLIGING.match(text) is not None), "how it begins")
    foreign = share_of_foreign(text)
    yield Measure("open: other scripts", foreign, f"{foreign:.0%} of it not in ASCII")


def _may_be_long(answer: Answer) -> bool:
    if answer.asked is None:
        return True
    return answer.form in (AnswerForm.OPEN, AnswerForm.CODE, AnswerForm.LIST) and answer.task not in _SHORT_BY_NATURE


def words_of(text: str) -> list[str]:
    """The words of a text in lower case. Of a very long one the beginning is read."""
    return _WORD.findall(text[: 2 * EDGE_CHARS].lower())


def vague_words(words: list[str]) -> float:
    """The share of the words of content that say little of any subject, 0 to 1."""
    content = _content(words)
    return sum(word in VAGUE for word in content) / max(1, len(content))


def phrases_again(words: list[str]) -> float:
    """The share of three words in a row that stood there before, 0 to 1."""
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(triples)) / max(1, len(triples))


def _content(words: list[str]) -> list[str]:
    return [word for word in words if word not in STOP_WORDS and not word.isdigit()]


def _of_words(words: list[str]) -> Iterator[Measure]:
    telling = {word for word in _content(words) if word not in VAGUE}
    yield Measure("open: different words", math.log2(1 + len(telling)), f"{len(telling)} different words of content")
    rare = len({word for word in telling if len(word) > _LONG_WORD})
    yield Measure("open: different long words", math.log2(1 + rare), f"{rare} different long words")
    vague = vague_words(words)
    yield Measure("open: vague words", vague, f"{vague:.0%} of its words would suit any subject")
    again = phrases_again(words)
    yield Measure("open: phrases again", again, f"{again:.0%} of its phrases said before")
    variety = len(set(words)) / len(words) ** 0.8
    yield Measure("open: variety", variety, f"{len(set(words))} different words of {len(words)}")
    long_words = sum(len(word) > 7 for word in words) / len(words)
    yield Measure("open: long words", long_words, f"{long_words:.0%} long words")
    length = sum(map(len, words)) / len(words)
    yield Measure("open: letters a word", length, f"words of {length:.1f} letters")
