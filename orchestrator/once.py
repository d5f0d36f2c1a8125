"""What is worked out once for an object that lives as long as the program does."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["kept_property", "once_for_each"]

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


if TYPE_CHECKING:
    from functools import cached_property as kept_property
else:

    class kept_property:  # noqa: N801  # named as `property` is
        """As `functools.cached_property`, without the lock that takes most of its time before Python 3.12: threads that
        ask at once may each work it out."""

        def __init__(self, work: Callable[[Any], Any]) -> None:
            self._work = work
            self.__doc__ = work.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            worked_out = instance.__dict__[self._name] = self._work(instance)
            return worked_out
