"""What an exception from an SDK or the transport tells of a call: one of our errors, with what came of the reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import ClassVar, Protocol

import httpx2

from ..deferred import replace
from ..errors import (
    AuthenticationError,
    BadReplyError,
    ConnectionFailedError,
    OutcomeUnknownError,
    ProviderError,
    ProxyRefusedError,
    RequestRejectedError,
)
from .failure_rules import Signal
from .failures import Source, error_for, message, read_signal
from .http import Exchange, transport_error
from .http1_connection import Reply
from .incoming import is_too_long
from .reply import Draft, ErrorInReply, text_at
from .text import is_html


class Kind(Enum):
    """What an exception of an SDK tells."""

    ANSWERED = auto()  # the provider answered with an error, as a status or inside a stream
    TRANSPORT = auto()  # no answer came; the exception that it was raised from says why
    UNREADABLE = auto()  # an answer came that is not what was promised
    CREDENTIALS = auto()  # the SDK found no key that it could use


class Sdk(Protocol):
    """The part of an adapter that says what its SDK's exceptions mean."""

    sdk_errors: ClassVar[Mapping[type[Exception], Kind]]
    error_body: ClassVar[str]
    request_id_headers: ClassVar[tuple[str, ...]]


class Reporting:
    """The one place where an exception from below becomes one of ours: as a context manager around what may raise one.

    `sdk` says what the exceptions of its SDK mean. What had come of a `draft` goes into the error.
    """

    __slots__ = ("_draft", "_exchange", "_now", "_sdk", "_source", "_streamed")

    def __init__(
        self,
        sdk: Sdk,
        now: Callable[[], datetime],
        source: Source,
        exchange: Exchange,
        draft: Draft | None,
        *,
        streamed: bool,
    ) -> None:
        self._sdk = sdk
        self._now = now
        self._source = source
        self._exchange = exchange
        self._draft = draft
        self._streamed = streamed

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, Exception):
            return
        ours = self._classify(error)
        if self._draft is not None:
            response = self._exchange.response
            accepted = response is not None and response.is_success
            if response is not None and not accepted:
                self._draft.report_failure(_error_body(response))
            ours = self._draft.interrupt(ours, accepted=self._streamed and accepted)
        raise ours from error

    def _classify(self, error: Exception) -> ProviderError:
        source, exchange = self._source, self._exchange
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, ErrorInReply):
            return self._answered(error.body)
        kind = next((self._sdk.sdk_errors[base] for base in type(error).__mro__ if base in self._sdk.sdk_errors), None)
        if kind is Kind.ANSWERED:
            # The reply's own body where the status was an error, else what the SDK read from the event.
            response = exchange.response
            if response is None or response.is_success or not response.is_stream_consumed:
                return self._answered(getattr(error, self._sdk.error_body, None), str(error))
            return self._answered(_error_body(response), str(error))
        if kind is Kind.CREDENTIALS:
            return _plain(AuthenticationError, source, exchange, "no usable key", str(error))
        if is_too_long(error):
            return _plain(BadReplyError, source, exchange, "more came than the limit on the reply allows", "")
        if (transport := transport_error(error, exchange)) is not None:
            return _transport_failure(transport, source, exchange, _cause(error))
        if kind is Kind.TRANSPORT:
            unknown = OutcomeUnknownError if exchange.sent else ConnectionFailedError
            return _transport_failure(unknown, source, exchange, _cause(error))
        if not exchange.sent:
            return _plain(RequestRejectedError, source, exchange, "it could not be sent", _cause(error))
        if exchange.media_type == "text/html":
            return error_for(Signal(200, html=True, message="an HTML page"), source)
        return _plain(BadReplyError, source, exchange, "an unreadable reply", type(error).__name__)

    def _answered(self, body: object, words: str = "") -> ProviderError:
        source, exchange = self._source, self._exchange
        status = exchange.response.status_code if exchange.response is not None else None
        signal = read_signal(
            body,
            status=status,
            headers=exchange.headers,
            now=self._now(),
            request_id=request_id_in(exchange, self._sdk.request_id_headers) or text_at(body, "request_id") or None,
        )
        return error_for(signal if signal.message else replace(signal, message=words or f"status {status}"), source)


def _transport_failure(kind: type[ProviderError], source: Source, exchange: Exchange, cause: str) -> ProviderError:
    if kind is ProxyRefusedError:
        return error_for(Signal(407, message=cause), source)
    way = f" through the proxy of {source.proxy}" if source.proxy and kind is ConnectionFailedError else ""
    return _plain(kind, source, exchange, f"{_TRANSPORT_PHRASES[kind]}{way}", cause)


_TRANSPORT_PHRASES: Mapping[type[ProviderError], str] = {
    ConnectionFailedError: "could not connect",
    OutcomeUnknownError: "no reply came after it was sent, and it may have been billed",
    BadReplyError: "the connection broke off in the middle of the reply",
    RequestRejectedError: "it could not be sent",
}


def decode(exchange: Exchange) -> object:
    """The JSON of a reply that was read to its end."""
    if exchange.response is None:
        raise ValueError("no reply")
    if not exchange.response.is_success:
        raise ErrorInReply(_error_body(exchange.response))
    try:
        return json.loads(exchange.response.content)
    except ValueError:
        text = exchange.response.text
        if is_html(text):
            raise ErrorInReply(text) from None
        raise


def _error_body(response: httpx2.Response | Reply) -> object:
    """What an error status came with: decoded JSON, or the text; nothing if it was given up on the way."""
    try:
        return json.loads(response.content)
    except httpx2.ResponseNotRead:
        return None
    except (ValueError, RecursionError):
        return response.text


def request_id_in(exchange: Exchange, names: tuple[str, ...]) -> str | None:
    """The request's id in a reply's headers, by the first of these names that is there."""
    return next((exchange.headers[name] for name in names if exchange.headers.get(name)), None)


def _cause(error: BaseException) -> str:
    """The words of the innermost exception: an SDK's own say no more than `Connection error.`"""
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return "timed out"
    return _cause(error.__cause__) if error.__cause__ is not None else str(error) or type(error).__name__


def _plain(kind: type[ProviderError], source: Source, exchange: Exchange, phrase: str, detail: str) -> ProviderError:
    status = exchange.response.status_code if exchange.response is not None else None
    return kind(message(source, phrase, detail), provider=source.provider, model=source.model, status=status)
