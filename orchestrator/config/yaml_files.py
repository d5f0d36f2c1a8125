"""YAML files and the cache of their parsed form: a command need not parse what an earlier one has parsed.

The cache holds each parsed document as JSON, after a digest of the parser, the document and that JSON. If one of them
changes, the document is parsed again. Whatever is wrong with the cache, a document is read as if there were none.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ConfigError, UsageError
from ..files import is_private, replacing
from .yaml_value import Scalar, Value, path_to

MAX_BYTES = 1 << 20
_MOST_KEPT = 50  # files: a program may name another one each time
_PARSER = ("yaml_document.py", "yaml_value.py", "yaml_files.py")  # what makes a document what it is when read again


def read_document(path: Path, keep_in: Path | None = None) -> Value:
    """The value of a file. Raises ConfigError if the file cannot be read or is not in the accepted subset.

    `keep_in` is the cache directory; None means no cache.
    """
    data, source = contents(path), str(path)
    kept = None if keep_in is None else _kept(_place(keep_in, path), data)
    if kept is not None:
        return _value(kept, source)
    from .yaml_document import parse_bytes  # heavy

    document = parse_bytes(data, source)
    if keep_in is not None:
        _keep(_place(keep_in, path), data, document)
    return document


def is_there(path: Path) -> bool:
    """Whether a path exists. Raises ConfigError if that cannot be told, as below a closed folder."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return True


def _unreadable(path: Path, error: OSError | ValueError) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) else str(error)  # ValueError: a NUL in the path
    return ConfigError(f"{path}: cannot be read: {reason}")


def contents(path: Path) -> bytes:
    """A whole file of at most `MAX_BYTES`. Raises ConfigError if it cannot be read or is larger."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # opening one could wait for ever
            raise ConfigError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES // 1024:,} KiB")
    return data


def _place(folder: Path, path: Path) -> Path:
    """The cache file of a path, so that a changed file replaces its own entry."""
    return folder / hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]


def _kept(place: Path, data: bytes) -> Any:
    """The cached value for the same data; None if there is none."""
    try:
        if not is_private(place.parent):
            return None
        digest, _, body = place.read_bytes().partition(b"\n")
        return json.loads(body) if digest == _digest(data, body) else None
    except OSError:
        return None


def _keep(place: Path, data: bytes, document: Value) -> None:
    folder = place.parent
    body = json.dumps(_shape(document), ensure_ascii=False, separators=(",", ":")).encode()
    with suppress(OSError, UsageError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_private(folder):
            return
        with replacing(place) as stream:
            stream.write(_digest(data, body) + b"\n" + body)
        for oldest in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-_MOST_KEPT]:
            oldest.unlink(missing_ok=True)


def _digest(data: bytes, body: bytes) -> bytes:
    whole = _parser_digest() + hashlib.sha256(data).digest() + hashlib.sha256(body).digest()
    return hashlib.sha256(whole).hexdigest().encode()


@cache
def _parser_digest() -> bytes:
    """The digest of the parser's source. Raises OSError if the modules were installed without it."""
    texts = b"\0".join(Path(__file__).with_name(name).read_bytes() for name in _PARSER)
    return hashlib.sha256(texts).digest()


def _shape(value: Value) -> list[Any]:
    """A value as JSON: its line and its content, and 0 after quoted text."""
    content = value.content
    if isinstance(content, Scalar):
        return [value.line, content.written] if content.plain else [value.line, content.written, 0]
    if isinstance(content, tuple):
        return [value.line, [_shape(item) for item in content]]
    return [value.line, {key: _shape(entry) for key, entry in content.items()}]


def _value(shape: list[Any], source: str, path: str = "", key: str = "") -> Value:
    line, inner = shape[0], shape[1]
    content: Scalar | tuple[Value, ...] | dict[str, Value]
    if isinstance(inner, str):
        content = Scalar(inner, len(shape) == 2)
    elif isinstance(inner, list):
        content = tuple(_value(item, source, f"{path}[{place}]") for place, item in enumerate(inner))
    else:
        content = {name: _value(entry, source, path_to(name, path), name) for name, entry in inner.items()}
    return Value(source, line, path, content, key)
