"""Runs of the engine over recorded outcomes: everything is real but the network.

    prompt ─► Engine.plan ─► Engine.execute ─► a provider that answers from the record ─► ledger in memory ─► Replayed

The registry of a replay has the recorded models and no other. The weak one is rated for basic prompts and the strong
one for all that are harder, so that `cheapest` routes between them by the first cut of the complexity score, whatever
they cost. Others keep what the user's registry rates them for; unknown ones are taken for intermediate.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import field
from datetime import date
from decimal import Decimal
from statistics import fmean
from typing import Self

from ..clock import Clock, local_now
from ..confidence.answers import same_answer
from ..confidence.strength import later_bonus, strength
from ..config import BreakerPolicy, RetryPolicy, RunOptions, Settings, Unfamiliar
from ..deferred import dataclass, replace
from ..errors import OrchError, RequestRejectedError, UsageError
from ..ledger.records import CallStatus
from ..ledger.store import Ledger
from ..money import Price, Rates
from ..plan import Call, Node, Panel, children
from ..providers.base import Capabilities, Health, RateLimitStatus, StreamEvent
from ..reading.complexity import CUTS
from ..registry.model import Chain, ModelSpec, Registry, Scores
from ..registry.records import MAX_TOKENS
from ..registry.unlisted import UNLISTED
from ..run.engine import Engine
from ..types import AcceptRule, Completion, FinishReason, Level, Prompt, Request
from .policies import Policy, Source
from .pricing import RecordedModel, usage_of
from .records import Item
from .selecting import Lineup

CHAIN = "recorded"
_PROVIDER = "openrouter"  # any that needs no more than a name: nothing is ever sent to it
_EXPECTED_FROM = 500  # prompts, spread over all: more would change the mean by little
_NEUTRAL = Scores(0.5, 0.5, 0.5, 0.5)
# A strategy passes over models without a price. Where none is known all have this one, and no cost is reported.
_STAND_IN = Price(date.min, "stand-in", date.min, Rates(Decimal(1), Decimal(1)))


ROUTING, CASCADE, ENSEMBLE = "cheapest", "fallback", "ensemble"
REPLAYABLE = (ROUTING, CASCADE, ENSEMBLE)
LABELS = {ROUTING: "routing", CASCADE: "cascade", ENSEMBLE: "ensemble"}

Progress = Callable[[str, int, int], None]  # what is being done, and how many of how many are


def unwatched(_what: str, _done: int, _of: int) -> None:
    """The progress of a bench that nobody watches."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a run came to: whose answer it gave, which models it called, and with what confidence in each answer.

    `score` is the prompt's complexity.
    `cost_nanousd` is the sum over its calls, None if a model is unpriced; `latency_ms` is None if one was not recorded.
    """

    model: str
    called: tuple[str, ...]
    confidences: Mapping[str, float]
    cost_nanousd: int | None
    latency_ms: int | None
    score: float


@dataclass(slots=True)
class Replay:
    """Replays prompts through the engine, one at a time. A context: its ledger is gone when it is left."""

    settings: Settings
    models: Mapping[str, RecordedModel]
    lineup: Lineup
    clock: Clock = local_now
    expected_output: int = 0
    _item: Item | None = None
    _ledger: Ledger = field(default_factory=Ledger.in_memory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()

    def engine(self, chain: Sequence[str], first_cut: float | None = None) -> Engine:
        """An engine to which `chain` is the chain CHAIN, and basic what scores below `first_cut`, or without one what
        is so by the settings. It routes by the score alone, since there may be no texts for a cascade to go by."""
        specs = {name: self._spec(model) for name, model in self.models.items()}
        cuts = self.settings.complexity.cuts
        if first_cut is not None:
            cuts = (first_cut, *(max(first_cut, cut) for cut in (cuts or CUTS)[1:]))
        return Engine(
            replace(
                self.settings,
                complexity=replace(self.settings.complexity, cuts=cuts, unfamiliar=Unfamiliar.SCORE),
                environ={},
                simulate=True,
                log_text=False,
                on_alert=None,
                retry=RetryPolicy(max_retries=0),
                breaker=BreakerPolicy(failures=0),
                free_tier=(),
            ),
            Registry(specs, {CHAIN: Chain.of(CHAIN, chain)}),
            connect=lambda _: _Recorded(self),
            ledger=self._ledger,
            clock=self.clock,
        )

    @property
    def bonus(self) -> float:
        """The logits that the strong model's answer has over the weak one's where a cascade accepts neither."""
        models = (self.models[self.lineup.weak], self.models[self.lineup.strong])
        scores = [None if model.scores is None else model.scores.reasoning for model in models]
        weak, strong = (strength(model.name, score) for model, score in zip(models, scores, strict=True))
        return later_bonus(weak, strong)

    def expect(self, items: Sequence[Item]) -> None:
        """Sets `expected_output`, the tokens of an answer of which neither text nor length was recorded, to the mean of
        what a plan expects of these prompts."""
        engine = self.engine([self.lineup.weak])
        step = max(1, len(items) // _EXPECTED_FROM)
        plans = [engine.plan(Prompt(item.prompt), RunOptions(chain=CHAIN), shown=False) for item in items[::step]]
        self.expected_output = round(fmean(planned.load.output_tokens for planned in plans))

    async def one(self, engine: Engine, item: Item, options: RunOptions) -> Replayed:
        """One prompt. Raises UsageError, naming the prompt, if it cannot be run."""
        self._item = item
        try:
            planned = engine.plan(Prompt(item.prompt), options, shown=False)
            result = await engine.execute(planned)
        except OrchError as error:
            raise UsageError(f"prompt {item.id}: {error.message}", hint=error.hint) from error
        if result.exception is not None or result.model_used is None:
            raise UsageError(f"prompt {item.id}: {result.exception}")
        called = tuple(call.model for call in result.calls if call.status is CallStatus.COMPLETED)
        priced = all(self.models[name].price is not None for name in called)
        return Replayed(
            model=result.model_used,
            called=called,
            confidences={call.model: call.confidence for call in result.calls if call.confidence is not None},
            cost_nanousd=result.cost_nanousd if priced else None,
            latency_ms=latency_of(planned.plan, {name: item.outcomes[name].latency_ms for name in called}),
            score=planned.analysis.score,
        )

    def completion(self, request: Request) -> Completion:
        """What was recorded of this prompt and model. Raises RequestRejectedError for anything that was not."""
        item = self._item
        outcome = None if item is None else item.outcomes.get(request.model)
        if item is None or outcome is None or [turn.content for turn in request.messages] != [item.prompt]:
            problem = f"no answer of {request.model} was recorded to what it is asked here"
            raise RequestRejectedError(problem, provider=_PROVIDER, model=request.model)
        usage, _ = usage_of(item, outcome, self.expected_output)
        return Completion(outcome.text or "", FinishReason.STOP, usage, outcome.latency_ms or 0, request.model)

    def _spec(self, model: RecordedModel) -> ModelSpec:
        easy, *hard = Level
        return ModelSpec(
            name=model.name,
            provider=_PROVIDER,
            id=model.name,
            prices=(model.price or _STAND_IN,),
            context_window=MAX_TOKENS,
            output_limit=MAX_TOKENS,
            levels={self.lineup.weak: (easy,), self.lineup.strong: tuple(hard)}.get(
                model.name, model.levels or (Level.INTERMEDIATE,)
            ),
            scores=model.scores or _NEUTRAL,
            tags=frozenset() if model.scores else frozenset({UNLISTED}),
        )


@dataclass(frozen=True, slots=True)
class Passes:
    """Replays all prompts of a set, a strategy at a threshold at a time. `name` is the set's, for whoever watches."""

    name: str
    items: Sequence[Item]
    replay: Replay
    progress: Progress = unwatched

    async def routing(self, cut: float | None = None, saving: float | None = None) -> tuple[Policy, list[float]]:
        """`cheapest` with its first cut there, or for that saving, or as it is by the settings; with the complexity
        scores of the prompts."""
        options = RunOptions(strategy=ROUTING, chain=CHAIN, saving=saving)
        label = LABELS[ROUTING] if saving is None else f"saving {saving:g}"
        replayed = await self._replay(label if cut is None else f"{label} {cut:g}", self._engine(cut), options)
        return self._policy(ROUTING, cut, replayed, label), [each.score for each in replayed]

    async def cascade(self, threshold: float) -> Policy:
        """`fallback` from the weak model to the strong one."""
        options = RunOptions(strategy=CASCADE, chain=CHAIN, threshold=threshold)
        return self._policy(CASCADE, threshold, await self._replay(f"cascade {threshold:g}", self._engine(), options))

    async def ensemble(self) -> tuple[Policy, dict[str, list[float]]]:
        """`ensemble` of all models that are looked at; with the confidence in each of their answers."""
        models = self.replay.lineup.models
        options = RunOptions(strategy=ENSEMBLE, chain=CHAIN, models=models, ensemble_size=len(models))
        replayed = await self._replay("ensemble", self._engine(), options)
        return self._policy(ENSEMBLE, None, replayed), {
            model: [each.confidences[model] for each in replayed] for model in models
        }

    async def agreeing(self) -> Policy:
        """`fallback --accept agreement` over all models, the strong one last."""
        lineup = self.replay.lineup
        chain = [*(model for model in lineup.models if model != lineup.strong), lineup.strong]
        options = RunOptions(strategy=CASCADE, chain=CHAIN, accept=AcceptRule.AGREEMENT)
        replayed = await self._replay("agreement", self.replay.engine(chain), options)
        return self._policy(CASCADE, None, replayed, "agreement")

    def agreement(self) -> list[float]:
        """How far the two models' answers to each prompt are the same, 0 to 1."""
        weak, strong = self.replay.lineup.weak, self.replay.lineup.strong
        return [
            same_answer(item.outcomes[weak].text or "", item.outcomes[strong].text or "", item.prompt)
            for item in self.items
        ]

    async def confidences(self, model: str) -> list[float]:
        """How far each answer of a model is trusted, when it is asked alone."""
        engine = self.replay.engine([model])
        options = RunOptions(strategy=CASCADE, chain=CHAIN)
        return [each.confidences[model] for each in await self._replay(f"confidence in {model}", engine, options)]

    def _engine(self, first_cut: float | None = None) -> Engine:
        return self.replay.engine([self.replay.lineup.weak, self.replay.lineup.strong], first_cut)

    def _policy(
        self, strategy: str, threshold: float | None, replayed: Sequence[Replayed], label: str | None = None
    ) -> Policy:
        label, lineup = label or LABELS[strategy], self.replay.lineup
        costs = [each.cost_nanousd for each in replayed if each.cost_nanousd is not None]
        latencies = [each.latency_ms for each in replayed if each.latency_ms is not None]
        return Policy(
            name=label if threshold is None else f"{label} {threshold:g}",
            source=Source.ENGINE,
            quality=[item.outcomes[each.model].score for item, each in zip(self.items, replayed, strict=True)],
            strong=[float(lineup.strong in each.called) for each in replayed],
            cost=costs if len(costs) == len(replayed) else None,
            latency=latencies if len(latencies) == len(replayed) else None,
            strategy=strategy,
            threshold=threshold,
            of_pair=all({lineup.weak, lineup.strong}.issuperset(each.called) for each in replayed),
        )

    async def _replay(self, what: str, engine: Engine, options: RunOptions) -> list[Replayed]:
        replayed = []
        for done, item in enumerate(self.items):
            self.progress(f"{self.name}: {what}", done, len(self.items))
            replayed.append(await self.replay.one(engine, item, options))
        return replayed


def latency_of(node: Node, latencies: Mapping[str, int | None]) -> int | None:
    """How long a plan takes whose calls took so many milliseconds each; models that it did not call are left out."""
    if isinstance(node, Call):
        return latencies.get(node.model, 0)
    below = [latency_of(child, latencies) for child in children(node)]
    known = [latency for latency in below if latency is not None]
    if len(known) < len(below):
        return None
    return max(known) if isinstance(node, Panel) else sum(known)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A provider that answers from the record, at once."""

    replay: Replay
    name: str = _PROVIDER

    async def complete(self, request: Request) -> Completion:
        return self.replay.completion(request)

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        yield self.replay.completion(request)

    async def count_input(self, request: Request) -> int | None:
        return None

    def capabilities(self) -> Capabilities:
        return Capabilities(streaming=True, tools=False, json_schema=False, logprobs=False, stop=False)

    async def health_check(self) -> Health:
        return Health(True, 0, "recorded")

    def rate_limit_status(self) -> RateLimitStatus:
        return RateLimitStatus()

    async def aclose(self) -> None:
        return None
