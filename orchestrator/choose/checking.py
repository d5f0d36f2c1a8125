"""Checks a prompt and options before a plan is made."""

from __future__ import annotations

import shutil
from functools import cache

from ..command_line import words_of
from ..config import RunOptions
from ..config.options import OPTIONS, Failure, Option, Requirement
from ..config.tool_choice import choice_among
from ..errors import UsageError, did_you_mean
from ..types import Prompt

_MOST_STOPS = 4  # OpenAI's limit


def check_prompt(prompt: Prompt) -> None:
    """Raises UsageError for a prompt that is empty, is no text, or cannot be encoded as UTF-8."""
    if not isinstance(prompt.text, str):
        raise UsageError(f"the prompt must be text, not {type(prompt.text).__name__}")
    if not prompt.text.strip() and not prompt.parts:
        raise UsageError("the prompt is empty", hint='for example: orch run -p "Why is the sky blue?"')
    if prompt.attached and not prompt.question.strip():
        raise UsageError("the prompt is empty: --context is material for one, and asks nothing")
    _check_text("prompt", prompt.text)
    if prompt.system:
        _check_text("system prompt", prompt.system)
    for turn in (*prompt.before, *prompt.after):
        _check_text("conversation", turn.content)
        for call in turn.tool_calls:
            _check_text("conversation", call.arguments)


def _check_text(name: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {name} is not valid Unicode: {text[error.start]!a} at character {error.start}",
            hint="convert it to UTF-8 first, for example with iconv",
        ) from None


def check_options(options: RunOptions) -> None:
    """Raises UsageError for a value out of range, a name that is not text, or a command that cannot be run."""
    for name, text in (
        ("category", options.category),
        ("subject", options.subject or ""),
        *(("tag", tag) for tag in options.tags),
    ):
        _check_text(name, text)
    if options.subject is not None and not options.subject.strip():
        raise UsageError("the subject is empty", hint="without --subject, the arm is drawn for the prompt")
    if options.verify is not None:
        _check_command(options.verify)
    if options.schema is None and (spelled := options.given.get("schema_repair")) is not None:
        raise UsageError(f"{spelled} needs a schema", hint="for example: --schema answer.json")
    if (spelled := options.given.get("tool_choice")) is not None and not options.tools:
        raise UsageError(f"{spelled} needs tools", hint="for example: --tools tools.json")
    if options.tool_choice != "auto":
        choice_among(options.tool_choice, options.tools, options.given.get("tool_choice", "tool_choice"))
    if len(options.stop) > _MOST_STOPS or not all(isinstance(each, str) and each for each in options.stop):
        raise UsageError(f"stop takes up to {_MOST_STOPS} texts, and none that is empty")
    for text in options.stop:
        _check_text("text to stop at", text)
    for each in options.requires:
        if each not in list(Requirement):
            raise UsageError(f"a prompt may require {' or '.join(Requirement)}, not {each!r}")
    for each in (*options.next_on, *options.stop_on):
        if each not in list(Failure):
            hint = did_you_mean(str(each), Failure) or f"there are: {', '.join(Failure)}"
            raise UsageError(f"next_on and stop_on take failures of a call, not {each!r}", hint=hint)
        if each in options.next_on and each in options.stop_on:
            raise UsageError(f"{each} is in next_on and in stop_on")
    for name, option, least, most in _ranges():
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            bounds = f"at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
            raise UsageError(f"the {option.called or option.name} must be {bounds}, not {value:g}")


@cache
def _ranges() -> tuple[tuple[str, Option, float, float], ...]:
    """The options that have a range: the field, the option, and the least and the most."""
    return tuple(
        (name, option, option.least, option.most) for name, option in OPTIONS.items() if option.least is not None
    )


def _check_command(command: str) -> None:
    """Check the command that verifies answers: a run whose every answer it would reject is not begun."""
    if not isinstance(command, str):
        raise UsageError(f"verify takes a command as one text, not {type(command).__name__}")
    _check_text("command of verify", command)
    try:
        words = words_of(command)
    except ValueError as error:
        raise UsageError(f"verify: {command!r} cannot be read: {error}", hint="quote it as for a shell") from error
    if not words or "\0" in command:  # no program can be given a NUL
        raise UsageError("verify needs a command", hint="for example: --verify 'python -m json.tool'")
    if shutil.which(words[0]) is None:
        raise UsageError(f"verify: there is no command {words[0]!r}", hint="for a pipe, use: --verify \"sh -c '...'\"")
