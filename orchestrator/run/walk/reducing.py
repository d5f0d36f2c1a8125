"""How a panel's answers become one, and the evidence that the other answers give. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...confidence.answers import AGREES_FROM, Wanted, compare, final_answer
from ...confidence.detector import ConfidenceDetector
from ...confidence.signals.second_opinion import agreement_signal
from ...confidence.strength import NAME as MODEL
from ...confidence.strength import stands_above
from ...confidence.synthesis import weigh
from ...deferred import dataclass, replace
from .outcome import Outcome, is_no_answer, opinion

# What no agreement makes good, and from how many logits on; and from when on two answers of a cascade are the same.
_AGAINST, _TOO_MUCH = ("hedging", "refusal", "asks back", "finish", "form", "self-check"), -0.5
_THE_SAME = 0.95


@dataclass(frozen=True, slots=True)
class Reduced:
    """The panel's outcome, and why it is this one, in words."""

    outcome: Outcome
    reason: str


def best(outcomes: Sequence[Outcome]) -> Reduced:
    """The answer that weighs most."""
    weighed = weigh([outcome.candidate() for outcome in outcomes])
    winner = outcomes[weighed[0].index]
    parts = ", ".join(f"{name} {value:.2f}" for name, value in weighed[0].parts.items())
    reason = f"{winner.spec.name}'s answer weighs most: {weighed[0].score:.2f} = {parts}"
    return Reduced(replace(winner, panel=weighed), reason)


def vote(outcomes: Sequence[Outcome], wanted: Wanted, detector: ConfidenceDetector) -> Reduced:
    """The answer that most of them give; of several such, and among those that give it, the one that weighs most."""
    weighed = weigh([outcome.candidate() for outcome in outcomes])
    finals = [final_answer(outcome.completion.text, wanted) for outcome in outcomes]
    same = [
        [a == b or compare(finals[a], finals[b]) >= AGREES_FROM for b in range(len(finals))] for a in range(len(finals))
    ]
    votes = [sum(row) for row in same]
    place = max((one.index for one in weighed), key=lambda index: votes[index])  # the first of equals weighs most
    if votes[place] == 1 and len(outcomes) > 1:
        chosen = best(outcomes)
        return replace(chosen, reason=f"no two of {len(outcomes)} answers are the same: {chosen.reason}")
    winner = replace(outcomes[place], panel=weighed)
    reason = f"{votes[place]} of {len(outcomes)} give this answer"
    if len(outcomes) > 1:
        winner = winner.with_evidence(opinion("votes", (votes[place] - 1) / (len(outcomes) - 1), reason), detector)
    return Reduced(winner, f"{winner.spec.name}'s answer is taken: {reason}")


def agree(
    outcomes: Sequence[Outcome], costs: Sequence[int | None], wanted: Wanted, detector: ConfidenceDetector
) -> Reduced:
    """The cheapest one's answer if all of them are the same, else the one to be trusted most, which is not
    accepted.

    `costs` are what the members were expected to cost. Of an answer that stands alone nothing can be said. Answers that
    agree in being hardly an answer at all are not accepted either.
    """
    winner = best(outcomes)
    if len(outcomes) < 2:
        return replace(winner, reason=f"{winner.outcome.spec.name}'s answer is the only one")
    winner = replace(winner, outcome=replace(_most_trusted(outcomes), panel=winner.outcome.panel))
    finals = [final_answer(outcome.completion.text, wanted) for outcome in outcomes]
    likeness = min(compare(one, other) for number, one in enumerate(finals) for other in finals[number + 1 :])
    agreed = likeness >= AGREES_FROM
    names = " and ".join(outcome.spec.name for outcome in outcomes)
    reason = f"{names} {'agree' if agreed else 'do not agree'}: {likeness:.2f}"
    answers = [outcomes[index] for index in by_cost(costs) if not is_no_answer(outcomes[index].verdict)]
    accepted = agreed and bool(answers)
    if agreed and not answers:
        reason += ", in what is hardly an answer"
    outcome = replace(answers[0], panel=winner.outcome.panel) if accepted else winner.outcome
    others = " and ".join(other.spec.name for other in outcomes if other.call_id != outcome.call_id)
    signal = agreement_signal(likeness, math.fsum(outcome.verdict.signals.values()), others)
    return Reduced(replace(outcome.with_evidence(signal, detector), accepted=accepted), reason)


def _most_trusted(outcomes: Sequence[Outcome]) -> Outcome:
    """As in a cascade of these models, the weakest first, of which no answer was accepted."""
    strengths = [outcome.verdict.signals.get(MODEL) for outcome in outcomes]
    known = [strength for strength in strengths if strength is not None]
    places = list(range(len(outcomes)))
    if len(known) == len(strengths):  # else the order in which they are named
        places.sort(key=known.__getitem__)
    kept = outcomes[places[0]]
    for place in places[1:]:
        if stands_above(outcomes[place].verdict, kept.verdict):
            kept = outcomes[place]
    return kept


def by_cost(costs: Sequence[int | None]) -> list[int]:
    """Places in order of expected cost, those without a price last."""
    return sorted(range(len(costs)), key=lambda place: (costs[place] is None, costs[place] or 0))


def borne_out(
    earlier: Sequence[Outcome], outcome: Outcome, wanted: Wanted, detector: ConfidenceDetector
) -> Outcome | None:
    """The earliest of a cascade's answers that `outcome`, a later one, says again, with that as evidence for it. None
    if there is none, or if there is more against either than that nobody knows: a refusal, a doubt, a missing end."""
    if _is_flawed(outcome):
        return None
    final = final_answer(outcome.completion.text, wanted)
    for one in earlier:
        likeness = compare(final_answer(one.completion.text, wanted), final)
        if likeness >= _THE_SAME and not _is_flawed(one):
            text_logit = math.fsum(one.verdict.signals.values())
            return one.with_evidence(agreement_signal(likeness, text_logit, outcome.spec.name), detector)
    return None


def _is_flawed(outcome: Outcome) -> bool:
    signals = outcome.verdict.signals
    against = math.fsum(signals.get(name, 0.0) for name in _AGAINST)
    return outcome.accepted is False or "agreement" in signals or against <= _TOO_MUCH
