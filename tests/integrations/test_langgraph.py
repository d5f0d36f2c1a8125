"""orch in a LangGraph graph, with the real package: nodes, edges, and the graph of the example."""

from __future__ import annotations

import asyncio
import operator
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypedDict

import pytest
from documents import block
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    ToolMessage,
)
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy
from scripted import SURE, UNSURE, Hang, Script, Stage, reply

from orchestrator.config import load_settings
from orchestrator.errors import AuthenticationError, ConfigError, OrchError, RefusedError, TemporaryError, UsageError
from orchestrator.integrations.langgraph import AnalysisEdge, plan_node
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import RunStatus
from orchestrator.ledger.store import Ledger
from orchestrator.run.engine import Engine
from orchestrator.types import Level

ROOT = Path(__file__).resolve().parents[2]
CALL = {"name": "look_up", "args": {}, "id": "1"}
CHAIN = "claude-haiku-5-5,claude-sonnet-5-5"


class State(TypedDict, total=False):
    prompt: str
    documents: list[Any]
    answer: str
    cost: Annotated[float, operator.add]
    confidence: float
    run_id: str


def graph_of(schema: type[Any], node: Any, **options: Any) -> Any:
    graph = StateGraph(schema)
    graph.add_node("ask", node, **options)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile()


def scripted(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({"claude-haiku-5-5": [reply(UNSURE)], "claude-sonnet-5-5": [reply(SURE)]}))


def test_a_node_runs_a_chain_and_writes_what_the_ledger_has(tmp_path: Path) -> None:
    stage = scripted(tmp_path)
    graph = graph_of(State, plan_node("fallback", chain=CHAIN, engine=stage.engine()))
    state = graph.invoke({"prompt": "Which one is it?", "cost": 1.0})
    with Ledger.open(stage.ledger) as ledger:
        recorded = find_run(ledger, "last")
    assert state["answer"] == SURE
    assert state["run_id"] == recorded.run.run_id
    assert state["confidence"] == recorded.run.confidence
    assert recorded.totals.cost_nanousd is not None
    assert state["cost"] == pytest.approx(1.0 + recorded.totals.cost_nanousd / 1e9)  # as the state's reducer adds it
    assert [call.model for call in recorded.calls] == ["claude-haiku-5-5", "claude-sonnet-5-5"]


def test_an_asynchronous_graph_runs_it_too(tmp_path: Path) -> None:
    stage = scripted(tmp_path)
    graph = graph_of(State, plan_node(chain=CHAIN, engine=stage.engine()))
    assert asyncio.run(graph.ainvoke({"prompt": "Which one is it?"}))["answer"] == SURE


def test_a_graph_that_is_cancelled_leaves_an_interrupted_run_in_the_ledger(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({"claude-haiku-5-5": [Hang()]}))
    graph = graph_of(State, plan_node(chain="claude-haiku-5-5", engine=stage.engine()))

    async def cancelled() -> None:
        running = asyncio.create_task(graph.ainvoke({"prompt": "Which one is it?"}))
        await stage.script.hanging.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    with Ledger.open(stage.ledger) as ledger:
        assert find_run(ledger, "last").run.status is RunStatus.INTERRUPTED


def test_context_goes_behind_the_prompt(tmp_path: Path) -> None:
    stage = scripted(tmp_path)
    node = plan_node(chain="claude-sonnet-5-5", context="documents", engine=stage.engine())
    graph_of(State, node).invoke(
        {"prompt": "What is it about?", "documents": [Document("The first page."), "The second page."]}
    )
    assert stage.script.sent[0].messages[0].content == "What is it about?\n\nThe first page.\n\nThe second page."


def test_a_state_of_messages_is_asked_by_its_last_one_and_gets_another(tmp_path: Path) -> None:
    stage = scripted(tmp_path)
    node = plan_node(
        chain="claude-sonnet-5-5",
        prompt="messages",
        writes={"messages": lambda result: [AIMessage(result.response)]},
        engine=stage.engine(),
    )
    state = graph_of(MessagesState, node).invoke({"messages": [AIMessage("Ask me."), HumanMessage("Which one is it?")]})
    assert said_in(stage) == [("assistant", "Ask me."), ("user", "Which one is it?")]
    assert [message.text for message in state["messages"]] == ["Ask me.", "Which one is it?", SURE]


def said_in(stage: Stage) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in stage.script.sent[0].messages]


def test_a_conversation_goes_on_with_its_system_prompt_its_images_its_tools_and_the_context(tmp_path: Path) -> None:
    stage = scripted(tmp_path)
    node = plan_node(chain="claude-sonnet-5-5", prompt="messages", context=lambda _: "A note.", engine=stage.engine())
    node.invoke(
        {
            "messages": [
                SystemMessage("Be brief."),
                ("user", "A cat?"),
                AIMessage([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes."}]),
                HumanMessage([{"type": "text", "text": "And this?"}, IMAGE]),
                AIMessage("", tool_calls=[CALL]),
                ToolMessage("a dog", tool_call_id="1"),
                AIMessage("I have answered since."),
            ]
        }
    )
    (sent,) = stage.script.sent
    assert sent.system == "Be brief."
    told = [("assistant", "[called look_up with {}]"), ("user", "[result of look_up]\na dog")]
    asked = ("user", "And this?\n\nA note.")
    assert said_in(stage) == [("user", "A cat?"), ("assistant", "Yes."), asked, *told]
    assert [media.media_type for media in sent.messages[2].media] == ["image/png"]


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 by 1
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        pytest.param([HumanMessage("Which?"), AIMessage("This one.")], "Which?", id="answered-already"),
        pytest.param(
            [HumanMessage("Which?"), AIMessage("", tool_calls=[CALL]), ToolMessage("42", tool_call_id="1")],
            "Which?",
            id="tool-called",
        ),
        pytest.param([HumanMessage("Which?"), SystemMessage("Be brief.")], "Which?", id="system"),
        pytest.param([HumanMessageChunk(content="Which?"), AIMessageChunk(content="This")], "Which?", id="chunks"),
        pytest.param(
            [ChatMessage(content="Which?", role="user"), ChatMessage(content="This", role="assistant")],
            "Which?",
            id="chat",
        ),
        pytest.param([HumanMessage([{"type": "text", "text": "Wh"}, "ich?"])], "Which?", id="parts"),
        pytest.param(
            [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": "A"}], "Which?", id="dicts"
        ),
        pytest.param([("user", "Which?"), ("ai", "This one.")], "Which?", id="pairs"),
        pytest.param(["First?", "Which?"], "Which?", id="texts"),
    ],
)
def test_the_last_message_of_the_users_is_the_prompt(tmp_path: Path, messages: list[Any], prompt: str) -> None:
    stage = scripted(tmp_path)
    node = plan_node(chain="claude-sonnet-5-5", prompt=lambda state: messages, engine=stage.engine())
    node.invoke({})
    assert stage.script.sent[0].messages[0].content == prompt


@pytest.mark.parametrize("messages", [[AIMessage("Ask me.")], [SystemMessage("Be brief."), AIMessage("Yes?")]])
def test_an_answer_is_no_prompt(tmp_path: Path, messages: list[Any]) -> None:
    node = plan_node(prompt="messages", engine=scripted(tmp_path).engine())
    with pytest.raises(UsageError, match="no message of a user's") as refused:
        node.invoke({"messages": messages})
    assert "state['messages'][-1]" in (refused.value.hint or "")
    explicit = scripted(tmp_path)
    plan_node(chain="claude-sonnet-5-5", prompt=lambda _: messages[-1], engine=explicit.engine()).invoke({})
    assert explicit.script.sent[0].messages[0].content == messages[-1].text


@pytest.mark.parametrize(
    ("place", "kind"),
    [(place, kind) for kind in ("image", "input_audio", "file") for place in ("prompt", "context")],
)
def test_what_cannot_be_sent_is_not_left_out_in_silence(tmp_path: Path, kind: str, place: str) -> None:
    stage = scripted(tmp_path)
    state = {"prompt": "Which?", "context": ""} | {
        place: [HumanMessage([{"type": "text", "text": "See:"}, {"type": kind}])]
    }
    with pytest.raises(UsageError, match=kind):
        plan_node(context="context", engine=stage.engine()).invoke(state)
    with pytest.raises(UsageError, match=kind):
        AnalysisEdge({}, default="x", prompt=place)(state)
    assert not stage.script.sent


def test_what_a_model_thought_and_called_is_no_text(tmp_path: Path) -> None:
    stage = scripted(tmp_path)
    thought = AIMessage([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "An answer."}])
    node = plan_node(chain="claude-sonnet-5-5", context="notes", engine=stage.engine())
    node.invoke({"prompt": "Which?", "notes": [thought]})
    assert stage.script.sent[0].messages[0].content == "Which?\n\nAn answer."


def test_a_context_that_nothing_was_written_to_is_none(tmp_path: Path) -> None:
    stage = scripted(tmp_path)
    graph = graph_of(State, plan_node(chain="claude-sonnet-5-5", context="documents", engine=stage.engine()))
    assert graph.invoke({"prompt": "Which?"})["answer"] == SURE
    assert stage.script.sent[0].messages[0].content == "Which?"


@dataclass
class Ticket:
    question: str
    reply: str = ""


def test_a_state_may_be_a_record_with_names_of_its_own(tmp_path: Path) -> None:
    node = plan_node(
        chain="claude-sonnet-5-5", prompt="question", writes={"reply": "response"}, engine=scripted(tmp_path).engine()
    )
    assert graph_of(Ticket, node).invoke(Ticket("Which one is it?"))["reply"] == SURE


def test_a_run_without_an_answer_raises_its_error_and_a_temporary_one_can_be_retried(tmp_path: Path) -> None:
    refused = RefusedError("refused", provider="anthropic")
    stage = Stage(tmp_path, Script({"claude-sonnet-5-5": [refused, reply(SURE)]}))
    node = plan_node(chain="claude-sonnet-5-5", engine=stage.engine())
    with pytest.raises(RefusedError):
        graph_of(State, node, retry_policy=RetryPolicy(retry_on=TemporaryError)).invoke({"prompt": "Which one is it?"})
    retried = graph_of(State, node, retry_policy=RetryPolicy(retry_on=OrchError, initial_interval=0.01))
    assert retried.invoke({"prompt": "Which one is it?"})["answer"] == SURE


def test_without_an_engine_the_settings_are_those_of_the_user() -> None:
    with pytest.raises(AuthenticationError):
        graph_of(State, plan_node("cheapest")).invoke({"prompt": "What is the capital of France?"})
    state = graph_of(State, plan_node("cheapest", simulate=True)).invoke({"prompt": "What is the capital of France?"})
    assert "Paris" in state["answer"]


@pytest.mark.parametrize(
    ("state", "problem"),
    [({"documents": []}, "has no 'prompt'"), ({"prompt": 7}, "holds int"), ({"prompt": "  "}, "empty")],
    ids=["missing", "no text", "empty"],
)
def test_a_prompt_that_cannot_be_had_is_a_usage_error(state: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=problem):
        graph_of(State, plan_node(engine=scripted(tmp_path).engine())).invoke(state)


def test_a_field_that_no_result_has_is_refused_when_the_node_is_made() -> None:
    with pytest.raises(UsageError, match="no field 'respons'") as refused:
        plan_node(writes={"answer": "respons"})
    assert refused.value.hint == "did you mean 'response'?"


def test_a_method_of_a_result_is_no_field_of_it() -> None:
    with pytest.raises(UsageError, match="no field 'to_dict'"):
        plan_node(writes={"answer": "to_dict"})
    plan_node(writes={"dollars": "cost", "calls": "calls"})


# -- edges -----------------------------------------------------------------------------------------------------------


def routed(edge: AnalysisEdge) -> Any:
    graph = StateGraph(State)
    for node in ("small", "middle", "large"):
        graph.add_node(node, lambda _, name=node: {"answer": name})
    graph.add_conditional_edges(START, edge, edge.destinations)
    return graph.compile()


def test_the_first_rule_that_fits_decides_and_else_the_default() -> None:
    graph = routed(AnalysisEdge({"code": "middle", "basic": "small"}, default="large"))
    prompts = {
        "Implement a function that sorts a list in place": "middle",
        "What is the capital of France?": "small",
        "Design a distributed consensus protocol for a bank and prove that it is safe": "large",
    }
    assert {prompt: graph.invoke({"prompt": prompt})["answer"] for prompt in prompts} == prompts


def test_an_edge_may_go_by_what_tiers_go_by() -> None:
    edge = AnalysisEdge({"critical": "large", "implementation": "middle", "routine": "small"}, default="large")
    prompts = {
        "Summarize the threat model of our login.": "large",
        "Implement a function that sorts a list in place": "middle",
        "Translate to French: good morning": "small",
    }
    assert {prompt: edge({"prompt": prompt}) for prompt in prompts} == prompts


def test_an_edge_goes_by_the_levels_that_the_user_has_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rules = {level.value: level.value for level in Level}
    assert AnalysisEdge(rules)({"prompt": "Explain neural networks"}) == "intermediate"
    (tmp_path / "config.yaml").write_text("complexity: {cuts: [0.5, 0.6, 0.7]}\n")
    monkeypatch.setenv("ORCH_CONFIG", str(tmp_path / "config.yaml"))
    assert AnalysisEdge(rules)({"prompt": "Explain neural networks"}) == "basic"


def test_an_edge_is_drawn_to_the_nodes_that_it_may_lead_to() -> None:
    edge = AnalysisEdge({"code": "middle"}, default="small")
    assert {drawn.target for drawn in routed(edge).get_graph().edges if drawn.conditional} == {"middle", "small"}


def test_an_edge_may_be_a_function_of_the_analysis() -> None:
    edge = AnalysisEdge(lambda analysis: "large" if analysis.score > 0.3 else "small", destinations=["small", "large"])
    assert routed(edge).invoke({"prompt": "What is the capital of France?"})["answer"] == "small"


def test_a_rule_that_is_no_task_and_no_level_is_refused() -> None:
    with pytest.raises(UsageError, match="'codes'") as refused:
        AnalysisEdge({"codes": "middle"})
    assert refused.value.hint == "did you mean 'code'?"


def test_a_prompt_that_no_rule_fits_is_an_error() -> None:
    with pytest.raises(UsageError, match="no rule of the edge fits a prompt that is basic question"):
        AnalysisEdge({"code": "middle"})({"prompt": "What is the capital of France?"})


# -- the example, and what is imported -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example() -> ModuleType:
    found = util.spec_from_file_location("langgraph_tiers", ROOT / "examples" / "langgraph_tiers.py")
    assert found is not None
    assert found.loader is not None
    module = util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


TIERS = [
    pytest.param(
        "Design the architecture of a payment service with exactly-once semantics",
        "tier1_arch",
        [("memory", "gemini-4-argon"), ("brain", "claude-opus-5-5")],
        id="architecture",
    ),
    pytest.param(
        "Fix this bug: my Python function raises KeyError when the dictionary is empty, write a corrected version",
        "tier2_exec",
        [("junior", "gemini-3.8-flash"), ("lead", "claude-sonnet-5-5")],
        id="execution",
    ),
    pytest.param("Translate to French: good morning", "deepseek", [(None, "vllm/deepseek-coder-32b")], id="routine"),
]


@pytest.mark.parametrize(("task", "tier", "called"), TIERS)
def test_the_example_calls_the_models_of_the_tier(
    task: str, tier: str, called: list[tuple[str | None, str]], example: ModuleType, tmp_path: Path
) -> None:
    settings = load_settings(
        os.environ, chains_file=ROOT / "examples" / "langgraph_tiers.yaml", ledger=tmp_path / "ledger.db", simulate=True
    )
    state = example.build(Engine(settings), local_model=True).invoke({"task": task, "documents": ["The minutes."]})
    assert state["tier"] == tier
    assert state["answer"]
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        recorded = find_run(ledger, state["run_id"])
    assert [(call.step, call.model) for call in recorded.calls] == called
    assert recorded.run.tags == (tier,)


def test_before_the_baseline_is_over_small_tasks_are_debated(example: ModuleType, tmp_path: Path) -> None:
    settings = load_settings(
        os.environ, chains_file=ROOT / "examples" / "langgraph_tiers.yaml", ledger=tmp_path / "ledger.db", simulate=True
    )
    graph = example.build(Engine(settings), local_model=False)
    assert graph.invoke({"task": "Translate to French: good morning"})["tier"] == "tier3_fast"


def test_nothing_of_langgraph_is_imported_until_a_node_is_made() -> None:
    program = (
        "import sys, orchestrator, orchestrator.integrations.langgraph as ours\n"
        "ours.AnalysisEdge({'code': 'a'})\n"
        "print([name for name in sys.modules if name.startswith(('langgraph', 'langchain', 'langsmith'))])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_core.runnables", None)
    with pytest.raises(ConfigError, match="not installed") as refused:
        plan_node()
    assert refused.value.hint == "pip install 'orch-llm[langgraph]'"


def test_the_program_in_the_document_runs(capsys: pytest.CaptureFixture[str]) -> None:
    program = block((ROOT / "docs" / "langgraph.md").read_text("utf-8"), "python", "from typing import TypedDict\n")
    exec(compile(program, "docs/langgraph.md", "exec", dont_inherit=True), {"__name__": "__main__"})
    assert "Paris" in capsys.readouterr().out
