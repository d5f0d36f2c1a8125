"""What is found wrong with a ledger's file, on real files."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.breakers import EVERY_MODEL, Circuit, set_aside
from orchestrator.ledger.records import CallRecord, CallStatus, RunRecord
from orchestrator.ledger.rows import to_micros
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.spool import spool
from orchestrator.ledger.store import Ledger
from orchestrator.upkeep.ledger_health import (
    Check,
    CheckStatus,
    check_breakers,
    check_file_system,
    check_ledger,
    check_sqlite,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunRecord("R", NOW, "2026-11-21", "fallback", "0" * 64, simulated=False)
CALL = CallRecord("C", "R", NOW, "2026-11-21", "openai", "gpt-4o", "gpt-4o", 1, simulated=False, reserved_nanousd=500)


def checks(path: Path, **options: Any) -> dict[str, Check]:
    return {check.name: check for check in check_ledger(path, **{"now": NOW, **options})}


def statuses(path: Path, **options: Any) -> dict[str, str]:
    """Without what depends on the machine."""
    machine = ("SQLite library", "file system", "disk space")
    return {name: check.status.value for name, check in checks(path, **options).items() if name not in machine}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one call that is not settled."""
    path = tmp_path / "own" / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.start_run(RUN)
        ledger.reserve([CALL])
    return path


def altered(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_a_ledger_in_order_has_nothing_to_warn_of(path: Path) -> None:
    expected = dict.fromkeys(("ledger file", "permissions", "size", "spool", "integrity", "schema", "open calls"), "ok")
    assert statuses(path) == expected
    assert statuses(path, full=True) == {**expected, "budget counters": "ok"}


def test_looking_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    checks(path, full=True)
    assert path.read_bytes() == before
    with Ledger.open(path) as ledger:
        status = ledger.read(lambda connection: connection.execute("SELECT status FROM runs").fetchone()[0])
    assert status == "interrupted"  # by this opening: the looking left it as it was


def test_a_ledger_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    assert statuses(path) == {"ledger file": "ok"}
    assert not path.parent.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="for root every folder can be written to")
def test_a_ledger_that_could_not_be_made_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert statuses(tmp_path / "ledger.db") == {"ledger file": "error"}


def test_a_folder_in_the_place_of_the_ledger_is_an_error(tmp_path: Path) -> None:
    assert statuses(tmp_path) == {"ledger file": "error"}


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_an_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert checks(path)["integrity"].status is CheckStatus.ERROR


def test_damaged_pages_are_found(path: Path) -> None:
    with Ledger.open(path) as ledger:
        for number in range(200):
            ledger.start_run(replace(RUN, run_id=f"R{number}", prompt="x" * 500))
    content = bytearray(path.read_bytes())
    for page in range(10, len(content) // 4096):
        content[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    path.write_bytes(content)
    found = checks(path)["integrity"]
    assert found.status is CheckStatus.ERROR
    assert ".recover" in found.detail


def test_rows_that_refer_to_nothing_are_found_by_the_full_look(path: Path) -> None:
    altered(path, "DELETE FROM runs")
    assert checks(path)["integrity"].status is CheckStatus.OK
    assert checks(path, full=True)["integrity"].status is CheckStatus.ERROR


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE spending SET committed_nanousd = 1 WHERE scope = 'all'", id="another-sum"),
        pytest.param("DELETE FROM spending WHERE scope = 'all'", id="missing"),
        pytest.param("UPDATE spending SET day = '2026-11-20' WHERE scope = 'all'", id="another-day"),
    ],
)
def test_counters_that_are_not_the_sums_of_the_rows_are_found_by_the_full_look(path: Path, statement: str) -> None:
    altered(path, statement)
    assert "budget counters" not in checks(path)
    assert checks(path, full=True)["budget counters"].status is CheckStatus.ERROR


@pytest.mark.parametrize(
    ("version", "status"),
    [
        pytest.param(len(MIGRATIONS) + 1, CheckStatus.ERROR, id="newer"),
        pytest.param(len(MIGRATIONS) - 1, CheckStatus.WARNING, id="older"),
    ],
)
def test_a_schema_of_another_version_is_told(path: Path, version: int, status: CheckStatus) -> None:
    altered(path, f"PRAGMA user_version = {version}")
    found = checks(path)
    assert found["schema"].status is status
    assert "open calls" not in found


def test_another_journal_mode_is_told(path: Path) -> None:
    altered(path, "PRAGMA journal_mode = DELETE")
    assert checks(path)["schema"].status is CheckStatus.WARNING


def test_calls_that_stay_open_for_long_are_told_with_what_they_hold(path: Path) -> None:
    found = checks(path, now=NOW + timedelta(hours=2))["open calls"]
    assert found.status is CheckStatus.WARNING
    assert found.detail.startswith("1 not settled, $0.0000005 set aside")


def test_what_is_set_aside_is_told_and_of_real_calls_only_where_they_are_asked_about(path: Path) -> None:
    def told(simulated: bool) -> list[tuple[str, str]]:
        return [(check.name, check.status.value) for check in check_breakers(path, now=NOW, simulated=simulated)]

    assert told(simulated=False) == [("circuit breakers", "ok")]
    with Ledger.open(path) as ledger:
        for circuit, until in ((Circuit(False, "openai", "gpt-4o"), 60), (Circuit(False, "google", EVERY_MODEL), -1)):
            at, opened = to_micros(NOW), to_micros(NOW + timedelta(seconds=until))
            ledger.write(lambda connection, c=circuit, o=opened, a=at: set_aside(connection, c, o, "down", a))  # type: ignore[misc]  # bound now
    assert told(simulated=False) == [
        ("circuit breaker of google", "warning"),
        ("circuit breaker of gpt-4o", "warning"),
    ]
    assert told(simulated=True) == [("circuit breakers", "ok")]
    details = [check.detail for check in check_breakers(path, now=NOW, simulated=False)]
    assert details == [
        "half-open until 11:59:59 after 1 failures, the last: down",
        "open until 12:01:00 after 1 failures, the last: down",
    ]


@pytest.mark.parametrize("content", [b"", b"garbage, not a ledger"])
def test_a_ledger_that_cannot_tell_of_breakers_is_skipped(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    assert [check.status for check in check_breakers(path, now=NOW, simulated=False)] == [CheckStatus.SKIPPED]


def test_settlements_that_wait_are_told(path: Path) -> None:
    where = spool(path, replace(CALL, status=CallStatus.COMPLETED))
    found = checks(path)["spool"]
    assert found.status is CheckStatus.WARNING
    assert str(where) in found.detail


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize(
    ("file", "folder", "status"),
    [
        pytest.param(0o600, 0o700, CheckStatus.OK, id="private"),
        pytest.param(0o640, 0o700, CheckStatus.WARNING, id="group-can-read"),
        pytest.param(0o604, 0o700, CheckStatus.WARNING, id="others-can-read"),
        pytest.param(0o600, 0o755, CheckStatus.OK, id="folder-can-be-listed"),
        pytest.param(0o600, 0o770, CheckStatus.WARNING, id="folder-can-be-written-to"),
        pytest.param(0o600, 0o1777, CheckStatus.OK, id="as-in-tmp"),
    ],
)
def test_what_others_can_reach_is_told(path: Path, file: int, folder: int, status: CheckStatus) -> None:
    path.chmod(file)
    path.parent.chmod(folder)
    assert checks(path)["permissions"].status is status


@pytest.mark.parametrize(
    ("version", "status"),
    [
        pytest.param((3, 6, 23), CheckStatus.ERROR, id="without-wal"),
        pytest.param((3, 40, 1), CheckStatus.WARNING, id="affected"),
        pytest.param((3, 51, 2), CheckStatus.WARNING, id="the-last-affected"),
        pytest.param((3, 51, 3), CheckStatus.OK, id="fixed"),
        pytest.param((3, 53, 0), CheckStatus.OK, id="later"),
        pytest.param((3, 44, 5), CheckStatus.WARNING, id="before-the-backport"),
        pytest.param((3, 44, 6), CheckStatus.OK, id="backport"),
        pytest.param((3, 45, 9), CheckStatus.WARNING, id="a-branch-without-a-backport"),
        pytest.param((3, 50, 7), CheckStatus.OK, id="later-backport"),
    ],
)
def test_sqlite_versions_with_the_wal_reset_bug_are_told(version: tuple[int, ...], status: CheckStatus) -> None:
    assert check_sqlite(version).status is status


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /home rw - nfs4 server:/home rw,vers=4.2
41 40 0:41 / /home/me/with\\040space rw - fuse.sshfs me@host: rw
42 40 0:42 / /home/me/local rw - xfs /dev/sdb1 rw
43 42 0:43 / /home/me/local rw - btrfs /dev/sdc1 rw
not a line of it
"""


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        pytest.param("/var/ledger.db", "ext4", CheckStatus.OK, id="root"),
        pytest.param("/home/me/ledger.db", "nfs4", CheckStatus.WARNING, id="nfs"),
        pytest.param("/homely/ledger.db", "ext4", CheckStatus.OK, id="only-the-name-begins-so"),
        pytest.param("/home/me/with space/ledger.db", "fuse.sshfs", CheckStatus.WARNING, id="escaped-space"),
        pytest.param("/home/me/local/ledger.db", "btrfs", CheckStatus.OK, id="mounted-over-another"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(
    tmp_path: Path, path: str, kind: str, status: CheckStatus
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    found = check_file_system(Path(path), mounts)
    assert (found.detail.partition(":")[0], found.status) == (kind, status)


def test_a_system_that_does_not_list_its_mounts_is_skipped(tmp_path: Path) -> None:
    assert check_file_system(tmp_path, tmp_path / "none").status is CheckStatus.SKIPPED
