"""`orch doctor`, `orch reconcile` and `orch reprice` as a user meets them, with every warning an error."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

CANARY = "sk-canary-5f0c2a9b"
Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]

WARNINGS_ARE_ERRORS = {"PYTHONWARNINGS": "error"}  # of a process, in which modules are yet to be imported

PRICES = """\
models:
  gpt-4o:
    provider: openai
    context_window: 128_000
    output_limit: 16_384
    levels: [basic]
    scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}
    prices:
      - {input: 1000, output: 1000, source: a slip of the pen, checked: 2026-11-21}
"""


@pytest.fixture
def orch(orch: Orch) -> Orch:
    """With every warning an error, as from PYTHONWARNINGS."""

    def run(*argv: str, **environ: str) -> Run:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return orch(*argv, **environ)

    return run


def document(run: Run) -> dict[str, Any]:
    assert b"Traceback" not in run.stderr
    found = json.loads(run.stdout)
    assert isinstance(found, dict)
    return found


def statuses(found: dict[str, Any], group: str) -> dict[str, str]:
    return {check["name"]: check["status"] for check in found["checks"] if check["group"] == group}


# -- doctor ----------------------------------------------------------------------------------------------------------


def test_the_simulator_is_found_in_order(orch_process: Orch) -> None:
    run = orch_process("doctor", "--simulate", "-o", "json", **WARNINGS_ARE_ERRORS)
    found = document(run)
    assert (run.returncode, found["schema_version"], found["exit_code"], found["simulated"]) == (0, 1, 0, True)
    assert statuses(found, "endpoints")["anthropic endpoint"] == "ok"
    assert set(statuses(found, "endpoints").values()) == {"ok"}


def test_without_any_key_it_ends_with_4_and_says_what_to_set(orch: Orch) -> None:
    run = orch("doctor")
    assert run.returncode == 4
    assert b"none is set up" in run.stdout
    assert b"OPENAI_API_KEY is not set" in run.stdout


def test_an_endpoint_that_does_not_answer_ends_with_6_and_no_key_is_shown(orch: Orch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = {"OPENAI_BASE_URL": f"http://127.0.0.1:{unused.getsockname()[1]}/v1", "OPENAI_API_KEY": CANARY}
        run = orch("doctor", "-o", "json", **address)
        found = document(run)
        offline = orch("doctor", "--offline", **address)
    assert (run.returncode, statuses(found, "endpoints")["openai endpoint"]) == (6, "error")
    assert statuses(found, "keys")["openai"] == "ok"
    assert offline.returncode == 0
    for output in (run.stdout, run.stderr, offline.stdout, offline.stderr):
        assert CANARY[3:].encode() not in output


def test_a_broken_ledger_ends_with_11(orch: Orch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    run = orch("doctor", "--offline", "-o", "json", ORCH_LEDGER=str(broken))
    assert run.returncode == 11
    assert statuses(document(run), "ledger")["integrity"] == "error"


def test_a_broken_registry_ends_with_3_and_the_rest_is_looked_at_all_the_same(orch: Orch, tmp_path: Path) -> None:
    wrong = tmp_path / "models.yaml"
    wrong.write_text("models: {gpt-4o: {provider: nobody}}")
    run = orch("doctor", "-o", "json", "--models-file", str(wrong))
    found = document(run)
    assert run.returncode == 3
    assert statuses(found, "configuration")["registry"] == "error"
    assert statuses(found, "ledger")["ledger file"] == "ok"


def test_settings_that_cannot_be_read_are_what_was_found(orch: Orch, tmp_path: Path) -> None:
    wrong = tmp_path / "config.yaml"
    wrong.write_text("treshold: 1")
    run = orch("doctor", "-o", "json", "--config", str(wrong))
    assert run.returncode == 3
    assert statuses(document(run), "configuration") == {"settings": "error"}


def test_an_unknown_provider_is_refused(orch: Orch) -> None:
    run = orch("doctor", "--provider", "opnai")
    assert run.returncode == 2
    assert b"did you mean 'openai'?" in run.stderr


# -- reprice ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(orch: Orch, tmp_path: Path) -> Path:
    """Two runs of one call each, simulated."""
    path = tmp_path / "ledger.db"
    for prompt in ("What is 2 + 2?", "What is 3 + 3?"):
        argv = ("run", "--simulate", "--ledger", str(path), "--chain", "gpt-4o", "-p", prompt)
        assert orch(*argv).returncode == 0
    return path


def costs(orch: Orch, ledger: Path) -> list[int]:
    run = orch("export", "--simulate", "--ledger", str(ledger), "--format", "json")
    return [row["cost_nanousd"] for row in json.loads(run.stdout)]


def test_prices_are_put_right_and_back(orch: Orch, ledger: Path, tmp_path: Path) -> None:
    prices = tmp_path / "models.yaml"
    prices.write_text(PRICES)
    options = ("--simulate", "--ledger", str(ledger), "--models-file", str(prices), "-o", "json")
    before = costs(orch, ledger)

    tried = document(orch("reprice", "--since", "1d", "--dry-run", *options))
    assert (tried["total"]["changed"], tried["reprice_id"], costs(orch, ledger)) == (2, None, before)

    made = document(orch("reprice", "--since", "1d", *options))
    after = costs(orch, ledger)
    assert made["total"] == tried["total"]
    assert (made["total"]["before_nanousd"], made["total"]["after_nanousd"]) == (sum(before), sum(after))
    assert made["total"]["difference_nanousd"] == sum(after) - sum(before) > 0

    undone = document(
        orch("reprice", "--undo", made["reprice_id"], "--simulate", "--ledger", str(ledger), "-o", "json")
    )
    assert (undone["undone"], undone["total"]["changed"], costs(orch, ledger)) == (True, 2, before)


def test_the_table_says_what_changed_and_how_to_undo_it(orch: Orch, ledger: Path, tmp_path: Path) -> None:
    prices = tmp_path / "models.yaml"
    prices.write_text(PRICES)
    run = orch("reprice", "--since", "1d", "--simulate", "--ledger", str(ledger), "--models-file", str(prices))
    assert run.returncode == 0
    assert b"2 of 2 calls changed; to undo: orch reprice --undo 01" in run.stdout
    again = orch("reprice", "--since", "1d", "--simulate", "--ledger", str(ledger), "--models-file", str(prices))
    assert b"nothing to change: 2 calls looked at" in again.stdout


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param((), id="nothing-asked-for"),
        pytest.param(("--since", "1d", "--undo", "last"), id="both"),
        pytest.param(("--since", "24h"), id="no-day"),
        pytest.param(("--since", "1d", "--model", "gpt-4x"), id="unknown-model"),
        pytest.param(("--undo", "last", "--dry-run"), id="undo-on-trial"),
        pytest.param(("--undo", "last"), id="nothing-to-undo"),
    ],
)
def test_what_cannot_be_priced_again_is_a_usage_error(orch: Orch, ledger: Path, argv: tuple[str, ...]) -> None:
    assert orch("reprice", *argv, "--simulate", "--ledger", str(ledger)).returncode == 2


def test_there_is_nothing_to_price_again_without_a_ledger(orch_process: Orch, user_files: Path) -> None:
    run = orch_process("reprice", "--since", "1d", **WARNINGS_ARE_ERRORS)
    assert run.returncode == 2
    assert b"there is no ledger yet" in run.stderr
    assert not list(user_files.rglob("*.db"))


# -- reconcile -------------------------------------------------------------------------------------------------------


def test_an_export_is_compared_and_differences_are_no_error(orch_process: Orch, tmp_path: Path) -> None:
    export = tmp_path / "usage.csv"
    today = datetime.now(UTC).date().isoformat()
    export.write_text(f"day,model,input_tokens,output_tokens,cost\n{today},gpt-4o,10,20,0.5\n")
    run = orch_process("reconcile", str(export), "-o", "json", **WARNINGS_ARE_ERRORS)
    found = document(run)
    assert run.returncode == 0
    assert (found["format"], found["within_tolerance"], found["first_day"]) == ("csv", False, today)
    assert found["rows"][0]["difference"] == {
        "input_tokens": 10,
        "output_tokens": 20,
        "cached_tokens": None,
        "cost_nanousd": 500_000_000,
    }
    table = orch_process("reconcile", str(export), **WARNINGS_ARE_ERRORS)
    assert b"Read as csv: calls to all providers" in table.stdout
    assert b"some figures differ by more than 1 %" in table.stdout


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(("missing.csv",), b"missing.csv cannot be read", id="no-file"),
        pytest.param((os.devnull,), b"no header that is known", id="empty"),
        pytest.param((os.devnull, "--tolerance", "lots"), b"--tolerance takes a percentage", id="tolerance"),
        pytest.param((os.devnull, "--provider", "opnai"), b"did you mean 'openai'?", id="provider"),
        pytest.param((os.devnull, "--format", "cvs"), b"did you mean 'csv'?", id="format"),
    ],
)
def test_what_cannot_be_compared_is_a_usage_error(orch: Orch, argv: tuple[str, ...], message: bytes) -> None:
    run = orch("reconcile", *argv)
    assert run.returncode == 2
    assert message in run.stderr
