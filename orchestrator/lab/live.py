"""Asking real models: the answers of models and plans to prompts, graded, and kept as recorded outcomes.

Each way to answer is a plan that the engine runs as it runs any other, with everything that belongs to it: budgets,
limits, retries, and rows in the ledger. Where a judge grades, its check is the end of the plan: it sees prompt and
answer between fences, and replies with a score by a schema; nothing but that reply counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import field

from ..choose.making import Planned
from ..confidence.answers import AGREES_FROM, same_answer
from ..config import RunOptions, Settings
from ..deferred import dataclass, replace
from ..errors import BudgetError, LedgerError, OrchError, UsageError
from ..ledger.records import CallRecord, CallStatus
from ..plan import Call, Check, Loop, Node
from ..providers.base import Provider
from ..registry.model import Chain, Registry
from ..run.engine import Engine
from ..run.events import Event, TextArrived
from ..run.many import Bounds, Many, ManyResult, ToAsk
from ..run.result import OrchestrationResult
from ..run.spending import SpendingLimit
from ..run.walk.judgement import read_judgement
from ..types import Completion, FinishReason, Prompt, digest_of
from .records import Asked, Item, RecordedOutcome
from .replay import Progress, unwatched
from .writing import RecordFile

CATEGORY = "bench"
BY_EXPECTED = "the expected answer"
_JUDGE = "bench-judge"  # the step of a plan that grades
_PREFIX = "bench:"
_AT_ONCE = 4  # prompts


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Who is asked, who judges, and for how much. `run` has what all runs have in common: limits and time."""

    models: tuple[str, ...]
    plans: tuple[str, ...] = ()
    judge: str | None = None
    max_cost_nanousd: int | None = None
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(slots=True)
class Gathered:
    """What came of it: outcomes that were added, runs that gave none and why, and the money. `stopped` is what ended it
    before all prompts were asked."""

    outcomes: int = 0
    failures: list[str] = field(default_factory=list)
    spent_nanousd: int = 0
    judging_nanousd: int = 0
    stopped: OrchError | None = None


@dataclass(slots=True)
class Gathering:
    """Asks prompts that a file has not all the outcomes of. What is gathered is in the file as soon as it is there.

    `connect` is the engine's.
    """

    settings: Settings
    registry: Registry
    options: LiveOptions
    file: RecordFile
    progress: Progress = unwatched
    connect: Callable[[str], Provider] | None = None
    engine: Engine = field(init=False)
    gathered: Gathered = field(default_factory=Gathered)
    _chains: dict[str, Chain] = field(init=False)

    def __post_init__(self) -> None:
        self._chains = self._plans()
        self.engine = Engine(self.settings, replace(self.registry, chains=self._chains), connect=self.connect)

    async def gather(self, prompts: Sequence[Asked]) -> Gathered:
        """Ask what is missing, some prompts at a time. Raises an OrchError if the first prompt could not be asked,
        and UsageError if the file can take no more."""
        for asked in prompts:
            self._check(asked)
        waiting = [asked for asked in prompts if self._missing(asked)]
        for way in self._missing(waiting[0]) if waiting else ():
            self._plan(waiting[0], way)
        money = SpendingLimit(self.options.max_cost_nanousd, whole=True)
        bounds = Bounds(concurrency=_AT_ONCE * len(self._ways))
        asking = Many(self.engine, self._questions(waiting, len(prompts)), self.options.run, bounds, money)
        gathered: dict[str, dict[_Way, RecordedOutcome]] = {}
        left = {asked.id: len(self._missing(asked)) for asked in waiting}
        try:
            async with aclosing(aiter(asking)) as results:
                async for each in results:
                    question: _Question = each.question.mark
                    self._take(question, each, gathered.setdefault(question.asked.id, {}))
                    left[question.asked.id] -= 1
                    if not left[question.asked.id]:
                        self._keep(question.asked, gathered.pop(question.asked.id))
        finally:  # what has come by the time of an interrupt is kept
            self.gathered.spent_nanousd = money.spent_nanousd
            by_id = {asked.id: asked for asked in waiting}
            for name, outcomes in gathered.items():
                self._keep(by_id[name], outcomes)
        return self.gathered

    def _questions(self, waiting: Sequence[Asked], of: int) -> Iterator[ToAsk]:
        """What is missing of each prompt, with its plan."""
        done = of - len(waiting)
        for asked in waiting:
            self.progress("asking", done, of)
            done += 1
            for way in self._missing(asked):
                if self.gathered.stopped is not None:
                    return
                mark = _Question(asked, way)
                try:
                    planned = self._plan(asked, way)
                    if planned.cost.maximum is None and self.options.max_cost_nanousd is not None:
                        raise BudgetError(
                            f"{way.name} or the judge has no known price, so no budget can hold it",
                            hint="give it a price in your models.yaml",
                        )
                except (BudgetError, LedgerError) as error:  # they would meet every further run too
                    self.gathered.stopped = error
                    return
                except OrchError as error:
                    self.gathered.failures.append(f"{asked.id}, {way.name}: {error.message}")
                    continue
                yield ToAsk(planned.prompt, planned=planned, observe=mark.heard, mark=mark)

    def _take(self, question: _Question, each: ManyResult, outcomes: dict[_Way, RecordedOutcome]) -> None:
        """What came of one way to answer a prompt: graded, or why there is nothing."""
        result, error = each.result, each.error
        if not each.asked:
            self.gathered.stopped = self.gathered.stopped or error
            return
        self.gathered.judging_nanousd += sum(call.cost_nanousd or 0 for call in result.calls if call.step == _JUDGE)
        if isinstance(error, LedgerError):
            self.gathered.stopped = self.gathered.stopped or error
            return
        try:
            if error is not None:
                raise error
            outcomes[question.way] = self._graded(question.asked, result, question.heard, is_plan=question.way.is_plan)
        except OrchError as failure:
            self.gathered.failures.append(f"{question.asked.id}, {question.way.name}: {failure.message}")

    def _graded(self, asked: Asked, result: OrchestrationResult, heard: _Heard, *, is_plan: bool) -> RecordedOutcome:
        judging = [call for call in result.calls if call.step == _JUDGE]
        answering = [call for call in result.calls if call.step != _JUDGE]
        if asked.expected is not None:
            score: float | None = float(same_answer(result.response, asked.expected, asked.prompt) >= AGREES_FROM)
        else:
            score = heard.score(judging)
        if score is None:
            raise OrchError(_no_verdict(self.options.judge, judging))
        costs = [call.cost_nanousd for call in answering]
        answer = _answer_of(answering, result.response)
        return RecordedOutcome(
            score=score,
            text=result.response,
            input_tokens=sum(call.input_tokens for call in answering) if is_plan else answer.input_tokens,
            output_tokens=sum(call.output_tokens for call in answering) if is_plan else answer.output_tokens,
            latency_ms=_elapsed_ms(answering) if is_plan else answer.latency_ms,
            cost_nanousd=sum(cost or 0 for cost in costs) if is_plan and None not in costs else None,
            graded_by=self.options.judge if asked.expected is None else BY_EXPECTED,
        )

    def _plan(self, asked: Asked, way: _Way) -> Planned:
        chain = f"{_PREFIX}{'' if asked.expected is None else 'ungraded:'}{way.name}"
        common, prompt = replace(self.options.run, stream=True, category=CATEGORY), Prompt(asked.prompt)
        if not way.is_plan or way.name in self.registry.chains:
            return self.engine.plan(prompt, replace(common, strategy="fallback", chain=chain))
        decided = self.engine.plan(prompt, replace(common, strategy=way.name))
        if asked.expected is not None:
            return decided
        if decided.ring is not None:  # the plan is made again when it takes its turn
            hint = "give the prompts an expected answer, or bench the models that take turns"
            raise UsageError(f"{way.name} takes turns, and a judge cannot grade what is not decided yet", hint=hint)
        # What a strategy decides is known only now. It stays what is carried out: a turn that it takes, its decisions.
        self._chains[chain] = Chain(chain, self._graded_by_judge(decided.plan))
        graded = self.engine.plan(prompt, replace(common, strategy="fallback", chain=chain))
        return replace(decided, plan=graded.plan, cost=graded.cost, costs=graded.costs)

    def _plans(self) -> dict[str, Chain]:
        """A plan for each way, and one with the judge's check at its end."""
        chains = dict(self.registry.chains)
        for way in self._ways:
            if way.is_plan and way.name not in self.registry.chains:
                continue  # a strategy: it decides for each prompt
            body = self.registry.chain(way.name).plan if way.is_plan else Call(self.registry.model(way.name).name)
            chains[f"{_PREFIX}ungraded:{way.name}"] = Chain(f"{_PREFIX}ungraded:{way.name}", body)
            if self.options.judge is not None:
                chains[f"{_PREFIX}{way.name}"] = Chain(f"{_PREFIX}{way.name}", self._graded_by_judge(body))
        return chains

    def _graded_by_judge(self, body: Node) -> Loop:
        assert self.options.judge is not None
        judge = self.registry.model(self.options.judge).name
        return Loop(
            body, Check(Call(judge, name=_JUDGE), score=0.0), max_rounds=1
        )  # whatever it says, the answer stays

    @property
    def _ways(self) -> list[_Way]:
        models = [_Way(name, is_plan=False) for name in self.options.models]
        return models + [_Way(name, is_plan=True) for name in self.options.plans]

    def _missing(self, asked: Asked) -> list[_Way]:
        item = self.file.items.get(asked.id)
        return [
            way for way in self._ways if item is None or way.name not in (item.plans if way.is_plan else item.outcomes)
        ]

    def _check(self, asked: Asked) -> None:
        if asked.expected is None and self.options.judge is None:
            raise UsageError(
                f"the prompt {asked.id} has no expected answer, so a judge must grade what is answered",
                hint='name a model with --judge, or give each prompt an "expected" answer',
            )
        item = self.file.items.get(asked.id)
        if item is not None and item.prompt != asked.prompt:
            raise UsageError(f"{self.file.path} has another prompt under the id {asked.id!r}")
        if item is not None and item.simulated != self.settings.simulate:
            raise UsageError(
                f"{self.file.path} holds {'simulated' if item.simulated else 'real'} answers",
                hint="write simulated and real answers to files of their own",
            )

    def _keep(self, asked: Asked, gathered: Mapping[_Way, RecordedOutcome]) -> None:
        if not gathered:
            return
        item = self.file.items.get(asked.id)
        item = item or Item(asked.id, asked.task, asked.prompt, {}, simulated=self.settings.simulate)
        models = {way.name: outcome for way, outcome in gathered.items() if not way.is_plan}
        plans = {way.name: outcome for way, outcome in gathered.items() if way.is_plan}
        self.file.put(replace(item, outcomes={**item.outcomes, **models}, plans={**item.plans, **plans}))
        self.gathered.outcomes += len(gathered)


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to answer: a model alone, or a plan of the registry or what a strategy decides on."""

    name: str
    is_plan: bool


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the calls of a run wrote, as it came: the ledger may be told to keep no text."""

    texts: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        if isinstance(event, TextArrived):
            self.texts.setdefault(event.call_id, []).append(event.text)

    def score(self, judging: Sequence[CallRecord]) -> float | None:
        """What the judge's last reply gives the answer; None if it is no verdict."""
        for call in reversed(judging):
            if call.status is CallStatus.COMPLETED and call.finish_reason is not None:
                text = "".join(self.texts.get(call.call_id, ()))
                judgement = read_judgement(Completion(text, FinishReason(call.finish_reason), None, 0, call.model))
                return None if judgement is None else judgement.score
        return None


@dataclass(frozen=True, slots=True)
class _Question:
    """A prompt that is answered in one way."""

    asked: Asked
    way: _Way
    heard: _Heard = field(default_factory=_Heard)


def _no_verdict(judge: str | None, judging: Sequence[CallRecord]) -> str:
    """Why there is no score: what the judge said, or that it could not be asked."""
    if any(call.status is CallStatus.COMPLETED for call in judging):
        return f"{judge}'s reply is no verdict"
    problem = judging[-1].error_message if judging else None
    return f"the call of {judge}, the judge, failed{f': {problem}' if problem else ''}"


def _answer_of(calls: Sequence[CallRecord], response: str) -> CallRecord:
    """The call whose answer was given."""
    digest = digest_of(response)
    completed = [call for call in calls if call.status is CallStatus.COMPLETED]
    return next((call for call in reversed(completed) if call.response_sha256 == digest), completed[-1])


def _elapsed_ms(calls: Sequence[CallRecord]) -> int | None:
    starts = [call.sent_at for call in calls if call.sent_at is not None]
    ends = [call.ended_at for call in calls if call.ended_at is not None]
    return round(1000 * (max(ends) - min(starts)).total_seconds()) if starts and ends else None
