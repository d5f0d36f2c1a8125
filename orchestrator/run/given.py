"""What a Python caller gives, as a run takes it: options by their Python names, and what is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Unpack

from ..confidence.signals.schema import check_schema
from ..config import RunOptions, Settings
from ..config.ages import age_s
from ..config.options import OPTIONS, Kind, Option, asked_for
from ..config.parameters import RunParameters
from ..deferred import replace
from ..errors import UsageError, did_you_mean
from ..money import dollars_to_nanousd
from ..reading.attachments import attach, read_attachments
from ..reading.media import read_media, with_media
from ..reading.messages import from_openai, joined_system
from ..registry.model import Registry
from ..types import Prompt

Dollars = Decimal | float | str
Messages = Sequence[Mapping[str, Any]]  # a conversation in OpenAI's form


def options_of(settings: Settings, *, strategy: str | None = None, **given: Unpack[RunParameters]) -> RunOptions:
    """The parameters of a Python caller over the user's settings. None means not given; without a strategy, a parameter
    may imply one.

    Raises UsageError for a value that cannot be read and for options that contradict each other, and TypeError for an
    unknown name.
    """
    fields, names = _python_names()
    unknown = next((name for name in given if name not in fields), None)
    if unknown is not None:
        raise TypeError(f"a run has no option {unknown!r}: {did_you_mean(unknown, fields) or 'see docs/options.md'}")
    values = {fields[name]: _read(OPTIONS[fields[name]], value) for name, value in given.items()}
    asked = asked_for(settings.run, values | {"strategy": strategy}, names)
    if "threshold" in asked.given and strategy == "fallback" and asked.threshold == RunOptions().threshold:
        # run_with_fallback always gives it, whatever its chain is: what is the default need not be of use.
        return replace(asked, given={name: each for name, each in asked.given.items() if name != "threshold"})
    return asked


def options_over(options: RunOptions, given: Mapping[str, Any]) -> RunOptions:
    """The options with others over them, by their Python names and `strategy`. Raises UsageError as `options_of` does.

    Another strategy, or one that is implied, need not take what was given for the first one.
    """
    fields, names = _python_names()
    values = {fields.get(name, name): _given(name, value) for name, value in given.items()}
    asked = asked_for(options, values, names)
    if asked.strategy != options.strategy:
        return asked
    return replace(asked, given={**options.given, **asked.given})


def _given(name: str, value: Any) -> Any:
    return value if name == "strategy" else _read(OPTIONS[_python_names()[0][name]], value)


@cache
def _python_names() -> tuple[dict[str, str], dict[str, str]]:
    """The field of each Python parameter, and the parameter of each field."""
    fields = {option.python_name: name for name, option in OPTIONS.items() if option.python_name}
    return fields, {field: name for name, field in fields.items()} | {"strategy": "strategy"}


def _read(option: Option, value: Any) -> Any:
    """A parameter, converted for the run. Raises UsageError."""
    if value is None:
        return None
    match option.kind:
        case Kind.CHAIN:
            return value if isinstance(value, str) else ",".join(value)
        case Kind.NAMES | Kind.TEXTS | Kind.TOOLS:
            return tuple(value)
        case Kind.DOLLARS:
            return nanousd_of(option.python_name, value)
        case Kind.AGE:
            return _age(option.python_name, value)
        case Kind.SCHEMA:
            return check_schema(value)
        case Kind.TEXT if option.choices is not None:
            return _choice(option.python_name, option.choices, value)
    return value


def prompt_given(
    text: str | None,
    messages: Messages | None,
    system: str | None,
    context: str | Sequence[str],
    registry: Registry,
) -> Prompt:
    """The prompt with a text or with files as its context; or a conversation."""
    if messages is not None:
        if text is not None or not isinstance(context or "", str):
            raise UsageError("messages are given, and with them all that is asked: leave out prompt and files")
        said = from_openai(messages)
        said = said if system is None else replace(said, system=joined_system(system, said.system))
        return _with_context(said, str(context or ""))
    if text is None:
        raise UsageError("there is no prompt and there are no messages")
    if isinstance(context, str):
        return Prompt(f"{text}\n\n{context}" if context.strip() else text, system, context)
    if not context:
        return Prompt(text, system)
    return attach(text, system, read_attachments(context, stdin=None, window=registry.largest_window).text)


def _with_context(said: Prompt, context: str) -> Prompt:
    """The conversation with a text behind its question."""
    if not context.strip():
        return said
    parts = (*said.parts, f"\n{context}") if said.parts else ()
    return replace(said, text=f"{said.text}\n\n{context}", parts=parts, context=context)


async def with_attached(prompt: Prompt, named: Sequence[str], *, simulate: bool) -> Prompt:
    """The prompt with images and documents by their paths and addresses. A simulated run fetches nothing."""
    from ..providers.download import downloaded  # few prompts have any

    media = await asyncio.to_thread(read_media, named, "attach", None if simulate else downloaded)
    return with_media(prompt, media)


def _choice(name: str, choices: type[StrEnum], value: Any) -> StrEnum:
    try:
        return choices(value)
    except ValueError as error:
        raise UsageError(f"{name} takes {' or '.join(choices)}, not {value!r}") from error


def _age(name: str, value: Any) -> float:
    try:
        return age_s(value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def nanousd_of(name: str, dollars: Dollars) -> int:
    """An amount in dollars as nano-dollars; `name` is the parameter's. Raises UsageError."""
    try:
        return dollars_to_nanousd(dollars)
    except (ArithmeticError, ValueError) as error:
        raise UsageError(f"{name} takes an amount in dollars, not {dollars!r}") from error
