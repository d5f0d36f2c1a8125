"""A command line carried out in this process, as far as a test can tell in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO
from unittest import mock

import pytest
import stamina

from orchestrator.__main__ import main


def run_in_process(
    *argv: str | bytes, stdin: bytes = b"", environ: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """What `orch ARGV` printed, and its exit code; `environ` is added to the environment.

    File descriptors 0, 1 and 2 are files while it runs, so that what it starts reads and writes them as well. What a
    process takes from its start is not seen: locale, PYTHON* variables, signals and the modules that are loaded.
    """
    assert threading.current_thread() is threading.main_thread(), "the standard streams belong to the whole process"
    words = [os.fsdecode(word) for word in argv]
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(stdin)
        files[0].seek(0)
        with _environment(environ), _state_of_libraries(), _descriptors(files), _standard_streams():
            code = _exit_code(["orch", *words])
        files[1].seek(0)
        files[2].seek(0)
        return subprocess.CompletedProcess(["orch", *words], code, files[1].read(), files[2].read())


def _exit_code(argv: list[str]) -> int:
    with mock.patch.object(sys, "argv", argv), pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """`time` knows of a TZ only when it is told, here and after."""
    try:
        with mock.patch.dict(os.environ, environ):
            if "TZ" in environ:
                time.tzset()
            yield
    finally:
        if "TZ" in environ:
            time.tzset()


@contextmanager
def _state_of_libraries() -> Iterator[None]:
    """Commands silence what libraries would print, for as long as the process lasts."""
    hooks = stamina.instrumentation.get_on_retry_hooks()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)


@contextmanager
def _descriptors(files: Sequence[IO[bytes]]) -> Iterator[None]:
    before = [os.dup(number) for number in range(3)]
    try:
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        yield
    finally:
        for number, kept in enumerate(before):
            os.dup2(kept, number)
            os.close(kept)


@contextmanager
def _standard_streams() -> Iterator[None]:
    """Streams over file descriptors 0, 1 and 2, as Python makes them for pipes under UTF-8."""
    with (
        _stream(0, "rb", "strict") as stdin,
        _stream(1, "wb", "strict") as stdout,
        _stream(2, "wb", "backslashreplace", line_buffering=True) as stderr,
        mock.patch.multiple(sys, stdin=stdin, stdout=stdout, stderr=stderr),
    ):
        yield


def _stream(number: int, mode: str, errors: str, *, line_buffering: bool = False) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        open(number, mode, closefd=False),  # the wrapper closes it
        encoding="utf-8",
        errors=errors,
        line_buffering=line_buffering,
    )
