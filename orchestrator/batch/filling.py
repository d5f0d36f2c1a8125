"""Prompts that are made of fields: `Translate {text} into {language}`.

A brace is written twice to stand for itself. The text is taken apart once, before anything is put in: what a field
holds is never looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from ..deferred import dataclass
from ..errors import UsageError, did_you_mean
from ..expressions import expression

_PLACE = expression(r"\{\{|\}\}|\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Filling:
    """A text with places for fields: `texts` stand around the `names`."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, written: str) -> Filling:
        """Raises UsageError for a text without a place for a field, with which all prompts would be the same."""
        texts, names, end = [""], [], 0
        for found in _PLACE.finditer(written):
            texts[-1] += written[end : found.start()]
            end = found.end()
            if found[1] is None:
                texts[-1] += found[0][0]
            else:
                names.append(found[1].strip())
                texts.append("")
        texts[-1] += written[end:]
        if not names:
            raise UsageError(
                "--prompt has no place for a field, so every line would ask the same",
                hint='name columns in braces: --prompt "Translate {text} into {language}"; of plain lines, {line}',
            )
        return cls(tuple(texts), tuple(names))

    def check(self, columns: Collection[str]) -> None:
        """Raises UsageError for the first name that is no column."""
        for name in self.names:
            if name not in columns:
                known = did_you_mean(name, columns) or f"there are: {', '.join(list(columns)[:20])}"
                raise UsageError(f"there is no column {name[:60]!r} for {{{name[:60]}}}", hint=known)

    def of(self, fields: Mapping[str, Any]) -> str:
        """The text with the fields of a line: a text as it is, anything else as JSON. Raises UsageError for a field
        that is not there."""
        self.check(fields.keys())
        values = [fields[name] for name in self.names]
        put_in = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
        return "".join(piece for pair in zip(self.texts, [*put_in, ""], strict=True) for piece in pair)
