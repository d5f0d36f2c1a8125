"""Fixtures for all tests. No test can reach the user's files, keys or network addresses."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
import stamina
from in_process import run_in_process
from patience import PATIENCE_S

from orchestrator.config.yaml_files import read_document
from orchestrator.ledger import store
from orchestrator.ledger.schema import migrate, version_of
from orchestrator.registry import loading
from orchestrator.registry.providers import variable_prefixes

# The same examples in every run; no time limit for one, since a machine may be busy; no database, since it would be
# written into the checkout.
hypothesis.settings.register_profile("orch", deadline=None, database=None, derandomize=True)
hypothesis.settings.load_profile("orch")

T = TypeVar("T")

_OURS = variable_prefixes()


@pytest.fixture(scope="session", autouse=True)
def new_ledgers_are_copies() -> Iterator[None]:
    """A new ledger takes some milliseconds to make, which thousands of tests need not repeat: it is made once for a
    worker and copied. What tests migrations has a ledger with a version, or a process of its own."""
    made, lock = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), threading.Lock()
    migrate(made)

    def copied(connection: sqlite3.Connection) -> bool:
        connection.execute("PRAGMA synchronous = OFF")  # see nothing_waits_for_the_disk
        if version_of(connection):
            return migrate(connection)
        with lock:
            made.backup(connection)
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "migrate", copied)
        yield
    made.close()


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """No test cuts the power: what a process wrote is there for the next one, on the disk or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def shipped_files_are_read_once() -> Iterator[None]:
    """A home of its own has no cache of parsed files: each test would read models, chains and routing anew, 60 ms."""
    shipped = {loading.shipped(name) for name in ("models.yaml", "chains.yaml", "routing.yaml")}

    def once(read: Callable[[Path, Path | None], T]) -> Callable[[Path, Path | None], T]:
        kept: dict[Path, T] = {}

        def reading(path: Path, keep_in: Path | None = None) -> T:
            if path not in shipped:
                return read(path, keep_in)
            if path not in kept:
                kept[path] = read(path, None)
            return kept[path]

        return reading

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "read_document", once(read_document))
        patch.setattr(loading, "_entries_of", once(loading._entries_of))
        yield


@pytest.fixture(autouse=True)
def user_files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test, with no key, setting or ledger in it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("UV_CACHE_DIR", os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv"))
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "*")
    return home


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries happen at once; how long they would have waited is tested where it is decided."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture
def orch(user_files: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Carries out a command line, with a home of its own; `environ` is added to the environment.

    It does so in this process, which takes a tenth of the time. Where a process is the point: `orch_process`.
    """

    def run(*argv: str | bytes, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        return run_in_process(*argv, stdin=stdin, environ=environ)

    return run


@pytest.fixture
def orch_process(user_files: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """As `orch`, in a process of its own: for start-up, the encoding of the process, and what is left at its end."""

    def run(*argv: str | bytes, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *argv],
            input=stdin,
            capture_output=True,
            env={**os.environ, **environ},
            timeout=PATIENCE_S,
            check=False,
        )

    return run
