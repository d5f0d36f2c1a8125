"""The script that draws charts, which is inside vl-convert: to bundle it takes more than a second, so it is kept.

It is kept in the cache directory, by a digest of the installed library. If that file is damaged, or others can have
written it, the script is bundled again.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from ..distribution import with_extra
from ..errors import ConfigError, UsageError
from ..files import is_private, replacing

_NAME = "vl_convert"


def vl_convert() -> ModuleType:
    """The library. Raises ConfigError where the extra is not installed."""
    try:
        import vl_convert  # heavy
    except ImportError as error:
        raise ConfigError("charts need vl-convert, which is not installed", hint=with_extra("charts")) from error
    return vl_convert


def has_library() -> bool:
    """Whether the extra for charts is installed. Imports nothing."""
    return find_spec(_NAME) is not None


def script(keep_in: Path | None = None) -> str:
    """The script, kept in this folder; None means nowhere. It is bundled once in a process at most."""
    if keep_in is None:
        return _bundle()
    place = keep_in / f"{_installed()}.js"
    kept = _kept(place)
    if kept is not None:
        return kept
    _keep(place, _bundle().encode())
    return _bundle()


@cache
def _bundle() -> str:
    bundle: str = vl_convert().javascript_bundle()
    return bundle


def _installed() -> str:
    """A digest that changes with the library: of the names, sizes and times of its files, none of which is read."""
    spec = find_spec(_NAME)
    found = sorted(Path(spec.origin).parent.iterdir()) if spec is not None and spec.origin is not None else []
    known = [(str(file), status.st_size, status.st_mtime_ns) for file in found for status in (file.stat(),)]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def _kept(place: Path) -> str | None:
    try:
        if not is_private(place.parent):
            return None
        digest, _, body = place.read_bytes().partition(b"\n")
        return body.decode() if digest == _digest(body) else None
    except (OSError, UnicodeDecodeError):
        return None


def _keep(place: Path, body: bytes) -> None:
    folder = place.parent
    with suppress(OSError, UsageError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_private(folder):
            return
        with replacing(place) as stream:
            stream.write(_digest(body) + b"\n" + body)
        for other in folder.glob("*.js"):
            if other != place:
                other.unlink(missing_ok=True)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
