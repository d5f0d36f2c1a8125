"""The author's own words in a text: code, quotations and pasted logs taken out, the rest made easy to match.

A word inside a code block, or between quotation marks, is talked about and not said: "Translate 'design a system'"
asks for no design. Both prompts and answers are read this way. Work is bounded: of a longer text the first and the
last `EDGE_CHARS` characters are read, where instructions and conclusions stand.
"""

from __future__ import annotations

from typing import NamedTuple

from ..deferred import dataclass
from ..expressions import expression

EDGE_CHARS = 8_000
_MASK = " \ufffc "  # OBJECT REPLACEMENT CHARACTER: no word character, so nothing matches across what was taken out

# A fence closes with one of the same mark that is at least as long, as CommonMark has it. Possessive runs and the
# look-behind keep a long run of marks from being tried at every length.
_FENCE = expression(r"(?<![`~])(`{3,}+|(?<![^\n])~{3,}+)(?s:.*?)\1[`~]*")
_OPEN_FENCE = expression(r"(?m:^)[ \t]{0,3}(?:`{3,}|~{3,})[^`\n]*\n(?s:.*)\Z")
_INLINE_CODE = expression(r"(?<!`)(?:`[^`\n]{1,300}`|``[^\n]{1,300}?``)(?!`)")
# It begins with the line break, which the engine finds at once: the start of a line is tried everywhere.
_LOG_LINE = expression(
    r"\n[ \t]*(?:\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]|\[?[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
    r"|[A-Z][a-z]{2} +[0-9]{1,2} [0-9]{2}:"
    r"|\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b|Traceback \(most|File \"|at [\w.$<>]+\().*"
)
_QUOTED_LINE = expression(r"(?m:^)[ \t]{0,3}>.*")
_QUOTE = expression("[\"'‘“«„「『]")
# Each begins with its mark, and only then looks behind it: the engine passes over all other characters at once.
_QUOTATION = expression(
    r"\"(?<!\w\")(?=\S)(?:[^\"\n]|\n(?!\s*\n)){1,2000}(?<=\S)\"(?!\w)"
    r"|'(?<!\w')(?=\S)[^'\n]{1,300}(?<=\S)'(?!\w)"
    r"|‘(?<!\w‘)(?=\S)[^‘’\n]{1,300}(?:’\w[^‘’\n]{0,300}){0,5}’(?!\w)"
    r"|“[^“”]{1,2000}”|«[^«»]{1,2000}»|„[^„“”]{1,2000}[“”]|「[^「」]{1,2000}」|『[^『』]{1,2000}』"
)
_LETTER = expression(r"\w")
# Both begin with white space, to which the engine skips, and only then look at what stands around it. A line that goes
# on in lower case is the same sentence, wrapped.
_WRAPPED = expression(r"\s(?<=[^\s.!?:]\s)(?:(?<=\n)|(?<!\n)[^\S\n]*\n)[^\S\n]*(?=[a-z])")
# One space is left alone: most are, and to put each in its own place takes time.
_SPACES = expression(r"[^\S\n](?:[^\S\n]+|(?<! ))")


@dataclass(frozen=True, slots=True)
class Prose:
    """`words` is lower case, with straight apostrophes, single spaces, and a line break only where a sentence may end.

    `lines` is the same text before that: as it was written. `code`, `logs` and `quotations` count what was taken out.
    `open_fence` says that a code block was begun and not ended. `cut` says that the middle was not read.
    """

    words: str
    lines: str
    code: int
    logs: int
    quotations: int
    open_fence: bool
    cut: bool


def read_prose(text: str, *, lenient: bool = False) -> Prose:
    """Take code, logs and quotations out of `text`. Pure; any string will do.

    A prompt is read with `lenient`: a code block that is not closed runs to the end, as CommonMark has it, and a text
    that is a quotation from end to end is no quotation. An answer is read without, so that words put after it can
    hide nothing of it and are not hidden themselves.
    """
    cut = len(text) > 2 * EDGE_CHARS
    head, tail = (text[:EDGE_CHARS], text[-EDGE_CHARS:]) if cut else (text, "")
    if cut and text.count("\n```", 0, len(text) - EDGE_CHARS) % 2:
        tail = "```\n" + tail  # the last part begins inside a code block
    parts = [_take_out(part, lenient) for part in ((head, tail) if cut else (head,))]
    own = "\n\n".join(part.text for part in parts)
    return Prose(
        words=_normalise(own),
        lines=own,
        code=sum(part.code for part in parts),
        logs=sum(part.logs for part in parts),
        quotations=sum(part.quotations for part in parts),
        open_fence=parts[-1].open_fence,
        cut=cut,
    )


class _Part(NamedTuple):
    text: str
    code: int
    logs: int
    quotations: int
    open_fence: bool


def _take_out(text: str, lenient: bool) -> _Part:
    fences = unclosed = 0
    if "```" in text or "~~~" in text:
        text, fences = _FENCE.subn(_MASK, text)
        unclosed = len(_OPEN_FENCE.findall(text))
        if lenient:
            text = _OPEN_FENCE.sub(_MASK, text)
    text, inline = _INLINE_CODE.subn(_MASK, text) if "`" in text else (text, 0)
    with_breaks, logs = _LOG_LINE.subn(f"\n{_MASK}", f"\n{text}")
    text = with_breaks[1:]
    unquoted, quoted_lines = _QUOTED_LINE.subn(_MASK, text) if ">" in text else (text, 0)
    unquoted, quotations = _QUOTATION.subn(_MASK, unquoted) if _QUOTE.search(unquoted) else (unquoted, 0)
    if lenient and not _LETTER.search(unquoted):
        unquoted, quoted_lines, quotations = text, 0, 0
    return _Part(unquoted, fences + unclosed + inline, logs, quoted_lines + quotations, bool(unclosed))


def _normalise(text: str) -> str:
    """One space between words, and a line break only where a sentence may end."""
    if "\n" in text:
        text = _WRAPPED.sub(" ", text)
    return _SPACES.sub(" ", text).strip().lower().replace("’", "'")


# Scripts that put no spaces between words: about two characters of Chinese, Japanese or Korean text carry what an
# English word does, and about five of Thai, Lao, Khmer or Burmese.
_CJK, _THAI = r"\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff", r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_WORD = expression(rf"[{_CJK}]{{1,2}}|[{_THAI}]{{1,5}}|[^\W{_CJK}{_THAI}]+(?:['’]\w+)*")


def count_words(text: str) -> int:
    """How many words `text` has, or for scripts without spaces, about how many English words it amounts to."""
    return len(_WORD.findall(text))
