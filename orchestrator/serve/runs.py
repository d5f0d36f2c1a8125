"""From what a client asks to a run of the engine: its options, its plan, who may have it, and what it came to."""

from __future__ import annotations

from typing import Any

from ..api import options_of
from ..choose.making import Planned
from ..config import RunOptions
from ..config.options import EXPERIMENT, Served
from ..deferred import dataclass, replace
from ..errors import RefusedError, did_you_mean
from ..ledger.keys import Key
from ..plan import models
from ..registry.model import Registry
from ..run.engine import Engine
from ..run.result import OrchestrationResult
from ..types import FinishReason, Message
from .asked import Asked
from .conversations import Conversations
from .names import USUAL, is_known, names_for
from .orch_options import STAY, STRATEGY
from .problems import FORBIDDEN, NOT_FOUND, Refused, problem_of, refused
from .reply import Reply, orch_of, refusal_of, reply_of

# What says whom to ask, beside `model`: a key that may ask for some names alone cannot go round them with these.
_WHOM = ("chain", "models", "role", "tier", "experiment", "self_check", STRATEGY)


@dataclass(frozen=True, slots=True)
class Runs:
    """Makes the runs of one server."""

    engine: Engine
    conversations: Conversations

    async def plan(self, asked: Asked, key: Key | None) -> Planned:
        """The plan of what is asked. Raises Refused for what the key may not ask, and an OrchError."""
        prompt = asked.prompt
        assert prompt is not None, "looked up by now"
        options = self._options(asked, key)
        if asked.stay and options.tools:
            began = await self.conversations.model_of(prompt, _owner(key))
            options = _with(options, stay_with=began)
        prompt = self.conversations.signed(prompt, _owner(key))
        planned = await self.engine.prepare(prompt, options)
        if key is not None:
            _check_allowed(key, asked, planned, self.engine.registry)
        return planned

    def reply(self, asked: Asked, key: Key | None, result: OrchestrationResult, warnings: list[str]) -> Reply:
        """What a run came to, as a reply. Raises Refused for one without an answer."""
        orch = orch_of(result, asked.left_out, warnings)
        if isinstance(result.exception, RefusedError):
            return refusal_of(result, orch)
        if result.exception is not None and not _was_cut(result):
            raise Refused(problem_of(result.exception, orch))
        reply = reply_of(result, orch, logprobs=asked.logprobs)
        if asked.prompt is not None and (asked.given.get("tools") or reply.tool_calls):
            answer = Message("assistant", reply.text, reply.tool_calls)
            self.conversations.remember(asked.prompt, answer, reply.model, _owner(key))
        return reply

    def _options(self, asked: Asked, key: Key | None) -> RunOptions:
        """The options of the run: the request's own over the user's settings. Raises Refused for an unknown name."""
        given, registry = dict(asked.given), self.engine.registry
        given.pop(STAY, None)
        name = given.pop(STRATEGY, None) or asked.model
        if not is_known(name, registry):
            hint = did_you_mean(name, names_for(self.engine, None))
            raise refused(
                NOT_FOUND, "model_not_found", f"there is no model {name[:100]!r}{f': {hint}' if hint else ''}"
            )
        strategy = None if name == USUAL else name
        if "," in name:
            strategy, given["chain"] = None, name
        if given.get("experiment") is not None and strategy is None:
            strategy = EXPERIMENT
        tags = [*(key.tags if key is not None else ()), *given.pop("tags", ())]
        options = options_of(self.engine.settings, strategy=strategy, **given, tags=tags or None)
        owner = None if key is None else key.name
        served = Served(owner, None, asked.logprobs, asked.top_logprobs)
        return replace(options, stream=asked.stream, served=served, tool_choice=asked.tool_choice)


def _with(options: RunOptions, **changes: Any) -> RunOptions:
    assert options.served is not None
    return replace(options, served=replace(options.served, **changes))


def _owner(key: Key | None) -> str:
    return "" if key is None else key.name


def _was_cut(result: OrchestrationResult) -> bool:
    """Whether the reply was cut off at its limit before its first word, which is no error to the APIs."""
    return result.completion is not None and result.completion.finish_reason is FinishReason.LENGTH


def _check_allowed(key: Key, asked: Asked, planned: Planned, registry: Registry) -> None:
    """Raises Refused if a key may ask for some names alone, and neither the name that was asked for nor all models of
    the plan are among them."""
    if not key.models:
        return
    allowed = {spec.name for name in key.models if (spec := registry.find(name)) is not None}
    bare = not any(asked.given.get(name) for name in _WHOM)
    if bare and asked.model in key.models:
        return
    others = [name for name in models(planned.plan) if name not in allowed]
    if others or asked.given.get("self_check"):
        message = f"the key {key.name} may not ask for {asked.model[:100]!r}, only for {', '.join(key.models)}"
        raise refused(FORBIDDEN, "permission", message)
