"""`orch keys`: the keys of clients that `orch serve` answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ...clock import local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...ledger.budgets import BudgetState, Scope, budget_states
from ...ledger.keys import Key, add_key, all_keys, new_secret, revoke_key
from ...money import format_short
from ...period import Period
from .. import render
from ..options import ConfigFlags, LedgerFlags, OutputFlags, command
from ..output import Output
from ..setup import names_from, settings_from
from ..using import check_used
from .budget import amount_from
from .ledgers import open_ledger, read_ledger


@dataclass(frozen=True, kw_only=True)
class _KeyFlags(OutputFlags, LedgerFlags, ConfigFlags):
    action: Annotated[str, typer.Option(help="add, list or revoke.")] = "list"
    name: Annotated[str | None, typer.Option(help="The key's name, in reports and budgets.")] = None
    daily: Annotated[str | None, typer.Option(metavar="DOLLARS", help="At most this much a day.")] = None
    monthly: Annotated[str | None, typer.Option(metavar="DOLLARS", help="At most this much a month.")] = None
    models: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Only these models, strategies, chains and plans, separated by commas.",
            show_default="all",
        ),
    ] = None
    rpm: Annotated[int | None, typer.Option(help="Most requests a minute.", min=1, show_default="no limit")] = None
    tag: Annotated[list[str] | None, typer.Option(help="Tag of the key's runs; may be repeated.")] = None


@command(_KeyFlags, argument=("action", "name"))
def keys(flags: _KeyFlags) -> int:
    """orch keys add ci --daily 5 --models cheapest,gpt-6-luna; orch keys; orch keys revoke ci.

    The key is shown once, when it is made: the ledger keeps its hash. Its caps are budgets, which orch budget shows and
    changes with --key NAME. A revoked key is refused within a second.
    """
    action = _ACTIONS.get(flags.action)
    if action is None:
        hint = did_you_mean(flags.action, _ACTIONS)
        raise UsageError(f"orch keys takes add, list or revoke, not {flags.action!r}", hint=hint)
    check_used(flags, f"orch keys {flags.action}", _USES)
    if (flags.name is None) != (flags.action == "list"):
        problem = "takes no name" if flags.action == "list" else "needs the key's name"
        raise UsageError(f"orch keys {flags.action} {problem}")
    return action(flags, Output.parse(flags.output), settings_from(flags))


commands = {"keys": keys}

_USES = {"orch keys add": ("daily", "monthly", "models", "rpm", "tag"), "orch keys list": (), "orch keys revoke": ()}


def _add(flags: _KeyFlags, output: Output, settings: Settings) -> int:
    assert flags.name is not None
    models = () if flags.models is None else names_from(flags.models, "--models")
    key = Key(flags.name, local_now(), models=models, rpm=flags.rpm, tags=tuple(dict.fromkeys(flags.tag or ())))
    amounts = {Period.DAY: flags.daily, Period.MONTH: flags.monthly}
    caps = {period: amount_from(amount) for period, amount in amounts.items() if amount is not None}
    secret = new_secret()
    with open_ledger(settings.ledger) as ledger:
        ledger.write(lambda connection: add_key(connection, key, secret, caps))
    output.emit({"schema_version": 1, "simulated": settings.simulate, "key": {**key.to_dict(), "secret": secret}})
    if not output.json:
        render.line(secret)
        render.say("It is not shown again. Clients send it as their API key; orch keys list shows what it may do.")
    return 0


def _list(flags: _KeyFlags, output: Output, settings: Settings) -> int:
    rows: list[tuple[Key, list[BudgetState]]] = []
    ledger = read_ledger(settings.ledger)
    if ledger is not None:
        today = local_now().date()
        with ledger:
            found = list(ledger.read(all_keys).values())
            states = ledger.read(lambda connection: budget_states(connection, today, simulated=settings.simulate))
        of_keys = [state for state in states if state.budget.scope is Scope.KEY]
        rows = [(key, [state for state in of_keys if state.budget.name == key.name]) for key in found]
    listed = [{**key.to_dict(), "budgets": [state.to_dict() for state in caps]} for key, caps in rows]
    output.emit({"schema_version": 1, "simulated": settings.simulate, "keys": listed})
    if not output.json:
        for key, caps in rows:
            render.line(f"{key.name}: {', '.join(_said_of(key, caps))}")
        if not rows:
            render.line("no keys")
    return 0


def _said_of(key: Key, caps: list[BudgetState]) -> list[str]:
    said: list[Any] = [f"since {key.created_at:%Y-%m-%d}"]
    if key.revoked_at is not None:
        said.append(f"revoked {key.revoked_at:%Y-%m-%d}")
    for state in caps:
        limit, spent = format_short(state.budget.limit_nanousd), format_short(state.settled_nanousd)
        said.append(f"{limit} a {state.budget.period} ({spent} spent)")
    said += [f"only {' '.join(key.models)}"] if key.models else []
    said += [f"{key.rpm} requests a minute"] if key.rpm else []
    return [*said, *(f"tag {tag}" for tag in key.tags)]


def _revoke(flags: _KeyFlags, output: Output, settings: Settings) -> int:
    name, now = flags.name or "", local_now()
    with open_ledger(settings.ledger) as ledger:
        ledger.write(lambda connection: revoke_key(connection, name, now))
        key = next(key for key in ledger.read(all_keys).values() if key.name == name)
    output.emit({"schema_version": 1, "simulated": settings.simulate, "key": key.to_dict()})
    if not output.json:
        render.say(f"{name} is revoked")
    return 0


_ACTIONS: dict[str, Callable[[_KeyFlags, Output, Settings], int]] = {"add": _add, "list": _list, "revoke": _revoke}
