"""The Python interface. `orchestrate` is the async core; the others are it, waited for.

    from orchestrator import run_orchestration

    result = run_orchestration("Explain neural networks", strategy="cheapest")
    print(result.model_used, result.cost, result.response)

Settings come from the environment and the user's config file, as on the command line; `simulate=True` (or
`ORCH_SIMULATE=1`) answers from the simulator. A run that gives no answer raises the `OrchError` that it ended in.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from .attachments import attach, read_attachments
from .confidence.schema import check_schema
from .engine import Engine
from .errors import UsageError
from .money import dollars_to_nanousd
from .plan import AcceptRule, calls
from .planning import Planned
from .registry.model import Registry
from .registry.routes import EXPERIMENT
from .result import OrchestrationResult
from .settings import RunOptions, Settings, load_settings
from .types import Prompt, Tool

T = TypeVar("T")
Dollars = Decimal | float | str


async def orchestrate(
    prompt: str,
    strategy: str = "fallback",
    *,
    chain: str | Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    role: str | None = None,
    ensemble_size: int | None = None,
    confidence_threshold: float | None = None,
    accept: str | None = None,
    verify: str | None = None,
    schema: Mapping[str, Any] | None = None,
    self_check: str | None = None,
    logprobs: bool | None = None,
    max_cost: Dollars | None = None,
    allow_unpriced: bool | None = None,
    system: str | None = None,
    context: str | Sequence[str] = (),
    tier: str | None = None,
    requires: Sequence[str] | None = None,
    critical: bool | None = None,
    routine: bool | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109  # the run's own, which ends in a result and not in a cancellation
    category: str | None = None,
    tags: Sequence[str] = (),
    task: str | None = None,
    experiment: str | None = None,
    subject: str | None = None,
    max_latency: float | None = None,
    min_quality: float | None = None,
    max_tokens_total: int | None = None,
    tools: Sequence[Tool] = (),
    simulate: bool | None = None,
    engine: Engine | None = None,
) -> OrchestrationResult:
    """Answer a prompt. `max_cost` is in dollars, `timeout` and `max_latency` in seconds. None takes the user's setting
    or the default. `experiment` implies its strategy.

    `strategy` is `cheapest`, `fallback`, `ensemble`, `tiers`, a router, or the name of a plan in chains.yaml, such as
    `pipeline`; `accept` is `confidence` or `agreement`. `context` goes with the prompt, behind it: a text, as piped
    input does, or a list that names files, folders and globs. `tier`, `requires` ("design", "implementation"),
    `critical` and `routine` are for the strategy "tiers", and `subject` for a rollout or an experiment. `verify` is a
    command that accepts an answer by exit code 0, `schema` a JSON Schema that it must fit, `self_check` a model that is
    asked what it thinks of each answer of a cascade, and `logprobs` counts how sure models were of their tokens.
    `allow_unpriced` lets models without a known price be called under `max_cost` or a budget. `engine` has settings and
    models of its own, in place of the user's; `simulate` is its own affair then.

    Raises an `OrchError`: its class says what is wrong, and `exit_code` how the command line would have ended.
    """
    engine = engine or Engine(load_settings(os.environ, simulate=simulate))
    options = _options(
        engine.settings,
        strategy=strategy if experiment is None else EXPERIMENT,
        chain=chain if chain is None or isinstance(chain, str) else ",".join(chain),
        models=None if models is None else tuple(models),
        role=role,
        ensemble_size=ensemble_size,
        threshold=confidence_threshold,
        accept=_accept(accept),
        verify=verify,
        schema=None if schema is None else check_schema(schema),
        self_check=self_check,
        logprobs=logprobs,
        max_cost_nanousd=_nanousd(max_cost),
        allow_unpriced=allow_unpriced,
        temperature=temperature,
        max_tokens=max_tokens,
        timeout_s=timeout,
        tier=tier,
        requires=None if requires is None else tuple(requires),
        critical=critical,
        routine=routine,
        category=category,
        tags=tuple(tags),
        task=task,
        experiment=experiment,
        subject=subject,
        max_latency_s=max_latency,
        min_quality=min_quality,
        max_tokens_total=max_tokens_total,
        tools=tuple(tools),
        max_tokens_by_task=None if max_tokens is None else {},
    )
    result = await engine.run(_prompt(prompt, system, context, engine.registry), options)
    if result.exception is not None:
        raise result.exception
    return result


def run_orchestration(prompt: str, strategy: str = "fallback", **options: Any) -> OrchestrationResult:
    """Answer a prompt with a strategy: `cheapest`, `fallback`, `ensemble`, or the name of a plan in chains.yaml.

    Options are those of `orchestrate`.
    """
    return waited_for(orchestrate(prompt, strategy, **options))


def run_with_fallback(
    prompt: str,
    chain: str | Sequence[str] | None = None,
    confidence_threshold: float = 0.6,
    max_cost: Dollars | None = None,
    **options: Any,
) -> OrchestrationResult:
    """Answer with the first model of a chain (its name, or its models) whose confidence reaches the threshold."""
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
    """Ask several models at the same time and take the answer that weighs most."""
    return run_orchestration(
        prompt, "ensemble", models=models, ensemble_size=ensemble_size, max_cost=max_cost, **options
    )


def route_to_model(prompt: str, max_cost: Dollars | None = None, *, simulate: bool | None = None) -> str:
    """The name of the cheapest model that will do for a prompt. Calls nothing."""
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
    """The name of the model that the task table `select` sends a prompt to: by its difficulty, whether it is critical,
    its length, the latency in seconds that will do, and the rating, 0 to 1, that is asked for. Calls nothing."""
    wanted = {"critical": critical, "max_latency_s": max_latency, "min_quality": min_quality}
    return _first_model(_planned(prompt, "select", max_cost, simulate, **wanted))


def plan_run(
    prompt: str, strategy: str = "fallback", *, max_cost: Dollars | None = None, simulate: bool | None = None
) -> Planned:
    """What a run would call and cost, and why. Calls nothing."""
    return _planned(prompt, strategy, max_cost, simulate)


def _planned(prompt: str, strategy: str, max_cost: Dollars | None, simulate: bool | None, **given: Any) -> Planned:
    settings = load_settings(os.environ, simulate=simulate)
    options = _options(settings, strategy=strategy, max_cost_nanousd=_nanousd(max_cost), **given)
    return Engine(settings).plan(Prompt(prompt), options)


def _first_model(planned: Planned) -> str:
    return next(calls(planned.plan)).model


def _options(settings: Settings, **given: Any) -> RunOptions:
    return replace(settings.run, **{name: value for name, value in given.items() if value is not None})


def _prompt(text: str, system: str | None, context: str | Sequence[str], registry: Registry) -> Prompt:
    """The prompt with a text that goes with it, or with the files that are named."""
    if isinstance(context, str):
        return Prompt(f"{text}\n\n{context}" if context.strip() else text, system, context)
    if not context:
        return Prompt(text, system)
    return attach(text, system, read_attachments(context, stdin=None, window=registry.largest_window).text)


def _accept(rule: str | None) -> AcceptRule | None:
    try:
        return None if rule is None else AcceptRule(rule)
    except ValueError as error:
        raise UsageError(f"accept takes {' or '.join(AcceptRule)}, not {rule!r}") from error


def _nanousd(dollars: Dollars | None) -> int | None:
    try:
        return None if dollars is None else dollars_to_nanousd(dollars)
    except (ArithmeticError, ValueError) as error:
        raise UsageError(f"max_cost takes an amount in dollars, not {dollars!r}") from error


def waited_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, also where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
