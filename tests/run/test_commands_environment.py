"""The environment of the user's own commands: whole, but for what is secret in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.registry.providers import PROVIDERS
from orchestrator.run.call.commands import for_commands

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
KEY = "sk-proj-0123456789abcdef"
SECRETS = {
    **{info.key_env: f"{KEY}-{name}" for name, info in PROVIDERS.items()},
    "ANTHROPIC_AUTH_TOKEN": "a",
    "GOOGLE_API_KEY": "b",
    "OPENAI_ADMIN_KEY": "c",
    "OPENAI_CUSTOM_HEADERS": "authorization: d",
    "GITHUB_TOKEN": "e",
    "AWS_SECRET_ACCESS_KEY": "f",
    "AWS_ACCESS_KEY_ID": "g",
    "db_password": "h",
    "GOOGLE_APPLICATION_CREDENTIALS": "/i",
    "COPY_OF_IT": f"Bearer {KEY}-openai",
    "HTTPS_PROXY": "http://me:pass@proxy:8080",
}
PLAIN = {
    "PATH": "/bin",
    "LANG": "C.UTF-8",
    "OPENAI_BASE_URL": "https://host:8080/v1",
    "SSH_AUTH_SOCK": "/s",
    "EMPTY": "",
    "KEYBOARD": "de",
}


def test_what_is_secret_is_left_out_and_all_else_is_there() -> None:
    assert for_commands(SECRETS | PLAIN) == PLAIN


def test_what_is_asked_for_by_its_name_is_there() -> None:
    assert for_commands(SECRETS | PLAIN, ["GITHUB_TOKEN", "ABSENT"]) == PLAIN | {"GITHUB_TOKEN": "e"}


def test_a_key_too_short_to_be_one_leaves_other_variables_alone() -> None:
    assert for_commands({"OLLAMA_API_KEY": "none", "LEVEL": "none of it"}) == {"LEVEL": "none of it"}


@pytest.mark.parametrize("asked", [False, True], ids=["by default", "asked for"])
def test_neither_command_is_shown_a_key(orch: Orch, user_files: Path, asked: bool) -> None:
    verified, told, config = user_files / "verified", user_files / "told", user_files / "config.yaml"
    config.write_text(
        f"on_alert: sh -c 'env > {told}'\nverify: sh -c 'env > {verified}'\n"
        + ("pass_variables: [OPENAI_API_KEY]\n" if asked else "")
    )
    orch("budget", "set", "--daily", "0.0001", "--simulate")
    ask = ["run", "--simulate", "-p", "What is 2 + 2?", "--chain", "claude-haiku-5-5", "--config", str(config)]
    for _ in range(9):  # until half of it is spent
        orch(*ask, "--max-tokens", "20", **SECRETS, MARKER="seen")
    for seen in (verified.read_text(), told.read_text()):
        variables = dict(line.split("=", 1) for line in seen.splitlines() if "=" in line)
        assert variables["MARKER"] == "seen"
        assert variables.get("OPENAI_API_KEY") == (SECRETS["OPENAI_API_KEY"] if asked else None)
        assert not variables.keys() & (SECRETS.keys() - {"OPENAI_API_KEY"})
