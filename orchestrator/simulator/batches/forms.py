"""What the three forms of batch APIs have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qs

from ...deferred import dataclass
from ..connection import Scope
from ..wires.base import Headers, Json, Problem, Rejected, encode
from .records import Batch, Line
from .store import BatchStore


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a batch API. `path` begins after what the address has before the wire's own paths; `root` is the
    address that it begins at. `created`: makes a batch of a model's requests, with the faults that are due."""

    method: str
    path: str
    root: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    now: datetime
    serial: str
    create: Callable[[Batch], None]
    store: BatchStore


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply. `lost`: the connection is cut in its place."""

    status: int
    body: bytes
    headers: Headers = (("content-type", "application/json"),)
    lost: bool = False


class Form(Protocol):
    """A batch API. A module satisfies it."""

    def answer(self, asked: Asked) -> Answer | None:
        """The reply; None where there is no such address. Raises Rejected."""
        ...


def asked_of(
    scope: Scope, path: str, body: bytes, now: datetime, serial: str, create: Callable[[Batch], None], store: BatchStore
) -> Asked:
    """A request as a form reads it. `path` is the rest of the path, after the name of a provider."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    before = scope["path"][: len(scope["path"]) - len(path)]
    query = {name: values[-1] for name, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}
    root = f"{scope.get('scheme', 'http')}://{headers.get('host', 'simulator')}{before}"
    return Asked(scope["method"], path, root, query, headers, body, now, serial, create, store)


def reply(body: Json) -> Answer:
    """A reply with a JSON body."""
    return Answer(200, encode(body))


def results(lines: Iterator[Json], batch: Batch) -> Answer:
    """A file of results, with the faults that the batch was given."""
    texts = [encode(line) for line in lines]
    if batch.duplicates:
        texts += texts[: max(len(texts) // 2, 1)]
    if batch.broken_line and texts:
        texts[0] = texts[0][: len(texts[0]) // 2]
    if batch.lost_line and texts:
        del texts[-1]
    return Answer(200, b"".join(text + b"\n" for text in texts), (("content-type", "application/x-jsonl"),))


def parsed_lines(content: bytes, read: Callable[[Json], Line]) -> list[Line]:
    """The requests in a file. Raises Rejected for one that cannot be read, and for an id that occurs twice."""
    lines: list[Line] = []
    for number, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            continue
        try:
            lines.append(read(json.loads(text)))
        except (ValueError, KeyError, TypeError):
            raise Rejected(Problem.BAD_REQUEST, f"Line {number} of the file is not a request.") from None
    return checked(lines)


def checked(lines: list[Line]) -> list[Line]:
    """Requests that can be a batch. Raises Rejected for none, and for an id that occurs twice."""
    if not lines:
        raise Rejected(Problem.BAD_REQUEST, "The batch has no requests.")
    if len({line.custom_id for line in lines}) < len(lines):
        raise Rejected(Problem.BAD_REQUEST, "custom_id: each must be unique within the batch.")
    return lines


def unix(seconds: float | None) -> int | None:
    """A time in whole seconds."""
    return None if seconds is None else int(seconds)


def stamp(seconds: float | None) -> str | None:
    """A time as RFC 3339."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
