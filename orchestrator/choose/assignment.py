"""From a written plan to one that can be carried out: assigns a model to each call and drops what cannot be called.

A call names a model, or leaves the choice to a tier (its first model that can be called), a level (the cheapest model
rated for it), a role (its first model for the prompt's level), or, if it says nothing, to the prompt's level. Legs,
members and optional steps that cannot be called are dropped; without a required step there is no plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from ..deferred import dataclass, replace
from ..plan import SELF_CHECK, Accept, Call, Cascade, Check, Loop, Node, Panel, Reduce, agreeing, calls
from ..plan import Sequence as Steps
from ..types import AcceptRule, Level
from .base import LeftOut, Offer, Reason, Situation, by_expected_cost
from .order import shortlist
from .strategies.cheapest import fit_for


@dataclass(slots=True)
class Assignment:
    """Assigns the calls of one plan. `reasons` collects what was chosen or dropped, and why."""

    situation: Situation
    reasons: list[Reason] = field(default_factory=list)

    def assign(self, node: Node) -> Node | None:
        """The node with a model for each of its calls; None if it cannot be carried out."""
        match node:
            case Call():
                return self._call(node)
            case Cascade(legs=below):
                legs = self._those_that_can(below)
                return self._cascade(node, legs) if legs else None
            case Panel():
                return self._panel(node)
            case Steps():
                return self._sequence(node)
            case Loop():
                return self._loop(node)

    def _those_that_can(self, below: Sequence[Node]) -> tuple[Node, ...]:
        return tuple(assigned for node in below if (assigned := self.assign(node)) is not None)

    def _cascade(self, node: Cascade, legs: tuple[Node, ...]) -> Cascade:
        accept = node.accept
        if accept.threshold is None:
            accept = replace(accept, threshold=self.situation.options.threshold)
        node = replace(node, legs=legs, accept=self._with_checker(accept))
        return agreeing(node) if accept.rule is AcceptRule.AGREEMENT else node

    def _with_checker(self, accept: Accept) -> Accept:
        """The rule with a model for its self-check; without the self-check if no model can make it."""
        if accept.checker is None:
            return accept
        checker = self._call(accept.checker)
        if checker is None:
            self.reasons.append("nobody can make the self-check: it is left out")
            return replace(accept, checker=None, signals=tuple(s for s in accept.signals if s != SELF_CHECK))
        return replace(accept, checker=checker)

    def _panel(self, node: Panel) -> Node | None:
        members = self._those_that_can(node.members)
        if not members:
            return None
        synthesiser = None if node.synthesiser is None else self._call(node.synthesiser)
        if node.synthesiser is not None and synthesiser is None:
            self.reasons.append("nobody can put the answers together: the best of them is taken")
            return replace(node, members=members, reduce=Reduce.BEST, synthesiser=None)
        return replace(node, members=members, synthesiser=synthesiser)

    def _sequence(self, node: Steps) -> Node | None:
        steps: list[Node] = []
        for step in node.steps:
            if isinstance(step, Call) and step.needs_context and not self.situation.has_context:
                self.reasons.append(f"left out {step.name or step.role or 'a call'}: nothing was given with the prompt")
                continue
            assigned = self.assign(step)
            if assigned is not None:
                steps.append(assigned)
            elif not step.optional:
                return None
        if not steps:
            return None
        answer = node.answer if node.answer in {step.name for step in steps} else None
        return replace(node, steps=tuple(steps), answer=answer)

    def _loop(self, node: Loop) -> Node | None:
        body = self.assign(node.body)
        if body is None:
            return None
        if isinstance(node.until, Check):
            call = self._call(node.until.call)
            return None if call is None else replace(node, body=body, until=replace(node.until, call=call))
        until = node.until
        if until.threshold is None:
            until = replace(until, threshold=self.situation.options.threshold)
        return replace(node, body=body, until=until)

    # -- one call ------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> Call | None:
        role = None if call.role is None else self.situation.roles[call.role]
        chosen = self._chosen(call)
        if not chosen:
            return None
        system = call.system if call.system is not None or role is None else role.system
        model, *stand_ins = chosen
        return replace(call, model=model, stand_ins=tuple(stand_ins), system=system, tier=None, level=None)

    def _chosen(self, call: Call) -> Sequence[str]:
        """The model that is called, and those that stand in for it where it fails; empty if there is none."""
        situation = self.situation
        if call.needs_context and not situation.has_context:
            return ()
        if call.model:
            return self._able(call, [call.model, *call.stand_ins])
        if call.tier is not None:
            return self._able(call, situation.tiers[call.tier], stand_in=True)
        if call.role is not None and call.level is None:
            role = situation.roles[call.role]
            return self._able(call, role.models_for(situation.analysis.level), stand_in=True)
        level = call.level or situation.analysis.level
        return self._cheapest(level, call)

    def _able(self, call: Call, names: Sequence[str], *, stand_in: bool = False) -> Sequence[str]:
        """Those of the models that can be called, in their order. With `stand_in`, models of the same rank if none
        can."""
        offers = [self.situation.offers_for(call)[name] for name in names]
        today = self.situation.when.date()
        able = [o for o in offers if o.obstacle is None and (not stand_in or not o.spec.is_retired(today))]
        if stand_in:
            able = self.situation.preferred(able)
        who = _who(call)
        if able and able[0] is not offers[0]:
            why = self.situation.barred(offers[0]) if offers[0].obstacle is None else None
            self.reasons.append(
                f"{able[0].spec.name}{who} in place of {offers[0].spec.name}: {why or _obstacle(offers[0])}"
            )
        if able:
            return [offer.spec.name for offer in able]
        if stand_in and (others := self._cheapest(offers[0].spec.top_level, call)):
            self.reasons.append(f"{others[0]}{who}: none of {', '.join(names)} can be called ({_obstacle(offers[0])})")
            return others
        self.reasons.append(LeftOut(offers[0].spec.name, _obstacle(offers[0]), who))
        return ()

    def _cheapest(self, level: Level, call: Call) -> Sequence[str]:
        """The cheapest models rated for a level, or for the highest available one."""
        able = self.situation.choosable(self.situation.offers_for(call))
        return shortlist(sorted(fit_for(able, level), key=by_expected_cost)) if able else ()


def named_in(plan: Node, situation: Situation) -> list[str]:
    """The models that a plan's calls name, directly or by tier or role; each once."""
    names: list[str] = []
    for call in calls(plan):
        if call.model:
            names += (call.model, *call.stand_ins)
        elif call.tier is not None:
            names += situation.tiers[call.tier]
        elif call.role is not None and call.level is None:
            names += situation.roles[call.role].models_for(situation.analysis.level)
    return list(dict.fromkeys(names))


def _who(call: Call) -> str:
    """The call that a reason is about; empty where the model's name says it."""
    if call.name is not None:
        return f" for '{call.name}'"
    return "" if call.role is None else f" as {call.role}"


def _obstacle(offer: Offer) -> str:
    return "retired" if offer.obstacle is None else offer.obstacle.value
