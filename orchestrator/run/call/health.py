"""What the end of a call says about a provider's health. Pure: takes an error, returns a finding."""

from __future__ import annotations

from enum import Enum, auto

from ...deferred import dataclass
from ...errors import (
    BadReplyError,
    ConnectionFailedError,
    DeadlineError,
    IncompleteError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    ProxyRefusedError,
    Quota,
    QuotaExhaustedError,
    SetAsideError,
)
from ...ledger.breakers import EVERY_MODEL, Breaker, BreakerState, breaker_states
from ...ledger.limits import SECOND
from ...ledger.rows import from_micros

__all__ = ["BreakerState", "Finding", "Health", "breaker_states", "finding", "set_aside_error"]

_DOWN = (OverloadedError, ConnectionFailedError, OutcomeUnknownError, BadReplyError)
# The run's own time was up, text had arrived before the end, or a proxy let nothing through: it is not known whether
# the provider is to blame.
_NO_TELLING = (DeadlineError, IncompleteError, SetAsideError, ProxyRefusedError)
# An account is seldom topped up within less; a user who did it is not kept waiting much longer.
QUOTA_PAUSE = 600 * SECOND


class Health(Enum):
    """What the end of a call means for the model's circuit breaker."""

    ANSWERS = auto()  # with whatever: it is there
    DOWN = auto()
    OUT_OF_QUOTA = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a call says about health. `whole_provider`: the exhausted quota is the account's and not one model's."""

    health: Health
    whole_provider: bool = False
    reason: str = ""


def finding(error: BaseException | None, *, log_text: bool = True) -> Finding:
    """The finding from a call's error; None is a completed call. Without `log_text` the reason quotes no reply."""
    if error is None:
        return Finding(Health.ANSWERS)
    if not isinstance(error, ProviderError) or isinstance(error, _NO_TELLING) or not error.telling:
        return Finding(Health.UNKNOWN)
    reason = error.message if log_text else error.without_quotes
    if isinstance(error, _DOWN):
        return Finding(Health.DOWN, reason=reason)
    if isinstance(error, QuotaExhaustedError):
        if error.quota is Quota.REQUEST:
            return Finding(Health.ANSWERS)
        return Finding(Health.OUT_OF_QUOTA, error.quota is Quota.ACCOUNT, reason)
    return Finding(Health.ANSWERS)


def set_aside_error(provider: str, model: str, breaker: Breaker, now: int) -> SetAsideError:
    """The error that says why a model is not asked, and until when."""
    until = breaker.barred_until(now) or now
    what = provider if breaker.model == EVERY_MODEL else model
    probing = breaker.open_until is not None and breaker.open_until <= now
    when = (
        "while another call tries whether it is back"
        if probing
        else f"until {from_micros(until).astimezone():%H:%M:%S}"
    )
    return SetAsideError(
        f"{what} is set aside {when}: {breaker.reason}",
        provider=provider,
        model=model,
        retry_after_s=max(0, until - now) / SECOND,
    )
