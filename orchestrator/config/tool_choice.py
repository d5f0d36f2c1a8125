"""Whether a model is to call a tool, and which."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import UsageError
from ..types import Tool

CHOICES = ("auto", "none", "required")


def choice_among(choice: str, tools: Iterable[Tool], place: str) -> str:
    """A choice as a request has it: `auto`, `none`, `required`, or the name of a tool after `=`, which may stand there
    already. Raises UsageError, which names the `place`, for a tool that is not offered."""
    names = [tool.name for tool in tools]
    if choice in CHOICES:
        if choice == "required" and not names:
            raise UsageError(f"{place}: no tools are offered")
        return choice
    name = choice.removeprefix("=")
    if name not in names:
        known = f"auto, none, required{''.join(f', {each}' for each in names)}"
        raise UsageError(
            f"{place}: there is no tool {name[:60]!r} among those that are offered", hint=f"one of: {known}"
        )
    return f"={name}"
