"""The engine that all calls of the Python interface share in a process, so that a loop over prompts sets up once.

It is replaced when the environment, the current directory or one of the settings files changes: what a program sets
between two calls applies to the second.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from ..config import Settings, load_settings
from ..deferred import dataclass
from .engine import Engine
from .portal import Portal

_Stamp = tuple[int, int, int]  # of a file: when it was changed, in nanoseconds, its size and its inode


@dataclass(frozen=True, slots=True)
class _Shared:
    """An engine, and what it was made from."""

    engine: Engine
    simulate: bool | None
    environ: Mapping[str, str]
    folder: str | None
    files: Mapping[Path, _Stamp | None]

    def is_current(self, simulate: bool | None) -> bool:
        """Whether everything that the engine was made from is unchanged."""
        return (
            self.simulate == simulate
            and self.environ == os.environ
            and self.folder == _folder()
            and all(_stamp(path) == stamp for path, stamp in self.files.items())
        )


PORTAL = Portal()
_lock = threading.Lock()
_shared: _Shared | None = None


def engine_for(simulate: bool | None) -> Engine:
    """The process's engine, which stays open from its first run on. Raises ConfigError."""
    global _shared
    with _lock:
        if _shared is not None and _shared.is_current(simulate):
            return _shared.engine
        environ = dict(os.environ)
        settings = load_settings(environ, simulate=simulate)
        files = {path: _stamp(path) for path in _sources(settings)}
        engine = Engine(settings)
        engine.keep_open()
        replaced, _shared = _shared, _Shared(engine, simulate, environ, _folder(), files)
    if replaced is not None:
        PORTAL.start(replaced.engine.aclose())  # once its runs have ended
    return engine


def close() -> None:
    """Close the process's engine, if there is one."""
    global _shared
    with _lock:
        closing, _shared = _shared, None
    if closing is not None:
        PORTAL.run(closing.engine.aclose())
    PORTAL.close()


def _sources(settings: Settings) -> list[Path]:
    """The files that an engine is made from, including those that do not exist yet."""
    usual = [settings.config_dir / f"{name}.yaml" for name in ("config", "models", "chains", "routing")]
    named = (settings.config_file, settings.models_file, settings.chains_file, settings.routing_file, settings.scenario)
    return [*usual, settings.tuned_file, *(path for path in named if path is not None)]


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # a Path would cost more than the call
    except FileNotFoundError:
        return None


def _after_fork() -> None:
    """Drop the engine in a forked process, which has none of the parent's threads and must not use its ledger."""
    global _lock, _shared
    _lock, _shared = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(close)
