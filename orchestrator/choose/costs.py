"""The possible cost of each call of a plan, before any is made.

A call's input depends on the outputs of others. The most is a bound all the same: a step returns at most its limit of
tokens, for each of which at most READ_PER_WRITTEN tokens are put into the next prompt. The expected cost
assumes that a step returns as much as the prompt's answer is expected to have, within its limit, and that a loop takes
one round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ..config import RunOptions
from ..deferred import dataclass, replace
from ..plan import Accept, Call, Cascade, Check, CostRange, Loop, Node, Panel, calls, children, nodes, price
from ..plan import Sequence as Steps
from ..plan.compose import READ_PER_WRITTEN, VERDICT_TOKENS, Size, expected_loads, reply_limit
from ..plan.pricing import total
from ..plan.repair import PROBLEM, PROBLEM_TOKENS, REPLY, held_against, repair_call
from ..reading.prompt import Reading
from ..registry.model import ModelSpec
from .kept import likely_kept
from .loads import Loads
from .quote import DEFAULT_MAX_TOKENS, Quotes, output_limit


@dataclass(slots=True)
class CallCosts:
    """Computes the cost of every call of a plan whose models are chosen. `accepted`: the chance that the answer
    of a cascade's leg is accepted, 0 to 1."""

    loads: Loads
    find: Callable[[str], ModelSpec]
    quotes: Quotes
    accepted: Callable[[Node], float] = lambda _: 1.0
    _judges: frozenset[Call] = frozenset()

    @property
    def reading(self) -> Reading:
        """The reading of the prompt."""
        return self.loads.reading

    @property
    def options(self) -> RunOptions:
        """The options of the run."""
        return self.loads.options

    def of(self, plan: Node) -> dict[Call, CostRange]:
        """The cost range of each call in nano-dollars. Equal calls cost the same wherever they stand."""
        ranges: dict[Call, CostRange] = {}
        self._judges = frozenset(_judges_of(plan))
        self._visit(plan, {}, ranges)
        return ranges

    def total(self, plan: Node, ranges: Mapping[Call, CostRange]) -> CostRange:
        """The cost range of the plan, given those of its calls. The most has the repairs of answers in it."""
        cost = price(plan, ranges.__getitem__, self.accepted)
        if self.options.schema is None or not self.options.schema_repair:
            return cost
        evidence = {name for name in ("schema", "verify") if getattr(self.options, name) is not None}
        each = total(self._dearest_repair(node) for node in held_against(plan, evidence))
        # An optional last step may fail, and the answer of an earlier one be taken.
        one = self._dearest_repair(plan)
        return cost._replace(maximum=total([cost.maximum, None if each is None or one is None else max(each, one)]))

    def _dearest_repair(self, node: Node) -> int | None:
        """The most that it can cost to ask once more for the answer of one of a node's calls."""
        costs = [self._repair(call) for call in calls(node) if call not in self._judges]
        return None if None in costs else max(cost for cost in costs if cost is not None)

    def _repair(self, call: Call) -> int | None:
        repair = repair_call(call.model, self.options.schema or {})
        sizes = {REPLY: self._size(call), PROBLEM: Size(PROBLEM_TOKENS, READ_PER_WRITTEN * PROBLEM_TOKENS)}
        ranges: dict[Call, CostRange] = {}
        self._price(repair, sizes, ranges)
        return ranges[repair].maximum

    def _visit(self, node: Node, sizes: Mapping[str, Size], ranges: dict[Call, CostRange]) -> dict[str, Size]:
        """Price the calls of a node, given the output sizes of the steps before it. Returns the sizes with its own."""
        after = dict(sizes)
        match node:
            case Call():
                self._price(node, sizes, ranges)
            case Cascade(legs=legs, accept=Accept(checker=checker)):
                for leg in legs:
                    after = self._visit(leg, after, ranges)
                    if checker is not None:
                        self._price(checker, after, ranges, answer=self._size(leg))
            case Steps(steps=steps):
                for step in steps:
                    after = self._visit(step, after, ranges)
            case Panel(members=members, synthesiser=synthesiser):
                for member in members:
                    after |= self._visit(member, sizes, ranges)
                if synthesiser is not None:
                    self._price(synthesiser, after, ranges, answers=[self._size(member) for member in members])
            case Loop(body=body, until=until):
                before = {below.name: replace(self._size(below), tokens=0) for below in nodes(node) if below.name}
                after = self._visit(body, after | before, ranges)
                if isinstance(until, Check):
                    self._price(until.call, after, ranges, answer=self._size(body))
        for below in (node, *children(node)):
            if below.name is not None:
                after[below.name] = self._size(below)
        return after

    def _price(
        self,
        call: Call,
        sizes: Mapping[str, Size],
        priced: dict[Call, CostRange],
        answers: Sequence[Size] = (),
        answer: Size | None = None,
    ) -> None:
        alone = replace(call, stand_ins=()) if call.stand_ins else call
        cost = self._range(alone, sizes, answers, answer)
        if call.stand_ins:  # each that failed may have been billed
            others = [self._range(replace(alone, model=name), sizes, answers, answer) for name in call.stand_ins]
            cost = cost._replace(maximum=total([cost.maximum, *(each.maximum for each in others)]))
        earlier = priced.setdefault(call, cost)
        if earlier is not cost:
            priced[call] = _widest(earlier, cost)

    def _range(self, call: Call, sizes: Mapping[str, Size], answers: Sequence[Size], answer: Size | None) -> CostRange:
        """What a call of one model costs."""
        spec = self.find(call.model)
        base = self.loads.on(spec)
        if answer is not None:
            base = replace(base, output_tokens=VERDICT_TOKENS)
        options, prompt, count = self.options, self.reading.prompt, self.reading.count
        least, load = expected_loads(call, prompt, sizes, base, answers=answers, answer=answer, count=count)
        exact = least is load  # what is sent is known already, and with it what the window leaves for the reply
        wanted = reply_limit(call, options.max_tokens, judging=answer is not None)
        limit = output_limit(spec, load, wanted) if exact else self._limit(call, judging=answer is not None)
        kept = 0
        if exact and call.template is None:  # the conversation as it was sent before
            kept = likely_kept(prompt.sent, spec, self.quotes.when, caching=options.provider_cache)
        cost = self.quotes.of(spec, load, limit, kept)
        return cost if exact else cost._replace(minimum=self.quotes.of(spec, least, limit).minimum)

    def _size(self, node: Node) -> Size:
        """The longest output of a node: that of the longest answer that it may take."""
        limit = max(self._limit(call, judging=call in self._judges) for call in calls(node))
        return Size(min(self.reading.analysis.output_tokens, limit), READ_PER_WRITTEN * limit)

    def _limit(self, call: Call, *, judging: bool) -> int:
        wanted = reply_limit(call, self.options.max_tokens, judging=judging)
        longest = max(self.find(name).output_limit for name in (call.model, *call.stand_ins))
        return min(DEFAULT_MAX_TOKENS if wanted is None else wanted, longest)


def _judges_of(plan: Node) -> Iterator[Call]:
    """The calls that check the answers of others."""
    for node in nodes(plan):
        match node:
            case Loop(until=Check(call=call)) | Cascade(accept=Accept(checker=Call() as call)):
                yield call


def _widest(one: CostRange, other: CostRange) -> CostRange:
    def of(pick: Callable[[int, int], int], left: int | None, right: int | None) -> int | None:
        return None if left is None or right is None else pick(left, right)

    return CostRange(
        of(min, one.minimum, other.minimum), of(max, one.expected, other.expected), of(max, one.maximum, other.maximum)
    )
