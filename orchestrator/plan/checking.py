"""Checks a well-formed plan: names, references, loops. A plan with a mistake never runs.

A template may use outputs that exist by then: in a sequence those of earlier steps, in a cascade those of earlier legs
(which may have failed), in a loop also those of every step of the loop from the round before. Members of a panel run at
the same time and see each other's outputs only in a loop.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import did_you_mean
from ..expressions import expression
from ..types import AcceptRule
from .nodes import SELF_CHECK, Accept, Call, Cascade, Check, Loop, Node, Panel, Reduce, Sequence, most_calls, nodes
from .template import ANSWER, ANSWERS, TemplateError, parse

MOST_ROUNDS = 20
MOST_CALLS = 200  # of one run of a plan: beyond it is a slip in nested loops
_NAME = expression(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

Names = frozenset[str]


class PlanError(ValueError):
    """What is wrong, and with which node; `field` is the key at fault, if it is one."""

    def __init__(self, node: Node, problem: str, field: str | None = None) -> None:
        super().__init__(problem)
        self.node = node
        self.field = field


def check_plan(plan: Node) -> None:
    """Raises PlanError for the first mistake."""
    _Checker(plan).check()


class _Checker:
    def __init__(self, plan: Node) -> None:
        self._plan = plan
        self._all: set[str] = set()

    def check(self) -> None:
        for node in nodes(self._plan):
            if node.name is not None:
                self._check_name(node, node.name)
        self._visit(self._plan, frozenset())
        if (count := most_calls(self._plan)) > MOST_CALLS:
            raise PlanError(self._plan, f"makes up to {count:,} calls; at most {MOST_CALLS} are allowed")

    def _check_name(self, node: Node, name: str) -> None:
        if not _NAME.fullmatch(name):
            problem = "the name of a step is a letter, then up to 63 letters, digits, - and _"
            raise PlanError(node, problem, "name")
        if name in self._all:
            raise PlanError(node, f"there is another step named '{name}'", "name")
        self._all.add(name)

    def _visit(self, node: Node, seen: Names) -> Names:
        """Check a node that can use these names. Returns the names that can be used after it."""
        _check_shares(node)
        match node:
            case Call():
                self._check_template(node, seen)
            case Cascade(legs=below, accept=accept):
                _check_accept(node, accept)
                seen = self._visit_in_order(node, below, seen)
                if accept.checker is not None:
                    _check_shares(accept.checker)
                    self._check_template(accept.checker, seen, ANSWER)
            case Sequence(steps=below, answer=answer):
                seen = self._visit_in_order(node, below, seen)
                if answer is not None and answer not in (step.name for step in below):
                    raise PlanError(node, f"'{answer}' is none of its own steps", "answer")
            case Panel():
                seen = self._visit_panel(node, seen)
            case Loop():
                seen = self._visit_loop(node, seen)
        return seen if node.name is None else seen | {node.name}

    def _visit_in_order(self, node: Node, below: Iterable[Node], seen: Names) -> Names:
        empty = True
        for child in below:
            seen, empty = self._visit(child, seen), False
        if empty:
            raise PlanError(node, "has nothing in it")
        return seen

    def _visit_panel(self, node: Panel, seen: Names) -> Names:
        if not node.members:
            raise PlanError(node, "has nobody in it")
        after = seen.union(*(self._visit(member, seen) for member in node.members))
        if (node.reduce is Reduce.SYNTHESISE) != (node.synthesiser is not None):
            problem = (
                "needs a synthesiser" if node.synthesiser is None else "has a synthesiser, but does not synthesise"
            )
            raise PlanError(node, problem, "synthesiser")
        if node.synthesiser is not None:
            _check_shares(node.synthesiser)
            self._check_template(node.synthesiser, after, ANSWERS)
            if node.synthesiser.name is not None:
                after |= {node.synthesiser.name}
        return after

    def _visit_loop(self, node: Loop, seen: Names) -> Names:
        if not 1 <= node.max_rounds <= MOST_ROUNDS:
            raise PlanError(node, f"max_rounds must be from 1 to {MOST_ROUNDS}", "max_rounds")
        after = seen | {below.name for below in nodes(node) if below.name is not None and below is not node}
        self._visit(node.body, after)
        match node.until:
            case Check(call=call, score=score):
                _check_fraction(node, score, "score")
                _check_shares(call)
                self._check_template(call, after, ANSWER)
            case Accept() as accept:
                _check_accept(node, accept)
                if accept.rule is AcceptRule.AGREEMENT and not _agrees(node.body):
                    raise PlanError(
                        node, "goes on until agreement, so its body must be a panel with reduce: agree", "until"
                    )
        return after

    def _check_template(self, call: Call, seen: Names, special: str | None = None) -> None:
        if call.template is None:
            return
        try:
            template = parse(call.template)
        except TemplateError as error:
            raise PlanError(call, str(error), "template") from None
        for key in template.slots():
            if key in (ANSWER, ANSWERS) and key != special:
                where = "the check of a loop" if key == ANSWER else "the synthesiser of a panel"
                raise PlanError(call, f"${key} is only there in {where}", "template")
        for name in template.steps():
            if name not in seen:
                raise PlanError(call, self._unseen(name, call), "template")

    def _unseen(self, name: str, call: Call) -> str:
        if name == call.name:
            return f"$steps.{name} is this step itself"
        if name in self._all:
            return f"$steps.{name} is not there yet: that step comes later, or at the same time"
        suggestion = did_you_mean(name, self._all)
        return f"there is no step named '{name}'" + (f" ({suggestion})" if suggestion else "")


def _agrees(body: Node) -> bool:
    return isinstance(body, Panel) and body.reduce is Reduce.AGREE


def _check_accept(node: Node, accept: Accept) -> None:
    if accept.threshold is not None:
        _check_fraction(node, accept.threshold, "threshold")
    if accept.checker is not None and SELF_CHECK not in accept.signals:
        raise PlanError(node, f"has a checker, but {SELF_CHECK} is none of its signals", "checker")
    if SELF_CHECK in accept.signals and accept.checker is None:
        raise PlanError(node, f"{SELF_CHECK} needs a checker: the call that makes it", "signals")
    if isinstance(node, Loop) and accept.checker is not None:
        raise PlanError(node, "a loop has its own check: until: {check: ..., score: ...}", "until")


def _check_shares(node: Node) -> None:
    for field in ("budget_share", "time_share"):
        share = getattr(node, field)
        if share is not None and not 0 < share <= 1:
            raise PlanError(node, f"{field} must be more than 0 and at most 1", field)


def _check_fraction(node: Node, value: float, field: str) -> None:
    if not 0 <= value <= 1:
        raise PlanError(node, f"{field} must be from 0 to 1", field)
