"""Whether a model calls the tools that it was offered, with arguments that they take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...config.strict_json import parse_json
from ...types import Tool, ToolCall
from ..signal import Signal
from .schema import DOES_NOT_FIT, FITS


def tool_signals(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> list[Signal]:
    """One signal for all calls: that they can be carried out, or the first reason why one cannot. Of no calls, none."""
    if not calls:
        return []
    offered = {tool.name: tool for tool in tools}
    problem = next((found for call in calls if (found := _problem(call, offered)) is not None), None)
    if problem is None:
        return [Signal("tool arguments", FITS, "the arguments are what the tool takes")]
    return [Signal("tool arguments", DOES_NOT_FIT, problem)]


def _problem(call: ToolCall, offered: Mapping[str, Tool]) -> str | None:
    from jsonschema import validators  # heavy
    from referencing import Registry  # heavy
    from referencing.exceptions import Unresolvable  # heavy

    tool = offered.get(call.name)
    if tool is None:
        return f"calls {call.name[:64]!r}, which is no tool that was offered"
    try:
        arguments = parse_json(call.arguments)
        # With a registry of its own it fetches nothing: a schema must not be able to make requests.
        validator = validators.validator_for(tool.parameters)(dict(tool.parameters), registry=Registry())
        error = next(iter(sorted(validator.iter_errors(arguments), key=lambda violation: violation.json_path)), None)
    except ValueError:
        return f"calls {call.name} with arguments that are no JSON"
    except (Unresolvable, RecursionError, ArithmeticError, re.error) as error:
        return f"the parameters of {call.name} cannot be applied: {str(error)[:120]}"
    return None if error is None else f"calls {call.name} with arguments it does not take: {error.message[:120]}"
