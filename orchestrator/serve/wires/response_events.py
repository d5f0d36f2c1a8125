"""A response as a stream of events, each with its number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..problems import Problem
from ..reply import Reply
from .base import COMMENT, Json, event
from .chat import error
from .response_items import call_item, frame, message_item, response_of, text_part


class Events:
    """The events of one response."""

    def __init__(self, echo: Mapping[str, Any]) -> None:
        self._echo = echo
        self._number = 0
        self._run_id, self._model, self._created = "", "", int(time.time())
        self._pieces: list[str] = []

    def alive(self) -> bytes:
        """As `Stream.alive`."""
        return COMMENT

    def begin(self, run_id: str, model: str) -> bytes:
        """As `Stream.begin`."""
        self._run_id, self._model = run_id, model
        response = frame(run_id, model, self._created, "in_progress", self._echo)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def piece(self, text: str) -> bytes:
        """As `Stream.piece`."""
        opened = b"" if self._pieces else self._open_message()
        self._pieces.append(text)
        return opened + self._of_text("response.output_text.delta", delta=text, logprobs=[])

    def end(self, reply: Reply) -> bytes:
        """As `Stream.end`."""
        response = response_of(reply, self._echo)
        written = b""
        for index, item in enumerate(response["output"]):
            if item["type"] == "message":
                written += self._close_message(reply, item)
            else:
                written += self._call(reply, index, item)
        kind = "incomplete" if response["status"] == "incomplete" else "completed"
        return written + self._event(f"response.{kind}", response=response)

    def fail(self, problem: Problem) -> bytes:
        """As `Stream.fail`."""
        described = error(problem)["error"]
        told = {"code": described["code"], "message": described["message"]}
        response = frame(self._run_id, self._model, self._created, "failed", self._echo)
        failed = {**response, "error": told, "orch": problem.orch}
        return self._event("error", **told, param=None) + self._event("response.failed", response=failed)

    def _open_message(self) -> bytes:
        item = {
            "id": f"msg_{self._run_id}",
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        added = self._event("response.output_item.added", output_index=0, item=item)
        return added + self._of_text("response.content_part.added", part=text_part(""))

    def _close_message(self, reply: Reply, item: Json) -> bytes:
        part = item["content"][0]
        if part["type"] == "refusal":
            return self._refused(reply, item)
        opened = b"" if self._pieces else self._open_message()
        done = self._of_text("response.output_text.done", text=part["text"], logprobs=part["logprobs"])
        done += self._of_text("response.content_part.done", part=part)
        return opened + done + self._event("response.output_item.done", output_index=0, item=item)

    def _refused(self, reply: Reply, item: Json) -> bytes:
        opened = {**message_item(reply, status="in_progress"), "content": []}
        written = self._event("response.output_item.added", output_index=0, item=opened)
        written += self._of_text("response.content_part.added", part={"type": "refusal", "refusal": ""})
        written += self._of_text("response.refusal.delta", delta=reply.refusal)
        written += self._of_text("response.refusal.done", refusal=reply.refusal)
        written += self._of_text("response.content_part.done", part=item["content"][0])
        return written + self._event("response.output_item.done", output_index=0, item=item)

    def _call(self, reply: Reply, index: int, item: Json) -> bytes:
        call = next(each for each in reply.tool_calls if call_item(each) == item)
        at = {"output_index": index, "item_id": item["id"]}
        opened = call_item(call, arguments="", status="in_progress")
        written = self._event("response.output_item.added", output_index=index, item=opened)
        written += self._event("response.function_call_arguments.delta", **at, delta=item["arguments"])
        done = {**at, "name": item["name"], "arguments": item["arguments"]}
        written += self._event("response.function_call_arguments.done", **done)
        return written + self._event("response.output_item.done", output_index=index, item=item)

    def _of_text(self, kind: str, **fields: Any) -> bytes:
        return self._event(kind, item_id=f"msg_{self._run_id}", output_index=0, content_index=0, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return event({"type": kind, "sequence_number": self._number - 1, **fields}, named=True)
