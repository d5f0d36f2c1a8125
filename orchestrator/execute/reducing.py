"""How a panel's answers become one: which of them, and what the others say of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..confidence.answers import AGREES_FROM, same_answer
from ..confidence.synthesis import weigh
from .outcome import Outcome

# An answer that is trusted less than this by itself refuses, or doubts itself in every sentence: that another one does
# the same speaks for neither.
HARDLY_AN_ANSWER = 0.2


@dataclass(frozen=True, slots=True)
class Reduced:
    """The outcome that a panel comes to, and why it is this one, in words."""

    outcome: Outcome
    reason: str


def best(outcomes: Sequence[Outcome]) -> Reduced:
    """The answer that weighs most."""
    weighed = weigh([outcome.candidate() for outcome in outcomes])
    winner = outcomes[weighed[0].index]
    parts = ", ".join(f"{name} {value:.2f}" for name, value in weighed[0].parts.items())
    reason = f"{winner.spec.name}'s answer weighs most: {weighed[0].score:.2f} = {parts}"
    return Reduced(replace(winner, panel=weighed), reason)


def vote(outcomes: Sequence[Outcome], prompt: str) -> Reduced:
    """The answer that most of them give; of several such, and among those that give it, the one that weighs most."""
    weighed = weigh([outcome.candidate() for outcome in outcomes])
    texts = [outcome.completion.text for outcome in outcomes]
    same = [
        [a == b or same_answer(texts[a], texts[b], prompt) >= AGREES_FROM for b in range(len(texts))]
        for a in range(len(texts))
    ]
    votes = [sum(row) for row in same]
    place = max((one.index for one in weighed), key=lambda index: votes[index])  # the first of equals weighs most
    if votes[place] == 1 and len(outcomes) > 1:
        found = best(outcomes)
        return replace(found, reason=f"no two of {len(outcomes)} answers are the same: {found.reason}")
    winner = replace(outcomes[place], panel=weighed)
    reason = f"{votes[place]} of {len(outcomes)} give this answer"
    if len(outcomes) > 1:
        winner = winner.with_evidence("votes", (votes[place] - 1) / (len(outcomes) - 1), reason)
    return Reduced(winner, f"{winner.spec.name}'s answer is taken: {reason}")


def agree(outcomes: Sequence[Outcome], costs: Sequence[int | None], prompt: str) -> Reduced:
    """The cheapest one's answer if all of them are the same, else the one that weighs most, which is not accepted.

    `costs` are what the members were expected to cost. Of an answer that stands alone nothing can be said. Answers that
    agree in being hardly an answer at all are not accepted either.
    """
    found = best(outcomes)
    if len(outcomes) < 2:
        return replace(found, reason=f"{found.outcome.spec.name}'s answer is the only one")
    texts = [outcome.completion.text for outcome in outcomes]
    likeness = min(same_answer(one, other, prompt) for number, one in enumerate(texts) for other in texts[number + 1 :])
    agreed = likeness >= AGREES_FROM
    names = " and ".join(outcome.spec.name for outcome in outcomes)
    reason = f"{names} {'agree' if agreed else 'do not agree'}: {likeness:.2f}"
    in_order = sorted(range(len(outcomes)), key=lambda index: (costs[index] is None, costs[index] or 0))
    answers = [outcomes[index] for index in in_order if outcomes[index].confidence >= HARDLY_AN_ANSWER]
    accepted = agreed and bool(answers)
    if agreed and not answers:
        reason += ", in what is hardly an answer"
    outcome = replace(answers[0], panel=found.outcome.panel) if accepted else found.outcome
    return Reduced(replace(outcome.with_evidence("agreement", likeness, reason), accepted=accepted), reason)
