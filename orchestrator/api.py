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
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from .attachments import attach, read_attachments
from .engine import Engine
from .errors import UsageError
from .money import dollars_to_nanousd
from .plan import AcceptRule, calls
from .planning import Planned
from .registry.model import Registry
from .result import OrchestrationResult
from .settings import RunOptions, Settings, load_settings
from .types import Prompt

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
    max_cost: Dollars | None = None,
    system: str | None = None,
    context: Sequence[str] = (),
    tier: str | None = None,
    requires: Sequence[str] | None = None,
    critical: bool | None = None,
    routine: bool | None = None,
    subject: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109  # the run's own, which ends in a result and not in a cancellation
    category: str | None = None,
    tags: Sequence[str] = (),
    simulate: bool | None = None,
) -> OrchestrationResult:
    """Answer a prompt. `max_cost` is in dollars, `timeout` in seconds. None takes the user's setting or the default.

    `context` names files, folders and globs that go with the prompt. `tier`, `requires` ("design", "implementation"),
    `critical` and `routine` are for the strategy "tiers", and `subject` for a rollout.

    `strategy` is `cheapest`, `fallback`, `ensemble`, `tiers` or the name of a plan in chains.yaml, such as `pipeline`;
    `accept` is `confidence` or `agreement`.

    Raises an `OrchError`: its class says what is wrong, and `exit_code` how the command line would have ended.
    """
    settings = load_settings(os.environ, simulate=simulate)
    options = _options(
        settings,
        strategy=strategy,
        chain=chain if chain is None or isinstance(chain, str) else ",".join(chain),
        models=None if models is None else tuple(models),
        role=role,
        ensemble_size=ensemble_size,
        threshold=confidence_threshold,
        accept=_accept(accept),
        max_cost_nanousd=_nanousd(max_cost),
        temperature=temperature,
        max_tokens=max_tokens,
        timeout_s=timeout,
        tier=tier,
        requires=None if requires is None else tuple(requires),
        critical=critical,
        routine=routine,
        subject=subject,
        category=category,
        tags=tuple(tags),
    )
    engine = Engine(settings)
    result = await engine.run(_prompt(prompt, system, context, engine.registry), options)
    if result.exception is not None:
        raise result.exception
    return result


def run_orchestration(prompt: str, strategy: str = "fallback", **options: Any) -> OrchestrationResult:
    """Answer a prompt with a strategy: `cheapest`, `fallback`, `ensemble`, or the name of a plan in chains.yaml.

    Options are those of `orchestrate`.
    """
    return _waited_for(orchestrate(prompt, strategy, **options))


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
    planned = plan_run(prompt, "cheapest", max_cost=max_cost, simulate=simulate)
    return next(calls(planned.plan)).model


def plan_run(
    prompt: str, strategy: str = "fallback", *, max_cost: Dollars | None = None, simulate: bool | None = None
) -> Planned:
    """What a run would call and cost, and why. Calls nothing."""
    settings = load_settings(os.environ, simulate=simulate)
    options = _options(settings, strategy=strategy, max_cost_nanousd=_nanousd(max_cost))
    return Engine(settings).plan(Prompt(prompt), options)


def _options(settings: Settings, **given: Any) -> RunOptions:
    return replace(settings.run, **{name: value for name, value in given.items() if value is not None})


def _prompt(text: str, system: str | None, context: Sequence[str], registry: Registry) -> Prompt:
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


def _waited_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, also where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
