"""The kinds of work of another tool as a task-to-model table of routing.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from ..types import Task

# What the document that describes openclaw.json means by its three kinds of work. The first takes what is left.
EVERYTHING_ELSE = "orchestration"
_MEANT = {
    "implementation": "{tasks: [code, debugging, writing]}",
    "reasoning": "{levels: [advanced, expert]}",
}
_LAST = ("reasoning", "implementation")  # behind the rows that are more particular, in this order

Models = Mapping[str, Sequence[str]]  # a kind of work -> its models, the first one first


def table(name: str, work: Models, *, description: str) -> Iterator[str]:
    """The lines of routing.yaml: one row a kind of work, and a last one that takes every prompt. `work` has models.

    A kind that is named like a task of the analysis takes that task; another one takes the prompts that have its name
    in them. Without `orchestration`, what is left goes to the first kind of all.
    """
    rest = EVERYTHING_ELSE if EVERYTHING_ELSE in work else next(iter(work))
    particular = [kind for kind in work if kind not in (*_LAST, rest)]
    yield "tables:"
    yield f"  {name}:"
    yield f"    description: {json.dumps(description, ensure_ascii=False)}"
    yield "    rows:"
    for kind in (*particular, *(kind for kind in _LAST if kind in work and kind != rest)):
        yield from _row(kind, work[kind], _condition(kind))
    yield from _row(rest, work[rest], None)


def _row(kind: str, models: Sequence[str], condition: str | None) -> Iterator[str]:
    yield f"      - name: {json.dumps(kind)}"
    if condition is not None:
        yield f"        when: {condition}"
    yield f"        primary: {json.dumps(models[0])}"
    if models[1:]:
        yield f"        fallback: {json.dumps(list(models[1:]))}"


def _condition(kind: str) -> str:
    if kind in _MEANT:
        return _MEANT[kind]
    if kind.lower() in (task.value for task in Task):
        return f"{{tasks: [{kind.lower()}]}}"
    return f"{{words: [{json.dumps(re.sub(r'[-_]+', ' ', kind).strip())}]}}"
