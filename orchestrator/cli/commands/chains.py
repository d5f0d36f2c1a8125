"""`orch chains`: the named plans: which there are, what one looks like and costs, and what is wrong with a file."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ...choose.making import Planned
from ...config import RunOptions, Settings
from ...deferred import dataclass, replace
from ...errors import OrchError, UsageError, did_you_mean
from ...plan import Call, Cascade, to_dict
from ...registry.loading import names_in, registry_for
from ...registry.model import Chain, Registry
from ...run.engine import Engine
from ...types import Prompt
from .. import render
from ..options import ModelFlags, command
from ..output import Output
from ..setup import settings_from
from ..tree import mermaid, price_words, tree
from ..using import check_used

_EXAMPLE = "Should I use REST or GraphQL for the public interface of a small shop?"


class _Format(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"


@dataclass(frozen=True, kw_only=True)
class _ChainFlags(ModelFlags):
    action: Annotated[str, typer.Option(help="list, show or check.")] = "list"
    name: Annotated[str | None, typer.Option(help="For show: a plan. For check: a file of plans.")] = None
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", help="For show: estimate the cost for this prompt.", show_default="a question"),
    ] = None
    format: Annotated[_Format, typer.Option(help="For show: a tree or a Mermaid flowchart.")] = _Format.TEXT


@command(_ChainFlags, argument=("action", "name"))
def chains(flags: _ChainFlags) -> int:
    """orch chains; orch chains show pipeline; orch chains check FILE.

    To run a plan: orch run -s NAME. Put your own plans into chains.yaml in the config directory.
    """
    action = _ACTIONS.get(flags.action)
    if action is None:
        hint = did_you_mean(flags.action, _ACTIONS) or f"to draw one: orch chains show {flags.action}"
        raise UsageError(f"orch chains takes list, show or check, not {flags.action!r}", hint=hint)
    check_used(flags, f"orch chains {flags.action}", _USES)
    return action(flags, Output.parse(flags.output), settings_from(flags))


commands = {"chains": chains}

_USES = {
    "orch chains list": ("chains_file",),
    "orch chains show": ("chains_file", "prompt", "format"),
    "orch chains check": (),  # what it is to check is the file of chains
}


def _list(flags: _ChainFlags, output: Output, settings: Settings) -> int:
    if flags.name is not None:
        raise UsageError("orch chains list takes no name", hint=f"to draw one: orch chains show {flags.name}")
    registry = registry_for(settings)
    chains = registry.chains.values()
    output.emit(
        {
            "schema_version": 1,
            "chains": {chain.name: list(chain.models) for chain in chains},
            "plans": {chain.name: {"description": chain.description, "plan": to_dict(chain.plan)} for chain in chains},
        }
    )
    if not output.json:
        width = max(len(chain.name) for chain in chains)
        for chain in chains:
            render.line(f"{chain.name:<{width}}  {_in_short(chain)}")
    return 0


def _in_short(chain: Chain) -> str:
    plan = chain.plan
    if chain.description is None and isinstance(plan, Cascade) and all(isinstance(leg, Call) for leg in plan.legs):
        return " → ".join(chain.models)
    return chain.description or next(tree(plan, lambda _: None))


def _show(flags: _ChainFlags, output: Output, settings: Settings) -> int:
    if flags.name is None:
        raise UsageError("which one? for example: orch chains show pipeline", hint="orch chains lists them")
    engine = Engine(settings)
    chain = _find(engine.registry, flags.name)
    planned, problem = _planned(engine, chain, flags.prompt or _EXAMPLE)
    plan = chain.plan if planned is None else planned.plan
    cost = None if planned is None else planned.cost
    output.emit(
        {
            "schema_version": 1,
            "name": chain.name,
            "description": chain.description,
            "plan": to_dict(plan),
            "cost_nanousd": None if cost is None else cost._asdict(),
            "reasons": [] if planned is None else list(planned.reasons),
            "problem": None if problem is None else problem.message,
        }
    )
    if output.json:
        return 0
    draw = tree if flags.format is _Format.TEXT else mermaid
    if flags.format is _Format.TEXT and chain.description:
        render.line(f"{chain.name}: {chain.description}\n")
    for line in draw(plan, (lambda _: None) if planned is None else planned.costs.get):
        render.line(line)
    if flags.format is _Format.TEXT and cost is not None:
        render.line(f"\ncost: {price_words(cost)}" + ("" if flags.prompt else ", for a short question"))
        for reason in (planned.reasons if planned is not None else ())[1:]:
            render.line(f"· {reason}")
    if problem is not None:
        render.say(f"as it is written, without prices: {problem.message}")
    return 0


def _planned(engine: Engine, chain: Chain, prompt: str) -> tuple[Planned | None, OrchError | None]:
    """The plan as it would be carried out here, or why it cannot be."""
    options = replace(RunOptions(), strategy="fallback", chain=chain.name)
    try:
        return engine.plan(Prompt(prompt), options), None
    except UsageError:
        raise
    except OrchError as error:
        return None, error


def _find(registry: Registry, name: str) -> Chain:
    if name not in registry.chains:
        hint = did_you_mean(name, registry.chains) or "orch chains lists them"
        raise UsageError(f"there is no chain named {name!r}", hint=hint)
    return registry.chains[name]


def _check(flags: _ChainFlags, output: Output, settings: Settings) -> int:
    """Reading the file is the check: what is wrong with it is an error that names file, line and key."""
    if flags.name is None:
        raise UsageError("which file? for example: orch chains check chains.yaml")
    path = Path(flags.name)
    registry_for(replace(settings, chains_file=path))
    defined = names_in(path)
    output.emit({"schema_version": 1, "file": flags.name, **defined})
    if not output.json:
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in defined.items())
        render.line(f"{flags.name}: {counts}; nothing is wrong with them")
    return 0


_ACTIONS: dict[str, Callable[[_ChainFlags, Output, Settings], int]] = {"list": _list, "show": _show, "check": _check}
