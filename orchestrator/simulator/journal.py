"""The bill: one entry for every request received, charged or not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ..deferred import dataclass


@dataclass(slots=True, eq=False)
class Entry:
    """One request, made when it arrives and updated as it goes.

    `status` is None as long as no status has been sent. The tokens are those billed: `input_tokens` includes
    `cached_tokens`, `output_tokens` includes reasoning. `delivered` is whether the whole reply was handed over.
    `batch` and `custom_id` are set for a request of a batch, which is billed at the batch's price.
    """

    at: datetime
    wire: str
    model: str = ""
    status: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    delivered: bool = False
    batch: str | None = None
    custom_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry as `GET /journal` shows it."""
        entry: dict[str, Any] = {
            "at": self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "wire": self.wire,
            "model": self.model,
            "status": self.status,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "delivered": self.delivered,
        }
        if self.batch is not None:
            entry |= {"batch": self.batch, "custom_id": self.custom_id, "price": "batch"}
        return entry

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> Entry:
        """What `as_json` gave."""
        facts = {name: value for name, value in known.items() if name != "price"}
        return cls(**{**facts, "at": datetime.fromisoformat(facts["at"])})


class Journal:
    """The requests that the simulator received."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.entries: list[Entry] = []

    def open(self, wire: str) -> Entry:
        """A new entry, at the present time."""
        entry = Entry(at=self._clock(), wire=wire)
        self.entries.append(entry)
        return entry

    def withdraw(self, entry: Entry) -> None:
        """Take back an entry whose request was never received."""
        self.entries.remove(entry)

    def clear(self) -> None:
        """Forget all requests."""
        self.entries.clear()

    def as_json(self) -> dict[str, Any]:
        """The entries as `GET /journal` shows them."""
        return {"requests": [entry.as_json() for entry in self.entries]}
