"""Latencies as the sums of days keep them: every one of them, four bytes each, so that percentiles of any sums are
exact."""

from __future__ import annotations

import sqlite3
import sys
from array import array
from typing import Any

# All latencies of a group of sums: an aggregate in Python would be called for each row.
LATENCIES_OF_GROUP = (
    "group_concat(hex(latencies), '') FILTER (WHERE typeof(latencies) = 'blob'),"
    " group_concat(latencies) FILTER (WHERE typeof(latencies) = 'text')"
)


def latencies_of_group(packed: str | None, written: str | None) -> array[int] | None:
    """The milliseconds that the two columns of `LATENCIES_OF_GROUP` have; None if there are none."""
    values = unpacked(bytes.fromhex(packed)) if packed else unpacked(written)
    if packed and written:
        values.extend(unpacked(written))
    return values or None


def unpacked(stored: bytes | str | None) -> array[int]:
    """The milliseconds that a column of latencies has. Sums of runs that an older schema pruned have them as text with
    commas."""
    values = array("I")
    if isinstance(stored, str):
        values.extend(int(ms) for ms in stored.split(",") if ms)
    elif stored:
        values.frombytes(stored)
        if sys.byteorder == "big":
            values.byteswap()
    return values


def add_packing(connection: sqlite3.Connection) -> None:
    """Give a connection the aggregate `packed`: of milliseconds or of what was packed before, all as one BLOB."""
    connection.create_aggregate("packed", 1, _Packed)  # type: ignore[arg-type]  # of a BLOB


class _Packed:
    def __init__(self) -> None:
        self._parts = array("I")

    def step(self, value: Any, /) -> None:
        if isinstance(value, int):
            self._parts.append(value)
        elif value is not None:
            self._parts.extend(unpacked(value))

    def finalize(self) -> bytes | None:
        if sys.byteorder == "big":
            self._parts.byteswap()
        return self._parts.tobytes() if self._parts else None
