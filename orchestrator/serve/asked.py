"""What a client asks of the server, whatever form its API has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..deferred import dataclass
from ..types import Message, Prompt


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has been read.

    `model` is the name that the client gave. `given` are options of the run by their Python names. `tool_choice` is as
    in `Request`, `logprobs` and `top_logprobs` as in `Served`. `stay`: a conversation with tools stays with the model
    that began it. `left_out` names the fields that are not passed on. `echo` is what the wire needs to write the reply.
    `previous` is the id of the run whose conversation goes on with `turns`; `prompt` is None until it was looked up.
    """

    model: str
    prompt: Prompt | None
    given: Mapping[str, Any]
    stream: bool = False
    tool_choice: str = "auto"
    logprobs: bool = False
    top_logprobs: int = 0
    stay: bool = True
    left_out: tuple[str, ...] = ()
    echo: Mapping[str, Any] = field(default_factory=dict)
    previous: str | None = None
    turns: tuple[Message, ...] = ()
    system: str | None = None
