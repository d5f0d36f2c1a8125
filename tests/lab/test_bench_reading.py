"""Files of recorded outcomes: both formats, gzipped or not, and what is said of one that cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.lab.reading import item_from, read_items
from orchestrator.lab.records import Item, RecordedOutcome

FIRST: dict[str, Any] = {
    "id": "a-1",
    "task": "sums",
    "prompt": "What is 2 + 2?",
    "outcomes": {
        "small": {"score": 0, "text": "5", "input_tokens": 7, "output_tokens": 1, "latency_ms": 90},
        "large": {"score": 1.0},
    },
}
SECOND = {"id": "a-2", "prompt": "Was heißt „vier“?", "outcomes": {"small": {"score": 0.5, "text": ""}}}
ITEMS = [
    Item(
        "a-1",
        "sums",
        "What is 2 + 2?",
        {"small": RecordedOutcome(0.0, "5", 7, 1, 90), "large": RecordedOutcome(1.0)},
    ),
    Item("a-2", "", "Was heißt „vier“?", {"small": RecordedOutcome(0.5, "")}),
]
CSV = (
    "id,task,prompt,model,score,text,input_tokens,output_tokens,latency_ms\r\n"
    'a-1,sums,"What is\n2 + 2?",small,0,"5, I\r\nthink",7,1,90\r\n'
    "a-2,,Why?,large,True,,,,\r\n"
    'a-1,sums,"What is\n2 + 2?",large,1,4,,2.0,\r\n'
)


def lines(*values: Any) -> bytes:
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values).encode()


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzipped"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n"], ids=["bare", "byte-order mark", "blank line"])
def test_json_lines_are_read(tmp_path: Path, compress: Any, start: bytes) -> None:
    path = write(tmp_path, "recorded", compress(start + lines(FIRST, SECOND) + b"\n"))
    assert read_items(path) == ITEMS


@pytest.mark.parametrize(
    ("name", "compress"), [("a.csv", bytes), ("a.CSV.gz", gzip.compress), ("a.csv", gzip.compress)]
)
def test_csv_rows_with_the_same_id_are_one_prompt(tmp_path: Path, name: str, compress: Any) -> None:
    assert read_items(write(tmp_path, name, compress(CSV.encode()))) == [
        Item(
            "a-1",
            "sums",
            "What is\n2 + 2?",
            {"small": RecordedOutcome(0.0, "5, I\r\nthink", 7, 1, 90), "large": RecordedOutcome(1.0, "4", None, 2)},
        ),
        Item("a-2", "", "Why?", {"large": RecordedOutcome(1.0)}),
    ]


def test_a_csv_needs_no_more_than_the_columns_without_which_nothing_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", b"model,score,prompt,id,source\nlarge,1,Why?,7,elsewhere\n")
    assert read_items(path) == [Item("7", "", "Why?", {"large": RecordedOutcome(1.0)})]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda t: t.strip()),
            st.dictionaries(
                st.sampled_from(["small", "large", "other"]),
                st.tuples(st.floats(0, 1), st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
                min_size=1,
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_both_formats_say_the_same(tmp_path_factory: pytest.TempPathFactory, found: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("round")
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["id", "prompt", "model", "score", "text"])
    values = []
    for number, (prompt, outcomes) in enumerate(found):
        for model, (score, text) in outcomes.items():
            writer.writerow([number, prompt, model, repr(score), text])
        recorded = {model: {"score": score, "text": text} for model, (score, text) in outcomes.items()}
        values.append({"id": str(number), "prompt": prompt, "outcomes": recorded})
    as_csv = write(folder, "a.csv", table.getvalue().encode())
    assert read_items(as_csv) == read_items(write(folder, "a.jsonl", lines(*values)))


def changed(**fields: Any) -> bytes:
    return lines(FIRST, {**SECOND, **fields})


BAD = {
    "not JSON": (lines(FIRST) + b"{'id': 1}\n", "line 2: not JSON"),
    "not an object": (b"[1]\n", "line 1: expected an object"),
    "cut off": (lines(FIRST)[:-9], "line 1: not JSON"),
    "too deep": (b"[" * 100_000, "line 1: not JSON"),
    "no id": (changed(id=None), "line 2: 'id' is missing"),
    "a number for an id": (changed(id=5), "line 2: 'id' must be text, not 5"),
    "an id twice": (lines(FIRST, SECOND, FIRST), "line 3: the id 'a-1' is that of an earlier line too"),
    "an empty prompt": (changed(prompt=" "), "line 2: 'prompt' is missing or empty"),
    "a prompt that cannot be sent": (b'{"id": "a", "prompt": "\\ud800", "outcomes": {"m": {"score": 1}}}', "Unicode"),
    "no outcomes": (changed(outcomes={}), "line 2: 'outcomes' must be an object"),
    "a slip": (lines({"id": "a", "prompt": "b", "outcome": {}}), "did you mean 'outcome'?"),
    "an outcome that is a number": (changed(outcomes={"small": 1}), "line 2: the outcome of small must be an object"),
    "no score": (changed(outcomes={"small": {}}), "line 2: the outcome of small has no 'score'"),
    "a score of -0.2": (changed(outcomes={"small": {"score": -0.2}}), "from 0 to 1, not -0.2"),
    "a score of 2": (changed(outcomes={"small": {"score": 2}}), "from 0 to 1, not 2"),
    "a score of NaN": (b'{"id": "a", "prompt": "b", "outcomes": {"m": {"score": NaN}}}\n', "NaN is not a number"),
    "a score of 88": (changed(outcomes={"small": {"score": 88}}), "from 0 to 1, not 88"),
    "half a token": (changed(outcomes={"m": {"score": 1, "input_tokens": 0.5}}), "'input_tokens' must be a whole"),
    "negative tokens": (changed(outcomes={"m": {"score": 1, "output_tokens": -1}}), "'output_tokens' must be a whole"),
    "latency true": (changed(outcomes={"m": {"score": 1, "latency_ms": True}}), "'latency_ms' must be a whole"),
    "not UTF-8": (lines(FIRST) + b'{"id": "\xff"}\n', "line 2, is not UTF-8: byte 0xff at position 8"),
    "damaged gzip": (gzip.compress(lines(FIRST, SECOND))[:-12], "the gzip data is damaged"),
    "nothing": (b"\n\n", "there is nothing in it"),
}


@pytest.mark.parametrize(("content", "problem"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = write(tmp_path, "recorded.jsonl", content)
    with pytest.raises(UsageError) as caught:
        read_items(path)
    assert str(path) in caught.value.message
    assert problem in caught.value.message


HEADER = b"id,prompt,model,score,input_tokens\n"
BAD_CSV = {
    "a column is missing": (b"id,prompt,score\n1,a,1\n", "line 1: the header has no column 'model'"),
    "a cell too many": (HEADER + b"1,a,m,1,5,6\n", "line 2: it has more or fewer cells"),
    "a cell too few": (HEADER + b"1,a,m,1,5\n2,a\n", "line 3: it has more or fewer cells"),
    "two prompts of one id": (HEADER + b"1,a,m,1,\n1,b,n,1,\n", "line 3: an earlier row has another prompt"),
    "an outcome twice": (HEADER + b"1,a,m,1,\n1,a,m,0,\n", "line 3: there is an outcome of m"),
    "a score that is no number": (HEADER + b"1,a,m,good,\n", "line 2: the score of m must be a number"),
    "a score of nan": (HEADER + b"1,a,m,NaN,\n", "line 2: the score of m must be a number"),
    "no score": (HEADER + b"1,a,m,,\n", "line 2: the outcome of m has no 'score'"),
    "tokens that are no number": (HEADER + b"1,a,m,1,[[\n", "line 2: 'input_tokens' must be a whole number"),
    "a decimal comma": (HEADER + b'1,a,m,"0,8",\n', "line 2: the score of m must be a number from 0 to 1, not '0,8'"),
    "a decimal comma without quotes": (HEADER + b"1,a,m,0,8,\n", "line 2: it has more or fewer cells"),
    "semicolons, for decimal commas": (
        HEADER.replace(b",", b";") + b"1;a;m;0,8;\n",
        "line 1: the header has no column",
    ),
    "tokens in thousands": (HEADER + b'1,a,m,1,"1,234"\n', "line 2: 'input_tokens' must be a whole number"),
    "tokens in thousands, with points": (HEADER + b"1,a,m,1,1.234\n", "line 2: 'input_tokens' must be a whole number"),
    "a quotation mark astray": (HEADER + b'1,"a"b,m,1,\n', "line 2: not CSV"),
    "empty": (b"", "there is nothing in it"),
    "a header alone": (HEADER, "there is nothing in it"),
}


@pytest.mark.parametrize(("content", "problem"), BAD_CSV.values(), ids=BAD_CSV)
def test_what_is_wrong_in_a_csv_is_named_with_its_line(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(UsageError, match=r"recorded\.csv") as caught:
        read_items(write(tmp_path, "recorded.csv", content))
    assert problem in caught.value.message


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.lab.reading.LONGEST_LINE", 1000)
    with pytest.raises(UsageError, match="line 1: it is longer than 1,000 bytes"):
        read_items(write(tmp_path, "bomb.jsonl", gzip.compress(b" " * 1_000_000)))


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."], ids=["no such file", "a folder"])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=str(tmp_path)):
        read_items(tmp_path / name)


def test_an_item_can_be_read_from_plain_data() -> None:
    def fail(problem: str) -> Any:
        raise ValueError(problem)

    assert item_from(FIRST, fail) == ITEMS[0]
    with pytest.raises(ValueError, match="expected an object"):
        item_from([], fail)


def test_a_score_that_falls_a_little_short_of_0_is_0(tmp_path: Path) -> None:
    line = json.dumps({"id": "a", "prompt": "b", "outcomes": {"m": {"score": -0.03}, "n": {"score": 1.01}}})
    (item,) = read_items(write(tmp_path, "a.jsonl", line.encode()))
    assert [outcome.score for outcome in item.outcomes.values()] == [0.0, 1.0]
