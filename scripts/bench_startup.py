"""Measures what a command costs before and beside its work: the CPU of a process, user and system, in milliseconds.

    python scripts/bench_startup.py            # the least and the middle of 7 processes each
    python scripts/bench_startup.py --times 15
    python scripts/bench_startup.py --check    # exit code 1 if a command takes more of its own than its limit

Each command runs in a home of its own, once unmeasured, so that its bytecode and its cache are there as for whoever
uses orch daily. What Python or the provider's SDK costs by itself is measured the same way and taken off: `own` is the
command's least less the baseline's. `SDK, same call` is a program of three lines that sends the same request.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_MODEL = "gpt-6-luna"
_ORCH = ["-c", "from orchestrator.__main__ import main; main()"]  # what the installed `orch` does
_SAME_CALL = f"""\
import asyncio, openai
call = openai.AsyncOpenAI().chat.completions.create
asyncio.run(call(model="{_MODEL}", messages=[{{"role": "user", "content": "Hello"}}]))
"""
_ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": _MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
}
_RUN = ["run", "-p", "Hello", "--chain", _MODEL]
_BARE, _SDK, _CALL = "python", "SDK", "SDK, same call"

# what is measured -> (arguments of Python, the baseline that is taken off)
_MEASURED: dict[str, tuple[list[str], str | None]] = {
    _BARE: (["-c", "pass"], None),
    _SDK: (["-c", "import openai"], None),
    _CALL: (["-c", _SAME_CALL], _SDK),
    "orch --version": ([*_ORCH, "--version"], _BARE),
    "orch --help": ([*_ORCH, "--help"], _BARE),
    "orch report": ([*_ORCH, "report"], _BARE),
    "orch report --period weekly --output json": ([*_ORCH, "report", "--period", "weekly", "--output", "json"], _BARE),
    "orch run": ([*_ORCH, *_RUN], _SDK),
    "orch run --simulate": ([*_ORCH, *_RUN, "--simulate"], _SDK),
}

# The most that a command may take of its own, in milliseconds, on the machine of docs/performance.md.
_LIMITS_MS = {"orch --version": 60, "orch report": 130, "orch run": 150, "orch run --simulate": 200}


class _Answering(BaseHTTPRequestHandler):
    """The same completion for every request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name that http.server looks for
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(_ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in http.server
        pass


@contextmanager
def _answering() -> Iterator[str]:
    """A provider on loopback; gives its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def _environment(home: Path, base_url: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return kept | {"HOME": str(home), "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": base_url, "NO_PROXY": "*"}


def cpu_ms(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """The CPU that Python takes with these arguments, in milliseconds. Raises SystemExit if it fails."""
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
    child = os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=silent)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{arguments}: exit code {os.waitstatus_to_exitcode(status)}")
    return 1000 * (usage.ru_utime + usage.ru_stime)


def measure(times: int) -> dict[str, list[float]]:
    """Milliseconds of CPU of so many processes each, by what is measured."""
    with tempfile.TemporaryDirectory(prefix="orch-startup-") as home, _answering() as base_url:
        environment = _environment(Path(home), base_url)
        for arguments, _ in reversed(_MEASURED.values()):  # the runs first: they fill the ledger to report on
            cpu_ms(arguments, environment)
        rounds = [
            {name: cpu_ms(arguments, environment) for name, (arguments, _) in _MEASURED.items()} for _ in range(times)
        ]
    return {name: [each[name] for each in rounds] for name in _MEASURED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7, help="processes for each figure, 7 if not given")
    parser.add_argument("--check", action="store_true", help="fail if a command takes more than its limit")
    arguments = parser.parse_args()
    if arguments.times < 1:
        parser.error("--times takes 1 or more")
    taken = measure(arguments.times)
    print(f"CPU in ms, {arguments.times} processes each, Python {sys.version.split()[0]}\n")
    print(f"{'':42} {'least':>6} {'middle':>6} {'own':>6} {'limit':>6}  above")
    over = []
    for name, (_, baseline) in _MEASURED.items():
        least, middle, limit = min(taken[name]), statistics.median(taken[name]), _LIMITS_MS.get(name)
        own = least - (0 if baseline is None else min(taken[baseline]))
        if limit is not None and own > limit:
            over.append(name)
        above = "" if baseline is None else f"{own:6.0f} {limit or '':>6}  {baseline}"
        print(f"{name:42} {least:6.0f} {middle:6.0f} {above}".rstrip())
    if arguments.check and over:
        raise SystemExit(f"more than its limit: {', '.join(over)}")


if __name__ == "__main__":
    main()
