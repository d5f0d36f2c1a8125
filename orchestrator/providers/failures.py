"""What a failed call means: one table from what a provider says to the errors that orch raises.

A reply or an error event is first read into a `Signal`; the first rule that it fits names the error. The rows follow
the providers' documentation and what they were observed to send.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import field
from datetime import datetime

from ..deferred import dataclass
from ..errors import (
    AuthenticationError,
    Billed,
    ConnectionFailedError,
    ContextTooLongError,
    ModelNotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    Quota,
    QuotaExhaustedError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    TemporaryError,
)
from ..expressions import expression
from .headers import MAX_ADVICE_S, parse_duration_s, reset_advice_s, retry_after_s
from .text import is_html, kept, tidy


@dataclass(frozen=True, slots=True)
class Source:
    """Whose failure it is. `key` is kept only so that it can be taken out of messages."""

    provider: str
    model: str
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signal:
    """What a provider said of a failure.

    `status` is the HTTP status, or the one named inside an error event; None if there is neither. `words` are the
    machine-readable names in the body (`insufficient_quota`, `RESOURCE_EXHAUSTED`), in lower case.
    """

    status: int | None
    words: tuple[str, ...] = ()
    message: str = ""
    retry_after_s: float | None = None
    request_id: str | None = None
    html: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return expression("|".join(alternatives), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rule:
    """Fits a signal when every condition that is set holds. `pattern` is searched in the message and the words."""

    error: type[ProviderError]
    statuses: Container[int | None] | None = None
    words: frozenset[str] | None = None
    pattern: re.Pattern[str] | None = None
    provider: str | None = None
    has_advice: bool | None = None
    html: bool | None = None
    billed: Billed | None = None
    quota: Quota = Quota.ACCOUNT  # of a QuotaExhaustedError

    def fits(self, signal: Signal, provider: str) -> bool:
        return (
            (self.statuses is None or signal.status in self.statuses)
            and (self.words is None or not self.words.isdisjoint(signal.words))
            and (self.pattern is None or self.pattern.search(" ".join((signal.message, *signal.words))) is not None)
            and (self.provider is None or self.provider == provider)
            and (self.has_advice is None or self.has_advice == (signal.retry_after_s is not None))
            and (self.html is None or self.html == signal.html)
        )


def _status(*codes: int | None) -> frozenset[int | None]:
    return frozenset(codes)


# Only of these can it be said that no model was, or went on, at work: the server failed at the request itself or turned
# it away (RFC 9110, 15.6; 529: Anthropic), or a gateway could not reach it (Cloudflare's 52x and 530, "5xx errors").
# Of 502, by that definition, somebody behind the gateway was sent the request.
_NOT_AT_WORK = _status(500, 501, 503, 505, 506, 510, 511, 521, 523, 525, 526, 529, 530)

RULES: tuple[Rule, ...] = (
    # Out of credit, however it is dressed up: sending it again cannot help.
    Rule(RateLimitedError, _status(402), pattern=_pattern("in_flight_budget_exhausted"), has_advice=True),
    Rule(QuotaExhaustedError, _status(402)),
    Rule(
        QuotaExhaustedError,
        words=_words(
            "insufficient_quota enforced_spend_limit_reached contract_spend_limit_reached billing_error"
            " linked_organization_spend_limit_reached linked_organization_billing_unavailable"
            " billing_hard_limit_reached billing_not_active insufficient_balance insufficient_credits"
        ),
    ),
    Rule(
        QuotaExhaustedError,
        _status(400, 403, 429),
        pattern=_pattern(
            "credit balance is too low",
            "reached your specified .*usage limits",
            "spend(?:ing)? (?:limit|cap)",
            "insufficient (?:balance|credits?|funds)",
            r"credits? (?:\w+ )?(?:are |is |been )?(?:depleted|exhausted)",
        ),
    ),
    Rule(QuotaExhaustedError, _status(429), pattern=_pattern("PerDay"), quota=Quota.MODEL),  # Gemini's quotaId
    Rule(
        QuotaExhaustedError,
        _status(429),
        pattern=_pattern(r"per[- _]day\b", r"\bdaily\b"),
        has_advice=False,
        quota=Quota.MODEL,
    ),
    # More tokens than a minute allows at all: no wait makes it fit.
    Rule(
        QuotaExhaustedError,
        _status(429),
        pattern=_pattern(r"request too large for .*tokens per min"),
        quota=Quota.REQUEST,
    ),
    # The prompt does not fit the window.
    Rule(
        ContextTooLongError, words=_words("context_length_exceeded exceed_context_size_error context_window_exceeded")
    ),
    Rule(
        ContextTooLongError,
        _status(400, 413, 422, 500, None),  # None: an error event, which names no status
        pattern=_pattern(
            "prompt is too long",
            "input is too long",
            "exceeds? (?:the )?(?:model'?s? )?(?:maximum )?context",
            "maximum context length",
            "input token count .*exceeds",
            "reduce the length of (?:the|your) (?:messages|prompt|input)",
            r"(?:larger|longer|greater) than the (?:model'?s )?(?:maximum )?context",
        ),
    ),
    # Turned away for what it asks, before any work was done.
    Rule(RefusedError, words=_words("content_policy_violation content_filter invalid_prompt"), billed=Billed.NO),
    Rule(
        RefusedError,
        _status(400, 403),
        pattern=_pattern("input was flagged", "prompt was flagged", "flagged for"),
        billed=Billed.NO,
    ),
    # Key, permission, region, billing set-up.
    Rule(AuthenticationError, _status(401, 403, 407)),
    Rule(
        AuthenticationError,
        words=_words(
            "api_key_invalid invalid_api_key authentication_error permission_error permission_denied unauthenticated"
            " organization_on_hold"
        ),
    ),
    Rule(AuthenticationError, words=_words("failed_precondition"), provider="google"),
    # No such model, or no longer.
    Rule(ModelNotFoundError, _status(404, 410)),
    Rule(ModelNotFoundError, words=_words("model_not_found not_found_error not_found")),
    Rule(ModelNotFoundError, _status(400), pattern=_pattern("is not a valid model", "model .*does not exist")),
    # Come back later.
    Rule(RateLimitedError, _status(429)),
    Rule(
        RateLimitedError,
        words=_words(
            "rate_limit_error rate_limit_exceeded ramp_limit_exceeded slow_down resource_exhausted too_many_requests"
        ),
    ),
    Rule(OutcomeUnknownError, _status(460, 499)),  # a gateway's words for a caller that went away: AWS, nginx
    Rule(OutcomeUnknownError, words=_words("cancelled")),
    # A gateway's patience has run out, or it lost what it had passed on: nobody knows what the model goes on to do.
    Rule(TemporaryError, _status(408), billed=Billed.UNKNOWN),
    Rule(OverloadedError, words=_words("timeout_error deadline_exceeded"), billed=Billed.UNKNOWN),
    Rule(
        OverloadedError,
        range(500, 600),
        pattern=_pattern(
            r"\btimed?[- ]?out\b",
            r"disconnect/reset before headers(?!.*\b(?:connection failure|overflow)\b)",  # Envoy
            r"\bbackend (?:read error|fetch failed)",  # Fastly, Varnish
        ),
        billed=Billed.UNKNOWN,
    ),
    Rule(TemporaryError, _status(409, 425)),
    Rule(OverloadedError, _NOT_AT_WORK),
    Rule(OverloadedError, range(500, 600), billed=Billed.UNKNOWN),
    Rule(
        OverloadedError,
        words=_words(
            "overloaded_error api_error server_error internal_error internal_server_error internal"
            " unavailable service_unavailable"
        ),
    ),
    # A proxy's own page where an answer was due.
    Rule(OverloadedError, range(200, 300), html=True),
    # The request itself.
    Rule(RequestRejectedError, range(300, 500)),
    Rule(RequestRejectedError, words=_words("invalid_request_error invalid_argument bad_request request_too_large")),
    # An error that names nothing known.
    Rule(TemporaryError),
)

# Words for a failure whose status would mean nothing to most readers.
_PHRASES: Mapping[type[ProviderError], str] = {
    QuotaExhaustedError: "out of credit or quota",
    ContextTooLongError: "the prompt does not fit the context window",
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
    )
    if isinstance(error, QuotaExhaustedError):
        error.quota = rule.quota
    return error


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
    text = error if isinstance(error, str) else _text(error)
    words = tuple(dict.fromkeys(_named(error)))
    if status is None or 200 <= status < 300:  # an error inside a good reply: its own number counts
        status = _number(error) if not (isinstance(error, str) and is_html(error)) else status
    advice = retry_after_s(headers, now)
    if advice is None:
        advice = _retry_delay_s(error)
    if advice is None and status == 429:
        advice = reset_advice_s(headers, now)
    return Signal(status, words, text, advice, request_id, html=is_html(text))


def _inner(body: object) -> object:
    """The error object: what `error` holds, out of a list of one (Gemini), or the body itself."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, Mapping) and body.get("error"):
        return body["error"]
    return body


def _text(error: object) -> str:
    if not isinstance(error, Mapping):
        return ""
    found = next((error[key] for key in ("message", "detail", "error_description") if error.get(key)), "")
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None  # OpenRouter: the upstream's own words
    return " ".join(
        part for part in (found if isinstance(found, str) else "", raw if isinstance(raw, str) else "") if part
    )


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
                yield word.lower()
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
