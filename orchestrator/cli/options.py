"""The options of the command line, each defined once, as dataclasses that commands take whole.

`command(Flags)` turns a function of one such record into one that Typer reads as having an option for each field.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from ..deferred import dataclass
from ..plan import AcceptRule

F = TypeVar("F")

# What most commands share is shown behind what is a command's own.
_LAST = frozenset({"output", "simulate", "scenario", "ledger", "config", "models_file", "chains_file", "routing_file"})


class Requirement(StrEnum):
    """What the user may say that a prompt requires."""

    DESIGN = "design"
    IMPLEMENTATION = "implementation"


@dataclass(frozen=True, kw_only=True)
class OutputFlags:
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="text|json|FILE.json", help="What to print, or a file for the JSON."),
    ] = "text"


@dataclass(frozen=True, kw_only=True)
class ConfigFlags:
    config: Annotated[Path | None, typer.Option(help="Config file (ORCH_CONFIG).")] = None
    models_file: Annotated[Path | None, typer.Option(help="More models, or other prices (ORCH_MODELS).")] = None
    chains_file: Annotated[Path | None, typer.Option(help="More chains (ORCH_CHAINS).")] = None
    routing_file: Annotated[Path | None, typer.Option(help="Other routing (ORCH_ROUTING).")] = None


@dataclass(frozen=True, kw_only=True)
class PriceFlags:
    """What recorded models cost, where the registry does not know them."""

    price: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=IN/OUT", help="Dollars per million tokens; may be given more than once."),
    ] = None
    prices: Annotated[Path | None, typer.Option(help="A file of lines MODEL: IN/OUT.")] = None


@dataclass(frozen=True, kw_only=True)
class SimulateFlag:
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="Use the built-in simulator and its ledger: no key, no network, no cost (ORCH_SIMULATE).",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class LedgerFlags(SimulateFlag):
    ledger: Annotated[Path | None, typer.Option(help="Ledger file (ORCH_LEDGER).")] = None


@dataclass(frozen=True, kw_only=True)
class ModelFlags(OutputFlags, ConfigFlags, SimulateFlag):
    """What every command takes that looks at models."""


@dataclass(frozen=True, kw_only=True)
class PlanFlags(OutputFlags, ConfigFlags, LedgerFlags):
    """A prompt, and how to go about answering it."""

    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", help="The prompt; - reads it from standard input, as does leaving it out."),
    ] = None
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE...", help="Files, folders, globs, or - for standard input, to be read with the prompt."
        ),
    ] = None
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            "-s",
            help="cheapest, fallback, ensemble, tiers, round-robin, cost, capability, experiment, the name of a task "
            "table (tasks, matrix, select), or that of a plan: see orch chains.",
            show_default="fallback",
        ),
    ] = None
    chain: Annotated[
        str | None,
        typer.Option(help="For fallback: a chain's name, or models separated by commas.", show_default="mixed"),
    ] = None
    role: Annotated[
        str | None,
        typer.Option(help="Answer as retriever, planner, critic, reasoner, builder ...: its models, its instructions."),
    ] = None
    tier: Annotated[
        str | None, typer.Option(help="For tiers, and implies it: ARCH, EXEC, TASKS or one of your own.")
    ] = None
    critical: Annotated[bool, typer.Option("--critical", help="For tiers and select: it must not go wrong.")] = False
    requires: Annotated[
        list[Requirement] | None,
        typer.Option(help="For tiers: what it takes. What you say counts, and not what the prompt looks like."),
    ] = None
    routine: Annotated[bool, typer.Option("--routine", help="For tiers: it is done by rote.")] = False
    models: Annotated[str | None, typer.Option(help="For ensemble and round-robin: models separated by commas.")] = None
    ensemble_size: Annotated[
        int | None, typer.Option("--ensemble-size", "-e", help="For ensemble: how many models.", show_default="3")
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(help="For fallback: accept an answer from this confidence on, 0 to 1.", show_default="0.6"),
    ] = None
    accept: Annotated[
        AcceptRule | None,
        typer.Option(
            help="For fallback: accept one answer that can be trusted, or the first two models' if they agree.",
            show_default="confidence",
        ),
    ] = None
    verify: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Accept an answer if this command, given it on stdin, exits with 0."),
    ] = None
    schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Accept only JSON that fits this JSON Schema, and ask for it.")
    ] = None
    self_check: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="For fallback: let this model say what it thinks of each answer."),
    ] = None
    logprobs: Annotated[
        bool, typer.Option("--logprobs", help="For fallback: count how sure models were of their tokens.")
    ] = False
    task: Annotated[
        str | None, typer.Option(help="What kind of task it is, or a row of a task table.", show_default="by its words")
    ] = None
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take part in this experiment; implies -s experiment.")
    ] = None
    subject: Annotated[
        str | None,
        typer.Option(help="Whom an experiment's arm is drawn for: always the same one.", show_default="the prompt"),
    ] = None
    tools: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Tools to offer, as OpenAI or Anthropic define them.")
    ] = None
    max_latency: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Pass over models of which one answer in 20 takes longer."),
    ] = None
    min_quality: Annotated[
        float | None,
        typer.Option(metavar="SCORE", help="Pass over models rated lower, 0 to 1: for coding, or else for reasoning."),
    ] = None
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None
    temperature: Annotated[float | None, typer.Option(help="0 to 2, for models that take one.")] = None
    max_cost: Annotated[
        str | None,
        typer.Option("--max-cost", "-c", metavar="DOLLARS", help="Never spend more than this."),
    ] = None
    allow_unpriced: Annotated[
        bool, typer.Option("--allow-unpriced", help="Call models without a known price under a cap or a budget too.")
    ] = False
    max_tokens: Annotated[
        int | None,
        typer.Option(help="Longest reply of each call, in tokens.", show_default="8192"),
    ] = None
    max_tokens_total: Annotated[
        int | None,
        typer.Option(metavar="TOKENS", help="Tokens for the whole run: input and output of all its calls."),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds for the whole run.", show_default="600"),
    ] = None
    max_time: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", help="Minutes for the whole run: --timeout, for plans that take longer."),
    ] = None
    max_wait: Annotated[
        float | None,
        typer.Option(help="Seconds that retries may wait in all.", show_default="60"),
    ] = None
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, show_default=False, help="Say on stderr what is decided, and why."),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class RunFlags(PlanFlags):
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Ask for replies piece by piece, and print them so where the first answer is the last.",
            show_default="on a terminal",
        ),
    ] = None
    category: Annotated[
        str | None, typer.Option(help="Category of the run in reports.", show_default="orchestration")
    ] = None
    tag: Annotated[list[str] | None, typer.Option(help="Tag of the run; may be given more than once.")] = None
    rate_last: Annotated[
        str | None,
        typer.Option(
            metavar="RATING", help="First rate the latest run: good, bad, 0 to 1, none. Without a prompt, only that."
        ),
    ] = None
    scenario: Annotated[
        Path | None,
        typer.Option(help="Simulator: faults to play (ORCH_SCENARIO)."),
    ] = None


def command(
    flags: type[F], *, argument: str | tuple[str, ...] | None = None, omit: tuple[str, ...] = ()
) -> Callable[[Callable[[F], int]], Callable[..., int]]:
    """A decorator: the function takes one `flags` record; Typer sees an option for each field that is not omitted.

    The field named by `argument` becomes a positional argument; of several, in the order in which they are named.
    """
    positional = (argument,) if isinstance(argument, str) else argument or ()

    def place(name: str) -> tuple[int, bool]:
        return positional.index(name) if name in positional else len(positional), name in _LAST

    def decorate(function: Callable[[F], int]) -> Callable[..., int]:
        def wrapper(**given: Any) -> int:
            return function(flags(**{name: value for name, value in given.items() if value is not None}))

        hints = get_type_hints(flags, include_extras=True)
        parameters = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=hints[field.name] if field.name not in positional else _as_argument(hints[field.name]),
            )
            for field in sorted(fields(flags), key=lambda field: place(field.name))  # type: ignore[arg-type]  # every caller passes a dataclass
            if field.name not in omit
        ]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        wrapper.__doc__ = function.__doc__
        wrapper.__name__ = function.__name__
        return wrapper

    return decorate


def _as_argument(hint: Any) -> Any:
    kind, option = hint.__origin__, hint.__metadata__[0]
    return Annotated[kind, typer.Argument(help=option.help, show_default=False)]
