"""Scorers of the user's own: how one is found, called and checked.

A scorer is a function from the text of a prompt to a score from 0 to 1, or to such a score and a mapping from features,
in words, to what each counted. It is named `module:function`, or by the name under which an installed package has it in
the entry point group `orch.complexity`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from ..errors import ConfigError, did_you_mean

Scorer: TypeAlias = Callable[[str], float | tuple[float, Mapping[str, float]]]

GROUP = "orch.complexity"
_SHAPE = "a scorer returns a number from 0 to 1, or a pair of it and a mapping from features to numbers"


@cache
def load_scorer(name: str, folder: Path) -> Scorer:
    """The scorer of that name: `module:function`, or an entry point.

    A module is `folder`/module.py, or else one that is installed; never one in the current directory, which is not the
    user's. Raises ConfigError if there is none, or if it cannot be imported or called.
    """
    with _blamed_on(name, "cannot be loaded"):
        module, colon, function = name.partition(":")
        if colon:
            found: Any = _module(module, folder)
            for part in function.split("."):
                found = getattr(found, part)
        else:
            found = _entry_point(name)
    if not callable(found):
        raise _error(name, "is no function", _SHAPE)
    return found  # type: ignore[no-any-return]


def scored(scorer: Scorer, prompt: str) -> tuple[float, dict[str, float]]:
    """What a scorer says of a prompt. Raises ConfigError if it fails, or says what is no score."""
    name = getattr(scorer, "__qualname__", repr(scorer))
    with _blamed_on(name, "failed"):
        said: Any = scorer(prompt)
    score, features = said if isinstance(said, tuple) and len(said) == 2 else (said, {})
    if not _is_number(score) or not 0 <= score <= 1:
        raise _error(name, f"returned {said!r:.80}", _SHAPE)
    if not isinstance(features, Mapping) or not all(map(_is_number, features.values())):
        raise _error(name, f"returned features that are no mapping to numbers: {features!r:.80}", _SHAPE)
    return float(score), {str(feature): float(weight) for feature, weight in features.items()}


def _entry_point(name: str) -> Any:
    """What an installed package has under that name. It is found by name only: none is used unasked."""
    installed = entry_points(group=GROUP)
    if name not in installed.names:
        hint = did_you_mean(name, installed.names)
        raise LookupError(f"no installed package has it in the entry point group {GROUP}{f'; {hint}' if hint else ''}")
    return installed[name].load()


def _module(name: str, folder: Path) -> ModuleType:
    beside = folder / f"{name}.py"
    if "." not in name and beside.is_file():
        spec = importlib.util.spec_from_file_location(f"orch_user_{name}", beside)
        if spec is None or spec.loader is None:
            raise ImportError(f"{beside} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    with _without_current_directory():
        return importlib.import_module(name)


@contextmanager
def _without_current_directory() -> Iterator[None]:
    """`python -m` puts the current directory on the path, and what lies there may be anybody's."""
    here, path = Path.cwd(), sys.path[:]
    sys.path[:] = [entry for entry in path if entry and Path(entry).resolve() != here]
    try:
        yield
    finally:
        sys.path[:] = path


@contextmanager
def _blamed_on(name: str, what: str) -> Iterator[None]:
    """Whatever goes wrong in the user's code is an error of the configuration."""
    try:
        yield
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _error(name, f"{what}: {type(error).__name__}: {error}", None) from error


def _error(name: str, problem: str, hint: str | None) -> ConfigError:
    return ConfigError(f"complexity.scorer: {name} {problem}", hint=hint)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
