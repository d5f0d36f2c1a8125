"""The user's config.yaml, read onto settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..money import dollars_to_nanousd
from ..plan import AcceptRule
from ..strict_yaml import Table, boolean, day, decimal, integer, list_of, one_of, record, text
from ..tuned import Calibration, cuts, intercept, number, slope, threshold
from ..types import Task
from ..yaml_value import Value
from .records import BreakerPolicy, Complexity, Machine, RetryKind, RetryPolicy, Rollout, RunOptions, Settings

_DAY_S = 86_400


def config_onto(settings: Settings) -> Callable[[Table], Settings]:
    """The config file: any field of a run, and the others that are asked for here."""
    base = settings.run

    def reader(table: Table) -> Settings:
        max_cost = table.optional("max_cost", decimal(minimum=0), default=None)
        complexity = table.optional("complexity", record(_complexity), default=Complexity())
        run = RunOptions(
            strategy=table.optional("strategy", text, default=base.strategy),
            chain=table.optional("chain", text, default=base.chain),
            ensemble_size=table.optional("ensemble_size", integer(minimum=1, maximum=100), default=base.ensemble_size),
            threshold=table.optional("threshold", threshold, default=base.threshold),
            accept=table.optional("accept", one_of(AcceptRule), default=base.accept),
            verify=table.optional("verify", text, default=base.verify),
            self_check=table.optional("self_check", text, default=base.self_check),
            logprobs=table.optional("logprobs", boolean, default=base.logprobs),
            max_cost_nanousd=None if max_cost is None else dollars_to_nanousd(max_cost),
            timeout_s=table.optional("timeout", number(1, _DAY_S), default=base.timeout_s),
            max_tokens=table.optional("max_tokens", integer(minimum=1), default=None),
            max_tokens_total=table.optional("max_tokens_total", integer(minimum=1), default=None),
            temperature=table.optional("temperature", number(0, 2), default=None),
            category=table.optional("category", text, default=base.category),
            max_latency_s=table.optional("max_latency", number(0, _DAY_S), default=None),
            min_quality=table.optional("min_quality", number(0, 1), default=None),
            max_tokens_by_task=table.optional("max_tokens_by_task", _limits_by_task, default=base.max_tokens_by_task),
        )
        return replace(
            settings,
            run=run,
            log_text=table.optional("log_text", boolean, default=settings.log_text),
            on_alert=table.optional("on_alert", text, default=settings.on_alert),
            retry=table.optional("retry", record(_retry), default=settings.retry),
            breaker=table.optional("breaker", record(_breaker), default=settings.breaker),
            complexity=chosen(complexity, settings.complexity),
            free_tier=table.optional("free_tier", list_of(text), default=settings.free_tier),
            calibration=table.optional("confidence", record(_confidence), default=settings.calibration),
            rollout=table.optional("rollout", record(_rollout), default=settings.rollout),
            always_on=table.optional("always_on", list_of(record(_machine)), default=settings.always_on),
        )

    return reader


def _confidence(table: Table) -> Calibration:
    base = Calibration()
    return Calibration(
        slope=table.optional("slope", slope, default=base.slope),
        intercept=table.optional("intercept", intercept, default=base.intercept),
    )


def _complexity(table: Table) -> Complexity:
    return Complexity(
        cuts=table.optional("cuts", cuts, default=None), scorer=table.optional("scorer", text, default=None)
    )


def _limits_by_task(value: Value) -> dict[str, int]:
    def build(table: Table) -> dict[str, int]:
        found = {task.value: table.optional(task.value, integer(minimum=1), None) for task in Task}
        return {task: limit for task, limit in found.items() if limit is not None}

    return record(build)(value)


def _retry(table: Table) -> RetryPolicy:
    base = RetryPolicy()
    return RetryPolicy(
        max_retries=table.optional("max_retries", integer(minimum=0, maximum=20), default=base.max_retries),
        initial_backoff_s=table.optional("initial_backoff", number(0, _DAY_S), default=base.initial_backoff_s),
        max_backoff_s=table.optional("max_backoff", number(0, _DAY_S), default=base.max_backoff_s),
        multiplier=table.optional("multiplier", number(1, 100), default=base.multiplier),
        max_wait_s=table.optional("max_wait", number(0, _DAY_S), default=base.max_wait_s),
        kinds=table.optional("kinds", list_of(one_of(RetryKind)), default=base.kinds),
    )


def _breaker(table: Table) -> BreakerPolicy:
    base = BreakerPolicy()
    return BreakerPolicy(
        failures=table.optional("failures", integer(minimum=0, maximum=1000), default=base.failures),
        window_s=table.optional("window", number(0, _DAY_S), default=base.window_s),
        cooling_s=table.optional("cooling", number(0, _DAY_S), default=base.cooling_s),
        max_cooling_s=table.optional("max_cooling", number(0, _DAY_S), default=base.max_cooling_s),
    )


def _rollout(table: Table) -> Rollout:
    return Rollout(
        model=table.required("model", text),
        starts=table.required("starts", day),
        tasks=table.optional("tasks", list_of(text), default=()),
        share=table.optional("share", number(0, 1), default=1.0),
    )


def _machine(table: Table) -> Machine:
    machine = Machine(
        models=table.required("models", list_of(text, at_least=1)),
        since=table.required("since", day),
        gpu_hour=table.required("gpu_hour", decimal(minimum=0)),
        until=table.optional("until", day, default=None),
    )
    if machine.until is not None and machine.until < machine.since:
        raise table.value.error(f"ends on {machine.until}, before it starts on {machine.since}")
    return machine


def chosen(complexity: Complexity, tuned: Complexity) -> Complexity:
    """What the user has chosen over what was tuned, which holds only for the scorer that it was tuned with."""
    if complexity.scorer != tuned.scorer:
        return complexity
    return replace(tuned, cuts=complexity.cuts or tuned.cuts)
