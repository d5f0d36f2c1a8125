"""Which error a provider's words stand for: one table. The first rule that a signal fits names the error.

The rows follow the providers' documentation, what they were observed to send, and what users reported of them. Servers
word the same refusal differently and reword it from one version to the next, so the patterns look for what all the
wordings of a kind have in common.
"""

from __future__ import annotations

import re
from collections.abc import Container

from ..deferred import dataclass
from ..errors import (
    AuthenticationError,
    Billed,
    ContextTooLongError,
    ModelNotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    ProxyRefusedError,
    Quota,
    QuotaExhaustedError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    TemporaryError,
    UnsupportedError,
)
from ..expressions import expression


@dataclass(frozen=True, slots=True)
class Signal:
    """What a provider said of a failure.

    `status` is the HTTP status, or the one named inside an error event; None if there is neither. `words` are the
    machine-readable names in the body (`insufficient_quota`, `RESOURCE_EXHAUSTED`), in lower case, and those in camel
    case word by word as well (`input too long`). `silent`: it gave no
    reason at all.
    """

    status: int | None
    words: tuple[str, ...] = ()
    message: str = ""
    retry_after_s: float | None = None
    request_id: str | None = None
    html: bool = False
    silent: bool = False


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
    silent: bool | None = None
    billed: Billed | None = None
    quota: Quota = Quota.ACCOUNT  # of a QuotaExhaustedError

    def fits(self, signal: Signal, provider: str) -> bool:
        """Whether every condition of the rule holds for a signal."""
        return (
            (self.statuses is None or signal.status in self.statuses)
            and (self.words is None or not self.words.isdisjoint(signal.words))
            and (self.pattern is None or self.pattern.search(" ".join((signal.message, *signal.words))) is not None)
            and (self.provider is None or self.provider == provider)
            and (self.has_advice is None or self.has_advice == (signal.retry_after_s is not None))
            and (self.html is None or self.html == signal.html)
            and (self.silent is None or self.silent == signal.silent)
        )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return expression("|".join(alternatives), re.IGNORECASE)


def _status(*codes: int | None) -> frozenset[int | None]:
    return frozenset(codes)


# What says that a request is at fault; some servers say it as a failure of their own, or in an event without a status.
_OF_A_REQUEST = _status(400, 413, 422, 424, 500, 501, 502, 503, None)

# Only of these can it be said that no model was, or went on, at work: the server failed at the request itself or turned
# it away (RFC 9110, 15.6; 529: Anthropic), or a gateway could not reach it (Cloudflare's 52x and 530, "5xx errors").
# Of 502, by that definition, somebody behind the gateway was sent the request.
_NOT_AT_WORK = _status(500, 501, 503, 505, 506, 510, 511, 521, 523, 525, 526, 529, 530)
_LOST = _pattern(
    r"\btimed?[- ]?out\b",
    r"disconnect/reset before headers(?!.*\b(?:connection failure|overflow)\b)",  # Envoy
    r"\bbackend (?:read error|fetch failed)",  # Fastly, Varnish
)

_AT_ITS_CONTENT = _status(400, 403, 422, 424, 451, 500, None)

_TOO_LONG = _pattern(
    # "prompt is too long", "Input is too long for requested model", "prompt too long; exceeded max context length"
    r"(?:prompt|inputs?|con(?:text|versation|tent)|messages?|request|text|query)\b[^.]{0,40}\btoo (?:long|large|big)",
    r"too (?:long|large|big)\b[^.]{0,40}\b(?:context|model with|for this model)",
    r"too many (?:input |prompt )?tokens",
    # "exceeds the context window", "exceed context limit", "exceeds the available context size"
    r"exceed\w*[^.]{0,60}\b(?:context|model(?:'s)? (?:token|length)|max_model_len|kv (?:cache )?size|maxlength)",
    r"(?:context(?! deadline)|prompt|input)[^.]{0,60}\bexceed",
    r"token (?:limit|count)[^.]{0,30}\b(?:exceed|reach)|(?:number of|total) (?:input |prompt )?tokens|context length$",
    r"exceed\w*[^.]{0,40}\b(?:max_?)?(?:token[ _]?limit|tokens?\b)|maximum allowed (?:length|input|tokens)",
    r"exceeds the limit of \d",
    r"(?:maximum|max|available) (?:context|prompt|input|model|sequence)[ _](?:length|window|size|len)",
    r"(?:larger|longer|greater|bigger|more) than (?:(?:the|this|model(?:'?s)?|available|max(?:imum)?) )*(?:context|kv)",
    r"context (?:length|window|size|limit) (?:of|is|exceeded|full|overflow)|context (?:overflow|shift)",
    r"input token count\b|\bprompt token count\b|input tokens exceed|messages resulted in",
    r"cannot truncate prompt|n_keep|n_ctx",
    # TGI, Together: "`inputs` tokens + `max_new_tokens` must be <= 4096", "`inputs` must have less than 1024 tokens"
    r"inputs` tokens \+|inputs` must have (?:less|fewer)|expected max_?length",
    r"reduce (?:the )?(?:length|size|number)? ?(?:of )?(?:the |your )?(?:messages?|prompt|input|tokens|context)",
    r"(?:string|request|payload|body|entity)[^.]{0,20}\b(?:too (?:long|large)|above max|size exceed)",
    r"range of input length|long context (?:beta|requests?)|extra usage is required for long context",
    r"(?:prompt|input|上下文|输入)[^.]{0,20}(?:超长|超过|过长|超出)",
)
_FILTERED = _pattern(
    r"content[-_ ]?(?:filter|moderation|polic|safety|management|restriction|violat)|policy[-_ ]violation",
    r"violat\w*(?![^.]{0,40}organi[sz]ation)[^.]{0,60}\b(?:usage|content|acceptable|guideline|terms|our polic)",
    r"\b(?:usage|acceptable[- ]use|prohibited[- ]use) (?:polic|guidelines)",
    r"\bsafety(?:\b|_)|responsible ?ai|moderation|guardrail|jailbreak|nsfw|recitation|copyright",
    r"content exists? risk|content_exists_risk|high[- ]risk|cyber\w* risk",
    r"data_?inspection|inappropriate|harmful|(?:prohibited|unsafe|illegal|disallowed|toxic) content",
    r"sensitive[-_ ]?(?:words?|information|content)|new_sensitive|不安全|敏感|违规",
    r"\bflagged (?:for|as|by)|(?:was|were|been|is) flagged",
    r"(?:prompt|response|output|completion|content|input|text|request)\b[^.]{0,20}\b(?:blocked|filtered)\b",
)
# What orch itself asks for, by the model's entry in the registry, and each server checks in its own way: another may
# take it.
_LACKING = _pattern(
    r"unsupported|not (?:\w+ ){0,3}supported|not support|n['’]t (?:\w+ )?support|only (?:\w+ )?support|deprecated",
    r"(?:does|do|did) not (?:\w+ )?(?:accept|allow|take|have|work|offer)\b|n['’]t (?:accept|allow|take|work)\b",
    r"not (?:\w+ )?(?:allowed|permitted|enabled|available|implemented|compatible)\b|unavailable",
    r"must be verified|requires? --\w|requires? (?:a )?(?:\w+ )?(?:parser|flag|beta header)",
    r"(?:unknown|unrecogni[sz]ed|unexpected|extra|additional) (?:\w+ )?(?:parameter|argument|input|propert|field)",
    r"cannot find field|extra_forbidden|unexpected keyword|failed to generate json|jinja",
    r"max\w*[_ ]?tokens|max\w*tokens\b|maximum tokens|output token",
    r"\b(?:temperature|top_p|top_k|logprobs|top_logprobs|stop_sequences?|stream\w*|roles?|system|developer)\b",
    r"\b(?:tools?|tool_\w+|functions?|function_\w+|multi-?modal|vlm|images?|audio|video|vision)\b",
    r"response[_ ]?(?:format|mime|schema)|schema|json[_ ]?mode|structured outputs?|output_config",
    r"\b(?:models?|deployment|endpoint)\b",
)
_LACKING_ON_THE_SERVER = _pattern(
    r"not (?:\w+ ){0,2}supported|(?:does not|n['’]t) support|requires? --\w|jinja|roles? must alternate|not implemented"
)

RULES: tuple[Rule, ...] = (
    # No provider's, whatever the proxy writes into it.
    Rule(ProxyRefusedError, _status(407)),
    # Out of credit, however it is dressed up: sending it again cannot help.
    Rule(RateLimitedError, _status(402), pattern=_pattern("in_flight_budget_exhausted"), has_advice=True),
    Rule(QuotaExhaustedError, _status(402)),
    Rule(
        QuotaExhaustedError,
        words=_words(
            "insufficient_quota enforced_spend_limit_reached contract_spend_limit_reached billing_error"
            " linked_organization_spend_limit_reached linked_organization_billing_unavailable"
            " billing_hard_limit_reached billing_not_active insufficient_balance insufficient_credits"
            " exceeded_current_quota_error arrearage"
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
    # More tokens than a minute allows at all, or than the account's plan does: no wait makes it fit.
    Rule(
        QuotaExhaustedError,
        _status(413, 429),
        pattern=_pattern(r"request too large for .*tokens per min", "required for long context"),
        quota=Quota.REQUEST,
    ),
    # Come back later: said of tokens too, which is no word on the window.
    Rule(
        RateLimitedError,
        words=_words(
            "rate_limit_error rate_limit_exceeded ramp_limit_exceeded slow_down resource_exhausted too_many_requests"
        ),
    ),
    # The prompt does not fit the window, or what the provider takes at all.
    Rule(
        ContextTooLongError,
        words=_words(
            "context_length_exceeded exceed_context_size_error context_window_exceeded model_context_window_exceeded"
            " string_above_max_length model_max_prompt_tokens_exceeded contextwindowexceedederror context_too_long"
            " max_context_length prompt_too_long input_too_long content_too_large payload_too_large"
        ),
    ),
    # Turned away for what it asks, before any work was done.
    Rule(
        RefusedError,
        words=_words(
            "content_policy_violation content_filter invalid_prompt responsibleaipolicyviolation content_filtered"
            " contentpolicyviolationerror moderation_blocked sensitive_words_detected sensitivecontentdetected"
            " inputtextsensitivecontentdetected"
        ),
        billed=Billed.NO,
    ),
    # What was written is held back: whether that is charged, nobody says.
    Rule(
        RefusedError,
        _AT_ITS_CONTENT,
        pattern=_pattern(r"\boutput\w*\b[^.]{0,40}\b(?:blocked|inappropriate|sensitive)", "output new_sensitive"),
        billed=Billed.UNKNOWN,
    ),
    Rule(RefusedError, _AT_ITS_CONTENT, pattern=_FILTERED, billed=Billed.NO),
    Rule(ContextTooLongError, _OF_A_REQUEST, pattern=_TOO_LONG),
    Rule(ContextTooLongError, _status(413)),
    # One feature is kept from the account, not the model.
    Rule(
        UnsupportedError,
        _status(401, 403, 404),
        pattern=_pattern("request logprobs", "verified to (?:stream|use)", "support (?:tool|image|audio|video)"),
    ),
    # Key, permission, region, billing set-up.
    Rule(AuthenticationError, _status(401, 403)),
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
    Rule(
        ModelNotFoundError,
        words=_words(
            "model_not_found not_found_error not_found model_decommissioned model_not_available unknown_model"
            " invalid_model"
        ),
    ),
    Rule(
        ModelNotFoundError,
        _status(400, 422),
        pattern=_pattern(
            "is not a valid model",
            r"model\b.{0,120}\b(?:does not exist|not exist|not found|decommissioned|end of life|no longer available)",
            r"(?:unknown|invalid|incorrect|no such) model\b",
        ),
    ),
    # What this model, or its provider, lacks, and another may have.
    Rule(
        UnsupportedError,
        words=_words(
            "unsupported_value unsupported_parameter unknown_parameter tool_use_failed json_validate_failed"
            " model_not_supported operationnotsupported invalid_json_schema"
        ),
    ),
    Rule(UnsupportedError, _status(400, 405, 415, 422), pattern=_LACKING),
    Rule(UnsupportedError, _status(500, 501), pattern=_LACKING_ON_THE_SERVER),
    Rule(UnsupportedError, _status(400, 422), silent=True),
    Rule(ContextTooLongError, _status(400, 422), pattern=_pattern(r"\d[\d,]* (?:\w+ )?tokens\b")),
    Rule(RateLimitedError, _status(429)),
    Rule(OutcomeUnknownError, _status(460, 499)),  # a gateway's words for a caller that went away: AWS, nginx
    Rule(OutcomeUnknownError, words=_words("cancelled")),
    # A gateway's patience has run out, or it lost what it had passed on: nobody knows what the model goes on to do.
    Rule(TemporaryError, _status(408), billed=Billed.UNKNOWN),
    Rule(OverloadedError, words=_words("timeout_error deadline_exceeded"), billed=Billed.UNKNOWN),
    Rule(OverloadedError, range(500, 600), pattern=_LOST, billed=Billed.UNKNOWN),
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
    # An error that names nothing known, in a reply that was good so far.
    Rule(TemporaryError, billed=Billed.UNKNOWN),
)
