"""How fast `orch batch` is beside a bare HTTP client, how much memory it takes, and whether each line is written once.

    .venv/bin/python scripts/bench_batch.py [--lines 5000] [--in-flight 256] [--delay-ms 200]
    .venv/bin/python scripts/bench_batch.py --lines 200000 --delay-ms 0 --alone

A server on this machine answers each call after a delay. The bare client is httpx2's, warmed up before it is timed; the
batch is the command itself, from its start to its end, with its file, its ledger and its output. `--alone` leaves the
bare client out. Exit code 1 if the batch has less than 0.9 of the client's rate, takes 250 MB, or loses a line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench_throughput import WIRES, environment

_WIRE = "openai"
_LEAST_SHARE = 0.9
_MOST_MB = 250


def main() -> int:
    given = _arguments()
    print(f"{given.lines:,} lines, {given.in_flight} in flight, answered after {given.delay_ms} ms")
    client = None if given.alone else _client(given)
    if client is not None:
        print(f"{'httpx2':8} {client:8.0f} a second")
    rate, cpu_ms, peak_mb, problems = _batch(given)
    share = "" if client is None else f", {rate / client:.2f} of httpx2"
    print(f"{'orch':8} {rate:8.0f} a second{share}, {cpu_ms:.2f} ms CPU a line, {peak_mb:.0f} MB")
    problems += [f"takes {peak_mb:.0f} MB"] if peak_mb >= _MOST_MB else []
    problems += ["is too slow"] if client is not None and rate < _LEAST_SHARE * client else []
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


class _Serving:
    """The server of `bench_throughput`, in a process of its own."""

    def __init__(self, delay_ms: int) -> None:
        script = Path(__file__).with_name("bench_throughput.py")
        serving = [sys.executable, str(script), "--serve", _WIRE, "--delay-ms", str(delay_ms)]
        self._process = subprocess.Popen(serving, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.address = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def __enter__(self) -> str:
        return self.address

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _client(given: argparse.Namespace) -> float:
    with tempfile.TemporaryDirectory() as folder, _Serving(given.delay_ms) as address:
        script = Path(__file__).with_name("bench_throughput.py")
        asking = [sys.executable, str(script), "--client", "httpx2", address, "--calls", str(given.lines)]
        asking += ["--in-flight", str(given.in_flight), "--", _WIRE]
        environ = environment(address, folder, None)
        done = subprocess.run(asking, stdout=subprocess.PIPE, text=True, env=environ, check=True)
    return float(json.loads(done.stdout)["rate"])


def _batch(given: argparse.Namespace) -> tuple[float, float, float, list[str]]:
    """Lines a second, CPU and memory of the command, and what is wrong with its output."""
    with tempfile.TemporaryDirectory() as name, _Serving(given.delay_ms) as address:
        folder = Path(name)
        asked, answers = folder / "asked.jsonl", folder / "answers.jsonl"
        with asked.open("w", encoding="utf-8") as stream:
            for number in range(given.lines):
                stream.write(json.dumps({"id": f"line-{number}", "prompt": f"What is the capital of France? {number}"}))
                stream.write("\n")
        argv = [sys.executable, "-m", "orchestrator", "batch", str(asked), "-o", str(answers)]
        argv += ["-m", WIRES[_WIRE], "--concurrency", str(given.in_flight)]
        began = time.perf_counter()
        process = subprocess.Popen(argv, env=environment(address, name, None))
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        problems = [] if status == 0 else [f"ended with {os.waitstatus_to_exitcode(status)}"]
        problems += _wrong(answers, given.lines)
        size = sum(path.stat().st_size for path in folder.rglob("*ledger*") if path.is_file())
        print(f"{'':8} the ledger has {size / given.lines / 1000:.1f} kB a line")
    cpu_ms = 1000 * (used.ru_utime + used.ru_stime) / given.lines
    return given.lines / seconds, cpu_ms, used.ru_maxrss / 1024, problems


def _wrong(answers: Path, lines: int) -> list[str]:
    places: list[int] = []
    ids: Counter[str] = Counter()
    with answers.open(encoding="utf-8") as stream:
        for line in stream:
            found = json.loads(line)
            places.append(found["line"])
            ids[found["id"]] += 1
    problems = [] if places == list(range(1, lines + 1)) else ["the output is not in the order of the input"]
    return problems + ([] if len(ids) == lines and set(ids.values()) == {1} else ["not each line is there once"])


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--delay-ms", type=int, default=200)
    parser.add_argument("--alone", action="store_true", help="without the bare client")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
