"""What each fault must lead to: written from what is known of the providers, not from the code that is checked.

`plain` and `streamed` say what becomes of a call whose reply is not streamed, and of one that is: requests that the
provider sees, the class of error, the exit code, and whether the next model of a chain is asked.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """`error` None is an answer. `falls_over` None: whether the next model is asked depends on the answer itself.

    `requests` counts those that the provider saw, each of which has a row; `loud` is whether going on to the next
    model must be a warning.
    """

    requests: int
    error: str | None
    exit_code: int
    falls_over: bool | None
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A fault as a scenario rule has it (YAML, without the model), and what it leads to. `only` are its providers.

    `before_another` is what it leads to where another model can still be asked, if that differs.
    """

    name: str
    rule: str
    plain: Expected
    streamed: Expected
    only: tuple[str, ...] = ("openai", "anthropic", "google")
    before_another: Expected | None = None


ATTEMPTS = 3  # one, and two retries


def _case(name: str, rule: str, expected: Expected, streamed: Expected | None = None, *only: str) -> Case:
    return Case(name, rule, expected, streamed or expected, only or ("openai", "anthropic", "google"))


def _retried(error: str) -> Expected:
    """R, then N: at most twice more, then the next model."""
    return Expected(ATTEMPTS, error, 6, falls_over=True)


_ANSWER = Expected(1, None, 0, falls_over=None)
_QUOTA = Expected(1, "quota_exhausted", 6, falls_over=True)
_KEY = Expected(1, "authentication", 4, falls_over=True, loud=True)
_CUT = Expected(1, "incomplete", 8, falls_over=False)  # after text: stop, with the partial answer
_UNKNOWN = Expected(1, "outcome_unknown", 6, falls_over=True, loud=True)
_REFUSED = Expected(1, "refused", 9, falls_over=True)
_DEADLINE = Expected(1, "deadline", 6, falls_over=False)  # the only model has the run's time
_OVERLOADED = _retried("overloaded")
_LIMITED = _retried("rate_limited")
_TOO_LONG_TO_WAIT = Expected(1, "rate_limited", 6, falls_over=True)

CASES: tuple[Case, ...] = (
    _case("slow", "fault: slow, latency_ms: 30, per_token_ms: 0.5", _ANSWER),
    _case("429", "fault: rate_limited", _LIMITED),
    _case("429 seconds", "fault: rate_limited, retry_after_s: 0.02", _LIMITED),
    _case("429 milliseconds", "fault: rate_limited, retry_after_s: 0.02, retry_after_form: milliseconds", _LIMITED),
    _case("429 a past date", "fault: rate_limited, retry_after_s: 0, retry_after_form: date", _LIMITED),
    _case("429 an hour", "fault: rate_limited, retry_after_s: 3600", _TOO_LONG_TO_WAIT),
    _case(
        "429 a date in a day", "fault: rate_limited, retry_after_s: 86400, retry_after_form: date", _TOO_LONG_TO_WAIT
    ),
    _case("overloaded", "fault: overloaded", _OVERLOADED),
    _case("529", "fault: overloaded, status: 529", _OVERLOADED),
    _case("500", "fault: server_error", _OVERLOADED),
    _case("502 as a page", "fault: server_error, status: 502, html: true", _OVERLOADED),
    _case("503", "fault: server_error, status: 503, retry_after_s: 0.01", _OVERLOADED),
    _case("504", "fault: server_error, status: 504", _OVERLOADED),
    _case("out of credit", "fault: out_of_credit", _QUOTA),
    _case("out of credit, 400", "fault: out_of_credit, status: 400", _QUOTA, None, "anthropic"),
    _case("out of credit, 402", "fault: out_of_credit, status: 402", _QUOTA, None, "anthropic"),
    _case("out of credit, 429", "fault: out_of_credit, status: 429", _QUOTA, None, "anthropic"),
    _case("401", "fault: auth", _KEY),
    _case("403", "fault: auth, status: 403", _KEY),
    _case("404", "fault: not_found", Expected(1, "model_not_found", 7, falls_over=True, loud=True)),
    _case("redirect", "fault: redirect", Expected(1, "request_rejected", 7, falls_over=False)),
    # Over loopback there is a connection; it is closed as soon as the request has come.
    _case("closed at once", "fault: connect_refused", _UNKNOWN),
    Case("silence", "fault: timeout", _DEADLINE, _DEADLINE, before_another=_UNKNOWN),
    Case("silence, unbilled", "fault: timeout, billed: false", _DEADLINE, _DEADLINE, before_another=_UNKNOWN),
    _case("cut", "fault: cut", _UNKNOWN, _CUT),
    _case("cut, unbilled", "fault: cut, billed: false", _UNKNOWN, _CUT),
    _case("cut before anything", "fault: cut, after_tokens: 0", _UNKNOWN),
    _case("no end", "fault: no_terminal_marker", _ANSWER, _CUT),
    _case("no last marker", "fault: no_terminal_marker, reason: true", _ANSWER),
    _case("malformed", "fault: malformed", _retried("bad_reply"), _CUT),
    _case("malformed at once", "fault: malformed, after_tokens: 0", _retried("bad_reply")),
    _case("error in the stream", "fault: error_in_stream", _OVERLOADED, _CUT),
    _case("error begins the stream", "fault: error_in_stream, after_tokens: 0", _OVERLOADED),
    _case("error in a 200", "fault: error_in_200", _OVERLOADED),
    _case("refused", "fault: refused", _REFUSED),
    _case("prompt refused", "fault: refused, at: prompt", _REFUSED),
    _case("empty", "fault: empty", Expected(2, "empty_reply", 6, falls_over=True)),
    _case("truncated", "fault: truncated, max_tokens: 8", _ANSWER),
    _case("lone surrogates", "fault: lone_surrogates", _ANSWER),
    _case("control characters", "fault: control_characters", _ANSWER),
    _case("thoughts in the text", "fault: thoughts", _ANSWER),
)
