"""Starter files: what they hold, whether they load, and putting them where orch reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from ..config import load_settings
from ..config.yaml_files import is_there
from ..deferred import dataclass
from ..errors import ConfigError, UsageError
from ..files import replacing
from ..registry.loading import load_registry

Files = Mapping[str, str]  # the name of a file in the config directory -> its text

CONFIG, CHAINS, MODELS, ROUTING = "config.yaml", "chains.yaml", "models.yaml", "routing.yaml"
_TEMPLATES = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Written:
    """What became of starter files: those written, those left as they were, and the copies of those replaced."""

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    copies: tuple[str, ...]


def starter_files() -> dict[str, str]:
    """A commented start for somebody who has nothing yet."""
    return {name: (_TEMPLATES / name).read_text("utf-8") for name in (CONFIG, CHAINS, MODELS)}


def check(files: Files, *, models_file: Path | None = None) -> None:
    """Read the files as orch would, beside the user's models. Raises ConfigError."""
    with TemporaryDirectory(prefix="orch-init-") as folder:
        place = Path(folder)
        for name, text in files.items():
            (place / name).write_text(text, "utf-8")
        load_registry(models_file=models_file, chains_file=None, config_dir=place)
        if CONFIG in files:
            load_settings({}, config=place / CONFIG)


def write(files: Files, folder: Path, *, force: bool, together: bool) -> Written:
    """Put the files into a folder, which is made if need be (mode 0700; the files 0600).

    A file that is there stays as it is, and with `together` none is written then; `force` replaces it, and keeps a copy
    as NAME.old. Raises UsageError if nothing could be written, and ConfigError if the folder cannot be made.
    """
    there = [name for name in files if is_there(folder / name)]
    if there and not force and (together or len(there) == len(files)):
        raise UsageError(
            f"{', '.join(str(folder / name) for name in there)}: there already; nothing was written",
            hint="--force replaces what is there and keeps a copy; --print only shows what would be written",
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        previous = {name: (folder / name).read_bytes() for name in there if force}
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror or error}") from error
    for name, content in previous.items():
        _put(folder / f"{name}.old", content)
    wanted = [name for name in files if force or name not in there]
    for name in wanted:
        _put(folder / name, files[name].encode())
    kept = tuple(name for name in there if not force)
    return Written(folder, tuple(wanted), kept, tuple(f"{name}.old" for name in previous))


def _put(path: Path, content: bytes) -> None:
    with replacing(path) as stream:
        stream.write(content)
