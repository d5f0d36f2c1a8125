"""Several answers weighed against each other, and the best one chosen.

    score = 0.5 confidence + 0.3 capability of the model + 0.2 completeness + 0.1 consensus

Confidence, capability, completeness and consensus run from 0 to 1 each, so a score runs from 0 to 1.1. Completeness
is length against the longest answer. Consensus is how much of an answer's key points the other answers have as well:
a bonus, and bounded, so that a crowd that is wrong together cannot outvote a better answer by its number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..deferred import dataclass
from ..errors import UsageError
from ..reading.prose import EDGE_CHARS, count_words
from ..types import FinishReason, Level
from .detector import ConfidenceDetector
from .keypoints import KeyPoint, agree, key_points

CONFIDENCE_WEIGHT, CAPABILITY_WEIGHT, COMPLETENESS_WEIGHT = 0.5, 0.3, 0.2
CONSENSUS_BONUS = 0.1

# An answer is complete from this part of the longest one on. The longest counts for at most this many times the
# median, so that one that rambles does not make the others look unfinished.
_COMPLETE_FROM, _LONGEST_OF_MEDIANS = 0.6, 2.0
_FINISH_FACTOR: dict[FinishReason, float] = {
    FinishReason.LENGTH: 0.5,
    FinishReason.INCOMPLETE: 0.5,
    FinishReason.REFUSED: 0.0,
}
_CAPABILITY: dict[Level, float] = {
    Level.BASIC: 0.25,
    Level.INTERMEDIATE: 0.5,
    Level.ADVANCED: 0.75,
    Level.EXPERT: 1.0,
}
_UNKNOWN_CAPABILITY = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer. `confidence` and `capability` run from 0 to 1."""

    model: str
    text: str
    confidence: float
    capability: float
    finish_reason: FinishReason = FinishReason.STOP


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate with its score, and the parts of it, weights included: they add up to `score`.

    `index` is its place among the candidates given. `shared` has its key points that another candidate has too.
    `support` is the part of its key points, 0 to 1, that an average other candidate has.
    """

    candidate: Candidate
    index: int
    score: float
    parts: Mapping[str, float]
    shared: tuple[str, ...]
    support: float


def capability(level: Level) -> float:
    """The capability, 0 to 1, of a model whose highest level is this one: a quarter for each level reached."""
    return _CAPABILITY[level]


def weigh(candidates: Sequence[Candidate]) -> tuple[Weighed, ...]:
    """The candidates with their scores, the best first; equal ones in the order given. An empty answer scores 0."""
    lengths = [count_words(_edges(candidate.text)) for candidate in candidates]
    full_length = _full_length(lengths)
    points = [key_points(candidate.text) for candidate in candidates]
    weighed = [
        _weigh_one(candidate, index, lengths[index] / full_length, points) for index, candidate in enumerate(candidates)
    ]
    return tuple(sorted(weighed, key=lambda one: -one.score))


def agreement(weighed: Sequence[Weighed]) -> float:
    """How much the answers say the same, 0 to 1: the mean of their support. One answer alone agrees with nobody: 0."""
    return math.fsum(one.support for one in weighed) / len(weighed) if weighed else 0.0


def consensus(weighed: Sequence[Weighed]) -> tuple[str, ...]:
    """The key points that more than one answer has, in the words of the best answer that has them."""
    kept: list[KeyPoint] = []
    for one in weighed:
        for point in key_points(one.candidate.text):
            if point.text in one.shared and not any(agree(point, other) for other in kept):
                kept.append(point)
    return tuple(point.text for point in kept)


def synthesize_responses(responses: Sequence[Mapping[str, Any] | object]) -> dict[str, Any]:
    """Choose among the answers of several models to one prompt.

    Each response is a mapping, or an object, with `response` (or `text`) and, optionally, `model` (or `model_used`),
    `confidence` (0 to 1; assessed from the text where it is missing), `capability` (0 to 1, or a level such as
    "advanced"; 0.5 where it is missing), `finish_reason`, and `prompt`, which helps to assess the confidence.

    Returns `response`, `model` and `confidence` of the best; `scores`, one for each response in the order given, with
    the parts that add up to it; `consensus`, the key points that more than one answer has; and `agreement`, 0 to 1.
    Raises UsageError without responses, or where one of them is not of this form.
    """
    if not responses:
        raise UsageError("there are no responses to synthesise")
    weighed = weigh([_candidate(response, index) for index, response in enumerate(responses)])
    best = weighed[0].candidate
    return {
        "response": best.text,
        "model": best.model,
        "confidence": best.confidence,
        "scores": [
            {"model": one.candidate.model, "score": one.score, **one.parts}
            for one in sorted(weighed, key=lambda one: one.index)
        ],
        "consensus": list(consensus(weighed)),
        "agreement": agreement(weighed),
    }


def _weigh_one(candidate: Candidate, index: int, length: float, points: Sequence[Sequence[KeyPoint]]) -> Weighed:
    shared, support = _shared(index, points)
    factor = _FINISH_FACTOR.get(candidate.finish_reason, 1.0)
    answered = bool(candidate.text.strip())
    values = {
        "confidence": CONFIDENCE_WEIGHT * candidate.confidence,
        "capability": CAPABILITY_WEIGHT * candidate.capability,
        "completeness": COMPLETENESS_WEIGHT * min(1.0, length) * factor,
        "consensus": CONSENSUS_BONUS * support,
    }
    parts = values if answered else dict.fromkeys(values, 0.0)
    return Weighed(candidate, index, math.fsum(parts.values()), parts, shared, support)


def _shared(index: int, points: Sequence[Sequence[KeyPoint]]) -> tuple[tuple[str, ...], float]:
    """Which of an answer's key points others have, and the mean part of the others that have each of them."""
    own = points[index]
    others = [other for place, other in enumerate(points) if place != index]
    if not own or not others:
        return (), 0.0
    having = [sum(any(agree(point, theirs) for theirs in other) for other in others) for point in own]
    shared = tuple(point.text for point, count in zip(own, having, strict=True) if count)
    return shared, sum(having) / (len(own) * len(others))


def _full_length(lengths: Sequence[int]) -> float:
    """Words from which an answer counts as complete; at least one, to divide by."""
    if not lengths:
        return 1.0
    median = sorted(lengths)[len(lengths) // 2]
    longest = min(max(lengths), _LONGEST_OF_MEDIANS * median) if median else max(lengths)
    return max(1.0, _COMPLETE_FROM * longest)


def _edges(text: str) -> str:
    return text if len(text) <= 2 * EDGE_CHARS else text[:EDGE_CHARS] + "\n" + text[-EDGE_CHARS:]


def _field(response: object, *names: str) -> Any:
    """The first of the fields that is there and not None."""
    read = response.get if isinstance(response, Mapping) else lambda name: getattr(response, name, None)
    return next((value for value in map(read, names) if value is not None), None)


def _candidate(response: object, index: int) -> Candidate:
    text = _field(response, "response", "text")
    if not isinstance(text, str):
        raise UsageError(f"response {index} has no text: it needs 'response' or 'text'")
    try:
        finish = FinishReason(_field(response, "finish_reason") or FinishReason.STOP)
        level = _field(response, "capability")
        able = capability(Level(level)) if isinstance(level, str) else _fraction(level, _UNKNOWN_CAPABILITY)
        confidence = _field(response, "confidence")
        if confidence is None:
            confidence = ConfidenceDetector().assess(text, _field(response, "prompt"), finish_reason=finish).confidence
        return Candidate(
            str(_field(response, "model", "model_used") or ""), text, _fraction(confidence, 0.0), able, finish
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"response {index} cannot be used: {error}") from error


def _fraction(value: Any, default: float) -> float:
    number = default if value is None else float(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{number} is not between 0 and 1")
    return number
