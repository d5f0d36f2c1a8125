"""Latencies as the sums of days keep them: every one of them, four bytes each, so that percentiles of any sums are
exact."""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections import Counter
from typing import Any, NamedTuple

from .pace import nearest_rank

_MANY = 4_000  # so many latencies are counted faster than they are sorted


class Spread(NamedTuple):
    """Of some latencies in milliseconds the mean, and percentiles by nearest rank; None if there are none."""

    mean: float | None
    p50: int | None
    p95: int | None


def spread(values: array[int] | None) -> Spread:
    """The mean and the percentiles of latencies in any order."""
    if not values:
        return Spread(None, None, None)
    if len(values) > _MANY:
        counted = Counter(values)
        return Spread(sum(values) / len(values), nearest_rank(counted, 50), nearest_rank(counted, 95))
    ordered = sorted(values)
    p50, p95 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95))
    return Spread(sum(ordered) / len(ordered), p50, p95)


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
