"""Every error that orch raises on purpose, what the caller does next, and the exit code it ends in.

    OrchError
    ├── UsageError                 2  a bad argument or prompt
    ├── ConfigError                3  a file or variable that cannot be used
    ├── BudgetError                5  refused by a budget; nothing was sent                next
    ├── LedgerError               11  the ledger cannot be written; nothing was sent       stop
    ├── NotAcceptedError       8  the user's own schema or command does not take the answer stop
    ├── NotAskedError         10  one of many, and all were stopped before it              stop
    ├── SubmittedError         0  one of many, and a provider's batch API is at work on it  stop
    ├── Interrupted          130/143  Ctrl-C, SIGTERM                                      stop
    ├── PluginError            1  a plugin failed at what it was asked to do               stop
    └── ProviderError                 a call failed, or could not be made
        ├── ProxyRefusedError      3  a proxy on the way wants other credentials: HTTP 407 next*
        ├── AuthenticationError    4  no key, or the provider rejected it                  next*
        ├── TemporaryError         6  may work if sent again                               retry
        │   ├── RateLimitedError
        │   ├── OverloadedError       5xx, 529, an HTML body
        │   ├── ConnectionFailedError refused, DNS, TLS: certainly not billed
        │   ├── OutcomeUnknownError   read timeout, reset after sending: may be billed (next*)
        │   ├── BadReplyError         not the JSON, chunking or shape that was promised
        │   ├── EmptyReplyError       status 200 with nothing in it
        │   ├── BatchEndedError       the batch was cancelled, or out of time, before its turn: not billed
        │   └── SetAsideError         it kept failing and is left alone for a while; nothing was sent (next)
        ├── QuotaExhaustedError    6  out of credit, or a daily quota                      next
        ├── DeadlineError          6  the run's time is up                                 stop
        ├── RequestRejectedError   7  the request itself is at fault                       stop
        │   ├── ContextTooLongError   only a larger window can help                        next
        │   ├── UnsupportedError      this model lacks what was asked for, another may not next
        │   └── ModelNotFoundError    unknown or retired at the provider                   next*
        ├── IncompleteError        8  the reply was cut off after some text                stop
        ├── RefusedError           9  refused or filtered by the model                     next
        └── AdapterError           1  the plugin that speaks to the provider failed        next*

*next* in a cascade goes to the following leg; a star says that it does so with a loud warning.
A closed pipe (exit 141) is no error of ours: the command line handles `BrokenPipeError` itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .types import Completion

EXIT_PARTLY_FAILED = 10  # some of many prompts have no answer


class Disposition(StrEnum):
    """What follows a failed call."""

    RETRY = "retry"
    NEXT = "next"
    STOP = "stop"


class Billed(StrEnum):
    """Whether the provider charges for a failed call."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


class OrchError(Exception):
    """The base class of all errors that users may see. `code` is stable and machine-readable."""

    code: ClassVar[str] = "error"
    exit_code: int = 1
    disposition: ClassVar[Disposition] = Disposition.STOP
    loud: ClassVar[bool] = False  # going on past it deserves a warning

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def without_quotes(self) -> str:
        """The message in this program's own words, for where no text of a prompt or answer may be stored: messages
        may quote a provider or the user's command."""
        return self.code.replace("_", " ")

    @property
    def retryable(self) -> bool:
        """Whether the same run may succeed later."""
        return self.disposition is Disposition.RETRY


class _InOwnWords(OrchError):
    """An error whose message never quotes a prompt or an answer."""

    @property
    def without_quotes(self) -> str:
        return self.message


class UsageError(OrchError):
    """A bad argument or prompt."""

    code = "usage"
    exit_code = 2


class ConfigError(OrchError):
    """A configuration file, registry or environment variable that cannot be used. Names file, line and key."""

    code = "config"
    exit_code = 3


class BudgetError(_InOwnWords):
    """A budget does not allow a call's worst case. Nothing was sent.

    `calls`: the ids of the calls that do not fit, of several; empty if it is all of them. `shared`: it is a budget of
    the ledger, which other runs use up and give back; not the run's own cap.
    """

    code = "budget"
    exit_code = 5
    disposition = Disposition.NEXT
    calls: frozenset[str] = frozenset()
    shared: bool = False


class LedgerError(_InOwnWords):
    """The ledger cannot be used. Before a call this means that nothing was sent."""

    code = "ledger"
    exit_code = 11


class NotAskedError(_InOwnWords):
    """One of many prompts, which was not asked since all of them were stopped before. Nothing was sent for it."""

    code = "not_asked"
    exit_code = EXIT_PARTLY_FAILED


class SubmittedError(_InOwnWords):
    """One of many prompts that a provider's batch API is at work on: it can be fetched later."""

    code = "submitted"
    exit_code = 0


class NotAcceptedError(OrchError):
    """There is an answer, and the user's own schema or command rejects it."""

    code = "not_accepted"
    exit_code = 8


class Interrupted(_InOwnWords):
    """Ctrl-C (exit 130) or SIGTERM (exit 143)."""

    code = "interrupted"
    exit_code = 130

    def __init__(self, message: str = "interrupted", *, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class PluginError(OrchError):
    """An installed plugin failed: a bug in the plugin, not in orch."""

    code = "plugin"


class ProviderError(OrchError):
    """A call to a provider failed.

    `retry_after_s` is the provider's own advice in seconds. `billed` says whether the attempt may have cost
    money. `partial` holds what had arrived, with any usage that the provider had already reported; `shown` says that
    some of it has been shown as the answer, so that no other reply can take its place. `telling`: the error says
    something about the provider's health; a call that was given up early does not.
    """

    code = "provider"
    exit_code = 6
    default_billed: ClassVar[Billed] = Billed.NO
    telling: bool = True

    def __init__(
        self,
        message: str,
        *,
        provider: str | None,
        model: str | None = None,
        status: int | None = None,
        provider_code: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        billed: Billed | None = None,
        partial: Completion | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.model = model
        self.status = status
        self.provider_code = provider_code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.billed = billed or self.default_billed
        self.partial = partial
        self.shown = False
        self.reason = message  # the provider's words, longer than `message` has them

    @property
    def without_quotes(self) -> str:
        whose = " ".join(name for name in (self.provider, self.model) if name)
        status = "" if self.status is None else f" (HTTP {self.status})"
        return f"{whose}: {super().without_quotes}{status}".removeprefix(": ")


class TemporaryError(ProviderError):
    """A failure that may not happen again."""

    code = "temporary"
    exit_code = 6
    disposition = Disposition.RETRY


class RateLimitedError(TemporaryError):
    """The provider limits the rate of requests or tokens."""

    code = "rate_limited"


class OverloadedError(TemporaryError):
    """The provider is overloaded or down."""

    code = "overloaded"


class ConnectionFailedError(TemporaryError):
    """No connection could be made. Nothing was sent."""

    code = "connection_failed"


class OutcomeUnknownError(TemporaryError):
    """Sent, but no reply came: the provider may bill it. Trying elsewhere may pay twice."""

    code = "outcome_unknown"
    disposition = Disposition.NEXT
    loud = True
    default_billed = Billed.UNKNOWN


class BadReplyError(TemporaryError):
    """The reply is not of the form that the API promises."""

    code = "bad_reply"
    default_billed = Billed.UNKNOWN


class EmptyReplyError(TemporaryError):
    """The reply has status 200 and no answer."""

    code = "empty_reply"
    default_billed = Billed.YES


class BatchEndedError(TemporaryError):
    """A batch at the provider was cancelled, or its time was up, before this request of it was answered. It is not
    billed."""

    code = "batch_ended"


class SetAsideError(TemporaryError):
    """The circuit breaker of the model or its provider is open: it kept failing and is not asked for a while.
    Nothing was sent."""

    code = "set_aside"
    disposition = Disposition.NEXT


class AuthenticationError(ProviderError):
    """No key is set (nothing was sent), or the provider answered 401 or 403."""

    code = "authentication"
    exit_code = 4
    disposition = Disposition.NEXT
    loud = True


class ProxyRefusedError(ProviderError):
    """A proxy on the way wants a user name and a password, or others (HTTP 407). The provider never saw the request."""

    code = "proxy_refused"
    exit_code = 3
    disposition = Disposition.NEXT
    loud = True


class Quota(Enum):
    """Whose quota is exhausted."""

    ACCOUNT = auto()  # nothing of the provider can be called
    MODEL = auto()
    REQUEST = auto()  # no other's: this request alone is larger than a minute allows


class QuotaExhaustedError(ProviderError):
    """Out of credit, or of a daily quota; `quota` says whose."""

    quota: Quota = Quota.ACCOUNT
    code = "quota_exhausted"
    exit_code = 6
    disposition = Disposition.NEXT


class DeadlineError(ProviderError):
    """The run's time is up."""

    code = "deadline"
    exit_code = 6
    default_billed = Billed.UNKNOWN


class RequestRejectedError(ProviderError):
    """The provider rejects the request itself."""

    code = "request_rejected"
    exit_code = 7


class ContextTooLongError(RequestRejectedError):
    """The prompt does not fit the model's context window."""

    code = "context_too_long"
    disposition = Disposition.NEXT


class UnsupportedError(RequestRejectedError):
    """The model, or its provider, lacks a feature that the request asks for, or does not take a value of it."""

    code = "unsupported"
    disposition = Disposition.NEXT


class ModelNotFoundError(RequestRejectedError):
    """The provider does not know the model."""

    code = "model_not_found"
    disposition = Disposition.NEXT
    loud = True


class IncompleteError(ProviderError):
    """The reply was cut off after some text."""

    code = "incomplete"
    exit_code = 8
    default_billed = Billed.UNKNOWN


class RefusedError(ProviderError):
    """The model refused to answer, or a filter removed the answer."""

    code = "refused"
    exit_code = 9
    disposition = Disposition.NEXT
    default_billed = Billed.YES


class AdapterError(ProviderError):
    """A plugin's adapter could not be loaded, or broke the contract of a provider. What it sent may be billed."""

    code = "plugin"
    exit_code = 1
    disposition = Disposition.NEXT
    loud = True
    default_billed = Billed.UNKNOWN


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.65) -> str | None:
    """`did you mean 'gpt-4o'?`: the known word closest to the given one, or to what stands after its last slash, in any
    case of letters. None if none is close; never the word itself, as of a plugin that is broken."""
    if len(word) > 100:  # no typing mistake; comparing it would take long
        return None
    folded = {name.casefold(): name for name in known if name != word}
    whole, last = word.casefold(), word.casefold().rpartition("/")[2]
    close = [last] if last in folded else difflib.get_close_matches(whole, folded, n=1, cutoff=cutoff)
    if not close and last != whole:
        close = difflib.get_close_matches(last, folded, n=1, cutoff=cutoff)
    return f"did you mean '{folded[close[0]]}'?" if close else None
