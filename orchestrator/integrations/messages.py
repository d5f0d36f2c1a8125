"""Messages of LangChain, or of OpenAI's form, as a conversation in OpenAI's form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from ..errors import UsageError

Turn = dict[str, Any]
# Parts of a message in LangChain's and the providers' words.
NOT_SAID = ("reasoning", "thinking", "redacted_thinking", "tool_use", "tool_call", "tool_call_chunk", "function_call")


def conversation(messages: Sequence[Any]) -> list[Turn]:
    """The conversation that the user's last message ends, with the calls of tools that it has led to so far; what was
    answered to it since is left out. There must be a message of the user's.

    Raises UsageError for what is in no form that LangChain knows.
    """
    from langchain_core.messages import convert_to_openai_messages  # heavy

    try:
        turns: list[Turn] = convert_to_openai_messages(list(messages), text_format="block")
    except (ValueError, TypeError, KeyError) as error:
        problem = " ".join(str(error).split())[:200]
        raise UsageError(f"a message in the graph's state holds what orch cannot send: {problem}") from error
    asking = max(place for place, turn in enumerate(turns) if turn["role"] == "user")
    results = [place for place, turn in enumerate(turns) if turn["role"] == "tool" and place > asking]
    going = max([asking, *results])
    later = [turn for turn in turns[going + 1 :] if turn["role"] in ("system", "developer")]
    return [{**turn, "content": _said(turn.get("content"))} for turn in (*turns[: going + 1], *later)]


def _said(content: Any) -> Any:
    """What is said, without what a model thought: pieces of text that follow each other are one."""
    return list(_parts(content)) if isinstance(content, list) else content


def _parts(content: Sequence[Any]) -> Iterator[Any]:
    said = (part for part in content if not (isinstance(part, dict) and part.get("type") in NOT_SAID))
    for is_text, parts in groupby(said, lambda part: isinstance(part, str) or part.get("type") == "text"):
        if is_text:
            yield {"type": "text", "text": "".join(part if isinstance(part, str) else part["text"] for part in parts)}
        else:
            yield from parts
