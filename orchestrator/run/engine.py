"""The whole flow of a run: analyse the prompt, survey the models, make a plan, execute it, record the result.

prompt ─► Analysis ─► offers ─► strategy ─► plan ─► execute ─► result
                        │                             │
                    registry                       ledger
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

from ..choose.choosing import with_strategy_meant
from ..choose.making import Planned, Planner
from ..choose.table import Observed, Pace
from ..clock import Clock, local_now
from ..confidence.detector import SIGNALS, ConfidenceDetector
from ..confidence.experience import Experience
from ..config import RunOptions, Settings
from ..deferred import replace
from ..errors import (
    ConfigError,
    did_you_mean,
)
from ..ledger.records import RunRecord
from ..ledger.rotation import advance_rotation
from ..ledger.store import Ledger
from ..plan import models
from ..providers.base import Provider
from ..providers.catalog import connect, endpoint
from ..reading.prompt import Reading
from ..registry.loading import registry_for
from ..registry.model import EmbeddingModel, Registry
from ..registry.providers import PROVIDERS
from ..types import Prompt
from . import recording
from .call.admission import Admission
from .call.alerts import tell
from .call.allowance import TokenBudget
from .call.caller import Caller
from .call.commands import for_commands
from .call.connections import Connections
from .call.order import Order
from .call.run_log import RunLog
from .counting import InputCount, count_input
from .ending import Ending, Keep, RunInterrupted
from .events import Begun, Note, Observer, unobserved
from .experiences import Experiences
from .lifetime import Lifetime, Opened
from .observing import Observing
from .paces import Paces
from .result import OrchestrationResult
from .streaming import AnswerStream
from .walk import Execution

if TYPE_CHECKING:
    from ..providers.batches import BatchClient
    from .call.by_batch import ByBatch
    from .call.cache import RunCache
    from .embedding_run import Embedded
    from .given import Dollars
    from .many import Many, Questions

__all__ = ["Engine", "Keep", "RunInterrupted"]


class Engine:
    """Answers prompts: hundreds at a time, from any thread and event loop.

        async with Engine(settings) as engine:
            result = await engine.run(Prompt("..."), settings.run)

    As a context manager it stays open: its runs share the ledger, the provider connections and the admission to models.
    Without it, the engine is open only while it has a run. It opens its ledger anew if the file is replaced, and in a
    forked process.

    `connect` makes a connection to a provider by name; by default a real or a simulated one. `ledger` is one that its
    owner keeps open; by default the engine opens the one of the settings.
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
        _check_names(settings)
        self.registry = registry or registry_for(settings)
        self._planner = Planner(self.registry, settings)
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self.monotonic = self._monotonic = monotonic
        self._paces = Paces(simulated=settings.simulate, clock=clock, monotonic=monotonic)
        calibration = settings.calibration
        self._detector = ConfidenceDetector(
            slope=calibration.slope, intercept=calibration.intercept, plugins=settings.signals
        )
        self._experiences = Experiences(calibration, simulated=settings.simulate, monotonic=monotonic)
        connections = partial(Connections, connect or self._default_connect(), monotonic)
        self._lifetime = Lifetime(
            self._admission, connections, settings.ledger, ledger, cache_bytes=settings.cache_bytes
        )
        self._observing = Observing(settings, self.registry, self._lifetime, clock)

    async def __aenter__(self) -> Self:
        """Open the engine. Raises LedgerError, with nothing left open, if the ledger cannot be opened."""
        opened = await self._lifetime.take()
        self.keep_open()
        await self._lifetime.give_back(opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def keep_open(self) -> None:
        """Stay open from the next run on, until `aclose` was called as often as this."""
        self._lifetime.keep()

    async def aclose(self) -> None:
        """Close the engine; what runs still use closes when the last of them ends."""
        await self._lifetime.let_go()

    def plan(self, prompt: Prompt, options: RunOptions, *, shown: bool = True) -> Planned:
        """Plan a run without calling anything. Raises an OrchError if nothing could be called.

        Expected costs go by how often the ledger's answers were accepted, unless the plan is not `shown`: no decision
        depends on that, and on a large ledger it takes time to look up.
        """
        return self._plan(prompt, options, self.observed(options) if shown else self._observing.observed(options))

    def observed(self, options: RunOptions) -> Observed:
        """What the ledger has seen that a plan which is shown may use. Raises LedgerError if the options depend on
        it."""
        accepted = self._observing.accepted(options.threshold)
        return replace(self._observing.observed(options), accepted=accepted)

    def _plan(self, prompt: Prompt, options: RunOptions, observed: Observed, reading: Reading | None = None) -> Planned:
        if self._planner.settings is not self.settings:  # somebody has set others
            self._planner = Planner(self.registry, self.settings)
        return self._planner.plan(prompt, options, when=self._clock(), observed=observed, reading=reading)

    async def run(self, prompt: Prompt, options: RunOptions, observe: Observer = unobserved) -> OrchestrationResult:
        """Plan a run and execute it. Raises an OrchError if nothing could be called, and RunInterrupted if
        cancelled."""
        return await self.execute(await self.prepare(prompt, options), observe)

    async def prepare(
        self, prompt: Prompt, options: RunOptions, *, left_out: Mapping[tuple[str, str | None], str] | None = None
    ) -> Planned:
        """The plan of a run that is to be executed, without the models that are `left_out` for the reasons given, by
        provider and name; those that the options name stay. Raises an OrchError if nothing could be called."""
        options = with_strategy_meant(options, self.registry)
        observed = await self._observing.observed_in_thread(options)
        if left_out:
            observed = replace(observed, set_aside={**observed.set_aside, **left_out})
        return self._plan(prompt, options, observed)

    async def batches(self, provider: str) -> BatchClient | None:
        """The batch API of a provider, over the connection that live calls use; None if it has none that orch speaks.

        Raises AuthenticationError without a key."""
        from ..providers.batches import batches_of  # few

        opened = await self._lifetime.take()
        try:
            return batches_of(opened.connections.get(provider))
        finally:
            await self._lifetime.give_back(opened)

    async def embed(
        self, texts: Sequence[str], model: EmbeddingModel, options: RunOptions, observe: Observer = unobserved
    ) -> Embedded:
        """The embeddings of texts, as a provider's model gives them, by one run: priced, limited and recorded as any
        other. Raises the error of the first that fails, such as a BudgetError with nothing sent for it."""
        from .embedding_run import EmbeddingRun  # few

        opened = await self._lifetime.take()
        try:
            caller, deadline = (
                self._caller(opened, RunLog(opened.ledger, observe)),
                self._monotonic() + options.timeout_s,
            )
            run = EmbeddingRun(caller, self.settings, options, self._clock, deadline, opened.ledger.process)
            return await run.embed(texts, model)
        finally:
            await self._lifetime.give_back(opened)

    async def count_input(self, planned: Planned) -> InputCount:
        """The tokens of input of a plan's first call: as its provider counts them if the options say so."""
        opened = await self._lifetime.take()
        try:
            return await count_input(planned, self.registry, opened.connections)
        finally:
            await self._lifetime.give_back(opened)

    def stream(self, prompt: Prompt, options: RunOptions, observe: Observer = unobserved) -> AnswerStream:
        """As `run`, but gives the answer piece by piece: `async for piece in engine.stream(prompt, options)`."""
        asked = replace(options, stream=True)
        return AnswerStream(lambda watch: self.run(prompt, asked, watch), observe)

    def run_many(
        self,
        questions: Questions,
        options: RunOptions | None = None,
        *,
        concurrency: int | None = None,
        max_cost: Dollars | None = None,
        deadline: float | None = None,
        max_errors: int | None = None,
        ordered: bool = False,
        observe: Observer = unobserved,
    ) -> Many:
        """Answer many prompts, some at a time: `async for each in engine.run_many(prompts, max_cost=1)`.

        `questions` are texts, prompts, lists of messages or `ToAsk`s, from any iterable, which is read as far as there
        is room. `concurrency` is how many are in flight, by default what rate limits let through. `max_cost` is for all
        together, in dollars; `deadline` in seconds. After `max_errors` failures no other is asked. Each gives a
        `ManyResult`, as it comes or `ordered` as asked; the error of one is in its result.
        """
        from .many import many_of  # few ask many

        bounds = {"concurrency": concurrency, "max_errors": max_errors, "ordered": ordered}
        return many_of(self, questions, options, max_cost=max_cost, deadline=deadline, observe=observe, **bounds)

    async def execute(
        self,
        planned: Planned,
        observe: Observer = unobserved,
        *,
        answered: Callable[[OrchestrationResult], None] | None = None,
        run_id: str | None = None,
        kept: Keep | None = None,
        by_batch: ByBatch | None = None,
    ) -> OrchestrationResult:
        """Execute a plan. A failure after the run has begun is in the result's `error`. `answered` gets the result as
        soon as it is in the ledger: what follows, such as alert commands, can take some seconds. `run_id` is a new
        ULID; by default one is made. `kept` is called with the result in the transaction that ends the run, so that
        what it writes is durable together with the run's end. `by_batch`: its calls go through the providers' batch
        APIs; if it is cancelled, it goes on another time, and RunPostponed is raised.

        Raises LedgerError, before anything is sent, if the ledger cannot be written, and RunInterrupted if cancelled.
        """
        opened = await self._lifetime.take()
        try:
            if by_batch is None or by_batch.begun is None:  # else it took its turn when it was begun
                planned = await self._in_turn(planned, opened.ledger)
            while self._lifetime.warnings:
                observe(Note(self._lifetime.warnings.pop(0), loud=True))
            for reason in planned.reasons:
                observe(Note(reason, loud=reason in planned.warnings))
            return await self._execute(planned, opened, observe, answered, run_id, kept, by_batch)
        finally:
            await self._lifetime.give_back(opened)

    async def _execute(
        self,
        planned: Planned,
        opened: Opened,
        observe: Observer,
        answered: Callable[[OrchestrationResult], None] | None,
        run_id: str | None,
        kept: Keep | None,
        by_batch: ByBatch | None,
    ) -> OrchestrationResult:
        log, result, interrupted = RunLog(opened.ledger, observe), None, None
        try:
            try:
                result = await self._carry_out(planned, opened, log, run_id, kept, by_batch)
            except RunInterrupted as error:
                interrupted, result = error, error.result
            if answered is not None:
                answered(result)
        finally:
            if self.settings.on_alert is not None:
                try:
                    await tell(self.settings.on_alert, log.alerts, observe, environ=self._for_commands())
                except asyncio.CancelledError:
                    if result is None:
                        raise
                    raise RunInterrupted(result) from None  # what was paid for is not lost
        if interrupted is not None:
            raise interrupted
        return result

    async def _carry_out(
        self,
        planned: Planned,
        opened: Opened,
        log: RunLog,
        run_id: str | None,
        kept: Keep | None,
        by_batch: ByBatch | None,
    ) -> OrchestrationResult:
        started, settings, connecting = self._monotonic(), self.settings, opened.connections.seconds
        called = models(planned.plan)  # one alone is waited for as long as the run lasts
        pace = await self._paces.of(called, opened.ledger) if len(called) > 1 else {}
        run = recording.begun(
            planned,
            process=opened.ledger.process,
            now=self._clock(),
            simulated=settings.simulate,
            with_text=settings.log_text,
            environ=settings.environ,
            run_id=run_id,
        )
        if by_batch is not None and by_batch.begun is not None:
            run = by_batch.begun
            log.go_on(run, by_batch.calls)
        else:
            log.begin(run, recording.said(planned, with_text=settings.log_text))
        log.observe(Begun(run.run_id))
        experience = await self._experiences.of(opened.ledger)
        execution = self._execution(run, planned, log, opened, started, pace, experience, by_batch)

        def took_ms() -> int:
            if by_batch is not None:  # most of it was in no process at all
                return round(1000 * (self._clock() - run.created_at).total_seconds())
            return round(1000 * (self._monotonic() - started - (opened.connections.seconds - connecting)))

        ending = Ending(
            run,
            planned,
            execution,
            log,
            self._clock,
            latency_ms=took_ms,
            with_text=settings.log_text,
            kept=kept,
            goes_on_later=by_batch is not None,
        )
        try:
            return await ending.of(execution.run(planned.plan))
        finally:
            if execution.order.cache is not None:
                execution.order.cache.release()

    def _execution(
        self,
        run: RunRecord,
        planned: Planned,
        log: RunLog,
        opened: Opened,
        started: float,
        pace: Mapping[str, Pace],
        experience: Experience,
        by_batch: ByBatch | None,
    ) -> Execution:
        options, settings = planned.options, self.settings
        caller = self._caller(opened, log)
        order = Order(
            run_id=run.run_id,
            options=options,
            load=planned.load,
            deadline=started + options.timeout_s,
            simulated=settings.simulate,
            log_text=settings.log_text,
            observe=log.observe,
            environ={} if options.verify is None else self._for_commands(),
            free_tier=settings.free_tier,
            token_budget=None if options.max_tokens_total is None else TokenBudget(options.max_tokens_total),
            final=True,
            answers=True,
            shown=options.schema
            is None,  # of an answer that is held against one, what is given is known only afterwards
            cache=self._cache(opened, planned, run.run_id, log.observe),
            by_batch=by_batch,
        )
        return Execution(
            planned.reading,
            order,
            self.registry,
            caller,
            planned.costs,
            list(planned.reasons),
            detector=self._detector,
            monotonic=self._monotonic,
            pace=pace,
            experience=experience,
        )

    def _caller(self, opened: Opened, log: RunLog) -> Caller:
        return Caller(
            ledger=opened.ledger,
            log=log,
            connections=opened.connections,
            admission=opened.admission,
            registry=self.registry,
            retry=self.settings.retry,
            clock=self._clock,
            rng=self._rng,
            monotonic=self._monotonic,
        )

    def _cache(self, opened: Opened, planned: Planned, run_id: str, observe: Observer) -> RunCache | None:
        if not (planned.options.cache_s or planned.options.semantic_cache):
            return None
        from .caching import run_cache  # heavy

        return run_cache(opened.answers, planned, self.registry, self.settings, run_id, observe, self._clock)

    def _for_commands(self) -> dict[str, str]:
        return for_commands({**os.environ, **self.settings.environ}, self.settings.pass_variables)

    async def _in_turn(self, planned: Planned, ledger: Ledger) -> Planned:
        """The plan for the turn in the rotation that this run takes: other runs may have taken turns since the plan
        was made."""
        if planned.ring is None:
            return planned
        turn = await ledger.submit(partial(advance_rotation, ring=planned.ring, simulated=self.settings.simulate))
        observed = replace(planned.observed, turns={**planned.observed.turns, planned.ring: turn})
        return self._plan(planned.prompt, planned.options, observed, planned.reading)

    def _admission(self, ledger: Ledger) -> Admission:
        return Admission(
            ledger,
            simulated=self.settings.simulate,
            max_wait_s=self.settings.retry.max_wait_s,
            breaker=self.settings.breaker,
            free_tier=self.settings.free_tier,
            clock=self._clock,
            log_text=self.settings.log_text,
            monotonic=self._monotonic,
        )

    def _default_connect(self) -> Callable[[str], Provider]:
        if self.settings.simulate:
            from ..simulator.connect import simulated_connections  # heavy

            ledger = self.settings.ledger
            folder = ledger.with_name(f"{ledger.name}.batches")  # what a provider would keep
            return simulated_connections(self.registry.models, self.settings.scenario, folder)
        return lambda provider: connect(endpoint(provider, self.settings.environ))


def _check_names(settings: Settings) -> None:
    """Raises ConfigError for a signal that is not installed, and for an unknown provider in free_tier, whose quota
    would silently be exceeded."""
    for name in settings.signals:
        if name not in SIGNALS.plugins():
            known = SIGNALS.plugins()
            hint = did_you_mean(name, known) or f"installed: {', '.join(known) or 'none'}; see: orch doctor"
            raise ConfigError(f"signals: no installed package has a signal {name!r}", hint=hint)
    for name in settings.free_tier:
        if name not in PROVIDERS:
            suggestion = did_you_mean(name, PROVIDERS) or f"there are: {', '.join(PROVIDERS)}"
            raise ConfigError(f"free_tier: there is no provider {name!r}", hint=suggestion)
