"""The file that holds what was tuned, and what it held before: `tuned.yaml`, `tuned.yaml.1`, `tuned.yaml.2` ...

A number is given to what is replaced, the newest having the highest; an empty one says that there was no file. Each
file appears whole or not at all, so a tuning that is broken off leaves what was there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError, UsageError
from ..files import replacing
from ..settings import Tuned, read_tuned


def as_yaml(tuned: Tuned, comment: Sequence[str]) -> str:
    """The file's text: the comment's lines, then the values that were tuned."""
    lines = [f"# {line}".rstrip() for line in comment]
    if tuned.threshold is not None:
        lines.append(f"threshold: {_number(tuned.threshold)}")
    if tuned.complexity_cuts is not None:
        lines.append(f"complexity: {{cuts: [{', '.join(map(_number, tuned.complexity_cuts))}]}}")
    if tuned.calibration is not None:
        slope, intercept = _number(tuned.calibration.slope), _number(tuned.calibration.intercept)
        lines.append(f"confidence: {{slope: {slope}, intercept: {intercept}}}")
    return "\n".join(lines) + "\n"


def merged(path: Path, tuned: Tuned) -> Tuned:
    """What was tuned now, and of what was tuned earlier the rest."""
    earlier = read_tuned(path) if path.exists() else Tuned()
    return Tuned(
        threshold=earlier.threshold if tuned.threshold is None else tuned.threshold,
        complexity_cuts=tuned.complexity_cuts or earlier.complexity_cuts,
        calibration=tuned.calibration or earlier.calibration,
    )


def write_tuned(path: Path, tuned: Tuned, comment: Sequence[str]) -> None:
    """Write the file, and keep what was there. Raises ConfigError if that cannot be done."""
    text = as_yaml(tuned, comment)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        _keep(path, before)
        with replacing(path) as stream:
            stream.write(text.encode())
    except (OSError, UsageError) as error:
        raise _unwritable(path, error) from error


def undo(path: Path) -> bool:
    """Bring back what the file was before, byte for byte; gives whether there is a file now. Undoing again goes on.

    Raises UsageError if there is nothing to undo, and ConfigError if it cannot be written.
    """
    kept = history(path)
    if not kept:
        raise UsageError(f"there is no tuning to undo beside {path}", hint="orch tune --show says what is in force")
    newest = kept[-1]
    try:
        before = newest.read_bytes()
        if before:
            with replacing(path) as stream:
                stream.write(before)
        else:
            path.unlink(missing_ok=True)
        newest.unlink()
    except (OSError, UsageError) as error:
        raise _unwritable(path, error) from error
    return bool(before)


def history(path: Path) -> list[Path]:
    """What was replaced, the newest last."""
    numbered = {
        int(number): found
        for found in path.parent.glob(f"{path.name}.*")
        if (number := found.name.removeprefix(f"{path.name}.")).isascii() and number.isdigit()
    }
    return [numbered[number] for number in sorted(numbered)]


def _keep(path: Path, before: bytes) -> None:
    """Write the bytes under the next number, without ever taking one that another process has just taken."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(before)
            stream.flush()
            os.fsync(stream.fileno())
        while True:
            kept = history(path)
            number = int(kept[-1].suffix[1:]) + 1 if kept else 1
            with suppress(FileExistsError):
                _link(Path(name), path.with_name(f"{path.name}.{number}"))
                return
    finally:
        Path(name).unlink()


def _link(found: Path, name: Path) -> None:
    """Another name for a file. Raises FileExistsError if it is taken: unlike a rename, this replaces nothing."""
    try:
        name.hardlink_to(found)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: there the copy may be seen half written
        with name.open("xb") as copy:
            copy.write(found.read_bytes())


def _unwritable(path: Path, error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConfigError(
        f"{path} cannot be written: {reason}",
        hint="nothing was changed; --config names a config file elsewhere, and --dry-run writes nothing",
    )


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").removesuffix(".")
