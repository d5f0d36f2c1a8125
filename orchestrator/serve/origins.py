"""Keeps web pages out. A page that a browser shows could otherwise have the server of its own machine asked, and pay
with its keys: by its address (`Origin`), or by a name that was made to lead here (DNS rebinding, `Host`)."""

from __future__ import annotations

from functools import lru_cache

from ..deferred import dataclass
from ..loopback import host_in, is_loopback
from .exchange import Exchange
from .problems import FORBIDDEN, refused


@dataclass(frozen=True, slots=True)
class Origins:
    """Whom the server answers. `any_host`: it is reached by names that it cannot know, and asks for keys. `name` is
    that of the TLS proxy in front, if there is one."""

    any_host: bool
    name: str | None = None

    def check(self, exchange: Exchange) -> None:
        """Raises Refused for a request that a web page of another server makes, or one for a name that is not ours."""
        host = exchange.header(b"host") or ""
        if not self.any_host and not self._is_ours(host):
            raise refused(FORBIDDEN, "forbidden", "the Host header does not name this machine")
        origin = exchange.header(b"origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise refused(FORBIDDEN, "forbidden", "a web page of another server cannot use this one (Origin)")

    def _is_ours(self, host: str) -> bool:
        return _is_this_machine(host) or (self.name is not None and host_in(host) == self.name.lower())


@lru_cache(64)  # clients give the same again and again
def _is_this_machine(host: str) -> bool:
    return is_loopback(host_in(host))
