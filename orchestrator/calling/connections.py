"""The connections of a run: one a provider, made when first needed, closed together."""

from __future__ import annotations

from collections.abc import Callable

from ..providers.base import Provider


class Connections:
    """Provider connections by name. `connect` makes one, or raises AuthenticationError where there is no key."""

    def __init__(self, connect: Callable[[str], Provider]) -> None:
        self._connect = connect
        self._open: dict[str, Provider] = {}

    def get(self, provider: str) -> Provider:
        if provider not in self._open:
            self._open[provider] = self._connect(provider)
        return self._open[provider]

    async def aclose(self) -> None:
        while self._open:
            _, connection = self._open.popitem()
            await connection.aclose()
