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
from collections.abc import Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Self, TypeVar, Unpack

from .choose.making import Planned
from .confidence.signals.schema import check_schema
from .config import RunOptions, Settings, load_settings
from .config.options import OPTIONS, Kind, Option, asked_for
from .config.parameters import RunParameters
from .deferred import replace
from .errors import UsageError, did_you_mean
from .money import dollars_to_nanousd
from .plan import calls
from .reading.attachments import attach, read_attachments
from .reading.media import read_media, with_media
from .reading.messages import from_openai, joined_system
from .registry.model import Registry
from .run.engine import Engine, RunInterrupted
from .run.result import OrchestrationResult
from .run.shared import PORTAL, engine_for
from .run.streaming import AnswerStream
from .types import Prompt

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Dollars = Decimal | float | str
Messages = Sequence[Mapping[str, Any]]  # a conversation in OpenAI's form


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
        asks = _prompt(prompt, messages, system, context, engine.registry)
        if attach:
            asks = await asyncio.to_thread(_attached, asks, attach, engine.settings.simulate)
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
    confidence_threshold: float = 0.6,
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


def options_of(settings: Settings, *, strategy: str | None = None, **given: Unpack[RunParameters]) -> RunOptions:
    """The parameters of a Python caller over the user's settings. None means not given; without a strategy, a parameter
    may imply one.

    Raises UsageError for a value that cannot be read and for options that contradict each other, and TypeError for an
    unknown name.
    """
    fields, names = _python_names()
    unknown = next((name for name in given if name not in fields), None)
    if unknown is not None:
        raise TypeError(f"a run has no option {unknown!r}: {did_you_mean(unknown, fields) or 'see docs/options.md'}")
    values = {fields[name]: _read(OPTIONS[fields[name]], value) for name, value in given.items()}
    asked = asked_for(settings.run, values | {"strategy": strategy}, names)
    if "threshold" in asked.given and strategy == "fallback" and asked.threshold == RunOptions().threshold:
        # run_with_fallback always gives it, whatever its chain is: what is the default need not be of use.
        return replace(asked, given={name: each for name, each in asked.given.items() if name != "threshold"})
    return asked


@cache
def _python_names() -> tuple[dict[str, str], dict[str, str]]:
    """The field of each Python parameter, and the parameter of each field."""
    fields = {option.python_name: name for name, option in OPTIONS.items() if option.python_name}
    return fields, {field: name for name, field in fields.items()} | {"strategy": "strategy"}


def _strategy(strategy: str, experiment: str | None) -> str | None:
    """None, which leaves the strategy to the experiment, if only the default is set."""
    return None if experiment is not None and strategy == "fallback" else strategy


def _planned(prompt: str, strategy: str, simulate: bool | None, given: RunParameters) -> Planned:
    engine = engine_for(simulate)
    return engine.plan(Prompt(prompt), options_of(engine.settings, strategy=strategy, **given))


def _first_model(planned: Planned) -> str:
    return next(calls(planned.plan)).model


def _read(option: Option, value: Any) -> Any:
    """A parameter, converted for the run. Raises UsageError."""
    if value is None:
        return None
    match option.kind:
        case Kind.CHAIN:
            return value if isinstance(value, str) else ",".join(value)
        case Kind.NAMES | Kind.TEXTS | Kind.TOOLS:
            return tuple(value)
        case Kind.DOLLARS:
            return _nanousd(option.python_name, value)
        case Kind.SCHEMA:
            return check_schema(value)
        case Kind.TEXT if option.choices is not None:
            return _choice(option.python_name, option.choices, value)
    return value


def _prompt(
    text: str | None,
    messages: Messages | None,
    system: str | None,
    context: str | Sequence[str],
    registry: Registry,
) -> Prompt:
    """The prompt with a text or with files as its context; or a conversation."""
    if messages is not None:
        if text is not None or context:
            raise UsageError("messages are given, and with them all that is asked: leave out prompt and context")
        said = from_openai(messages)
        return said if system is None else replace(said, system=joined_system(system, said.system))
    if text is None:
        raise UsageError("there is no prompt and there are no messages")
    if isinstance(context, str):
        return Prompt(f"{text}\n\n{context}" if context.strip() else text, system, context)
    if not context:
        return Prompt(text, system)
    return attach(text, system, read_attachments(context, stdin=None, window=registry.largest_window).text)


def _attached(prompt: Prompt, named: Sequence[str], simulate: bool) -> Prompt:
    from .providers.download import downloaded  # few prompts have any

    return with_media(prompt, read_media(named, "attach", None if simulate else downloaded))


def _choice(name: str, choices: type[StrEnum], value: Any) -> StrEnum:
    try:
        return choices(value)
    except ValueError as error:
        raise UsageError(f"{name} takes {' or '.join(choices)}, not {value!r}") from error


def _nanousd(name: str, dollars: Dollars) -> int:
    try:
        return dollars_to_nanousd(dollars)
    except (ArithmeticError, ValueError) as error:
        raise UsageError(f"{name} takes an amount in dollars, not {dollars!r}") from error


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
        return self.engine.stream(_prompt(prompt, messages, system, context, self.engine.registry), asked)

    @_spelled_out
    def plan(self, prompt: str, strategy: str = "fallback", **options: Unpack[RunParameters]) -> Planned:
        """The plan of a run: what it would call and cost, and why. Calls nothing."""
        asked = options_of(self.engine.settings, strategy=_strategy(strategy, options.get("experiment")), **options)
        return self.engine.plan(Prompt(prompt), asked)

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
