"""Errors as clients see them: a status, a code and a message, which each API puts into its own form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..deferred import dataclass
from ..errors import (
    AdapterError,
    AuthenticationError,
    BadReplyError,
    BudgetError,
    ConnectionFailedError,
    ContextTooLongError,
    DeadlineError,
    EmptyReplyError,
    IncompleteError,
    Interrupted,
    LedgerError,
    ModelNotFoundError,
    NotAcceptedError,
    OrchError,
    OutcomeUnknownError,
    ProviderError,
    ProxyRefusedError,
    QuotaExhaustedError,
    RateLimitedError,
    RequestRejectedError,
    TemporaryError,
    UsageError,
)

BAD_REQUEST, UNAUTHORIZED, PAYMENT, FORBIDDEN, NOT_FOUND, METHOD, TOO_LARGE, TOO_MANY = (
    400,
    401,
    402,
    403,
    404,
    405,
    413,
    429,
)
INTERNAL, BAD_GATEWAY, UNAVAILABLE, TIMED_OUT = 500, 502, 503, 504

# The first class that an error is of. A provider that refuses the server's own key is no fault of the client's.
_STATUS: tuple[tuple[type[OrchError], int], ...] = (
    (UsageError, BAD_REQUEST),
    (BudgetError, PAYMENT),
    (LedgerError, UNAVAILABLE),
    (Interrupted, UNAVAILABLE),
    (NotAcceptedError, BAD_GATEWAY),
    (ModelNotFoundError, NOT_FOUND),
    (RequestRejectedError, BAD_REQUEST),
    (RateLimitedError, TOO_MANY),
    (DeadlineError, TIMED_OUT),
    (OutcomeUnknownError, TIMED_OUT),
    (BadReplyError, BAD_GATEWAY),
    (EmptyReplyError, BAD_GATEWAY),
    (IncompleteError, BAD_GATEWAY),
    (AuthenticationError, BAD_GATEWAY),
    (ProxyRefusedError, BAD_GATEWAY),
    (AdapterError, BAD_GATEWAY),
    (ConnectionFailedError, UNAVAILABLE),
    (QuotaExhaustedError, UNAVAILABLE),
    (TemporaryError, UNAVAILABLE),
    (ProviderError, BAD_GATEWAY),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is not answered. `retryable`: the same request may be answered later; `retry_after_s` says when."""

    status: int
    code: str
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    orch: Mapping[str, Any] | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """`Retry-After`, and the header by which both SDKs know whether to try again."""
        again = [(b"x-should-retry", b"true" if self.retryable else b"false")]
        if self.retry_after_s is not None and self.retryable:
            again.append((b"retry-after", str(max(1, math.ceil(self.retry_after_s))).encode()))
        return again


def problem_of(error: OrchError, orch: Mapping[str, Any] | None = None) -> Problem:
    """How an error is told to a client."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), INTERNAL)
    message = error.message if error.hint is None or status != BAD_REQUEST else f"{error.message} ({error.hint})"
    retry_after_s = error.retry_after_s if isinstance(error, ProviderError) else None
    if status == TOO_MANY and retry_after_s is None:
        retry_after_s = 1.0
    retryable = error.retryable or isinstance(error, LedgerError | Interrupted)
    code = "context_length_exceeded" if isinstance(error, ContextTooLongError) else error.code
    return Problem(status, code, message, retryable, retry_after_s, orch)


def bug() -> Problem:
    """What is said of a bug: nothing that was in it."""
    return Problem(INTERNAL, "error", "something went wrong in orch serve; its log says what", retryable=False)


class Refused(Exception):
    """A request that is not carried out."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def refused(status: int, code: str, message: str, *, retry_after_s: float | None = None) -> Refused:
    """A refusal by the server itself."""
    return Refused(Problem(status, code, message, retry_after_s is not None, retry_after_s))
