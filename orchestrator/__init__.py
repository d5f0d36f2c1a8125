"""Put many language models to work: the cheapest that fits, a chain of models, or several at once.

The names below are the Python interface. Each is imported from its module on first use, so importing this package costs
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import (
        Orchestrator,
        orchestrate,
        plan_run,
        route_to_model,
        run_ensemble,
        run_orchestration,
        run_with_fallback,
        select_model,
    )
    from .confidence.detector import ConfidenceDetector
    from .confidence.synthesis import synthesize_responses
    from .errors import OrchError
    from .reading.complexity import ComplexityAnalyzer
    from .reading.tool_definitions import parse_tools, read_tools
    from .registry.model import ModelSpec as ModelConfig
    from .run.engine import Engine
    from .run.many import ManyResult, ToAsk
    from .run.rate_limiter import RateLimiter
    from .run.result import OrchestrationResult
    from .types import Analysis, Prompt, Tool, ToolCall, Verdict

__all__ = [
    "Analysis",
    "ComplexityAnalyzer",
    "ConfidenceDetector",
    "Engine",
    "ManyResult",
    "ModelConfig",
    "OrchError",
    "OrchestrationResult",
    "Orchestrator",
    "Prompt",
    "RateLimiter",
    "ToAsk",
    "Tool",
    "ToolCall",
    "Verdict",
    "orchestrate",
    "parse_tools",
    "plan_run",
    "read_tools",
    "route_to_model",
    "run_ensemble",
    "run_orchestration",
    "run_with_fallback",
    "select_model",
    "synthesize_responses",
]

# name -> (module, name in that module)
_EXPORTS: dict[str, tuple[str, str]] = {
    "Analysis": ("types", "Analysis"),
    "ComplexityAnalyzer": ("reading.complexity", "ComplexityAnalyzer"),
    "ConfidenceDetector": ("confidence.detector", "ConfidenceDetector"),
    "Engine": ("run.engine", "Engine"),
    "ManyResult": ("run.many", "ManyResult"),
    "ModelConfig": ("registry.model", "ModelSpec"),
    "OrchError": ("errors", "OrchError"),
    "OrchestrationResult": ("run.result", "OrchestrationResult"),
    "Orchestrator": ("api", "Orchestrator"),
    "Prompt": ("types", "Prompt"),
    "RateLimiter": ("run.rate_limiter", "RateLimiter"),
    "ToAsk": ("run.many", "ToAsk"),
    "Tool": ("types", "Tool"),
    "ToolCall": ("types", "ToolCall"),
    "Verdict": ("types", "Verdict"),
    "orchestrate": ("api", "orchestrate"),
    "parse_tools": ("reading.tool_definitions", "parse_tools"),
    "plan_run": ("api", "plan_run"),
    "read_tools": ("reading.tool_definitions", "read_tools"),
    "route_to_model": ("api", "route_to_model"),
    "run_ensemble": ("api", "run_ensemble"),
    "run_orchestration": ("api", "run_orchestration"),
    "run_with_fallback": ("api", "run_with_fallback"),
    "select_model": ("api", "select_model"),
    "synthesize_responses": ("confidence.synthesis", "synthesize_responses"),
}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _EXPORTS[name]
    return getattr(import_module(f".{module}", __name__), attribute)
