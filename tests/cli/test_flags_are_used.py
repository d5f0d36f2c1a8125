"""No flag is accepted and ignored: whatever a command can be asked to do, each of its flags is read or refused.

A command with a new thing that it can do needs a line in `WAYS`; a new flag is found by itself.
"""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from orchestrator.cli.commands.completion import Shell
from orchestrator.cli.dispatch import COMMANDS
from orchestrator.errors import OrchError, UsageError
from orchestrator.importing.record import Source
from orchestrator.report.projection import Horizon

Orch = Callable[..., Any]


@dataclass(frozen=True)
class Way:
    """One thing that a command does, by what it is given beyond `--simulate`."""

    command: str
    given: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.command, *(f"{name}={value}" for name, value in self.given.items())])


BASELINE = "2026-10-01..2026-10-31"
WAYS = [
    Way("run", {"prompt": "Why?"}),
    Way("run", {"list_models": True}),
    Way("run", {"test": True}),
    Way("run", {"rate_last": "good"}),
    *(Way(name, {"prompt": "Why?"}) for name in ("cheapest", "fallback", "ensemble")),
    Way("cheapest", {"rate_last": "good"}),
    Way("chat"),
    Way("plan", {"prompt": "Why?", "given": {"max_latency_s": 30.0}}),
    Way("compare", {"asked": "Why?", "model": ["haiku", "gpt-6-luna"]}),
    Way("compare", {"asked": "last", "others": ["last"]}),
    Way("batch", {"what": "asked.jsonl"}),
    Way("batch", {"what": "asked.jsonl", "dry_run": True, "given": {"max_latency_s": 30.0}}),
    Way("batch", {"what": "list"}),
    *(Way("batch", {"what": action, "which": "last"}) for action in ("show", "cancel", "retry-failed")),
    Way("models"),
    Way("models", {"action": "bench", "names": ["haiku"]}),
    Way("models", {"action": "show", "names": ["haiku"]}),
    Way("models", {"by_task": True}),
    Way("chains"),
    Way("chains", {"action": "show", "name": "mixed"}),
    Way("chains", {"action": "check", "name": "chains.yaml"}),
    Way("experiment"),
    *(Way("experiment", {"action": action, "name": "small-models"}) for action in ("show", "stop", "resume")),
    Way("report"),
    Way("report", {"project": Horizon.MONTHLY}),
    Way("report", {"baseline": BASELINE}),
    Way("report", {"html": Path("page.html")}),
    Way("stats"),
    Way("report", {"check": True}),
    Way("cost", {"hourly": "0.25"}),
    Way("blocks"),
    Way("statusline"),
    Way("import", {"source": Source.OPENAI, "path": Path("export.csv")}),
    Way("export"),
    Way("bench", {"files": [Path("recorded.jsonl")]}),
    Way("bench", {"ledger": True}),
    Way("bench", {"live": Path("prompts.jsonl"), "write": Path("w.jsonl"), "models": "claude-haiku-5-5,gpt-6-luna"}),
    Way("budget"),
    Way("budget", {"action": "set", "daily": "5"}),
    Way("budget", {"action": "clear"}),
    Way("budget", {"action": "clear", "all": True}),
    *(
        Way("ledger", {"action": action, "names": names})
        for action, names in {
            "path": None,
            "backup": ["copy.db"],
            "check": None,
            "forget": ["last"],
            "merge": ["other.db"],
            "query": ["SELECT 1"],
            "metadata": None,
        }.items()
    ),
    Way("ledger", {"action": "prune", "older_than": "9999d"}),
    Way("ledger", {"action": "redact", "all": True}),
    Way("ledger", {"action": "redact", "older_than": "9999d"}),
    Way("keys"),
    Way("keys", {"action": "add", "name": "ci"}),
    Way("keys", {"action": "revoke", "name": "ci"}),
    *(Way("cache", {"action": action}) for action in ("stats", "prune", "clear")),
    Way("runs"),
    Way("show"),
    Way("why"),
    Way("rate", {"run": "last", "rating": "good"}),
    Way("rate", {"rate_last": "good"}),
    Way("init", {"print_only": True}),
    Way("init"),
    Way("tune"),
    Way("tune", {"files": [Path("recorded.jsonl")]}),
    Way("tune", {"show": True}),
    Way("tune", {"undo": True}),
    Way("doctor", {"offline": True}),
    Way("reconcile", {"file": Path("export.csv")}),
    Way("reprice", {"since": "1d", "models_file": Path("models.yaml")}),
    Way("reprice", {"undo": "last"}),
    Way("serve"),
    Way("simulate"),
    Way("completion", {"shell": Shell.BASH}),
    Way("completion", {"shell": Shell.WORDS, "words": ["run"]}),
    Way("help", {"command": ["run"]}),
]
# What is read for every command, to know in which files it works and whether it calls anyone.
WORLD = frozenset(
    {"config", "models_file", "chains_file", "routing_file", "ledger", "ledger_file", "scenario", "simulate", "output"}
)
FILES = ("config", "models_file", "chains_file", "routing_file", "scenario")


def function_of(way: Way) -> Any:
    return import_module(f"orchestrator.cli.commands.{COMMANDS[way.command].module}").commands[way.command]


def offered(way: Way) -> set[str]:
    """The fields of the command's flags that its command line can set."""
    command = function_of(way)
    named = set(command.__signature__.parameters)
    return {row.name for row in fields(command.flags) if row.name in named or row.default_factory is dict}


@dataclass
class Done:
    """What was read of the flags, and how it ended: with an exit code or an error."""

    read: set[str]
    ended: int | str


def carry_out(way: Way, **more: Any) -> Done:
    """The command's function, given flags that note which of them are read."""
    command = function_of(way)
    read: set[str] = set()

    class Noting(command.flags):  # type: ignore[misc,name-defined]  # the class is known when the test runs
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

        def __replace__(self, **changes: Any) -> Any:
            copy = super().__replace__(**changes)
            object.__setattr__(copy, "__class__", type(self))
            return copy

    simulated = {"simulate": True} if "simulate" in offered(way) else {}
    flags = Noting(**simulated | dict(way.given) | more)
    read.clear()
    try:
        return Done(read, command.function(flags))
    except OrchError as error:
        return Done(read, f"{type(error).__name__}: {error.message}")


def sample(flags: type[Any], name: str) -> Any:
    """A value that a flag could have, other than its default."""
    kind = get_type_hints(flags)[name]
    if get_origin(kind) is UnionType:
        kind = next(each for each in get_args(kind) if each is not NoneType)
    if get_origin(kind) is Mapping:
        return {"category": "x"}
    return [sample_of(get_args(kind)[0])] if get_origin(kind) is list else sample_of(kind)


def sample_of(kind: type[Any]) -> Any:
    samples: dict[type[Any], Any] = {str: "x", bool: True, int: 7, float: 0.7, Path: Path("x.yaml")}
    return list(kind)[-1] if issubclass(kind, Enum) else samples[kind]


@pytest.fixture
def place(way: Way, orch: Orch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A folder with what commands are given, a ledger with a rated run, and a port that is taken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert orch("run", "--simulate", "-p", "What is the capital of France?").returncode == 0
    assert orch("rate", "last", "good", "--simulate").returncode == 0
    prompt = {"id": "1", "task": "question", "prompt": "What is the capital of France?", "expected": "Paris"}
    outcomes = {name: {"score": 1.0, "text": "Paris.", "cost": 0.001} for name in ("gpt-4o", "gpt-4o-mini")}
    Path("prompts.jsonl").write_text(json.dumps(prompt) + "\n")
    Path("asked.jsonl").write_text(json.dumps({"prompt": "What is the capital of France?"}) + "\n")
    if way.command == "batch":
        assert orch("batch", "asked.jsonl", "-o", "answered.jsonl", "--simulate").returncode == 0
    Path("recorded.jsonl").write_text(json.dumps({**prompt, "outcomes": outcomes}) + "\n")
    Path("export.csv").write_text("day,model,input_tokens,output_tokens,cached_tokens,cost\n")
    Path("chains.yaml").write_text("two: [haiku, gpt-4o]\n")
    Path("models.yaml").write_text("models: {}\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def given_port(way: Way, port: int) -> dict[str, Any]:
    """`orch serve` and `orch simulate` serve until they are stopped: on a port that is taken they end at once."""
    return {"port": port} if way.command in ("serve", "simulate") else {}


def unusable_files(way: Way, folder: Path) -> dict[str, Path]:
    """A file that is not there for each flag that names one, and a folder for the ledger."""
    missing = folder / "none" / "none.yaml"
    named = {name: missing for name in FILES if name in offered(way)}
    named |= {name: folder for name in ("ledger", "ledger_file") if name in offered(way) - way.given.keys()}
    if way.command == "bench":
        named.pop("ledger", None)  # a switch there
    return named


def test_every_command_is_looked_at() -> None:
    assert {way.command for way in WAYS} == set(COMMANDS.built_in)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_flag_is_read_or_refused_and_a_file_that_is_not_there_noticed(way: Way, place: int, tmp_path: Path) -> None:
    port = given_port(way, place)
    unusable = unusable_files(way, tmp_path)  # before all else: what a command has gathered it would not ask for again
    ended = {name: carry_out(way, **port, **{name: path}).ended for name, path in unusable.items()}
    plain = carry_out(way, **port)
    assert [name for name, end in ended.items() if end == plain.ended] == []
    ignored = []
    for name in offered(way) - plain.read - WORLD - way.given.keys():
        done = carry_out(way, **port, **{name: sample(function_of(way).flags, name)})
        refused = str(done.ended).startswith(UsageError.__name__) and done.ended != plain.ended
        if name not in done.read and not refused:
            ignored.append(name)
    assert ignored == []
