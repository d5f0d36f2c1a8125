"""Reads the user's config.yaml into settings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ..deferred import replace
from ..money import dollars_to_nanousd
from ..types import Task
from .ages import age_s
from .options import DAY_S, OPTIONS, Kind, Option
from .records import BreakerPolicy, Complexity, Machine, RetryKind, RetryPolicy, Rollout, Settings, Targets, Unfamiliar
from .strict_yaml import Reader, Table, boolean, day, decimal, integer, list_of, one_of, record, text
from .tuned import Calibration, cuts, intercept, number, slope
from .yaml_value import Scalar, Value


def config_onto(settings: Settings) -> Callable[[Table], Settings]:
    """The settings with the values of the config file: run options that have a key, and the other keys defined here."""

    def reader(table: Table) -> Settings:
        complexity = table.optional("complexity", record(_complexity), default=Complexity())
        given = {
            name: table.optional(option.name, _reader(option), default=getattr(settings.run, name))
            for name, option in OPTIONS.items()
            if option.config
        }
        return replace(
            settings,
            run=replace(settings.run, **given),
            cache_bytes=table.optional("cache_size", _megabytes, default=settings.cache_bytes),
            log_text=table.optional("log_text", boolean, default=settings.log_text),
            on_alert=table.optional("on_alert", text, default=settings.on_alert),
            pass_variables=table.optional("pass_variables", list_of(text), default=settings.pass_variables),
            retry=table.optional("retry", record(_retry), default=settings.retry),
            breaker=table.optional("breaker", record(_breaker), default=settings.breaker),
            complexity=chosen(complexity, settings.complexity),
            free_tier=table.optional("free_tier", list_of(text), default=settings.free_tier),
            signals=table.optional("signals", list_of(text), default=settings.signals),
            calibration=table.optional("confidence", record(_confidence), default=settings.calibration),
            rollout=table.optional("rollout", record(_rollout), default=settings.rollout),
            always_on=table.optional("always_on", list_of(record(_machine)), default=settings.always_on),
            on_demand=table.optional("on_demand", list_of(record(_on_demand)), default=settings.on_demand),
            targets=table.optional("targets", record(_targets), default=settings.targets),
        )

    return reader


def _reader(option: Option) -> Reader[Any]:
    """The reader of a run option's value, with its range check."""
    least, most = option.least, option.most
    match option.kind:
        case Kind.NUMBER:
            return number(Decimal(str(least)), int(most))
        case Kind.INTEGER:
            return integer(minimum=int(least or 0), maximum=None if most == float("inf") else int(most))
        case Kind.DOLLARS:
            dollars = decimal(minimum=0)
            return lambda value: dollars_to_nanousd(dollars(value))
        case Kind.SWITCH | Kind.YES_NO:
            return boolean
        case Kind.TEXTS | Kind.NAMES:
            return list_of(text if option.choices is None else one_of(option.choices))
        case Kind.LIMITS:
            return _limits_by_task
        case Kind.AGE:
            return _age
    return text if option.choices is None else one_of(option.choices)


def _megabytes(value: Value) -> int:
    return 1_000_000 * integer(minimum=1, maximum=1_000_000)(value)


def _age(value: Value) -> float:
    if not isinstance(value.content, Scalar):
        raise value.expected("an age such as 1h")
    try:
        return age_s(value.written)
    except ValueError as error:
        raise value.error(str(error)) from None


def _confidence(table: Table) -> Calibration:
    base = Calibration()
    return Calibration(
        slope=table.optional("slope", slope, default=base.slope),
        intercept=table.optional("intercept", intercept, default=base.intercept),
    )


def _complexity(table: Table) -> Complexity:
    return Complexity(
        cuts=table.optional("cuts", cuts, default=None),
        scorer=table.optional("scorer", text, default=None),
        unfamiliar=table.optional("unfamiliar", one_of(Unfamiliar), default=Unfamiliar.CASCADE),
    )


def _limits_by_task(value: Value) -> dict[str, int]:
    def build(table: Table) -> dict[str, int]:
        limits = {task.value: table.optional(task.value, integer(minimum=1), None) for task in Task}
        return {task: limit for task, limit in limits.items() if limit is not None}

    return record(build)(value)


def _retry(table: Table) -> RetryPolicy:
    base = RetryPolicy()
    return RetryPolicy(
        max_retries=table.optional("max_retries", integer(minimum=0, maximum=20), default=base.max_retries),
        initial_backoff_s=table.optional("initial_backoff", number(0, DAY_S), default=base.initial_backoff_s),
        max_backoff_s=table.optional("max_backoff", number(0, DAY_S), default=base.max_backoff_s),
        multiplier=table.optional("multiplier", number(1, 100), default=base.multiplier),
        max_wait_s=table.optional("max_wait", number(0, DAY_S), default=base.max_wait_s),
        kinds=table.optional("kinds", list_of(one_of(RetryKind)), default=base.kinds),
    )


def _breaker(table: Table) -> BreakerPolicy:
    base = BreakerPolicy()
    return BreakerPolicy(
        failures=table.optional("failures", integer(minimum=0, maximum=1000), default=base.failures),
        window_s=table.optional("window", number(0, DAY_S), default=base.window_s),
        cooling_s=table.optional("cooling", number(0, DAY_S), default=base.cooling_s),
        max_cooling_s=table.optional("max_cooling", number(0, DAY_S), default=base.max_cooling_s),
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
    return _with_its_days(machine, table)


def _on_demand(table: Table) -> Machine:
    minutes = decimal(minimum=0, maximum=1440)
    machine = Machine(
        models=table.required("models", list_of(text, at_least=1)),
        since=table.required("since", day),
        gpu_hour=table.required("gpu_hour", decimal(minimum=0)),
        until=table.optional("until", day, default=None),
        start_up_minutes=table.optional("start_up_minutes", minutes, default=Decimal(0)),
        idle_minutes=table.optional("idle_minutes", minutes, default=Decimal(0)),
    )
    return _with_its_days(machine, table)


def _with_its_days(machine: Machine, table: Table) -> Machine:
    if machine.until is not None and machine.until < machine.since:
        raise table.value.error(f"ends on {machine.until}, before it starts on {machine.since}")
    return machine


def _targets(table: Table) -> Targets:
    share = decimal(minimum=0, maximum=1)
    return Targets(
        p95=table.optional("p95", decimal(minimum=0), default=None),
        month=table.optional("month", decimal(minimum=0), default=None),
        success_rate=table.optional("success_rate", share, default=None),
        savings=table.optional("savings", share, default=None),
        quality=table.optional("quality", share, default=None),
    )


def chosen(complexity: Complexity, tuned: Complexity) -> Complexity:
    """The user's choices over the tuned values. Tuned cuts hold only for the scorer that they were fitted for."""
    if complexity.scorer != tuned.scorer:
        return complexity
    return replace(tuned, cuts=complexity.cuts or tuned.cuts, unfamiliar=complexity.unfamiliar)
