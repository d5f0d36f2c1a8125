"""What all nodes of one walk share, and the messages about them."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TypeVar

from ...choose.latency import by_speed_s, longest_silence_s
from ...choose.observed import Pace
from ...confidence.asked import Asked
from ...confidence.detector import ConfidenceDetector
from ...confidence.experience import NOTHING, Experience
from ...deferred import dataclass, replace
from ...errors import (
    BudgetError,
    ContextTooLongError,
    Disposition,
    EmptyReplyError,
    IncompleteError,
    OrchError,
    OutcomeUnknownError,
    ProviderError,
)
from ...plan import Accept, Call, Cascade, CostRange, Node, Panel, children, price
from ...plan.compose import Material, insertable
from ...providers.text import is_blank
from ...reading.prompt import Reading
from ...registry.model import Registry
from ..call.allowance import CostShare
from ..call.caller import Caller
from ..call.order import Draft, Order
from ..call.patience import ENDLESS, Patience
from ..events import Note
from .asking import Asker
from .judgement import Judgement
from .outcome import Outcome

T = TypeVar("T")

Given = dict[str, str]  # what steps have given so far, by name, ready to be put into a prompt
_UNPRICED = CostRange(None, None, None)


@dataclass(slots=True)
class Context:
    """One walk over one plan. `decisions` collects, in words, what was decided and why. `experience`: what the user's
    ratings say.

    `costs`: the expected cost of each call. `asked`: what answers are judged against. `best`: the best answer so far of
    a cascade, loop or sequence. `pace`: the measured latencies of models.
    """

    reading: Reading
    order: Order
    registry: Registry
    caller: Caller
    costs: Mapping[Call, CostRange]
    decisions: list[str] = field(default_factory=list)
    detector: ConfidenceDetector = field(default_factory=ConfidenceDetector)
    monotonic: Callable[[], float] = time.monotonic
    pace: Mapping[str, Pace] = field(default_factory=dict)
    best: Outcome | None = None
    experience: Experience = NOTHING
    asked: Asked = field(init=False)
    _shares: dict[int, CostShare] = field(default_factory=dict)  # by the id of the node

    def __post_init__(self) -> None:
        self.asked = Asked(self.reading.parsed)

    @property
    def asker(self) -> Asker:
        """What makes this walk's calls."""
        return Asker(
            self.reading,
            self.asked,
            self.registry,
            self.caller,
            self.detector,
            self.decide,
            with_text=self.order.log_text,
            experience=self.experience,
        )

    def decide(self, text: str, *, loud: bool = False, without_quotes: str | None = None) -> None:
        """Record a decision. `without_quotes` is the same without words of a prompt or an answer, for ledgers that
        store no text."""
        plain = text if without_quotes is None else without_quotes
        self.decisions.append(text if self.order.log_text else plain)
        self.order.observe(Note(text, loud))

    def tell_of(self, error: OrchError, what: str = "", then: str = "", *, loud: bool = True) -> None:
        """Record that something went wrong, and what follows from it."""
        before = f"{what}: " if what else ""
        self.decide(f"{before}{error.message}{then}", loud=loud, without_quotes=f"{before}{error.without_quotes}{then}")

    def limited(self, node: Node, order: Order) -> Order:
        """The order within a node's share of the run's cap and time, if it has one.

        All walks of the node share the money, such as the rounds of a loop; each has the time for itself. A
        call also gets its patience.
        """
        options = order.options
        if node.time_share is not None:
            deadline = self.monotonic() + node.time_share * options.timeout_s
            order = replace(order, deadline=min(order.deadline, deadline))
        if node.budget_share is not None and options.max_cost_nanousd is not None:
            limit = int(node.budget_share * options.max_cost_nanousd)
            share = self._shares.setdefault(id(node), CostShare(limit, holder=called(node)))
            order = replace(order, shares=(*order.shares, share))
        return self._patient(node, order) if isinstance(node, Call) else order

    def _patient(self, call: Call, order: Order) -> Order:
        patience = self._patience(call, order)
        return order if patience is order.patience else replace(order, patience=patience)

    def _patience(self, call: Call, order: Order) -> Patience:
        """The time limits of a call: the user's, or else those of its model if the run can go on without the call. A
        call with a share of the run's time has no others."""
        if order.options.leg_timeout_s is not None:
            patience = Patience(leg_s=order.options.leg_timeout_s)
        elif order.spare and call.time_share is None:
            spec = self.registry.model(call.model)
            patience = Patience(silence_s=longest_silence_s(spec, order.load.output_tokens, self.pace.get(spec.name)))
        else:
            return ENDLESS
        return replace(patience, begin_by=order.begin_by) if order.spare else patience

    def keeping(self, order: Order, after: Iterable[Node] | None = None) -> Order:
        """The order, with time reserved for the nodes in `after`: their expected time, at most half of what is left.
        With None, half: for the nodes that may be asked instead."""
        now = self.monotonic()
        until = min(order.deadline, order.begin_by)
        half = (until - now) / 2
        kept = half if after is None else min(half, math.fsum(map(self._expected_s, after)))
        return replace(order, begin_by=until - kept)

    def _expected_s(self, node: Node) -> float:
        """The expected seconds of a node: of a cascade its first leg, of a loop one round."""
        match node:
            case Call(model=model):
                measured = self.pace.get(model)
                tokens = self.order.load.output_tokens
                by_speed = by_speed_s(self.registry.model(model), tokens, node.max_tokens)
                return by_speed if measured is None else measured.p95_ms / 1000
            case Cascade(legs=legs):
                return self._expected_s(legs[0])
            case Panel(members=members, synthesiser=synthesiser):
                after = 0.0 if synthesiser is None else self._expected_s(synthesiser)
                return max(map(self._expected_s, members)) + after
            case _:
                return math.fsum(self._expected_s(child) for child in children(node) if not child.optional)

    def expected(self, node: Node) -> int | None:
        """The expected cost of a node, in nano-dollars."""
        return price(node, lambda call: self.costs.get(call, _UNPRICED)).expected

    def stops(self, error: OrchError) -> bool:
        """Whether an error ends what could go on to another model: by the run's options, else by its kind."""
        options = self.order.options
        if error.code in options.stop_on:
            return True
        return error.disposition is Disposition.STOP and error.code not in options.next_on

    def went_on(self, error: OrchError, *, last: bool) -> None:
        """Record that a model failed, and whether another one is asked."""
        if isinstance(error, ProviderError) and not (last and self.stops(error)):
            self.tell_of(error, then="" if last else ": going on to the next model", loud=error.loud)
        else:
            self.tell_of(error, loud=False)

    async def in_turn(self, call: Call, order: Order, ask: Callable[[Call, Order], Awaitable[T]]) -> T:
        """What a call gives, asked of its model, and where that fails of those that stand in for it."""
        if not call.stand_ins:
            return await ask(call, order)
        failures: list[OrchError] = []
        names = [call.model, *call.stand_ins]
        while True:
            model = names.pop(0)
            each = replace(call, model=model, stand_ins=tuple(names))
            one = self.keeping(replace(order, spare=True)) if names else order
            try:
                return await ask(each, self._patient(each, one))
            except (ProviderError, BudgetError) as error:
                failures.append(error)
                if not names or was_shown(error) or self.stops(error):
                    raise all_failed(failures) from None
                if isinstance(error, BudgetError):
                    self.tell_of(error, f"left out {model}")
                else:
                    self.went_on(error, last=False)
                if isinstance(error, ContextTooLongError):
                    room = self.room(model)
                    names.sort(key=lambda name: self.room(name) <= room)

    async def answer(self, call: Call, material: Material, order: Order, reserved: Draft | None = None) -> Outcome:
        """A call's judged answer, by the first of its models that gives one."""
        if not call.stand_ins:
            return await self.asker.ask(call, material, order, reserved)
        drafts = [] if reserved is None else [reserved]

        async def ask(each: Call, one: Order) -> Outcome:
            outcome = await self.asker.ask(each, material, one, drafts.pop() if drafts else None)
            completion = outcome.completion
            if each.stand_ins and not completion.tool_calls and is_blank(completion.text):
                problem = f"{each.model} used up the limit on its reply before the first word"
                raise EmptyReplyError(problem, provider=outcome.spec.provider, model=outcome.spec.id)
            return outcome

        return await self.in_turn(call, order, ask)

    async def judge(self, call: Call, material: Material, order: Order) -> tuple[Judgement | None, str, str]:
        """What a model says of `material.answer`: its judgement (None if its reply is none), the issues as text for a
        prompt, and which model it was."""

        async def ask(each: Call, one: Order) -> tuple[Judgement | None, str, str]:
            return *await self.asker.judge(each, material, one), each.model

        return await self.in_turn(call, order, ask)

    def room(self, *models: str) -> int:
        """The context window, in tokens, of the smallest of these models."""
        return min(self.registry.model(name).context_window for name in models)

    def threshold(self, accept: Accept) -> float:
        """The confidence from which an answer is accepted."""
        return self.order.options.threshold if accept.threshold is None else accept.threshold

    def accepts(self, outcome: Outcome, threshold: float) -> bool:
        """Whether an answer is accepted: by agreement or a check if there was one, otherwise by its confidence."""
        name, confidence = outcome.spec.name, outcome.confidence
        if outcome.accepted is not None:
            self.decide(f"{name}'s answer is accepted" if outcome.accepted else f"{name}'s answer is not accepted")
            return outcome.accepted
        if confidence >= threshold:
            self.decide(f"{name} answered with confidence {confidence:.2f} ≥ {threshold:g}: accepted")
            return True
        summary, reasons = f"{name} answered with confidence {confidence:.2f} < {threshold:g}", outcome.verdict.reasons
        self.decide(f"{summary} ({'; '.join(reasons)})" if reasons else summary, without_quotes=summary)
        return False


def given_by(outcome: Outcome) -> str:
    """An answer as it is inserted into another prompt."""
    return insertable(outcome.completion.text, outcome.max_tokens)


def called(node: Node) -> str:
    """The name of a node in messages."""
    if node.name is not None:
        return f"'{node.name}'"
    return f"the call of {node.model}" if isinstance(node, Call) else f"the {type(node).__name__.lower()}"


def broke_off(error: OrchError) -> bool:
    """Whether an error has part of an answer, or some of its reply has been shown."""
    cut = isinstance(error, IncompleteError) and error.partial is not None and bool(error.partial.text)
    return cut or was_shown(error)


def was_shown(error: OrchError) -> bool:
    """Whether some of the failed reply has been shown as the run's answer: nothing can replace it."""
    return isinstance(error, ProviderError) and error.shown


def all_failed(failures: Sequence[OrchError]) -> OrchError:
    """The error to raise when all calls failed: the last one, or the first with a partial answer to show. A budget's
    refusal counts only if every call was refused; then it is the first one's, which would have cost least."""
    if (shown := next(filter(was_shown, failures), None)) is not None:
        return shown
    called = [failure for failure in failures if isinstance(failure, ProviderError)]
    begun = next((failure for failure in called if failure.partial is not None and failure.partial.text), None)
    if begun is not None and isinstance(begun, OutcomeUnknownError):  # it was given up for others, which failed
        return IncompleteError(begun.message, provider=begun.provider, model=begun.model, partial=begun.partial)
    partial = next(filter(broke_off, failures), None)
    return partial or (called[-1] if called else failures[0])
