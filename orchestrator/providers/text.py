"""Text that comes from a provider, made safe: what a model wrote, to be kept whole; what an error says, to be shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from ..expressions import expression
from ..unseen import without_unseen
from .redaction import MASK, without_key

MAX_NAME = 200  # characters that are kept of an identifier or a model's name
MOST_READ = 4_096  # characters of it that are looked at: a key is shorter
_RECURS = 48  # characters: a text as short as this is most likely one that came before
MAX_MESSAGE = 300  # characters of an error message: enough to act on, too few to hold a prompt

_SECRETS = (  # what a key looks like when a provider or a proxy echoes it
    expression(r"\b(?:bearer|basic)\s+[\w.~+/=*-]{6,}", re.IGNORECASE),
    expression(
        r"\b(?:x-(?:goog-)?api-key|authorization|api[-_ ]?key)[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{4,}", re.IGNORECASE
    ),
    expression(r"(?<=[?&]key=)[^&\s\"']+", re.IGNORECASE),
    expression(r"\bsk-[\w*-]{6,}"),
    expression(r"\bAIza[\w*-]{6,}"),
)
_HTML = expression(r"\s*(?:<!doctype|<html|<head|<\?xml|<!--)", re.IGNORECASE)
_TITLE = expression(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def scrub(text: str) -> str:
    """The text as it can be encoded: surrogate pairs joined, each surrogate on its own replaced by U+FFFD.

    JSON may escape half of a pair (`\\ud83d`), which Python reads and UTF-8 has no bytes for.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def is_blank(text: str) -> bool:
    """Whether there is nothing in a text that can be read: white space, and what has neither width nor form."""
    if "!" <= text.lstrip()[:1] <= "~":  # as most texts begin
        return False
    return not text.strip() or not without_unseen(text).replace("\u200c", "").replace("\u200d", "").strip()


def scrub_json(value: object, clean: Callable[[str], str] = scrub) -> object:
    """`clean` for every string in decoded JSON, keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {
            clean(str(key)): scrub_json(item, clean) if isinstance(item, str | dict | list) else item
            for key, item in value.items()
        }
    return [scrub_json(item, clean) for item in value] if isinstance(value, list) else value


def is_html(text: str) -> bool:
    """Whether a text is an HTML page."""
    return _HTML.match(text) is not None


def describe_html(text: str) -> str:
    """An HTML page as a phrase: `an HTML page, "502 Bad Gateway"`."""
    title = _TITLE.search(text[:20_000])
    words = " ".join(title[1].split()) if title else ""
    return f'an HTML page, "{words[:80]}"' if words else "an HTML page"


def redact(text: str, key: str | None) -> str:
    """The text without the key in any form, and without anything that looks like one."""
    text = without_key(text, key)
    if (
        text.isidentifier() and "AIza" not in text
    ):  # as most names are: all else that is looked for has other signs in it
        return text
    for pattern in _SECRETS:
        text = pattern.sub(MASK, text)
    return text


def kept(text: str, key: str | None) -> str:
    """A name or an identifier out of a reply, as it may be kept: short, encodable and without the key."""
    return _kept_name(text, key) if len(text) <= _RECURS else redact(scrub(text[:MOST_READ]), key)[:MAX_NAME]


@lru_cache(512)
def _kept_name(text: str, key: str | None) -> str:
    """The names of models and of counts are the same in one reply after the other."""
    return redact(scrub(text), key)


def tidy(text: str, key: str | None, limit: int = MAX_MESSAGE) -> str:
    """An error's words on one line of at most `limit` characters, without control characters or keys."""
    text = describe_html(text) if is_html(text) else text
    # Redacted before it is cut: a key cut in half would no longer be known for one.
    line = redact(" ".join(without_unseen(scrub(text), " ").split()), key)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
