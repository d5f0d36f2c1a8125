"""The batches of Gemini, with the files that they work on: https://ai.google.dev/api/batch-api"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...expressions import expression
from ..wires.base import Headers, Json, Problem, Rejected
from .forms import Answer, Asked, checked, parsed_lines, reply, results, stamp
from .records import Batch, Kind, Line, State
from .store import is_open

_CREATE = expression(r"/models/(?P<model>.+):batchGenerateContent$")
_UPLOAD = expression(r"/upload/v\w+/files(?:/(?P<id>[\w-]+))?$")
_DOWNLOAD = expression(r"/files/(?P<id>[\w-]+):download$")
_BATCHES = expression(r"/batches(?:/(?P<id>[\w-]+)(?P<cancel>:cancel)?)?$")
_STATES = {
    State.RUNNING: "BATCH_STATE_RUNNING",
    State.CANCELLING: "BATCH_STATE_RUNNING",
    State.COMPLETED: "BATCH_STATE_SUCCEEDED",
    State.CANCELLED: "BATCH_STATE_CANCELLED",
    State.EXPIRED: "BATCH_STATE_EXPIRED",
    State.FAILED: "BATCH_STATE_FAILED",
}
_RESULTS = "results-"


def answer(asked: Asked) -> Answer | None:
    """As `Form.answer`."""
    if (found := _CREATE.search(asked.path)) is not None:
        return _created(asked, found["model"])
    if (found := _UPLOAD.search(asked.path)) is not None:
        return _uploaded(asked, found["id"])
    if (found := _DOWNLOAD.search(asked.path)) is not None:
        batch = asked.store.get(f"batches/{found['id'].removeprefix(_RESULTS)}", "google")
        if batch is None:
            raise Rejected(Problem.BAD_REQUEST, f"File {found['id']} does not exist.")
        return results(_lines(batch), batch)
    if (found := _BATCHES.search(asked.path)) is None:
        return None
    if found["id"] is None:
        return _listed(asked)
    batch = asked.store.get(f"batches/{found['id']}", "google")
    if batch is None:
        raise Rejected(Problem.BAD_REQUEST, f"Batch {found['id']} does not exist.")
    if found["cancel"]:
        if is_open(batch):
            batch.state, batch.cancel_at = State.CANCELLING, asked.now.timestamp()
            asked.store.keep(batch)
        return reply({})
    return reply(_described(batch))


def _uploaded(asked: Asked, file_id: str | None) -> Answer:
    if file_id is None:
        new = f"file{asked.serial}"
        url = f"{asked.root}/upload/v1/files/{new}"
        headers: Headers = (("content-type", "application/json"), ("x-goog-upload-url", url))
        asked.store.add_file(new, b"")
        return Answer(200, b"{}", headers)
    known = asked.store.file(file_id)
    if known is None:
        raise Rejected(Problem.BAD_REQUEST, f"Upload {file_id} does not exist.")
    asked.store.add_file(file_id, known + asked.body)
    final = "finalize" in asked.headers.get("x-goog-upload-command", "")
    headers = (("content-type", "application/json"), ("x-goog-upload-status", "final" if final else "active"))
    body = {"file": {"name": f"files/{file_id}", "mimeType": "application/jsonl", "state": "ACTIVE"}}
    return Answer(200, json.dumps(body if final else {}).encode(), headers)


def _created(asked: Asked, model: str) -> Answer:
    try:
        wanted = json.loads(asked.body)["batch"]
        source, mark = wanted["inputConfig"], wanted.get("displayName", "")
        inline = "requests" in source
        if inline:
            lines = checked(list(map(_line, source["requests"]["requests"])))
        else:
            content = asked.store.file(source["fileName"].removeprefix("files/"))
            lines = parsed_lines(content or b"", _line)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Rejected(Problem.BAD_REQUEST, "Invalid JSON payload received.") from None
    batch = Batch(f"batches/{asked.serial}", "google", model, asked.now.timestamp(), lines, mark=mark, inline=inline)
    asked.create(batch)
    return reply(_described(batch))


def _line(each: Json) -> Line:
    return Line(each["key"] if "key" in each else each["metadata"]["key"], each["request"])


def _listed(asked: Asked) -> Answer:
    found, start = list(asked.store.listed("google")), int(asked.query.get("pageToken", "0"))
    end = start + int(asked.query.get("pageSize", "20"))
    more = {"nextPageToken": str(end)} if end < len(found) else {}
    return reply({"operations": list(map(_described, found[start:end])), **more})


def _described(batch: Batch) -> Json:
    over = batch.state.is_over
    facts: Json = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": f"models/{batch.model}",
        "displayName": batch.mark,
        "createTime": stamp(batch.created_at),
        "state": _STATES[batch.state],
        "name": batch.id,
        "batchStats": {
            "requestCount": str(len(batch.lines)),
            "pendingRequestCount": "0" if over else str(len(batch.lines)),
        },
    }
    described: Json = {"name": batch.id, "metadata": facts}
    if over:
        facts["endTime"] = stamp(batch.ended_at)
        described["done"] = True
    if batch.state is State.FAILED:
        described["error"] = {"code": 8, "message": f"The batch failed: {batch.problem}."}
    elif over and batch.inline:
        inlined = [
            {
                ("metadata" if name == "key" else name): ({"key": value} if name == "key" else value)
                for name, value in line.items()
            }
            for line in _lines(batch)
        ]
        facts["output"] = {"inlinedResponses": {"inlinedResponses": inlined}}
    elif over:
        facts["output"] = {"responsesFile": f"files/{_RESULTS}{batch.id.removeprefix('batches/')}"}
    return described


def _lines(batch: Batch) -> Iterator[Json]:
    for place in batch.order:
        line = batch.lines[place]
        if line.kind is not Kind.REPLIED:  # what was not carried out is not among the results
            continue
        if line.status == 200:
            yield {"key": line.custom_id, "response": line.reply}
        else:
            yield {"key": line.custom_id, "error": _status(line)}


def _status(line: Line) -> Json:
    """An error as google.rpc.Status has it: with a code of its own in the place of the HTTP status."""
    error: Json = (line.reply or {}).get("error") or {}
    codes = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14, 504: 4}
    return {**error, "code": codes.get(line.status, 2)}
