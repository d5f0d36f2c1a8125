"""Answers held side by side: several models' to one prompt, or those of past runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..confidence.synthesis import Candidate, agreement, consensus, weigh
from ..deferred import dataclass
from ..money import NANO_PER_DOLLAR, format_short
from ..run.result import OrchestrationResult
from ..types import FinishReason
from .dimensions import NO_KEY
from .figures import UNKNOWN, Sheet, latency, ratio
from .formats import Row
from .plain import one_line
from .selection import SCHEMA_VERSION

_ENDS = {reason.value: reason for reason in FinishReason}
_COLUMNS = (
    *("model", "run_id", "status", "confidence", "score", "latency", "input_tokens", "output_tokens"),
    *("cost_nanousd", "cost", "response", "error"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One answer: the run that gave it, the model that it is of, what an ensemble would have given it (`score`, 0 to
    1.1, with its parts; None without an answer), and the reasons for its confidence, in words."""

    model: str
    result: OrchestrationResult
    score: float | None
    parts: Mapping[str, float]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "model": self.model,
            "score": None if self.score is None else round(self.score, 4),
            "parts": {name: round(part, 4) for name, part in self.parts.items()},
            "reasons": list(self.reasons),
            "run": self.result.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Answers in the order asked for. `agreement` is how much they say the same, 0 to 1, and `consensus` the key points
    that more than one has; None and nothing where fewer than two answered."""

    sides: tuple[Side, ...]
    agreement: float | None
    consensus: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "compare",
            "simulated": any(side.result.simulated for side in self.sides),
            "agreement": None if self.agreement is None else round(self.agreement, 4),
            "consensus": list(self.consensus),
            "sides": [side.to_dict() for side in self.sides],
        }

    def rows(self) -> tuple[tuple[str, ...], list[Row]]:
        """For a spreadsheet: the columns, and a row for each answer."""
        return _COLUMNS, [_row(side) for side in self.sides]

    def sheet(self) -> Sheet:
        """For people: figures and answer of each."""
        names, figures = ("Model", "Status", "Answer"), tuple(heading for heading, _ in FIGURES)
        rows = [(*name_and_status(side), answer_of(side), *(show(side) for _, show in FIGURES)) for side in self.sides]
        return Sheet("Answers side by side", names, figures, tuple(rows), tuple(self.notes()))

    def notes(self) -> list[str]:
        """What is to be said of all of them."""
        if self.agreement is None:
            return []
        scored = [side for side in self.sides if side.score is not None]
        best = max(scored, key=lambda side: side.score or 0.0)
        points = f", {len(self.consensus)} key points in common" if self.consensus else ""
        return [f"agreement {self.agreement:.2f}{points}; an ensemble of these would have given {best.model}'s answer"]


FIGURES: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("Conf.", lambda side: ratio(side.result.confidence)),
    ("Score", lambda side: ratio(side.score)),
    ("Latency", lambda side: latency(1000 * side.result.latency)),
    ("Tokens", lambda side: f"{side.result.output_tokens:,}"),
    ("Cost", lambda side: format_short(side.result.cost_nanousd)),
)


def side_by_side(results: Sequence[tuple[str, OrchestrationResult]], capability_of: Mapping[str, float]) -> SideBySide:
    """Compare results, each with the model that it is of. `capability_of` has the capability, 0 to 1, of the models
    that are known; 0.5 counts for the others. Pure."""
    answered = [place for place, (_, result) in enumerate(results) if result.response.strip()]
    weighed = weigh([_candidate(*results[place], capability_of) for place in answered])
    by_place = {answered[one.index]: one for one in weighed}
    sides = tuple(
        Side(
            model,
            result,
            by_place[place].score if place in by_place else None,
            by_place[place].parts if place in by_place else {},
            _reasons(result),
        )
        for place, (model, result) in enumerate(results)
    )
    several = len(answered) > 1
    return SideBySide(sides, agreement(weighed) if several else None, consensus(weighed) if several else ())


def name_and_status(side: Side) -> tuple[str, str]:
    """How a side is headed."""
    return one_line(side.model or NO_KEY), side.result.status


def answer_of(side: Side) -> str:
    """The answer, or why there is none."""
    if side.result.response.strip():
        return side.result.response
    error = side.result.error
    return UNKNOWN if error is None else f"({error.code}: {error.message})"


def _candidate(model: str, result: OrchestrationResult, capability_of: Mapping[str, float]) -> Candidate:
    ended = next((call.finish_reason for call in reversed(result.calls) if call.model == result.model_used), None)
    return Candidate(
        model=model,
        text=result.response,
        confidence=result.confidence or 0.0,
        capability=capability_of.get(result.model_used or model, 0.5),
        finish_reason=_ENDS.get(ended or "", FinishReason.STOP),
    )


def _reasons(result: OrchestrationResult) -> tuple[str, ...]:
    """The reasons for the confidence in a run's answer, as its calls have them."""
    verdicts = [call.verdict for call in result.calls if call.model == result.model_used and call.verdict is not None]
    return tuple(json.loads(verdicts[-1]).get("reasons", ())) if verdicts else ()


def _row(side: Side) -> Row:
    result = side.result
    return {
        "model": side.model,
        "run_id": result.run_id,
        "status": result.status,
        "confidence": result.confidence,
        "score": side.score,
        "latency": result.latency,
        "input_tokens": result.input_tokens,
        "output_tokens": result.output_tokens,
        "cost_nanousd": result.cost_nanousd,
        "cost": None if result.cost_nanousd is None else result.cost_nanousd / NANO_PER_DOLLAR,
        "response": result.response,
        "error": None if result.error is None else result.error.message,
    }
