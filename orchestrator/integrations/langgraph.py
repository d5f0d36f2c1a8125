"""orch inside a LangGraph `StateGraph`: any plan as a node, and a conditional edge from the analysis of a prompt.

    from orchestrator.integrations.langgraph import AnalysisEdge, plan_node

    graph.add_node("answer", plan_node("pipeline", context="documents"))
    edge = AnalysisEdge({"expert": "answer"}, default="quick")
    graph.add_conditional_edges("router", edge, edge.destinations)

Needs the extra `orch-llm[langgraph]`. What a node runs is in the ledger, under its budgets and limits, as from a shell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..api import orchestrate, waited_for
from ..config import RunOptions, load_settings
from ..distribution import with_extra
from ..errors import ConfigError, UsageError, did_you_mean
from ..reading.complexity import ComplexityAnalyzer, analyzer_for
from ..reading.messages import from_openai
from ..reading.needs import Need, needs_of
from ..reading.prompt import read_prompt
from ..run.engine import Engine
from ..run.result import OrchestrationResult
from ..types import Analysis, Level, Prompt, Task
from .messages import NOT_SAID, conversation

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

Read = str | Callable[[Any], Any]  # a key of the state, or a function of the state
Write = str | Callable[[OrchestrationResult], Any]  # a field of the result, or a function of the result

# state key -> what is put there. LangGraph ignores those that a graph's state does not have.
WRITES: Mapping[str, Write] = MappingProxyType(
    {"answer": "response", "cost": "cost", "run_id": "run_id", "confidence": "confidence"}
)

_USER = ("human", "user")
_ROLES = (*_USER, "ai", "assistant", "system", "developer", "tool")
_RULES = (*(task.value for task in Task), *(level.value for level in Level), *(need.value for need in Need))


def plan_node(
    plan: str = "fallback",
    *,
    prompt: Read = "prompt",
    context: Read | None = None,
    writes: Mapping[str, Write] = WRITES,
    engine: Engine | None = None,
    **options: Any,
) -> Runnable[Any, dict[str, Any]]:
    """A node that runs a plan of chains.yaml, or a strategy, on what the state holds; for `invoke` and `ainvoke`.

    `prompt` and `context` name keys of the state, or are functions of it. Either value may be text, a message or a
    document of LangChain, or a list. In a state of messages the user's last one asks, in the light of those before it;
    of another list of a prompt's the last item counts; of a context's, all do. A context that the state does not have
    is none. `writes` maps keys of the state to fields of the `OrchestrationResult`, or to functions of it; `cost` is in
    dollars, None if a call was unpriced. `engine` has settings and models of its own; without one they are the user's,
    read at each run. Other `options` are those of `orchestrate`.

    The node raises UsageError for what cannot be sent, such as a sound in a message, and the `OrchError` that
    a run ended in: a `TemporaryError` may be retried, `retryable` says so of any.
    plan_node itself raises ConfigError if LangGraph is not installed, and UsageError for a field that no result has.
    """
    readers = {key: _field(wanted) for key, wanted in writes.items()}

    async def run(state: Any) -> dict[str, Any]:
        given = "" if context is None else _as_text(_read(state, context, optional=True))
        asked = _asked(_read(state, prompt))
        result = await orchestrate(strategy=plan, **asked, context=given, engine=engine, **options)
        return {key: read(result) for key, read in readers.items()}

    def run_and_wait(state: Any) -> dict[str, Any]:
        return waited_for(run(state))

    try:
        from langchain_core.runnables import RunnableLambda  # heavy
    except ImportError as error:
        raise ConfigError("LangGraph is not installed", hint=with_extra("langgraph")) from error
    return RunnableLambda(run_and_wait, afunc=run, name=f"orch {plan}")


class AnalysisEdge:
    """A conditional edge: the name of the node that a prompt goes to, by what its analysis says. It calls nobody.

    `rules` maps tasks (`code`, `planning` ...), levels (`basic`, `intermediate`, `advanced`, `expert`) and what tiers
    go by (`design`, `critical`, `implementation`, `routine`) to nodes; the first one that fits decides, else `default`.
    Or it is a function from the `Analysis` to a node, and then `destinations` says which there are. `prompt` is as in
    `plan_node`. Without an `analyzer` it is the one of the user's settings.

    `destinations`, the nodes that the edge may lead to, is what `add_conditional_edges` draws it by. Raises UsageError
    for a rule that is no task, level or need, and when a prompt fits none and there is no default.
    """

    def __init__(
        self,
        rules: Mapping[str, str] | Callable[[Analysis], str],
        *,
        default: str | None = None,
        destinations: Sequence[str] = (),
        prompt: Read = "prompt",
        analyzer: ComplexityAnalyzer | None = None,
    ) -> None:
        if isinstance(rules, Mapping):
            _check_rules(rules)
            destinations = [*destinations, *rules.values()]
        self._rules = rules
        self._default = default
        self._prompt = prompt
        self._analyzer = analyzer or analyzer_for(load_settings(os.environ))
        self.destinations = list(dict.fromkeys([*destinations, *([] if default is None else [default])]))

    def __call__(self, state: Any) -> str:
        asked = _asked(_read(state, self._prompt))
        prompt = from_openai(asked["messages"]) if "messages" in asked else Prompt(asked["prompt"])
        reading = read_prompt(prompt, RunOptions(), self._analyzer)
        analysis = reading.analysis
        if not isinstance(self._rules, Mapping):
            return self._rules(analysis)
        said = (analysis.task, analysis.level, *needs_of(reading.parsed, analysis).kinds)
        fitting = (node for rule, node in self._rules.items() if rule in said)
        target = next(fitting, self._default)
        if target is None:
            kind = f"{analysis.level} {analysis.task}"
            raise UsageError(f"no rule of the edge fits a prompt that is {kind}", hint="give the edge a default")
        return target


def _check_rules(rules: Mapping[str, str]) -> None:
    for rule in rules:
        if rule not in _RULES:
            hint = did_you_mean(rule, _RULES) or f"there are: {', '.join(_RULES)}"
            raise UsageError(f"an edge cannot go by {rule!r}: it is no task, level or need", hint=hint)


def _field(wanted: Write) -> Callable[[OrchestrationResult], Any]:
    if not isinstance(wanted, str):
        return wanted
    computed = [name for name, value in vars(OrchestrationResult).items() if isinstance(value, property)]
    known = [*(each.name for each in fields(OrchestrationResult)), *computed]
    if wanted not in known:
        hint = did_you_mean(wanted, known) or f"there are: {', '.join(known)}"
        raise UsageError(f"a result has no field {wanted!r}", hint=hint)
    return lambda result: getattr(result, wanted)


def _read(state: Any, wanted: Read, *, optional: bool = False) -> Any:
    """A value of the state, which LangGraph lets be a mapping, a dataclass or a pydantic model. None for an optional
    one that a mapping does not have: keys that nothing has been written to are not there."""
    if not isinstance(wanted, str):
        return wanted(state)
    if optional and isinstance(state, Mapping) and wanted not in state:
        return None
    try:
        return state[wanted] if isinstance(state, Mapping) else getattr(state, wanted)
    except (KeyError, AttributeError):
        raise UsageError(f"the graph's state has no {wanted!r}") from None


def _asked(value: Any) -> dict[str, Any]:
    """What is asked, as `orchestrate` takes it: messages are a conversation, of other lists the last item counts."""
    items = list(value) if isinstance(value, list | tuple) and _role_of(value) is None else [value]
    roles = [_role_of(item) for item in items]
    if None in roles or not items or (items[0] is value and roles[0] not in _USER):
        return {"prompt": _as_text(items[-1]) if items else ""}
    if not set(roles) & set(_USER):
        raise UsageError(
            "the graph's state holds no message of a user's, and an answer is no prompt",
            hint="say which one is the prompt: prompt=lambda state: state['messages'][-1]",
        )
    return {"messages": conversation(items)}


def _as_text(value: Any) -> str:
    """Text, or that of a message, a document or a list of them. Raises UsageError for what cannot be sent as text."""
    if value is None or isinstance(value, str):
        return str(value or "")
    if isinstance(value, list | tuple):
        return "\n\n".join(map(_as_text, value))
    for name in ("page_content", "content"):  # a document's, a message's
        content = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        if content is not None:
            return "".join(map(_block, content)) if isinstance(content, list) else _as_text(content)
    raise UsageError(f"the graph's state holds {type(value).__name__} where text is needed")


def _block(block: Any) -> str:
    """The text of a part of a message: none of what a model thinks or calls, which asks nothing."""
    if isinstance(block, str):
        return block
    kind = block.get("type") if isinstance(block, Mapping) else type(block).__name__
    if kind in NOT_SAID:
        return ""
    if isinstance(block, Mapping) and isinstance(text := block.get("text"), str):
        return text
    raise UsageError(
        f"a message in the graph's state holds what orch cannot send: {str(kind)[:40]}",
        hint="orch sends text alone; to leave the rest out: prompt=lambda state: state['messages'][-1].text",
    )


def _role_of(item: Any) -> str | None:
    """Whose message it is, as LangChain and OpenAI say it; None for what is no message."""
    if isinstance(item, Mapping):
        return item.get("role")
    if isinstance(item, tuple):
        return item[0] if item and item[0] in _ROLES else None
    role = getattr(item, "role", None) or getattr(item, "type", None)
    return str(role).removesuffix("MessageChunk").lower() if role and hasattr(item, "content") else None
