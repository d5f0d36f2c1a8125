"""Walks a panel: asks its members at the same time, and makes one answer of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from fractions import Fraction

from ...deferred import replace
from ...errors import BudgetError, LedgerError, OrchError, ProviderError
from ...plan import Accept, Call, Node, Panel, Reduce, models
from ...plan.compose import Material
from ..call.order import Draft, Order
from .context import Context, Given, all_failed, broke_off, given_by
from .evidence import examined
from .outcome import Outcome
from .reducing import Reduced, agree, best, by_cost, vote

# (node, what is given, the order without and with the node's own limits, its reservation if it has one)
CarryOut = Callable[[Node, Given, Order, Order, Draft | None], Awaitable[Outcome]]


async def run_panel(context: Context, node: Panel, given: Given, order: Order, carry_out: CarryOut) -> Outcome:
    """The panel's outcome. It fails only if all members fail. `carry_out` walks a member."""
    outer = replace(order, final=False, shown=False, answers=order.answers and node.synthesiser is None)
    after = () if node.synthesiser is None else (node.synthesiser,)
    outer = context.keeping(replace(outer, spare=order.spare or len(node.members) > 1), after)
    orders = [
        replace(context.limited(member, outer), place=place, fresh={})
        for member, place in zip(node.members, _places(node, outer), strict=True)
    ]
    known = await _known(context, node, given, orders)
    drafts = await _reserve_together(context, node, given, orders, known)
    here = [place for place, member in enumerate(node.members) if place in drafts or place in known]
    before = dict(given)
    views = [dict(given) for _ in here]  # members see nothing of each other
    members = await asyncio.gather(
        *(
            carry_out(node.members[place], view, outer, orders[place], drafts.get(place))
            for place, view in zip(here, views, strict=True)
        ),
        return_exceptions=True,
    )
    for view in views:
        given.update({name: text for name, text in view.items() if before.get(name) != text})
    for member in members:
        if isinstance(member, LedgerError) or (isinstance(member, BaseException) and not isinstance(member, OrchError)):
            raise member  # what no other member can make good
    failures = [member for member in members if isinstance(member, OrchError)]
    for failure in failures:
        context.tell_of(failure, "a member failed")
    answered = {place: member for place, member in zip(here, members, strict=True) if isinstance(member, Outcome)}
    if not answered:
        raise all_failed(failures)
    outcome = await _reduce(context, node, answered, given, order)
    for place, member in answered.items():
        accepted = outcome.accepted if member.accepted is None else member.accepted
        if accepted or member.call_id == outcome.call_id or member.confidence >= order.options.threshold:
            order.fresh.update(orders[place].fresh)
    return outcome


async def _reduce(
    context: Context, node: Panel, answered: Mapping[int, Outcome], given: Given, order: Order
) -> Outcome:
    outcomes = list(answered.values())
    if alone := len(outcomes) == 1 and len(node.members) > 1:
        name = outcomes[0].spec.name
        context.decide(f"one of {len(node.members)} members answered: the answer is {name}'s alone", loud=True)
    match node.reduce:
        case Reduce.VOTE:
            reduced = vote(outcomes, context.asked.wanted, context.detector)
        case Reduce.AGREE:
            costs = [context.expected(node.members[place]) for place in answered]
            reduced = agree(outcomes, costs, context.asked.wanted, context.detector)
            if order.answers and not reduced.outcome.accepted:
                reduced = await _by_behaviour(context, outcomes, costs, reduced, order)
        case _:
            reduced = best(outcomes)
    if alone:
        reduced = replace(reduced, outcome=replace(reduced.outcome, panel=()))
    if node.synthesiser is not None:
        return await _synthesise(context, node.synthesiser, outcomes, reduced, given, order)
    return await _kept(context, reduced)


async def _by_behaviour(
    context: Context, outcomes: Sequence[Outcome], costs: Sequence[int | None], unlike: Reduced, order: Order
) -> Reduced:
    """Of answers that are not of one form, the cheapest one that the user's command accepts: two programs may look
    different and do the same. `unlike` as it is where there is no such command, or it accepts none."""
    if order.options.verify is None or len(outcomes) < 2:
        return unlike
    for place in by_cost(costs):
        tried = await examined(context, Accept(), outcomes[place], order)
        if tried.accepted:
            winner = replace(tried, panel=unlike.outcome.panel)
            return Reduced(winner, f"{tried.spec.name}'s answer does what the user's command asks for")
        if tried.call_id == unlike.outcome.call_id:  # it is not asked about again
            unlike = replace(unlike, outcome=replace(tried, panel=unlike.outcome.panel))
    return unlike


async def _kept(context: Context, reduced: Reduced) -> Outcome:
    context.decide(reduced.reason)
    await context.asker.keep(reduced.outcome)
    return reduced.outcome


async def _synthesise(
    context: Context, call: Call, outcomes: Sequence[Outcome], otherwise: Reduced, given: Given, order: Order
) -> Outcome:
    """An answer that a model writes from the members' answers; if that fails, the best of these."""
    answers = tuple(text for outcome in outcomes if (text := given_by(outcome)).strip())
    if not answers:
        return await _kept(context, otherwise)
    try:
        written = await context.answer(
            call, Material(given, answers), context.limited(call, replace(order, spare=True))
        )
    except (ProviderError, BudgetError) as error:
        if broke_off(error):
            raise
        context.tell_of(error, "the answers could not be put together")
        return await _kept(context, otherwise)
    if call.name is not None:
        given[call.name] = given_by(written)
    context.decide(f"{written.spec.name} wrote the answer from {len(answers)}")
    return replace(written, panel=otherwise.outcome.panel)


def _places(node: Panel, order: Order) -> list[tuple[int, ...]]:
    """The place of each member: how many before it ask the same models, below that of the panel itself. Members that
    may ask the same at the same time are meant to answer each for itself; the first of them is as one that is alone."""
    asked = [{*models(member)} for member in node.members]
    before = [sum(not asked[place].isdisjoint(other) for other in asked[:place]) for place in range(len(asked))]
    return [(*order.place, count) if count or any(order.place) else () for count in before]


async def _known(context: Context, node: Panel, given: Given, orders: Sequence[Order]) -> set[int]:
    """The members that are not to be reserved, by their place: calls that the response cache has the answer of, those
    that are put down for a batch, and what is no call."""
    return {
        place
        for place, member in enumerate(node.members)
        if not isinstance(member, Call)
        or orders[place].by_batch is not None
        or await context.asker.has(member, Material(given), orders[place])
    }


async def _reserve_together(
    context: Context, node: Panel, given: Given, orders: Sequence[Order], known: Collection[int]
) -> dict[int, Draft]:
    """Reserve the panel's calls but the known ones in one step, by their place. If they do not all fit, the dearest are
    dropped one by one."""
    calls = {
        place: member for place, member in enumerate(node.members) if isinstance(member, Call) and place not in known
    }
    drafts: dict[int, Draft] = {}
    left = dict(calls)
    while left:
        shares = _shares(context, left, orders)
        drafts = {
            place: await context.asker.draft(call, Material(given), shares[place]) for place, call in left.items()
        }
        try:
            await context.caller.reserve(list(drafts.values()))
            break
        except BudgetError as error:
            refused = [place for place, draft in drafts.items() if draft.record.call_id in error.calls] or list(drafts)
            dearest = max(refused, key=lambda place: drafts[place].record.reserved_nanousd or 0)
            del left[dearest], drafts[dearest]
            if not left and len(calls) == len(node.members):
                raise
            context.tell_of(error, f"left out {calls[dearest].model}")
    return drafts


def _shares(context: Context, calls: Mapping[int, Call], orders: Sequence[Order]) -> dict[int, Order]:
    """The orders of calls at the same time: each gets a portion of what the cap and the budgets leave, by its
    expected cost, and an equal part of what is left of the run's tokens."""
    tokens = None
    if (budget := context.order.token_budget) is not None and calls:
        tokens = budget.left(context.caller.log.calls) // len(calls)
    expected = {place: context.expected(call) or 0 for place, call in calls.items()}
    total = sum(expected.values()) or 1
    return {
        place: replace(orders[place], portion=Fraction(cost, total), allowance_tokens=tokens)
        for place, cost in expected.items()
    }
