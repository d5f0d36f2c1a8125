"""How many calls a second go through orch, and what one costs, beside the SDK that it uses and a bare HTTP client.

    .venv/bin/python scripts/bench_throughput.py [openai ...] [--calls 2000] [--in-flight 8 64 256] [--tls] [--new]

Each call asks the same, as the turns of a tool loop and the members of an ensemble do, so that its prompt is read once;
with `--new` none is asked twice.

A server on this machine answers each call after a delay. Each contestant is a process of its own, warmed up before it
is timed. Machines differ and are busy with other things: read the ratios within a run. CPU is user and system time of
the whole client process. `connections` is what the server counted, warm-up included; `grown` is what memory and open
files grew by over the second half of the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import yaml

PROMPT = "What is the capital of France?"
WIRES = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-4-5", "google": "gemini-3.5-flash"}
_ANSWER = "Paris is the capital of France."
_REPLIES: dict[str, object] = {
    "openai": {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": _ANSWER}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
    },
    "anthropic": {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": _ANSWER}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 20, "output_tokens": 8},
    },
    "google": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": _ANSWER}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 8, "totalTokenCount": 28},
    },
}

Ask = Callable[[], Awaitable[object]]


# -- the server --------------------------------------------------------------------------------------------------------


class _Server(asyncio.Protocol):
    """One connection: every request is answered alike, after a delay. `GET /counts` tells what was counted."""

    connections = requests = 0

    def __init__(self, reply: bytes, delay_s: float) -> None:
        self._reply, self._delay_s, self._heard = _http(reply), delay_s, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        _Server.connections += 1

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            head = self._heard[:end].lower()
            length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            after = end + 4 + int(length or 0)
            if len(self._heard) < after:
                return
            self._heard = self._heard[after:]
            if head.startswith(b"get /counts"):
                counts = {"connections": _Server.connections - 1, "requests": _Server.requests}
                self._transport.write(_http(json.dumps(counts).encode()))
            else:
                _Server.requests += 1
                asyncio.get_running_loop().call_later(self._delay_s, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._reply)


def _http(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(wire: str, delay_s: float, certificate: str | None) -> None:
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    reply = json.dumps(_REPLIES[wire]).encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(reply, delay_s), "127.0.0.1", 0, backlog=1024, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# -- the clients -------------------------------------------------------------------------------------------------------


async def client(contestant: str, wire: str, address: str, given: argparse.Namespace) -> None:
    """Time one contestant and print what it took, as JSON."""
    calls, in_flight = given.calls, given.in_flight[0]
    numbers = count(1)

    def prompt() -> str:
        return f"{PROMPT} ({next(numbers)})" if given.new else PROMPT

    if contestant == "httpx2":
        import httpx2

        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx2.AsyncClient(limits=limits) as http:

            async def post() -> object:
                body = {"model": WIRES[wire], "messages": [{"role": "user", "content": prompt()}]}
                return (await http.post(f"{address}/v1/messages", json=body)).json()

            await _drive(post, calls, in_flight)
    elif contestant == "sdk":
        await _drive(_sdk(wire, address, prompt), calls, in_flight)
    else:
        from orchestrator import Orchestrator

        async with Orchestrator() as orch:

            async def ask() -> object:
                return await orch.arun(prompt(), chain=WIRES[wire])

            await _drive(ask, calls, in_flight)


def _sdk(wire: str, address: str, prompt: Callable[[], str]) -> Ask:
    model = WIRES[wire]
    if wire == "openai":
        import openai

        chat = openai.AsyncOpenAI(base_url=f"{address}/v1", max_retries=0).chat.completions
        return lambda: chat.create(model=model, messages=[{"role": "user", "content": prompt()}])
    if wire == "anthropic":
        import anthropic

        messages = anthropic.AsyncAnthropic(base_url=address, max_retries=0).messages
        return lambda: messages.create(model=model, max_tokens=1000, messages=[{"role": "user", "content": prompt()}])
    from google import genai

    google = genai.Client(http_options=genai.types.HttpOptions(base_url=address))
    return lambda: google.aio.models.generate_content(model=model, contents=prompt())


async def _drive(ask: Ask, calls: int, in_flight: int) -> None:
    async def work(numbers: range) -> None:
        left = iter(numbers)

        async def one_after_another() -> None:
            for _ in left:
                await ask()

        await asyncio.gather(*(one_after_another() for _ in range(in_flight)))

    await work(range(in_flight))
    began, spent = time.perf_counter(), time.process_time()
    await work(range(calls // 2))
    before = _held()
    await work(range(calls - calls // 2))
    after, seconds = _held(), time.perf_counter() - began
    print(
        json.dumps(
            {
                "rate": calls / seconds,
                "cpu_ms": 1000 * (time.process_time() - spent) / calls,
                "grown_kb": after[0] - before[0],
                "grown_files": after[1] - before[1],
            }
        )
    )


def _held() -> tuple[int, int]:
    """The most memory so far, in kilobytes, and the open files."""
    files = Path("/proc/self/fd")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most, len(list(files.iterdir())) if files.exists() else 0


# -- side by side ------------------------------------------------------------------------------------------------------


def measure(contestant: str, wire: str, given: argparse.Namespace, in_flight: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder)) if given.tls else None
        serving = [sys.executable, __file__, "--serve", wire, "--delay-ms", str(given.delay_ms)]
        serving += [] if certificate is None else ["--certificate", certificate]
        with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            address = f"https://localhost:{port}" if given.tls else f"http://127.0.0.1:{port}"
            asking = [sys.executable, __file__, "--client", contestant, address]
            asking += ["--calls", str(given.calls), "--in-flight", str(in_flight), *["--new"] * given.new, "--", wire]
            done = subprocess.run(
                asking, stdout=subprocess.PIPE, text=True, env=environment(address, folder, certificate), check=True
            )
            counts = _counts(int(port), certificate)
            server.terminate()
    return {**json.loads(done.stdout), **counts}


def environment(address: str, folder: str, certificate: str | None) -> dict[str, str]:
    """No setting, key or ledger of the user's, and no rate limit of a model's."""
    models = Path(folder) / "models.yaml"
    models.write_text(yaml.safe_dump(_without_limits()))
    environ = {"PATH": os.environ["PATH"], "HOME": folder, "NO_PROXY": "*", "ORCH_MODELS": str(models)}
    environ |= {f"{name}_API_KEY": "none" for name in ("OPENAI", "ANTHROPIC", "GEMINI")}
    environ |= {
        "OPENAI_BASE_URL": f"{address}/v1",
        "ANTHROPIC_BASE_URL": address,
        "GOOGLE_GEMINI_BASE_URL": address,
    }
    return environ | ({} if certificate is None else {"SSL_CERT_FILE": certificate})


def _without_limits() -> dict[str, object]:
    """The models of the benchmark as the shipped registry has them, but for their rate limits."""
    shipped = yaml.safe_load((Path(__file__).parent.parent / "models.yaml").read_text("utf-8"))
    models = {name: {**shipped["models"][name], "limits": {}} for name in WIRES.values()}
    return {"source": "models.yaml", "checked": datetime.now(UTC).date(), "models": models}


def _counts(port: int, certificate: str | None) -> dict[str, float]:
    async def ask() -> bytes:
        tls = None if certificate is None else ssl.create_default_context(cafile=certificate)
        reader, writer = await asyncio.open_connection("localhost" if tls else "127.0.0.1", port, ssl=tls)
        writer.write(b"GET /counts HTTP/1.1\r\n\r\n")
        _, _, body = (await reader.read(4096)).partition(b"\r\n\r\n")
        writer.close()
        return body

    counts: dict[str, float] = json.loads(asyncio.run(ask()))
    return counts


def _certificate(folder: Path) -> str:
    path = folder / "localhost.pem"
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*key, *names, "-keyout", path, "-out", folder / "cert.pem"], check=True, capture_output=True)
    path.write_text(path.read_text() + (folder / "cert.pem").read_text())
    return str(path)


def main() -> int:
    given = _arguments()
    if given.serve is not None:
        asyncio.run(serve(given.serve, given.delay_ms / 1000, given.certificate))
        return 0
    if given.client is not None:
        contestant, address = given.client
        asyncio.run(client(contestant, given.wires[0], address, given))
        return 0
    print(f"{given.calls} calls each, answered after {given.delay_ms} ms{', over TLS' if given.tls else ''}")
    print(
        f"{'':10} {'in flight':>9} {'':8} {'calls/s':>8} {'ratio':>6} {'CPU ms':>7} {'connections':>12} {'grown':>16}"
    )
    for wire in given.wires or list(WIRES):
        for in_flight in given.in_flight:
            contestants = ("httpx2", "sdk", "orch")
            found = {contestant: measure(contestant, wire, given, in_flight) for contestant in contestants}
            for contestant, each in found.items():
                ratio = each["rate"] / found["sdk"]["rate"]
                grown = f"{each['grown_kb']:.0f} kB, {each['grown_files']:.0f} files"
                print(
                    f"{wire:10} {in_flight:9} {contestant:8} {each['rate']:8.0f} {ratio:6.2f} {each['cpu_ms']:7.2f}"
                    f" {each['connections']:12.0f} {grown:>16}",
                    flush=True,
                )
    return 0


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wires", nargs="*", metavar="openai|anthropic|google", help="all of them unless named")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[8, 64, 256])
    parser.add_argument("--delay-ms", type=int, default=50)
    parser.add_argument("--tls", action="store_true", help="over TLS, with a certificate made for this run")
    parser.add_argument("--new", action="store_true", help="a prompt that was not asked before for each call")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--certificate", help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.wires) - set(WIRES):
        parser.error(f"there is no {' or '.join(sorted(unknown))}; there are: {', '.join(WIRES)}")
    return given


if __name__ == "__main__":
    sys.exit(main())
