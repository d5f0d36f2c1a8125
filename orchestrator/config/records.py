"""Settings as records, independent of where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from ..deferred import dataclass
from .options import RunOptions
from .tuned import Adjustment, Calibration


class RetryKind(StrEnum):
    """The failures that may be retried, by their error codes."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CONNECTION_FAILED = "connection_failed"
    BAD_REPLY = "bad_reply"
    EMPTY_REPLY = "empty_reply"
    BATCH_ENDED = "batch_ended"
    TEMPORARY = "temporary"  # 408, 409, and what names nothing known


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed call is sent again to the same model.

    The wait before retry n (from 1) is drawn uniformly from 0 to `initial_backoff_s` x `multiplier`^(n-1), at most
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
    """When a failing model is set aside, and for how long.

    `failures` in a row, each within `window_s` of the one before, open its breaker; 0 never does. Two calls with their
    retries are six attempts, so five tell a provider that is down from one that failed once. The model is set aside for
    `cooling_s`, about as long as a restart takes, and twice as long after each further failure, up to `max_cooling_s`:
    with more, the end of an outage would go unnoticed.
    """

    failures: int = 5
    window_s: float = 300.0
    cooling_s: float = 30.0
    max_cooling_s: float = 900.0


class Unfamiliar(StrEnum):
    """What decides about a prompt of a kind that the complexity score was not fitted to."""

    CASCADE = "cascade"  # the answer of the cheapest model, where only the score says that the prompt is hard
    SCORE = "score"  # the score, as for any other prompt


@dataclass(frozen=True, slots=True)
class Complexity:
    """The complexity level of prompts. None leaves it to the analysis.

    `cuts`: the scores, rising, from which a prompt is intermediate, advanced and expert. `scorer`: the user's own
    scorer, `module:function` or an entry point (`reading.scorer`). `adjustment`: a correction of the built-in score,
    fitted to the user's own outcomes. `unfamiliar`: what decides about a prompt that the score was not fitted to.
    """

    cuts: tuple[float, ...] | None = None
    scorer: str | None = None
    adjustment: Adjustment | None = None
    unfamiliar: Unfamiliar = Unfamiliar.CASCADE


@dataclass(frozen=True, slots=True)
class Rollout:
    """A model that takes over routine tasks: from the day `starts` on, for `share` (0 to 1) of the prompts.

    `tasks`: the tasks that it takes over; empty means every routine one.
    """

    model: str
    starts: date
    tasks: tuple[str, ...] = ()
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that costs money whether its models are called or not.

    It costs `gpu_hour` dollars an hour from the day `since` to the day `until`, included, if it has one. One that is
    always on has no `idle_minutes`; one that is started on demand runs from `start_up_minutes` before a call until so
    many minutes after the last one.
    """

    models: tuple[str, ...]
    since: date
    gpu_hour: Decimal
    until: date | None = None
    start_up_minutes: Decimal = Decimal(0)
    idle_minutes: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """What the reports hold what came against. `p95`: seconds of a run, at most. `month`: dollars a calendar month, at
    most. At least: `success_rate`; `savings` against everything on the most expensive model; `quality`, the mean
    rating. Shares are 0 to 1."""

    p95: Decimal | None = None
    month: Decimal | None = None
    success_rate: Decimal | None = None
    savings: Decimal | None = None
    quality: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that stays the same for a process. `environ` has the keys and addresses of providers.

    `cache_bytes`: the most that the answers in the response cache may take. `on_alert`: the command that gets each
    budget alert as a JSON object on standard input. `pass_variables`: variables that it and `--verify` get although
    they may be secret. `free_tier`: the providers whose daily free quota is a limit. `signals`: the plugins that are
    asked about each answer. `always_on` and `on_demand`: machines that cost money while nobody calls them. `targets`:
    what reports hold what came against. `config_file`: the file that was read, None if there is none. `tuned_file`:
    the file that `orch tune` writes, whether it exists or not. `parsed_dir` and `charts_dir`: where parsed
    YAML files and the script that draws charts are kept; None means nowhere.
    """

    environ: Mapping[str, str]
    ledger: Path
    config_dir: Path
    tuned_file: Path
    config_file: Path | None = None
    parsed_dir: Path | None = None
    charts_dir: Path | None = None
    models_file: Path | None = None
    chains_file: Path | None = None
    routing_file: Path | None = None
    simulate: bool = False
    scenario: Path | None = None
    log_text: bool = True
    cache_bytes: int = 256_000_000
    on_alert: str | None = None
    pass_variables: tuple[str, ...] = ()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    complexity: Complexity = field(default_factory=Complexity)
    free_tier: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    rollout: Rollout | None = None
    always_on: tuple[Machine, ...] = ()
    on_demand: tuple[Machine, ...] = ()
    targets: Targets = field(default_factory=Targets)
    run: RunOptions = field(default_factory=RunOptions)
