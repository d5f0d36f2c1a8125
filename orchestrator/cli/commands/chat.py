"""`orch chat`: a conversation in the terminal."""

from __future__ import annotations

import sys

from ...config import Settings
from ...conversation import Prompt
from ...errors import UsageError
from ...run.engine import Engine
from .. import render
from ..interrupts import Signals
from ..options import RunFlags, command
from ..setup import options_from, settings_from

_HISTORY = "chat_history"


@command(RunFlags, omit=("asked", "prompt", "context", "output", "rate_last"))
def chat(flags: RunFlags) -> int:
    """The options are those of orch run, for every question. /help lists the commands that you can type: /model,
    /retry, /system, /attach, /cost, /save, /new, /exit.

    Enter asks, Alt-Enter begins a new line, a paste stays whole. Ctrl-C cancels an answer, Ctrl-D leaves. Without a
    terminal, each line of standard input is a question.
    """
    if sys.stdin is None:
        raise UsageError("there is no standard input to read questions from")
    settings = settings_from(flags)
    signals: Signals[int] = Signals()
    return signals.run(_converse(flags, settings))


commands = {"chat": chat}


async def _converse(flags: RunFlags, settings: Settings) -> int:
    from ..chatting.commands import SAYINGS
    from ..chatting.lines import Lines, PipedLines, TerminalLines
    from ..chatting.loop import Loop
    from ..chatting.talk import Talk

    async with Engine(settings) as engine:
        talk = Talk(engine, options_from(flags, settings.run, stream=True), flags.system)
        if flags.continue_ is not None:
            from ...run.continuing import going_on

            before = going_on(Prompt("", flags.system), flags.continue_, settings)
            talk.said, talk.system, talk.sent = before.before, before.system, before.sent
        if flags.attach:
            from ..source import media_of

            talk.attached = media_of(flags.attach, simulate=settings.simulate)
        on_terminal = render.is_terminal(sys.stdin) and render.is_terminal(sys.stdout)
        lines: Lines
        if on_terminal:
            words = [*SAYINGS, *(f"/model {name}" for name in engine.registry.models)]
            lines = TerminalLines(words, settings.ledger.parent / _HISTORY if settings.log_text else None)
            render.say("Ask anything. /help lists what else there is; Ctrl-D leaves.")
        else:
            lines = PipedLines()
        loop = Loop(talk, lines, verbose=flags.verbose, on_terminal=on_terminal)
        await loop.run()
        return 0 if on_terminal else loop.exit_code
