"""`orch budget`: limits on what may be spent in a day, a week, a month, a year or in all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from ...clock import local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...ledger.budgets import Budget, BudgetState, Scope, budget_states, clear_budgets, set_budgets
from ...ledger.keys import all_keys
from ...money import format_short
from ...period import Period
from ...registry.loading import registry_for
from ...registry.providers import PROVIDERS
from ...report.outlook import Outlook, outlook
from .. import render
from ..options import LedgerFlags, OutputFlags, RegistryFlags, command
from ..output import Output
from ..setup import dollars_from, settings_from
from ..using import REGISTRY_FILES, check_used
from .ledgers import open_ledger, read_ledger


@dataclass(frozen=True, kw_only=True)
class _BudgetFlags(OutputFlags, LedgerFlags, RegistryFlags):
    action: Annotated[str, typer.Option(help="set, show or clear.")] = "show"
    daily: Annotated[str | None, typer.Option(metavar="DOLLARS", help="At most this much a day.")] = None
    weekly: Annotated[str | None, typer.Option(metavar="DOLLARS", help="At most this much a week, from Monday.")] = None
    monthly: Annotated[str | None, typer.Option(metavar="DOLLARS", help="At most this much a month.")] = None
    yearly: Annotated[str | None, typer.Option(metavar="DOLLARS", help="At most this much a year.")] = None
    total: Annotated[str | None, typer.Option(metavar="DOLLARS", help="At most this much in all, ever.")] = None
    provider: Annotated[str | None, typer.Option(help="Apply to this provider only.")] = None
    model: Annotated[str | None, typer.Option(help="Apply to this model only.")] = None
    category: Annotated[str | None, typer.Option(help="Apply to runs of this category only.")] = None
    tag: Annotated[str | None, typer.Option(help="Apply to runs with this tag only.")] = None
    key: Annotated[str | None, typer.Option(help="Apply to the client of this key only; see orch keys.")] = None
    period: Annotated[
        list[Period] | None, typer.Option(help="For clear: only the budget of this period; all is what --total set.")
    ] = None
    all: Annotated[bool, typer.Option("--all", help="For clear: every budget.")] = False


@command(_BudgetFlags, argument="action")
def budget(flags: _BudgetFlags) -> int:
    """orch budget set --daily 5 --category batch; orch budget show; orch budget clear --category batch.

    Before a call is sent, its highest possible cost is reserved in every budget that applies, in one transaction that
    all processes share. A call that does not fit is not sent (exit code 5). Budgets never refuse free models and
    models that you host. Days, weeks, months and years are in your time zone. Alerts at 50, 80 and 100 % go to stderr
    and to the on_alert command of the config file.
    """
    action = _ACTIONS.get(flags.action)
    if action is None:
        raise UsageError(f"orch budget takes set, show or clear, not {flags.action!r}")
    check_used(flags, _doing(flags), _USES)
    output, settings = Output.parse(flags.output), settings_from(flags)
    action(flags, settings)
    return _show(settings, output)


commands = {"budget": budget}

_SCOPES = tuple(scope.value for scope in Scope if scope is not Scope.ALL)
_AMOUNTS = {
    Period.DAY: "daily", Period.WEEK: "weekly", Period.MONTH: "monthly", Period.YEAR: "yearly", Period.ALL: "total"
}  # fmt: skip
_OF_MODELS = (*_SCOPES, *REGISTRY_FILES)  # the files say which models there are
_USES = {
    "orch budget set": (*_AMOUNTS.values(), *_SCOPES),
    "orch budget set --model": (*_AMOUNTS.values(), *_OF_MODELS),
    "orch budget show": (),
    "orch budget clear": ("period", *_SCOPES),
    "orch budget clear --model": ("period", *_OF_MODELS),
    "orch budget clear --all": ("period", "all"),
}


def _doing(flags: _BudgetFlags) -> str:
    if flags.all and flags.action == "clear":
        return "orch budget clear --all"
    of_model = flags.model is not None and flags.action in ("set", "clear")
    return f"orch budget {flags.action}{' --model' if of_model else ''}"


def _set(flags: _BudgetFlags, settings: Settings) -> None:
    scope, name = _known(*_scope(flags), settings)
    amounts = {period: getattr(flags, flag) for period, flag in _AMOUNTS.items()}
    budgets = [
        Budget(period, scope, name, amount_from(amount)) for period, amount in amounts.items() if amount is not None
    ]
    if not budgets:
        raise UsageError("how much? for example: orch budget set --daily 5")
    with open_ledger(settings.ledger) as ledger:
        ledger.write(lambda connection: set_budgets(connection, budgets))


def _clear(flags: _BudgetFlags, settings: Settings) -> None:
    scope, name = (None, "") if flags.all else _scope(flags)
    periods = flags.period or list(Period)
    with open_ledger(settings.ledger) as ledger:
        removed = ledger.write(lambda connection: clear_budgets(connection, periods, scope, name))
        if not removed and scope is not None:  # not by this name; one that nothing has any more can be cleared by it
            known = _known(scope, name, settings)[1]
            removed = ledger.write(lambda connection: clear_budgets(connection, periods, scope, known))
    render.say(f"{removed} cleared")


def _nothing(flags: _BudgetFlags, settings: Settings) -> None:
    """Showing changes nothing."""


_ACTIONS: dict[str, Callable[[_BudgetFlags, Settings], None]] = {"set": _set, "clear": _clear, "show": _nothing}


def _show(settings: Settings, output: Output) -> int:
    states: list[BudgetState] = []
    ledger, now = read_ledger(settings.ledger), local_now()
    if ledger is not None:
        with ledger:
            states = ledger.read(lambda c: budget_states(c, now.date(), simulated=settings.simulate))
    outlooks = [outlook(state, now, datetime.astimezone) for state in states]
    documents = [each.state.to_dict() | each.to_dict() for each in outlooks]
    output.emit({"schema_version": 1, "simulated": settings.simulate, "budgets": documents})
    if not output.json:
        for each in outlooks:
            state = each.state
            spent, aside = state.settled_nanousd, state.committed_nanousd - state.settled_nanousd
            set_aside = f", {format_short(aside)} set aside" if aside else ""
            render.line(
                f"{state.budget} (since {state.since}): {format_short(spent)} spent{set_aside}, "
                f"{format_short(state.left_nanousd)} left{_pace(each)}"
            )
        if not states:
            render.line("no budgets")
    return 0


def _pace(ahead: Outlook) -> str:
    """Where it is going, in words; nothing where nothing was spent."""
    if not ahead.state.committed_nanousd or not ahead.state.left_nanousd or ahead.state.budget.period is Period.ALL:
        return ""
    if ahead.exhausted_at is not None:
        return f"; at this pace used up on {ahead.exhausted_at:%Y-%m-%d at %H:%M}"
    return f"; at this pace {format_short(ahead.expected_nanousd)} at the end of the {ahead.state.budget.period}"


def _scope(flags: _BudgetFlags) -> tuple[Scope, str]:
    named = [(Scope(each), name) for each in _SCOPES if (name := getattr(flags, each)) is not None]
    if len(named) > 1:
        raise UsageError("a budget is for one of --provider, --model, --category, --tag and --key, or for everything")
    return named[0] if named else (Scope.ALL, "")


def _known(scope: Scope, name: str, settings: Settings) -> tuple[Scope, str]:
    """The scope with the name by which calls count towards it: a model's own and not an alias. Raises UsageError for a
    model, a provider or a key that there is not, since nothing would ever count."""
    if scope is Scope.MODEL:
        name = registry_for(settings).model(name).name
    elif scope is Scope.PROVIDER and name not in PROVIDERS:
        hint = did_you_mean(name, PROVIDERS) or f"there are: {', '.join(PROVIDERS)}"
        raise UsageError(f"there is no provider {name!r}", hint=hint)
    elif scope is Scope.KEY:
        ledger = read_ledger(settings.ledger)
        keys = [] if ledger is None else [key.name for key in ledger.read(all_keys).values()]
        if name not in keys:
            raise UsageError(f"there is no key {name!r}", hint=did_you_mean(name, keys) or "orch keys lists them")
    return scope, name


def amount_from(written: str) -> int:
    """Nano-dollars from an amount in dollars. Raises UsageError."""
    return dollars_from(written, "a budget", "5 or 0.50")
