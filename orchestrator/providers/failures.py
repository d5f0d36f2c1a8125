"""What a failed call means: from what a provider says to the errors that orch raises.

A reply or an error event is read into a `Signal`; the first rule of `failure_rules` that it fits names the error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime

from ..deferred import dataclass
from ..errors import (
    AuthenticationError,
    ConnectionFailedError,
    ContextTooLongError,
    ModelNotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    ProxyRefusedError,
    QuotaExhaustedError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    UnsupportedError,
)
from ..expressions import expression
from .failure_rules import RULES, Signal
from .headers import MAX_ADVICE_S, advice_in_words_s, parse_duration_s, reset_advice_s, retry_after_s
from .text import is_html, kept, tidy


@dataclass(frozen=True, slots=True)
class Source:
    """Whose failure it is. `key` is kept only so that it can be taken out of messages; `proxy` is the variable that
    names the proxy in between."""

    provider: str
    model: str
    key: str | None = field(default=None, repr=False)
    proxy: str | None = None


# Words for a failure whose status would mean nothing to most readers.
_PHRASES: Mapping[type[ProviderError], str] = {
    QuotaExhaustedError: "out of credit or quota",
    ContextTooLongError: "the prompt does not fit the context window",
    ProxyRefusedError: "a proxy on the way wants a user name and a password, or others",
    UnsupportedError: "the model lacks something that was asked for",
    AuthenticationError: "the key or its permissions were rejected",
    ModelNotFoundError: "no such model or address",
    RateLimitedError: "rate limited",
    OverloadedError: "the provider failed or is overloaded",
    OutcomeUnknownError: "cancelled on the way, which may have been billed",
    RefusedError: "refused or filtered",
    ConnectionFailedError: "could not connect",
    RequestRejectedError: "the request was rejected",
}

_WORD_KEYS = ("code", "type", "status", "reason", "error_type", "error_code", "quotaId")
_TEXT_KEYS = ("message", "Message", "detail", "msg", "error_msg", "error_description", "errors")
_MOST_READ = 8_192  # characters of a reason
_CAMEL = expression(r"(?<=[a-z])(?=[A-Z])|\.")
_DEPTH = 8  # of an error body; Gemini's quotaId is at 6


def error_for(signal: Signal, source: Source) -> ProviderError:
    """The error that a signal stands for."""
    rule = next(rule for rule in RULES if rule.fits(signal, source.provider))
    phrase = _PHRASES.get(rule.error, "the call failed")
    status = f" (HTTP {signal.status})" if signal.status is not None else ""
    if signal.status is not None and 300 <= signal.status < 400:
        phrase = "redirected to another address, which is not followed; check the base URL"
    error = rule.error(
        message(source, f"{phrase}{status}", signal.message),
        provider=source.provider,
        model=source.model,
        status=signal.status,
        provider_code=tidy(signal.words[0], source.key, 80) if signal.words else None,
        request_id=signal.request_id and kept(signal.request_id, source.key),
        retry_after_s=signal.retry_after_s,
        billed=rule.billed,
        hint=proxy_hint(source) if rule.error is ProxyRefusedError else None,
    )
    error.reason = tidy(signal.message, source.key, _MOST_READ)
    if isinstance(error, QuotaExhaustedError):
        error.quota = rule.quota
    return error


def proxy_hint(source: Source) -> str:
    """How a proxy is given what it wants."""
    return f"{source.proxy or 'HTTPS_PROXY'} has them as http://USER:PASSWORD@HOST:PORT"


def message(source: Source, phrase: str, detail: str = "") -> str:
    """`provider model: phrase: detail`, short, on one line, without the key."""
    return tidy(f"{source.provider} {source.model}: {phrase}", source.key) + (
        f": {words}" if (words := tidy(detail, source.key)) else ""
    )


def read_signal(
    body: object, *, status: int | None, headers: Mapping[str, str], now: datetime, request_id: str | None = None
) -> Signal:
    """A signal from a decoded error body (or its text, where it is not JSON) and the reply's headers."""
    error = _inner(body)
    upstream = _upstream(error)
    text = " ".join(part for part in (_text(error), upstream) if part)[:_MOST_READ]
    names = list(dict.fromkeys((*_named(error if isinstance(error, Mapping) else body), *_named(_json(upstream)))))
    spelled_out = [_CAMEL.sub(" ", name).lower() for name in names if _CAMEL.search(name)]
    words = tuple(dict.fromkeys((*(name.lower() for name in names), *spelled_out)))
    if status is None or 200 <= status < 300:  # an error inside a good reply: its own number counts
        status = _number(error) if not (isinstance(error, str) and is_html(error)) else status
    advice = retry_after_s(headers, now)
    if advice is None:
        advice = _retry_delay_s(error)
    if advice is None and status == 429:
        advice = advice_in_words_s(text)
    if advice is None and status == 429:
        advice = reset_advice_s(headers, now)
    silent = not text and not words
    return Signal(status, words, text, advice, request_id, html=is_html(text), silent=silent)


def _inner(body: object) -> object:
    """The error object: what `error` holds, out of a list of one (Gemini), or the body itself."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, Mapping) and body.get("error"):
        return body["error"]
    return body


def _text(error: object) -> str:
    """A reason in words; of a list of them (FastAPI's `detail`), all."""
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return "; ".join(part for part in map(_text, error[:5]) if part)
    if not isinstance(error, Mapping):
        return ""
    return next((words for key in _TEXT_KEYS if (words := _text(error.get(key)))), "")


def _upstream(error: object) -> str:
    """The upstream's own words, as OpenRouter passes them on."""
    metadata = error.get("metadata") if isinstance(error, Mapping) else None
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return raw if isinstance(raw, str) else ""


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _number(error: object) -> int | None:
    code = error.get("code", error.get("status")) if isinstance(error, Mapping) else None
    number = int(code) if isinstance(code, str) and re.fullmatch(r"[1-5]\d\d", code, re.ASCII) else code
    return number if isinstance(number, int) and 100 <= number < 600 else None


def _named(node: object, depth: int = 0) -> Iterator[str]:
    """Machine-readable names, outermost first."""
    if depth > _DEPTH:
        return
    if isinstance(node, Mapping):
        for key in _WORD_KEYS:
            if isinstance(word := node.get(key), str) and word and len(word) <= 200 and not word.isdigit():
                yield word
        children = [child for child in node.values() if isinstance(child, Mapping | list)]
    else:
        children = node[:50] if isinstance(node, list) else []
    for child in children:
        yield from _named(child, depth + 1)


def _retry_delay_s(error: object) -> float | None:
    """google.rpc.RetryInfo in `details`."""
    details = error.get("details") if isinstance(error, Mapping) else None
    for detail in details if isinstance(details, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and (seconds := parse_duration_s(delay)) is not None:
            return min(seconds, MAX_ADVICE_S)
    return None
