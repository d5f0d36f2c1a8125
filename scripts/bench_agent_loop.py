"""What it costs and saves that a conversation with tools stays with the model that began it.

    .venv/bin/python scripts/bench_agent_loop.py [STRATEGY ...]

An agent asks for fifteen reports on files, with a tool that reads one: thirty requests of one conversation that grows,
behind a long system prompt. It runs against `orch serve --simulate`, whose models have caches of prefixes as the
providers have, once as it is and once with `"orch": {"stay": false}`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.config import load_settings
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.store import Ledger
from orchestrator.run.engine import Engine
from orchestrator.serve.server import Serving, gate_for

STRATEGIES = ("cheapest", "fallback", "round-robin", "tiers")
FILES = 15
TOOL = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a file of the project",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    },
}
_WORDS = ("index", "queue", "table", "parser", "ledger", "socket", "stream", "thread", "buffer", "record", "schema")


def _prose(words: int, seed: int) -> str:
    drawn = random.Random(seed)
    return " ".join(drawn.choice(_WORDS) for _ in range(words))


async def loop(client: httpx2.AsyncClient, strategy: str, *, stay: bool) -> list[dict[str, Any]]:
    """The thirty requests; gives the `orch` object of each reply."""
    messages: list[Any] = [{"role": "system", "content": f"You review a project. {_prose(3000, 0)}"}]
    replies = []
    for number in range(FILES):
        more = " Prove that it is free of deadlocks, and design a lock-free replacement." if number % 3 == 2 else ""
        ask = f"Read file src/part_{number}.py and say what it is for.{more}"
        messages.append({"role": "user", "content": ask})
        while True:
            body = {"model": strategy, "messages": messages, "tools": [TOOL], "orch": {"stay": stay}, "max_tokens": 800}
            answer = (await client.post("/v1/chat/completions", json=body)).json()
            if "choices" not in answer:
                raise SystemExit(f"{strategy}: {answer['error']['message']}")
            replies.append(answer["orch"])
            message = answer["choices"][0]["message"]
            messages.append(message)
            for call in message.get("tool_calls", ()):
                result = {"role": "tool", "tool_call_id": call["id"], "content": _prose(400, number + 1)}
                messages.append(result)
            if not message.get("tool_calls"):
                break
    return replies


async def measure(strategy: str, *, stay: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(load_settings({}, ledger=Path(folder) / "ledger.db", simulate=True))
        with Ledger.open(engine.settings.ledger) as ledger:
            async with engine:
                gate = gate_for(engine, ledger, Serving(), log=None, trouble=print)
                transport = httpx2.ASGITransport(app=gate)
                async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=600) as client:
                    replies = await loop(client, strategy, stay=stay)
            runs = [find_run(ledger, reply["run_id"]) for reply in replies]
        calls = [call for run in runs for call in run.calls]
        taken = sum(call.input_tokens for call in calls)
        return {
            "requests": len(replies),
            "calls": len(calls),
            "models": len({reply["model"] for reply in replies}),
            "dollars": sum(reply["cost_nanousd"] for reply in replies) / 1e9,
            "cached": sum(call.cached_tokens for call in calls) / taken,
        }


async def main() -> None:
    print(f"{'strategy':12} {'stays':6} {'requests':>8} {'calls':>6} {'models':>7} {'dollars':>9} {'input cached':>13}")
    for strategy in sys.argv[1:] or STRATEGIES:
        for stay in (True, False):
            found = await measure(strategy, stay=stay)
            print(
                f"{strategy:12} {json.dumps(stay):6} {found['requests']:8} {found['calls']:6} {found['models']:7}"
                f" {found['dollars']:9.4f} {found['cached']:13.0%}",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main())
