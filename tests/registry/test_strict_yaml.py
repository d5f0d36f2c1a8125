"""What a YAML file may hold, and how each mistake in one is named."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import pytest
import yaml
from counting import lines_carried_out
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import yaml_document
from orchestrator.config.strict_yaml import (
    Table,
    boolean,
    day,
    decimal,
    integer,
    list_of,
    mapping_of,
    one_of,
    read,
    record,
    text,
)
from orchestrator.config.yaml_document import MAX_VALUES, parse
from orchestrator.config.yaml_files import MAX_BYTES
from orchestrator.errors import ConfigError

LARGEST = MAX_BYTES - 100


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Thing:
    name: str
    count: int
    price: Decimal
    made: date
    colour: Colour
    tags: tuple[str, ...]
    good: bool


def thing(table: Table) -> Thing:
    return Thing(
        name=table.required("name", text),
        count=table.required("count", integer(minimum=1, maximum=1000)),
        price=table.required("price", decimal(minimum=0)),
        made=table.required("made", day),
        colour=table.optional("colour", one_of(Colour), Colour.RED),
        tags=table.optional("tags", list_of(text), ()),
        good=table.optional("good", boolean, False),
    )


UNMADE = "name: a\ncount: 3\nprice: 0.10\n"
THING = UNMADE + "made: 2026-11-21\n"


def read_thing(document: str) -> Thing:
    return record(thing)(parse(document, "thing.yaml"))


def problem(document: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_thing(document)
    return caught.value.message


def test_a_record_is_read_with_exact_numbers_and_defaults() -> None:
    assert read_thing(THING) == Thing("a", 3, Decimal("0.10"), date(2026, 11, 21), Colour.RED, (), False)
    assert str(read_thing(THING).price) == "0.10"


def test_a_file_is_read_with_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "thing.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + THING.replace("\n", "\r\n").encode())
    assert read(path, record(thing)) == read_thing(THING)


@pytest.mark.parametrize("document", ["", "\n", "# only a comment\n", "---\n", "~"], ids=repr)
def test_a_file_with_nothing_in_it_is_an_empty_mapping(document: str) -> None:
    assert mapping_of(text)(parse(document, "empty.yaml")) == {}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(THING + "colour: gren\n", "5: colour: gren is none of red, green (did you mean 'gre", id="word"),
        pytest.param(THING + "colours: red\n", "5: colours: unknown key (did you mean 'colour'?)", id="unknown key"),
        pytest.param(THING + "zzz: 1\n", "5: zzz: unknown key", id="unknown key, nothing close"),
        pytest.param(THING + "name: b\n", "5: name: duplicate key; the first is on line 1", id="duplicate key"),
        pytest.param("count: 1\n", "1: 'name' is missing", id="missing key"),
        pytest.param("nmae: 1\n", "1: 'name' is missing (is it 'nmae' on line 1?)", id="misspelt key"),
        pytest.param("name: 3\n", "1: name: expected text, found an integer 3; put it in quotes", id="number for text"),
        pytest.param("name: true\n", "1: name: expected text, found a boolean true; put it in quotes", id="boolean"),
        pytest.param("name:\n", "1: name: has no value; expected text", id="no value"),
        pytest.param("name: ' '\n", "1: name: must not be empty", id="blank text"),
        pytest.param("name: [a]\n", "1: name: expected text, found a list", id="list for text"),
        pytest.param("name: a\ncount: true\n", "2: count: expected an integer, found a boolean true", id="bool as int"),
        pytest.param("name: a\ncount: 1.5\n", "2: count: expected an integer, found a number 1.5", id="float as int"),
        pytest.param("name: a\ncount: '3'\n", "2: count: expected an integer, found text 3", id="quoted number"),
        pytest.param("name: a\ncount: 0\n", "2: count: 0 is less than 1", id="too small"),
        pytest.param("name: a\ncount: 1_001\n", "2: count: 1_001 is more than 1000", id="too large"),
        pytest.param("name: a\ncount: 010\n", "2: count: 010 starts with 0, which some readers take", id="octal"),
        pytest.param("name: a\ncount: 1\nprice: .nan\n", "3: price: .nan is not a finite number", id="nan"),
        pytest.param("name: a\ncount: 1\nprice: -.INF\n", "3: price: -.INF is not a finite number", id="inf"),
        pytest.param("name: a\ncount: 1\nprice: -0.1\n", "3: price: -0.1 is less than 0", id="negative"),
        pytest.param("name: a\ncount: 1\nprice: 1e400\n", "3: price: 1e400 is out of range", id="1e400"),
        pytest.param("name: a\ncount: 1\nprice: 1e" + "9" * 50, "3: price: 1e999", id="beyond Decimal"),
        pytest.param("name: a\ncount: " + "9" * 5000, "2: count: 9999", id="beyond the limit of int"),
        pytest.param(UNMADE + "made: 2026-02-30\n", "4: made: 2026-02-30 is not a day of the calendar", id="no day"),
        pytest.param(UNMADE + "made: soon\n", "4: made: expected a date (YYYY-MM-DD), found text soon", id="no date"),
        pytest.param(THING + "good: yes\n", "5: good: expected true or false, found text yes", id="yes"),
        pytest.param(THING + "tags: a\n", "5: tags: expected a list, found text a", id="text for list"),
        pytest.param(THING + "tags:\n  - a\n  - 2\n", "7: tags[1]: expected text, found an integer 2", id="item"),
        pytest.param("- a\n", "1: expected a mapping, found a list", id="list for mapping"),
        pytest.param("a: &x 1\n", "1: a: anchors (&x) are not allowed", id="anchor"),
        pytest.param("a: *x\n", "1: a: aliases (*x) are not allowed", id="alias"),
        pytest.param("a: !!python/name:os.system x\n", "1: a: tags (tag:yaml.org,2002:python/name:os.s", id="tag"),
        pytest.param("a: {<<: {b: 1}}\n", "1: a: merge keys (<<) are not allowed", id="merge key"),
        pytest.param("%TAG !a! x\n---\na: 1\n", "1: %TAG directives are not allowed", id="tag directive"),
        pytest.param("a: 1\n---\nb: 1\n", "2: a second document starts here; only one is allowed", id="two documents"),
        pytest.param("1: a\n", "1: a key must be text, found an integer 1", id="integer as key"),
        pytest.param("? [a]\n: b\n", "1: a key must be text, found a list", id="list as key"),
        pytest.param("'': b\n", "1: a key must not be empty", id="empty key"),
        pytest.param("a:\n\tb: 1\n", "2: is not YAML: found character that cannot start any token", id="tab"),
        pytest.param("a: b: c\n", "1: is not YAML: mapping values are not allowed in this context", id="two colons"),
        pytest.param("a: [1\n", "2: is not YAML: did not find expected ',' or ']'", id="open list"),
        pytest.param("a: 1\nb: \0\n", "2: the character U+0000 is not allowed", id="NUL"),
        pytest.param("a: 1\nb: \x1b[31m\n", "2: the character U+001B is not allowed", id="escape character"),
        pytest.param('a: "\\0"\n', "1: a: holds a character that text cannot hold", id="escaped NUL"),
        pytest.param("a: " + "[" * 25 + "]" * 25, "nested more than 20 deep", id="deep list"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_key(document: str, message: str) -> None:
    assert problem(document).startswith("thing.yaml:")
    assert message in problem(document)


def test_a_key_of_a_nested_mapping_is_named_with_the_whole_way_to_it() -> None:
    reader = mapping_of(mapping_of(list_of(record(thing))))
    with pytest.raises(ConfigError, match=r"^t\.yaml:3: outer\.inner\[0\]: 'name' is missing$"):
        reader(parse("outer:\n  inner:\n    - count: 1\n", "t.yaml"))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param("[" * LARGEST, "nested|nesting depth", id="flow lists"),
        pytest.param("- " * (LARGEST // 2), "nested more than 20 deep", id="block lists"),
        pytest.param("? " * (LARGEST // 2), "nested more than 20 deep", id="complex keys"),
        pytest.param("{a: " * (LARGEST // 4), "nested more than 20 deep", id="flow mappings"),
        pytest.param("a: [" + "a," * (LARGEST // 2), "more than 50,000 values", id="many values"),
        pytest.param("".join(f"k{number}: 1\n" for number in range(80_000)), "more than 50,000 values", id="many keys"),
        pytest.param("k" * LARGEST + ": 1", "is not YAML", id="a long key"),
        pytest.param('a: "' + "x" * LARGEST, "is not YAML", id="text without an end"),
        pytest.param(
            "".join(f"%TAG !{number}! x\n" for number in range(50_000)),
            "%TAG directives are not allowed",
            id="tag directives",
        ),
        pytest.param(
            "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a,*a]\n" for n in range(30_000)),
            "anchors .* are not allowed",
            id="billion laughs",
        ),
        pytest.param("---\n" * (LARGEST // 4), "only one is allowed", id="many documents"),
        pytest.param(
            "{" + "k" * 1000 + ": {a: [" + "x," * 49_000 + "]}}", "'name' is missing", id="a long path to many values"
        ),
    ],
)
def test_a_hostile_file_is_refused_before_it_costs_much(document: str, reason: str) -> None:
    """A line for each of as many values as a file may hold, some thirty times; none for what stands behind them."""

    def read() -> None:
        with pytest.raises(ConfigError, match=reason):
            record(thing)(parse(document, "hostile.yaml"))

    assert lines_carried_out(read) < 40 * MAX_VALUES


@pytest.mark.parametrize(
    "document", [THING, "a: [1, {b: 'c'}]\n", "1: a\n", "a: &x 1\n", 'a: "\\ud800"\n', "---\n"], ids=repr
)
def test_python_and_libyaml_agree(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome() -> object:
        try:
            return parse(document, "t.yaml")
        except ConfigError as error:
            return type(error)

    with_libyaml = outcome()
    monkeypatch.setattr(yaml_document, "_parser", yaml.SafeLoader)
    assert outcome() == with_libyaml


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        pytest.param(b"a: 1\nb: \xff\n", r":2: is not UTF-8$", id="not UTF-8"),
        pytest.param("a: 1\n".encode("utf-16"), r":1: is not UTF-8$", id="UTF-16"),
        pytest.param(b"#" * (MAX_BYTES + 1), r": is larger than 1,024 KiB$", id="too large"),
    ],
)
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, contents: bytes, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(contents)
    with pytest.raises(ConfigError, match=message) as caught:
        read(path, mapping_of(text))
    assert str(caught.value).startswith(str(path))


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path / "missing.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "pipe", "is not a regular file"),
        (tmp_path / "nul\0.yaml", "cannot be read"),
    ]:
        with pytest.raises(ConfigError, match=message):
            read(path, mapping_of(text))


@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=9))
def test_a_price_is_read_exactly_as_it_was_written(number: Decimal) -> None:
    assert decimal(minimum=0)(parse(f"{number:f}", "t.yaml")) == number


@given(st.text(min_size=1))
def test_any_text_in_quotes_is_read_back_or_refused(written: str) -> None:
    document = yaml.safe_dump({"a": written}, allow_unicode=True, default_style='"', width=10**9)
    try:
        value = mapping_of(text)(parse(document, "t.yaml"))
    except ConfigError:
        assert not written.strip() or not written.isprintable()
    else:
        assert value == {"a": written}


@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"#%@ \n\t?0.~<")))
def test_no_document_ends_in_anything_but_a_value_or_a_config_error(document: str) -> None:
    try:
        parse(document, "t.yaml")
    except ConfigError as error:
        named = error.message.startswith("t.yaml:")
    else:
        named = True
    assert named
