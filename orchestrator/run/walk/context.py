"""What all nodes of one walk share, and what is said of any of them."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from ...choose.latency import by_speed_s, longest_silence_s
from ...choose.observed import Pace
from ...confidence.asked import Asked
from ...confidence.detector import ConfidenceDetector
from ...deferred import dataclass
from ...errors import IncompleteError, OrchError, OutcomeUnknownError, ProviderError
from ...plan import Accept, Call, Cascade, CostRange, Node, Panel, children, price
from ...plan.compose import insertable
from ...reading.prompt import Reading
from ...registry.model import Registry
from ..call.allowance import CostShare
from ..call.caller import Caller, Order
from ..call.patience import Patience
from ..events import Note
from .asking import Asker
from .outcome import Outcome

Given = dict[str, str]  # what steps have given so far, by name, ready to be put into a prompt
_UNPRICED = CostRange(None, None, None)


@dataclass(slots=True)
class Context:
    """One walk over one plan. `decisions` grows as it goes: what was decided, and why, in words.

    `costs` has what each call is expected to cost. `asked` is what answers are held against. `best` is the best that
    there is to show so far: what a cascade, a loop or a sequence has put by. `rng` draws the markers of fences: the
    system's own randomness, but in tests. `pace` is how long models took, as far as that was measured.
    """

    reading: Reading
    order: Order
    registry: Registry
    caller: Caller
    costs: Mapping[Call, CostRange]
    decisions: list[str] = field(default_factory=list)
    detector: ConfidenceDetector = field(default_factory=ConfidenceDetector)
    rng: random.Random = field(default_factory=random.SystemRandom)
    monotonic: Callable[[], float] = time.monotonic
    pace: Mapping[str, Pace] = field(default_factory=dict)
    best: Outcome | None = None
    asked: Asked = field(init=False)
    _shares: dict[int, CostShare] = field(default_factory=dict)  # by the id of the node

    def __post_init__(self) -> None:
        self.asked = Asked(self.reading.parsed)

    @property
    def asker(self) -> Asker:
        return Asker(
            self.reading,
            self.asked,
            self.registry,
            self.caller,
            self.rng,
            self.detector,
            self.decide,
            with_text=self.order.log_text,
        )

    def decide(self, text: str, *, loud: bool = False, without_quotes: str | None = None) -> None:
        """Takes down what was decided. `without_quotes` is it without words of a prompt or an answer, if it has any:
        the ledger keeps that where no text may be kept."""
        plain = text if without_quotes is None else without_quotes
        self.decisions.append(text if self.order.log_text else plain)
        self.order.observe(Note(text, loud))

    def tell_of(self, error: OrchError, what: str = "", then: str = "", *, loud: bool = True) -> None:
        """Takes down that something went wrong, and what came of it."""
        before = f"{what}: " if what else ""
        self.decide(f"{before}{error.message}{then}", loud=loud, without_quotes=f"{before}{error.without_quotes}{then}")

    def limited(self, node: Node, order: Order) -> Order:
        """The order within a node's share of the run's cap and time, if it has one.

        What it may spend is for all of its walks together, such as the rounds of a loop; the time is for each. A call
        has its patience besides.
        """
        options = order.options
        if node.time_share is not None:
            deadline = self.monotonic() + node.time_share * options.timeout_s
            order = replace(order, deadline=min(order.deadline, deadline))
        if node.budget_share is not None and options.max_cost_nanousd is not None:
            limit = int(node.budget_share * options.max_cost_nanousd)
            share = self._shares.setdefault(id(node), CostShare(limit, holder=called(node)))
            order = replace(order, shares=(*order.shares, share))
        return replace(order, patience=self._patience(node, order)) if isinstance(node, Call) else order

    def _patience(self, call: Call, order: Order) -> Patience:
        """How long is waited for a call: as the user says, or as its model may take, if there is something to go on
        with. A share of the run's time is the whole of it."""
        if order.options.leg_timeout_s is not None:
            patience = Patience(leg_s=order.options.leg_timeout_s)
        elif order.spare and call.time_share is None:
            spec = self.registry.model(call.model)
            patience = Patience(silence_s=longest_silence_s(spec, order.load.output_tokens, self.pace.get(spec.name)))
        else:
            return Patience()
        return replace(patience, begin_by=order.begin_by) if order.spare else patience

    def keeping(self, order: Order, after: Iterable[Node] | None = None) -> Order:
        """The order with the end of its time kept for the nodes that come after it: as long as they are expected to
        take, and half of what is left at most. Without them, half: for those that may be asked in its place."""
        now = self.monotonic()
        until = min(order.deadline, order.begin_by)
        half = (until - now) / 2
        kept = half if after is None else min(half, math.fsum(map(self._expected_s, after)))
        return replace(order, begin_by=until - kept)

    def _expected_s(self, node: Node) -> float:
        """Seconds that a node is expected to take: a cascade its first leg, a loop one round."""
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
        """What a node is expected to cost, in nano-dollars."""
        return price(node, lambda call: self.costs.get(call, _UNPRICED)).expected

    def threshold(self, accept: Accept) -> float:
        return self.order.options.threshold if accept.threshold is None else accept.threshold

    def accepts(self, outcome: Outcome, threshold: float) -> bool:
        """Whether an answer is taken: by what agreement or a check said of it, else by its confidence."""
        name, confidence = outcome.spec.name, outcome.confidence
        if outcome.accepted is not None:
            self.decide(f"{name}'s answer is accepted" if outcome.accepted else f"{name}'s answer is not accepted")
            return outcome.accepted
        if confidence >= threshold:
            self.decide(f"{name} answered with confidence {confidence:.2f} ≥ {threshold:g}: accepted")
            return True
        found, reasons = f"{name} answered with confidence {confidence:.2f} < {threshold:g}", outcome.verdict.reasons
        self.decide(f"{found} ({'; '.join(reasons)})" if reasons else found, without_quotes=found)
        return False


def given_by(outcome: Outcome) -> str:
    """An answer as it is put into another prompt."""
    return insertable(outcome.completion.text, outcome.max_tokens)


def called(node: Node) -> str:
    """What a message calls a node."""
    if node.name is not None:
        return f"'{node.name}'"
    return f"the call of {node.model}" if isinstance(node, Call) else f"the {type(node).__name__.lower()}"


def broke_off(error: OrchError) -> bool:
    """Whether an error brings text of its own: a reply that broke off, of which some may have been shown."""
    return isinstance(error, IncompleteError) and error.partial is not None and bool(error.partial.text)


def all_failed(failures: Sequence[OrchError]) -> OrchError:
    """The last failure of a call; one that has a partial answer to show goes first. A budget's refusal, which says
    that nothing was sent, stands for all only if that is so: then it is the first one's, which would cost least."""
    called = [failure for failure in failures if isinstance(failure, ProviderError)]
    begun = next((failure for failure in called if failure.partial is not None and failure.partial.text), None)
    if begun is not None and isinstance(begun, OutcomeUnknownError):  # it was given up for others, which failed
        return IncompleteError(begun.message, provider=begun.provider, model=begun.model, partial=begun.partial)
    partial = next(filter(broke_off, failures), None)
    return partial or (called[-1] if called else failures[0])
