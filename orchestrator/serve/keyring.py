"""Who may ask: the keys of the ledger, looked up again every second, and how often each may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from ..clock import Clock
from ..ledger.keys import PREFIX, Key, all_keys, count_request, hash_of
from ..ledger.store import Ledger
from .exchange import Exchange
from .problems import TOO_MANY, UNAUTHORIZED, refused

_FRESH_S, _OF_UNKNOWN_S = 1.0, 0.1  # how old what was read may be; one that is not known may just have been made


class KeyRing:
    """The keys of a ledger. `clock` dates requests; `monotonic` is in seconds."""

    def __init__(
        self, ledger: Ledger, *, required: bool, simulated: bool, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._required = required
        self._simulated = simulated
        self._clock = clock
        self._monotonic = monotonic
        self._keys: Mapping[str, Key] = {}
        self._read_at = self._asked_at = float("-inf")
        self._reading: asyncio.Future[dict[str, Key]] | None = None

    async def admit(self, exchange: Exchange) -> Key | None:
        """The key that a request came with; None if none is needed. Raises Refused.

        Where none is needed, a key that is not one of orch's is whatever the client's program insists on sending.
        """
        secret = _secret_in(exchange)
        own = secret is not None and secret.startswith(PREFIX)
        key = await self._find(hash_of(secret)) if secret is not None and own else None
        if key is not None and key.revoked_at is None:
            return key
        if self._required or own:
            what = "no API key was given" if secret is None else "the API key is not known here, or was revoked"
            raise refused(UNAUTHORIZED, "invalid_api_key", f"{what}; orch keys add NAME makes one")
        return None

    async def count(self, key: Key) -> None:
        """Count one request. Raises Refused if the key has had its requests of this minute, from all servers of the
        ledger together, and LedgerError."""
        if key.rpm is None:
            return
        counting = partial(count_request, key=key, now=self._clock(), simulated=self._simulated)
        if wait_s := await self._ledger.submit(counting):
            message = f"the key {key.name} may ask {key.rpm} times a minute"
            raise refused(TOO_MANY, "rate_limited", message, retry_after_s=wait_s)

    async def _find(self, hashed: str) -> Key | None:
        now = self._monotonic()
        if now - self._read_at >= (_FRESH_S if hashed in self._keys else _OF_UNKNOWN_S):
            if self._reading is None or self._reading.done():  # else what the others wait for will do
                self._reading, self._asked_at = self._ledger.submit(all_keys, reads=True), now
            self._keys = await self._reading
            self._read_at = self._asked_at
        return self._keys.get(hashed)


def _secret_in(exchange: Exchange) -> str | None:
    """What a client sends as its key, in the header of either API."""
    scheme, _, token = (exchange.header(b"authorization") or "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return (exchange.header(b"x-api-key") or "").strip() or bearer or None
