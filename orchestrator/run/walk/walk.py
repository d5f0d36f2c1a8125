"""Walks the tree of a plan.

A call gives an outcome, of its model or of one that stands in for it, or raises. A cascade goes on from an error that
calls for it, and from an answer that is not accepted; where none is, the best answer seen is the outcome, for which a
better model's counts more. A panel runs its members at the same time and fails only if all of them do. A sequence
stops at a step that fails, unless it is optional. A loop ends when its check is passed, cannot be made, or the rounds
are used up.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ...confidence.strength import stands_above
from ...deferred import dataclass, replace
from ...errors import (
    BudgetError,
    ContextTooLongError,
    DeadlineError,
    Disposition,
    IncompleteError,
    LedgerError,
    OrchError,
    OutcomeUnknownError,
    ProviderError,
)
from ...plan import LOGPROBS, Accept, Call, Cascade, Check, Loop, Node, Panel, Sequence, calls, children
from ...plan.compose import Material
from ...types import AcceptRule
from ..call.order import Draft, Order
from .context import Context, Given, all_failed, broke_off, called, given_by, was_shown
from .evidence import examined, self_checked
from .outcome import Outcome, opinion


@dataclass(slots=True)
class Execution(Context):
    """One walk over one plan."""

    async def run(self, plan: Node) -> Outcome:
        """The plan's outcome. Raises the error that it ended in, or IncompleteError with what there is by then."""
        try:
            outcome = await self._walk(plan, {}, self.order)
            return await examined(self, Accept(), outcome, self.order)
        except (ProviderError, BudgetError) as error:
            if self.best is None or broke_off(error):
                raise
            problem = f"{error.message}: the plan stopped here, and what it had come to by then is given"
            partial = self.best.completion
            raise IncompleteError(problem, provider=None, hint=error.hint, partial=partial) from error

    def _walk(self, node: Node, given: Given, order: Order) -> Coroutine[Any, Any, Outcome]:
        """A node's outcome; `given` grows by what it and those below it give."""
        return self._carry_out(node, given, order, self.limited(node, order))

    async def _carry_out(
        self, node: Node, given: Given, outer: Order, order: Order, reserved: Draft | None = None
    ) -> Outcome:
        try:
            match node:
                case Call():
                    outcome = await self.answer(node, Material(given), order, reserved)
                case Cascade():
                    outcome = await self._cascade(node, given, order)
                case Panel():
                    from .panel import run_panel  # heavy

                    outcome = await run_panel(self, node, given, order, self._carry_out)
                case Sequence():
                    outcome = await self._sequence(node, given, order)
                case Loop():
                    outcome = await self._loop(node, given, order)
        except (DeadlineError, IncompleteError) as error:
            if self._ran_out_of_share(error, outer, order):
                raise _out_of_share(node, error) from error
            raise
        if node.name is not None:
            given[node.name] = given_by(outcome)
        return outcome

    async def _cascade(self, node: Cascade, given: Given, order: Order) -> Outcome:
        seen: Outcome | None = None
        failures: list[OrchError] = []
        answers: list[Outcome] = []
        fresh: dict[str, dict[str, str]] = {}  # of the legs whose answers were not accepted, by their calls
        threshold = self.threshold(node.accept)
        logprobs = LOGPROBS in node.accept.signals
        legs = list(node.legs)
        while legs:
            leg, before = legs.pop(0), self.best
            # The last one's answer is the cascade's, accepted or not, where there is no other.
            shown, spare = (False, True) if legs else (order.shown and seen is None, order.spare or seen is not None)
            one = replace(order, final=False, logprobs=logprobs, shown=shown, spare=spare, fresh={})
            if legs:
                one = self.keeping(one)
            try:
                outcome = await self._walk(leg, given, one)
                if order.final:
                    outcome = await examined(self, node.accept, outcome, replace(order, fresh=one.fresh))
                if legs:  # of the last leg nobody decides any more
                    outcome = await self_checked(self, node.accept, outcome, given, one)
            except OrchError as error:
                failures.append(error)
                self.best = seen or before
                if self._ends_with(error, leg, legs, is_needed=seen is None):
                    break
                continue
            if self.accepts(outcome, threshold):
                order.fresh.update(one.fresh)
                return outcome
            fresh[outcome.call_id] = one.fresh
            same = self._borne_out(answers, outcome)
            answers.append(outcome)
            if same is not None and same.confidence > outcome.confidence:
                self.decide(f"{outcome.spec.name} answers the same as {same.spec.name}")
                await self.asker.keep(same)
                if self.accepts(same, threshold):
                    order.fresh.update(fresh.get(same.call_id, {}) | one.fresh)
                    return same
                outcome = same
            if seen is None or stands_above(outcome.verdict, seen.verdict):
                seen = outcome
            self.best = seen
        if seen is None:
            raise all_failed(failures)
        self.decide(f"no answer reached {threshold:g}: the best seen is {seen.spec.name}'s")
        return seen

    def _ends_with(self, error: OrchError, leg: Node, legs: list[Node], *, is_needed: bool) -> bool:
        """Whether a cascade ends with a leg that failed: `legs` are those after it, in the order that they have from
        now on; the leg `is_needed` if there is no answer yet. Raises the error if it is the run's."""
        if was_shown(error) or (not isinstance(error, ProviderError) and error.disposition is Disposition.STOP):
            raise error
        stop = self.stops(error) and not leg.optional
        if isinstance(error, BudgetError) and (legs or not is_needed):  # else it is the run's error
            self.tell_of(error, f"left out {called(leg)}")
        else:
            self.went_on(error, last=stop or not legs)
        if isinstance(error, ContextTooLongError) and not stop:
            room = self._room_of(leg)
            legs.sort(key=lambda other: self._room_of(other) <= room)
        return stop

    def _borne_out(self, earlier: list[Outcome], outcome: Outcome) -> Outcome | None:
        """The earlier answer of a cascade that this one says again, with that as evidence for it, if there is one."""
        if not earlier:
            return None
        from .reducing import borne_out  # heavy

        return borne_out(earlier, outcome, self.asked.wanted, self.detector)

    async def _sequence(self, node: Sequence, given: Given, order: Order) -> Outcome:
        last: Outcome | None = None
        answer: Outcome | None = None
        failures: list[OrchError] = []
        for position, step in enumerate(node.steps, start=1):
            answers = step.name == node.answer if node.answer is not None else position == len(node.steps)
            closing = answers and position == len(node.steps)
            inner = replace(
                order,
                final=order.final and closing,
                answers=order.answers and answers,
                shown=order.shown and closing,
                spare=order.spare or step.optional,
            )
            before = self.best
            following = [later for later in node.steps[position:] if not later.optional]
            try:
                last = await self._walk(step, given, self.keeping(inner, following))
            except OrchError as error:
                if isinstance(error, ProviderError) and not answers:
                    error.partial = None  # a piece of this step would be no piece of the answer
                if not step.optional or isinstance(error, LedgerError) or broke_off(error):
                    raise
                failures.append(error)
                self.best = before
                self.tell_of(error, f"left out {called(step)}")
                continue
            if node.answer is not None and node.answer == step.name:
                answer = last
            # What the plan could do without prepares an answer, and never stands for one.
            self.best = before if step.optional and not answers else answer or last
        outcome = answer or last
        if outcome is None:
            raise all_failed(failures)
        return outcome

    async def _loop(self, node: Loop, given: Given, order: Order) -> Outcome:
        kept: Outcome | None = None
        inner = replace(order, final=False, shown=order.shown and node.max_rounds == 1, fresh={})
        for number in range(1, node.max_rounds + 1):
            if node.max_rounds > 1:
                self.decide(f"{called(node)}: round {number} of at most {node.max_rounds}")
            one = self.keeping(replace(inner, spare=order.spare or kept is not None), children(node)[1:])
            try:
                outcome = await self._walk(node.body, given, one)
            except (ProviderError, BudgetError) as error:
                if kept is None:
                    raise
                self.tell_of(error, f"round {number} failed")
                return kept
            outcome = await self._judged(node.until, outcome, given, inner)
            if kept is None or outcome.accepted or outcome.confidence >= kept.confidence:
                kept = self.best = outcome
            if outcome.accepted is not False:
                order.fresh.update(inner.fresh)  # with what led to it
                return outcome
        assert kept is not None, "a loop has a round at least"
        self.decide(f"{called(node)} did not pass: the best of its rounds is {kept.spec.name}'s")
        return kept

    async def _judged(self, until: Check | Accept, outcome: Outcome, given: Given, order: Order) -> Outcome:
        """The outcome of a round with what its check said. `accepted` stays None where nothing could be said."""
        if isinstance(until, Check):
            return await self._checked(until, outcome, given, order)
        if until.rule is AcceptRule.CONFIDENCE:
            outcome = replace(outcome, accepted=None)
        if outcome.accepted is None:  # by agreement: there was one voice only, which goes by its confidence
            outcome = replace(outcome, accepted=self.accepts(outcome, self.threshold(until)))
        return outcome

    async def _checked(self, check: Check, outcome: Outcome, given: Given, order: Order) -> Outcome:
        call = check.call
        material = Material(given, answer=given_by(outcome))
        try:
            order = self.limited(call, replace(order, spare=True))
            judgement, issues, judge = await self.judge(call, material, order)
        except (ProviderError, BudgetError) as error:
            self.tell_of(error, "the answer is not checked")
            return replace(outcome, accepted=None)
        if call.name is not None:
            given[call.name] = issues
        if judgement is None:
            self.decide(f"{judge}'s reply is no verdict: the check is not passed", loud=True)
            return replace(outcome, accepted=False)
        passed, count = judgement.score >= check.score, len(judgement.issues)
        compared = f"{judgement.score:.2f} {'≥' if passed else '<'} {check.score:g}"
        reason = f"{judge} gives it {compared}, with {count} issue{'' if count == 1 else 's'}"
        self.decide(f"{outcome.spec.name}'s answer: {reason}")
        outcome = replace(
            outcome.with_evidence(opinion("check", judgement.score, reason), self.detector), accepted=passed
        )
        await self.asker.keep(outcome)
        return outcome

    def _ran_out_of_share(self, error: ProviderError, outer: Order, order: Order) -> bool:
        """Whether a node's own time is up, and the run's is not. An answer of which some has been shown stays one."""
        up = isinstance(error, DeadlineError) or (not order.shown and self.monotonic() >= order.deadline)
        return up and self.monotonic() < outer.deadline

    def _room_of(self, node: Node) -> int:
        return self.room(*(call.model for call in calls(node)))


def _out_of_share(node: Node, error: ProviderError) -> ProviderError:
    """A node's own time is up, not the run's: what comes after it may go on."""
    return OutcomeUnknownError(
        f"{called(node)} did not finish within its share of the run's time",
        provider=error.provider,
        model=error.model,
        billed=error.billed,
        partial=error.partial,
    )
