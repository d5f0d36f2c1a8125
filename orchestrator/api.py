"""The Python interface. `orchestrate` is async; the other functions wait for it.

    from orchestrator import run_orchestration

    result = run_orchestration("Explain neural networks", strategy="cheapest")
    print(result.model_used, result.cost, result.response)

The functions share one engine in a process, which stays open; an `Orchestrator` has one of its own. Settings come from
the environment and the user's config file, as on the command line; `simulate=True` (or `ORCH_SIMULATE=1`) answers from
the simulator. A run without an answer raises the `OrchError` that it ended in.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from .choose.making import Planned
from .config import Settings, load_settings
from .config.parameters import RunParameters
from .plan import calls
from .run.engine import Engine, RunInterrupted
from .run.given import Dollars, Messages, prompt_given, with_attached
from .run.given import options_of as options_of
from .run.result import OrchestrationResult
from .run.shared import PORTAL, engine_for
from .run.streaming import AnswerStream
from .types import Prompt

if TYPE_CHECKING:
    from .run.many import Many, Questions

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _spelled_out(function: F) -> F:
    """The function with each run parameter in its signature, for `help` and editors."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    rows = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=written.__forward_arg__)
        for name, written in RunParameters.__annotations__.items()
    ]
    function.__signature__ = signature.replace(parameters=[*own, *rows])  # type: ignore[attr-defined]  # inspect reads it
    return function


@_spelled_out
async def orchestrate(
    prompt: str | None = None,
    strategy: str = "fallback",
    *,
    messages: Messages | None = None,
    system: str | None = None,
    context: str | Sequence[str] = (),
    attach: Sequence[str] = (),
    simulate: bool | None = None,
    engine: Engine | None = None,
    **options: Unpack[RunParameters],
) -> OrchestrationResult:
    """Answer a prompt. `max_cost` is in dollars, `timeout` and `max_latency` in seconds. None takes the user's setting
    or the default. `experiment` implies its strategy.

    `strategy` is `cheapest`, `fallback`, `ensemble`, `tiers`, a router, or the name of a plan in chains.yaml, such as
    `pipeline`. `messages` is a conversation in OpenAI's form, instead of a prompt: the user's last turn asks, in the
    light of the others, and may have images and PDF documents. `context` is sent after the prompt: a text, as with
    piped input, or a list of files, folders and globs. `attach` names images and PDF documents, by path or address.
    docs/options.md describes the `options` and which strategies take them. `engine` replaces the user's settings and
    models with its own; `simulate` is then up to the engine.

    Raises an `OrchError`: its class says what is wrong, and `exit_code` is that of the command line. If the call is
    cancelled, the ledger has what is known of the run.
    """
    engine = engine or engine_for(simulate)
    asked = options_of(engine.settings, strategy=_strategy(strategy, options.get("experiment")), **options)
    try:
        asks = prompt_given(prompt, messages, system, context, engine.registry)
        if attach:
            asks = await with_attached(asks, attach, simulate=engine.settings.simulate)
        result = await engine.run(asks, asked)
    except RunInterrupted as interrupted:
        # The class itself: in Python 3.11 asyncio.timeout() makes a TimeoutError of no other.
        raise asyncio.CancelledError(*interrupted.args) from interrupted
    if result.exception is not None:
        raise result.exception
    return result


def run_orchestration(prompt: str | None = None, strategy: str = "fallback", **options: Any) -> OrchestrationResult:
    """Answer a prompt with a strategy: `cheapest`, `fallback`, `ensemble`, or the name of a plan in chains.yaml.

    Takes the options of `orchestrate`.
    """
    return waited_for(orchestrate(prompt, strategy, **options))


def run_with_fallback(
    prompt: str,
    chain: str | Sequence[str] | None = None,
    confidence_threshold: float = 0.7,
    max_cost: Dollars | None = None,
    **options: Any,
) -> OrchestrationResult:
    """Try the models of a chain (its name, or a list) in order until an answer reaches the confidence threshold."""
    return run_orchestration(
        prompt, "fallback", chain=chain, confidence_threshold=confidence_threshold, max_cost=max_cost, **options
    )


def run_ensemble(
    prompt: str,
    models: Sequence[str] | None = None,
    ensemble_size: int = 3,
    max_cost: Dollars | None = None,
    **options: Any,
) -> OrchestrationResult:
    """Ask several models at once and take the best answer."""
    return run_orchestration(
        prompt, "ensemble", models=models, ensemble_size=ensemble_size, max_cost=max_cost, **options
    )


def route_to_model(prompt: str, max_cost: Dollars | None = None, *, simulate: bool | None = None) -> str:
    """The name of the cheapest model that fits a prompt. Calls nothing."""
    return _first_model(plan_run(prompt, "cheapest", max_cost=max_cost, simulate=simulate))


def select_model(
    prompt: str,
    *,
    critical: bool | None = None,
    max_latency: float | None = None,
    min_quality: float | None = None,
    max_cost: Dollars | None = None,
    simulate: bool | None = None,
) -> str:
    """The name of the model that the task table `select` picks for a prompt, by its difficulty, its length, whether
    it is critical, the latency in seconds and the quality score (0 to 1) asked for. Calls nothing."""
    wanted: RunParameters = {
        "critical": critical,
        "max_latency": max_latency,
        "min_quality": min_quality,
        "max_cost": max_cost,
    }
    return _first_model(_planned(prompt, "select", simulate, wanted))


def plan_run(
    prompt: str, strategy: str = "fallback", *, max_cost: Dollars | None = None, simulate: bool | None = None
) -> Planned:
    """The plan of a run: what it would call and cost, and why. Calls nothing."""
    return _planned(prompt, strategy, simulate, {"max_cost": max_cost})


def _strategy(strategy: str, experiment: str | None) -> str | None:
    """None, which leaves the strategy to the experiment, if only the default is set."""
    return None if experiment is not None and strategy == "fallback" else strategy


def _planned(prompt: str, strategy: str, simulate: bool | None, given: RunParameters) -> Planned:
    engine = engine_for(simulate)
    return engine.plan(Prompt(prompt), options_of(engine.settings, strategy=strategy, **given))


def _first_model(planned: Planned) -> str:
    return next(calls(planned.plan)).model


class Orchestrator:
    """Answers prompts with an engine that stays open, for programs that ask many. Safe from several threads.

        with Orchestrator() as orch:
            result = orch.run("Explain neural networks", "cheapest", max_cost=0.01)

        async with Orchestrator() as orch:
            results = await asyncio.gather(*(orch.arun(prompt) for prompt in prompts))

    `settings` default to the user's, from the environment and the config file; `simulate` answers from the simulator.
    `run`, `arun` and `plan` take the parameters of `orchestrate` and raise its errors.
    """

    def __init__(self, settings: Settings | None = None, *, simulate: bool | None = None) -> None:
        self.engine = Engine(settings or load_settings(dict(os.environ), simulate=simulate))
        self.engine.keep_open()
        self._closed = False

    @_spelled_out
    async def arun(
        self,
        prompt: str | None = None,
        strategy: str = "fallback",
        *,
        messages: Messages | None = None,
        system: str | None = None,
        context: str | Sequence[str] = (),
        attach: Sequence[str] = (),
        **options: Unpack[RunParameters],
    ) -> OrchestrationResult:
        """Answer a prompt on the running event loop; hundreds can run at a time."""
        return await orchestrate(
            prompt,
            strategy,
            messages=messages,
            system=system,
            context=context,
            attach=attach,
            engine=self.engine,
            **options,
        )

    @_spelled_out
    def run(
        self,
        prompt: str | None = None,
        strategy: str = "fallback",
        *,
        messages: Messages | None = None,
        system: str | None = None,
        context: str | Sequence[str] = (),
        attach: Sequence[str] = (),
        **options: Unpack[RunParameters],
    ) -> OrchestrationResult:
        """Answer a prompt and wait for the result, from any thread."""
        return waited_for(
            self.arun(prompt, strategy, messages=messages, system=system, context=context, attach=attach, **options)
        )

    @_spelled_out
    def stream(
        self,
        prompt: str | None = None,
        strategy: str = "fallback",
        *,
        messages: Messages | None = None,
        system: str | None = None,
        context: str | Sequence[str] = (),
        **options: Unpack[RunParameters],
    ) -> AnswerStream:
        """The answer piece by piece, on the running event loop: `async for piece in orch.stream(prompt)`."""
        asked = options_of(self.engine.settings, strategy=_strategy(strategy, options.get("experiment")), **options)
        return self.engine.stream(prompt_given(prompt, messages, system, context, self.engine.registry), asked)

    @_spelled_out
    def plan(
        self,
        prompt: str | None = None,
        strategy: str = "fallback",
        *,
        messages: Messages | None = None,
        **options: Unpack[RunParameters],
    ) -> Planned:
        """The plan of a run: what it would call and cost, and why. Calls nothing."""
        asked = options_of(self.engine.settings, strategy=_strategy(strategy, options.get("experiment")), **options)
        return self.engine.plan(prompt_given(prompt, messages, None, (), self.engine.registry), asked)

    def run_many(
        self,
        questions: Questions,
        strategy: str = "fallback",
        *,
        concurrency: int | None = None,
        max_cost: Dollars | None = None,
        max_cost_each: Dollars | None = None,
        deadline: float | None = None,
        max_errors: int | None = None,
        ordered: bool = False,
        **options: Any,
    ) -> Many:
        """Answer many prompts on the running event loop: `async for each in orch.run_many(prompts, max_cost=1)`.

        As `Engine.run_many`, with the other options of `orchestrate` for each run: `max_cost` is for all together,
        `max_cost_each` for one.
        """
        named = _strategy(strategy, options.get("experiment"))
        asked = options_of(self.engine.settings, strategy=named, max_cost=max_cost_each, **options)
        return self.engine.run_many(
            questions,
            asked,
            concurrency=concurrency,
            max_cost=max_cost,
            deadline=deadline,
            max_errors=max_errors,
            ordered=ordered,
        )

    def close(self) -> None:
        """Wait for the runs in flight, then close the ledger and the connections."""
        waited_for(self.aclose())

    async def aclose(self) -> None:
        """As `close`, on an event loop."""
        if not self._closed:
            self._closed = True
            await self.engine.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def waited_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, also where a loop is already running, as in a notebook."""
    return PORTAL.run(coroutine)
