"""A place that cannot be used is told in a sentence, with the exit code of its kind: never as a bug."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.providers.network import CERTIFICATES

Orch = Callable[..., "subprocess.CompletedProcess[bytes]"]
TOO_LONG = "x" * 300
COMMANDS = [
    ["run", "--simulate", "-p", "hi"],
    ["report"],
    ["stats"],
    ["export"],
    ["show", "last"],
    ["budget", "show"],
    ["rate", "last", "good"],
    ["reprice", "--since", "1d"],
    ["experiment", "list"],
    ["doctor"],
]
every_command = pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv[0])


@every_command
@pytest.mark.parametrize("place", [f"{TOO_LONG}.db", f"{TOO_LONG}/ledger.db", "file/ledger.db"])
def test_a_ledger_where_none_can_be_is_no_bug(orch: Orch, tmp_path: Path, argv: list[str], place: str) -> None:
    (tmp_path / "file").write_text("no folder")
    done = orch(*argv, ORCH_LEDGER=str(tmp_path / place))
    if TOO_LONG in place and argv[0] != "experiment":
        assert done.returncode == 11
    assert done.returncode in (0, 2, 4, 11)
    assert b"bug in orch" not in done.stderr


@every_command
@pytest.mark.parametrize("flag", ["--config", "--output", "--context", "--models-file"])
def test_a_name_that_is_too_long_is_an_error_of_the_command_line_or_the_configuration(
    orch: Orch, argv: list[str], flag: str
) -> None:
    done = orch(*argv, flag, f"{TOO_LONG}.json")
    assert done.returncode in (2, 3), done.stderr


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "XDG_DATA_HOME"])
@pytest.mark.parametrize("argv", [["init"], ["doctor"], ["stats"]], ids=lambda argv: argv[0])
@pytest.mark.skipif(sys.platform != "linux", reason="these variables are of freedesktop.org's systems")
def test_a_folder_of_the_users_that_cannot_be_is_no_bug(
    orch: Orch, tmp_path: Path, variable: str, argv: list[str]
) -> None:
    assert orch(*argv, **{variable: str(tmp_path / TOO_LONG)}).returncode in (0, 3, 11)


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("SSL_CERT_FILE", "/missing/ca.pem", 3),
        ("HTTPS_PROXY", "socks4://proxy:1080", 3),
        ("https_proxy", "http://proxy:99999", 3),
        ("OPENAI_BASE_URL", "localhost:8000/v1", 3),
        ("OPENAI_ORG_ID", "org\n1", 3),
        ("OPENAI_API_KEY", " \n", 4),
        ("OPENAI_API_KEY", "two keys", 4),
    ],
)
def test_a_network_setting_that_cannot_be_used_is_named(
    orch: Orch, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: int
) -> None:
    for name in ("NO_PROXY", *CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
    environ = {"OPENAI_API_KEY": "some-key-0123456789"} | {variable: value}
    run = orch("run", "--chain", "gpt-4o", "-p", "hi", **environ)
    assert (run.returncode, variable in run.stderr.decode()) == (code, True)
    assert b"bug in orch" not in run.stderr
    doctor = orch("doctor", "--offline", **environ)
    assert (doctor.returncode, variable in doctor.stdout.decode()) == (code, True)
    if variable != "OPENAI_ORG_ID":
        assert orch("run", "--simulate", "--chain", "gpt-4o", "-p", "hi", **environ).returncode == 0
