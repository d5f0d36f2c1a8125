"""Goes on from an earlier response, by its id: the ledger has the conversation, where it keeps texts."""

from __future__ import annotations

import json

from ..conversation import Message
from ..deferred import replace
from ..errors import UsageError
from ..ledger.conversations import conversation_of
from ..ledger.keys import Key
from ..ledger.queries import find_run
from ..ledger.store import Ledger
from ..reading.messages import prompt_of_turns, turns_from_openai
from ..run.result import recorded_result
from .asked import Asked

_NO_SUCH = "previous_response_id: there is no such response"


def with_previous(asked: Asked, ledger: Ledger, key: Key | None) -> Asked:
    """What is asked, with the conversation that it goes on from. A key goes on with its own alone.

    Raises UsageError if there is no such response, or if the ledger has no text of it.
    """
    if asked.previous is None:
        return asked
    try:
        recorded = find_run(ledger, asked.previous)
    except UsageError:
        raise UsageError(_NO_SUCH) from None
    run = recorded.run
    if run.run_id != asked.previous or run.key != (None if key is None else key.name):
        raise UsageError(_NO_SUCH)
    if run.prompt is None or run.response is None:
        raise UsageError("previous_response_id: the server keeps no texts, so send the whole conversation")
    kept = [json.loads(message) for message in conversation_of(ledger, run.run_id)]
    before = turns_from_openai(kept) or (Message("user", run.prompt),)
    answer = Message("assistant", run.response, recorded_result(recorded).tool_calls)
    turns = (*before, answer, *asked.turns)
    return replace(asked, prompt=prompt_of_turns(turns, asked.system or run.system))
