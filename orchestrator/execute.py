"""Walks a plan. This is the only place that does.

A call gives an outcome or raises. A cascade goes on from an error that calls for it, and from an answer that is not
trusted enough; when its last leg is no better, the best answer seen is the outcome. A panel runs its members at the
same time and weighs what came of them; it fails only if all of them do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .calling.caller import Caller, Draft, Order
from .confidence.detector import ConfidenceDetector
from .confidence.synthesis import Candidate, Weighed, capability, weigh
from .errors import BudgetError, Disposition, IncompleteError, OrchError, ProviderError
from .events import Note
from .ledger.store import Ledger
from .plan import Call, Cascade, CostRange, Node, Panel
from .quote import output_limit
from .registry.model import ModelSpec, Registry
from .types import Completion, FinishReason, Message, Prompt, Request, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, which model gave it, and how far it can be trusted. `panel` is set where several were weighed."""

    completion: Completion
    spec: ModelSpec
    verdict: Verdict
    panel: tuple[Weighed, ...] = ()


@dataclass(slots=True)
class Execution:
    """One walk over one plan. `decisions` grows as it goes: what was decided, and why, in words.

    `call_costs` has what each model is expected to cost. `best` is the best answer that a cascade has put by so far.
    """

    prompt: Prompt
    order: Order
    registry: Registry
    caller: Caller
    ledger: Ledger
    call_costs: Mapping[str, CostRange]
    decisions: list[str] = field(default_factory=list)
    detector: ConfidenceDetector = field(default_factory=ConfidenceDetector)
    best: Outcome | None = None

    async def run(self, node: Node, *, order: Order | None = None) -> Outcome:
        """The plan's outcome. Raises the error that it ended in."""
        order = order or self.order
        match node:
            case Call():
                return await self._call(node, order)
            case Cascade():
                return await self._cascade(node, order)
            case Panel():
                return await self._panel(node, order)

    async def _call(self, node: Call, order: Order, reserved: Draft | None = None) -> Outcome:
        spec = self.registry.model(node.model)
        request = self._request(spec, order) if reserved is None else reserved.request
        answered = await self.caller.call(spec, request, order, step=node.name, reserved=reserved)
        completion = answered.completion
        verdict = self.detector.assess(completion.text, self.prompt.text, finish_reason=self._unasked_end(completion))
        kept = json.dumps({"signals": dict(verdict.signals), "reasons": list(verdict.reasons)})
        await self.caller.judge(answered.record.call_id, verdict.confidence, kept)
        if completion.finish_reason is FinishReason.LENGTH:
            self._decide(f"{spec.name}'s answer was cut off at its output limit", loud=True)
        return Outcome(completion, spec, verdict)

    def _unasked_end(self, completion: Completion) -> FinishReason | None:
        """Why the answer ended, as far as it speaks against it: a limit that the user set would cut any model's."""
        asked_for = completion.finish_reason is FinishReason.LENGTH and self.order.options.max_tokens is not None
        return None if asked_for else completion.finish_reason

    async def _cascade(self, node: Cascade, order: Order) -> Outcome:
        best: Outcome | None = None
        failures: list[OrchError] = []
        for position, leg in enumerate(node.legs, start=1):
            try:
                outcome = await self.run(leg, order=order)
            except ProviderError as error:
                failures.append(error)
                if error.disposition is Disposition.STOP:
                    self._decide(error.message)
                    break
                self._went_on(error, last=position == len(node.legs))
                continue
            except OrchError as error:
                failures.append(error)
                if error.disposition is Disposition.STOP:
                    raise
                self._decide(error.message)
                continue
            confidence, name = outcome.verdict.confidence, outcome.spec.name
            if confidence >= node.threshold:
                self._decide(f"{name} answered with confidence {confidence:.2f} ≥ {node.threshold:g}: accepted")
                return outcome
            self._decide(f"{name} answered with confidence {confidence:.2f} < {node.threshold:g}{_why(outcome)}")
            if best is None or confidence > best.verdict.confidence:
                best = self.best = outcome
        if best is None:
            raise _all_failed(failures)
        self._decide(f"no answer reached {node.threshold:g}: the best seen is {best.spec.name}'s")
        return best

    async def _panel(self, node: Panel, order: Order) -> Outcome:
        drafts = await self._reserve_together(node, order)
        runs = [
            self._call(member, order, drafts[member]) if isinstance(member, Call) else self.run(member, order=order)
            for member in node.members
            if not isinstance(member, Call) or member in drafts
        ]
        members = await asyncio.gather(*runs, return_exceptions=True)
        outcomes = [member for member in members if isinstance(member, Outcome)]
        failures = [member for member in members if isinstance(member, OrchError)]
        for member in members:
            if isinstance(member, BaseException) and not isinstance(member, OrchError):
                raise member
        for failure in failures:
            self._decide(f"a member failed: {failure.message}", loud=True)
        if not outcomes:
            raise _all_failed(failures)
        weighed = weigh([_candidate(outcome) for outcome in outcomes])
        winner = outcomes[weighed[0].index]
        parts = ", ".join(f"{name} {value:.2f}" for name, value in weighed[0].parts.items())
        self._decide(f"{winner.spec.name}'s answer weighs most: {weighed[0].score:.2f} = {parts}")
        return replace(winner, panel=weighed)

    async def _reserve_together(self, node: Panel, order: Order) -> dict[Call, Draft]:
        """The panel's calls, reserved in one step. Where they do not all fit, the dearest are left out, one by one."""
        drafts: dict[Call, Draft] = {}
        members = [member for member in node.members if isinstance(member, Call)]
        for member, share in zip(members, self._shares(members, order), strict=True):
            spec = self.registry.model(member.model)
            drafts[member] = await self.caller.draft(spec, self._request(spec, share), share, step=member.name)
        while drafts:
            try:
                await self.caller.reserve(list(drafts.values()))
            except BudgetError as error:
                dearest = max(drafts, key=lambda call: drafts[call].record.reserved_nanousd or 0)
                del drafts[dearest]
                if not drafts and len(members) == len(node.members):
                    raise
                self._decide(f"left out {dearest.model}: {error.message}", loud=True)
            else:
                break
        return drafts

    def _shares(self, members: Sequence[Call], order: Order) -> list[Order]:
        """The run's cap divided among calls at the same time, by what each of them is expected to cost."""
        cap = order.options.max_cost_nanousd
        if cap is None:
            return [order] * len(members)
        expected = [self.call_costs[member.model].expected or 0 for member in members]
        total = sum(expected) or 1
        return [replace(order, allowance_nanousd=cap * cost // total) for cost in expected]

    def _request(self, spec: ModelSpec, order: Order) -> Request:
        temperature = order.options.temperature
        if temperature is not None and "temperature" not in spec.supports:
            self._decide(f"{spec.name} takes no temperature: left out", loud=True)
            temperature = None
        return Request(
            model=spec.id,
            messages=(Message("user", self.prompt.text),),
            max_tokens=max(output_limit(spec, order.load, order.options.max_tokens), 1),
            system=self.prompt.system,
            temperature=temperature,
        )

    def _went_on(self, error: ProviderError, *, last: bool) -> None:
        self._decide(f"{error.message}{'' if last else ': going on to the next model'}", loud=error.loud)

    def _decide(self, text: str, *, loud: bool = False) -> None:
        self.decisions.append(text)
        self.order.observe(Note(text, loud))


def _candidate(outcome: Outcome) -> Candidate:
    return Candidate(
        model=outcome.spec.name,
        text=outcome.completion.text,
        confidence=outcome.verdict.confidence,
        capability=capability(outcome.spec.top_level),
        finish_reason=outcome.completion.finish_reason,
    )


def _why(outcome: Outcome) -> str:
    return f" ({'; '.join(outcome.verdict.reasons)})" if outcome.verdict.reasons else ""


def _all_failed(failures: Sequence[OrchError]) -> OrchError:
    """The last failure of a call; one that has a partial answer to show goes first. A budget's refusal, which says
    that nothing was sent, stands for all only if that is so: then it is the first leg's, which would cost least."""
    partial = next((f for f in failures if isinstance(f, IncompleteError) and f.partial is not None), None)
    called = [failure for failure in failures if isinstance(failure, ProviderError)]
    return partial or (called[-1] if called else failures[0])
