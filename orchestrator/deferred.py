"""Dataclasses whose methods are made when they are first looked up.

The standard library compiles six methods for a frozen dataclass as it defines it, which takes most of a millisecond;
a command defines over a hundred, makes objects of a third of them, and compares or prints few. Here the fields, slots
and inheritance are the standard library's, as are the methods, once they are wanted.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

# method -> what the standard library is asked for, to get that method and few others
_WANTED: dict[str, dict[str, Any]] = {
    "__init__": {"init": True, "repr": False, "eq": False},
    "__repr__": {"init": False, "repr": True, "eq": False},
    "__eq__": {"init": False, "repr": False, "eq": True},
    "__hash__": {"init": False, "repr": False, "eq": False, "unsafe_hash": True},
}


class _Deferred:
    """Stands in a class for a method until it is looked up."""

    def __init__(self, cls: type[Any], name: str, *, frozen: bool) -> None:
        self._cls = cls
        self._name = name
        self._frozen = frozen

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        cls, name = self._cls, self._name
        namespace = {"__doc__": cls.__doc__}
        if hasattr(cls, "__post_init__"):
            namespace["__post_init__"] = cls.__post_init__
        made = dataclasses.make_dataclass(
            cls.__name__,
            [(field.name, field.type, field) for field in dataclasses.fields(cls)],
            namespace=namespace,
            match_args=False,
            frozen=self._frozen and name == "__init__",
            **_WANTED[name],
        )
        method = vars(made)[name]
        method.__module__, method.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"
        setattr(cls, name, method)
        return method.__get__(instance, owner)


def _define(cls: type[Any], *, frozen: bool, slots: bool, kw_only: bool, eq: bool) -> type[Any]:
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # the standard library would work out a signature to put here
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    own = vars(cls)
    for name in ("__init__", "__repr__", *(["__eq__"] if eq else [])):
        if name not in own:
            setattr(cls, name, _Deferred(cls, name, frozen=frozen))
    if eq and own.get("__hash__") is None:
        cls.__hash__ = _Deferred(cls, "__hash__", frozen=frozen) if frozen else None  # type: ignore[assignment]  # as Python has it
    if frozen:
        cls.__setattr__, cls.__delattr__ = _refuse_to_assign, _refuse_to_delete  # type: ignore[assignment]  # they never return
        if slots:  # a copy would otherwise be filled by assigning
            cls.__getstate__, cls.__setstate__ = _state, _set_state  # type: ignore[assignment]  # as in dataclasses
    return cls


def _refuse_to_assign(self: object, name: str, value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type[Any] | None = None, /, *, frozen=False, slots=False, kw_only=False, eq=True) -> Any:  # noqa: ANN001
        """As `dataclasses.dataclass`, for these of its options. Whoever inherits from such a class needs it too."""
        define = partial(_define, frozen=frozen, slots=slots, kw_only=kw_only, eq=eq)
        return define if cls is None else define(cls)
