"""Evidence about an answer beyond its text: a schema, the user's command, a self-check by another model.

They come in this order, from free to paid, and stop when the answer is decided: an answer that does not fit the schema
is not verified, and one that the user's command decided is not checked by a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...confidence.signals.schema import NOT_APPLICABLE, json_document, schema_signal
from ...deferred import replace
from ...errors import BudgetError, ProviderError
from ...plan import SELF_CHECK, Accept
from ...plan.compose import Material, insertable
from ...plan.repair import PROBLEM, PROBLEM_TOKENS, REPLY, repair_call
from ..call.order import Order
from ..call.verify import verify
from .context import Context, Given, given_by
from .outcome import Outcome, opinion


async def examined(context: Context, accept: Accept, outcome: Outcome, order: Order) -> Outcome:
    """The outcome with the results of the run's schema and command, which cost nothing.

    A cascade that may not use them leaves this to the end of the run.
    """
    options = order.options
    if options.schema is None and options.verify is None:
        return outcome
    asked = {name for name, given in (("schema", options.schema), ("verify", options.verify)) if given is not None}
    if outcome.examined or not asked <= set(accept.signals):
        return outcome
    outcome = replace(outcome, examined=True)
    before = outcome
    if options.schema is not None:
        outcome = _held_against(options.schema, outcome, context)
        if options.schema_repair and outcome.unfit is not None and not outcome.unfit.startswith(NOT_APPLICABLE):
            outcome = await _repaired(context, outcome, options.schema, order)
    text = outcome.completion.text
    if options.verify is not None and outcome.unfit is None:
        left_s = order.deadline - context.monotonic()
        signal = await verify(options.verify, text, environ=order.environ, timeout_s=left_s)
        accepted = signal.logit > 0
        outcome = replace(outcome.with_evidence(signal, context.detector), accepted=accepted)
        outcome = replace(outcome, unfit=None if accepted else signal.reason)
    if outcome.unfit is not None:
        outcome = replace(outcome, accepted=False)
    if outcome is not before:
        name = f"{outcome.spec.name}'s answer"
        taken = f"{name} is {'not ' if outcome.unfit else ''}what the user's schema or command takes"
        context.decide(f"{name}: {outcome.verdict.reasons[-1]}", without_quotes=taken)
        await context.asker.keep(outcome)
    return outcome


def _held_against(schema: Mapping[str, Any], outcome: Outcome, context: Context) -> Outcome:
    """The outcome with the schema's result. If it fits, its text is the JSON document alone."""
    text = outcome.completion.text
    signal = schema_signal(text, schema)
    outcome = outcome.with_evidence(signal, context.detector)
    if signal.logit < 0:
        return replace(outcome, unfit=signal.reason)
    return replace(outcome, completion=replace(outcome.completion, text=json_document(text)))


async def _repaired(context: Context, outcome: Outcome, schema: Mapping[str, Any], order: Order) -> Outcome:
    """The same model's answer when it is told what does not fit; the outcome as it is if that does not fit either."""
    name, problem = f"{outcome.spec.name}'s answer", outcome.unfit or ""
    again = "the model is asked once more"
    context.decide(f"{name}: {problem}: {again}", without_quotes=f"{name} does not fit the schema: {again}")
    material = Material({REPLY: given_by(outcome), PROBLEM: insertable(problem, PROBLEM_TOKENS)})
    call = repair_call(outcome.spec.name, schema)
    try:
        order.fresh.pop(outcome.call_id, None)
        repaired = await context.asker.ask(call, material, replace(order, answers=True, shown=False))
    except (ProviderError, BudgetError) as error:
        context.tell_of(error, "the answer is not repaired")
        return outcome
    repaired = _held_against(schema, replace(repaired, panel=outcome.panel, examined=True), context)
    await context.asker.keep(repaired)
    return outcome if repaired.unfit is not None else repaired


async def self_checked(context: Context, accept: Accept, outcome: Outcome, given: Given, order: Order) -> Outcome:
    """The outcome with the self-check's score as evidence. The checker is not asked where no score could change the
    decision. If it cannot be asked or gives no verdict, the outcome stays as it is."""
    checker, threshold = accept.checker, context.threshold(accept)
    if checker is None or outcome.accepted is not None:
        return outcome
    extremes = [outcome.with_evidence(opinion("self-check", score, ""), context.detector) for score in (0.0, 1.0)]
    if len({extreme.confidence >= threshold for extreme in extremes}) == 1:
        return outcome
    checker = replace(checker, name=checker.name or SELF_CHECK)  # so that the ledger says what the call was for
    try:
        material = Material(given, answer=given_by(outcome))
        judgement, _, judge = await context.judge(checker, material, context.limited(checker, order))
    except (ProviderError, BudgetError) as error:
        context.tell_of(error, "the answer is not checked")
        return outcome
    if judgement is None:
        context.decide(f"{judge}'s reply is no verdict: it counts for nothing", loud=True)
        return outcome
    signal = opinion("self-check", judgement.score, f"{judge} gives it {judgement.score:.2f}")
    outcome = outcome.with_evidence(signal, context.detector)
    context.decide(f"{outcome.spec.name}'s answer: {outcome.verdict.reasons[-1]}")
    await context.asker.keep(outcome)
    return outcome
