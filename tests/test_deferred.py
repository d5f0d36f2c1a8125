"""A record is a dataclass in all that can be seen of it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import pytest

from orchestrator.deferred import dataclass as deferred
from orchestrator.deferred import replace


@deferred(frozen=True, slots=True)
class Point:
    """A place."""

    dimensions: ClassVar[int] = 2
    x: int
    y: int = 0
    names: tuple[str, ...] = ()
    seen: list[int] = field(default_factory=list, compare=False, repr=False)


@deferred(frozen=True, kw_only=True)
class Named(Point):
    name: str = "here"


@deferred(slots=True)
class Counter:
    count: int
    double: int = field(init=False)

    def __post_init__(self) -> None:
        self.double = 2 * self.count


@deferred(eq=False, slots=True)
class Handle:
    number: int


@deferred(frozen=True, kw_only=True)
class Filled:
    named: str
    found: list[int] = field(default_factory=list, init=False)
    state: str = field(default="new", init=False)
    kept: list[int] = field(default_factory=list)


@deferred(frozen=True, slots=True)
class Word:
    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Word) and other.text.lower() == self.text.lower()

    def __hash__(self) -> int:
        return hash(self.text.lower())

    def __repr__(self) -> str:
        return f"<{self.text}>"


def test_it_is_made_compared_and_shown_by_its_fields() -> None:
    point = Point(1, names=("a",))
    assert (point.x, point.y, point.names, point.seen) == (1, 0, ("a",), [])
    assert point == Point(1, 0, ("a",), [7])
    assert point != Point(2, 0, ("a",))
    assert hash(point) == hash(Point(1, 0, ("a",)))
    assert repr(point) == "Point(x=1, y=0, names=('a',))"
    assert Point(1).seen is not Point(1).seen


def test_the_standard_library_takes_it_for_one_of_its_own() -> None:
    assert [each.name for each in dataclasses.fields(Point)] == ["x", "y", "names", "seen"]
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert dataclasses.asdict(Counter(2)) == {"count": 2, "double": 4}
    match Point(3, 4):
        case Point(x, y):
            assert (x, y) == (3, 4)


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (Point(1, names=("a",), seen=[1]), {"y": 5}),
        (Named(1, 2, name="there"), {"x": 3, "name": "gone"}),
        (Counter(2), {"count": 4}),
        (Filled(named="a", kept=[1]), {"named": "b"}),
        (Word("a"), {}),
    ],
)
def test_it_is_replaced_as_the_standard_library_does(record: Any, changes: dict[str, Any]) -> None:
    expected = dataclasses.replace(record, **changes)
    changed = replace(record, **changes)
    assert type(changed) is type(record)
    assert dataclasses.asdict(changed) == dataclasses.asdict(expected)


@pytest.mark.parametrize("name", ["nothing", "double"])
def test_what_is_no_parameter_cannot_be_replaced(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        replace(Counter(1), **{name: 1})


def test_a_signature_is_that_of_its_fields() -> None:
    assert list(inspect.signature(Word).parameters) == ["text"]
    assert inspect.signature(Named).parameters["name"].kind is inspect.Parameter.KEYWORD_ONLY


def test_what_is_no_parameter_begins_with_its_default() -> None:
    filled = Filled(named="a")
    assert (filled.found, filled.state, filled.kept) == ([], "new", [])
    assert filled.found is not Filled(named="a").found
    assert str(inspect.signature(Filled)).startswith("(*, named: 'str', kept: 'list[int]' = ")
    with pytest.raises(TypeError, match="found"):
        Filled(named="a", found=[1])  # type: ignore[call-arg]


def test_one_that_inherits_has_all_the_fields_and_equals_only_its_own_kind() -> None:
    named = Named(1, name="there")
    assert (named.x, named.name) == (1, "there")
    assert repr(named) == "Named(x=1, y=0, names=(), name='there')"
    assert Named(1) == Named(1)
    assert Point(1) != Named(1)


def test_one_with_slots_takes_no_other_attribute() -> None:
    with pytest.raises(AttributeError):
        Counter(1).other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("change", [lambda point: setattr(point, "x", 2), lambda point: delattr(point, "x")])
def test_a_frozen_one_cannot_be_changed(change: Callable[[Point], None]) -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        change(point)
    assert point.x == 1


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_is_equal(copied: Callable[[Any], Any]) -> None:
    assert copied(Point(1, 2, ("a",))) == Point(1, 2, ("a",))
    assert copied(Counter(2)) == Counter(2)


def test_what_can_be_changed_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Counter(1))


def test_one_without_equality_is_equal_to_itself_alone() -> None:
    handle = Handle(1)
    assert handle != Handle(1)
    assert handle in {handle}


def test_methods_that_are_written_stay() -> None:
    assert Word("A") == Word("a")
    assert len({Word("A"), Word("a")}) == 1
    assert repr(Word("A")) == "<A>"


@pytest.mark.parametrize("arguments", [(), (1, 2, (), [], 5)], ids=["too-few", "too-many"])
def test_wrong_arguments_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match=r"__init__\(\)"):
        Point(*arguments)  # type: ignore[arg-type]
