"""SQL questions to a ledger. Nothing can be changed by one: neither the ledger nor another file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UsageError

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_PRAGMAS = frozenset({"table_info", "table_xinfo", "table_list", "index_list", "index_info", "user_version"})


@contextmanager
def asked(path: Path, sql: str) -> Iterator[tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]]:
    """The names of the columns of an answer, and its rows as they come. A binary value is its hex digits.

    Raises UsageError for what is no question, or cannot be answered.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.set_authorizer(_may)
        with _as_usage_errors():
            cursor = connection.execute(sql)
        if cursor.description is None:
            raise UsageError("the query has no answer", hint="it is to be one SELECT")
        yield tuple(column[0] for column in cursor.description), _rows(cursor)
    finally:
        connection.close()


def _may(action: int, first: str | None, second: str | None, *_: object) -> int:
    reads = action in _ALLOWED or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
    writes_pragma = action == sqlite3.SQLITE_PRAGMA and first == "user_version" and second is not None
    return sqlite3.SQLITE_OK if reads and not writes_pragma else sqlite3.SQLITE_DENY


def _rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    with _as_usage_errors():
        for row in cursor:
            yield tuple(value.hex() if isinstance(value, bytes) else value for value in row)


@contextmanager
def _as_usage_errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        if "not authorized" in str(error) or "prohibited" in str(error):
            raise UsageError("orch ledger query changes nothing: it takes one SELECT") from None
        raise UsageError(f"the query cannot be answered: {error}", hint="docs/ledger.md names the columns") from None
