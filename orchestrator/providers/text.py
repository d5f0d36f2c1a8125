"""Text that comes from a provider, made safe: what a model wrote, to be kept whole; what an error says, to be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..expressions import expression
from ..unseen import without_unseen

MAX_MESSAGE = 300  # characters of an error message: enough to act on, too few to hold a prompt

_MASK = "[redacted]"
_SECRETS = (  # what a key looks like when a provider or a proxy echoes it
    expression(r"\b(?:bearer|basic)\s+[\w.~+/=*-]{6,}", re.IGNORECASE),
    expression(
        r"\b(?:x-(?:goog-)?api-key|authorization|api[-_ ]?key)[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{4,}", re.IGNORECASE
    ),
    expression(r"(?<=[?&]key=)[^&\s\"']+", re.IGNORECASE),
    expression(r"\bsk-[\w*-]{6,}"),
    expression(r"\bAIza[\w*-]{6,}"),
)
_SHORTEST_KEY = 6  # a shorter one, such as a self-hosted server's "none", would mask ordinary words
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


def scrub_json(value: object) -> object:
    """`scrub` for every string in decoded JSON, keys included."""
    match value:
        case str():
            return scrub(value)
        case Mapping():
            return {scrub(str(key)): scrub_json(item) for key, item in value.items()}
        case list():
            return [scrub_json(item) for item in value]
    return value


def is_html(text: str) -> bool:
    return _HTML.match(text) is not None


def describe_html(text: str) -> str:
    """An HTML page as a phrase: `an HTML page, "502 Bad Gateway"`."""
    title = _TITLE.search(text[:20_000])
    words = " ".join(title[1].split()) if title else ""
    return f'an HTML page, "{words[:80]}"' if words else "an HTML page"


def redact(text: str, key: str | None) -> str:
    """The text without the key, and without anything that looks like one."""
    if key and len(key) >= _SHORTEST_KEY:
        text = text.replace(key, _MASK)
    for pattern in _SECRETS:
        text = pattern.sub(_MASK, text)
    return text


def tidy(text: str, key: str | None, limit: int = MAX_MESSAGE) -> str:
    """An error's words on one line of at most `limit` characters, without control characters or keys."""
    text = describe_html(text) if is_html(text) else text[: 100 * limit]
    # Redacted before it is cut: a key cut in half would no longer be known for one.
    line = redact(" ".join(without_unseen(scrub(text), " ").split()), key)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
