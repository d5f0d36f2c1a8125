"""Makes one call of a plan: composes what is sent, and judges the answer."""

from __future__ import annotations

import json
from collections.abc import Callable

from ...choose.loads import prompt_load
from ...choose.passing import Passed, passed_on
from ...choose.quality import rating
from ...choose.quote import output_limit
from ...confidence.asked import Asked
from ...confidence.detector import ConfidenceDetector
from ...confidence.experience import Experience
from ...confidence.signal import Signal
from ...confidence.signals.logprobs import logprob_signal
from ...confidence.signals.tool_use import tool_signals
from ...confidence.strength import strength_signal
from ...config.options import Served
from ...config.tool_choice import choice_among
from ...deferred import dataclass, replace
from ...money import format_nanousd
from ...plan import Call
from ...plan.caching import caching_of
from ...plan.compose import VERDICT_FORMAT, VERDICT_TOKENS, Composed, Material, compose, insertable, reply_limit
from ...plan.turns import without_media
from ...reading.prompt import Reading
from ...registry.model import Feature, ModelSpec, Registry
from ...registry.unlisted import UNLISTED
from ...types import Caching, FinishReason, Message, Request, ResponseFormat, Tool
from ..call.attempt import Answered
from ..call.caller import Caller
from ..call.order import Draft, Order
from .judgement import Judgement, read_judgement
from .outcome import Outcome, is_no_answer

_BY_NOBODY = Served()
Decide = Callable[..., None]  # (text, *, loud=False)


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes the calls of one run. `asked` is what answers are judged against. `decide` records a decision.
    `with_text`: the ledger may store text that quotes an answer. `experience`: what
    the user's ratings say."""

    reading: Reading
    asked: Asked
    registry: Registry
    caller: Caller
    detector: ConfidenceDetector
    decide: Decide
    with_text: bool
    experience: Experience

    async def draft(self, call: Call, material: Material, order: Order) -> Draft:
        """The call as it would be made now, to be reserved together with others."""
        spec = self.registry.model(call.model)
        request, order = self._request(call, spec, material, order)
        key = _key(spec, request, order)
        request, order = await self._counted(spec, request, order)
        draft = await self.caller.draft(spec, request, order, step=call.name, role=call.role)
        return draft if key is None else replace(draft, key=key)

    async def has(self, call: Call, material: Material, order: Order) -> bool:
        """Whether the response cache has the call's answer."""
        if order.cache is None:
            return False
        spec = self.registry.model(call.model)
        quietly = replace(self, decide=lambda *_, **__: None)  # what there is to say is said when it is made
        key = _key(spec, *quietly._request(call, spec, material, order))
        return key is not None and await order.cache.has(key)

    async def ask(self, call: Call, material: Material, order: Order, reserved: Draft | None = None) -> Outcome:
        """Make the call. Returns the judged answer, with its verdict in the ledger. Raises the error that the call
        ended in."""
        spec = self.registry.model(call.model)
        if reserved is None:
            request, order = self._request(call, spec, material, order)
        else:
            request, order = reserved.request, replace(order, load=reserved.terms.load)
        answered = await self._answered(call, spec, request, order, reserved)
        completion = answered.completion
        cut = completion.finish_reason is FinishReason.LENGTH
        sure = logprob_signal(completion.logprobs or ())
        known = (sure, self._strength(spec), self.experience.signal(spec.name, self.asked.task))
        evidence = (*tool_signals(completion.tool_calls, request.tools), *(each for each in known if each is not None))
        ended = FinishReason.TOOL_CALLS if completion.tool_calls and not cut else completion.finish_reason
        # A limit that the user set would cut any model's answer: it is not held against this one.
        asked_for = cut and order.options.max_tokens is not None
        finish_reason = None if asked_for else ended
        verdict = self.detector.assess(completion.text, self.asked, finish_reason=finish_reason, evidence=evidence)
        if cut:
            self.decide(f"{spec.name}'s answer was cut off at its output limit", loud=True)
        outcome = Outcome(completion, spec, verdict, answered.record.call_id, request.max_tokens)
        if is_no_answer(verdict):
            order.fresh.pop(outcome.call_id, None)
        await self.keep(outcome)
        return outcome

    async def judge(self, call: Call, material: Material, order: Order) -> tuple[Judgement | None, str]:
        """Let a model check `material.answer`. Returns its score and, as text for a prompt, its issues.

        None if its reply is no verdict. Raises as `ask` does.
        """
        spec = self.registry.model(call.model)
        request, order = self._request(call, spec, material, replace(order, shown=False))
        answered = await self._answered(call, spec, request, order)
        judgement = read_judgement(answered.completion)
        if judgement is None:
            order.fresh.pop(answered.record.call_id, None)
        return judgement, "" if judgement is None else insertable(judgement.text, request.max_tokens)

    def _strength(self, spec: ModelSpec) -> Signal | None:
        rated = UNLISTED not in spec.tags
        return strength_signal(spec.name, rating(spec, self.asked.task) if rated else None)

    async def keep(self, outcome: Outcome) -> None:
        """Write the verdict on an answer into its row, again if it has changed."""
        verdict = outcome.verdict
        reasons = list(verdict.reasons) if self.with_text else []  # which quote the answer
        kept = json.dumps({"signals": dict(verdict.signals), "reasons": reasons})
        self.caller.log.judge(outcome.call_id, verdict.confidence, kept)

    async def _answered(
        self, call: Call, spec: ModelSpec, request: Request, order: Order, reserved: Draft | None = None
    ) -> Answered:
        """The reply: from the response cache, if it is there, or from the model."""

        async def send() -> Answered:
            counted = (request, order) if reserved is not None else await self._counted(spec, request, order)
            return await self.caller.call(spec, *counted, step=call.name, role=call.role, reserved=reserved)

        key = _key(spec, request, order) if reserved is None else reserved.key
        answered = await self.caller.answered(key, spec, order, send, step=call.name, role=call.role, reserved=reserved)
        record = answered.record
        if record.from_run is not None:
            cost = "" if record.saved_nanousd is None else f", which paid {format_nanousd(record.saved_nanousd)}"
            alike = (
                "" if record.similarity is None else f", asked the same in other words ({record.similarity:.2f} alike)"
            )
            self.decide(f"{spec.name}'s answer is from the cache: that of run {record.from_run}{cost}{alike}")
        elif order.cache is not None and key is not None and (passed := order.cache.passed_over(key)):
            self.decide(f"{spec.name}: {passed}")
        return answered

    async def _counted(self, spec: ModelSpec, request: Request, order: Order) -> tuple[Request, Order]:
        """Both with what the provider counts, where it is asked: the window leaves the rest for the reply."""
        order = await self.caller.counted(spec, request, order)
        left = max(spec.context_window - order.load.input_tokens, 1)
        return (request if request.max_tokens <= left else replace(request, max_tokens=left)), order

    def _request(self, call: Call, spec: ModelSpec, material: Material, order: Order) -> tuple[Request, Order]:
        """The request, and the order with its load."""
        base, judging = prompt_load(self.reading, order.options, spec), material.judging
        if judging:
            base = replace(base, output_tokens=VERDICT_TOKENS)
        composed = compose(call, self.reading.prompt, material, base, self.reading.count)
        most = reply_limit(call, order.options.max_tokens, judging=judging)
        limit = max(output_limit(spec, composed.load, most), 1)
        wanted = order.options.served or _BY_NOBODY
        expected = min(composed.load.output_tokens, limit)
        passed = self._passed(call, spec, order, limit)
        tools = order.options.tools if call.template is None and not judging else ()
        request = Request(
            model=spec.id,
            messages=self._messages(composed, spec),
            max_tokens=limit,
            system=composed.system,
            temperature=passed.temperature,
            top_p=passed.top_p,
            seed=passed.seed,
            effort=passed.effort,
            thinking_tokens=passed.thinking_tokens,
            stop=() if judging else passed.stop,
            response_format=self._format(call, spec, material, order),
            logprobs=(order.logprobs or wanted.logprobs) and Feature.LOGPROBS in spec.supports and not judging,
            top_logprobs=wanted.top_logprobs,
            tools=tools,
            tool_choice=_tool_choice(tools, order),
            caching=self._caching(composed, tools, order),
        )
        load = (
            composed.load if expected == composed.load.output_tokens else replace(composed.load, output_tokens=expected)
        )
        return request, replace(order, load=load)

    def _caching(self, composed: Composed, tools: tuple[Tool, ...], order: Order) -> Caching | None:
        if not order.options.provider_cache:
            return None
        system = self.reading.count(composed.system or "", composed.load.tokenizer)
        return caching_of(composed, self.reading.prompt, tools, system.expected + composed.load.tool_tokens)

    def _format(self, call: Call, spec: ModelSpec, material: Material, order: Order) -> ResponseFormat | None:
        """The JSON schema to ask for: that of a verdict for a check, the run's for a call whose reply may be the
        run's answer. None where the model's API has no such feature."""
        if Feature.JSON not in spec.supports:
            return None
        if material.judging:
            return VERDICT_FORMAT
        schema = order.options.schema
        return ResponseFormat(schema) if schema is not None and order.answers else None

    def _messages(self, composed: Composed, spec: ModelSpec) -> tuple[Message, ...]:
        """The turns; a model that takes no images, as one that the user lets judge answers may, is told of them."""
        media = self.reading.prompt.media
        if not media:
            return composed.messages
        from ...choose.fitting import unfit_for  # few prompts have any

        if unfit_for(media, spec) is None:
            return composed.messages
        self.decide(f"{spec.name} takes none of the images and documents: it is told that there are some", loud=True)
        return tuple(map(without_media, composed.messages))

    def _passed(self, call: Call, spec: ModelSpec, order: Order, limit: int) -> Passed:
        """What of the options the model takes; the rest is left out with a word, once a run."""
        temperature = order.options.temperature if call.temperature is None else call.temperature
        in_tools = any(turn.tool_calls for turn in self.reading.prompt.after)
        forced = order.options.tool_choice not in ("auto", "none")
        passed = passed_on(order.options, spec, temperature=temperature, limit=limit, in_tools=in_tools, forced=forced)
        for name in passed.left_out:
            loud = name != "temperature" or call.temperature is None
            self.decide(f"{spec.name} takes no {name}: left out", loud=loud)
        return passed


def _tool_choice(tools: tuple[Tool, ...], order: Order) -> str:
    choice = order.options.tool_choice
    return choice_among(choice, tools, "tool_choice") if tools and choice != "auto" else "auto"


def _key(spec: ModelSpec, request: Request, order: Order) -> str | None:
    """The request's key in the response cache; None if the run does not use it."""
    return None if order.cache is None else order.cache.key(spec.provider, request, order.place)
