"""Applies a role to a strategy: it chooses among the role's models, and its calls get the role's instructions."""

from __future__ import annotations

from ..deferred import replace
from ..plan import Call, Cascade, Panel
from ..registry.model import Role
from .base import Decision, Situation


def in_role(situation: Situation, role: Role) -> Situation:
    """The situation with only the role's models; with all models if none of those can be called."""
    names = role.models_for(situation.analysis.level)
    offers = {name: situation.offers[name] for name in names}
    if not any(offer.obstacle is None for offer in offers.values()):
        return situation
    return replace(situation, offers={**offers, **{name: situation.offers[name] for name in situation.models}})


def with_role(decision: Decision, role: Role) -> Decision:
    """The decision with the role in its calls: a single call, a panel or cascade of calls, or calls that have it
    already."""
    match decision.plan:
        case Call() as call:
            plan: Call | Cascade | Panel = _in(role, call)
        case Cascade(legs=legs) as cascade:
            plan = replace(cascade, legs=tuple(_in(role, leg) if isinstance(leg, Call) else leg for leg in legs))
        case Panel(members=members) as panel:
            plan = replace(panel, members=tuple(_in(role, m) if isinstance(m, Call) else m for m in members))
        case _:
            return decision
    return replace(decision, plan=plan)


def _in(role: Role, call: Call) -> Call:
    return call if call.role is not None else replace(call, role=role.name, system=role.system)
