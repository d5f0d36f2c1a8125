"""What `--output` asks for: text, one JSON object on stdout, or text on stdout and the object in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from ..deferred import dataclass
from ..errors import UsageError
from ..files import replacing
from . import render

_OPTIONS = ("--output", "-o")


@dataclass(frozen=True, slots=True)
class Output:
    """`json` prints the object; `file` takes it."""

    json: bool = False
    file: Path | None = None

    @classmethod
    def parse(cls, wanted: str) -> Self:
        """Raises UsageError for anything but `text`, `json` and a file name that ends in .json."""
        if wanted in ("text", "json"):
            return cls(json=wanted == "json")
        if not wanted.endswith(".json"):
            raise UsageError(f"--output takes text, json or a file name that ends in .json, not {wanted!r}")
        return cls(file=writable_file(wanted))

    @classmethod
    def asked_for_in(cls, argv: Sequence[str]) -> Self:
        """What a command line asks for, as far as can be told of one that may not even parse."""
        for word, following in pairwise([*argv, ""]):
            option, joined, value = word.partition("=")
            if option in _OPTIONS:
                wanted = value if joined else following
            elif word.startswith("-o"):
                wanted = word[2:]
            else:
                continue
            try:
                return cls.parse(wanted)
            except UsageError:
                break
        return cls()

    def emit(self, document: Mapping[str, Any]) -> None:
        """Print or write the object, if it was asked for. Raises UsageError if the file cannot be written."""
        if self.json:
            render.line(render.as_json(document))
        if self.file is not None:
            with replacing(self.file) as stream:
                stream.write(f"{render.as_json(document, indent=2)}\n".encode())


def writable_file(wanted: str) -> Path:
    """The path of a file that can be written, as `--output` names it. Raises UsageError."""
    file = Path(wanted)
    try:
        if not file.parent.is_dir():
            raise UsageError(f"--output: there is no folder {file.parent}")
        writable = not file.is_dir() and os.access(file if file.exists() else file.parent, os.W_OK)
    except OSError as error:  # a closed folder on the way, or a name that is too long
        raise UsageError(f"--output: {file} cannot be written: {error.strerror}") from None
    if not writable:
        raise UsageError(f"--output: {file} cannot be written")
    return file
