"""Reads plans from chains.yaml. docs/configuration.md describes the format.

    [MODEL, NODE, ...]                                             a cascade
    {description: ..., cascade | panel | sequence | loop | call: ...}

A node is the name of a model, or a mapping with one of the five kinds. `plan.check_plan` finds mistakes in a plan; here
each gets its place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypedDict, TypeVar

from ..config.strict_yaml import Reader, Table, boolean, decimal, integer, list_of, one_of, record, text
from ..config.yaml_value import Kind, Value
from ..errors import did_you_mean
from ..plan import (
    FREE_SIGNALS,
    SELF_CHECK,
    SIGNALS,
    Accept,
    Call,
    Cascade,
    Check,
    Loop,
    Node,
    Panel,
    PlanError,
    Reduce,
    Sequence,
    check_plan,
)
from ..types import AcceptRule, Level
from . import records
from .model import Chain

N = TypeVar("N", bound=Node)

KINDS = ("call", "cascade", "panel", "sequence", "loop")
_A_NODE = f"the name of a model, or a mapping with one of {', '.join(KINDS)}"


class PlanReader:
    """Reads plans that may use these models, roles and tiers."""

    def __init__(self, models: Mapping[str, str], roles: Collection[str], tiers: Collection[str]) -> None:
        self._names = models
        self._model = model_named(models)
        self._role = _known("role", roles)
        self._tier = _known("tier", tiers)
        self._places: dict[int, tuple[Node, Value]] = {}  # a node by its identity: equal ones stand at several places

    def chain(self, value: Value) -> Chain:
        """A named plan, with the key of its value as its name."""
        name = records.name_of(value)
        if name in self._names:
            raise value.error("a chain cannot have the name of a model")
        description: str | None = None
        if isinstance(value.content, tuple):
            plan: Node = self._kept(Cascade(self._nodes(1)(value)), value)
        elif isinstance(value.content, dict):
            described = value.content.get("description")
            description = None if described is None else " ".join(text(described).split())
            plan = self._node_in(value, beside=("description",))
        else:
            raise value.expected("a list of models, or a plan")
        self._check(plan, value)
        return Chain(name, plan, description)

    def plan(self, value: Value) -> Node:
        """A plan alone, as `plan.to_dict` writes it."""
        plan = self._node(value)
        self._check(plan, value)
        return plan

    def _check(self, plan: Node, value: Value) -> None:
        try:
            check_plan(plan)
        except PlanError as error:
            _, place = self._places.get(id(error.node), (None, value))
            at_fault = place.content.get(error.field or "") if isinstance(place.content, dict) else None
            raise (at_fault or place).error(str(error)) from None
        self._places.clear()

    def _kept(self, node: N, place: Value) -> N:
        self._places[id(node)] = (node, place)
        return node

    # -- nodes ---------------------------------------------------------------------------------------------------

    def _node(self, value: Value) -> Node:
        if value.kind is Kind.TEXT:
            return self._kept(Call(self._model(value)), value)
        if not isinstance(value.content, dict):
            raise value.expected(_A_NODE)
        return self._node_in(value)

    def _node_in(self, value: Value, beside: Collection[str] = ()) -> Node:
        """The node of a mapping that has one key for the kind, and perhaps other keys `beside` it."""
        content = value.content
        assert isinstance(content, dict)
        kinds = [key for key in content if key in KINDS]
        for key, other in content.items():
            if key not in KINDS and key not in beside:
                hint = did_you_mean(key, [*KINDS, *beside]) or f"expected one of {', '.join(KINDS)}"
                raise other.error(f"unknown key ({hint})")
        if not kinds:
            raise value.error(f"holds no plan; expected one of {', '.join(KINDS)}")
        if len(kinds) > 1:
            first = content[kinds[0]]
            raise content[kinds[1]].error(f"a node is of one kind, and there is '{kinds[0]}' on line {first.line}")
        return self._of_kind(kinds[0])(content[kinds[0]])

    def _of_kind(self, kind: str) -> Reader[Node]:
        match kind:
            case "call":
                return self._call
            case "cascade":
                return self._listing(self._cascade, lambda legs: Cascade(legs), at_least=1)
            case "panel":
                return self._listing(self._panel, lambda members: Panel(members), at_least=2)
            case "sequence":
                return self._listing(self._sequence, lambda steps: Sequence(steps), at_least=1)
            case _:
                return self._recorded(self._loop)

    def _nodes(self, at_least: int) -> Reader[tuple[Node, ...]]:
        return list_of(self._node, at_least=at_least)

    def _recorded(self, build: Callable[[Table], N]) -> Reader[N]:
        return lambda value: self._kept(record(build)(value), value)

    def _listing(
        self, build: Callable[[Table], N], short: Callable[[tuple[Node, ...]], N], *, at_least: int
    ) -> Reader[N]:
        """A reader for a mapping, or for the bare list of the node's children."""

        def read(value: Value) -> N:
            if isinstance(value.content, tuple):
                return self._kept(short(self._nodes(at_least)(value)), value)
            return self._recorded(build)(value)

        return read

    def _call(self, value: Value) -> Call:
        if value.kind is Kind.TEXT:
            return self._kept(Call(self._model(value)), value)
        return self._recorded(self._call_of)(value)

    def _call_of(self, table: Table) -> Call:
        if len([key for key in ("model", "tier", "level") if key in table]) > 1:
            raise table.value.error("a call takes one of model, tier and level")
        if "stand_ins" in table and "model" not in table:
            raise table.value.error("stand_ins stand in for a model: a role and a tier have a list of their own")
        return Call(
            model=table.optional("model", self._model, ""),
            stand_ins=table.optional("stand_ins", list_of(self._model), ()),
            role=table.optional("role", self._role, None),
            tier=table.optional("tier", self._tier, None),
            level=table.optional("level", _LEVEL, None),
            template=table.optional("template", text, None),
            system=table.optional("system", text, None),
            max_tokens=table.optional("max_tokens", _TOKENS, None),
            temperature=table.optional("temperature", _TEMPERATURE, None),
            needs_context=table.optional("needs_context", boolean, False),
            **_common(table),
        )

    def _cascade(self, table: Table) -> Cascade:
        return Cascade(table.required("legs", self._nodes(1)), self._accept(table), **_common(table))

    def _panel(self, table: Table) -> Panel:
        synthesiser = table.optional("synthesiser", self._call, None)
        usual = Reduce.BEST if synthesiser is None else Reduce.SYNTHESISE
        reduce = table.optional("reduce", _REDUCE, usual)
        return Panel(table.required("members", self._nodes(2)), reduce, synthesiser, **_common(table))

    def _sequence(self, table: Table) -> Sequence:
        answer = table.optional("answer", text, None)
        return Sequence(table.required("steps", self._nodes(1)), answer, **_common(table))

    def _loop(self, table: Table) -> Loop:
        return Loop(
            table.required("body", self._node),
            table.required("until", self._until),
            table.required("max_rounds", _ROUNDS),
            **_common(table),
        )

    def _accept(self, table: Table) -> Accept:
        checker = table.optional("checker", self._call, None)
        usual = FREE_SIGNALS if checker is None else (*FREE_SIGNALS, SELF_CHECK)
        return Accept(
            threshold=table.optional("threshold", _SHARE, None),
            rule=table.optional("accept", _RULE, AcceptRule.CONFIDENCE),
            signals=table.optional("signals", _SIGNALS, usual),
            checker=checker,
        )

    def _until(self, value: Value) -> Check | Accept:
        if value.kind is Kind.TEXT:
            return Accept(rule=_RULE(value))
        if isinstance(value.content, dict) and "check" not in value.content:
            return record(self._accept)(value)
        return record(lambda table: Check(table.required("check", self._call), table.required("score", _SHARE)))(value)


def model_named(models: Mapping[str, str]) -> Reader[str]:
    """A reader for the name or alias of a model."""

    def read(value: Value) -> str:
        name = text(value)
        if name not in models:
            suggestion = did_you_mean(name, models)
            raise value.error(f"there is no model named '{name}'" + (f" ({suggestion})" if suggestion else ""))
        return models[name]

    return read


def _known(what: str, names: Collection[str]) -> Reader[str]:
    """A reader for the name of a role or tier."""

    def read(value: Value) -> str:
        name = text(value)
        if name not in names:
            suggestion = did_you_mean(name, names) or (f"there are: {', '.join(names)}" if names else "there are none")
            raise value.error(f"there is no {what} named '{name}' ({suggestion})")
        return name

    return read


class _Common(TypedDict):
    """What every node may have."""

    name: str | None
    optional: bool
    budget_share: float | None
    time_share: float | None


def _common(table: Table) -> _Common:
    return {
        "name": table.optional("name", text, None),
        "optional": table.optional("optional", boolean, False),
        "budget_share": table.optional("budget_share", _SHARE, None),
        "time_share": table.optional("time_share", _SHARE, None),
    }


def _signal(value: Value) -> str:
    name = text(value)
    if name not in SIGNALS:
        raise value.error(f"there is no signal '{name}' ({did_you_mean(name, SIGNALS) or ', '.join(SIGNALS)})")
    return name


def _fraction(maximum: int) -> Reader[float]:
    exact = decimal(minimum=0, maximum=maximum)
    return lambda value: float(exact(value))


# Made once: a file may hold hundreds of plans.
_LEVEL, _RULE, _REDUCE = one_of(Level), one_of(AcceptRule), one_of(Reduce)
_SHARE, _TEMPERATURE = _fraction(1), _fraction(2)
_TOKENS, _ROUNDS = integer(minimum=1, maximum=records.MAX_TOKENS), integer(minimum=1)
_SIGNALS = list_of(_signal, at_least=1)
