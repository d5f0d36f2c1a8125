"""What reports cost on a ledger of a million calls, beside the raw SQL that gives the same.

    .venv/bin/python scripts/bench_reports.py [--runs 700000] [--days 90] [--schema 8] [--keep FILE]

A ledger of the given schema is filled with made-up runs, migrated as any other ledger, and asked for every report. CPU
is user and system time of the process alone; machines differ, so read the ratio: of what a command takes the second
time, less what it takes on an empty ledger, to the raw SQL that gives the same from the rows. The first report sums up
the days. `--keep` leaves the ledger in FILE, or takes the one that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from orchestrator.clock import local_now
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.store import Ledger

_MODELS = [  # name, provider, weight, nano-dollars of an average call
    ("gpt-6-luna", "openai", 30, 90_000),
    ("claude-haiku-4-5", "anthropic", 25, 1_200_000),
    ("gemini-3.5-flash", "google", 20, 700_000),
    ("claude-sonnet-5-5", "anthropic", 12, 6_000_000),
    ("gpt-6.1-sol", "openai", 8, 8_000_000),
    ("gemini-4-argon", "google", 3, 9_000_000),
    ("claude-opus-5-5", "anthropic", 2, 20_000_000),
]
_TASKS = ["code", "explanation", "extraction", "summary", "translation", "maths", "review", "chat", "other"]
_LEVELS = ["basic", "intermediate", "advanced", "expert"]
_STRATEGIES = ["fallback", "fallback", "cheapest", "ensemble"]
_CATEGORIES = [None, None, "batch", "support", "research"]
_TAGS = ["[]", "[]", '["nightly"]', '["web", "beta"]']
_PLAN = json.dumps({"cascade": {"threshold": 0.6, "legs": [{"call": {"model": name}} for name, *_ in _MODELS]}})
_METADATA = json.dumps({"complexity": {"score": 0.4, "features": {"word " * 5: 0.2}}, "decisions": ["chosen " * 40]})
_PRICE = json.dumps({"start": "0001-01-01", "source": "made up", "rates": {"input": "0.1", "output": "0.5"} | {
    f"rate {number}": None for number in range(10)}})  # fmt: skip
_USAGE = json.dumps({"prompt_tokens": 26, "completion_tokens": 152, "details": {"cached": 0, "reasoning": 69}})
_VERDICT = json.dumps({"signals": {f"signal {number}": 0.25 for number in range(6)}, "reasons": ["sure of itself"]})
_SEED = 7


# -- a ledger --------------------------------------------------------------------------------------------------------


def fill(path: Path, runs: int, days: int, schema: int) -> None:
    """Make a ledger of an older schema with this many runs, ending today."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    for statement in (statement for version in MIGRATIONS[:schema] for statement in version):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {schema}")
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("BEGIN")
    _insert(connection, "runs", (row for row, _ in _made_up(runs, days)))
    _insert(connection, "calls", (row for _, calls in _made_up(runs, days) for row in calls))
    if schema >= 2:
        connection.execute(next(sql for sql in MIGRATIONS[1] if "INSERT INTO spending" in sql and "TRIGGER" not in sql))
    for _, sql in triggers:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.close()


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, object]]) -> None:
    known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    first = next(rows)
    names = [name for name in first if name in known]
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    connection.execute(sql, [first[name] for name in names])
    connection.executemany(sql, ([row[name] for name in names] for row in rows))


def _made_up(runs: int, days: int) -> Iterator[tuple[dict[str, object], list[dict[str, object]]]]:
    """Each run with its calls; the same ones each time."""
    chance = random.Random(_SEED)
    weights = [model[2] for model in _MODELS]
    first = local_now() - timedelta(days=days - 1)
    start = int(first.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1_000_000
    words = [f"word{number} " for number in range(500)]
    for number in range(runs):
        at = start + number * days * 86_400_000_000 // (runs + runs // days)
        day = time.strftime("%Y-%m-%d", time.localtime(at // 1_000_000))
        run_id, answer = f"01K{number:023d}", "".join(chance.choices(words, k=chance.randint(10, 120)))
        picked = chance.choices(_MODELS, weights, k=2 if chance.random() < 0.168 else 1)
        calls = [
            _call(chance, f"{run_id}{place}", run_id, at, day, model, answer) for place, model in enumerate(picked)
        ]
        ok = chance.random() < 0.97
        yield {
            "run_id": run_id, "created_at": at, "ended_at": at + 2_000_000, "day": day, "simulated": 0,
            "status": "complete" if ok else "failed", "strategy": chance.choice(_STRATEGIES), "pattern": None,
            "category": chance.choice(_CATEGORIES), "tags": chance.choice(_TAGS), "task": chance.choice(_TASKS),
            "level": chance.choice(_LEVELS), "score": round(chance.random(), 3), "confidence": 0.7 if ok else None,
            "prompt_sha256": "0" * 64, "model_used": picked[-1][0] if ok else None,
            "response_sha256": f"{number:064d}", "latency_ms": int(chance.lognormvariate(7.2, 0.6)),
            "plan": _PLAN, "metadata": _METADATA, "experiment": "trial" if number % 20 == 0 else None,
            "arm": "ab"[number // 20 % 2] if number % 20 == 0 else None,
            "subject_sha256": f"{number % 977:064d}" if number % 20 == 0 else None,
            "prompt": f"Question {number}: " + "".join(chance.choices(words, k=chance.randint(5, 60))),
            "response": answer,
        }, calls  # fmt: skip


def _call(
    chance: random.Random, call_id: str, run_id: str, at: int, day: str, model: tuple[str, str, int, int], answer: str
) -> dict[str, object]:
    name, provider, _, mean = model
    cost = int(mean * chance.lognormvariate(0, 0.5))
    return {
        "call_id": call_id, "run_id": run_id, "created_at": at, "sent_at": at, "ended_at": at + 1_000_000, "day": day,
        "simulated": 0, "status": "completed", "provider": provider, "model": name, "provider_model": name,
        "attempt": 1, "reserved_nanousd": cost * 9, "cost_nanousd": cost, "cost_source": "usage",
        "input_tokens": chance.randint(50, 4000), "output_tokens": chance.randint(20, 900), "cached_tokens": 0,
        "cache_write_tokens": 0, "reasoning_tokens": 0, "finish_reason": "stop",
        "latency_ms": int(chance.lognormvariate(7, 0.6)), "request_id": f"req_{call_id}", "raw_model": name,
        "confidence": 0.7, "response_sha256": call_id.zfill(64), "price": _PRICE, "usage": _USAGE,
        "verdict": _VERDICT, "response": answer,
    }  # fmt: skip


# -- what is measured ------------------------------------------------------------------------------------------------

_GROUPED = "SELECT {keys}, count(*), count(DISTINCT run_id), sum(cost_nanousd), sum(input_tokens), sum(output_tokens)"
_LATENCIES = "SELECT {keys}, {table}.latency_ms, count(*) FROM {tables} WHERE {where} GROUP BY {groups}, {last}"
_JOINED = "runs JOIN calls USING (run_id)"
# What a dimension is in SQL.
_SQL = {
    **{name: f"calls.{name}" for name in ("model", "provider", "role", "step")},
    **{name: f"runs.{name}" for name in ("task", "level", "tier", "category", "experiment", "key", "host", "user")},
    "strategy": "runs.strategy",
    "plan": "runs.pattern",
    "tag": "runs.tags",
    "day": "runs.day",
    "hour": "runs.created_at / 3600000000",
    "week": "date(runs.day, 'weekday 0', '-6 days')",
    "month": "substr(runs.day, 1, 7)",
    "year": "substr(runs.day, 1, 4)",
}
_PAIRS = (
    *("model,task", "model,day", "task,category", "strategy,tag", "level,tier", "key,model", "host,user", "role,model"),
    *("experiment,day", "hour,model", "hour,task"),
)


def _grouped(by: str, where: str = "runs.simulated = 0") -> list[str]:
    """The SQL that gives a report from the rows: its sums, and how often each latency occurs."""
    keys = [_SQL[name] for name in by.split(",")]
    groups = ", ".join(str(number) for number in range(1, len(keys) + 1))
    of_calls = any(key.startswith("calls.") for key in keys)
    columns = ", ".join(keys)
    latencies = _LATENCIES.format(
        keys=columns,
        table="calls" if of_calls else "runs",
        tables=_JOINED if of_calls else "runs",
        where=where,
        groups=groups,
        last=len(keys) + 1,
    )
    return [f"{_GROUPED.format(keys=columns)} FROM {_JOINED} WHERE {where} GROUP BY {groups}", latencies]


_FIRST_HALF = f"2026-01-01..{(local_now() - timedelta(days=45)).date()}"
_OF_MONTH = "runs.simulated = 0 AND runs.day >= date('now', 'start of month')"
# The command, and the SQL that gives the same from the rows.
CASES: dict[str, list[str]] = {
    **{f"report --period all --by {by}": _grouped(by) for by in (*_SQL, *_PAIRS)},
    "report --period monthly --by model": _grouped("model", _OF_MONTH),
    "report --period monthly --by task,level": _grouped("task,level", _OF_MONTH),
    "report --period all --by category --tag web": _grouped("category"),
    "report --project monthly": [*_grouped("day"), *_grouped("model")],
    "report --html page.html": [query for by in ("model", "strategy", "day", "day,model") for query in _grouped(by)],
    f"report --baseline {_FIRST_HALF} -o json": [_grouped(by)[0] for by in ("task,model", "task,level", "tier")],
    "stats": _grouped("model"),
    "budget show": ["SELECT sum(cost_nanousd) FROM calls WHERE day = date('now')"],
    "experiment show trial": [
        "SELECT arm, subject_sha256, count(*), avg(complete), avg(cost), avg(latency_ms), avg(confidence), avg(rating)"
        " FROM (SELECT arm, subject_sha256, status = 'complete' AS complete, latency_ms, confidence, rating,"
        " (SELECT sum(cost_nanousd) FROM calls WHERE calls.run_id = runs.run_id) AS cost"
        " FROM runs LEFT JOIN ratings USING (run_id) WHERE experiment = 'trial' AND simulated = 0) GROUP BY 1, 2"
    ],
    "show last": ["SELECT * FROM runs ORDER BY created_at DESC LIMIT 1"],
    "runs": ["SELECT run_id, created_at, model_used, prompt FROM runs ORDER BY rowid DESC LIMIT 20"],
    "statusline": ["SELECT sum(cost_nanousd) FROM calls WHERE day = date('now')"],
}


def _cpu(work: Callable[[], object], who: int) -> float:
    before = resource.getrusage(who)
    work()
    after = resource.getrusage(who)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _raw(path: Path, queries: list[str]) -> float:
    def ask() -> None:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as connection:
            for query in queries:
                connection.execute(query).fetchall()
        connection.close()

    return _cpu(ask, resource.RUSAGE_SELF)


def _command(path: Path, command: str) -> tuple[float, str]:
    environ = {**os.environ, "ORCH_LEDGER": str(path)}
    done: list[subprocess.CompletedProcess[str]] = []
    beside = path.absolute().parent  # of the ledger, for what a command writes
    argv = [sys.executable, "-m", "orchestrator", *command.split()]
    spent = _cpu(
        lambda: done.append(subprocess.run(argv, env=environ, cwd=beside, capture_output=True, text=True, check=False)),
        resource.RUSAGE_CHILDREN,
    )
    return spent, "" if done[0].returncode == 0 else f"exit {done[0].returncode}: {done[0].stderr.strip()[:80]}"


def main() -> None:
    """Make the ledger, migrate it, and print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=700_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--schema", type=int, default=8, help="of the ledger before it is migrated")
    parser.add_argument("--keep", type=Path, help="where the ledger stays")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        path = asked.keep or Path(folder) / "ledger.db"
        if not path.exists():
            spent = _cpu(lambda: fill(path, asked.runs, asked.days, asked.schema), resource.RUSAGE_SELF)
            print(f"filled: {path.stat().st_size / 1e9:.2f} GB, {spent:.1f} s CPU")
        spent = _cpu(lambda: Ledger.open(path).close(), resource.RUSAGE_SELF)
        print(f"opened and migrated: {path.stat().st_size / 1e9:.2f} GB, {spent:.1f} s CPU")
        empty = Path(folder) / "empty.db"
        fill(empty, 2, 1, asked.schema)
        Ledger.open(empty).close()
        failed = False
        print(f"{'command':44} {'first':>6} {'again':>6} {'empty':>6} {'raw SQL':>8} {'ratio':>6}  (CPU, seconds)")
        for command, queries in CASES.items():
            (first, problem), (again, _), (start, _) = (_command(each, command) for each in (path, path, empty))
            raw = _raw(path, queries)
            failed = failed or bool(problem)
            ratio = (again - start) / raw
            print(f"{command:44} {first:6.2f} {again:6.2f} {start:6.2f} {raw:8.3f} {ratio:6.2f} {problem}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
