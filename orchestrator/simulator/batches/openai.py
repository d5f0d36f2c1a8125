"""OpenAI's Batch API, with the files that it works on: https://platform.openai.com/docs/api-reference/batch"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...expressions import expression
from ..wires.base import Json, Problem, Rejected
from .forms import Answer, Asked, parsed_lines, reply, results, unix
from .records import Batch, Kind, Line, State
from .store import is_open

_FILES = expression(r"/files(?:/(?P<id>[\w-]+)(?P<content>/content)?)?$")
_BATCHES = expression(r"/batches(?:/(?P<id>[\w-]+)(?P<cancel>/cancel)?)?$")
_BOUNDARY = expression(r'boundary="?([^";]+)')
_DAY_S = 86_400
_STATUSES = {
    State.RUNNING: "in_progress",
    State.CANCELLING: "cancelling",
    State.COMPLETED: "completed",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "expired",
    State.FAILED: "failed",
}
_CODES = {
    Kind.EXPIRED: ("batch_expired", "This request could not be executed before the completion window expired."),
    Kind.CANCELLED: ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}
_OUTPUT, _ERRORS = "output", "errors"


def answer(asked: Asked) -> Answer | None:
    """As `Form.answer`."""
    if (found := _FILES.search(asked.path)) is not None:
        return _uploaded(asked) if found["id"] is None else _content(asked, found["id"])
    if (found := _BATCHES.search(asked.path)) is None:
        return None
    if found["id"] is None:
        return _created(asked) if asked.method == "POST" else _listed(asked)
    batch = asked.store.get(found["id"], "openai")
    if batch is None:
        raise Rejected(Problem.BAD_REQUEST, f"No batch found with id '{found['id']}'.")
    if found["cancel"] and is_open(batch):
        batch.state, batch.cancel_at = State.CANCELLING, asked.now.timestamp()
        asked.store.keep(batch)
    return reply(_described(batch))


def _uploaded(asked: Asked) -> Answer:
    boundary = _BOUNDARY.search(asked.headers.get("content-type", ""))
    if boundary is None:
        raise Rejected(Problem.BAD_REQUEST, "'file' is a required property")
    for part in asked.body.split(b"--" + boundary[1].encode("latin-1")):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            file_id, content = f"file-{asked.serial}", content.removesuffix(b"\r\n")
            asked.store.add_file(file_id, content)
            return reply(_file(file_id, len(content), unix(asked.now.timestamp())))
    raise Rejected(Problem.BAD_REQUEST, "'file' is a required property")


def _file(file_id: str, size: int, created_at: int | None) -> Json:
    return {
        "id": file_id,
        "object": "file",
        "bytes": size,
        "created_at": created_at,
        "filename": "batch.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def _content(asked: Asked, file_id: str) -> Answer:
    part, _, batch_id = file_id.removeprefix("file-").partition("-")
    batch = asked.store.get(batch_id, "openai")
    if batch is not None and part in (_OUTPUT, _ERRORS):
        return results(_lines(batch, part), batch)
    content = asked.store.file(file_id)
    if content is None:
        raise Rejected(Problem.BAD_REQUEST, f"No such File object: {file_id}")
    return Answer(200, content, (("content-type", "application/octet-stream"),))


def _created(asked: Asked) -> Answer:
    try:
        wanted = json.loads(asked.body)
        file_id, mark = wanted["input_file_id"], (wanted.get("metadata") or {}).get("orch", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Rejected(Problem.BAD_REQUEST, "Missing required parameter: 'input_file_id'.") from None
    content = asked.store.file(file_id)
    if content is None:
        raise Rejected(Problem.BAD_REQUEST, f"No such File object: {file_id}")
    lines = parsed_lines(content, lambda each: Line(each["custom_id"], each["body"]))
    model = str(lines[0].body.get("model"))
    batch = Batch(f"batch_{asked.serial}", "openai", model, asked.now.timestamp(), lines)
    batch.mark, batch.input_file = mark, file_id
    asked.create(batch)
    return reply(_described(batch))


def _listed(asked: Asked) -> Answer:
    found = list(asked.store.listed("openai"))
    if after := asked.query.get("after"):
        places = [place for place, batch in enumerate(found) if batch.id == after]
        found = found[places[0] + 1 :] if places else []
    limit = int(asked.query.get("limit", "20"))
    return reply({"object": "list", "data": list(map(_described, found[:limit])), "has_more": len(found) > limit})


def _described(batch: Batch) -> Json:
    over, failed = batch.state.is_over, batch.state is State.FAILED
    good = sum(line.kind is Kind.REPLIED and line.status == 200 for line in batch.lines)
    bad = len(batch.lines) - good if over else 0
    described: Json = {
        "id": batch.id,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": batch.model,
        "errors": None,
        "input_file_id": batch.input_file,
        "completion_window": "24h",
        "status": _STATUSES[batch.state],
        "output_file_id": f"file-{_OUTPUT}-{batch.id}" if over and good else None,
        "error_file_id": f"file-{_ERRORS}-{batch.id}" if over and bad and not failed else None,
        "created_at": unix(batch.created_at),
        "expires_at": unix(batch.created_at + _DAY_S),
        "cancelling_at": unix(batch.cancel_at),
        "request_counts": {"total": len(batch.lines), "completed": good if over else 0, "failed": bad},
        "metadata": {"orch": batch.mark} if batch.mark else None,
    }
    for state in (State.COMPLETED, State.FAILED, State.EXPIRED, State.CANCELLED):
        described[f"{state.value}_at"] = unix(batch.ended_at) if batch.state is state else None
    if failed:
        error = {"code": batch.problem, "message": f"The batch failed: {batch.problem}.", "line": None, "param": None}
        described["errors"] = {"object": "list", "data": [error]}
    return described


def _lines(batch: Batch, part: str) -> Iterator[Json]:
    for place in batch.order:
        line = batch.lines[place]
        good = line.kind is Kind.REPLIED and line.status == 200
        if good is not (part == _OUTPUT):
            continue
        response, error = None, None
        if line.kind in _CODES:
            code, message = _CODES[line.kind]
            error = {"code": code, "message": message}
        else:
            response = {"status_code": line.status, "request_id": f"req_{place}", "body": line.reply}
        yield {"id": f"batch_req_{place}", "custom_id": line.custom_id, "response": response, "error": error}
