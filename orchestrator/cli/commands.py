"""The commands, and one command line carried out: Typer reads it, and the command's function gets a record of flags.

A command's module is imported when that command is run: `orch --help` loads none of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, Exit, TyperException

from ..errors import Interrupted, UsageError
from .coercion import PlainCommand, PlainGroup
from .source import spread_context
from .version import print_version

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


class _Commands(PlainGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, summary = COMMANDS[cmd_name]
        function = import_module(f"..{module}", __name__).commands[cmd_name]
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(cmd_name, cls=PlainCommand, help=f"{summary}\n\n{inspect.cleandoc(function.__doc__ or '')}")(
            function
        )
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_version()
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


def dispatch(argv: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code. Raises an OrchError, or whatever a bug raises."""
    # Not by calling `app`: Click's own main would turn a closed pipe into exit code 1.
    command: Any = typer.main.get_command(app)
    try:
        with command.make_context("orch", spread_context(argv) or ["--help"]) as context:
            code = command.invoke(context)
    except Exit as done:
        return done.exit_code
    except Abort:
        raise Interrupted from None
    except TyperException as error:
        raise UsageError(error.format_message(), hint="orch --help lists the commands") from error
    return code if isinstance(code, int) else 0
