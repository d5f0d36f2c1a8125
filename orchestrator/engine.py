"""The whole flow: analyse, survey the models, decide on a plan, execute it, keep the result.

prompt ─► Analysis ─► offers ─► strategy ─► plan ─► execute ─► result
                        │                             │
                    registry                       ledger
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

from . import recording
from .analysis.reading import Reading
from .calling.alerts import tell
from .calling.allowance import TokenBudget
from .calling.caller import Caller, Order
from .calling.connections import Connections
from .calling.line import Line
from .clock import Clock, local_now
from .confidence.detector import ConfidenceDetector
from .errors import (
    ConfigError,
    IncompleteError,
    Interrupted,
    LedgerError,
    NotAcceptedError,
    OrchError,
    ProviderError,
    did_you_mean,
)
from .events import Note, Observer, unobserved
from .execute import Execution, Outcome
from .ledger.breakers import OPEN, breaker_states
from .ledger.experiments import stops
from .ledger.pace import measured_p95
from .ledger.records import RunRecord, RunStatus
from .ledger.store import Ledger
from .ledger.turns import take_turn, turns_taken
from .plan import calls
from .planning import Planned, make_plan
from .providers.base import Provider
from .providers.catalog import PROVIDERS, connect, endpoint
from .registry.loading import registry_for
from .registry.model import Registry
from .registry.routes import EXPERIMENT, ROUND_ROBIN
from .result import ErrorInfo, OrchestrationResult, build_result
from .settings import RunOptions, Settings
from .strategies import Observed, Pace
from .types import FinishReason, Prompt

_TOO_SHORT = "raise --max-tokens: models that think before they write spend them on that too"


class RunInterrupted(asyncio.CancelledError):
    """A run was cancelled; everything known of it is in the ledger and in `result`."""

    def __init__(self, result: OrchestrationResult) -> None:
        super().__init__("interrupted")
        self.result = result


class Engine:
    """Answers prompts. `connect` makes a connection to a provider by name; by default, a real or a simulated one.

    `ledger` is one that its owner keeps open over many runs; by default the settings' is opened for each.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry | None = None,
        *,
        connect: Callable[[str], Provider] | None = None,
        ledger: Ledger | None = None,
        clock: Clock = local_now,
        rng: random.Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        _check_free_tier(settings)
        self.registry = registry or registry_for(settings)
        self._connect = connect or self._default_connect()
        self._ledger = ledger
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._monotonic = monotonic

    def plan(self, prompt: Prompt, options: RunOptions) -> Planned:
        """What `run` would do, without calling anything. Raises an OrchError if there is nothing it could do."""
        return self._plan(prompt, options, self._observed(options))

    def _plan(self, prompt: Prompt, options: RunOptions, observed: Observed, reading: Reading | None = None) -> Planned:
        return make_plan(
            prompt,
            options,
            registry=self.registry,
            settings=self.settings,
            when=self._clock(),
            observed=observed,
            reading=reading,
        )

    async def run(self, prompt: Prompt, options: RunOptions, observe: Observer = unobserved) -> OrchestrationResult:
        """Plan and execute. Raises an OrchError if nothing could be called, and RunInterrupted if cancelled."""
        return await self.execute(self.plan(prompt, options), observe)

    async def execute(self, planned: Planned, observe: Observer = unobserved) -> OrchestrationResult:
        """An answer, or why there is none: a failure after the run has begun is in the result's `error`.

        Raises LedgerError, before anything is sent, if the ledger cannot be written, and RunInterrupted if cancelled.
        """
        with Ledger.open(self.settings.ledger) if self._ledger is None else nullcontext(self._ledger) as ledger:
            planned = self._in_turn(planned, ledger)
            for reason in planned.reasons:
                observe(Note(reason))
            run = recording.begin(
                ledger,
                planned,
                now=self._clock(),
                simulated=self.settings.simulate,
                with_text=self.settings.log_text,
            )
            return await self._execute(run, planned, ledger, observe)

    async def _execute(
        self, run: RunRecord, planned: Planned, ledger: Ledger, observe: Observer
    ) -> OrchestrationResult:
        started = self._monotonic()
        connections = Connections(self._connect)
        caller = Caller(
            ledger=ledger,
            connections=connections,
            line=Line(
                ledger,
                simulated=self.settings.simulate,
                max_wait_s=self.settings.retry.max_wait_s,
                breaker=self.settings.breaker,
                free_tier=self.settings.free_tier,
                clock=self._clock,
                monotonic=self._monotonic,
            ),
            retry=self.settings.retry,
            clock=self._clock,
            rng=self._rng,
            monotonic=self._monotonic,
        )
        order = Order(
            run_id=run.run_id,
            options=planned.options,
            load=planned.load,
            deadline=started + planned.options.timeout_s,
            simulated=self.settings.simulate,
            log_text=self.settings.log_text,
            observe=observe,
            free_tier=self.settings.free_tier,
            token_budget=None if (tokens := planned.options.max_tokens_total) is None else TokenBudget(tokens),
        )
        calibration = self.settings.calibration
        execution = Execution(
            planned.reading,
            order,
            self.registry,
            caller,
            planned.costs,
            list(planned.reasons),
            detector=ConfidenceDetector(slope=calibration.slope, intercept=calibration.intercept),
            rng=self._rng,
            monotonic=self._monotonic,
        )

        def finish(
            status: RunStatus, text: str = "", outcome: Outcome | None = None, error: OrchError | None = None
        ) -> OrchestrationResult:
            row = recording.ended(
                run,
                status,
                at=self._clock(),
                latency_ms=round(1000 * (self._monotonic() - started)),
                text=text,
                outcome=outcome,
                error=error,
                metadata=recording.metadata_of(planned, execution.decisions, outcome, with_text=self.settings.log_text),
                with_text=self.settings.log_text,
            )
            recorded = recording.finish(ledger, row, tuple(caller.records.values()))
            info = None if error is None else ErrorInfo.of(error)
            called = None if outcome is None else outcome.completion.tool_calls
            return build_result(recorded, response=text, error=info, exception=error, tool_calls=called)

        try:
            outcome = await execution.run(planned.plan)
            if outcome.unfit is not None:
                refused = NotAcceptedError(f"the answer is not accepted: {outcome.unfit}")
                return finish(RunStatus.INCOMPLETE, outcome.completion.text, outcome, refused)
            if outcome.completion.finish_reason is FinishReason.LENGTH and not outcome.completion.text.strip():
                cut = IncompleteError("the answer was cut off before it began", provider=None, hint=_TOO_SHORT)
                return finish(RunStatus.INCOMPLETE, "", outcome, cut)
            return finish(RunStatus.COMPLETE, outcome.completion.text, outcome)
        except asyncio.CancelledError:
            best = execution.best  # an answer that a cascade had put by while it asked for a better one
            text = "" if best is None else best.completion.text
            raise RunInterrupted(finish(RunStatus.INTERRUPTED, text, best, Interrupted())) from None
        except OSError:  # the watcher's: nobody reads the answer any more
            finish(RunStatus.INTERRUPTED, error=Interrupted("interrupted: the answer could not be shown"))
            raise
        except OrchError as error:
            text = _partial_text(error)
            partial = bool(text) and isinstance(error, IncompleteError)
            return finish(RunStatus.INCOMPLETE if partial else RunStatus.FAILED, text, error=error)
        except Exception as error:
            finish(RunStatus.FAILED, error=OrchError(f"unexpected {type(error).__name__}: {error}"))
            raise
        finally:
            await connections.aclose()
            if self.settings.on_alert is not None:
                await tell(self.settings.on_alert, caller.alerts, observe)

    def _observed(self, options: RunOptions) -> Observed:
        """What the ledger has seen that a decision may rest on. Raises LedgerError only if the options make it rest on
        that: what is set aside is found out again when it is called. Nothing is looked up for models that are named."""
        needed = options.max_latency_s is not None or options.strategy in (ROUND_ROBIN, EXPERIMENT)
        if not needed and self._names_its_models(options):
            return Observed()
        try:
            ledger = Ledger.open_for_reading(self.settings.ledger)
            if ledger is None:
                return Observed()
            with ledger:
                return self._looked_up(ledger, options)
        except (LedgerError, OSError):
            if needed:
                raise
            return Observed()

    def _names_its_models(self, options: RunOptions) -> bool:
        """Whether the plan is a chain that leaves the choice of no model to a role, tier or level."""
        if options.strategy != "fallback" or options.role is not None:
            return False
        chain = self.registry.chains.get(options.chain)
        return chain is None or all(call.model for call in calls(chain.plan))

    def _looked_up(self, ledger: Ledger, options: RunOptions) -> Observed:
        simulated, in_turn = self.settings.simulate, options.strategy in (ROUND_ROBIN, EXPERIMENT)
        paces = measured_p95(ledger, simulated=simulated, now=self._clock()) if options.max_latency_s else {}
        stopped = stops(ledger, simulated=simulated) if in_turn else {}
        return Observed(
            turns=turns_taken(ledger, simulated=simulated) if in_turn else {},
            pace={model: Pace(p95_ms, calls) for model, (p95_ms, calls) in paces.items()},
            stopped={name: stop.arm for name, stop in stopped.items()},
            set_aside=self._set_aside(ledger),
        )

    def _set_aside(self, ledger: Ledger) -> dict[tuple[str, str | None], str]:
        """The providers and models that nothing is asked of for a while, and why."""
        return {
            (breaker.provider, breaker.model): f"set aside until {breaker.open_until.astimezone():%H:%M:%S}"
            for breaker in breaker_states(ledger, self._clock())
            if breaker.state == OPEN and breaker.open_until and breaker.simulated == self.settings.simulate
        }

    def _in_turn(self, planned: Planned, ledger: Ledger) -> Planned:
        """The plan for the turn that this run takes: others may have taken theirs since it was made."""
        if planned.ring is None:
            return planned
        turn = take_turn(ledger, planned.ring, simulated=self.settings.simulate)
        observed = replace(planned.observed, turns={**planned.observed.turns, planned.ring: turn})
        return self._plan(planned.prompt, planned.options, observed, planned.reading)

    def _default_connect(self) -> Callable[[str], Provider]:
        if self.settings.simulate:
            from .simulator.connect import simulated_connections  # heavy

            return simulated_connections(self.registry.models.values(), self.settings.scenario)
        return lambda provider: connect(endpoint(provider, self.settings.environ))


def _partial_text(error: OrchError) -> str:
    partial = error.partial if isinstance(error, ProviderError) else None
    return "" if partial is None else partial.text


def _check_free_tier(settings: Settings) -> None:
    """Raises ConfigError for a name that is no provider's: its free quota would be exceeded without a word."""
    for name in settings.free_tier:
        if name not in PROVIDERS:
            suggestion = did_you_mean(name, PROVIDERS) or f"there are: {', '.join(PROVIDERS)}"
            raise ConfigError(f"free_tier: there is no provider {name!r}", hint=suggestion)
