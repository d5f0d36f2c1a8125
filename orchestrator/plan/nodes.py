"""A plan is data: a small tree of nodes that says what to call. Only `run.walk` walks it.

    Call      one completion
    Cascade   legs in order, until one is accepted or the last is reached
    Panel     members at the same time, then one answer made of theirs
    Sequence  steps in order; a step's prompt may use the outputs of earlier ones
    Loop      a body, repeated until its check passes

Nodes nest. A plan can be printed, priced, tested and stored without calling anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from ..deferred import dataclass, replace
from ..types import AcceptRule, Level

# What a cascade may rest its trust in an answer on. The free ones cost no call: how the answer reads, and what the user
# gave to hold it against, where they did. Log-probabilities are free too, but have to be asked for, and make replies
# longer. A self-check is one more call for each answer.
FREE_SIGNALS = ("text", "schema", "verify")
SELF_CHECK, LOGPROBS = "self_check", "logprobs"
SIGNALS = (*FREE_SIGNALS, LOGPROBS, SELF_CHECK)


class Reduce(StrEnum):
    """How a panel makes one answer of its members' answers."""

    BEST = "best"  # the one that weighs most
    VOTE = "vote"  # the one that most of them give
    AGREE = "agree"  # the cheaper one if they are the same; where they are not, a cascade goes on
    SYNTHESISE = "synthesise"  # a model writes it from theirs


@dataclass(frozen=True, slots=True)
class Accept:
    """When an answer is accepted: the lowest confidence (0 to 1; None: the run's threshold), the rule, and the
    evidence.

    `checker` is the call that makes the self-check, if that is one of the signals.
    """

    threshold: float | None = None
    rule: AcceptRule = AcceptRule.CONFIDENCE
    signals: tuple[str, ...] = FREE_SIGNALS
    checker: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What every node has.

    `name` is its name in templates and in the ledger. An `optional` node that fails is left out; a cascade goes on from
    an optional leg after any error. The shares, above 0 and up to 1, are the part of the run's cost cap and time that
    the node may use.
    """

    name: str | None = None
    optional: bool = False
    budget_share: float | None = None
    time_share: float | None = None


@dataclass(frozen=True, slots=True)
class Call(_Step):
    """One completion.

    `model` is a name in the registry. In a written plan it may be empty: then a `role`, a `tier`, a `level` or the
    prompt's level decides; in the plan of a run every call has a model. `stand_ins` are asked in its place, in this
    order, where the call fails. `template` is the prompt (see `template.py`),
    None the user's own. Options that are None follow the run's. A call that `needs_context` is left out if the prompt
    came without context.
    """

    model: str = ""
    stand_ins: tuple[str, ...] = ()
    role: str | None = None
    tier: str | None = None
    level: Level | None = None
    template: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    needs_context: bool = False


@dataclass(frozen=True, slots=True)
class Cascade(_Step):
    """Legs in order; the answer is the first accepted one, otherwise the best one seen."""

    legs: tuple[Node, ...]
    accept: Accept = Accept()


@dataclass(frozen=True, slots=True)
class Panel(_Step):
    """Members at the same time, and one answer made of theirs. `synthesiser` writes it if `reduce` says so."""

    members: tuple[Node, ...]
    reduce: Reduce = Reduce.BEST
    synthesiser: Call | None = None


@dataclass(frozen=True, slots=True)
class Sequence(_Step):
    """Steps in order. The answer is that of the step named by `answer`, or of the last."""

    steps: tuple[Node, ...]
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A model's judgement of an answer as a score from 0 to 1; the answer passes from `score` on."""

    call: Call
    score: float


@dataclass(frozen=True, slots=True)
class Loop(_Step):
    """The body, up to `max_rounds` times, until its answer passes; otherwise the answer is the best of the rounds.

    `until` is a Check, or an Accept: a confidence to reach, or agreement among the members of a panel.
    """

    body: Node
    until: Check | Accept
    max_rounds: int


Node = Call | Cascade | Panel | Sequence | Loop


def children(node: Node) -> tuple[Node, ...]:
    """The direct children of a node, in the order in which they first run."""
    match node:
        case Call():
            return ()
        case Cascade(legs=below, accept=Accept(checker=checker)):
            return below if checker is None else (*below, checker)
        case Sequence(steps=below):
            return below
        case Panel(members=members, synthesiser=synthesiser):
            return members if synthesiser is None else (*members, synthesiser)
        case Loop(body=body, until=Check(call=call)):
            return (body, call)
        case Loop(body=body):
            return (body,)


def nodes(node: Node) -> Iterator[Node]:
    """A node and all of its descendants, top down."""
    yield node
    for child in children(node):
        if isinstance(child, Call):  # it has none, and most are
            yield child
        else:
            yield from nodes(child)


def calls(node: Node) -> Iterator[Call]:
    """All calls of a plan, in the order in which they would be made; those of a loop once."""
    return (found for found in nodes(node) if isinstance(found, Call))


def models(node: Node) -> list[str]:
    """The names of the models that a plan calls or lets stand in, each once; of a written plan, those that it names."""
    named = (name for call in calls(node) for name in (call.model, *call.stand_ins) if name)
    return list(dict.fromkeys(named))


def most_calls(node: Node) -> int:
    """The largest number of calls that a plan can make."""
    below = sum(most_calls(child) for child in children(node))
    match node:
        case Call(stand_ins=stand_ins):
            return 1 + len(stand_ins)
        case Loop(max_rounds=rounds):
            return rounds * below
        case Cascade(legs=legs, accept=Accept(checker=Call())):
            return below + len(legs) - 1  # the self-check is made of each leg but the last, and counted once by now
        case _:
            return below


def agreeing(node: Cascade) -> Cascade:
    """A cascade whose first two legs are asked at the same time and must agree: [a, b, c] becomes [a and b, c]."""
    accept = replace(node.accept, rule=AcceptRule.AGREEMENT)
    if len(node.legs) < 2 or must_agree(node.legs[0]):
        return replace(node, accept=accept)
    return replace(node, legs=(Panel(node.legs[:2], Reduce.AGREE), *node.legs[2:]), accept=accept)


def must_agree(node: Node) -> bool:
    """Whether a node is a panel whose members must agree."""
    return isinstance(node, Panel) and node.reduce is Reduce.AGREE


def to_dict(node: Node) -> dict[str, Any]:
    """A plan as plain data for JSON: one key, the kind of the node, with its fields under it, as in chains.yaml.

    Fields with their default value are left out.
    """
    common = {
        key: value
        for key in ("name", "optional", "budget_share", "time_share")
        if (value := getattr(node, key)) not in (None, False)
    }
    match node:
        case Call():
            return {"call": _call_fields(node) | common}
        case Cascade():
            return {"cascade": common | _accept_fields(node.accept) | {"legs": [to_dict(leg) for leg in node.legs]}}
        case Panel():
            reduced: dict[str, Any] = {} if node.reduce is Reduce.BEST else {"reduce": node.reduce.value}
            if node.synthesiser is not None:
                reduced["synthesiser"] = to_dict(node.synthesiser)["call"]
            return {"panel": common | reduced | {"members": [to_dict(member) for member in node.members]}}
        case Sequence():
            answer = {} if node.answer is None else {"answer": node.answer}
            return {"sequence": common | answer | {"steps": [to_dict(step) for step in node.steps]}}
        case Loop(until=until):
            if isinstance(until, Check):
                ends: dict[str, Any] = {"check": to_dict(until.call)["call"], "score": until.score}
            else:
                ends = _accept_fields(until)
            return {"loop": common | {"body": to_dict(node.body), "until": ends, "max_rounds": node.max_rounds}}


def _call_fields(call: Call) -> dict[str, Any]:
    names = ("model", "role", "tier", "level", "template", "system", "max_tokens", "temperature")
    written = {name: value for name in names if (value := getattr(call, name)) not in (None, "")}
    if call.stand_ins:
        written["stand_ins"] = list(call.stand_ins)
    return written | ({"needs_context": True} if call.needs_context else {})


def _accept_fields(accept: Accept) -> dict[str, Any]:
    fields: dict[str, Any] = {} if accept.threshold is None else {"threshold": accept.threshold}
    if accept.rule is not AcceptRule.CONFIDENCE:
        fields["accept"] = accept.rule.value
    if accept.signals != FREE_SIGNALS:
        fields["signals"] = list(accept.signals)
    if accept.checker is not None:
        fields["checker"] = to_dict(accept.checker)["call"]
    return fields
