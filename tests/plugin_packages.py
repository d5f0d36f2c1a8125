"""Packages with plugins, as an installer leaves them: modules on Python's path, and a description beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "orch-example"


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    entry_points: Mapping[str, Mapping[str, str]],
    *,
    package: str = "acme_orch-1.0",
    **modules: str,
) -> None:
    """A package in `folder`, which comes first on Python's path. `entry_points` are by group; `modules` are sources.

    What was imported stays imported: modules of different tests need different names.
    """
    described = folder / f"{package}.dist-info"
    described.mkdir(parents=True)
    lines = [
        f"[{group}]\n" + "".join(f"{n} = {t}\n" for n, t in points.items()) for group, points in entry_points.items()
    ]
    (described / "entry_points.txt").write_text("\n".join(lines))
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))


def install_example(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of examples/, by the entry points in its pyproject.toml."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    monkeypatch.syspath_prepend(str(EXAMPLE / "src"))
    install(folder, monkeypatch, project["entry-points"], package=f"orch_example-{project['version']}")
