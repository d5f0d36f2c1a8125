"""Where other tools keep their logs, and the files that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import UsageError
from . import claude_code, codex, gemini_cli
from .record import Source, Told, UsageRecord

Reader = Callable[[Path, Told], Iterator[UsageRecord]]

READERS: Mapping[Source, tuple[Reader, tuple[str, ...]]] = {
    Source.CLAUDE_CODE: (claude_code.read, claude_code.PATTERNS),
    Source.CODEX: (codex.read, codex.PATTERNS),
    Source.GEMINI_CLI: (gemini_cli.read, gemini_cli.PATTERNS),
}


def usual_places(source: Source, environ: Mapping[str, str], home: Path) -> list[Path]:
    """The folders in which a tool keeps its logs, by its own variables."""
    match source:
        case Source.CLAUDE_CODE:
            named = [Path(each.strip()) for each in environ.get("CLAUDE_CONFIG_DIR", "").split(",") if each.strip()]
            folders = named or [home / ".config" / "claude", home / ".claude"]
            return [folder / "projects" for folder in folders]
        case Source.CODEX:
            folder = Path(environ.get("CODEX_HOME") or home / ".codex")
            return [folder / "sessions", folder / "archived_sessions"]
        case Source.GEMINI_CLI:
            return [home / ".gemini" / "tmp"]
        case Source.OPENAI | Source.ANTHROPIC:
            return []


def log_files(source: Source, path: Path | None, environ: Mapping[str, str], home: Path) -> list[Path]:
    """The logs to read, in order: the file, those below the folder, or those in the usual places.

    Raises UsageError if there are none.
    """
    _, patterns = READERS[source]
    places = [path] if path is not None else usual_places(source, environ, home)
    if path is not None and not path.exists():
        raise UsageError(f"there is no file or folder {path}")
    files = {found for place in places for found in _files(place, patterns)}
    if not files:
        looked = " and ".join(str(place) for place in places)
        raise UsageError(f"there are no logs of {source} in {looked}", hint="name the folder or the file that has them")
    return sorted(files)


def _files(place: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    found = [file for pattern in patterns for file in place.glob(pattern) if file.is_file()]
    if not found:  # the folder of the sessions itself
        names = {pattern.rsplit("/", 1)[-1] for pattern in patterns}
        found = [file for name in names for file in place.glob(name) if file.is_file()]
    yield from found
