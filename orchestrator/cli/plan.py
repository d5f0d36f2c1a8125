"""`orch plan`: what a run would do and cost. Calls nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Engine
from ..plan import CostRange, calls, to_dict
from ..planning import Planned
from . import render
from .options import PlanFlags, command
from .output import Output
from .setup import options_from, settings_from
from .source import read_prompt
from .tree import price_words, tree


@command(PlanFlags, argument=None)
def plan(flags: PlanFlags) -> int:
    """Costs are shown as least, expected and most. The most is what a budget sets aside before a call is sent."""
    output, settings = Output.parse(flags.output), settings_from(flags)
    options = options_from(flags, settings.run, stream=False)
    engine = Engine(settings)
    prompt = read_prompt(flags.prompt, flags.system, flags.context or (), engine.registry.largest_window)
    planned = engine.plan(prompt, options)
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
            {"model": call.model, "step": call.name, "role": call.role, "cost_nanousd": _range(planned.costs[call])}
            for call in calls(planned.plan)
        ],
        "reasons": list(planned.reasons),
    }


def _range(cost: CostRange) -> dict[str, int | None]:
    return {"minimum": cost.minimum, "expected": cost.expected, "maximum": cost.maximum}


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
    yield from tree(planned.plan, planned.costs.get)
    yield ""
    yield f"cost: {price_words(planned.cost)}"
    for reason in planned.reasons:
        yield f"· {reason}"
