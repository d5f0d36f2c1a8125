"""Plugins: entries that installed packages add, by entry points, to a table of built-in ones.

    [project.entry-points."orch.strategies"]
    roomiest = "orch_example.strategy:roomiest"

A built-in name is looked up as in any dict. For any other name, the metadata of installed packages is searched, which
imports nothing, and only the plugin that is asked for is imported. A broken plugin is left out, with one message.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from .deferred import dataclass
from .errors import PluginError

T = TypeVar("T")

_MARK = b"[orch."  # how the header of each of these groups begins in a package's entry_points.txt


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point: `target` is its `module:attribute`, `package` the name and version of the installed package."""

    group: str
    name: str
    target: str
    package: str

    def __str__(self) -> str:
        return f"{self.name} ({self.group}, from {self.package})"

    def load(self) -> Any:
        """What the entry point names. Raises whatever its module raises."""
        from importlib.metadata import EntryPoint  # heavy

        with without_current_directory():
            return EntryPoint(self.name, self.target, self.group).load()


class PluginWarning(UserWarning):
    """A plugin is broken, and left out."""


class Table(Mapping[str, T], Generic[T]):
    """The entries of one group by name: those that are built in, then those of plugins.

    `read` makes an entry of what a plugin's entry point names; whatever it raises says that the plugin is broken. Then
    `stand_in` is found under its name, if there is one, for tables whose names stand in the user's files.
    """

    def __init__(
        self, group: str, built_in: dict[str, T], read: Callable[[Plugin, Any], T], *, stand_in: T | None = None
    ) -> None:
        self.group = group
        self.built_in = built_in
        self._read = read
        self._stand_in = stand_in
        self._entries: dict[Plugin, T] = {}
        self._problems: dict[Plugin, str] = {}

    def __getitem__(self, name: str) -> T:
        """Raises KeyError for a name that neither orch nor a plugin has, and for a broken plugin without a stand-in."""
        if name in self.built_in:
            return self.built_in[name]
        plugin = self.plugins().get(name)
        entry = None if plugin is None else self._entry(plugin) or self._stand_in
        if entry is None:
            raise KeyError(name)
        return entry

    def __iter__(self) -> Iterator[str]:
        """Every name that has an entry. Imports all plugins of the group."""
        yield from self.built_in
        yield from (name for name, plugin in self.plugins().items() if self._entry(plugin) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def plugins(self) -> dict[str, Plugin]:
        """The plugins of the group by name, as far as is known without importing them. One whose name is taken is left
        out: by orch, or by a package that stands before its own on Python's path."""
        first: dict[str, Plugin] = {}
        for plugin in installed(self.group):
            if plugin.name in self.built_in:
                self.leave_out(plugin, "the name is taken by orch itself")
            elif (taken := first.setdefault(plugin.name, plugin)) != plugin:
                self.leave_out(plugin, f"the name is taken by {taken.package}")
        return first

    def states(self) -> Iterator[tuple[Plugin, str | None]]:
        """Every plugin of the group with what is wrong with it, or None. Imports all of them."""
        list(self)
        yield from ((plugin, self._problems.get(plugin)) for plugin in installed(self.group))

    def leave_out(self, plugin: Plugin, problem: str) -> None:
        """Use a plugin no more, and say why, the first time."""
        if plugin not in self._problems:
            self._problems[plugin] = problem
            self._entries.pop(plugin, None)
            tell(f"plugin {plugin} is left out: {problem}")

    def _entry(self, plugin: Plugin) -> T | None:
        if plugin not in self._entries and plugin not in self._problems:
            try:
                self._entries[plugin] = self._read(plugin, plugin.load())
            except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
                self.leave_out(plugin, said(error))
        return self._entries.get(plugin)


BUG_HINT = "this is a bug in the plugin; ORCH_TRACEBACK=1 shows where it happened"


def said(error: BaseException) -> str:
    """An exception of a plugin's, in words on one line."""
    return " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())


def failure(plugin: Plugin, error: BaseException) -> PluginError:
    """The error of a run or command that cannot go on without the plugin."""
    return PluginError(f"plugin {plugin} failed: {said(error)}", hint=BUG_HINT)


def _warn(text: str) -> None:
    warnings.warn(text, PluginWarning, stacklevel=3)


_tell: Callable[[str], None] = _warn


def tell(text: str) -> None:
    """Say what is wrong with a plugin: a `PluginWarning`, or as `telling` has it."""
    _tell(text)


@contextmanager
def telling(way: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile it is said in this way what is wrong with plugins, in all threads."""
    global _tell  # as for warnings
    before, _tell = _tell, way
    try:
        yield
    finally:
        _tell = before


def installed(group: str) -> tuple[Plugin, ...]:
    """The plugins of a group, in the order of Python's path; without those in the current directory, which may be
    anybody's. Imports none of them."""
    path = tuple(sys.path)
    return _installed(_current_directory(), path).get(group, ()) if _may_offer(path) else ()


@cache
def _may_offer(path: tuple[str, ...]) -> bool:
    """Whether a package on Python's path has a plugin, wherever the current directory is. If none has, nobody has to
    ask for that directory, which takes a call of the system for each run."""
    folders = [folder for folder in path if folder]
    described = (each for folder in folders for each in _descriptions(folder))
    return not all(map(os.path.isabs, folders)) or any(map(_offers, described))


@cache
def _installed(here: str, path: tuple[str, ...]) -> dict[str, tuple[Plugin, ...]]:
    """All plugins by group. `importlib.metadata` would open and parse what each package says of itself, which takes as
    long as a command; here it is asked only about packages that have a plugin."""
    plugins = dict.fromkeys(plugin for folder in _trusted(here, path) for plugin in _in_folder(folder))
    return {group: tuple(each for each in plugins if each.group == group) for group in {each.group for each in plugins}}


def _in_folder(folder: str) -> Iterator[Plugin]:
    for described in sorted(_descriptions(folder)):
        if _offers(described):
            from importlib.metadata import PathDistribution  # heavy

            package = Path(described).name.rpartition(".")[0].replace("-", " ")
            try:
                points = tuple(PathDistribution(Path(described)).entry_points)
            except Exception as error:  # noqa: BLE001  # a file that is not in its format: the library says so in many ways
                tell(f"the plugins of {package} are left out: {described}/entry_points.txt: {said(error)}")
                continue
            for point in points:
                if point.group.startswith("orch."):
                    yield Plugin(point.group, point.name, point.value, package)


def _offers(described: str) -> bool:
    try:
        return _MARK in Path(described, "entry_points.txt").read_bytes()
    except OSError:  # it has none
        return False


def _descriptions(folder: str) -> list[str]:
    """The folders in which installed packages are described: one each."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:  # no folder, or none that can be read: nothing can be imported from it either
        return []


def _current_directory() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was deleted: nothing can be imported from it
        return ""


def _trusted(here: str, path: Iterable[str]) -> list[str]:
    """Python's path without the current directory, which `python -m` puts there."""
    return [entry for entry in path if entry and os.path.realpath(entry) != here]


@contextmanager
def without_current_directory() -> Iterator[None]:
    """Nothing is imported from the current directory meanwhile: it may be anybody's."""
    before = sys.path[:]
    sys.path[:] = _trusted(_current_directory(), before)
    try:
        yield
    finally:
        sys.path[:] = before
