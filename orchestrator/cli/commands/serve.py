"""`orch serve`: OpenAI's and Anthropic's APIs for other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ...deferred import dataclass
from ...errors import UsageError
from ...loopback import is_loopback
from ...simulator.scenario import load_scenario
from .. import render
from ..options import LedgerFlags, RegistryFlags, command
from ..setup import settings_from


@dataclass(frozen=True, kw_only=True)
class _ServeFlags(LedgerFlags, RegistryFlags):
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)] = 4141
    tls_in_front: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Host name of a TLS proxy in front, which knows who asks or passes keys on."),
    ] = None
    max_body: Annotated[int, typer.Option(metavar="MB", help="Largest request, in megabytes.", min=1, max=1024)] = 32
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for answers under way when told to stop.", min=0, max=3600)
    ] = 60
    access_log: Annotated[
        str, typer.Option(metavar="FILE|none", help="File for the access log; - is standard error.")
    ] = "-"
    scenario: Annotated[Path | None, typer.Option(help="File of faults that the simulator plays (ORCH_SCENARIO).")] = (
        None
    )


@command(_ServeFlags)
def serve(flags: _ServeFlags) -> int:
    """POST /v1/chat/completions and /v1/responses as OpenAI has them, /v1/messages as Anthropic has it; GET /v1/models,
    /healthz, /metrics. The model of a request is a model's name, a strategy, a chain or a plan; auto is your own
    settings.

    On loopback no key is needed; any other address wants keys (orch keys add) or a TLS proxy in front. Ctrl-C and
    SIGTERM finish what is under way.
    """
    from ...serve.server import Serving  # heavy, as the next
    from ...serve.server import serve as serve_until_told

    settings = settings_from(flags)
    if flags.scenario is not None and not settings.simulate:
        raise UsageError("--scenario is what the simulator plays", hint="add --simulate, or leave it out")
    if settings.scenario is not None:
        load_scenario(settings.scenario)  # what is wrong with it is told now, and not to the first client
    serving = Serving(
        flags.host, flags.port, flags.tls_in_front, most_bytes=flags.max_body * 1_000_000, drain_s=flags.drain
    )

    def announce(port: int) -> None:
        host = f"[{flags.host}]" if ":" in flags.host else flags.host
        if not is_loopback(flags.host) and flags.tls_in_front is None:
            render.warn("there is no TLS: keys and prompts can be read on the way (--tls-in-front NAME)")
        kind = " (simulated)" if settings.simulate else ""
        render.say(f"serving on http://{host}:{port}/v1{kind}; Ctrl-C stops")

    with _access_log(flags.access_log) as log:
        serve_until_told(settings, serving, ready=announce, log=log, trouble=render.warn)
    return 0


commands = {"serve": serve}


@contextmanager
def _access_log(where: str) -> Iterator[Any]:
    """What takes a line of the access log; None if there is to be none."""
    if where == "none":
        yield None
        return
    try:  # it stays open for as long as the server runs
        stream = sys.stderr if where == "-" else Path(where).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"--access-log: {where} cannot be written: {error.strerror}") from None

    def write(entry: dict[str, Any]) -> None:
        try:
            stream.write(f"{json.dumps(entry)}\n")
            stream.flush()
        except OSError:
            return  # a full disk ends no answer

    try:
        yield write
    finally:
        if stream is not sys.stderr:
            stream.close()
