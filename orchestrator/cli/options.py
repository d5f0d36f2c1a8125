"""The options of the command line, each defined once, as dataclasses that commands take whole.

`command(Flags)` turns a function of one such record into one that Typer reads as having an option for each field. What
a run can be asked for stands in `config.options`; here are only the flags that go elsewhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from ..config import RunOptions
from ..config.options import OPTIONS, Kind, Option
from ..deferred import dataclass
from .coercion import Panel

F = TypeVar("F")

# To evaluate them takes a millisecond a record.
_hints: Callable[[Any], dict[str, Any]] = cache(partial(get_type_hints, include_extras=True))


@dataclass(frozen=True, slots=True)
class Rows:
    """Marks a field that stands for options of a run: it maps the fields of `RunOptions` to what was written, of those
    that were given."""

    of_runs: bool


@dataclass(frozen=True, slots=True)
class Before:
    """Marks a field that is shown before an option of a run."""

    name: str


# What most commands share is shown behind what is a command's own.
_LAST = frozenset({"output", "simulate", "scenario", "ledger", "config", "models_file", "chains_file", "routing_file"})


def _file(what: str) -> Any:
    return typer.Option(help=what, rich_help_panel=Panel.FILES)


@dataclass(frozen=True, kw_only=True)
class OutputFlags:
    """`--output` of commands that print text or JSON."""

    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="text|json|FILE.json",
            help="Output format; a path ending in .json writes the JSON to that file.",
        ),
    ] = "text"


@dataclass(frozen=True, kw_only=True)
class ConfigFlags:
    """`--config`."""

    config: Annotated[Path | None, _file("Config file (ORCH_CONFIG).")] = None


@dataclass(frozen=True, kw_only=True)
class RegistryFlags(ConfigFlags):
    """The files that the registry is read from."""

    models_file: Annotated[Path | None, _file("YAML file that adds or replaces models and prices (ORCH_MODELS).")] = (
        None
    )
    chains_file: Annotated[Path | None, _file("YAML file that adds or replaces chains (ORCH_CHAINS).")] = None
    routing_file: Annotated[
        Path | None, _file("YAML file that adds or replaces routing tables and experiments (ORCH_ROUTING).")
    ] = None


@dataclass(frozen=True, kw_only=True)
class PriceFlags:
    """What recorded models cost, where the registry does not know them."""

    price: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=IN/OUT", help="Price of a model in dollars per million tokens; may be repeated."),
    ] = None
    prices: Annotated[Path | None, typer.Option(help="File of prices, one a line: MODEL: IN/OUT.")] = None


@dataclass(frozen=True, kw_only=True)
class SimulateFlag:
    """`--simulate`."""

    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="Use the built-in simulator and its ledger: no key, no network, no cost (ORCH_SIMULATE).",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class LedgerFlags(SimulateFlag):
    """`--ledger`."""

    ledger: Annotated[Path | None, _file("Ledger file (ORCH_LEDGER).")] = None


@dataclass(frozen=True, kw_only=True)
class ModelFlags(OutputFlags, RegistryFlags, SimulateFlag):
    """What every command takes that looks at models."""


@dataclass(frozen=True, kw_only=True)
class PlanFlags(OutputFlags, RegistryFlags, LedgerFlags):
    """A prompt, and how to go about answering it. `asked` is what stands without an option before it."""

    asked: Annotated[
        str | None,
        typer.Option(
            metavar="PROMPT", help="The prompt, in quotes. Without it, or with -, it is read from standard input."
        ),
    ] = None
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="The same as PROMPT.")] = None
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", metavar="MODEL", help="Model to ask. Repeated, it gives a chain to try in order."
        ),
        Before("chain"),
    ] = None
    context: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Files, folders or globs to send with the prompt; - is standard input."),
    ] = None
    attach: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|URL", help="Image or PDF document to send with the prompt; may be repeated."),
    ] = None
    continue_: Annotated[
        str | None,
        typer.Option(
            "--continue",
            metavar="[RUN]",
            help="Go on from a past run, with its conversation before the prompt: its id, or the last one.",
        ),
    ] = None
    given: Annotated[Mapping[str, Any], Rows(of_runs=False)] = field(default_factory=dict)
    system: Annotated[str | None, typer.Option(help="System prompt."), Before("temperature")] = None
    max_time: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", help="--timeout in minutes, for long plans.", rich_help_panel=Panel.LIMITS),
    ] = None
    max_wait: Annotated[
        float | None,
        typer.Option(
            help="Most seconds that all retries together may wait.", show_default="60", rich_help_panel=Panel.LIMITS
        ),
    ] = None
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, show_default=False, help="Explain each decision on stderr."),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class RunFlags(PlanFlags):
    """The flags of commands that answer a prompt."""

    given_for_run: Annotated[Mapping[str, Any], Rows(of_runs=True)] = field(default_factory=dict)
    rate_last: Annotated[
        str | None,
        typer.Option(
            metavar="RATING",
            help="Rate the latest run first: good, bad, 0 to 1, or none. Without a prompt, only rate.",
            rich_help_panel=Panel.RECORD,
        ),
    ] = None
    scenario: Annotated[
        Path | None,
        _file("File of faults that the simulator plays (ORCH_SCENARIO)."),
    ] = None


def command(
    flags: type[F],
    *,
    argument: str | tuple[str, ...] | None = None,
    omit: tuple[str, ...] = (),
) -> Callable[[Callable[[F], int]], Callable[..., int]]:
    """A decorator: the function takes one `flags` record; Typer sees an option for each field that is not omitted, and
    for a field of `Rows` one for each of them.

    The field named by `argument` becomes a positional argument; of several, in the order in which they are named. The
    command has its record as `flags`, its function as `function`.
    """
    positional = (argument,) if isinstance(argument, str) else argument or ()

    def place(parameter: inspect.Parameter) -> tuple[int, bool]:
        name = parameter.name
        return positional.index(name) if name in positional else len(positional), name in _LAST

    def decorate(function: Callable[[F], int]) -> Callable[..., int]:
        parameters = [each for each in _parameters(flags, positional) if each.name not in omit]
        rows = {name: row.name for row in fields(flags) if (found := _rows(flags, row.name)) for name in found}  # type: ignore[arg-type]  # every caller passes a dataclass

        def wrapper(**named: Any) -> int:
            given: dict[str, Any] = {row: {} for row in rows.values()}
            for name, value in named.items():
                if value is None or (name in rows and value is False and OPTIONS[name].kind is Kind.SWITCH):
                    continue  # left out
                (given[rows[name]] if name in rows else given)[name] = value
            return function(flags(**given))

        parameters.sort(key=place)
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        wrapper.__doc__ = function.__doc__
        wrapper.__name__ = function.__name__
        wrapper.flags, wrapper.function = flags, function  # type: ignore[attr-defined]
        return wrapper

    return decorate


def spelled(flags: type[Any], name: str) -> str:
    """A field's flag as it is written on the command line."""
    declared = _hints(flags)[name].__metadata__[0].param_decls or ()
    return next((each for each in declared if each.startswith("--")), f"--{name.replace('_', '-')}")


def _parameters(flags: type[Any], positional: tuple[str, ...]) -> list[inspect.Parameter]:
    """A parameter for every flag, in the order of `--help`."""
    hints = _hints(flags)
    parameters: list[inspect.Parameter] = []
    moved: list[tuple[str, inspect.Parameter]] = []
    for row in fields(flags):
        hint = hints[row.name]
        if (rows := _rows(flags, row.name)) is not None:
            parameters += [_parameter(name, _typed(name, rows[name]), _default(rows[name])) for name in rows]
            continue
        hint = _as_argument(hint) if row.name in positional else hint
        default = inspect.Parameter.empty if row.default is MISSING else row.default
        parameter = _parameter(row.name, hint, default)
        before = next((each.name for each in hint.__metadata__ if isinstance(each, Before)), None)
        if before is None:
            parameters.append(parameter)
        else:
            moved.append((before, parameter))
    for before, parameter in moved:
        parameters.insert([each.name for each in parameters].index(before), parameter)
    return parameters


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _rows(flags: type[Any], name: str) -> dict[str, Option] | None:
    """The options that a field stands for, by their fields in `RunOptions`; None for one that is a flag itself."""
    metadata = getattr(_hints(flags)[name], "__metadata__", ())
    wanted = next((each for each in metadata if isinstance(each, Rows)), None)
    if wanted is None:
        return None
    return {name: row for name, row in OPTIONS.items() if row.flag_name and row.of_runs is wanted.of_runs}


def _typed(name: str, row: Option) -> Any:
    """What Typer makes an option of. It is asked for its own default, which is that nothing was given."""
    declared = f"{row.flag_name}/--no-{row.flag_name[2:]}" if row.kind is Kind.YES_NO else row.flag_name
    short = () if row.short is None else (row.short,)
    shown = row.shown or _shown(row)
    option = typer.Option(
        declared, *short, metavar=row.metavar, help=row.help, show_default=shown or True, rich_help_panel=_panel(name)
    )
    return Annotated[bool if row.kind is Kind.SWITCH else _TYPES[row.kind](row.choices) | None, option]


# Where `--help` shows the options of a run, by their fields; the others stand under `MORE`.
_PANELS: Mapping[Panel, str] = {
    Panel.EVERYDAY: "strategy chain ensemble_size max_cost_nanousd explain",
    Panel.MODELS: "saving role tier critical requires routine models task experiment subject max_latency_s min_quality "
    "allow_unpriced",
    Panel.ACCEPTING: "threshold accept verify schema schema_repair self_check logprobs",
    Panel.REQUEST: "tools tool_choice temperature top_p seed stop effort max_tokens count stream cache_s "
    "semantic_cache embedding",
    Panel.LIMITS: "max_tokens_total timeout_s leg_timeout_s",
    Panel.RECORD: "category tags",
}


def _panel(name: str) -> Panel:
    return next((panel for panel, names in _PANELS.items() if name in names.split()), Panel.MORE)


def _default(row: Option) -> Any:
    return False if row.kind is Kind.SWITCH else None


def _shown(row: Option) -> str:
    """The default of a field, where it has one."""
    value = next(getattr(_DEFAULTS, name) for name, each in OPTIONS.items() if each is row)
    return "" if value in (None, (), False) else f"{value:g}" if isinstance(value, float) else str(value)


_DEFAULTS = RunOptions()
_TYPES: Mapping[Kind, Callable[[type | None], Any]] = {
    Kind.TEXT: lambda choices: choices or str,
    Kind.CHAIN: lambda _: str,
    Kind.NAMES: lambda _: str,
    Kind.TEXTS: lambda choices: list[choices or str],  # type: ignore[misc]  # made for Typer, which reads it
    Kind.NUMBER: lambda _: float,
    Kind.INTEGER: lambda _: int,
    Kind.DOLLARS: lambda _: str,  # read as a decimal: a float has lost what was written
    Kind.YES_NO: lambda _: bool,
    Kind.SCHEMA: lambda _: Path,
    Kind.TOOLS: lambda _: Path,
    Kind.AGE: lambda _: str,
}


def _as_argument(hint: Any) -> Any:
    kind, option = hint.__origin__, hint.__metadata__[0]
    return Annotated[kind, typer.Argument(metavar=option.metavar, help=option.help, show_default=False)]
