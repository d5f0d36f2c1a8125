"""Decides whether a failed call is sent again to the same model, and after how long. One policy for all providers."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ...config import RetryPolicy
from ...deferred import dataclass
from ...errors import ConnectionFailedError, EmptyReplyError, OrchError, ProviderError

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails, RetryHook

# Fewer retries than the policy's where more would not help, or would be paid for.
_AT_MOST: dict[type[ProviderError], int] = {EmptyReplyError: 1}


class _OfOthers:
    """A stamina hook that passes on the retries of other code, and drops those of calls."""

    def __init__(self, hook: RetryHook) -> None:
        self._hook = hook

    def __call__(self, details: RetryDetails) -> AbstractContextManager[None] | None:
        return None if isinstance(details.caused_by, ProviderError) else self._hook(details)


def _keep_quiet() -> None:
    """Stop stamina from logging the retries of calls, which Python would print: the run's observer is told of them
    instead."""
    from stamina import instrumentation  # heavy

    hooks = instrumentation.get_on_retry_hooks()
    if not all(isinstance(hook, _OfOthers) for hook in hooks):
        instrumentation.set_on_retry_hooks([_OfOthers(hook) for hook in hooks])


@dataclass(slots=True)
class Backoff:
    """The waits of one call, as a stamina back-off hook: for each failure the seconds to wait, or False to give up.

    `time_left_s` returns the seconds until the run's deadline: no wait goes past it.
    """

    policy: RetryPolicy
    time_left_s: Callable[[], float]
    rng: random.Random
    on_wait: Callable[[float, ProviderError], None]
    retries: int = 0
    waited_s: float = 0.0

    def __call__(self, error: Exception) -> float | bool:
        if not (isinstance(error, OrchError) and error.retryable and isinstance(error, ProviderError)):
            return False
        if error.shown or error.code not in self.policy.kinds:
            return False
        allowed = min([self.policy.max_retries, *(n for kind, n in _AT_MOST.items() if isinstance(error, kind))])
        if self.retries >= allowed:
            return False
        wait = self._wait_s(error)
        if wait > self.policy.max_wait_s - self.waited_s or wait >= self.time_left_s():
            return False
        _keep_quiet()
        self.retries += 1
        self.waited_s += wait
        self.on_wait(wait, error)
        return wait

    def _wait_s(self, error: ProviderError) -> float:
        if error.retry_after_s is not None and not isinstance(error, ConnectionFailedError):
            return error.retry_after_s
        ceiling = self.policy.initial_backoff_s * self.policy.multiplier**self.retries
        return self.rng.uniform(0, min(self.policy.max_backoff_s, ceiling))
