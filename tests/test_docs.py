"""The documents against the code: what they name exists, what exists is named, and what they say to run runs."""

from __future__ import annotations

import ast
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import stamina
import yaml
from documents import FENCE, Command, block, blocks, commands, names, rows, section
from patience import PATIENCE_S
from test_architecture import LAYERS, PACKAGE

from orchestrator.choose.table import STRATEGIES
from orchestrator.cli.app import run
from orchestrator.confidence.detector import SIGNALS
from orchestrator.config import load_settings
from orchestrator.config.options import OPTIONS
from orchestrator.config.tuned import read_tuned
from orchestrator.errors import Interrupted, OrchError
from orchestrator.ledger.records import CallStatus, CostSource, RunStatus
from orchestrator.ledger.store import Ledger
from orchestrator.plan import Node
from orchestrator.plan.template import ANSWER, ANSWERS, CONTEXT, HISTORY, PROMPT, QUESTION, STEPS
from orchestrator.providers.sdk import SdkProvider
from orchestrator.registry import load_registry
from orchestrator.registry.plans import KINDS
from orchestrator.registry.providers import PROVIDERS, ProviderInfo
from orchestrator.run.result import ErrorInfo

ROOT = PACKAGE.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CONFIGURATION, JSON, LEDGER, ARCHITECTURE, CONTRIBUTING = (
    (ROOT / name).read_text("utf-8")
    for name in ("docs/configuration.md", "docs/json.md", "docs/ledger.md", "docs/architecture.md", "CONTRIBUTING.md")
)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A folder of its own, nothing on standard input, and the logging of retries as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    yield monkeypatch
    stamina.instrumentation.set_on_retry_hooks(None)


# -- links and generated text ----------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    text = FENCE.sub("", document.read_text("utf-8"))
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_commands_are_documented_as_they_are() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "cli_docs.py"), "--check"]
    assert subprocess.run(check, check=False, timeout=PATIENCE_S).returncode == 0, "run scripts/cli_docs.py"


def test_the_options_of_a_run_are_documented_as_the_table_has_them() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "option_docs.py"), "--check"]
    assert subprocess.run(check, check=False, timeout=PATIENCE_S).returncode == 0, "run scripts/option_docs.py"


# -- configuration ---------------------------------------------------------------------------------------------------


def config_keys() -> set[str]:
    """The keys of the options of a run, and those that config_file.py asks a table for, those of a mapping under its
    own key as `key.inner`."""
    tree = ast.parse((PACKAGE / "config" / "config_file.py").read_text())
    asked: dict[str, list[str]] = {}  # by the function that asks
    inner: dict[str, str] = {}  # the key that a function reads, where it reads a mapping
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            match node:
                case ast.Call(ast.Attribute(attr="optional" | "required"), [ast.Constant(str(key)), reader, *_]):
                    asked.setdefault(function.name, []).append(key)
                    match reader:
                        case ast.Call(ast.Name("record"), [ast.Name(name)]) | ast.Call(
                            ast.Name("list_of"), [ast.Call(ast.Name("record"), [ast.Name(name)])]
                        ):
                            inner[name] = key
    keys = {f"{inner[name]}.{key}" if name in inner else key for name, found in asked.items() for key in found}
    return keys - set(inner.values()) | {option.name for option in OPTIONS.values() if option.config}


def test_every_key_of_the_config_file_is_documented_and_no_other() -> None:
    found = config_keys()
    assert {"strategy", "retry.max_wait"} <= found
    assert names(section(CONFIGURATION, "config.yaml"), "key") == found


def test_the_example_config_file_has_every_key_and_loads(tmp_path: Path) -> None:
    example = block(CONFIGURATION, "yaml", "# config.yaml")
    (tmp_path / "config.yaml").write_text(example)
    settings = load_settings({}, config=tmp_path / "config.yaml")
    assert settings.run.max_cost_nanousd == 500_000_000
    flat: set[str] = set()
    for key, value in yaml.safe_load(example).items():
        found = value[0] if isinstance(value, list) and isinstance(value[0], dict) else value
        nested = isinstance(found, dict) and key not in config_keys()
        flat |= {f"{key}.{inner}" for inner in found} if nested else {key}
    assert flat == config_keys()


def test_the_example_of_a_tuned_file_loads(tmp_path: Path) -> None:
    (tmp_path / "tuned.yaml").write_text(
        block((ROOT / "docs" / "tuning.md").read_text("utf-8"), "yaml", "# tuned.yaml")
    )
    tuned = read_tuned(tmp_path / "tuned.yaml")
    assert None not in (tuned.threshold, tuned.calibration, tuned.cuts, tuned.adjustment)


def test_the_example_models_and_chains_load(tmp_path: Path) -> None:
    for name in ("models.yaml", "chains.yaml"):
        (tmp_path / name).write_text(block(CONFIGURATION, "yaml", f"# {name}"))
    registry = load_registry(models_file=None, chains_file=None, config_dir=tmp_path)
    assert registry.model("house-sonnet").id == "claude-sonnet-5-5"
    assert len(registry.chain("careful").models) == 3
    assert len(registry.chain("mixed").models) == 2


def plan_keys() -> set[str]:
    """The keys that the readers of chains.yaml ask a table for."""
    tree = ast.parse("".join((PACKAGE / "registry" / name).read_text() for name in ("plans.py", "chains.py")))
    return {
        key
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("optional", "required")
        for key in [ast.literal_eval(node.args[0])]
    }


def test_every_kind_of_node_every_key_and_every_placeholder_of_a_plan_is_documented_and_no_other() -> None:
    nodes, templates = section(CONFIGURATION, "Nodes"), section(CONFIGURATION, "Templates")
    assert names(nodes, "node") == set(KINDS)
    in_table = {key for row in rows(nodes, "node") for key in re.findall(r"`([^`]+)`", row[1])}
    common = {"name", "optional", "budget_share", "time_share"}
    assert all(f"`{key}`" in nodes for key in common)
    assert in_table | common | {"score", "check", "models", "plan"} == plan_keys()
    assert names(templates, "placeholder") == {
        f"${word}" for word in (PROMPT, QUESTION, CONTEXT, HISTORY, ANSWER, ANSWERS, f"{STEPS}NAME", "$")
    }


def test_every_variable_of_ours_is_documented_and_no_other() -> None:
    sources = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    ours = re.compile(r"\bORCH_[A-Z_]+\b")
    assert names(section(CONFIGURATION, "Variables"), "variable") == set(ours.findall(sources))
    assert set(ours.findall(CONFIGURATION)) == set(ours.findall(sources))


def default_base_url(info: ProviderInfo) -> str:
    source = (PACKAGE / "providers" / f"{info.module}.py").read_text()
    (default,) = re.findall(r'^BASE_URL = "(.+)"$', source, re.MULTILINE)
    return info.base_url or str(default)


def test_every_provider_is_documented_with_its_key_and_address() -> None:
    table = rows(section(CONFIGURATION, "Providers"), "provider")
    assert table == [
        [
            f"`{name}`",
            f"`{info.key_env}`" + (" (optional)" if info.self_hosted else ""),
            f"`{info.base_url_env}`",
            f"`{default_base_url(info)}`",
        ]
        for name, info in PROVIDERS.built_in.items()
    ]


# -- ledger ----------------------------------------------------------------------------------------------------------


def ledger_file(home: Path) -> Path:
    (found,) = home.rglob("ledger-simulated.db")
    return found


@pytest.mark.parametrize("table", ["runs", "calls", "ratings"])
def test_every_column_of_the_ledger_is_documented_and_no_other(table: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        found = ledger.read(lambda connection: connection.execute(f"PRAGMA table_info({table})").fetchall())
    assert names(section(LEDGER, table), "column") == {row["name"] for row in found}


def test_the_view_over_the_ledger_is_documented(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        found = ledger.read(lambda connection: connection.execute("PRAGMA table_info(run_totals)").fetchall())
    named = re.findall(r"`([^`]+)`", section(LEDGER, "run_totals"))
    assert {row["name"] for row in found} <= set(named)


def test_every_status_and_source_of_a_cost_is_documented_and_no_other() -> None:
    assert names(section(LEDGER, "runs"), "status") == set(RunStatus)
    assert names(section(LEDGER, "calls"), "status") == set(CallStatus)
    assert names(section(LEDGER, "calls"), "cost_source") == set(CostSource)


@pytest.mark.usefixtures("shell")
def test_every_query_runs_on_a_ledger(user_files: Path) -> None:
    assert run(["run", "--simulate", "-p", "Should I use REST or GraphQL?", "--chain", "fast"]) == 0
    connection = sqlite3.connect(ledger_file(user_files))
    queries = [query for body in blocks(LEDGER, "sql") for query in body.split(";") if query.strip()]
    found = {re.sub(r"\s*-- (.*)\n", r"\1: ", query): connection.execute(query).fetchall() for query in queries}
    connection.close()
    empty = [query for query, result in found.items() if not result]
    assert len(found) > 3
    assert all(query.startswith("calls whose cost is not exact") for query in empty), empty


# -- JSON ------------------------------------------------------------------------------------------------------------


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*argv, "--output", "json"]) == 0
    document: Any = yaml.safe_load(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


@pytest.mark.usefixtures("shell")
def test_every_key_of_a_run_is_documented_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, "ensemble", "Should I use REST or GraphQL?", "--simulate")
    assert run(["budget", "set", "--daily", "5", "--simulate"]) == 0
    assert names(section(JSON, "Run"), "key") == set(document)
    assert names(section(JSON, "Run"), "status") | {"running"} == set(RunStatus)
    assert names(section(JSON, "Calls"), "key") == set(document["calls"][0])
    assert set(document["metadata"]) <= set(re.findall(r"`([a-z_]+)`", section(JSON, "Metadata")))
    assert names(section(JSON, "Errors"), "key") == set(ErrorInfo.__slots__)

    for argv, heading in (
        (["show", "last", "--simulate"], "Show, why"),
        (["why", "last", "--simulate"], "Show, why"),
        (["plan", "--simulate", "-p", "Why?"], "Plan"),
        (["models", "--simulate"], "Models, chains"),
        (["chains"], "Models, chains"),
        (["budget", "show", "--simulate"], "Budgets"),
        (["rate", "last", "good", "--simulate"], "Rate"),
        (["models", "--by-task", "--simulate"], "Models, chains"),
        (["tune", "--show", "--simulate"], "Tune"),
    ):
        found = printed(capsys, *argv)
        keys = set(found) | {
            key
            for part in ("calls", "models", "budgets", "tasks", "settings")
            for item in found.get(part, [])
            for key in item
        }
        marked = " ".join(re.findall(r"`([^`]+)`", section(JSON, heading)))
        known = names(section(JSON, "Run"), "key") | names(section(JSON, "Calls"), "key")
        assert keys <= known | set(re.findall(r"[a-z_]+", marked)), argv


def errors(base: type[OrchError] = OrchError) -> Iterator[type[OrchError]]:
    yield base
    for error in base.__subclasses__():
        yield from errors(error)


def test_every_error_code_is_documented_with_its_exit_code_and_no_other() -> None:
    documented = {
        code: {int(number) for number in row[1].split(",")}
        for row in rows(section(JSON, "Errors"), "code")
        for code in re.findall(r"`([^`]+)`", row[0])
    }
    ours = [error for error in errors() if error.__module__ == OrchError.__module__]
    expected = {error.code: {error.exit_code} for error in ours} | {Interrupted.code: {130, 143}}
    assert documented == expected


# -- architecture ----------------------------------------------------------------------------------------------------


def test_the_layout_is_documented_in_its_order() -> None:
    assert [row[0].strip("`") for row in rows(section(ARCHITECTURE, "Layout"), "folder")] == LAYERS


def test_every_node_of_a_plan_is_documented_and_no_other() -> None:
    documented = {name.partition("(")[0] for name in names(section(ARCHITECTURE, "Contracts"), "node")}
    assert documented == {node.__name__ for node in get_args(Node)}


def test_the_table_of_where_things_go_names_files_and_folders_that_are_there() -> None:
    table = rows(section(CONTRIBUTING, "Where does it go?"), "what you want")
    for path in re.findall(r"`([\w./]+/|[\w./]+\.(?:py|yaml))`", " ".join(cell for row in table for cell in row)):
        path = path.rpartition("/")[0] if "NAME" in path else path
        assert (PACKAGE / path).exists() or (ROOT / path).exists(), path


# -- recipes ---------------------------------------------------------------------------------------------------------


def carried_out(path: str) -> dict[str, Any]:
    """The names that a recipe's file defines, as if it stood where its first line says."""
    package = path.removesuffix(".py").replace("/", ".").rpartition(".")[0]
    namespace: dict[str, Any] = {"__name__": path, "__package__": package}
    exec(compile(block(CONTRIBUTING, "python", f"# {path}\n"), path, "exec", dont_inherit=True), namespace)
    return namespace


def test_the_recipe_for_a_strategy_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = carried_out("orchestrator/choose/strategies/strongest.py")["strongest"]
    monkeypatch.setitem(STRATEGIES.built_in, "strongest", strategy)
    tests = carried_out("tests/choose/test_strongest.py")
    tests["test_the_model_that_reasons_best_is_called"](tmp_path)
    tests["test_without_a_key_there_is_nothing_to_call"](tmp_path)


def test_the_recipe_for_a_signal_works(monkeypatch: pytest.MonkeyPatch) -> None:
    read = carried_out("orchestrator/confidence/signals/repetition.py")["repetition"]
    monkeypatch.setitem(SIGNALS.built_in, "repetition", read)
    tests = carried_out("tests/confidence/test_confidence_repetition.py")
    tests["test_an_answer_that_goes_round_in_circles_is_not_trusted"]()
    tests["test_three_times_is_a_refrain"]()


def test_the_recipe_for_a_model_loads(tmp_path: Path) -> None:
    entry = block(CONTRIBUTING, "yaml", "gemini-3.1-flash-lite:")
    (tmp_path / "models.yaml").write_text("checked: 2026-11-21\nmodels:\n" + textwrap.indent(entry, "  "))
    registry = load_registry(models_file=None, chains_file=None, config_dir=tmp_path)
    assert registry.model("gemini-3.1-flash-lite").provider == "google"


def test_the_recipes_for_a_provider_fit_the_code() -> None:
    line = block(CONTRIBUTING, "python", '"together"')
    (entry,) = (node for node in ast.walk(ast.parse(f"{{{line}}}")) if isinstance(node, ast.Call))
    assert ProviderInfo(*(ast.literal_eval(argument) for argument in entry.args)).module == "openai"
    connect, adapter = ast.parse(block(CONTRIBUTING, "python", "def connect")).body
    assert isinstance(connect, ast.FunctionDef)
    assert isinstance(adapter, ast.ClassDef)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert {node.name for node in adapter.body if isinstance(node, functions)} >= SdkProvider.__abstractmethods__


# -- commands --------------------------------------------------------------------------------------------------------


def simulated(command: Command) -> bool:
    return command.words[0] == "orch" and ("--simulate" in command.words or command.words[1] in ("models", "chains"))


EXAMPLES = [
    pytest.param(command, id=f"{document.name}: {command}")
    for document in DOCUMENTS
    for body in blocks(document.read_text("utf-8"), "sh")
    for command in commands(body)
    if simulated(command)
]


@pytest.mark.parametrize("command", EXAMPLES)
def test_a_simulated_command_in_a_document_runs(command: Command, shell: pytest.MonkeyPatch) -> None:
    if command.words[1] in ("show", "why", "report", "stats", "export", "rate") or "--continue" in command.words:
        assert run(["run", "--simulate", "-p", "What is the capital of France?"]) == 0
    if command.words[1] == "bench":
        Path("prompts.jsonl").write_text('{"prompt": "What is 2 + 2?", "expected": 4}\n')
    if command.words[1] == "batch":
        Path("prompts.jsonl").write_text('{"prompt": "What is 2 + 2?"}\n')
    if command.piped:
        shell.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ERROR: connection refused")))
    for name, value in command.environ.items():
        shell.setenv(name, value)
    assert run(command.words[1:]) == 0


def test_there_are_commands_to_try() -> None:
    assert len(EXAMPLES) > 5


def test_the_example_of_a_self_hosted_model_works(
    shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve, ask, _ = commands(section(CONFIGURATION, "Models that you host").split("```sh\n")[1].split("```")[0])
    (said,) = [word for word in serve.words if word.isdigit()]
    argv = [sys.executable, "-m", "orchestrator", *("0" if word == said else word for word in serve.words[1:])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as server:
        try:
            assert server.stdout is not None
            (port,) = set(re.findall(r":(\d+)", server.stdout.readline()))
            for name, value in ask.environ.items():
                assert f":{said}/" in value
                shell.setenv(name, value.replace(f":{said}/", f":{port}/"))
            assert run(ask.words[1:]) == 0
        finally:
            server.send_signal(signal.SIGINT)
    assert "Paris" in capsys.readouterr().out
