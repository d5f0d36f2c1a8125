"""Plugins from outside: the example package, and every way in which one can be broken."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plugin_packages import EXAMPLE, install, install_example
from scripted import UNSURE, Script, ScriptedProvider, reply

from orchestrator.confidence import ConfidenceDetector
from orchestrator.config import RunOptions, load_settings
from orchestrator.errors import ConfigError
from orchestrator.plugins import PluginWarning, Table
from orchestrator.run.engine import Engine
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Prompt

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
MODELS = ("--models-file", str(EXAMPLE / "models.yaml"))


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path / "site", monkeypatch)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Installs one plugin by group, name and source, in which it is called `it`; gives how messages call it."""
    installed = 0

    def of(group: str, name: str, source: str, *, target: str | None = None) -> str:
        nonlocal installed
        installed += 1
        module = f"plugin_{tmp_path.name}_{installed}".replace("-", "_")
        folder, package = tmp_path / f"site-{installed}", f"acme{installed}-1.0"
        install(folder, monkeypatch, {group: {name: target or f"{module}:it"}}, package=package, **{module: source})
        return f"plugin {name} ({group}, from {package.replace('-', ' ')})"

    return of


def printed(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    document: Any = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def said(done: subprocess.CompletedProcess[bytes], plugin: str) -> list[str]:
    """The lines on stderr that name a plugin."""
    return [line for line in done.stderr.decode().splitlines() if plugin in line]


# -- the example -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("example")
def test_a_provider_answers_without_a_key_and_is_in_the_ledger(orch: Orch) -> None:
    done = orch("run", *MODELS, "--chain", "echo/parrot", "-p", "Hello there", "--output", "json")
    run = printed(done)
    assert (done.returncode, run["response"], run["model_used"]) == (0, "Hello there", "echo/parrot")
    assert (run["input_tokens"], run["output_tokens"], run["cost_nanousd"]) == (2, 2, 0)
    (call,) = printed(orch("show", "last", "--output", "json"))["calls"]
    assert (call["provider"], call["status"]) == ("echo", "completed")
    streamed = orch("run", *MODELS, "--chain", "echo/parrot", "-p", "Hello there", "--stream")
    assert streamed.stdout == b"Hello there\n"


@pytest.mark.usefixtures("example")
def test_the_simulator_plays_a_provider_of_a_plugin(orch: Orch) -> None:
    run = printed(
        orch("run", *MODELS, "--simulate", "--chain", "echo/parrot", "-p", "Why is the sky blue?", "--output", "json")
    )
    assert (run["model_used"], run["status"], run["simulated"]) == ("echo/parrot", "complete", True)
    assert run["response"] != "Why is the sky blue?"


@pytest.mark.usefixtures("example")
def test_a_strategy_decides_for_runs_and_plans(orch: Orch) -> None:
    run = printed(orch("run", "--simulate", "-s", "roomiest", "-p", "Why?", "--output", "json"))
    assert run["strategy"] == "roomiest"
    assert any("has the most room of" in reason for reason in run["metadata"]["decisions"])
    ask = ("plan", "--simulate", "-s", "roomiest", "--models", "gpt-6-luna", "-p", "Why?")
    assert printed(orch(*ask, "--output", "json"))["plan"] == {"call": {"model": "gpt-6-luna"}}


@pytest.mark.usefixtures("example")
def test_a_strategy_takes_the_options_that_it_says_it_takes_and_no_other(orch: Orch) -> None:
    refused = orch("plan", "--simulate", "-s", "roomiest", "--threshold", "0.5", "-p", "Why?")
    assert refused.returncode == 2
    assert b"roomiest makes no use of --threshold" in refused.stderr


@pytest.mark.usefixtures("example")
def test_a_strategy_is_found_where_one_is_looked_for(orch: Orch) -> None:
    assert b"did you mean 'roomiest'?" in orch("plan", "--simulate", "-s", "romiest", "-p", "Why?").stderr
    assert b"capability, roomiest, " in orch("plan", "--simulate", "-s", "xyz", "-p", "Why?").stderr


@pytest.mark.usefixtures("example")
def test_a_plan_of_the_users_own_goes_before_a_plugin_of_its_name(orch: Orch, tmp_path: Path) -> None:
    chains = tmp_path / "chains.yaml"
    chains.write_text("roomiest: [gpt-6-luna]\n")
    ask = ("plan", "--simulate", "--chains-file", str(chains), "-s", "roomiest", "-p", "Why?")
    assert list(printed(orch(*ask, "--output", "json"))["plan"]) == ["cascade"]


@pytest.mark.usefixtures("example")
def test_a_signal_counts_where_the_config_file_names_it(orch: Orch, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    ask = ("run", *MODELS, "--chain", "echo/parrot", "--config", str(config), "--output", "json", "-p")
    text = "The function is written like this, and here TODO stands for the rest of it"
    config.write_text("log_text: true\n")
    without = printed(orch(*ask, text))["confidence"]
    config.write_text("signals: [placeholder]\n")
    with_it = printed(orch(*ask, text))["confidence"]
    assert with_it < without
    assert b"leaves a placeholder: TODO" in orch("why", "last").stdout


@pytest.mark.usefixtures("example")
def test_a_signal_adds_the_weight_that_it_gives() -> None:
    text = "Here is the outline.\n\nTODO: the rest of it."
    before, after = ConfidenceDetector().assess(text), ConfidenceDetector(plugins=["placeholder"]).assess(text)
    assert dict(after.signals) == {**before.signals, "placeholder": -1.5}
    assert "leaves a placeholder: TODO" in after.reasons


@pytest.mark.usefixtures("example")
def test_a_command_stands_in_the_help_and_is_carried_out(orch: Orch) -> None:
    assert b"Commands of plugins:\n  dearest  From orch_example 0.1.\n" in orch("--help").stdout
    assert orch("dearest", "--simulate").stdout == b"no calls yet\n"
    run = printed(orch("run", "--simulate", "-p", "Why?", "--output", "json"))
    assert run["run_id"] in orch("dearest", "--simulate").stdout.decode()
    assert b"no command 'deerest'\n      did you mean 'dearest'?" in orch("deerest").stderr
    refused = orch("dearest", "-n", "0")
    assert (refused.returncode, refused.stderr) == (2, b"orch: --count takes 1 or more\n")


@pytest.mark.usefixtures("example")
def test_the_doctor_lists_plugins_and_asks_their_providers(orch: Orch) -> None:
    done = orch("doctor", "--provider", "echo", "--output", "json", ECHO_BASE_URL="here")
    checks = {check["name"]: check for check in printed(done)["checks"]}
    for name in (
        "orch.providers echo",
        "orch.strategies roomiest",
        "orch.signals placeholder",
        "orch.commands dearest",
    ):
        assert checks[name]["status"] == "ok"
        assert checks[name]["detail"].endswith("from orch_example 0.1")
    assert checks["echo"]["detail"] == "ECHO_BASE_URL is set"
    assert checks["echo endpoint"]["status"] == "ok"


# -- looking for plugins ---------------------------------------------------------------------------------------------


def test_a_plugin_that_is_not_asked_for_is_not_imported(
    orch: Orch, plugin: Callable[..., str], user_files: Path
) -> None:
    called = [
        plugin(group, name, "raise RuntimeError('imported')")
        for group, name in (
            ("orch.providers", "acme"),
            ("orch.strategies", "daring"),
            ("orch.signals", "mood"),
            ("orch.commands", "tidy"),
        )
    ]
    for argv in (["--help"], ["run", "--simulate", "-p", "Why?"], ["models"], ["report"], ["chains"]):
        done = orch(*argv)
        assert done.returncode == 0
        assert not [line for name in called for line in said(done, name)]


@pytest.mark.parametrize("group", ["orch.strategies", "orch.signals", "orch.providers", "orch.commands"])
def test_a_name_that_orch_has_stays_what_it_is(orch: Orch, plugin: Callable[..., str], group: str) -> None:
    name = {
        "orch.strategies": "cheapest",
        "orch.signals": "hedging",
        "orch.providers": "openai",
        "orch.commands": "run",
    }
    called = plugin(group, name[group], "raise RuntimeError('imported')")
    assert orch("run", "--simulate", "-s", "cheapest", "-p", "Why?").returncode == 0
    done = orch("doctor", "--simulate", "--offline", "--output", "json")
    (check,) = [check for check in printed(done)["checks"] if check["group"] == "plugins"]
    assert check["status"] == "warning"
    assert check["detail"].endswith("the name is taken by orch itself")
    assert len(said(done, called)) == 1


def test_of_two_plugins_with_one_name_the_first_on_the_path_counts(orch: Orch, plugin: Callable[..., str]) -> None:
    source = "def it():\n    print({!r})\n"
    second = plugin("orch.commands", "tidy", source.format("second"))
    plugin("orch.commands", "tidy", source.format("first"))
    done = orch("tidy")
    assert done.stdout == b"first\n"
    assert [line.rpartition(": ")[2] for line in said(done, second)] == ["the name is taken by acme2 1.0"]


def test_entry_points_that_cannot_be_read_are_named(
    orch: Orch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", monkeypatch, {"orch.commands": {"tidy": "tidy:it"}})
    (tmp_path / "site" / "acme_orch-1.0.dist-info" / "entry_points.txt").write_bytes(b"[orch.commands]\ntidy = \xff\n")
    done = orch("--help")
    assert done.returncode == 0
    assert len(said(done, "the plugins of acme_orch 1.0 are left out")) == 1


def test_no_plugin_is_taken_from_the_current_directory(
    orch_process: Orch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, {"orch.commands": {"tidy": "tidy:it"}}, tidy="def it():\n    print('here')\n")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    monkeypatch.chdir(tmp_path)
    done = orch_process("tidy")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no command 'tidy'" in done.stderr


def test_in_python_a_broken_plugin_is_a_warning(plugin: Callable[..., str]) -> None:
    called = plugin("orch.tests", "odd", "it = 5")

    def read(_: object, found: Any) -> str:
        raise TypeError(f"{found} is no text")

    table = Table("orch.tests", {"even": "yes"}, read)
    with pytest.warns(PluginWarning) as warned:
        assert (list(table), "odd" in table) == (["even"], False)
    assert [str(each.message) for each in warned] == [f"{called} is left out: TypeError: 5 is no text"]


# -- broken ones -----------------------------------------------------------------------------------------------------

# what is wrong -> (source, or target where the source is not at fault, what is said of it)
UNUSABLE: dict[str, tuple[str, str | None, str]] = {
    "it cannot be imported": ("import nothing_of_this_name", None, "ModuleNotFoundError: No module named"),
    "it ends the process": ("raise SystemExit(3)", None, "SystemExit: 3"),
    "it leads to no module": ("", "nowhere_at_all:it", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    "it leads to no attribute": ("", None, "AttributeError: module"),
    "it is of another shape": ("it = 5", None, "is n"),
}


@pytest.mark.parametrize("wrong", UNUSABLE)
def test_a_strategy_that_cannot_be_used_is_left_out(orch: Orch, plugin: Callable[..., str], wrong: str) -> None:
    source, target, problem = UNUSABLE[wrong]
    called = plugin("orch.strategies", "daring", source, target=target)
    done = orch("plan", "--simulate", "-s", "daring", "-p", "Why?")
    (line,) = said(done, called)
    assert problem in line
    assert done.returncode == 2
    assert b"no strategy 'daring'" in done.stderr


@pytest.mark.parametrize("wrong", UNUSABLE)
def test_a_signal_that_cannot_be_used_is_left_out_and_the_run_goes_on(
    orch: Orch, plugin: Callable[..., str], tmp_path: Path, wrong: str
) -> None:
    source, target, problem = UNUSABLE[wrong]
    called = plugin("orch.signals", "mood", source, target=target)
    (tmp_path / "config.yaml").write_text("signals: [mood]\n")
    done = orch("run", "--simulate", "--config", str(tmp_path / "config.yaml"), "-p", "Why?")
    (line,) = said(done, called)
    assert problem in line
    assert (done.returncode, bool(done.stdout)) == (0, True)


@pytest.mark.parametrize("wrong", UNUSABLE)
def test_a_command_that_cannot_be_used_is_left_out(orch: Orch, plugin: Callable[..., str], wrong: str) -> None:
    source, target, problem = UNUSABLE[wrong]
    called = plugin("orch.commands", "tidy", source, target=target)
    done = orch("tidy")
    (line,) = said(done, called)
    assert problem in line
    assert (done.returncode, b"did you mean" in done.stderr) == (2, False)


@pytest.mark.parametrize("wrong", [*UNUSABLE, "its module is not there", "it names no variables"])
def test_models_of_a_provider_that_cannot_be_used_are_passed_over(
    orch: Orch, plugin: Callable[..., str], tmp_path: Path, wrong: str
) -> None:
    info = "from orchestrator.plugin_api import ProviderInfo\nit = ProviderInfo({})"
    more: dict[str, tuple[str, str | None, str]] = {
        "its module is not there": (info.format("'nowhere_at_all', 'A', 'B'"), None, "no module nowhere_at_all"),
        "it names no variables": (info.format("'openai', '', 'B'"), None, "have no names"),
    }
    source, target, problem = (UNUSABLE | more)[wrong]
    called = plugin("orch.providers", "acme", source, target=target)
    models = own_model(tmp_path)
    listed = orch("models", *models)
    (line,) = said(listed, called)
    assert problem in line
    assert (listed.returncode, b"acme/one" in listed.stdout) == (0, True)
    alone = orch("run", *models, "--chain", "acme/one", "-p", "Why?")
    assert (alone.returncode, b"the plugin of acme is broken" in alone.stderr) == (1, True)
    planned = printed(
        orch("plan", *models, "--chain", "acme/one,gpt-6-luna", "-p", "Why?", "--output", "json", OPENAI_API_KEY="k")
    )
    assert "left out acme/one: the plugin of its provider is broken" in planned["reasons"]


def own_model(folder: Path, *, with_parrot: bool = False) -> tuple[str, str]:
    """A models file with `acme/one`, of the provider acme, as an option of a command."""
    text = (EXAMPLE / "models.yaml").read_text()
    own = text.replace("echo/parrot", "acme/one").replace("echo", "acme")
    (folder / "models.yaml").write_text(own + text.partition("models:\n")[2] if with_parrot else own)
    return "--models-file", str(folder / "models.yaml")


# -- ones that fail at work ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise ValueError('not today')", "ValueError: not today"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return 'gpt-6-luna'", "TypeError: it gave str for a Decision"),
        ("return Decision(Call('none-such'), ())", "'none-such', and there is no such model"),
        ("return Decision(Cascade(()), ())", "its plan cannot be carried out"),
    ],
    ids=lambda text: text[:30],
)
def test_a_strategy_that_fails_is_named_and_nothing_is_sent(
    orch: Orch, plugin: Callable[..., str], body: str, problem: str
) -> None:
    source = f"from orchestrator.plugin_api import *\ndef it(situation):\n    {body}\n"
    called = plugin("orch.strategies", "daring", source)
    done = orch("run", "--simulate", "-s", "daring", "-p", "Why?", "--output", "json")
    (line,) = said(done, called)
    assert problem in line
    assert (done.returncode, printed(done)["error"]["code"], printed(done)["calls"]) == (1, "plugin", [])


def test_a_strategy_that_takes_what_there_is_not_is_left_out(orch: Orch, plugin: Callable[..., str]) -> None:
    source = "from orchestrator.plugin_api import takes\n@takes('modles')\ndef it(situation): ...\n"
    called = plugin("orch.strategies", "daring", source)
    (line,) = said(orch("plan", "--simulate", "-s", "daring", "-p", "Why?"), called)
    assert "it takes modles, which is none of accept, " in line


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise ValueError('not today')", "ValueError: not today"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return 0.5", "TypeError: 'float' object is not iterable"),
        ("return [0.5]", "TypeError: it gave float for a Signal"),
        ("yield Signal('x', float('nan'), '')", "ValueError: it gave a logit of nan"),
        ("yield Signal('x', -11, '')", "ValueError: it gave a logit of -11"),
        ("yield Signal('x', 'much', '')", "TypeError"),
    ],
    ids=lambda text: text[:30],
)
def test_a_signal_that_fails_is_left_out_of_every_verdict_and_named_once(
    plugin: Callable[..., str], tmp_path: Path, body: str, problem: str
) -> None:
    called = plugin(
        "orch.signals", "mood", f"from orchestrator.plugin_api import Signal\ndef it(answer):\n    {body}\n"
    )
    script = Script({"gpt-6-luna": [reply(UNSURE)], "claude-haiku-4-5": [reply(UNSURE)]})
    settings = replace(load_settings({}, ledger=tmp_path / "ledger.db"), config_dir=tmp_path)
    settings = replace(settings, environ={"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"})
    options = RunOptions(chain="gpt-6-luna,claude-haiku-4-5")

    def run_with(*signals: str) -> OrchestrationResult:
        asked = replace(settings, signals=signals)
        engine = Engine(asked, connect=lambda name: ScriptedProvider(name, script))
        return asyncio.run(engine.run(Prompt("Which one is it?"), options))

    with pytest.warns(PluginWarning) as warned:
        run = run_with("mood")
    (message,) = [str(each.message) for each in warned]
    assert message.startswith(f"{called} is left out: ")
    assert problem in message
    assert (run.status, len(script.sent)) == ("complete", 2)
    assert run.confidence == run_with().confidence


def test_a_signal_that_is_not_installed_is_refused_before_anything_is_sent(orch: Orch, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("signals: [mood]\n")
    done = orch("run", "--simulate", "--config", str(tmp_path / "config.yaml"), "-p", "Why?")
    assert done.returncode == ConfigError.exit_code
    assert b"signals: no installed package has a signal 'mood'" in done.stderr


def test_a_command_that_fails_is_named_with_its_package(orch: Orch, plugin: Callable[..., str]) -> None:
    called = plugin("orch.commands", "tidy", "def it():\n    raise KeyError('dust')\n")
    done = orch("tidy")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"orch: {called} failed: KeyError: 'dust'",
        "      this is a bug in the plugin; ORCH_TRACEBACK=1 shows where it happened",
    ]
    assert b"Traceback" in orch("tidy", ORCH_TRACEBACK="1").stderr


def test_a_typer_app_is_a_command_with_commands_of_its_own(orch: Orch, plugin: Callable[..., str]) -> None:
    source = """
import typer
it = typer.Typer()
@it.command()
def floor() -> int:
    print("swept")
    return 6
@it.command()
def desk() -> None: ...
"""
    plugin("orch.commands", "tidy", source)
    done = orch("tidy", "floor")
    assert (done.returncode, done.stdout) == (6, b"swept\n")


ADAPTER = """
from orchestrator.plugin_api import *
it = ProviderInfo(__name__, "ACME_KEY", "ACME_URL")
class Acme:
    name = "acme"
    async def complete(self, request):
        {complete}
    async def stream(self, request):
        {stream}
        yield None
    def capabilities(self): return Capabilities(True, False, False, False, False)
    async def health_check(self): raise OSError("no route")
    def rate_limit_status(self): {status}
    async def aclose(self): raise RuntimeError("stuck")
def connect(target, transport):
    {connect}
"""
WORKING = {
    "complete": "return Completion('fine', FinishReason.STOP, Usage(1, 1), 0, request.model)",
    "stream": "raise NotImplementedError",
    "status": "return RateLimitStatus()",
    "connect": "return Acme()",
}


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize(
    ("part", "body", "problem"),
    [
        ("connect", "raise ValueError('not today')", "ValueError: not today"),
        ("connect", "return 5", "AttributeError: 'int' object has no attribute 'complete'"),
        ("complete", "raise OSError('not today')", "OSError: not today"),
        ("complete", "return 'fine'", "TypeError: it gave str for a Completion"),
        ("stream", "raise KeyError('choices')", "KeyError: 'choices'"),
        ("stream", "yield 5", "TypeError: it gave int for a Completion"),
    ],
)
def test_a_provider_that_fails_has_the_run_go_on_to_the_next_model(
    orch: Orch, plugin: Callable[..., str], tmp_path: Path, part: str, body: str, problem: str
) -> None:
    called = plugin("orch.providers", "acme", ADAPTER.format(**WORKING | {part: body}))
    ask = ("run", *own_model(tmp_path, with_parrot=True), "--chain", "acme/one,echo/parrot", "-p", "Hello")
    stream = "--stream" if part == "stream" else "--no-stream"
    done = orch(*ask, stream, "--threshold", "0", "--output", "json", ACME_KEY="k")
    run = printed(done)
    assert (done.returncode, run["model_used"], run["response"]) == (0, "echo/parrot", "Hello")
    assert [line for line in said(done, called) if f"failed: {problem}" in line]
    *failed, answered = run["calls"]
    assert answered["status"] == "completed"
    assert [(call["status"], call["error"]["code"]) for call in failed] == [("failed", "plugin")] * (part != "connect")


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("text", ["", "\\n\\n  \\n", "\\u200b\\xa0"], ids=["nothing", "white space", "unseen"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_white_space_from_a_provider_is_no_answer(
    orch: Orch, plugin: Callable[..., str], tmp_path: Path, text: str, streamed: bool
) -> None:
    completion = f"Completion('{text}', FinishReason.STOP, Usage(1, 1), 0, request.model)"
    body = {"complete": f"return {completion}", "stream": f"yield '{text}'; yield {completion}; return"}
    plugin("orch.providers", "acme", ADAPTER.format(**WORKING | body))
    ask = ("run", *own_model(tmp_path, with_parrot=True), "--chain", "acme/one,echo/parrot", "-p", "Hello")
    done = orch(*ask, "--stream" if streamed else "--no-stream", "--threshold", "0", "-o", "json", ACME_KEY="k")
    run = printed(done)
    assert (done.returncode, run["model_used"], run["response"]) == (0, "echo/parrot", "Hello")
    assert {call["error"]["code"] for call in run["calls"][:-1]} == {"empty_reply"}


def test_a_provider_that_breaks_off_leaves_what_it_said(orch: Orch, plugin: Callable[..., str], tmp_path: Path) -> None:
    called = plugin("orch.providers", "acme", ADAPTER.format(**WORKING | {"stream": "yield 'half'; raise OSError(5)"}))
    done = orch("run", *own_model(tmp_path), "--chain", "acme/one", "-p", "Hello", "--stream", ACME_KEY="k")
    assert (done.returncode, done.stdout) == (8, b"half\n")
    assert f"orch: {called} failed: OSError: 5" in said(done, called)


def test_a_provider_that_cannot_say_or_close_does_not_end_a_run(
    orch: Orch, plugin: Callable[..., str], tmp_path: Path
) -> None:
    called = plugin("orch.providers", "acme", ADAPTER.format(**WORKING | {"status": "raise ValueError('limits')"}))
    done = orch("run", *own_model(tmp_path), "--chain", "acme/one", "-p", "Hello", "--no-stream", ACME_KEY="k")
    assert (done.returncode, done.stdout) == (0, b"fine\n")
    assert {line.rpartition(" failed: ")[2] for line in said(done, called)} == {
        "ValueError: limits",
        "RuntimeError: stuck",
    }
    (check,) = [
        check
        for check in printed(orch("doctor", "--provider", "acme", "--output", "json", ACME_KEY="k"))["checks"]
        if check["name"] == "acme endpoint"
    ]
    assert (check["status"], check["detail"]) == ("error", f"{called} failed: OSError: no route")


def test_the_key_of_a_provider_is_kept_from_the_users_own_commands(
    orch: Orch, plugin: Callable[..., str], tmp_path: Path
) -> None:
    plugin("orch.providers", "acme", ADAPTER.format(**WORKING).replace("ACME_KEY", "ACME_AUTH"))
    ask = ("run", *own_model(tmp_path), "--chain", "acme/one", "-p", "Hello", "--no-stream")
    hidden = orch(*ask, "--verify", "sh -c 'test -z $ACME_AUTH'", ACME_AUTH="only-for-acme")
    assert (hidden.returncode, hidden.stdout) == (0, b"fine\n")
