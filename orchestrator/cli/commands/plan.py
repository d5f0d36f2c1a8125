"""`orch plan`: what a run would do and cost. Calls nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ...choose.making import Planned, cost_by_batch
from ...clock import local_now
from ...plan import CostRange, calls, to_dict
from ...reading.complexity import UNFAMILIAR
from ...run.engine import Engine
from .. import render
from ..options import PlanFlags, command
from ..output import Output
from ..setup import options_from, settings_from
from ..source import asked_of
from ..tree import price_words, tree


@command(PlanFlags, argument="asked", omit=("max_wait",))
def plan(flags: PlanFlags) -> int:
    """Shows the lowest, expected and highest cost. The highest is what budgets reserve before a call is sent. With -v
    also the price of the same calls through the providers' batch APIs, where it is known."""
    output, settings = Output.parse(flags.output), settings_from(flags)
    options = options_from(flags, settings.run, stream=False)
    engine = Engine(settings)
    planned = engine.plan(asked_of(flags, settings, engine.registry), options)
    by_batch = cost_by_batch(planned, registry=engine.registry, settings=settings, when=local_now())
    output.emit(_document(planned, by_batch))
    if not output.json:
        for text in _lines(planned, by_batch, verbose=bool(flags.verbose)):
            render.line(text)
    return 0


commands = {"plan": plan}


def _document(planned: Planned, by_batch: CostRange) -> dict[str, object]:
    analysis = planned.analysis
    return {
        "schema_version": 1,
        "strategy": planned.options.strategy,
        "complexity": analysis.complexity(),
        "task": analysis.task,
        "input_tokens": planned.load.input_tokens,
        "output_tokens": planned.load.output_tokens,
        "plan": to_dict(planned.plan),
        "cost_nanousd": _range(planned.cost),
        "batch_cost_nanousd": _range(by_batch),
        "calls": [
            {"model": call.model, "step": call.name, "role": call.role, "cost_nanousd": _range(planned.costs[call])}
            for call in calls(planned.plan)
        ],
        "reasons": list(planned.reasons),
    }


def _range(cost: CostRange) -> dict[str, int | None]:
    return {"minimum": cost.minimum, "expected": cost.expected, "maximum": cost.maximum}


def _lines(planned: Planned, by_batch: CostRange, *, verbose: bool) -> Iterator[str]:
    analysis = planned.analysis
    yield (
        f"{analysis.level} {analysis.task} (score {analysis.score:.2f}), about {planned.load.input_tokens:,} tokens in "
        f"and {planned.load.output_tokens:,} out"
    )
    if verbose:
        for feature, weight in analysis.features.items():
            yield f"  {weight:+.2f}  {feature}"
    if analysis.unfamiliar:
        yield UNFAMILIAR
    yield ""
    yield from tree(planned.plan, planned.costs.get)
    yield ""
    yield f"cost: {price_words(planned.cost)}"
    if verbose and by_batch.maximum is not None:
        yield f"      {price_words(by_batch)} by the providers' batch APIs: orch batch --via provider"
    for reason in planned.reasons:
        yield f"· {reason}"
