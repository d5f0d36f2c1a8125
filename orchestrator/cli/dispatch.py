"""The commands, and one command line carried out: Typer reads it, and the command's function gets a record of flags.

A command's module is imported when that command is run: `orch --help` loads none of them.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.exceptions import Abort, Exit, TyperException

from ..errors import Interrupted, OrchError, UsageError, did_you_mean
from ..plugins import Plugin, Table, failure, telling
from . import render
from .coercion import HELP_OPTIONS, PlainCommand, PlainGroup
from .source import spread_context, with_file_names, with_usual_words
from .version import print_version


class Command(NamedTuple):
    """A command: its module, which has its function in `commands`, and one line of help. One of a plugin has a Typer
    app instead, and the plugin that answers for it."""

    module: str
    summary: str
    app: typer.Typer | None = None
    plugin: Plugin | None = None


def _of_plugin(plugin: Plugin, app: Any) -> Command:
    """A command of an installed package: a Typer app, or a function that Typer can make one of."""
    if not isinstance(app, typer.Typer):
        if not callable(app):
            raise TypeError(f"{plugin.target} is neither a Typer app nor a function")
        function, app = app, typer.Typer(add_completion=False)
        app.command(plugin.name)(function)
    typer.main.get_command(app)  # raises for a parameter that Typer cannot read
    return Command("", f"From {plugin.package}.", app, plugin)


# In the order of `orch --help`.
COMMANDS: Table[Command] = Table(
    "orch.commands",
    {
        "run": Command("run", "Answer a prompt."),
        "cheapest": Command("run", "Answer with the cheapest model that fits the prompt."),
        "fallback": Command("run", "Try the models of a chain in order until an answer has enough confidence."),
        "ensemble": Command("run", "Ask several models at once and take the best answer."),
        "chat": Command(
            "chat", "Chat with models in the terminal: each answer takes the whole conversation into account."
        ),
        "batch": Command("batch", "Ask all the prompts of a file, each once, and go on where it was stopped."),
        "plan": Command("plan", "Show which models a run would call, at what cost, and why. Calls nothing."),
        "compare": Command("compare", "Ask several models the same, or hold past runs side by side."),
        "models": Command("models", "List the models with prices, levels and limits, and whether they are set up."),
        "chains": Command("chains", "List, show and check named plans."),
        "experiment": Command("experiment", "List experiments, show their results, stop them."),
        "report": Command("report", "Show costs and counts over a period."),
        "stats": Command("report", "Show totals and the latest runs."),
        "cost": Command("cost", "Work out what a rented GPU costs a month, and when it pays for itself."),
        "blocks": Command("blocks", "Show usage in windows of five hours."),
        "statusline": Command("statusline", "Print in one line what was spent, for a prompt or an editor."),
        "import": Command("importing", "Bring in the usage that other tools leave on this machine."),
        "export": Command("export", "Write the ledger as CSV, JSON or JSON lines."),
        "bench": Command("bench", "Measure routing, cascades and confidence on recorded answers of models."),
        "budget": Command("budget", "Set, show or clear spending limits for a day, a week or a month."),
        "serve": Command("serve", "Answer other programs: OpenAI's and Anthropic's APIs on a port of this machine."),
        "keys": Command("keys", "Add, list and revoke the keys of clients that orch serve answers."),
        "cache": Command("cache", "Show what the response cache keeps and saves, prune it, or clear it."),
        "runs": Command("runs", "List past runs, the newest first, and search their prompts and answers."),
        "show": Command("show", "Show a past run: its prompt, answer and calls."),
        "why": Command("show", "Explain the decisions of a past run."),
        "rate": Command("rate", "Rate the answer of a past run."),
        "init": Command("init", "Write configuration files to start from, or convert an openclaw.json."),
        "tune": Command("tune", "Fit confidence and complexity thresholds on rated answers."),
        "ledger": Command("ledger", "Back up, check, prune, merge and query the ledger."),
        "doctor": Command("doctor", "Check the configuration, ledger, keys, endpoints and clock."),
        "reconcile": Command("reconcile", "Compare the ledger with a provider's usage export, by model and day."),
        "reprice": Command("reprice", "Recompute past costs with the registry's current prices."),
        "simulate": Command("simulate", "Run the simulator as a local server for other programs."),
        "completion": Command("completion", "Print a script that completes orch's words in bash, zsh or fish."),
        "help": Command("help", "Show how a command is used."),
    },
    _of_plugin,
)


class _Commands(PlainGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS.built_in, *COMMANDS.plugins()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        known = COMMANDS.get(cmd_name)
        if known is None:
            raise UsageError(f"no command {_shown(cmd_name)}", hint=_meant(cmd_name, self.list_commands(ctx)))
        if known.app is not None and known.plugin is not None:
            command = typer.main.get_command(known.app)
            command.context_settings = {**HELP_OPTIONS, **command.context_settings}
            command.invoke = partial(_answered_for, known.plugin, command.invoke)  # type: ignore[method-assign]
            return command
        function = import_module(f".commands.{known.module}", __package__).commands[cmd_name]
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(
            cmd_name,
            cls=PlainCommand,
            help=f"{known.summary}\n\n{inspect.cleandoc(function.__doc__ or '')}",
            context_settings=HELP_OPTIONS,
        )(function)
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in COMMANDS.built_in.items()])
        plugins = COMMANDS.plugins()
        if plugins:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, f"From {plugin.package}.") for name, plugin in plugins.items()])


def _meant(written: str, commands: Sequence[str]) -> str:
    """What whoever wrote this in the place of a command may have wanted."""
    if " " in written.strip():
        return 'to ask it: orch run "..."'
    return did_you_mean(written, commands) or "orch --help lists the commands"


# Options that another command has, and why this one has not.
_NOT_HERE = {("orch ledger", "--full"): "orch ledger check always reads all of the ledger; --full is orch doctor's"}


def _how_to_go_on(error: TyperException) -> str:
    """What helps whoever wrote a command line that cannot be read."""
    context = getattr(error, "ctx", None)
    if context is None:
        return "orch --help lists the commands"
    if told := _NOT_HERE.get((context.command_path, getattr(error, "option_name", ""))):
        return told
    takes_prompt = any(parameter.name == "asked" for parameter in context.command.params)
    if takes_prompt and "unexpected extra argument" in error.format_message():
        return f'put the prompt in quotes: {context.command_path} "Why is the sky blue?"'
    return f"{context.command_path} --help shows what it takes"


def _shown(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:99]}…")


def _answered_for(plugin: Plugin, invoke: Callable[[Any], Any], context: Any) -> Any:
    """A plugin's command carried out. What it raises by mistake is its package's bug, and is called so."""
    try:
        return invoke(context)
    except (OrchError, BrokenPipeError, render.OutputError, Abort, Exit, TyperException):
        raise
    except Exception as error:
        raise failure(plugin, error) from error


app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None, context_settings=HELP_OPTIONS)


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
    """Put many language models to work: the cheapest that fits, a chain of models, or several at once.

    Try it without a key: orch run --simulate "Should I use REST or GraphQL?"
    """


def dispatch(argv: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code. Raises an OrchError, or whatever a bug raises."""
    if not argv:
        from .next_steps import next_steps  # heavy

        code = dispatch(["--help"])
        for text in ("", *next_steps(os.environ)):
            render.line(text)
        return code
    # Not by calling `app`: Click's own main would turn a closed pipe into exit code 1.
    command: Any = typer.main.get_command(app)
    try:
        arguments = with_file_names(spread_context(with_usual_words(argv)))
        with telling(render.warn), command.make_context("orch", arguments) as context:
            code = command.invoke(context)
    except Exit as done:
        return done.exit_code
    except Abort:
        raise Interrupted from None
    except TyperException as error:
        message = error.format_message().replace(": Value error, ", ": ")  # pydantic's words, in Typer's
        raise UsageError(message, hint=_how_to_go_on(error)) from error
    return code if isinstance(code, int) else 0
