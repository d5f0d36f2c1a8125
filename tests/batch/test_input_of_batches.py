"""Whatever a file holds, each line of it is a prompt or says what is wrong with it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.batch.filling import Filling
from orchestrator.batch.lines import Common, Line
from orchestrator.batch.reading import Form, Input
from orchestrator.errors import UsageError

Found = tuple[int, str | int, str]


def read(
    content: bytes, name: str = "in.jsonl", *, template: str | None = None, form: Form | None = None
) -> list[Line]:
    """The lines of standard input that is called so."""
    common = Common(None if template is None else Filling.parse(template))
    source = Input("-", io.BytesIO(content))
    source.path = name
    return list(source.lines(common, form))


def told(lines: list[Line]) -> list[Found]:
    """Number, id, and the prompt or what is wrong."""
    return [
        (line.number, line.id, line.prompt.text if line.prompt is not None else f"! {line.error}") for line in lines
    ]


def jsonl(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


REQUEST: dict[str, Any] = {
    "custom_id": "r1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "gpt-6-luna", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]},
}


@pytest.mark.parametrize(
    ("content", "name", "template", "expected"),
    [
        pytest.param(
            jsonl({"prompt": "a"}, {"prompt": "b", "id": "x"}),
            "in.jsonl",
            None,
            [(1, 1, "a"), (2, "x", "b")],
            id="jsonl",
        ),
        pytest.param(
            b'\xef\xbb\xbf{"prompt": "a"}\r\n\r\n{"prompt": "b"}',
            "in",
            None,
            [(1, 1, "a"), (3, 3, "b")],
            id="bom, crlf, blank, no last end",
        ),
        pytest.param(
            '{"prompt": "é"}\n{"prompt": "b"}\n'.encode("utf-16"), "in", None, [(1, 1, "é"), (2, 2, "b")], id="utf-16"
        ),
        pytest.param(gzip.compress(jsonl({"prompt": "a"})), "in", None, [(1, 1, "a")], id="gzip by its content"),
        pytest.param(b"first\n\n  second \n", "in.txt", None, [(1, 1, "first"), (3, 3, "  second ")], id="plain lines"),
        pytest.param(
            b"one\ntwo\n",
            "in.txt",
            "Say {line}!",
            [(1, 1, "Say one!"), (2, 2, "Say two!")],
            id="plain lines in a template",
        ),
        pytest.param(
            b'id,text\n7,"a ""b"", c\nd"\n8,x\n',
            "in.csv",
            "{{T}}: {text}",
            [(2, "7", '{T}: a "b", c\nd'), (4, "8", "{T}: x")],
            id="csv with quotes and line ends inside",
        ),
        pytest.param(
            "prompt\tsystem\nä\tbe brief\n".encode("utf-16"),
            "in.tsv",
            None,
            [(2, 2, "ä")],
            id="tsv in utf-16, its own prompt column",
        ),
        pytest.param(
            jsonl({"text": "a", "n": 2, "id": 5}),
            "in.jsonl",
            "{text} {n}",
            [(1, 5, "a 2")],
            id="fields of objects in a template",
        ),
        pytest.param(jsonl(REQUEST), "in.jsonl", None, [(1, "r1", "Hi")], id="openai's batch file"),
        pytest.param(
            jsonl({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]}),
            "in",
            None,
            [(1, 1, "q")],
            id="messages",
        ),
        pytest.param(b"", "in.jsonl", None, [], id="empty"),
        pytest.param(b"\n \n", "in.jsonl", None, [], id="nothing but blank lines"),
    ],
)
def test_a_file_is_read_line_by_line(content: bytes, name: str, template: str | None, expected: list[Found]) -> None:
    assert told(read(content, name, template=template)) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(b'{"prompt": "a"', "is not JSON", id="cut"),
        pytest.param(b'{"prompt": "\xff"}', "is not UTF-8: byte 0xff at position 12", id="no text"),
        pytest.param(b"[1]", "expected an object", id="no object"),
        pytest.param(b'{"id": "x"}', "there is no prompt", id="no prompt"),
        pytest.param(b'{"prompt": " "}', "prompt: is empty", id="blank prompt"),
        pytest.param(b'{"prompt": "a", "messages": []}', "both say what is asked", id="prompt and messages"),
        pytest.param(b'{"prompt": "a", "max_tokns": 5}', "there is no such option", id="unknown option"),
        pytest.param(
            b'{"prompt": "a", "max_tokens": "5"}', "max_tokens: expected a whole number", id="option of another type"
        ),
        pytest.param(b'{"prompt": "a", "verify": "rm -r x"}', "must not bring", id="a command in the data"),
        pytest.param(b'{"prompt": "a", "id": [1]}', "id: expected", id="id that is none"),
        pytest.param(b'{"prompt": "a", "tools": [{}]}', "name: is missing", id="broken tool"),
        pytest.param(b'{"prompt": "a", "prompt": "b"}', "is there twice", id="key that stands twice"),
        pytest.param(jsonl({**REQUEST, "url": "/v1/embeddings"}).strip(), "cannot be asked", id="another endpoint"),
        pytest.param(
            jsonl({**REQUEST, "body": {**REQUEST["body"], "n": 2}}).strip(),
            "body.n: 2 cannot be passed on",
            id="several answers",
        ),
    ],
)
def test_a_broken_line_in_the_middle_says_what_is_wrong_and_nothing_else_is_lost(line: bytes, problem: str) -> None:
    before, broken, after = read(jsonl({"prompt": "a"}) + line + b"\n" + jsonl({"prompt": "b"}))
    assert (before.prompt and before.prompt.text, after.prompt and after.prompt.text) == ("a", "b")
    assert broken.prompt is None
    assert broken.error is not None
    assert broken.error.message.startswith("line 2: ")
    assert problem in broken.error.message


def test_a_table_with_a_row_of_another_width_or_an_open_quote_says_so_by_line() -> None:
    lines = read(b'id,prompt\n1,a\n2,b,c\n3,"d\ne\n', "in.csv")
    assert [line.number for line in lines] == [2, 3, 4]
    assert [str(line.error) for line in lines[1:]] == [
        "line 3: has 3 columns where the head has 2",
        "line 4: is no row of a table: unexpected end of data",
    ]


def test_the_options_of_a_line_are_those_of_a_run() -> None:
    (line, request) = read(
        jsonl({"prompt": "a", "max_cost": 0.5, "tag": ["x"], "model": "haiku", "strategy": "cheapest"}, REQUEST)
    )
    assert {name: str(value) for name, value in line.given.items()} == {
        "max_cost": "0.5",
        "tags": "['x']",
        "chain": "haiku",
        "strategy": "cheapest",
    }
    assert request.given == {"strategy": "gpt-6-luna", "max_tokens": 5}


@pytest.mark.parametrize(
    ("content", "name", "template", "problem"),
    [
        pytest.param(b"a,b\n1,2\n", "in.csv", "{c}", "there is no column 'c'", id="unknown column"),
        pytest.param(b"a,a\n1,2\n", "in.csv", "{a}", "two columns 'a'", id="column that stands twice"),
        pytest.param(b"a,b\n1,2\n", "in.csv", None, "no column 'prompt'", id="no prompt column"),
        pytest.param(b"a\n", "in.txt", "{text}", "there is no column 'text'", id="plain lines have no columns"),
        pytest.param(gzip.compress(b"a\n" * 9_000)[:-9], "in.gz", None, "cannot be read to the end", id="cut gzip"),
        pytest.param(b"a\n", "in.txt", "Translate", "no place for a field", id="template without a field"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_refused(
    content: bytes, name: str, template: str | None, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        read(content, name, template=template, form=None if template != "{text}" else Form.LINES)


def test_a_folder_and_a_file_that_is_not_there_are_no_inputs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        Input(str(tmp_path))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        Input(str(tmp_path / "none"))
