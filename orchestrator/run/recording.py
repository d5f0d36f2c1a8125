"""A run's row: at the beginning, and at the end. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from ..choose.making import Planned
from ..confidence.synthesis import agreement, consensus
from ..deferred import replace
from ..errors import OrchError
from ..ids import new_id
from ..ledger.conversations import KeptTurn, kept_turns
from ..ledger.records import TOOL_CALLS, RunRecord, RunStatus
from ..plan import Call, to_dict
from ..plan.compose import said_so_far
from ..types import digest_of
from .walk import Outcome
from .whereabouts import host_name, user_name

Metadata = dict[str, object]  # what JSON can hold


def begun(
    planned: Planned,
    *,
    process: str | None,
    now: datetime,
    simulated: bool,
    with_text: bool,
    environ: Mapping[str, str],
    run_id: str | None = None,
) -> RunRecord:
    """The row of a new run. `with_text` stores the prompt itself and not only its hash; `environ` may name the user.
    Without a `run_id`, one is made."""
    prompt, options, analysis = planned.prompt, planned.options, planned.analysis
    assigned = planned.assigned if planned.assigned is not None and planned.assigned.counts else None
    return RunRecord(
        run_id=run_id or new_id(now),
        created_at=now,
        day=now.date().isoformat(),
        process=process,
        pattern=planned.pattern,
        strategy=_alone(options.strategy) if isinstance(planned.plan, Call) else options.strategy,
        plan=json.dumps(to_dict(planned.plan)),
        category=options.category,
        tags=tuple(dict.fromkeys(options.tags)),
        task=analysis.task,
        level=analysis.level.value,
        score=analysis.score,
        prompt_sha256=digest_of(prompt.text),
        prompt=prompt.text if with_text else None,
        system=prompt.system if with_text else None,
        max_cost_nanousd=options.max_cost_nanousd,
        experiment=None if assigned is None else assigned.experiment.name,
        arm=None if assigned is None else assigned.arm.name,
        subject_sha256=None if assigned is None else assigned.subject,
        key=None if options.served is None else options.served.key,
        host=host_name(),
        user=user_name(environ),
        simulated=simulated,
    )


def said(planned: Planned, *, with_text: bool) -> tuple[KeptTurn, ...]:
    """The turns to be kept of a run, so that it can be gone on from: none for a question that is a text alone."""
    prompt = planned.prompt
    if not with_text or (prompt.is_alone and not prompt.attached):
        return ()
    from ..reading.messages import to_openai  # most runs are no conversation

    turns = to_openai(said_so_far(prompt))
    return kept_turns([json.dumps(turn, ensure_ascii=False) for turn in turns])


def ended(
    run: RunRecord,
    status: RunStatus,
    *,
    at: datetime,
    latency_ms: int,
    text: str,
    outcome: Outcome | None,
    error: OrchError | None,
    metadata: Metadata,
    with_text: bool,
) -> RunRecord:
    """The row of a run that has ended."""
    return replace(
        run,
        strategy=run.strategy if outcome is None or len(outcome.panel) > 1 else _alone(run.strategy),
        status=status,
        ended_at=at,
        latency_ms=latency_ms,
        model_used=None if outcome is None else outcome.spec.name,
        confidence=None if outcome is None else outcome.verdict.confidence,
        response=text if with_text else None,
        response_sha256=digest_of(text),
        error_code=None if error is None else error.code,
        error_message=None if error is None else error.message if with_text else error.without_quotes,
        metadata=json.dumps(metadata),
    )


def _alone(strategy: str) -> str:
    """The strategy that a run with one voice is recorded under: an ensemble of one is none."""
    return "fallback" if strategy == "ensemble" else strategy


def metadata_of(planned: Planned, decisions: list[str], outcome: Outcome | None, *, with_text: bool) -> Metadata:
    """The facts about a run that have no column of their own."""
    analysis = planned.analysis
    metadata: Metadata = {
        "complexity": analysis.complexity(),
        "task": analysis.task,
        "decisions": list(decisions),
    }
    if planned.assigned is not None:
        metadata["experiment"] = {
            "name": planned.assigned.experiment.name,
            "arm": planned.assigned.arm.name,
            "subject_sha256": planned.assigned.subject,
            "counts": planned.assigned.counts,
        }
    if outcome is not None and outcome.completion.tool_calls and with_text:
        metadata[TOOL_CALLS] = [asdict(call) for call in outcome.completion.tool_calls]
    if planned.rolled_out is not None:
        metadata["rollout"] = asdict(planned.rolled_out)
    if outcome is not None and outcome.panel:
        in_order = sorted(outcome.panel, key=lambda weighed: weighed.index)
        metadata |= {
            "ensemble_size": len(in_order),
            "ensemble_models": [weighed.candidate.model for weighed in in_order],
            "all_confidences": [weighed.candidate.confidence for weighed in in_order],
            "all_scores": [weighed.score for weighed in in_order],
            "agreement": agreement(outcome.panel),
            "consensus": list(consensus(outcome.panel)) if with_text else None,
        }
    return metadata
