"""`orch`: parse, dispatch, and turn every error into one message and one exit code. Nothing else.

A command's module is imported when that command is run: `orch --version` and `orch --help` load none of them.
"""

from __future__ import annotations

import inspect
import os
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

from ..errors import Interrupted, OrchError, UsageError
from ..result import refused_result
from ..settings import says_simulated
from . import render
from .output import Output
from .source import spread_context

# name -> (module, one line of help), in the order of `orch --help`
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Answer a prompt."),
    "cheapest": ("run", "Answer with the cheapest model that will do."),
    "fallback": ("run", "Answer with the first model of a chain whose answer can be trusted."),
    "ensemble": ("run", "Ask several models at the same time and take the best answer."),
    "plan": ("plan", "Show what a run would call and cost, and why; call nothing."),
    "models": ("models", "List the models: prices, levels, limits, and which are set up."),
    "chains": ("chains", "List, show and check the named plans."),
    "experiment": ("experiment", "Compare ways of answering: list, results, stop."),
    "report": ("report", "Costs and counts over a period."),
    "stats": ("report", "Totals, and the latest runs."),
    "export": ("export", "Write the ledger as CSV, JSON or JSON lines."),
    "bench": ("bench", "Measure routing, cascades and confidence on recorded outcomes of models."),
    "budget": ("budget", "Set, show or clear what may be spent in a day, a week or a month."),
    "show": ("show", "Show a past run: prompt, answer and every call."),
    "why": ("show", "Explain a past run: what was decided, and why."),
    "rate": ("rate", "Say how good a past answer was."),
    "init": ("init", "Write configuration files to start from, or those that openclaw.json comes to."),
    "tune": ("tune", "Learn from rated answers when to trust an answer and which prompts are hard."),
    "doctor": ("doctor", "Check what orch runs on: configuration, ledger, keys, endpoints, clock."),
    "reconcile": ("reconcile", "Compare the ledger with a provider's usage export, by model and day."),
    "reprice": ("reprice", "Work out past costs again by the prices that the registry has now."),
    "simulate": ("simulate", "Serve the simulator on this machine, for other programs to call."),
}

EXIT_BUG, EXIT_INTERRUPTED, EXIT_CLOSED_PIPE = 1, 130, 141


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, summary = COMMANDS[cmd_name]
        function = import_module(f"..{module}", __name__).commands[cmd_name]
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(cmd_name, help=f"{summary}\n\n{inspect.cleandoc(function.__doc__ or '')}")(function)
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None)


def _print_version(wanted: bool) -> None:
    if wanted:
        render.line(f"orch {version('orch')}")
        raise Exit(0)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Put many language models to work: the cheapest that will do, a chain of them, or several at once.

    Try it without a key: orch run --simulate -p "Should I use REST or GraphQL?"
    """


def run(argv: list[str]) -> int:
    """Carry out one command line; returns the exit code."""
    output = Output.asked_for_in(argv)
    simulated = says_simulated(os.environ, flag="--simulate" in argv)
    try:
        code = _dispatch(spread_context(argv) or ["--help"])
        render.flush()
        return code
    except BrokenPipeError:
        render.abandon_stdout()
        return EXIT_CLOSED_PIPE
    except render.OutputError as error:
        render.abandon_stdout()
        render.say(f"orch: {error}")
        return EXIT_CLOSED_PIPE
    except (KeyboardInterrupt, Abort):
        return _fail(Interrupted(), output, simulated)
    except TyperException as error:
        return _fail(UsageError(error.format_message(), hint="orch --help lists the commands"), output, simulated)
    except OrchError as error:
        return _fail(error, output, simulated)
    except Exception as error:  # noqa: BLE001  # the one boundary: whatever it is, it is reported and has an exit code
        if os.environ.get("ORCH_TRACEBACK"):
            traceback.print_exc()
        bug = OrchError(
            f"unexpected {type(error).__name__}: {error}",
            hint="this is a bug in orch; ORCH_TRACEBACK=1 shows where it happened",
        )
        return _fail(bug, output, simulated)


def _dispatch(argv: list[str]) -> int:
    # Not by calling `app`: Click's own main would turn a closed pipe into exit code 1.
    command: Any = typer.main.get_command(app)
    try:
        with command.make_context("orch", argv) as context:
            code = command.invoke(context)
    except Exit as done:
        return done.exit_code
    return code if isinstance(code, int) else 0


def _fail(error: OrchError, output: Output, simulated: bool) -> int:
    refused = refused_result(error, strategy=None, simulated=simulated, when=datetime.now(UTC))
    try:
        # A file that was named is not touched: it may be meant for something else than this object.
        replace(output, file=None).emit(refused.to_dict())
        render.error(error)
        render.flush()
    except (BrokenPipeError, render.OutputError):
        render.abandon_stdout()
        return EXIT_CLOSED_PIPE
    return error.exit_code
