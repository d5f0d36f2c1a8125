"""Fetches an image or a document that the user named by its address."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from ..errors import UsageError
from ..reading.media import MAX_BYTES, is_address

if TYPE_CHECKING:
    import httpx2

_TIMEOUT_S = 30.0
_REDIRECTS = 5


def downloaded(address: str, called: str, transport: httpx2.BaseTransport | None = None) -> bytes:
    """The bytes at an address of http or https, without credentials; `called` is what it is in errors.
    They come over the network, or from a `transport`.

    Raises UsageError if they cannot be had, or are more than any provider takes.
    """
    import httpx2  # heavy

    from .network import tls_context

    try:
        with httpx2.Client(timeout=_TIMEOUT_S, verify=tls_context(os.environ), transport=transport) as client:
            for _ in range(_REDIRECTS + 1):
                with client.stream("GET", address) as response:
                    if not response.has_redirect_location:
                        return _body(response, called)
                    address = urljoin(address, response.headers["location"])
                if not is_address(address):
                    raise UsageError(f"{called} leads to another kind of address")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise UsageError(f"{called} cannot be fetched: {error or type(error).__name__}") from None
    raise UsageError(f"{called} is redirected too often")


def _body(response: httpx2.Response, called: str) -> bytes:
    if not response.is_success:
        raise UsageError(f"{called} cannot be fetched: the server answers {response.status_code}")
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            raise UsageError(f"{called} is too large: no provider takes over {MAX_BYTES:,} bytes")
    return bytes(body)
