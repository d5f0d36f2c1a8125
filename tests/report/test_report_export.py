from __future__ import annotations

import csv
import io
import json
import os
import stat
import tempfile
import threading
import tracemalloc
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from patience import PATIENCE_S
from report_recording import NOON, UNPRICED, Recorder, recording, unsettled

from orchestrator.errors import UsageError
from orchestrator.report.aggregate import summarise
from orchestrator.report.export import Rows, columns, export
from orchestrator.report.formats import Format, Row, defused, write_rows
from orchestrator.report.model import By
from orchestrator.report.period import Range
from orchestrator.report.selection import Selection

recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)


def exported(recorder: Recorder, rows: Rows = Rows.CALLS, selection: Selection = REAL, **options: Any) -> list[Any]:
    out = io.BytesIO()
    count = export(recorder.ledger, selection, out, Format.JSON, rows=rows, **options)
    found: list[Any] = json.loads(out.getvalue())
    assert len(found) == count
    return found


def as_csv(recorder: Recorder, **options: Any) -> list[dict[str, str]]:
    out = io.BytesIO()
    export(recorder.ledger, REAL, out, Format.CSV, **options)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))


def test_a_call_is_a_row_with_the_marks_of_its_run(recorder: Recorder) -> None:
    run_id = recorder.run(
        {"cost_nanousd": 1_800_000, "input_tokens": 50, "sent_at": NOON, "step": "leg 1"},
        strategy="cheapest",
        category="work",
        tags=("a", "b"),
        task="code",
        level="expert",
    )
    (row,) = exported(recorder)
    assert list(row) == list(columns(Rows.CALLS, text=False))
    assert row["run_id"] == run_id
    assert row["tags"] == ["a", "b"]
    assert row["simulated"] is False
    assert row["ended_at"] is None
    assert [row[name] for name in ("strategy", "category", "task", "level", "step", "status")] == [
        "cheapest", "work", "code", "expert", "leg 1", "completed",
    ]  # fmt: skip
    assert row["sent_at"] == "2026-11-18T12:00:00.000000Z"
    assert (row["cost_nanousd"], row["cost"]) == (1_800_000, 0.0018)


@pytest.mark.parametrize(
    ("nanousd", "dollars"),
    [(0, "0.000000000"), (1, "0.000000001"), (9_007_199_254_740_993, "9007199.254740993"), (None, None)],
    ids=["free", "the least", "more than a float holds", "unpriced"],
)
def test_a_cost_is_a_number_in_json_and_has_all_its_digits_in_a_table(
    recorder: Recorder, nanousd: int | None, dollars: str | None
) -> None:
    recorder.run({"cost_nanousd": nanousd} if nanousd is not None else UNPRICED)
    for rows in Rows:
        (row,) = exported(recorder, rows)
        assert (row["cost_nanousd"], row["cost"]) == (nanousd, None if dollars is None else float(dollars))
        (cells,) = as_csv(recorder, rows=rows)
        assert cells["cost"] == (dollars or "")


def test_a_run_is_a_row_with_what_its_calls_add_up_to(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 3, "input_tokens": 5}, {"cost_nanousd": 4, "input_tokens": 6}, score=0.5)
    recorder.run({"cost_nanousd": 3}, UNPRICED, unsettled(70))
    recorder.run(max_cost_nanousd=9)
    whole, unknown, refused = exported(recorder, Rows.RUNS)
    assert list(whole) == list(columns(Rows.RUNS, text=False))
    assert (whole["calls"], whole["cost_nanousd"], whole["input_tokens"], whole["score"]) == (2, 7, 11, 0.5)
    assert (unknown["calls"], unknown["cost"], unknown["unpriced_calls"], unknown["reserved_nanousd"]) == (
        3,
        None,
        1,
        70,
    )
    assert (refused["calls"], refused["cost"], refused["max_cost_nanousd"]) == (0, 0.0, 9)


@pytest.mark.parametrize("rows", list(Rows), ids=str)
def test_prompts_and_answers_are_exported_only_when_asked_for(recorder: Recorder, rows: Rows) -> None:
    recorder.run({"response": "draft"}, prompt="why?", system="be brief", response="final")
    assert not {"prompt", "system", "response"} & set(exported(recorder, rows)[0])
    (row,) = exported(recorder, rows, text=True)
    assert (row["prompt"], row["system"]) == ("why?", "be brief")
    assert row["response"] == ("draft" if rows is Rows.CALLS else "final")


def test_an_export_is_of_the_same_calls_as_a_report(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 1}, category="work", tags=("x",))
    recorder.run({"cost_nanousd": 2}, {"cost_nanousd": 4}, category="work", tags=("x",), at=NOON - timedelta(days=1))
    recorder.run({"cost_nanousd": 8}, category="work", tags=("x",), simulated=True)
    for selection in (
        REAL,
        Selection(simulated=True),
        Selection(simulated=False, category="work", tag="x", within=Range(first_day=date(2026, 11, 18))),
        Selection(simulated=False, category="play"),
    ):
        rows = exported(recorder, selection=selection)
        total = summarise(recorder.ledger, selection, by=By.DAY).total
        assert (len(rows), sum(row["cost_nanousd"] for row in rows)) == (total.calls, total.cost_nanousd)


def test_a_call_after_midnight_has_the_day_of_its_run_as_in_a_report(recorder: Recorder) -> None:
    run_id = recorder.run({})
    recorder.call(run_id, at=NOON + timedelta(days=1))
    assert [row["day"] for row in exported(recorder)] == ["2026-11-18"] * 2


def test_memory_does_not_grow_with_the_texts(recorder: Recorder, tmp_path: Path) -> None:
    for _ in range(100):
        recorder.run({}, prompt="x" * 200_000)
    tracemalloc.start()
    try:
        assert export(recorder.ledger, REAL, tmp_path / "all.jsonl", Format.JSONL, text=True) == 100
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "all.jsonl").stat().st_size > 20_000_000
    assert peak < 8_000_000


def test_rows_come_in_the_order_in_which_they_were_recorded_across_many_batches(recorder: Recorder) -> None:
    recorder.run(*[{"input_tokens": n} for n in range(1_201)])
    assert [row["input_tokens"] for row in exported(recorder)] == list(range(1_201))
    assert [row["input_tokens"] for row in exported(recorder, text=True)] == list(range(1_201))


def test_an_export_is_of_one_state_of_the_ledger_though_others_write_meanwhile(recorder: Recorder) -> None:
    recorder.run(*[{}] * 1_500)
    reader = type(recorder.ledger).open_for_reading(recorder.ledger.path)
    assert reader is not None

    class Meddler(io.BytesIO):
        def write(self, data: Any) -> int:
            if not self.tell():
                recorder.run(*[{}] * 10)
            return super().write(data)

    with reader:
        assert export(reader, REAL, Meddler(), Format.JSONL) == 1_500
        assert export(reader, REAL, io.BytesIO(), Format.JSONL) == 1_510


@pytest.mark.parametrize(
    ("file_format", "content"),
    [
        pytest.param(Format.CSV, ",".join(columns(Rows.CALLS, text=False)).encode() + b"\r\n", id="csv"),
        pytest.param(Format.JSON, b"[]\n", id="json"),
        pytest.param(Format.JSONL, b"", id="jsonl"),
    ],
)
def test_no_rows_and_no_ledger_are_an_empty_export(recorder: Recorder, file_format: Format, content: bytes) -> None:
    for ledger in (recorder.ledger, None):
        out = io.BytesIO()
        assert export(ledger, REAL, out, file_format) == 0
        assert out.getvalue() == content


def test_csv_has_an_empty_cell_for_null_and_json_for_tags(recorder: Recorder) -> None:
    recorder.run({**UNPRICED, "confidence": 0.1}, tags=("a,b", 'c"d'), category="line\r\nbreak")
    (row,) = as_csv(recorder)
    assert (row["cost"], row["confidence"], row["simulated"]) == ("", "0.1", "false")
    assert json.loads(row["tags"]) == ["a,b", 'c"d']
    assert row["category"] == "line\r\nbreak"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", '"=1', "'=1", "\x00=1", "\ufeff=1", "＝1",
        "\tplain", "-", "--1", "+1-800-CALL", "=", "-5\n=1",
    ],
)  # fmt: skip
def test_what_a_spreadsheet_could_run_is_defused(recorder: Recorder, text: str) -> None:
    recorder.run({}, category=text)
    assert as_csv(recorder)[0]["category"] == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+1.25", "-1e-9", "42", "a=1", "x -1", "user@example.org", "'quoted'", ""])
def test_numbers_and_plain_text_stay_as_they_are(recorder: Recorder, text: str) -> None:
    recorder.run({}, category=text)
    assert as_csv(recorder)[0]["category"] == text


near_formulas = st.text(st.sampled_from("'\"=+-@ \t\r\n1.e")) | st.text()


@given(near_formulas, near_formulas)
@example("=1", "'=1")
def test_no_two_texts_are_defused_to_the_same(one: str, other: str) -> None:
    assert (defused(one) == defused(other)) == (one == other)


text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
tables = st.lists(st.fixed_dictionaries({"a": values, "b": values, "tags": st.lists(text)}), max_size=5)


@given(tables)
@example([{"a": "\x00\x1b[2J\x9b\u2028", "b": "\r\n", "tags": ["\ufeff"]}])
@pytest.mark.parametrize("file_format", [Format.JSON, Format.JSONL], ids=str)
def test_json_gives_back_exactly_what_went_in(file_format: Format, rows: list[Row]) -> None:
    out = io.BytesIO()
    assert write_rows(rows, ("a", "b", "tags"), out, file_format) == len(rows)
    if file_format is Format.JSON:
        assert json.loads(out.getvalue()) == rows
    else:
        assert [json.loads(line) for line in out.getvalue().splitlines()] == rows
    assert not any(byte > 126 or (byte < 32 and byte != 10) for byte in out.getvalue())


@given(st.lists(st.fixed_dictionaries({"a": near_formulas, "b": near_formulas}), max_size=5))
def test_csv_gives_back_every_cell_whatever_is_in_it(rows: list[dict[str, str]]) -> None:
    out = io.BytesIO()
    write_rows([dict(row) for row in rows], ("a", "b"), out, Format.CSV)
    header, *read = csv.reader(io.StringIO(out.getvalue().decode(), newline=""))
    assert header == ["a", "b"]
    assert read == [[defused(row["a"]), defused(row["b"])] for row in rows]


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(words, st.lists(words, max_size=2), words), min_size=1, max_size=3))
def test_texts_go_through_the_ledger_and_out_again_unchanged(runs: list[tuple[str, list[str], str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "ledger.db")
        with recorder.ledger:
            for prompt, tags, response in runs:
                recorder.run({"response": response}, prompt=prompt, tags=tuple(tags))
            found = exported(recorder, text=True)
    assert [(row["prompt"], row["tags"], row["response"]) for row in found] == runs


def test_a_file_is_the_user_s_alone_and_nothing_else_is_left(recorder: Recorder, tmp_path: Path) -> None:
    recorder.run({})
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "calls.csv"
    file.write_text("old")
    file.chmod(0o644)
    assert export(recorder.ledger, REAL, file, Format.CSV) == 1
    assert file.read_bytes().startswith(b"call_id,")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(folder.iterdir()) == [file]


def test_a_file_keeps_what_it_held_when_the_export_fails(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.run({})
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "calls.csv"
    file.write_text("old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UsageError, match="No space left"):
        export(recorder.ledger, REAL, file, Format.CSV)
    assert file.read_text() == "old"
    assert list(folder.iterdir()) == [file]


@pytest.mark.parametrize("name", ["missing/calls.csv", "."], ids=["no such folder", "a folder"])
def test_a_path_that_cannot_be_written_is_refused(recorder: Recorder, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        export(recorder.ledger, REAL, tmp_path / name, Format.CSV)


def test_a_link_goes_on_pointing_at_the_file(recorder: Recorder, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    export(recorder.ledger, REAL, tmp_path / "link.csv", Format.CSV)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("call_id")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_is_written_to_and_not_replaced(recorder: Recorder, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    export(recorder.ledger, REAL, pipe, Format.JSON)
    reader.join(timeout=PATIENCE_S)
    assert read == [b"[]\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd")
def test_a_pipe_can_be_named_by_its_descriptor_as_dev_stdout_is(recorder: Recorder) -> None:
    read, write = os.pipe()
    try:
        export(recorder.ledger, REAL, Path(f"/dev/fd/{write}"), Format.JSON)
        os.close(write)
        assert os.read(read, 100) == b"[]\n"
    finally:
        os.close(read)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_that_is_closed_is_a_closed_pipe(recorder: Recorder, tmp_path: Path) -> None:
    recorder.run({"error_message": "x" * 1_000_000})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: pipe.open("rb").close(), daemon=True)
    reader.start()
    with pytest.raises(BrokenPipeError):
        export(recorder.ledger, REAL, pipe, Format.JSON)
    reader.join(timeout=PATIENCE_S)


def test_a_closed_pipe_is_not_the_ledger_s_fault(recorder: Recorder) -> None:
    recorder.run({})

    class Closed(io.BytesIO):
        def write(self, _: Any) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        export(recorder.ledger, REAL, Closed(), Format.CSV)
    assert exported(recorder)  # and the ledger can still be read
