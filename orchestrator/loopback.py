"""What servers share: addresses of this machine alone, a socket that listens, and an end by Ctrl-C or SIGTERM."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from urllib.parse import urlsplit

from .errors import UsageError


def is_loopback(address: str) -> bool:
    """Whether an address, or `localhost`, can be reached from this machine alone."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def host_in(authority: str) -> str:
    """The host of a `Host` header, without its port; empty if it cannot be read."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address and a port; 0 takes a free one. Raises UsageError if it cannot be had."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UsageError(f"{host} is not an address", hint="for example 127.0.0.1, ::1 or 0.0.0.0") from None
    if not 0 <= port <= 65_535:
        raise UsageError(f"{port} is not a port")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # With its protocol named, asyncio turns Nagle's algorithm off: a reply in two writes would wait 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
    return listener


@contextmanager
def until_signals(stop: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop`, and do nothing else, as long as this lasts. Only a main thread can hear them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
