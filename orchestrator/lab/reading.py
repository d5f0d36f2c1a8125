"""Files of recorded outcomes: JSON lines or CSV, either of them gzipped. They are read line by line.

A JSON line is one prompt with the outcomes of all models; a CSV row is one outcome, and rows with the same id belong to
one prompt. docs/bench.md has both formats. A file is CSV if its name says so (`.csv`, `.csv.gz`); whether it is gzipped
is told by its first bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from ..decoding import not_utf8
from ..errors import UsageError, did_you_mean
from ..types import digest_of
from .grades import BEST_GRADE, rescaled, scale_of
from .records import Asked, Item, RecordedOutcome

LONGEST_LINE = 64 * 1024 * 1024  # bytes: a longer one is no prompt with its answers, and is not read into memory
_SLACK = 0.05  # a measure of overlap, as translations are graded by, may fall a little short of 0: such a score is 0
_CHUNK = 1024 * 1024  # bytes
_GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1
_CSV_NEEDED = ("id", "prompt", "model", "score")
_WORDS = {"true": 1.0, "false": 0.0}

Fail = Callable[[str], NoReturn]


def read_items(path: Path) -> list[Item]:
    """Every prompt of a file with its outcomes, in the file's order. Raises UsageError, naming file and line.

    Grades on another scale than 0 to 1 are rescaled, if the file leaves no doubt about the scale.
    """
    items = list(_items(path, BEST_GRADE))
    grades = [outcome.score for item in items for outcome in (*item.outcomes.values(), *item.plans.values())]
    if max(grades, default=0.0) > 1:
        scale = scale_of(grades)
        items = list(_items(path, 1.0)) if scale is None else [rescaled(item, scale) for item in items]
    if not items:
        raise UsageError(f"{path}: there is nothing in it", hint="each line is a prompt with its recorded outcomes")
    return items


def _items(path: Path, best: float) -> Iterator[Item]:
    """One after the other, with grades up to `best`. A CSV file is read whole first: its rows may come in any order."""
    with _opened(path) as stream:
        yield from _from_csv(path, stream, best) if is_csv(path) else _from_json_lines(path, stream, best)


def is_csv(path: Path) -> bool:
    """Whether a file is read as CSV, by its name."""
    return ".csv" in [suffix.lower() for suffix in path.suffixes[-2:]]


def is_gzipped(path: Path) -> bool:
    """Whether a file's content is gzipped, by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def ends_a_line(path: Path) -> bool:
    """Whether the last byte of a file, unpacked, is a line's end."""
    last = b""
    with _opened(path) as stream:
        while chunk := stream.read(_CHUNK):
            last = chunk
    return last.endswith(b"\n")


def read_objects(path: Path) -> Iterator[tuple[dict[str, Any], Fail]]:
    """The objects of a file of JSON lines, each with what fails for its line. Raises as `read_items` does."""
    with _opened(path) as stream:
        for value, fail in _json_lines(path, stream):
            if not isinstance(value, dict):
                fail("expected an object")
            yield value, fail


def read_prompts(path: Path) -> list[Asked]:
    """Prompts to be asked, from JSON lines; a file with recorded outcomes will do. Raises as `read_items` does."""
    prompts: list[Asked] = []
    seen: set[str] = set()
    with _opened(path) as stream:
        for value, fail in _json_lines(path, stream):
            if not isinstance(value, dict):
                fail("expected an object with a prompt")
            prompt, expected = _prompt(value.get("prompt"), fail), value.get("expected")
            if isinstance(expected, int | float) and not isinstance(expected, bool):
                expected = json.dumps(expected)
            name = _text(value.get("id"), "id", fail) or digest_of(prompt)[:16]
            task = _text(value.get("task"), "task", fail) or ""
            if name in seen:
                fail(f"the id {name!r} is that of an earlier line too")
            seen.add(name)
            prompts.append(Asked(name, task, prompt, _text(expected, "expected", fail)))
    if not prompts:
        raise UsageError(f"{path}: there is nothing in it", hint='each line is an object such as {"prompt": "Why?"}')
    return prompts


def _from_json_lines(path: Path, stream: BinaryIO, best: float) -> Iterator[Item]:
    seen: set[str] = set()
    for value, fail in _json_lines(path, stream):
        item = item_from(value, fail, best)
        if item.id in seen:
            fail(f"the id {item.id!r} is that of an earlier line too")
        seen.add(item.id)
        yield item


def _json_lines(path: Path, stream: BinaryIO) -> Iterator[tuple[Any, Fail]]:
    """What each line that is not blank holds, and how to say what is wrong with it."""
    for number, line in _lines(path, stream):
        if not line.strip():
            continue
        fail = _failing(path, number)
        try:
            value = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            fail(f"not JSON: {error}")
        yield value, fail


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def item_from(value: Any, fail: Fail, best: float = 1.0) -> Item:
    """A prompt with its outcomes from plain data, as JSON has it, with grades from 0 to `best`; `fail` is told what is
    wrong with it."""
    if not isinstance(value, dict):
        fail("expected an object with id, task, prompt and outcomes")
    outcomes = value.get("outcomes")
    if not isinstance(outcomes, dict) or not outcomes:
        hint = did_you_mean("outcomes", value) if "outcomes" not in value else None
        fail(f"'outcomes' must be an object with an outcome for each model{f' ({hint})' if hint else ''}")
    plans = value.get("plans", {})
    if not isinstance(plans, dict):
        fail("'plans' must be an object with an outcome for each plan")
    return Item(
        id=_name(value.get("id"), "id", fail),
        task=_text(value.get("task"), "task", fail) or "",
        prompt=_prompt(value.get("prompt"), fail),
        outcomes={_name(model, "model", fail): _outcome(model, each, fail, best) for model, each in outcomes.items()},
        plans={_name(plan, "plan", fail): _outcome(plan, each, fail, best) for plan, each in plans.items()},
        simulated=value.get("simulated") is True,
    )


def _outcome(model: str, value: Any, fail: Fail, best: float) -> RecordedOutcome:
    if not isinstance(value, dict):
        fail(f"the outcome of {model} must be an object with a score")
    return RecordedOutcome(
        score=_score(value.get("score"), model, fail, best),
        text=_text(value.get("text"), "text", fail),
        input_tokens=_count(value.get("input_tokens"), "input_tokens", fail),
        output_tokens=_count(value.get("output_tokens"), "output_tokens", fail),
        latency_ms=_count(value.get("latency_ms"), "latency_ms", fail),
        cost_nanousd=_count(value.get("cost_nanousd"), "cost_nanousd", fail),
        graded_by=_text(value.get("graded_by"), "graded_by", fail),
    )


def _from_csv(path: Path, stream: BinaryIO, best: float) -> Iterator[Item]:
    limit = csv.field_size_limit(LONGEST_LINE)
    try:
        yield from _joined(path, stream, best)
    finally:
        csv.field_size_limit(limit)


def _joined(path: Path, stream: BinaryIO, best: float) -> Iterable[Item]:
    joined: dict[str, tuple[str, str, dict[str, RecordedOutcome]]] = {}
    for number, row in _csv_rows(path, stream):
        fail = _failing(path, number)
        if None in row or None in row.values():
            fail("it has more or fewer cells than the header")
        name, model = _name(row["id"], "id", fail), _name(row["model"], "model", fail)
        task, prompt = row.get("task") or "", _prompt(row["prompt"], fail)
        kept_task, kept_prompt, outcomes = joined.setdefault(name, (task, prompt, {}))
        if (kept_task, kept_prompt) != (task, prompt):
            fail(f"an earlier row has another prompt or task under the id {name!r}")
        if model in outcomes:
            fail(f"there is an outcome of {model} for {name!r} already")
        outcomes[model] = _outcome_from_cells(row, model, fail, best)
    return [Item(name, task, prompt, outcomes) for name, (task, prompt, outcomes) in joined.items()]


def _csv_rows(path: Path, stream: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with the number of the line that each ends on: a cell may hold line breaks."""
    last = 1

    def lines() -> Iterator[str]:
        nonlocal last
        for number, line in _lines(path, stream):
            last = number
            yield line

    rows = csv.DictReader(lines(), strict=True)
    try:
        header = rows.fieldnames or ()
        missing = [column for column in _CSV_NEEDED if column not in header]
        if header and missing:
            _failing(path, 1)(f"the header has no column {missing[0]!r}")
        for row in rows:
            yield last, row
    except csv.Error as error:
        _failing(path, last)(f"not CSV: {error}")


def _outcome_from_cells(row: Mapping[str, str], model: str, fail: Fail, best: float) -> RecordedOutcome:
    def number(column: str) -> Any:
        cell = (row.get(column) or "").strip()
        try:
            return json.loads(cell) if cell else None
        except (ValueError, RecursionError):
            return cell  # refused below, by name

    score = row["score"].strip()
    return _outcome(
        model,
        {
            "score": _WORDS.get(score.lower(), number("score")),
            "text": row.get("text") or None,  # CSV cannot tell an empty answer from none
            **{column: number(column) for column in ("input_tokens", "output_tokens", "latency_ms")},
        },
        fail,
        best,
    )


def _name(value: Any, key: str, fail: Fail) -> str:
    name = _text(value, key, fail)
    if not name:
        fail(f"'{key}' is missing or empty")
    return name


def _prompt(value: Any, fail: Fail) -> str:
    prompt = _text(value, "prompt", fail)
    if prompt is None or not prompt.strip():
        fail("'prompt' is missing or empty")
    return prompt


def _text(value: Any, key: str, fail: Fail) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        fail(f"'{key}' must be text, not {_shown(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        fail(f"'{key}' is not valid Unicode: {value[error.start]!a} at character {error.start}")
    return value


def _score(value: Any, model: str, fail: Fail, best: float) -> float:
    if value is None:
        fail(f"the outcome of {model} has no 'score'")
    if not isinstance(value, int | float) or not -_SLACK <= value <= best + _SLACK:
        fail(f"the score of {model} must be a number from 0 to 1, not {_shown(value)}")
    grade = min(best, max(0.0, float(value)))
    return 1.0 if 1 < grade <= 1 + _SLACK else grade


def _count(value: Any, key: str, fail: Fail) -> int | None:
    if value is None:
        return None
    whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, int) or whole) or not 0 <= value < 2**53:
        fail(f"'{key}' must be a whole number of at least 0, not {_shown(value)}")
    return int(value)


def _shown(value: Any) -> str:
    written = repr(value)
    return written if len(written) <= 40 else f"{written[:39]}…"


def _failing(path: Path, number: int) -> Fail:
    def fail(problem: str) -> NoReturn:
        raise UsageError(f"{path}, line {number}: {problem}", hint="docs/bench.md has the format")

    return fail


def _lines(path: Path, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, from 1. Raises UsageError for what cannot be read."""
    number = 0
    try:
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                _failing(path, number)(f"it is longer than {LONGEST_LINE:,} bytes")
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(f"{path}, line {number},", error) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        _failing(path, number + 1)(f"the gzip data is damaged: {error}")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    with file:
        gzipped = file.peek(2)[:2] == _GZIP_MAGIC
        yield io.BufferedReader(gzip.GzipFile(fileobj=file)) if gzipped else file
