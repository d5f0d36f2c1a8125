"""What is worked out once for an object that lives as long as the program does."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


def once_for_each(most: int) -> Callable[[Callable[[K], T]], Callable[[K], T]]:
    """As `functools.lru_cache`, for a function of one object that finds it by its id: to hash a price takes ten times
    as long. Results of at most `most` objects are kept, and the objects with them."""

    def decorate(function: Callable[[K], T]) -> Callable[[K], T]:
        known: dict[int, tuple[K, T]] = {}  # with the object, so that no other can have its id

        @wraps(function)
        def of(each: K) -> T:
            found = known.get(id(each))
            if found is None:
                if len(known) >= most:
                    known.clear()
                found = known[id(each)] = each, function(each)
            return found[1]

        return of

    return decorate
