"""Requests that ask for the tokens of an input, and the replies to them."""

from __future__ import annotations

from typing import Any

from .wires.base import Json


def as_generation(body: Json, wire: str) -> Json:
    """The request for an answer that has the same input. Each provider has a form of its own for the question."""
    if wire == "anthropic":
        return {**body, "max_tokens": 1}
    if wire == "google":
        whole = body.get("generateContentRequest")
        return whole if isinstance(whole, dict) else body
    given = body.get("input")
    items: list[Any] = given if isinstance(given, list) else [{"role": "user", "content": given}]
    messages = [_message(item) for item in items]
    if body.get("instructions"):
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    tools = [{"type": "function", "function": tool} for tool in body.get("tools") or []]
    return {"model": body.get("model"), "messages": messages} | ({"tools": tools} if tools else {})


def _message(item: Any) -> Any:
    match item:
        case {"type": "function_call_output", "call_id": call, "output": output}:
            return {"role": "tool", "tool_call_id": call, "content": output}
        case {"type": "function_call", "call_id": call, "name": name, "arguments": arguments}:
            called = {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
            return {"role": "assistant", "content": None, "tool_calls": [called]}
        case _:
            return item


def counted(tokens: int, wire: str) -> Json:
    """The reply that says so."""
    match wire:
        case "google":
            return {"totalTokens": tokens}
        case "openai":
            return {"object": "response.input_tokens", "input_tokens": tokens}
        case _:
            return {"input_tokens": tokens}
