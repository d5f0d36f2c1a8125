"""Fixtures for all tests. No test can reach the user's files, keys or network addresses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import stamina

# No time limit for an example, since a machine may be busy; no database, since it would be written into the checkout.
hypothesis.settings.register_profile("orch", deadline=None, database=None)
hypothesis.settings.load_profile("orch")

_OURS = ("ORCH_", "ANTHROPIC_", "OPENAI_", "GEMINI_", "GOOGLE_", "CEREBRAS_", "OPENROUTER_", "DEEPSEEK_", "VLLM_")


@pytest.fixture(autouse=True)
def user_files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test, with no key, setting or ledger in it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("UV_CACHE_DIR", os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv"))
    for name in list(os.environ):
        if name.startswith(_OURS) or name.startswith("XDG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "*")
    return home


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries happen at once; how long they would have waited is tested where it is decided."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield
