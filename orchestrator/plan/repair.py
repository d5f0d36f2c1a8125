"""The call that asks a model once more for an answer that does not fit the user's schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .nodes import Call, Cascade, Node, Sequence

REPAIR = "repair"  # the step's name in the ledger
REPLY, PROBLEM = "reply", "problem"  # steps that the template names: the reply, and what is wrong with it
PROBLEM_TOKENS = 64  # at most, of what is wrong

_TEMPLATE = """\
$prompt

This reply to it cannot be used:
$steps.reply

What is wrong with it:
$steps.problem

Reply again: one JSON document, without any words around it, that fits this JSON Schema:
"""


def repair_call(model: str, schema: Mapping[str, Any]) -> Call:
    """The call. `$steps.reply` and `$steps.problem` are what its material has to have."""
    written = json.dumps(schema, ensure_ascii=False).replace("$", "$$")
    return Call(model=model, name=REPAIR, template=_TEMPLATE + written)


def held_against(node: Node, evidence: set[str]) -> Iterator[Node]:
    """The nodes whose answers are held, each by itself, against what the user gave: `schema`, `verify`."""
    match node:
        case Cascade(legs=legs, accept=accept) if evidence <= set(accept.signals):
            yield from legs
        case Sequence(steps=(*_, last), answer=answer) if answer in (None, last.name):
            yield from held_against(last, evidence)
        case _:
            yield node
