"""A plugin's adapter, held to the contract of a provider: whatever else it raises or gives becomes an AdapterError.

A run goes on to the next model then, its row is settled, and the message names the plugin.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from ..errors import AdapterError, EmptyReplyError, IncompleteError, ProviderError
from ..plugins import BUG_HINT, Plugin, said, tell
from ..types import Completion, FinishReason, Request, Thought, Usage
from .base import AtWork, Capabilities, Health, Provider, RateLimitStatus, StreamEvent
from .text import is_blank
from .thoughts import Splitter, apart

T = TypeVar("T")


class Guarded:
    """A Provider over a plugin's. Raises AttributeError for one that lacks a method of the Protocol."""

    def __init__(self, plugin: Plugin, name: str, adapter: Provider) -> None:
        self.name = name
        self._plugin = plugin
        self._adapter = adapter
        for method in ("complete", "stream", "capabilities", "health_check", "rate_limit_status", "aclose"):
            getattr(adapter, method)

    async def complete(self, request: Request) -> Completion:
        try:
            return self._answered(await self._adapter.complete(request))
        except ProviderError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        pieces: list[str] = []
        known: list[StreamEvent]
        usage: Usage | None = None
        split = Splitter(request.model)
        try:
            async with aclosing(self._adapter.stream(request)) as events:
                async for event in events:
                    if isinstance(event, str):
                        known = list(split.feed(event)) or [AtWork()]
                    elif isinstance(event, Usage | Thought | AtWork):
                        usage = event if isinstance(event, Usage) else usage
                        known = [event]
                    else:
                        completion = self._answered(event)
                        proper = completion.finish_reason is not FinishReason.LENGTH
                        known = [*split.end(proper=proper), completion]
                    pieces += [piece for piece in known if isinstance(piece, str)]
                    for piece in known:
                        yield piece
        except ProviderError:
            raise
        except Exception as error:
            failed = self._failed(error)
            if not pieces:
                raise failed from error
            partial = Completion("".join(pieces), FinishReason.INCOMPLETE, usage, 0, request.model)
            raise IncompleteError(
                failed.message, provider=self.name, model=request.model, partial=partial, hint=BUG_HINT
            ) from error

    async def count_input(self, request: Request) -> int | None:
        count = getattr(self._adapter, "count_input", None)  # older plugins have none
        if count is None:
            return None
        try:
            tokens = await count(request)
            return None if tokens is None else _checked(tokens, int)
        except ProviderError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def capabilities(self) -> Capabilities:
        return self._adapter.capabilities()

    async def health_check(self) -> Health:
        try:
            return _checked(await self._adapter.health_check(), Health)
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            return Health(False, 0, self._failed(error).message)

    def rate_limit_status(self) -> RateLimitStatus:
        try:
            return _checked(self._adapter.rate_limit_status(), RateLimitStatus)
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            tell(self._failed(error).message)
            return RateLimitStatus()

    async def aclose(self) -> None:
        try:
            await self._adapter.aclose()
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            tell(self._failed(error).message)

    def _answered(self, given: object) -> Completion:
        """A reply with an answer, or with a limit that explains why there is none. Raises EmptyReplyError."""
        completion = apart(_checked(given, Completion))
        cut = completion.finish_reason is FinishReason.LENGTH
        if completion.tool_calls or cut or not is_blank(completion.text):
            return completion
        problem = f"{self.name} {completion.model}: an empty reply"
        raise EmptyReplyError(problem, provider=self.name, model=completion.model, partial=completion)

    def _failed(self, error: Exception) -> AdapterError:
        return AdapterError(f"plugin {self._plugin} failed: {said(error)}", provider=self.name, hint=BUG_HINT)


def _checked(given: object, kind: type[T]) -> T:
    if not isinstance(given, kind):
        raise TypeError(f"it gave {type(given).__name__} for a {kind.__name__}")
    return given
