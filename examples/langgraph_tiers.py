"""Three tiers and a model of one's own in a LangGraph graph: each node is a plan of orch, the router is its analysis.

    python examples/langgraph_tiers.py "Design the architecture of a payment service"

answers from the simulator. With keys set, `--real` asks the models of langgraph_tiers.yaml.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from orchestrator import Engine
from orchestrator.config import load_settings
from orchestrator.integrations.langgraph import AnalysisEdge, plan_node

PLANS = {"tier1_arch": "architecture", "tier2_exec": "execution", "tier3_fast": "debate", "deepseek": "routine"}
RULES = {"design": "tier1_arch", "critical": "tier1_arch", "implementation": "tier2_exec"}


class TaskState(TypedDict, total=False):
    """What goes in: `task`, and perhaps `documents`. What comes out: the rest; `cost` is in dollars."""

    task: str
    documents: list[str]
    tier: str
    answer: str
    cost: float
    confidence: float
    run_id: str


def build(engine: Engine, *, local_model: bool) -> CompiledStateGraph[TaskState, None, TaskState, TaskState]:
    """The graph: START, a router, one node a tier, END. With `local_model`, the model that one hosts takes part."""
    rules = RULES | ({"routine": "deepseek"} if local_model else {})
    edge = AnalysisEdge(rules, default="tier3_fast", destinations=list(PLANS), prompt="task")
    graph = StateGraph(TaskState)
    graph.add_node("router", lambda state: {"tier": edge(state)})
    graph.add_edge(START, "router")
    for tier, plan in PLANS.items():
        node = plan_node(plan, prompt="task", context=lambda state: state.get("documents"), engine=engine, tags=[tier])
        graph.add_node(tier, node)
        graph.add_edge(tier, END)
    graph.add_conditional_edges("router", lambda state: state["tier"], list(PLANS))
    return graph.compile()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A LangGraph graph whose nodes are plans of orch.")
    parser.add_argument(
        "task", nargs="?", default="Design the architecture of a payment service with exactly-once semantics"
    )
    parser.add_argument("--document", type=Path, action="append", default=[], help="a file that goes with the task")
    parser.add_argument("--local-model", action="store_true", help="the model of one's own is up")
    parser.add_argument("--real", action="store_true", help="ask real models instead of the simulator")
    given = parser.parse_args(argv)
    plans = Path(__file__).with_suffix(".yaml")
    engine = Engine(load_settings(os.environ, chains_file=plans, simulate=not given.real))
    documents = [path.read_text("utf-8") for path in given.document]
    graph = build(engine, local_model=given.local_model)
    state: dict[str, Any] = graph.invoke({"task": given.task, "documents": documents})
    print(state["answer"])
    print(f"\n{state['tier']} · ${state['cost']:.6f} · confidence {state['confidence']:.2f} · run {state['run_id']}")


if __name__ == "__main__":
    main()
