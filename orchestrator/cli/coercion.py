"""Values of options that need no converting are taken as they stand.

Typer has pydantic convert the value of every option of a command, given or not: loading pydantic and building a
validator for each takes longer than most commands. What is not given, a text, a flag, a word of an enumeration and a
path need none. Everything else, and every value that is wrong, goes Typer's way and has its message.
"""

from __future__ import annotations

import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.core import TyperCommand, TyperGroup

from .render import line

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


class Panel(StrEnum):
    """The headings under which `--help` shows options, in order."""

    EVERYDAY = "Options"
    MODELS = "Which models are asked"
    ACCEPTING = "Which answers are accepted"
    REQUEST = "The request"
    LIMITS = "Limits"
    RECORD = "The record in the ledger"
    FILES = "Files"
    MORE = "More"


class PlainGroup(TyperGroup):
    """A group of Typer's whose own options are flags."""

    def get_help_option(self, ctx: Any) -> Any:
        return _printed_by_render(super().get_help_option(ctx))


class PlainCommand(TyperCommand):
    """A command of Typer's that converts no value that it can take as it stands."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        for parameter in self.params:
            if not parameter.required and parameter.callback is None:
                typers_way = parameter.process_value
                parameter.process_value = partial(_process, parameter, typers_way)  # type: ignore[method-assign]

    def get_help_option(self, ctx: Any) -> Any:
        return _printed_by_render(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {_ARGUMENTS: [], **{panel: [] for panel in Panel}}
        parameter: Any
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument":
                panels[_ARGUMENTS].append((parameter.display_name_raw.upper(), parameter.help or ""))
            elif (shown := parameter.get_help_record(ctx)) is not None:
                panels[parameter.rich_help_panel or Panel.EVERYDAY].append(shown)
        for panel, rows in panels.items():
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)


_ARGUMENTS = "Arguments"


def _printed_by_render(help_option: Any) -> Any:
    def process(context: Any, value: Any) -> None:
        if value is not None:
            line(context.get_help())
            context.exit()

    if help_option is not None:
        help_option.process_value = process
    return help_option


def _process(parameter: Any, typers_way: Any, context: Any, value: Any) -> Any:
    if value is None:
        return () if parameter.multiple or parameter.nargs == -1 else None
    kind, how = parameter.type_descriptor.annotation, parameter.type_descriptor.parameter_info
    try:
        if get_origin(kind) is list:
            (item,) = get_args(kind)
            return [_as_it_stands(each, item, how) for each in value]
        return _as_it_stands(value, kind, how)
    except ValueError:  # it needs converting, or is wrong
        return typers_way(context, value)


def _as_it_stands(value: object, kind: Any, how: Any) -> object:
    """The value that Typer would give for it. Raises ValueError where only Typer can tell."""
    if type(value) is kind and kind in (bool, int, str):
        if isinstance(value, str):
            value.encode()  # raises for bytes that are not UTF-8
        return value
    if isinstance(value, str) and isinstance(kind, type):
        if issubclass(kind, StrEnum):
            return kind(value)
        if kind is Path and _any_will_do(how) and (os.access(value, os.R_OK) or not os.path.lexists(value)):
            return Path(value)
    raise ValueError(value)


def _any_will_do(how: Any) -> bool:
    """Whether an option takes every path that can be read or does not exist."""
    return how.file_okay and how.dir_okay and not (how.exists or how.writable or how.resolve_path or how.path_type)
