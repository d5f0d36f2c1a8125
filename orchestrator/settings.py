"""Where settings come from: flags, then the environment, then the user's config file, then what `orch tune` fitted,
then the defaults here.

Nothing is read at import. Files live in the platform's user directories unless they are named; nothing in the current
directory is read on its own, since a checked-out repository must not be able to change where a prompt or a key goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs

from .errors import ConfigError
from .money import dollars_to_nanousd
from .plan import AcceptRule
from .strict_yaml import Table, boolean, day, decimal, integer, list_of, one_of, read, record, text
from .tuned import Adjustment, Calibration, Tuned, cuts, intercept, number, read_tuned, slope, threshold
from .types import Task, Tool
from .yaml_document import Value

APP = "orch"
_DAY_S = 86_400
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class RetryKind(StrEnum):
    """The failures that may be retried, by the codes of their errors."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CONNECTION_FAILED = "connection_failed"
    BAD_REPLY = "bad_reply"
    EMPTY_REPLY = "empty_reply"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a call that failed is sent again to the same model.

    Before retry n (from 1) the wait is drawn evenly from 0 to `initial_backoff_s` x `multiplier`^(n-1), at most
    `max_backoff_s` ("full jitter": AWS Architecture Blog, Exponential Backoff And Jitter, 2015), or is what the
    provider asked for. All waits of a call together stay under `max_wait_s`. Failures of other `kinds` are not retried.
    """

    max_retries: int = 2
    initial_backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    multiplier: float = 2.0
    max_wait_s: float = 60.0
    kinds: tuple[RetryKind, ...] = tuple(RetryKind)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a model that keeps failing is set aside, and for how long.

    `failures` in a row, none later than `window_s` after the one before, open its breaker; 0 never does. Two calls with
    their retries are six attempts, so five tell a provider that is down from one that stumbled once. It is set aside
    for `cooling_s`, about what a restart takes, and for twice as long each time that it fails again, at most for
    `max_cooling_s`: longer, and a provider that is back would not be noticed.
    """

    failures: int = 5
    window_s: float = 300.0
    cooling_s: float = 30.0
    max_cooling_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Complexity:
    """How hard a prompt counts as. None leaves it to the analysis.

    `cuts` are the scores, rising, from which a prompt is intermediate, advanced and expert. `scorer` names a scorer of
    the user's own: `module:function`, or an entry point (`analysis.scorer`). `adjustment` is what the user's own
    outcomes say of the built-in score.
    """

    cuts: tuple[float, ...] | None = None
    scorer: str | None = None
    adjustment: Adjustment | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """A model that takes over routine tasks: from the day `starts` on, for `share` (0 to 1) of the prompts.

    `tasks` are those that it is meant for; none means every routine one.
    """

    model: str
    starts: date
    tasks: tuple[str, ...] = ()
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that is always on, whether its models are called or not.

    It costs `gpu_hour` dollars an hour from the day `since` on, up to and with the day `until`, if it has one.
    """

    models: tuple[str, ...]
    since: date
    gpu_hour: Decimal
    until: date | None = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What one run is asked to do. None leaves the choice to orch.

    `strategy` is one of the strategies, or the name of a plan in chains.yaml. `models` is for an ensemble; `chain` (a
    name, or models separated by commas) for a cascade. `role` narrows the models down to those of a role, whose
    instructions go with the prompt. `tier`, `critical`, `requires` (design, implementation) and `routine` are what the
    user says of the prompt where `tiers` would else go by its words. The same `subject` always gets the same arm of a
    rollout; without one, the same prompt does. `threshold` is the confidence, 0 to 1, from which an answer is accepted,
    `accept` the rule. `timeout_s` covers the whole run. `max_tokens` caps each reply. `stream` asks providers for their
    answers piece by piece. `schema` is a JSON Schema that an answer must fit, `verify` a command that accepts one by
    exit code 0, `self_check` a model that is asked what it thinks of each answer of a cascade, and with `logprobs` it
    counts how sure models were of their tokens. `allow_unpriced` lets models without a known price be called under a
    cost cap or a budget.

    `task` says what kind of task the prompt is, where the analysis is not to. `experiment` is the one to take part in;
    its arm, too, is drawn for the `subject`. Models whose p95 latency is above `max_latency_s`, or that are rated below
    `min_quality` (0 to 1) for the kind of task, are passed over. `tools` are offered to the model with the prompt.
    `max_tokens_by_task` goes before `max_tokens`; `max_tokens_total` is what all calls of the run may take together, of
    input and output.
    """

    strategy: str = "fallback"
    chain: str = "mixed"
    models: tuple[str, ...] = ()
    role: str | None = None
    tier: str | None = None
    critical: bool = False
    requires: tuple[str, ...] = ()
    routine: bool = False
    subject: str | None = None
    ensemble_size: int = 3
    threshold: float = 0.6
    accept: AcceptRule = AcceptRule.CONFIDENCE
    schema: Mapping[str, Any] | None = None
    verify: str | None = None
    self_check: str | None = None
    logprobs: bool = False
    max_cost_nanousd: int | None = None
    timeout_s: float = 600.0
    max_tokens: int | None = None
    max_tokens_total: int | None = None
    temperature: float | None = None
    stream: bool = False
    category: str = "orchestration"
    tags: tuple[str, ...] = ()
    allow_unpriced: bool = False
    task: str | None = None
    experiment: str | None = None
    max_latency_s: float | None = None
    min_quality: float | None = None
    tools: tuple[Tool, ...] = ()
    max_tokens_by_task: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that stays the same for a process. `environ` is where keys and addresses of providers come from.

    `on_alert` is a command that is run for each budget alert, with the alert as a JSON object on its standard input.
    `free_tier` names the providers whose free quota a day is kept to as a limit. `always_on` are machines that cost
    money also while nobody calls their models. `config_file` is what was read, None if there is none; `tuned_file` is
    where `orch tune` writes, whether it is there or not.
    """

    environ: Mapping[str, str]
    ledger: Path
    config_dir: Path
    tuned_file: Path
    config_file: Path | None = None
    models_file: Path | None = None
    chains_file: Path | None = None
    routing_file: Path | None = None
    simulate: bool = False
    scenario: Path | None = None
    log_text: bool = True
    on_alert: str | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    complexity: Complexity = field(default_factory=Complexity)
    free_tier: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    rollout: Rollout | None = None
    always_on: tuple[Machine, ...] = ()
    run: RunOptions = field(default_factory=RunOptions)


def user_config_dir() -> Path:
    """Where the user's config.yaml, models.yaml and chains.yaml are."""
    return PlatformDirs(APP, appauthor=False).user_config_path


def load_settings(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    ledger: Path | None = None,
    models_file: Path | None = None,
    chains_file: Path | None = None,
    routing_file: Path | None = None,
    simulate: bool | None = None,
    scenario: Path | None = None,
) -> Settings:
    """Settings from the flags given here and everything below them. Raises ConfigError."""
    dirs = PlatformDirs(APP, appauthor=False)
    simulated = is_simulated(environ) if simulate is None else simulate
    named_config = config or _path(environ, "ORCH_CONFIG")
    config_dir = user_config_dir()
    user_config = config_dir / "config.yaml"
    tuned = tuned_file(environ, config=config, simulate=simulated)
    settings = Settings(
        environ=environ,
        ledger=ledger
        or _path(environ, "ORCH_LEDGER")
        or dirs.user_data_path / ("ledger-simulated.db" if simulated else "ledger.db"),
        config_dir=config_dir,
        config_file=named_config or (user_config if user_config.exists() else None),
        tuned_file=tuned,
        models_file=models_file or _path(environ, "ORCH_MODELS"),
        chains_file=chains_file or _path(environ, "ORCH_CHAINS"),
        routing_file=routing_file or _path(environ, "ORCH_ROUTING"),
        simulate=simulated,
        scenario=scenario or _path(environ, "ORCH_SCENARIO"),
    )
    if tuned.exists():
        settings = _tuned_onto(settings, read_tuned(tuned))
    if settings.config_file is not None:
        settings = read(settings.config_file, record(_config_onto(settings)))
    else:
        settings = replace(settings, complexity=_chosen(Complexity(), settings.complexity))
    return replace(settings, log_text=_switch(environ, "ORCH_LOG_TEXT", default=settings.log_text))


def is_simulated(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for the simulator. Raises ConfigError."""
    return _switch(environ, "ORCH_SIMULATE", default=False)


def tuned_file(environ: Mapping[str, str], *, config: Path | None, simulate: bool) -> Path:
    """Where `orch tune` writes: beside the config file in use. What simulated answers teach is for simulated runs."""
    named = config or _path(environ, "ORCH_CONFIG")
    folder = PlatformDirs(APP, appauthor=False).user_config_path if named is None else named.parent
    return folder / ("tuned-simulated.yaml" if simulate else "tuned.yaml")


def _tuned_onto(settings: Settings, tuned: Tuned) -> Settings:
    run = settings.run if tuned.threshold is None else replace(settings.run, threshold=tuned.threshold)
    return replace(
        settings,
        run=run,
        calibration=tuned.calibration or settings.calibration,
        complexity=Complexity(tuned.cuts, tuned.scorer, tuned.adjustment),
    )


def _chosen(complexity: Complexity, tuned: Complexity) -> Complexity:
    """What the user has chosen over what was tuned, which holds only for the scorer that it was tuned with."""
    if complexity.scorer != tuned.scorer:
        return complexity
    return replace(tuned, cuts=complexity.cuts or tuned.cuts)


def _config_onto(settings: Settings) -> Callable[[Table], Settings]:
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
            complexity=_chosen(complexity, settings.complexity),
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
    return Machine(
        models=table.required("models", list_of(text, at_least=1)),
        since=table.required("since", day),
        gpu_hour=table.required("gpu_hour", decimal(minimum=0)),
        until=table.optional("until", day, default=None),
    )


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]).expanduser() if environ.get(name) else None


def _switch(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    word = environ.get(name)
    if not word:
        return default
    if word.strip().lower() in _TRUE:
        return True
    if word.strip().lower() in _FALSE:
        return False
    raise ConfigError(f"{name}={word!r}: expected 1 or 0")
