"""What may stand in the place of the last word of a command line, for a shell to complete it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..choose.table import STRATEGIES
from ..config import load_settings
from ..config.options import EXPERIMENT
from ..errors import OrchError
from ..registry.loading import registry_for
from ..registry.model import Registry
from ..registry.providers import PROVIDERS
from ..types import Level, Task


class Candidate(NamedTuple):
    """A word, and what it is, for shells that show that."""

    word: str
    what: str = ""


def candidates(root: Any, words: Sequence[str]) -> list[Candidate]:
    """Those for the last of `words`, which are the command line without the program's name; `root` is Typer's group.

    None where a file or a text of the user's own belongs. Configuration that cannot be read gives none of its names.
    """
    *before, last = words or [""]
    if last == "=":  # bash makes a word of it
        before, last = [*before, last], ""
    name, joined, value = last.partition("=")
    if joined and name.startswith("--"):
        found = candidates(root, [*before, name, value])
        return [each._replace(word=f"{name}={each.word}") for each in found]
    before = [word for word in before if word != "="]
    command = _command(root, before[0]) if before else None
    if command is None:
        return [] if before else _starting(last, _commands(root))
    return _of_command(root, command, before[1:], last)


def _of_command(root: Any, command: Any, before: Sequence[str], last: str) -> list[Candidate]:
    options = {each: parameter for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)}
    waiting = options.get(before[-1]) if before else None
    if waiting is not None and _takes_value(waiting):
        return _values(root, command, waiting, last)
    if last.startswith("-"):
        named = (each for each in (*options, "--help") if each.startswith("--"))
        return _starting(last, (Candidate(each, getattr(options.get(each), "help", None) or "") for each in named))
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    place = _arguments_in(before, options)
    if place < len(arguments) or (arguments and arguments[-1].nargs == -1):
        return _values(root, command, arguments[min(place, len(arguments) - 1)], last)
    return []


def _takes_value(parameter: Any) -> bool:
    return parameter.param_type_name == "option" and not parameter.is_flag and not parameter.count


def _arguments_in(words: Sequence[str], options: Mapping[str, Any]) -> int:
    """How many words are neither options nor their values."""
    found, value_of = 0, None
    for word in words:
        if value_of is None and not word.startswith("-"):
            found += 1
        option = options.get(word) if value_of is None else None
        value_of = option if option is not None and _takes_value(option) else None
    return found


def _values(root: Any, command: Any, parameter: Any, last: str) -> list[Candidate]:
    """The values that a parameter takes, as far as they are names that orch knows."""
    if parameter.type_descriptor.is_choice:
        return _starting(last, map(Candidate, map(str, parameter.type_descriptor.choices)))
    if command.name == "help":
        return _starting(last, _commands(root))
    if parameter.name == "action":
        return _starting(last, map(Candidate, ACTIONS.get(command.name, ())))
    known = _NAMES.get(f"{command.name} {parameter.name}") or _NAMES.get(parameter.name)
    if known is None:
        return []
    head, comma, tail = last.rpartition(",") if parameter.name in _LISTS else ("", "", last)
    try:
        names = list(known(registry_for(load_settings(os.environ))))
    except OrchError:  # whoever runs the command is told
        return []
    return [Candidate(f"{head}{comma}{name}") for name in dict.fromkeys(names) if name.startswith(tail)]


def _starting(last: str, among: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate in among if candidate.word.startswith(last)]


def _commands(root: Any) -> Iterator[Candidate]:
    from .dispatch import COMMANDS  # it imports what it carries out

    for name in root.list_commands(None):
        yield Candidate(name, COMMANDS.built_in[name].summary if name in COMMANDS.built_in else "")


def _command(root: Any, name: str) -> Any:
    try:
        return root.get_command(None, name)
    except OrchError:
        return None


def _models(registry: Registry) -> Iterator[str]:
    for spec in registry.models.values():
        yield from (spec.name, *spec.aliases)


def _plans(registry: Registry) -> Iterator[str]:
    yield from registry.chains


def _strategies(registry: Registry) -> Iterator[str]:
    yield from (*STRATEGIES, EXPERIMENT, *registry.routing.tables, *registry.chains, *_models(registry))


_LISTS = frozenset({"chain", "models"})
# What the argument `action` of a command may be.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "models": ("list", "show", "bench"),
    "chains": ("list", "show", "check"),
    "experiment": ("list", "show", "stop", "resume"),
    "budget": ("set", "show", "clear"),
    "cache": ("stats", "prune", "clear"),
}
# By the parameter's name, or that of the command and the parameter.
_NAMES: Mapping[str, Callable[[Registry], Iterable[str]]] = {
    "strategy": _strategies,
    "chain": lambda registry: (*_plans(registry), *_models(registry)),
    "chains name": _plans,
    "names": _models,
    "role": lambda registry: registry.roles,
    "tier": lambda registry: registry.tiers,
    "task": lambda _: (task.value for task in Task),
    "level": lambda _: (level.value for level in Level),
    "provider": lambda _: PROVIDERS,
    "experiment": lambda registry: (each.name for each in registry.routing.experiments.values()),
    "experiment name": lambda registry: (each.name for each in registry.routing.experiments.values()),
    "run": lambda _: ("last",),
    "output": lambda _: ("text", "json"),
    **dict.fromkeys(("model", "models", "self_check", "against", "judge", "weak", "strong"), _models),
}
