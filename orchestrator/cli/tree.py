"""A plan as a drawing: a tree of lines for a terminal, or a Mermaid flowchart for a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from ..money import format_short
from ..plan import Call, Cascade, Check, CostRange, Loop, Node, Panel, Reduce, children
from ..plan import Sequence as Steps
from ..types import AcceptRule

Price = Callable[[Call], CostRange | None]

_REDUCED = {
    Reduce.BEST: "at the same time, best answer wins",
    Reduce.VOTE: "at the same time, the answer that most give wins",
    Reduce.AGREE: "at the same time, the cheaper one's answer if they agree",
    Reduce.SYNTHESISE: "at the same time, one answer written from theirs",
}


def price_words(cost: CostRange) -> str:
    """A range of costs as people read it."""
    if cost.expected is None:
        return "unpriced"
    return f"{format_short(cost.minimum)} to {format_short(cost.maximum)}, expected {format_short(cost.expected)}"


def tree(node: Node, price: Price) -> Iterator[str]:
    """The plan, a line a node, each call with its price where `price` knows one."""
    yield _line(node, price)
    for mark, child in _marked(node):
        lines = tree(child, price)
        yield f"  {mark} {next(lines)}"
        yield from (f"  {' ' * len(mark)} {line}" for line in lines)


def mermaid(node: Node, price: Price) -> Iterator[str]:
    """The plan as a Mermaid flowchart: boxes for calls, subgraphs for what is at the same time or repeated."""
    yield "flowchart TD"
    yield from _Flowchart(price).lines(node)


def label(call: Call) -> str:
    """A call in a few words: its step, its model or how that is chosen, and its role."""
    model = call.model or _choice(call)
    role = f" as {call.role}" if call.role is not None and call.model else ""
    others = len(call.stand_ins)
    behind = f" (else {call.stand_ins[0]}{f' and {others - 1} more' if others > 1 else ''})" if others else ""
    text = f"{model}{role}{behind}"
    return text if call.name is None else f"{call.name}: {text}"


def _choice(call: Call) -> str:
    if call.tier is not None:
        return f"tier {call.tier}" + (f" as {call.role}" if call.role is not None else "")
    if call.role is not None:
        return f"the {call.role}'s model"
    return f"the cheapest {call.level} model" if call.level is not None else "the cheapest model for the prompt"


def _line(node: Node, price: Price) -> str:
    match node:
        case Call():
            cost = price(node)
            text = label(node) if cost is None else f"{label(node)}   {price_words(cost)}"
        case _:
            text = _title(node) if node.name is None else f"{node.name}: {_title(node)}"
    return f"{text} (may fail)" if node.optional else text


def _title(node: Node) -> str:
    match node:
        case Call():
            return label(node)
        case Cascade(accept=accept):
            if accept.rule is AcceptRule.AGREEMENT:
                return "in order, until two agree or one can be trusted"
            threshold = "the run's threshold" if accept.threshold is None else f"{accept.threshold:g}"
            return f"in order, until confidence ≥ {threshold}"
        case Panel(reduce=reduce):
            return _REDUCED[reduce]
        case Steps(answer=answer):
            return "step by step" if answer is None else f"step by step; the answer is that of {answer}"
        case Loop(until=Check(score=score), max_rounds=rounds):
            return f"until its check gives ≥ {score:g}, {_rounds(rounds)}"
        case Loop(max_rounds=rounds):
            return f"until {_until(node)}, {_rounds(rounds)}"


def _until(node: Loop) -> str:
    if isinstance(node.until, Check) or node.until.rule is AcceptRule.AGREEMENT:
        return "they agree"
    threshold = "the run's threshold" if node.until.threshold is None else f"{node.until.threshold:g}"
    return f"confidence ≥ {threshold}"


def _rounds(number: int) -> str:
    return "one round" if number == 1 else f"at most {number} rounds"


def _marked(node: Node) -> Iterator[tuple[str, Node]]:
    below = children(node)
    for number, child in enumerate(below, start=1):
        match node:
            case Cascade(legs=legs) if number > len(legs):
                yield "?", child
            case Cascade() | Steps():
                yield f"{number}.", child
            case Panel(synthesiser=synthesiser) if synthesiser is not None and number == len(below):
                yield "=>", child
            case Loop(until=Check()) if number == 2:
                yield "?", child
            case _:
                yield "-", child


class _Flowchart:
    def __init__(self, price: Price) -> None:
        self._price = price
        self._count = 0

    def lines(self, node: Node) -> Iterator[str]:
        _, _, lines = self._drawn(node)
        yield from (f"    {line}" for line in lines)

    def _drawn(self, node: Node) -> tuple[list[str], list[str], list[str]]:
        """The ids where a node begins, those where it ends, and its lines."""
        match node:
            case Call():
                return self._call(node)
            case Cascade(legs=below):
                return self._in_order(below, "not accepted")
            case Steps(steps=below):
                return self._in_order(below, "")
            case Panel():
                return self._panel(node)
            case Loop():
                return self._loop(node)

    def _new(self) -> str:
        self._count += 1
        return f"n{self._count}"

    def _call(self, call: Call) -> tuple[list[str], list[str], list[str]]:
        own, cost = self._new(), self._price(call)
        text = label(call) if cost is None else f"{label(call)}<br/>{price_words(cost)}"
        return [own], [own], [f'{own}["{text}"]']

    def _in_order(self, below: tuple[Node, ...], edge: str) -> tuple[list[str], list[str], list[str]]:
        drawn = [self._drawn(child) for child in below]
        lines = [line for _, _, inner in drawn for line in inner]
        arrow = f"-- {edge} -->" if edge else "-->"
        for (_, ends, _), (begins, _, _) in pairwise(drawn):
            lines += [f"{end} {arrow} {begin}" for end in ends for begin in begins]
        return drawn[0][0], drawn[-1][1], lines

    def _panel(self, node: Panel) -> tuple[list[str], list[str], list[str]]:
        drawn = [self._drawn(member) for member in node.members]
        ends = [end for _, inner, _ in drawn for end in inner]
        lines = self._framed("at the same time", [line for _, _, inner in drawn for line in inner])
        begins = [begin for inner, _, _ in drawn for begin in inner]
        if node.synthesiser is not None:
            _, (last,), written = self._call(node.synthesiser)
        else:
            last = self._new()
            written = [f'{last}{{"{node.reduce.value}"}}']
        return begins, [last], [*lines, *written, *(f"{end} --> {last}" for end in ends)]

    def _loop(self, node: Loop) -> tuple[list[str], list[str], list[str]]:
        begins, ends, lines = self._drawn(node.body)
        if isinstance(node.until, Check):
            _, (check,), written = self._call(node.until.call)
            lines += [*written, *(f"{end} --> {check}" for end in ends)]
            ends, again = [check], f"below {node.until.score:g}"
        else:
            again = "not yet"
        lines += [f"{end} -. {again} .-> {begin}" for end in ends for begin in begins] if node.max_rounds > 1 else []
        return begins, ends, self._framed(_rounds(node.max_rounds), lines)

    def _framed(self, title: str, lines: list[str]) -> list[str]:
        return [f'subgraph {self._new()}["{title}"]', *(f"    {line}" for line in lines), "end"]
