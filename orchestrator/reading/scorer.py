"""Scorers of the user's own: how one is found, called and checked.

A scorer is a function from the text of a prompt to a score from 0 to 1, or to such a score and a mapping from features,
in words, to what each counted. It is named `module:function`, or by the name under which an installed package has it in
the entry point group `orch.complexity`.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from ..errors import ConfigError, did_you_mean
from ..plugins import Plugin, Table, without_current_directory

Scorer: TypeAlias = Callable[[str], float | tuple[float, Mapping[str, float]]]

GROUP = "orch.complexity"
_SHAPE = "a scorer returns a number from 0 to 1, or a pair of it and a mapping from features to numbers"


@cache
def load_scorer(name: str, folder: Path) -> Scorer:
    """The scorer of that name: `module:function`, or an entry point.

    A module is `folder`/module.py, or else one that is installed; never one in the current directory, which may be
    anybody's. Raises ConfigError if there is none, or if it cannot be imported or is no function.
    """
    with _blamed_on(name, "cannot be loaded"), without_current_directory():
        module, colon, function = name.partition(":")
        scorer: Any = _module(module, folder) if colon else _entry_point(name)
        for part in function.split(".") if colon else ():
            scorer = getattr(scorer, part)
    if not callable(scorer):
        raise _error(name, "is no function", _SHAPE)
    return scorer  # type: ignore[no-any-return]


def scored(scorer: Scorer, prompt: str) -> tuple[float, dict[str, float]]:
    """What a scorer says of a prompt. Raises ConfigError if it fails, or if what it says is no score."""
    name = getattr(scorer, "__qualname__", type(scorer).__qualname__)
    with _blamed_on(name, "failed"):
        said: Any = scorer(prompt)
        score, features = said if isinstance(said, tuple) and len(said) == 2 else (said, {})
        if not _is_number(score):
            raise _error(name, f"returned {_kind(score)} for a score", _SHAPE)
        if not 0 <= score <= 1:
            raise _error(name, f"returned a score of {float(score):g}", _SHAPE)
        if not isinstance(features, Mapping) or not all(map(_is_number, features.values())):
            raise _error(name, "returned features that are no mapping to numbers", _SHAPE)
        return float(score), {str(feature): float(weight) for feature, weight in features.items()}


def _entry_point(name: str) -> Any:
    """What an installed package has under that name. None is used unasked."""
    plugins = SCORERS.plugins()
    if name not in plugins:
        hint = did_you_mean(name, plugins)
        raise LookupError(f"no installed package has it in the entry point group {GROUP}{f'; {hint}' if hint else ''}")
    return plugins[name].load()


def _checked(_: Plugin, scorer: Any) -> Scorer:
    if not callable(scorer):
        raise TypeError(f"it is no function; {_SHAPE}")
    return scorer  # type: ignore[no-any-return]


SCORERS: Table[Scorer] = Table(GROUP, {}, _checked)


def _module(name: str, folder: Path) -> ModuleType:
    beside = folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"orch_user_{name}", beside)
    if "." in name or not beside.is_file() or spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses, for one, look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


@contextmanager
def _blamed_on(name: str, what: str) -> Iterator[None]:
    """Whatever goes wrong in the user's code is an error of the configuration."""
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _error(name, f"{what}: {type(error).__name__}: {error}", None) from error


def _error(name: str, problem: str, hint: str | None) -> ConfigError:
    return ConfigError(f"complexity.scorer: {name} {problem}", hint=hint)


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _kind(value: object) -> str:
    return "no finite number" if isinstance(value, Real) else type(value).__name__
