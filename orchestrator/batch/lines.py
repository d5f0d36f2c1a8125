"""A line of the input as it is asked: from a JSON object, a row of a table, or a text alone.

{"prompt": "..."}                                      or "messages"; "id", "system", any option of a run beside it
{"custom_id": "...", "method": "POST", "url": "/v1/chat/completions", "body": {...}}     OpenAI's batch file
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..config.json_options import read_option, typed
from ..deferred import dataclass, replace
from ..errors import ConfigError, OrchError, UsageError
from ..reading.messages import from_openai, joined_system
from ..reading.tool_definitions import parse_tools
from ..types import Prompt
from .filling import Filling
from .openai_form import CUSTOM_ID, is_request, read_request

Id = str | int
_LONGEST_ID = 512
_OWN = ("id", CUSTOM_ID, "prompt", "messages", "system")
_NOT_BY_LINE = {
    "verify": "it is a command, which data must not bring: give it with --verify",
    "stream": "a batch does not stream",
}
_MODEL, _STRATEGY = "model", "strategy"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the input. `number` is where it begins in the file, from 1; `id` its own or its number; `digest` 64
    bits of the hash of what is written there.

    `given` are its own options, by their Python names and `strategy`. With an `error` it cannot be asked, and `prompt`
    is None.
    """

    number: int
    id: Id
    digest: int
    prompt: Prompt | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    error: OrchError | None = None


@dataclass(frozen=True, slots=True)
class Common:
    """What all lines have in common: a `filling` makes the prompt of each line's fields."""

    filling: Filling | None = None
    system: str | None = None


def digest_of_line(text: str) -> int:
    """64 bits of the hash of a line's text, as SQLite stores an integer."""
    whole = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(whole[:8], "big", signed=True)


def broken(number: int, text: str, problem: str, *, hint: str | None = None, named: object = None) -> Line:
    """A line that cannot be read. `named` is its id, as far as it is known."""
    own = named if _is_id(named) else number
    return Line(number, own, digest_of_line(text), error=UsageError(f"line {number:,}: {problem}", hint=hint))  # type: ignore[arg-type]  # _is_id has told


def line_of_text(number: int, text: str, common: Common) -> Line:
    """A line that is a prompt."""
    asked = text if common.filling is None else common.filling.of({"line": text})
    return Line(number, number, digest_of_line(text), Prompt(asked, common.system))


def line_of_row(number: int, text: str, row: Mapping[str, str], common: Common) -> Line:
    """A row of a table: the prompt is made of its columns, or is the column `prompt`."""
    try:
        asked = row["prompt"] if common.filling is None else common.filling.of(row)
    except UsageError as error:
        return broken(number, text, error.message, hint=error.hint)
    named = row.get("id") or number
    if not asked.strip():
        return broken(number, text, "there is no prompt", named=named)
    system = joined_system(common.system, row.get("system"))
    return Line(number, named, digest_of_line(text), Prompt(asked, system))


def line_of_object(number: int, text: str, value: Any, common: Common) -> Line:
    """A JSON value: an object with a prompt or messages, or a request of OpenAI's batch file."""
    if not isinstance(value, dict):
        return broken(number, text, 'expected an object such as {"prompt": "Why?"}')
    named = value.get(CUSTOM_ID, value.get("id"))
    try:
        own = _checked_id(named, number)
        if is_request(value):
            prompt, given = read_request(value)
        elif common.filling is not None:
            prompt, given = Prompt(common.filling.of(value), _text(value, "system")), {}
        else:
            prompt, given = _prompt_in(value), _options_in(value)
        if common.system is not None:
            prompt = replace(prompt, system=joined_system(common.system, prompt.system))
        return Line(number, own, digest_of_line(text), prompt, given)
    except (UsageError, ConfigError) as error:
        return broken(number, text, error.message, hint=error.hint, named=named)


def _prompt_in(value: Mapping[str, Any]) -> Prompt:
    text, messages, system = _text(value, "prompt"), value.get("messages"), _text(value, "system")
    if (text is None) == (messages is None):
        both = "prompt and messages both say what is asked" if text is not None else "there is no prompt"
        raise UsageError(both, hint='each line is an object such as {"prompt": "Why?"}, or has "messages"')
    if messages is None:
        assert text is not None
        if not text.strip():
            raise UsageError("prompt: is empty")
        return Prompt(text, system)
    said = from_openai(messages)
    return said if system is None else replace(said, system=joined_system(system, said.system))


def _options_in(value: Mapping[str, Any]) -> dict[str, Any]:
    """The line's own options of a run, by their Python names."""
    given: dict[str, Any] = {}
    for name, written in value.items():
        if name in _OWN or written is None:
            continue
        if name == _STRATEGY:
            given[_STRATEGY] = typed(written, str, name, "text")
        elif name == "tools":
            given["tools"] = parse_tools(written)
        elif name == _MODEL:
            given["chain"] = typed(written, str, name, "the name of a model")
        else:
            option, read = read_option(name, written, name, _NOT_BY_LINE, (*_OWN, _MODEL, _STRATEGY))
            given[option] = read
    return given


def _text(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return None if found is None else str(typed(found, str, name, "text"))


def _checked_id(named: object, number: int) -> Id:
    if named is None:
        return number
    if not _is_id(named):
        raise UsageError(f"id: expected a text of up to {_LONGEST_ID} characters, or a whole number")
    return named  # type: ignore[return-value]  # _is_id has told


def _is_id(named: object) -> bool:
    if isinstance(named, bool):
        return False
    return isinstance(named, int) or (isinstance(named, str) and 0 < len(named) <= _LONGEST_ID)
