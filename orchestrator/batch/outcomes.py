"""What came of a line, as the JSON object that stands in the output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..deferred import dataclass
from ..errors import OrchError
from ..ledger.batches import Kept
from ..run.result import ErrorInfo, OrchestrationResult, error_dict
from .lines import Line

NOT_ASKED, INVALID, SUBMITTED = "not_asked", "invalid", "submitted"
_ENCODER = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a line.

    `status` is that of its run, `invalid` for a line that cannot be read, or `not_asked` if all was stopped before it.
    `document` is its object in the output. `kept`: its rows are written already, with the end of its run.
    `error` is what stopped all.
    `cost_nanousd` is that of this run alone, None if it was unpriced.
    """

    line: Line
    status: str
    document: Mapping[str, Any]
    code: str | None = None
    cost_nanousd: int | None = 0
    kept: bool = False
    error: OrchError | None = None

    @property
    def is_final(self) -> bool:
        """Whether there is an answer or a failure; otherwise the line is asked when the job goes on."""
        return self.status not in (NOT_ASKED, SUBMITTED, "interrupted")

    def to_keep(self) -> Kept:
        """Its rows."""
        return Kept(self.line.number, self.line.digest, self.status, self.code, as_line(self.document))


def outcome_of(line: Line, result: OrchestrationResult, *, full: bool, kept: bool = False) -> Outcome:
    """The outcome of a line that was asked. `full`: all that `orch run --output json` has."""
    code = None if result.error is None else result.error.code
    return Outcome(line, result.status, _document(line, result, full), code, result.cost_nanousd, kept)


def outcome_kept(line: Line, kept: Kept) -> Outcome:
    """The outcome of a line whose rows are in the ledger."""
    document = json.loads(kept.result)
    return Outcome(line, kept.status, document, kept.code, document.get("cost_nanousd"), kept=True)


def invalid(line: Line) -> Outcome:
    """The outcome of a line that cannot be read."""
    assert line.error is not None
    return Outcome(line, INVALID, _without_run(line, INVALID, line.error), line.error.code)


def not_asked(line: Line, why: OrchError) -> Outcome:
    """The outcome of a line that was not asked, since all was stopped before it."""
    return Outcome(line, NOT_ASKED, _without_run(line, NOT_ASKED, why), why.code, error=why)


def submitted(line: Line, why: OrchError) -> Outcome:
    """The outcome of a line that a provider is at work on, or will be."""
    return Outcome(line, SUBMITTED, {"line": line.number, "id": line.id, "status": SUBMITTED}, error=why)


def as_line(document: Mapping[str, Any]) -> str:
    """A JSON object on one line, as UTF-8 can hold it."""
    text = _ENCODER.encode(document)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(document)
    return text


def _document(line: Line, result: OrchestrationResult, full: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"line": line.number, "id": line.id}
    if full:
        return document | result.to_dict()
    document |= result.answer()
    if not document["tool_calls"]:
        del document["tool_calls"]
    document |= {"simulated": result.simulated, "error": result.failure()}
    return document if result.explanation is None else document | {"explanation": result.explanation.to_dict()}


def _without_run(line: Line, status: str, error: OrchError) -> dict[str, Any]:
    return {"line": line.number, "id": line.id, "status": status, "error": error_dict(ErrorInfo.of(error))}
