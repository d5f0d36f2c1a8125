"""Dataclasses whose methods are made on first use.

The standard library compiles six methods for each frozen dataclass when it is defined, which takes most of a
millisecond; a command defines over a hundred, makes objects of half of them, and compares or prints few. Here the
fields, slots, inheritance and the methods that compare and print are the standard library's. `__init__` is compiled
here: the standard library makes one only together with a whole class, which takes six times as long. `replace`, which
each run calls twenty times, is compiled here too. It is quickest for a class without slots: that suits records of many
fields.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property, partial
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NoReturn

from .once import kept_property

__all__ = ["dataclass", "replace"]

# method -> what the standard library is asked for, to get that method and few others
_WANTED: dict[str, dict[str, Any]] = {
    "__repr__": {"init": False, "repr": True, "eq": False},
    "__eq__": {"init": False, "repr": False, "eq": True},
    "__hash__": {"init": False, "repr": False, "eq": False, "unsafe_hash": True},
}


class _Deferred:
    """Stands in for a method of a class until the method is looked up."""

    def __init__(self, cls: type[Any], name: str, *, frozen: bool) -> None:
        self._cls = cls
        self._name = name
        self._frozen = frozen

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        cls, name = self._cls, self._name
        match name:
            case "__init__":
                method = _initializer(cls, frozen=self._frozen)
            case "__replace__":
                method = _replacer(cls)
            case _:
                method = _standard(cls, name)
        method.__module__, method.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"
        setattr(cls, name, method)
        return method.__get__(instance, owner)


def _standard(cls: type[Any], name: str) -> Any:
    made = dataclasses.make_dataclass(
        cls.__name__,
        [(field.name, field.type, field) for field in dataclasses.fields(cls)],
        match_args=False,
        **_WANTED[name],
    )
    return vars(made)[name]


def _initializer(cls: type[Any], *, frozen: bool) -> Any:
    """`__init__` as a dataclass has it: a parameter for each field, `__post_init__` at the end."""
    known: dict[str, Any] = {"_MISSING_": dataclasses.MISSING}
    positional: list[str] = []
    keywords: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):
        name, default = field.name, f"_default_{field.name}_"
        parameter = value = name
        if field.default is not dataclasses.MISSING:
            known[default] = field.default
            parameter, value = f"{name}={default}", name if field.init else default
        elif field.default_factory is not dataclasses.MISSING:
            known[default] = field.default_factory
            parameter, made = f"{name}=_MISSING_", f"{default}()"
            value = f"{made} if {name} is _MISSING_ else {name}" if field.init else made
        elif not field.init:
            continue  # __post_init__ sets it
        if field.init:
            (keywords if field.kw_only else positional).append(parameter)
        slot = getattr(cls, name, None)
        if not frozen:
            body.append(f"self.{name} = {value}")
        elif isinstance(slot, MemberDescriptorType):  # twice as fast as to look the slot up by its name
            known[f"_set_{name}_"] = slot.__set__
            body.append(f"_set_{name}_(self, {value})")
        else:
            body.append(f"_fields_[{name!r}] = {value}")
    if frozen and cls.__dictoffset__ != 0:
        body.insert(0, "_fields_ = self.__dict__")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*"] if keywords else []), *keywords])
    exec("\n ".join([f"def __init__({parameters}):", *(body or ["pass"])]), known)
    method = known["__init__"]
    method.__annotations__ = {field.name: field.type for field in dataclasses.fields(cls) if field.init}
    return method


def _replacer(cls: type[Any]) -> Any:
    """`__replace__` as dataclasses have it from Python 3.13 on: an object like this one, but for some of its fields."""
    return _copier(cls) if _is_no_more_than_its_fields(cls) else _remaker(cls)


def _is_no_more_than_its_fields(cls: type[Any]) -> bool:
    """Whether the objects of a class have a `__dict__`, and nothing in it but what `__init__` was given."""
    parts = [part for each in cls.__mro__[:-1] for part in vars(each).values()]
    kept = any(isinstance(part, cached_property | kept_property) for part in parts) or hasattr(cls, "__post_init__")
    fields = dataclasses.fields(cls)
    slots = any(isinstance(getattr(cls, field.name, None), MemberDescriptorType) for field in fields)
    return cls.__dictoffset__ != 0 and not (kept or slots) and all(field.init for field in fields)


def _copier(cls: type[Any]) -> Any:
    """For a record of many fields, this takes a fifth of the time of `__init__`."""
    names, new = {field.name for field in dataclasses.fields(cls)}, object.__new__
    put = next(vars(each)["__dict__"].__set__ for each in cls.__mro__ if "__dict__" in vars(each))

    def __replace__(self: Any, /, **changes: Any) -> Any:  # noqa: N807
        fields = self.__dict__ | changes
        if len(fields) != len(names):
            unknown = ", ".join(sorted(changes.keys() - names))
            raise TypeError(f"{cls.__name__} has no field {unknown}")
        other = new(cls)
        put(other, fields)
        return other

    return __replace__


def _remaker(cls: type[Any]) -> Any:
    given = sorted((field for field in dataclasses.fields(cls) if field.init), key=lambda field: bool(field.kw_only))
    parameters = ", ".join(["self", "/", *(["*"] if given else []), *(f"{field.name}=_KEPT_" for field in given)])
    values = (
        f"{f'{field.name}=' if field.kw_only else ''}self.{field.name} if {field.name} is _KEPT_ else {field.name}"
        for field in given
    )
    known: dict[str, Any] = {"_KEPT_": object(), "_new_": cls}
    exec(f"def __replace__({parameters}):\n return _new_({', '.join(values)})", known)
    return known["__replace__"]


def _define(cls: type[Any], *, frozen: bool, slots: bool, kw_only: bool, eq: bool) -> type[Any]:
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # the standard library would work out a signature to put here
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    own = vars(cls)
    for name in ("__init__", "__repr__", "__replace__", *(["__eq__"] if eq else [])):
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
    from dataclasses import dataclass, replace
else:

    def replace(record: Any, /, **changes: Any) -> Any:
        """As `dataclasses.replace`, in half of its time, for a record whose class was made here."""
        return record.__replace__(**changes)

    def dataclass(cls: type[Any] | None = None, /, *, frozen=False, slots=False, kw_only=False, eq=True) -> Any:  # noqa: ANN001
        """As `dataclasses.dataclass`, for these of its options. Whoever inherits from such a class needs it too."""
        define = partial(_define, frozen=frozen, slots=slots, kw_only=kw_only, eq=eq)
        return define if cls is None else define(cls)
