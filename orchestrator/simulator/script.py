"""The script of a reply: what is sent, when and how it ends, as data. Faults rewrite it before it is played.

Reply ─► Script ─► rewritten by a fault ─► played over a connection, and billed as it goes
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field
from enum import StrEnum
from itertools import takewhile

from ..deferred import dataclass, replace
from ..types import Usage
from .connection import Connection, ConnectionRefused
from .journal import Entry
from .scenario import Fault, FaultKind
from .wires.base import Complaint, Envelope, ErrorReply, Frame, Headers, Problem, Stage, Wire, encode

Sleep = Callable[[float], Awaitable[object]]


class Ending(StrEnum):
    """How a reply ends."""

    COMPLETE = "complete"
    CUT = "cut"  # the connection is closed in the middle
    SILENT_CUT = "silent_cut"  # the connection is closed before anything was sent
    SILENCE = "silence"  # nothing is ever sent
    REFUSED = "refused"  # there never was a connection


@dataclass(frozen=True, slots=True)
class Script:
    """`streamed` says that tokens are billed frame by frame; otherwise the whole answer is billed once begun.

    `whole` is False where a fault leaves something out, so that even all of the script is not the whole reply.
    """

    status: int
    headers: Headers
    frames: tuple[Frame, ...]
    usage: Usage = field(default_factory=Usage)
    streamed: bool = False
    ending: Ending = Ending.COMPLETE
    billed: bool = True
    whole: bool = True
    latency_ms: int = 0
    per_token_ms: float = 0.0


def of_error(error: ErrorReply, headers: Headers) -> Script:
    """An error, for which nothing is charged."""
    body = Frame(encode(error.body), 0, Stage.TEXT)
    return Script(error.status, (*headers, *error.headers, ("content-type", "application/json")), (body,))


def rewritten(script: Script, fault: Fault, wire: Wire, envelope: Envelope) -> Script:
    """A script as a fault leaves it. Faults that concern the answer itself, or replace it, change nothing here."""
    match fault.kind:
        case FaultKind.CUT if script.streamed:
            kept = script.frames if fault.after_tokens == 0 else _until(script, fault.after_tokens)
            ending = Ending.SILENT_CUT if fault.after_tokens == 0 else Ending.CUT
            return replace(script, frames=kept, ending=ending, billed=fault.billed)
        case FaultKind.CUT:
            return replace(script, ending=Ending.SILENT_CUT, billed=fault.billed)
        case FaultKind.TIMEOUT:
            return replace(script, ending=Ending.SILENCE, billed=fault.billed)
        case FaultKind.CONNECT_REFUSED:
            return replace(script, ending=Ending.REFUSED, billed=False)
        case FaultKind.NO_TERMINAL_MARKER if script.streamed:
            if fault.reason:
                return replace(script, frames=tuple(f for f in script.frames if f.stage < Stage.MARKER), whole=False)
            return replace(script, frames=_until(script, fault.after_tokens), whole=False)
        case FaultKind.MALFORMED:
            return replace(script, frames=_malformed(script, fault), whole=False)
        case FaultKind.ERROR_IN_STREAM if script.streamed:
            kept = _until(script, fault.after_tokens)
            error = wire.error_frame(Complaint(Problem.OVERLOADED), envelope)
            last = Frame(error, kept[-1].output_tokens if kept else 0, Stage.TEXT)
            return replace(script, frames=(*kept, last), whole=False)
        case _:
            return script


def _until(script: Script, tokens: int | None) -> tuple[Frame, ...]:
    """The frames of the first tokens of output, half of them by default, and nothing that ends the answer."""
    limit = script.usage.reasoning_tokens + (_text_tokens(script) // 2 if tokens is None else tokens)
    unfinished = takewhile(lambda frame: frame.stage < Stage.FINISH, script.frames)
    return tuple(frame for frame in unfinished if frame.output_tokens <= limit)


def _text_tokens(script: Script) -> int:
    return script.usage.output_tokens - script.usage.reasoning_tokens


def _malformed(script: Script, fault: Fault) -> tuple[Frame, ...]:
    """JSON that breaks off: the whole body's, or that of the frame after the tokens given."""
    kept = _until(script, fault.after_tokens) if script.streamed else ()
    broken = script.frames[len(kept)]
    data = broken.data.rstrip()
    return (*kept, replace(broken, data=data[: len(data) * 2 // 3] + (b"\n\n" if script.streamed else b"")))


async def play(script: Script, connection: Connection, entry: Entry, sleep: Sleep) -> None:
    """Send a script over a connection and keep the entry of its bill up to date."""
    _bill(entry, script, 0 if script.streamed else script.usage.output_tokens)
    if script.ending is Ending.REFUSED:
        await connection.cut(ConnectionRefused)
        return
    await sleep(script.latency_ms / 1000)
    if script.ending is Ending.SILENCE:
        _bill(entry, script, script.usage.output_tokens)
        await connection.until_disconnected()
        return
    if not script.streamed:
        await sleep(script.usage.output_tokens * script.per_token_ms / 1000)
    if script.ending is Ending.SILENT_CUT:
        await connection.cut()
        return
    await _send(script, connection, entry, sleep)


async def _send(script: Script, connection: Connection, entry: Entry, sleep: Sleep) -> None:
    entry.status = script.status
    if not script.streamed:
        body = b"".join(frame.data for frame in script.frames)
        await connection.respond(script.status, script.headers, body)
        entry.delivered = script.whole
        return
    await connection.start(script.status, script.headers)
    generated = 0
    for frame in script.frames:
        # With no delay at all this still lets the client's leaving be noticed.
        await sleep((frame.output_tokens - generated) * script.per_token_ms / 1000)
        generated = frame.output_tokens
        _bill(entry, script, generated)
        await connection.write(frame.data)
    if script.ending is Ending.CUT:
        await connection.cut()
        return
    await connection.finish()
    entry.delivered = script.whole


def _bill(entry: Entry, script: Script, output_tokens: int) -> None:
    if script.billed:
        entry.input_tokens = script.usage.input_tokens
        entry.cached_tokens = script.usage.cached_tokens
        entry.output_tokens = output_tokens
