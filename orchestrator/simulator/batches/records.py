"""A batch as the simulator keeps it, whatever the wire."""

from __future__ import annotations

from dataclasses import asdict, field
from enum import StrEnum
from typing import Any

from ...deferred import dataclass
from ..wires.base import Json


class State(StrEnum):
    """How a batch stands."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self not in (State.RUNNING, State.CANCELLING)


class Kind(StrEnum):
    """How one request of a batch ended."""

    REPLIED = "replied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Line:
    """One request of a batch, and what came of it. `prefix` is the path of the wire, such as `/v1`."""

    custom_id: str
    body: Json
    kind: Kind | None = None
    status: int = 200
    reply: Json | None = None


@dataclass(slots=True)
class Batch:
    """Times are seconds since 1970. `looks`: how often it is still looked at before it ends. `share`: the part of the
    requests that is answered before it runs out of time or is cancelled. `inline`: results stand in the batch.
    `provider` and `certain` as in a Route."""

    id: str
    wire: str
    model: str
    created_at: float
    lines: list[Line]
    provider: str = ""
    certain: bool = False
    mark: str = ""
    state: State = State.RUNNING
    ended_at: float | None = None
    cancel_at: float | None = None
    looks: int = 0
    share: float = 1.0
    ends_as: State = State.COMPLETED
    input_file: str = ""
    inline: bool = False
    problem: str = ""
    duplicates: bool = False
    broken_line: bool = False
    lost_line: bool = False
    order: list[int] = field(default_factory=list)

    def as_json(self) -> Json:
        """For the file that it is kept in."""
        return asdict(self)

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> Batch:
        """What `as_json` gave."""
        lines = [Line(**{**line, "kind": line["kind"] and Kind(line["kind"])}) for line in known.pop("lines")]
        state, ends_as = State(known.pop("state")), State(known.pop("ends_as"))
        return cls(lines=lines, state=state, ends_as=ends_as, **known)
