"""Plans of all kinds, for property tests: each is one that may be written in chains.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from hypothesis import strategies as st

from orchestrator.plan import SELF_CHECK, Accept, Call, Cascade, Check, Loop, Node, Panel, Reduce, Sequence, most_calls
from orchestrator.types import AcceptRule

MODELS = ("gpt-4o-mini", "claude-haiku-4-5", "gpt-4o")
_SHARES = st.sampled_from([None, 0.25, 0.5, 1.0])
_TEXTS = (
    "Do this: $prompt",
    "$prompt\n\nUse $$ and say:\n$context",
    "Ends with: $prompt",
    "- a list\n- [of] {things}: $prompt",
)


@st.composite
def plans(draw: st.DrawFn, depth: int = 3) -> Node:
    """A plan of at most 40 calls."""
    plan = _node(draw, depth, count(), ())
    return plan if most_calls(plan) <= 40 else _call(draw, count(), ())


def _node(draw: st.DrawFn, depth: int, names: Iterator[int], seen: tuple[str, ...]) -> Node:
    kind = draw(st.sampled_from(["call", "call", "cascade", "panel", "sequence", "loop"] if depth else ["call"]))
    common: dict[str, Any] = {"optional": draw(st.booleans()), "budget_share": draw(_SHARES)}
    match kind:
        case "cascade":
            legs, _ = _in_order(draw, depth, names, seen)
            checker = _call(draw, names, seen) if draw(st.integers(0, 3)) == 0 else None
            threshold, rule = draw(st.sampled_from([None, 0.0, 0.5, 1.0])), draw(st.sampled_from(AcceptRule))
            signals = Accept().signals if checker is None else (*Accept().signals, SELF_CHECK)
            accept = Accept(threshold, rule, signals=signals, checker=checker)
            return Cascade(legs, accept, **common)
        case "panel":
            members = tuple(_node(draw, depth - 1, names, seen) for _ in range(draw(st.integers(2, 3))))
            reduce = draw(st.sampled_from(Reduce))
            synthesiser = _call(draw, names, seen) if reduce is Reduce.SYNTHESISE else None
            return Panel(members, reduce, synthesiser, **common)
        case "sequence":
            steps, _ = _in_order(draw, depth, names, seen)
            return Sequence(steps, draw(st.sampled_from([None, *(s.name for s in steps if s.name)])), **common)
        case "loop":
            body = _node(draw, depth - 1, names, seen)
            until = Check(_call(draw, names, seen), 0.8) if draw(st.booleans()) else Accept(0.9)
            return Loop(body, until, draw(st.integers(1, 3)), **common)
    return _call(draw, names, seen)


def _in_order(
    draw: st.DrawFn, depth: int, names: Iterator[int], seen: tuple[str, ...]
) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    below: list[Node] = []
    for _ in range(draw(st.integers(1, 3))):
        node = _node(draw, depth - 1, names, seen)
        below.append(node)
        seen += (node.name,) if node.name is not None else ()
    return tuple(below), seen


def _call(draw: st.DrawFn, names: Iterator[int], seen: tuple[str, ...]) -> Call:
    template = draw(st.sampled_from([None, *_TEXTS, *(f"$prompt\n\nGiven:\n$steps.{name}" for name in seen)]))
    return Call(
        draw(st.sampled_from(MODELS)),
        template=template,
        max_tokens=draw(st.sampled_from([None, 50, 400])),
        temperature=draw(st.sampled_from([None, 0.5])),
        system=draw(st.sampled_from([None, "Be brief: 1, 2, 3."])),
        name=draw(st.sampled_from([None, f"step-{next(names)}"])),
        optional=draw(st.booleans()),
        time_share=draw(_SHARES),
    )
