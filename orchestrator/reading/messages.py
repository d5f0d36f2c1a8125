"""Conversations in OpenAI's form, read and written: a list of `{"role": ..., "content": ...}`.

    system, developer   the first ones are the system prompt; a later one stays where it is
    user                a text, or parts: text, image_url, file with file_data
    assistant           a text or parts, and tool_calls
    tool                a result, by its tool_call_id

The question is the last turn of the user's. What follows it are calls of tools and their results. What cannot be
passed on is refused by name: a part that is left out without a word would change what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..config.strict_json import parse_json
from ..conversation import Media, Message, Part, Prompt, ToolCall, media_in, text_of
from ..deferred import replace
from ..errors import UsageError
from .media import decoded_base64, media_at, media_of

MOST_TURNS = 10_000  # a conversation that is longer fits no window


def from_openai(messages: object) -> Prompt:
    """The conversation as a prompt. Raises UsageError, which names the place, for what cannot be passed on."""
    return prompt_of_turns(turns_from_openai(messages))


def turns_from_openai(messages: object, places: Sequence[str] = ()) -> tuple[Message, ...]:
    """The turns of a conversation, in order. Errors name the `places` of the messages, by default their numbers. Raises
    UsageError as `from_openai` does."""
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise UsageError("messages: expected a list of messages")
    if len(messages) > MOST_TURNS:
        raise UsageError(f"messages: {len(messages):,} are more than fit any context window")
    at = places or [f"messages[{place}]" for place in range(len(messages))]
    return tuple(_turn(each, place) for each, place in zip(messages, at, strict=True))


def prompt_of_turns(turns: Sequence[Message], system: str | None = None) -> Prompt:
    """The prompt that a conversation ends with. Turns of role `system` at its head follow the system prompt.

    Raises UsageError without a turn of the user's, and for a result of a tool that was not called.
    """
    opening = next((place for place, turn in enumerate(turns) if turn.role != "system"), len(turns))
    systems = joined_system(system, *(turn.content for turn in turns[:opening]))
    said = turns[opening:]
    at = next((place for place in reversed(range(len(said))) if said[place].role == "user"), None)
    if at is None:
        raise UsageError("messages: there is none of role 'user', so nothing is asked")
    _check_results(said)
    question = said[at]
    return Prompt(
        question.content,
        systems,
        before=tuple(said[:at]),
        parts=question.parts,
        after=tuple(said[at + 1 :]),
    )


def joined_system(*texts: str | None) -> str | None:
    """One system prompt of several."""
    return "\n\n".join(text for text in texts if text) or None


def to_openai(turns: Iterable[Message]) -> list[dict[str, Any]]:
    """The turns in the form that `from_openai` reads."""
    return [_written(turn) for turn in turns]


def _check_results(turns: Sequence[Message]) -> None:
    called: set[str | None] = set()
    for turn in turns:
        called.update(call.id for call in turn.tool_calls)
        if turn.role == "tool" and turn.tool_call_id not in called:
            raise UsageError(f"messages: a result is for the tool call {turn.tool_call_id!r}, which nobody made")


def _turn(item: object, place: str) -> Message:
    if not isinstance(item, Mapping):
        raise UsageError(f"{place}: expected an object")
    role = item.get("role")
    content = item.get("content")
    match role:
        case "system" | "developer":
            return Message("system", _text(content, f"{place}.content"))
        case "user":
            return Message.of("user", _parts(content, f"{place}.content"))
        case "assistant":
            calls = _calls(item, place)
            said = "" if content is None and (calls or item.get("refusal")) else _text(content, f"{place}.content")
            return Message("assistant", said or str(item.get("refusal") or ""), calls)
        case "tool":
            call_id = item.get("tool_call_id")
            if not isinstance(call_id, str) or not call_id:
                raise UsageError(f"{place}.tool_call_id: is missing")
            return Message.of("tool", _parts(content, f"{place}.content", empty=True), tool_call_id=call_id)
    raise UsageError(f"{place}.role: expected system, developer, user, assistant or tool, found {_shown(role)}")


def _text(content: object, place: str) -> str:
    parts = _parts(content, place, empty=True)
    if media_in(parts):
        raise UsageError(f"{place}: only text can stand here")
    return text_of(parts)


def _parts(content: object, place: str, *, empty: bool = False) -> Sequence[Part]:
    """A text, or parts in order."""
    if isinstance(content, str):
        return (content,)
    if content is None and empty:
        return ()
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise UsageError(f"{place}: expected a text or a list of parts")
    return [_part(each, f"{place}[{number}]") for number, each in enumerate(content)]


def _part(item: object, place: str) -> Part:
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping):
        raise UsageError(f"{place}: expected an object")
    kind = item.get("type")
    if kind in ("text", "input_text", "output_text", "refusal"):
        return _required(item, "refusal" if kind == "refusal" else "text", place)
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise UsageError(f"{place}.type: {_shown(kind)} cannot be passed on: text, image_url or file")
    return read(item, place)


def _image(item: Mapping[str, Any], place: str) -> Media:
    image = item.get("image_url")
    if isinstance(image, Mapping):
        return media_at(_required(image, "url", f"{place}.image_url"), f"{place}.image_url.url")
    return media_at(_required(item, "image_url", place), f"{place}.image_url")


def _file(item: Mapping[str, Any], place: str) -> Media:
    inside = item.get("file", item)
    if not isinstance(inside, Mapping):
        raise UsageError(f"{place}.file: expected an object")
    if inside.get("file_id") is not None:
        raise UsageError(f"{place}.file.file_id: a file that one provider keeps cannot be passed on", hint="file_data")
    name = inside.get("filename")
    called = f"{place}.file.file_data"
    data = _required(inside, "file_data", f"{place}.file")
    if data.startswith(("data:", "http:", "https:")):
        media = media_at(data, called)
    else:
        media = media_of(decoded_base64(data, called), called)
    return replace(media, name=name) if isinstance(name, str) else media


_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Media]] = {
    "image_url": _image,
    "input_image": _image,
    "file": _file,
    "input_file": _file,
}


def _calls(item: Mapping[str, Any], place: str) -> tuple[ToolCall, ...]:
    listed = item.get("tool_calls") or ()
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        raise UsageError(f"{place}.tool_calls: expected a list")
    return tuple(_call(each, f"{place}.tool_calls[{number}]") for number, each in enumerate(listed))


def _call(item: object, place: str) -> ToolCall:
    function = item.get("function") if isinstance(item, Mapping) else None
    if not isinstance(item, Mapping) or not isinstance(function, Mapping):
        raise UsageError(f"{place}: expected a call of a function")
    arguments = _required(function, "arguments", f"{place}.function")
    try:
        is_object = isinstance(parse_json(arguments or "{}"), dict)
    except ValueError:
        is_object = False
    if not is_object:
        raise UsageError(f"{place}.function.arguments: expected a JSON object, as text")
    call_id, name = _required(item, "id", place), _required(function, "name", f"{place}.function")
    return ToolCall(call_id, name, arguments, _signature(item))


def _signature(item: Mapping[str, Any]) -> str | None:
    extra = item.get("extra_content")
    google = extra.get("google") if isinstance(extra, Mapping) else None
    signature = google.get("thought_signature") if isinstance(google, Mapping) else None
    return signature if isinstance(signature, str) else None


def _required(item: Mapping[str, Any], key: str, place: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise UsageError(f"{place}.{key}: {'is missing' if value is None else 'expected text'}")
    return value


def _shown(value: object) -> str:
    return repr(value)[:60]


def _written(turn: Message) -> dict[str, Any]:
    content: Any = [_written_part(part) for part in turn.parts] if turn.parts else turn.content
    written: dict[str, Any] = {"role": turn.role, "content": content}
    if turn.tool_calls:
        written["tool_calls"] = [written_call(call) for call in turn.tool_calls]
    if turn.tool_call_id is not None:
        written["tool_call_id"] = turn.tool_call_id
    return written


def written_call(call: ToolCall) -> dict[str, Any]:
    """A call of a tool in this form."""
    written: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature is not None:  # as Google's own server of this form has it
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written


def _written_part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not part.is_document:
        return {"type": "image_url", "image_url": {"url": part.address}}
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": part.address}}
