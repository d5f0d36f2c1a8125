"""Plugins: what installed packages add, under an entry point group, to a table of what is built in.

    [project.entry-points."orch.strategies"]
    roomiest = "orch_example.strategy:roomiest"

A name that is built in is looked up as in any dict. For any other name, the descriptions of installed packages are
searched, which imports nothing, and only the plugin that is asked for is imported. A plugin that is broken is left out,
and a message says so once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from .deferred import dataclass
from .errors import OrchError

T = TypeVar("T")

_MARK = b"[orch."  # how the header of each of these groups begins in a package's entry_points.txt


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point: `target` is its `module:attribute`, `package` the name and version of what was installed."""

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


class PluginError(OrchError):
    """A plugin failed at what the user asked it for. It is a bug, though none of orch."""


class PluginWarning(UserWarning):
    """A plugin is broken, and left out."""


class Table(Mapping[str, T], Generic[T]):
    """The entries of one group by name: those that are built in, then those of plugins.

    `read` makes an entry of what a plugin's entry point names; whatever it raises says that the plugin is broken.
    """

    def __init__(self, group: str, built_in: dict[str, T], read: Callable[[Plugin, Any], T]) -> None:
        self.group = group
        self.built_in = built_in
        self._read = read
        self._entries: dict[Plugin, T] = {}
        self._problems: dict[Plugin, str] = {}

    def __getitem__(self, name: str) -> T:
        """Raises KeyError for a name that neither orch nor a plugin has, and for a plugin that is broken."""
        if name in self.built_in:
            return self.built_in[name]
        plugin = self.plugins().get(name)
        entry = None if plugin is None else self._entry(plugin)
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
            self._problems[plugin] = " ".join(problem.split())
            self._entries.pop(plugin, None)
            _tell(f"plugin {plugin} is left out: {self._problems[plugin]}")

    def _entry(self, plugin: Plugin) -> T | None:
        if plugin not in self._entries and plugin not in self._problems:
            try:
                self._entries[plugin] = self._read(plugin, plugin.load())
            except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
                self.leave_out(plugin, said(error))
        return self._entries.get(plugin)


def said(error: BaseException) -> str:
    """An exception of a plugin's, in words."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _warn(text: str) -> None:
    warnings.warn(text, PluginWarning, stacklevel=2)


_tell: Callable[[str], None] = _warn


def tell_by(tell: Callable[[str], None]) -> None:
    """Have it said in this way that a plugin is left out. Without this, it is a `PluginWarning`."""
    global _tell  # as for warnings: one process, one way
    _tell = tell


def installed(group: str) -> list[Plugin]:
    """The plugins of a group, in the order of Python's path; without those in the current directory, which may be
    anybody's. Imports none of them."""
    return [plugin for plugin in _installed(_trusted_path()) if plugin.group == group]


@cache
def _installed(path: tuple[str, ...]) -> tuple[Plugin, ...]:
    """All groups' plugins. `importlib.metadata` would open and parse what each package says of itself, which takes as
    long as a command; here it is asked only about packages that have a plugin."""
    return tuple(dict.fromkeys(plugin for folder in path for plugin in _in_folder(folder)))


def _in_folder(folder: str) -> Iterator[Plugin]:
    for described in sorted(_descriptions(folder)):
        try:
            offers = _MARK in Path(described, "entry_points.txt").read_bytes()
        except OSError:  # it has none
            continue
        if offers:
            from importlib.metadata import PathDistribution  # heavy

            package = Path(described).name.rpartition(".")[0].replace("-", " ")
            try:
                points = tuple(PathDistribution(Path(described)).entry_points)
            except Exception as error:  # noqa: BLE001  # a file that is not in its format: the library says so in many ways
                _tell(f"the plugins of {package} are left out: {described}/entry_points.txt: {said(error)}")
                continue
            for point in points:
                if point.group.startswith("orch."):
                    yield Plugin(point.group, point.name, point.value, package)


def _descriptions(folder: str) -> list[str]:
    """The folders in which installed packages are described: one each."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:  # no folder, or none that can be read: nothing can be imported from it either
        return []


def _trusted_path() -> tuple[str, ...]:
    """Python's path without the current directory, which `python -m` puts there."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted: nothing can be imported from it
        here = None
    return tuple(entry for entry in sys.path if entry and Path(entry).resolve() != here)


@contextmanager
def without_current_directory() -> Iterator[None]:
    """Nothing is imported from the current directory meanwhile: it may be anybody's."""
    before = sys.path[:]
    sys.path[:] = _trusted_path()
    try:
        yield
    finally:
        sys.path[:] = before
