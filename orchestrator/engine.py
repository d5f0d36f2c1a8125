"""The whole flow: analyse, survey the models, decide on a plan, execute it, keep the result.

prompt ─► Analysis ─► offers ─► strategy ─► plan ─► execute ─► result
                        │                             │
                    registry                       ledger
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ulid import ULID

from .analysis import ComplexityAnalyzer
from .analysis.tokens import estimate_tokens, upper_bound_tokens
from .calling.alerts import tell
from .calling.caller import Caller, Order
from .calling.connections import Connections
from .calling.limits import RateLimiter
from .calling.settlement import sha256
from .clock import Clock, local_now
from .confidence.synthesis import agreement, consensus
from .errors import IncompleteError, Interrupted, LedgerError, OrchError, ProviderError, UsageError, did_you_mean
from .events import Note, Observer, unobserved
from .execute import Execution, Outcome
from .ledger.queries import find_run
from .ledger.records import Recorded, RunRecord, RunStatus
from .ledger.spool import spool
from .ledger.store import Ledger
from .plan import Call, CostRange, Node, price, to_dict
from .providers.base import Provider
from .providers.catalog import PROVIDERS, connect, endpoint, is_set_up, needed_to_set_up
from .quote import Load
from .registry.loading import registry_for
from .registry.model import ModelSpec, Registry
from .result import ErrorInfo, OrchestrationResult, build_result
from .settings import RunOptions, Settings
from .simulator.connect import simulated_connections
from .strategies import STRATEGIES, Decision, Situation, nothing_to_call, survey
from .types import Analysis, Prompt

_MESSAGE_OVERHEAD = 64  # tokens that a provider wraps around one message and a system prompt, with room to spare


class RunInterrupted(asyncio.CancelledError):
    """A run was cancelled; everything known of it is in the ledger and in `result`."""

    def __init__(self, result: OrchestrationResult) -> None:
        super().__init__("interrupted")
        self.result = result


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be done with a prompt, what it could cost in nano-dollars, and why."""

    prompt: Prompt
    options: RunOptions
    analysis: Analysis
    load: Load
    plan: Node
    cost: CostRange
    call_costs: dict[str, CostRange]
    reasons: tuple[str, ...]


class Engine:
    """Answers prompts. `connect` makes a connection to a provider by name; by default, a real or a simulated one."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry | None = None,
        *,
        connect: Callable[[str], Provider] | None = None,
        clock: Clock = local_now,
        rng: random.Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.registry = registry or registry_for(settings)
        self._connect = connect or self._default_connect()
        self._clock = clock
        self._rng = rng or random.Random()
        self._monotonic = monotonic
        self._limiter = RateLimiter(
            {spec.name: spec.limits.rpm for spec in self.registry.models.values() if spec.limits.rpm is not None},
            clock=monotonic,
        )

    def plan(self, prompt: Prompt, options: RunOptions) -> Planned:
        """What `run` would do, without calling anything. Raises an OrchError if there is nothing it could do."""
        check_prompt(prompt)
        check_options(options)
        strategy = STRATEGIES.get(options.strategy)
        if strategy is None:
            suggestion = did_you_mean(options.strategy, list(STRATEGIES)) or f"there are: {', '.join(STRATEGIES)}"
            raise UsageError(f"no strategy {options.strategy!r}", hint=suggestion)
        analysis = ComplexityAnalyzer().analyze(prompt.text)
        load = _load(prompt, analysis)
        chain = tuple(self.registry.model(name).name for name in self.registry.chain(options.chain).models)
        models = tuple(self.registry.model(name).name for name in options.models)
        now = self._clock()
        offers = survey(
            self.registry.models.values(), load, options, has_access=self._access({*chain, *models}), when=now
        )
        situation = Situation(analysis, offers, options, chain, models, now)
        decision = strategy(situation)
        if decision is None:
            named = chain if options.strategy == "fallback" else models
            wanted = [offers[name] for name in named] or [
                o for o in offers.values() if not o.spec.is_retired(now.date())
            ]
            raise nothing_to_call(wanted, needed_to_set_up)
        return _priced(prompt, decision, situation, load)

    async def run(self, prompt: Prompt, options: RunOptions, observe: Observer = unobserved) -> OrchestrationResult:
        """Plan and execute. Raises an OrchError if nothing could be called, and RunInterrupted if cancelled."""
        return await self.execute(self.plan(prompt, options), observe)

    async def execute(self, planned: Planned, observe: Observer = unobserved) -> OrchestrationResult:
        """An answer, or why there is none: a failure after the run has begun is in the result's `error`.

        Raises LedgerError, before anything is sent, if the ledger cannot be written, and RunInterrupted if cancelled.
        """
        for reason in planned.reasons:
            observe(Note(reason))
        with Ledger.open(self.settings.ledger) as ledger:
            run = replace(self._new_run(planned), process=ledger.process)
            ledger.start_run(run)
            return await self._execute(run, planned, ledger, observe)

    async def _execute(
        self, run: RunRecord, planned: Planned, ledger: Ledger, observe: Observer
    ) -> OrchestrationResult:
        started = self._monotonic()
        connections = Connections(self._connect)
        caller = Caller(
            ledger=ledger,
            connections=connections,
            limiter=self._limiter,
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
        )
        execution = Execution(planned.prompt, order, self.registry, caller, ledger, list(planned.reasons))

        def finish(
            status: RunStatus, text: str = "", outcome: Outcome | None = None, error: OrchError | None = None
        ) -> OrchestrationResult:
            ended = replace(
                run,
                status=status,
                ended_at=self._clock(),
                latency_ms=round(1000 * (self._monotonic() - started)),
                model_used=None if outcome is None else outcome.spec.name,
                confidence=None if outcome is None else outcome.verdict.confidence,
                response=text if self.settings.log_text else None,
                response_sha256=sha256(text),
                error_code=None if error is None else error.code,
                error_message=None if error is None else error.message,
                metadata=json.dumps(_metadata(planned, execution.decisions, outcome, with_text=self.settings.log_text)),
            )
            try:
                ledger.finish_run(ended)
                recorded = find_run(ledger, run.run_id)
            except LedgerError:  # an answer that was paid for is given all the same
                spool(ledger.path, ended)
                recorded = Recorded(ended, tuple(caller.records.values()))
            info = None if error is None else ErrorInfo.of(error)
            return build_result(recorded, response=text, error=info, exception=error)

        try:
            outcome = await execution.run(planned.plan)
            return finish(RunStatus.COMPLETE, outcome.completion.text, outcome)
        except asyncio.CancelledError:
            raise RunInterrupted(finish(RunStatus.INTERRUPTED, error=Interrupted())) from None
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

    def _new_run(self, planned: Planned) -> RunRecord:
        now = self._clock()
        prompt, options = planned.prompt, planned.options
        keep = self.settings.log_text
        return RunRecord(
            run_id=str(ULID.from_datetime(now)),
            created_at=now,
            day=now.date().isoformat(),
            strategy=options.strategy,
            plan=json.dumps(to_dict(planned.plan)),
            category=options.category,
            tags=options.tags,
            task=planned.analysis.task,
            level=planned.analysis.level.value,
            score=planned.analysis.score,
            prompt_sha256=sha256(prompt.text),
            prompt=prompt.text if keep else None,
            system=prompt.system if keep else None,
            max_cost_nanousd=options.max_cost_nanousd,
            simulated=self.settings.simulate,
        )

    def _access(self, named: set[str]) -> Callable[[ModelSpec], bool]:
        """Whether a model can be reached. For one that the user hosts, being named or having an address will do."""

        def has_access(spec: ModelSpec) -> bool:
            hosted_by_user = PROVIDERS[spec.provider].self_hosted
            if hosted_by_user and spec.name in named:
                return True
            if self.settings.simulate and not hosted_by_user:
                return True
            return is_set_up(spec.provider, self.settings.environ)

        return has_access

    def _default_connect(self) -> Callable[[str], Provider]:
        if self.settings.simulate:
            return simulated_connections(self.registry.models.values(), self.settings.scenario)
        return lambda provider: connect(endpoint(provider, self.settings.environ))


def check_prompt(prompt: Prompt) -> None:
    """Raises UsageError for a prompt that is empty or that cannot be sent as UTF-8."""
    if not prompt.text.strip():
        raise UsageError("the prompt is empty")
    _check_text("prompt", prompt.text)
    _check_text("system prompt", prompt.system or "")


def _check_text(name: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {name} is not valid Unicode: {text[error.start]!a} at character {error.start}",
            hint="convert it to UTF-8 first, for example with iconv",
        ) from None


def check_options(options: RunOptions) -> None:
    """Raises UsageError for a value that is out of range, or a name that is not text."""
    for name, text in (("category", options.category), *(("tag", tag) for tag in options.tags)):
        _check_text(name, text)
    ranges: tuple[tuple[str, float | None, float, float], ...] = (
        ("threshold", options.threshold, 0, 1),
        ("ensemble size", options.ensemble_size, 1, 100),
        ("cost cap in nano-dollars", options.max_cost_nanousd, 0, 2**63 - 1),
        ("timeout", options.timeout_s, 0.001, 86_400),
        ("limit on tokens", options.max_tokens, 1, float("inf")),
        ("temperature", options.temperature, 0, 2),
    )
    for name, value, least, most in ranges:
        if value is not None and not least <= value <= most:
            bounds = f"at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
            raise UsageError(f"the {name} must be {bounds}, not {value:g}")


def _load(prompt: Prompt, analysis: Analysis) -> Load:
    system = prompt.system or ""
    return Load(
        input_tokens=analysis.input_tokens + estimate_tokens(system),
        input_bound=upper_bound_tokens(prompt.text) + upper_bound_tokens(system) + _MESSAGE_OVERHEAD,
        output_tokens=analysis.output_tokens,
    )


def _priced(prompt: Prompt, decision: Decision, situation: Situation, load: Load) -> Planned:
    def price_call(call: Call) -> CostRange:
        return situation.offers[call.model].cost

    call_costs = {name: offer.cost for name, offer in situation.offers.items()}
    cost = price(decision.plan, price_call)
    return Planned(
        prompt=prompt,
        options=situation.options,
        analysis=situation.analysis,
        load=load,
        plan=decision.plan,
        cost=cost,
        call_costs=call_costs,
        reasons=decision.reasons,
    )


def _metadata(planned: Planned, decisions: list[str], outcome: Outcome | None, *, with_text: bool) -> dict[str, object]:
    analysis = planned.analysis
    metadata: dict[str, object] = {
        "complexity": {"score": analysis.score, "level": analysis.level.value, "features": dict(analysis.features)},
        "task": analysis.task,
        "decisions": decisions,
    }
    if outcome is not None and outcome.panel:
        in_order = sorted(outcome.panel, key=lambda weighed: weighed.index)
        metadata |= {
            "ensemble_size": len(in_order),
            "ensemble_models": [weighed.candidate.model for weighed in in_order],
            "all_confidences": [weighed.candidate.confidence for weighed in in_order],
            "all_scores": [weighed.score for weighed in in_order],
            "agreement": agreement(outcome.panel),
            "consensus": list(consensus(outcome.panel)) if with_text else None,
        }
    return metadata


def _partial_text(error: OrchError) -> str:
    partial = error.partial if isinstance(error, ProviderError) else None
    return "" if partial is None else partial.text
