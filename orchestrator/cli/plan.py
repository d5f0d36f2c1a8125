"""`orch plan`: what a run would do and cost. Calls nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Engine
from ..money import format_short
from ..plan import Call, Cascade, CostRange, Node, Panel, to_dict
from ..planning import Planned
from ..types import Prompt
from . import render
from .options import PlanFlags, command
from .output import Output
from .setup import options_from, settings_from
from .source import read_prompt


@command(PlanFlags, argument=None)
def plan(flags: PlanFlags) -> int:
    """Costs are shown as least, expected and most. The most is what a budget sets aside before a call is sent."""
    output, settings = Output.parse(flags.output), settings_from(flags)
    options = options_from(flags, settings.run, stream=False)
    planned = Engine(settings).plan(Prompt(read_prompt(flags.prompt), flags.system), options)
    output.emit(_document(planned))
    if not output.json:
        for text in _lines(planned, verbose=bool(flags.verbose)):
            render.line(text)
    return 0


commands = {"plan": plan}


def _document(planned: Planned) -> dict[str, object]:
    analysis = planned.analysis
    return {
        "schema_version": 1,
        "strategy": planned.options.strategy,
        "complexity": {
            "score": analysis.score,
            "level": analysis.level.value,
            "features": dict(analysis.features),
        },
        "task": analysis.task,
        "input_tokens": planned.load.input_tokens,
        "output_tokens": planned.load.output_tokens,
        "plan": to_dict(planned.plan),
        "cost_nanousd": _range(planned.cost),
        "calls": [
            {"model": call.model, "cost_nanousd": _range(planned.call_costs[call.model])}
            for call, _ in _calls(planned.plan, 0)
        ],
        "reasons": list(planned.reasons),
    }


def _range(cost: CostRange) -> dict[str, int | None]:
    return {"minimum": cost.minimum, "expected": cost.expected, "maximum": cost.maximum}


def _calls(node: Node, depth: int) -> Iterator[tuple[Call, int]]:
    match node:
        case Call():
            yield node, depth
        case Cascade(legs=children) | Panel(members=children):
            for child in children:
                yield from _calls(child, depth + 1)


def _lines(planned: Planned, *, verbose: bool) -> Iterator[str]:
    analysis = planned.analysis
    yield (
        f"{analysis.level} {analysis.task} (score {analysis.score:.2f}), about {planned.load.input_tokens:,} tokens in "
        f"and {planned.load.output_tokens:,} out"
    )
    if verbose:
        for feature, weight in analysis.features.items():
            yield f"  {weight:+.2f}  {feature}"
    yield ""
    yield from _tree(planned.plan, planned, indent="")
    yield ""
    yield f"cost: {_words(planned.cost)}"
    for reason in planned.reasons:
        yield f"· {reason}"


def _tree(node: Node, planned: Planned, *, indent: str) -> Iterator[str]:
    match node:
        case Call(model=model):
            yield f"{indent}{model}   {_words(planned.call_costs[model])}"
        case Cascade(legs=legs, threshold=threshold):
            yield f"{indent}in order, until confidence ≥ {threshold:g}"
            for number, leg in enumerate(legs, start=1):
                yield from _tree(leg, planned, indent=f"{indent}  {number}. ")
        case Panel(members=members):
            yield f"{indent}at the same time, best answer wins"
            for member in members:
                yield from _tree(member, planned, indent=f"{indent}  - ")


def _words(cost: CostRange) -> str:
    if cost.expected is None:
        return "unpriced"
    return f"{format_short(cost.minimum)} to {format_short(cost.maximum)}, expected {format_short(cost.expected)}"
