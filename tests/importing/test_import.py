"""Usage of other tools: counted once, as an independent count has it, and apart from orch's own."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any

import pytest

from orchestrator.importing import codex, gemini_cli
from orchestrator.importing.record import Told, UsageRecord
from orchestrator.registry import load_registry

Orch = Callable[..., CompletedProcess[bytes]]
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def claude_line(number: int, at: datetime, model: str, usage: dict[str, Any], **more: Any) -> str:
    message = {
        "id": f"msg_{number}",
        "model": model,
        "role": "assistant",
        "usage": usage,
        "content": [{"type": "text"}],
    }
    event = {
        "type": "assistant",
        "uuid": f"u{number}",
        "sessionId": "s",
        "cwd": "/home/me/app",
        "requestId": f"r{number}",
    }
    return json.dumps(event | {"timestamp": stamp(at), "message": message} | more)


def claude_logs(folder: Path, calls: int) -> None:
    """Sessions as Claude Code leaves them: repeated lines that grow, a resumed session, sub-agents, what is no call."""
    random = Random(3)
    lines: list[str] = ['{"type":"summary","summary":"usage of \\"usage\\""}']
    for number in range(calls):
        at, model = START + timedelta(minutes=7 * number), random.choice(MODELS)
        counts: dict[str, Any] = {
            "input_tokens": random.randrange(1, 50),
            "cache_creation_input_tokens": random.randrange(9_000),
        }
        counts |= {
            "cache_read_input_tokens": random.randrange(60_000),
            "service_tier": "standard",
            "brand_new": {"x": 1},
        }
        output = random.randrange(1, 2_000)
        lines += [claude_line(number, at, model, counts | {"output_tokens": min(output, each)}) for each in (1, output)]
        lines.append(json.dumps({"type": "user", "message": {"content": [{"tool_result": {"usage": "none"}}]}}))
    lines.append(claude_line(10**6, START, "<synthetic>", {"input_tokens": 0, "output_tokens": 0}))
    project = folder / "projects" / "-home-me-app"
    (project / "s" / "subagents").mkdir(parents=True)
    half = len(lines) // 2
    (project / "s.jsonl").write_text("\n".join(lines[:half]) + "\n")
    (project / "resumed.jsonl").write_text("\n".join(lines) + "\n")  # has the first half once more
    (project / "s" / "subagents" / "a.jsonl").write_text(
        claude_line(10**5, START, MODELS[0], {"input_tokens": 5, "output_tokens": 6}) + '\n{"type":"assis\n[1]\n'
    )


def counted(folder: Path) -> tuple[int, int, int, int]:
    """Calls, tokens and nano-dollars, counted on the lines themselves."""
    final: dict[str, dict[str, Any]] = {}
    for file in folder.rglob("*.jsonl"):
        for line in file.read_text().splitlines():
            if '"output_tokens"' in line and "<synthetic>" not in line:
                event = json.loads(line)
                before = final.get(event["requestId"])
                if before is None or event["message"]["usage"]["output_tokens"] >= before["usage"]["output_tokens"]:
                    final[event["requestId"]] = event["message"]
    given = written = cost = 0
    registry = load_registry(models_file=None, chains_file=None, config_dir=folder)
    for message in final.values():
        usage, rates = message["usage"], registry.model(message["model"]).prices[-1].rates
        assert rates is not None
        assert rates.cache_read is not None
        assert rates.cache_write is not None
        read, made = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
        given += usage["input_tokens"] + read + made
        written += usage["output_tokens"]
        parts = (usage["input_tokens"], rates.input), (read, rates.cache_read), (made, rates.cache_write)
        cost += math.ceil(sum(n * Fraction(r) * 1000 for n, r in (*parts, (usage["output_tokens"], rates.output))))
    return len(final), given, written, cost


def sums(ledger: Path, where: str = "source = 'claude-code'") -> tuple[int, int, int, int]:
    with sqlite3.connect(ledger) as connection:
        found: tuple[int, int, int, int] = connection.execute(
            "SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), "
            f"coalesce(sum(cost_nanousd), 0) FROM calls JOIN runs USING (run_id) WHERE {where}"
        ).fetchone()
        return found


def document(done: CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_directory_imported_twice_is_counted_once_and_as_an_independent_count_has_it(
    orch: Orch, tmp_path: Path
) -> None:
    logs, ledger = tmp_path / "claude", tmp_path / "ledger.db"
    claude_logs(logs, 60)
    words = ("import", "claude-code", "--ledger", str(ledger), "-o", "json")
    first = document(orch(*words, str(logs)))
    assert (first["new"], first["broken"], first["files"]) == (61, 2, 3)
    assert first["first_broken"].endswith("a.jsonl:2")
    assert sums(ledger) == counted(logs)
    again = document(orch(*words, CLAUDE_CONFIG_DIR=str(logs)))
    assert (again["new"], again["changed"], again["calls"]) == (0, 0, 61)
    assert sums(ledger) == counted(logs)
    (session,) = logs.rglob("s.jsonl")
    with session.open("a") as log:  # it goes on: a reply grows, and there is a new one
        for number, output in ((59, 5_000), (200, 7)):
            usage = {"input_tokens": 3, "cache_read_input_tokens": 99_000, "output_tokens": output}
            log.write(claude_line(number, START, MODELS[0], usage) + "\n")
    later = document(orch(*words, str(logs)))
    assert (later["new"], later["changed"]) == (1, 1)
    assert sums(ledger)[:3] == counted(logs)[:3]


def test_reports_are_of_ones_own_runs_and_say_what_they_leave_out(orch: Orch, tmp_path: Path) -> None:
    logs, ledger = tmp_path / "claude", ("--ledger", str(tmp_path / "ledger.db"))
    claude_logs(logs, 3)
    assert orch("budget", "set", "--monthly", "50", *ledger).returncode == 0
    assert orch("import", "claude-code", str(logs), *ledger).returncode == 0
    cost = sums(tmp_path / "ledger.db")[3]
    own = document(orch("report", *ledger, "-o", "json"))
    assert (own["source"], own["total"]["runs"]) == ("own", 0)
    assert own["imported"] == [{"source": "claude-code", "runs": 4, "cost_nanousd": cost}]
    assert b"imported usage is not in it (--source all): claude-code $" in orch("report", *ledger).stdout
    for source in ("all", "imported", "claude-code"):
        found = document(orch("report", "--source", source, *ledger, "-o", "json"))
        assert (found["total"]["cost_nanousd"], found["imported"]) == (cost, [])
    assert document(orch("report", "--source", "codex", *ledger, "-o", "json"))["total"]["runs"] == 0
    assert document(orch("blocks", *ledger, "-o", "json"))["blocks"][0]["cost_nanousd"] == cost
    (budget,) = document(orch("budget", "show", *ledger, "-o", "json"))["budgets"]
    assert budget["spent_nanousd"] == 0
    assert orch("show", "last", *ledger).returncode == 2
    by_project = document(orch("report", "--source", "all", "--by", "category", *ledger, "-o", "json"))
    assert [group["key"] for group in by_project["groups"]] == ["app"]
    refused = orch("report", "--source", "claude", *ledger)
    assert (refused.returncode, b"did you mean 'claude-code'" in refused.stderr) == (2, True)


def test_what_had_no_price_is_priced_by_a_later_import_alone(orch: Orch, tmp_path: Path) -> None:
    (folder := tmp_path / "projects").mkdir()
    usage = {"input_tokens": 1_000_000, "output_tokens": 0}
    (folder / "s.jsonl").write_text(claude_line(1, START, "claude-nova-9", usage) + "\n")
    given = ("--ledger", str(tmp_path / "ledger.db"))
    found = document(orch("import", "claude-code", str(tmp_path), *given, "-o", "json"))
    assert (found["unpriced"], found["cost_nanousd"]) == ({"claude-nova-9": 1}, 0)
    models = tmp_path / "models.yaml"
    models.write_text(
        "models: {claude-nova-9: {provider: anthropic, context_window: 200000, output_limit: 8000, levels: [basic],"
        " scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}, supports: [],"
        " prices: [{input: 3, output: 15, source: me, checked: 2026-11-20}]}}"
    )
    priced = (*given, "--models-file", str(models))
    assert b"nothing" in orch("reprice", "--since", "2026-11-01", *priced).stdout
    found = document(orch("import", "claude-code", str(tmp_path), *priced, "-o", "json"))
    assert (found["changed"], found["unpriced"], found["cost_nanousd"]) == (1, {}, 3_000_000_000)


def test_what_is_to_count_in_budgets_does(orch: Orch, tmp_path: Path) -> None:
    (folder := tmp_path / "projects").mkdir()
    today = datetime.now().astimezone()
    usage = {"input_tokens": 1_000, "output_tokens": 10}
    (folder / "s.jsonl").write_text(claude_line(1, today.astimezone(UTC), MODELS[0], usage) + "\n")
    given = ("--ledger", str(tmp_path / "ledger.db"))
    orch("budget", "set", "--daily", "50", *given)
    assert orch("import", "claude-code", str(tmp_path), "--in-budgets", *given).returncode == 0
    (budget,) = document(orch("budget", "show", *given, "-o", "json"))["budgets"]
    assert budget["spent_nanousd"] == sums(tmp_path / "ledger.db")[3] > 0


def figures(records: list[UsageRecord]) -> list[tuple[str, str, int, int, int]]:
    return [
        (each.key, each.model, each.usage.input_tokens, each.usage.cached_tokens, each.usage.output_tokens)
        for each in records
        if each.usage is not None
    ]


def codex_event(**payload: Any) -> str:
    return json.dumps({"timestamp": stamp(START), "type": "event_msg", "payload": {"type": "token_count", **payload}})


def codex_counts(*counts: int) -> dict[str, int]:
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    return dict(zip(names, counts, strict=True)) | {"total_tokens": counts[0] + counts[2]}


def test_a_codex_session_has_a_call_for_each_count_that_is_new(tmp_path: Path) -> None:
    meta = {"type": "session_meta", "payload": {"id": "abc", "cwd": "C:\\Users\\me\\tool"}}
    context = {"type": "turn_context", "payload": {"model": "gpt-6-luna"}}
    one, two = codex_counts(100, 80, 20, 10), codex_counts(250, 180, 50, 10)
    (file := tmp_path / "rollout.jsonl").write_text(
        "\n".join(
            [
                json.dumps(meta),
                json.dumps(context),
                codex_event(info=None, rate_limits={}),
                codex_event(info={"total_token_usage": one, "last_token_usage": one}),
                codex_event(info={"total_token_usage": one, "last_token_usage": one}, rate_limits={"primary": 1}),
                codex_event(info={"total_token_usage": two}),
                json.dumps({"type": "turn_context", "payload": {"model": "gpt-6.1-sol"}}),
                codex_event(info={"last_token_usage": codex_counts(7, 9, 3, 5)}),
            ]
        )
    )
    told = Told()
    records = list(codex.read(file, told))
    assert figures(records) == [
        ("abc:1", "gpt-6-luna", 100, 80, 20),
        ("abc:2", "gpt-6-luna", 150, 100, 30),
        ("abc:3", "gpt-6.1-sol", 7, 7, 3),
    ]
    assert ({record.project for record in records}, told.broken) == ({"tool"}, 0)


@pytest.mark.parametrize(("has_parent", "expected"), [(True, [(2, 60), (3, 9)]), (False, [(3, 9)])], ids=str)
def test_the_history_of_a_codex_fork_counts_with_the_session_before(
    tmp_path: Path, has_parent: bool, expected: list[tuple[int, int]]
) -> None:
    def file_of(name: str, after: float, *events: str, **meta: Any) -> Path:
        head = {
            "timestamp": stamp(START + timedelta(seconds=after)),
            "type": "session_meta",
            "payload": {"id": name, **meta},
        }
        (file := tmp_path / "sessions" / f"rollout-{name}.jsonl").parent.mkdir(exist_ok=True)
        file.write_text("\n".join([json.dumps(head), *events]))
        return file

    def event(after: float, total: int) -> str:
        info = {"total_token_usage": codex_counts(total, 0, 0, 0)}
        told = {"timestamp": stamp(START + timedelta(seconds=after)), "type": "event_msg"}
        return json.dumps(told | {"payload": {"type": "token_count", "info": info}})

    if has_parent:
        file_of("mother", 0, event(1, 40), event(2, 90))
    # The second call of the fork is in the second of its making, and yet its own: the other session knows it not.
    own_head = json.dumps({"type": "session_meta", "payload": {"id": "mother"}})
    fork = file_of("child", 60, own_head, event(60.1, 40), event(60.9, 100), event(90, 109), forked_from_id="mother")
    records = list(codex.read(fork, Told()))
    assert [(record.key, record.usage and record.usage.input_tokens) for record in records] == [
        (f"child:{place}", tokens) for place, tokens in expected
    ]


def test_a_gemini_session_counts_thoughts_and_tools_and_what_was_cached(tmp_path: Path) -> None:
    def message(name: str, total: int, **more: Any) -> dict[str, Any]:
        tokens = {"input": 100, "output": 10, "cached": 40, "thoughts": 5, "tool": 2, "total": total}
        return {
            "id": name,
            "timestamp": stamp(START),
            "type": "gemini",
            "model": "gemini-3.8-flash",
            "tokens": tokens,
        } | more

    session = {
        "sessionId": "s",
        "messages": [{"type": "user"}, message("a", 117), message("b", 157), {"type": "gemini"}],
    }
    (whole := tmp_path / "session-1.json").write_text(json.dumps(session))
    expected = [("s:a", "gemini-3.8-flash", 102, 40, 15), ("s:b", "gemini-3.8-flash", 142, 40, 15)]
    assert figures(list(gemini_cli.read(whole, Told()))) == expected
    lines = [{"sessionId": "s"}, message("a", 117), message("b", 157), message("c", 1, timestamp="yesterday")]
    (by_line := tmp_path / "session-2.jsonl").write_text("\n".join(map(json.dumps, lines)))
    told = Told()
    assert figures(list(gemini_cli.read(by_line, told))) == expected
    assert told.broken == 1
    (tmp_path / "session-3.json").write_text("{")
    assert list(gemini_cli.read(tmp_path / "session-3.json", told)) == []
    assert told.broken == 2


def export(file: Path, *rows: str, costs: bool = False) -> Path:
    head = "start_time_iso,line_item,amount_value" if costs else "start_time_iso,model,input_tokens,output_tokens"
    file.write_text("\n".join([head, *rows]) + "\n")
    return file


def test_an_export_is_what_other_programs_used_beyond_ones_own_calls(orch: Orch, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    given = ("--ledger", str(ledger), "-o", "json")
    assert orch("run", "--simulate", "-m", "gpt-6-luna", "-p", "Hello", "--ledger", str(ledger)).returncode == 0
    with sqlite3.connect(ledger) as connection:  # as if it had been real
        connection.execute("UPDATE call_rows SET simulated = 0")
        connection.execute("UPDATE run_rows SET simulated = 0")
        day, mine_in, mine_out = connection.execute(
            "SELECT date(sent_at / 1000000, 'unixepoch'), input_tokens, output_tokens FROM calls"
        ).fetchone()
    usage = export(
        tmp_path / "usage.csv", f"{day},gpt-6-luna,{mine_in + 500},{mine_out + 40}", f"{day},gpt-6-luna,100,1"
    )
    assert document(orch("import", "openai", str(usage), *given))["new"] == 1
    assert sums(ledger, "source = 'openai'")[:3] == (1, 600, 41)
    assert document(orch("import", "openai", str(usage), *given))["known"] == 1
    export(usage, f"{day},gpt-6-luna,{mine_in + 900},{mine_out + 50}")
    assert document(orch("import", "openai", str(usage), *given))["changed"] == 1
    assert sums(ledger, "source = 'openai'")[:3] == (1, 900, 50)
    costs = export(tmp_path / "costs.csv", f'{day},"gpt-6-luna, input",1.5', costs=True)
    assert document(orch("import", "openai", str(costs), *given))["changed"] == 1
    ((own),) = [sums(ledger, "source IS NULL")[3]]
    assert sums(ledger, "source = 'openai'") == (1, 900, 50, 1_500_000_000 - own)
    assert document(orch("import", "openai", str(usage), *given))["known"] == 1  # tokens alone change no stated cost
    assert orch("import", "anthropic", str(usage), *given).returncode == 2


@pytest.mark.parametrize(
    "words",
    [(), ("claude-code",), ("codex", "nowhere"), ("openai",), ("openai", "nowhere.csv"), ("windsurf",)],
    ids=["nothing", "no logs", "no such folder", "no export", "no such export", "no such tool"],
)
def test_what_cannot_be_imported_is_a_usage_error_with_a_hint(orch: Orch, words: tuple[str, ...]) -> None:
    refused = orch("import", *words)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"Traceback" not in refused.stderr
