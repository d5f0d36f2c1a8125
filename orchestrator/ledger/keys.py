"""The keys of clients that orch serves: made, listed, revoked, and found by what a client sends.

A key is 256 random bits; the ledger has its SHA-256. Its caps are budgets of the scope `key`.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from ..clock import rfc3339
from ..deferred import dataclass
from ..errors import UsageError, did_you_mean
from ..expressions import expression
from ..period import Period
from ..registry.model import RateLimits
from .budgets import Budget, Scope, set_budgets
from .limits import SECOND, Full, Wanted, Window, take_slot
from .rows import from_micros, to_micros

PREFIX = "sk-orch-"
_NAME = expression(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key, without what it is recognised by.

    `models` are the names that it may ask for, empty for all; `rpm` is the most requests a minute; `tags` are those of
    its runs.
    """

    name: str
    created_at: datetime
    revoked_at: datetime | None = None
    models: tuple[str, ...] = ()
    rpm: int | None = None
    tags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The key as a JSON object, as documented in docs/json.md."""
        return {
            "name": self.name,
            "created_at": rfc3339(self.created_at),
            "revoked_at": None if self.revoked_at is None else rfc3339(self.revoked_at),
            "models": list(self.models),
            "rpm": self.rpm,
            "tags": list(self.tags),
        }


def new_secret() -> str:
    """What a client is to send, new."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What the ledger has in the place of what a client sends."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def add_key(connection: sqlite3.Connection, key: Key, secret: str, caps: Mapping[Period, int]) -> None:
    """Within a transaction: add a key with its caps, in nano-dollars. Raises UsageError for a name that there is
    already, also of a key that was revoked: reports would count both as one."""
    if not _NAME.fullmatch(key.name):
        raise UsageError(f"a key's name has letters, digits, . _ @ and -, at most 64 of them: not {key.name[:80]!r}")
    there = connection.execute("SELECT revoked_at FROM keys WHERE name = ?", (key.name,)).fetchone()
    if there is not None:
        was = " and was revoked" if there["revoked_at"] is not None else ""
        raise UsageError(f"there is a key {key.name!r} already{was}", hint="give the new one another name")
    row = (key.name, hash_of(secret), to_micros(key.created_at), json.dumps(key.models), key.rpm, json.dumps(key.tags))
    connection.execute(
        "INSERT INTO keys (name, key_sha256, created_at, models, rpm, tags) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    set_budgets(connection, [Budget(period, Scope.KEY, key.name, limit) for period, limit in caps.items()])


def revoke_key(connection: sqlite3.Connection, name: str, at: datetime) -> Key:
    """Within a transaction: from now on, nobody who sends the key is served. Raises UsageError if there is none of the
    name, or it is revoked already."""
    keys = {key.name: key for key in all_keys(connection).values()}
    if name not in keys:
        raise UsageError(f"there is no key {name[:80]!r}", hint=did_you_mean(name, keys) or "orch keys lists them")
    if keys[name].revoked_at is not None:
        raise UsageError(f"the key {name!r} is revoked already")
    connection.execute("UPDATE keys SET revoked_at = ? WHERE name = ?", (to_micros(at), name))
    return keys[name]


def all_keys(connection: sqlite3.Connection) -> dict[str, Key]:
    """All keys, revoked ones too, in the order in which they were made, by the hash of what a client sends."""
    rows: Iterable[sqlite3.Row] = connection.execute("SELECT * FROM keys ORDER BY created_at, name")
    return {row["key_sha256"]: _key(row) for row in rows}


def count_request(connection: sqlite3.Connection, key: Key, now: datetime, *, simulated: bool) -> float:
    """Within a transaction: count a request of a key that has a rate, whichever server it came to. Returns 0, or the
    seconds until the key may ask again, and then it is not counted."""
    at = to_micros(now)
    # Transactions of several servers are not made in the order of their clocks: a slot may lie a little ahead.
    wanted = Wanted((simulated, f"key {key.name}"), RateLimits(rpm=key.rpm), 0, at, at + SECOND)
    slot = take_slot(connection, wanted, Window(margin=SECOND))
    return max(slot.until - SECOND - at, 1) / SECOND if isinstance(slot, Full) else 0.0


def _key(row: sqlite3.Row) -> Key:
    return Key(
        row["name"],
        from_micros(row["created_at"]),
        None if row["revoked_at"] is None else from_micros(row["revoked_at"]),
        tuple(json.loads(row["models"])),
        row["rpm"],
        tuple(json.loads(row["tags"])),
    )
