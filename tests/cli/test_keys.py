"""Keys of clients: made once, never kept, capped and revoked."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from orchestrator.ledger.store import Ledger

Orch = Callable[..., CompletedProcess[bytes]]


def test_a_key_is_shown_once_capped_and_revoked_and_the_ledger_has_its_hash_alone(orch: Orch, tmp_path: Path) -> None:
    at = ("--ledger", str(tmp_path / "l.db"), "-o", "json")
    made = json.loads(
        orch("keys", "add", "ci", "--daily", "5", "--monthly", "50", "--models", "cheapest, haiku", "--rpm", "60",
             "--tag", "team-a", *at).stdout
    )["key"]  # fmt: skip
    secret = made.pop("secret")
    (listed,) = json.loads(orch("keys", *at).stdout)["keys"]
    caps = listed.pop("budgets")
    assert listed == made
    assert (made["models"], made["rpm"], made["tags"]) == (["cheapest", "haiku"], 60, ["team-a"])
    assert [(cap["period"], cap["scope"], cap["name"], cap["left_nanousd"]) for cap in caps] == [
        ("day", "key", "ci", 5 * 10**9),
        ("month", "key", "ci", 50 * 10**9),
    ]
    with Ledger.open(tmp_path / "l.db") as ledger:
        (row,) = ledger.read(lambda connection: connection.execute("SELECT * FROM keys").fetchall())
        assert row["key_sha256"] == sha256(secret.encode()).hexdigest()
        assert secret not in "\n".join(ledger.read(lambda connection: list(connection.iterdump())))
    assert json.loads(orch("keys", "revoke", "ci", *at).stdout)["key"]["revoked_at"] is not None
    assert b"revoked" in orch("keys", "--ledger", str(tmp_path / "l.db")).stdout


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        pytest.param(["add"], b"needs the key's name", id="no name"),
        pytest.param(["add", "used"], b"there is a key 'used' already", id="name taken"),
        pytest.param(["add", "a b"], b"a key's name has letters", id="bad name"),
        pytest.param(["add", "x", "--daily", "-1"], b"cannot be negative", id="negative cap"),
        pytest.param(["add", "x", "--models", "a,,b"], b"separated by commas", id="empty model"),
        pytest.param(["revoke", "usde"], b"did you mean 'used'?", id="unknown key"),
        pytest.param(["revoke", "used", "--daily", "1"], b"makes no use of --daily", id="cap on revoking"),
        pytest.param(["list", "used"], b"takes no name", id="name on listing"),
        pytest.param(["lits"], b"did you mean 'list'?", id="unknown action"),
    ],
)
def test_what_cannot_be_done_with_a_key_is_refused(orch: Orch, argv: list[str], problem: bytes) -> None:
    assert orch("keys", "add", "used").returncode == 0
    done = orch("keys", *argv)
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr
