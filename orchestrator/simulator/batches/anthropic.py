"""Anthropic's Message Batches: https://docs.anthropic.com/en/api/creating-message-batches"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from ...expressions import expression
from ..wires.base import Json, Problem, Rejected
from .forms import Answer, Asked, checked, reply, results, stamp
from .records import Batch, Kind, Line, State
from .store import is_open

_PATH = expression(r"/v1/messages/batches(?:/(?P<id>[\w-]+)(?:/(?P<verb>cancel|results))?)?$")
_DAY_S = 86_400
_ENDINGS = {Kind.EXPIRED: "expired", Kind.CANCELLED: "canceled"}


def answer(asked: Asked) -> Answer | None:
    """As `Form.answer`."""
    if (found := _PATH.search(asked.path)) is None:
        return None
    batch_id, verb = found["id"], found["verb"]
    if batch_id is None:
        return _created(asked) if asked.method == "POST" else _listed(asked)
    batch = asked.store.get(batch_id, "anthropic")
    if batch is None:
        raise Rejected(Problem.NOT_FOUND, batch_id)
    if verb == "results":
        return results(_lines(batch), batch)
    if verb == "cancel" and is_open(batch):
        batch.state, batch.cancel_at = State.CANCELLING, asked.now.timestamp()
        asked.store.keep(batch)
    return reply(_described(batch, asked.root))


def _created(asked: Asked) -> Answer:
    try:
        lines = [Line(each["custom_id"], each["params"]) for each in json.loads(asked.body)["requests"]]
    except (ValueError, KeyError, TypeError):
        raise Rejected(Problem.BAD_REQUEST, "requests: Field required") from None
    model = str(checked(lines)[0].body.get("model"))
    batch = Batch(f"msgbatch_{asked.serial}", "anthropic", model, asked.now.timestamp(), lines)
    asked.create(batch)
    return reply(_described(batch, asked.root))


def _listed(asked: Asked) -> Answer:
    found = list(asked.store.listed("anthropic"))
    if after := asked.query.get("after_id"):
        places = [place for place, batch in enumerate(found) if batch.id == after]
        found = found[places[0] + 1 :] if places else []
    limit = int(asked.query.get("limit", "20"))
    page = [_described(batch, asked.root) for batch in found[:limit]]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    return reply({"data": page, "has_more": len(found) > limit, "first_id": first, "last_id": last})


def _described(batch: Batch, root: str) -> Json:
    over = batch.state.is_over
    status = "ended" if over else "canceling" if batch.state is State.CANCELLING else "in_progress"
    ends = Counter(_ending(line) for line in batch.lines) if over else {}
    counts = {name: ends.get(name, 0) for name in ("succeeded", "errored", "canceled", "expired")}
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {"processing": 0 if over else len(batch.lines), **counts},
        "created_at": stamp(batch.created_at),
        "ended_at": stamp(batch.ended_at),
        "expires_at": stamp(batch.created_at + _DAY_S),
        "cancel_initiated_at": stamp(batch.cancel_at),
        "archived_at": None,
        "results_url": f"{root}/v1/messages/batches/{batch.id}/results" if over else None,
    }


def _ending(line: Line) -> str:
    if line.kind in _ENDINGS:
        return _ENDINGS[line.kind]
    return "succeeded" if line.status == 200 else "errored"


def _lines(batch: Batch) -> Iterator[Json]:
    for place in batch.order:
        line = batch.lines[place]
        ending = _ending(line)
        result: Json = {"type": ending}
        if ending == "succeeded":
            result["message"] = line.reply
        elif ending == "errored":
            result["error"] = line.reply
        yield {"custom_id": line.custom_id, "result": result}
