"""Where settings come from: flags, then the environment, then the user's config file, then the defaults here.

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

from platformdirs import PlatformDirs

from .errors import ConfigError
from .money import dollars_to_nanousd
from .plan import AcceptRule
from .strict_yaml import Reader, Table, boolean, day, decimal, integer, list_of, one_of, read, record, text

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
    answers piece by piece. `allow_unpriced` lets models without a known price be called under a cap or a budget.
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
    max_cost_nanousd: int | None = None
    timeout_s: float = 600.0
    max_tokens: int | None = None
    temperature: float | None = None
    stream: bool = False
    category: str = "orchestration"
    tags: tuple[str, ...] = ()
    allow_unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that stays the same for a process. `environ` is where keys and addresses of providers come from.

    `on_alert` is a command that is run for each budget alert, with the alert as a JSON object on its standard input.
    `free_tier` names the providers whose free quota a day is kept to as a limit. `always_on` are machines that cost
    money also while nobody calls their models.
    """

    environ: Mapping[str, str]
    ledger: Path
    config_dir: Path
    models_file: Path | None = None
    chains_file: Path | None = None
    simulate: bool = False
    scenario: Path | None = None
    log_text: bool = True
    on_alert: str | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    free_tier: tuple[str, ...] = ()
    rollout: Rollout | None = None
    always_on: tuple[Machine, ...] = ()
    run: RunOptions = field(default_factory=RunOptions)


def load_settings(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    ledger: Path | None = None,
    models_file: Path | None = None,
    chains_file: Path | None = None,
    simulate: bool | None = None,
    scenario: Path | None = None,
) -> Settings:
    """Settings from the flags given here and everything below them. Raises ConfigError."""
    dirs = PlatformDirs(APP, appauthor=False)
    simulated = _switch(environ, "ORCH_SIMULATE", default=False) if simulate is None else simulate
    named_config = config or _path(environ, "ORCH_CONFIG")
    user_config = dirs.user_config_path / "config.yaml"
    settings = Settings(
        environ=environ,
        ledger=ledger
        or _path(environ, "ORCH_LEDGER")
        or dirs.user_data_path / ("ledger-simulated.db" if simulated else "ledger.db"),
        config_dir=dirs.user_config_path,
        models_file=models_file or _path(environ, "ORCH_MODELS"),
        chains_file=chains_file or _path(environ, "ORCH_CHAINS"),
        simulate=simulated,
        scenario=scenario or _path(environ, "ORCH_SCENARIO"),
    )
    if named_config is not None:
        settings = read(named_config, record(_config_onto(settings)))
    elif user_config.exists():
        settings = read(user_config, record(_config_onto(settings)))
    return replace(settings, log_text=_switch(environ, "ORCH_LOG_TEXT", default=settings.log_text))


def _config_onto(settings: Settings) -> Callable[[Table], Settings]:
    """The config file: any field of a run, and what else Settings has that stays the same from run to run."""
    base = settings.run

    def reader(table: Table) -> Settings:
        max_cost = table.optional("max_cost", decimal(minimum=0), default=None)
        run = RunOptions(
            strategy=table.optional("strategy", text, default=base.strategy),
            chain=table.optional("chain", text, default=base.chain),
            ensemble_size=table.optional("ensemble_size", integer(minimum=1, maximum=100), default=base.ensemble_size),
            threshold=table.optional("threshold", _number(0, 1), default=base.threshold),
            accept=table.optional("accept", one_of(AcceptRule), default=base.accept),
            max_cost_nanousd=None if max_cost is None else dollars_to_nanousd(max_cost),
            timeout_s=table.optional("timeout", _number(1, _DAY_S), default=base.timeout_s),
            max_tokens=table.optional("max_tokens", integer(minimum=1), default=None),
            temperature=table.optional("temperature", _number(0, 2), default=None),
            category=table.optional("category", text, default=base.category),
        )
        return replace(
            settings,
            run=run,
            log_text=table.optional("log_text", boolean, default=settings.log_text),
            on_alert=table.optional("on_alert", text, default=settings.on_alert),
            retry=table.optional("retry", record(_retry), default=settings.retry),
            breaker=table.optional("breaker", record(_breaker), default=settings.breaker),
            free_tier=table.optional("free_tier", list_of(text), default=settings.free_tier),
            rollout=table.optional("rollout", record(_rollout), default=settings.rollout),
            always_on=table.optional("always_on", list_of(record(_machine)), default=settings.always_on),
        )

    return reader


def _retry(table: Table) -> RetryPolicy:
    base = RetryPolicy()
    return RetryPolicy(
        max_retries=table.optional("max_retries", integer(minimum=0, maximum=20), default=base.max_retries),
        initial_backoff_s=table.optional("initial_backoff", _number(0, _DAY_S), default=base.initial_backoff_s),
        max_backoff_s=table.optional("max_backoff", _number(0, _DAY_S), default=base.max_backoff_s),
        multiplier=table.optional("multiplier", _number(1, 100), default=base.multiplier),
        max_wait_s=table.optional("max_wait", _number(0, _DAY_S), default=base.max_wait_s),
        kinds=table.optional("kinds", list_of(one_of(RetryKind)), default=base.kinds),
    )


def _breaker(table: Table) -> BreakerPolicy:
    base = BreakerPolicy()
    return BreakerPolicy(
        failures=table.optional("failures", integer(minimum=0, maximum=1000), default=base.failures),
        window_s=table.optional("window", _number(0, _DAY_S), default=base.window_s),
        cooling_s=table.optional("cooling", _number(0, _DAY_S), default=base.cooling_s),
        max_cooling_s=table.optional("max_cooling", _number(0, _DAY_S), default=base.max_cooling_s),
    )


def _rollout(table: Table) -> Rollout:
    return Rollout(
        model=table.required("model", text),
        starts=table.required("starts", day),
        tasks=table.optional("tasks", list_of(text), default=()),
        share=table.optional("share", _number(0, 1), default=1.0),
    )


def _machine(table: Table) -> Machine:
    return Machine(
        models=table.required("models", list_of(text, at_least=1)),
        since=table.required("since", day),
        gpu_hour=table.required("gpu_hour", decimal(minimum=0)),
        until=table.optional("until", day, default=None),
    )


def _number(minimum: int, maximum: int) -> Reader[float]:
    exact = decimal(minimum=minimum, maximum=maximum)
    return lambda value: float(exact(value))


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
