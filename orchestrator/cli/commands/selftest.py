"""`orch run --test`: checks the decisions on this machine, with the registry as it is, against the simulator.

Nothing is spent and nothing is written outside a temporary folder.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...config import RunOptions, Settings, load_settings
from ...deferred import replace
from ...plan import Call
from ...reading.complexity import ComplexityAnalyzer
from ...run.engine import Engine
from ...run.result import OrchestrationResult
from ...types import Level, Prompt
from .. import render
from ..output import Output

_LEVELS = {
    "What is the capital of France?": Level.BASIC,
    "Summarize the plot of Hamlet.": Level.INTERMEDIATE,
    "Design a distributed system for payments and explain why it scales.": Level.ADVANCED,
    "Research and comprehensively compare multiple consensus protocols, and prove their safety.": Level.EXPERT,
}
_EASY, _HARD = "What is the capital of France?", "Design a distributed rate limiter and evaluate its failure modes."

Check = tuple[str, bool, str]


def selftest(output: Output) -> int:
    """Prints one line a check, or one object with all of them; returns 0 if all passed, else 1."""
    checks = (_complexity, _routing, _fallback, _ensemble)
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(_settings(Path(folder)))
        results = [result for check in checks for result in check(engine)]
    failed = sum(not passed for _, passed, _ in results)
    documents = [{"name": name, "passed": passed, "detail": detail} for name, passed, detail in results]
    output.emit({"schema_version": 1, "failed": failed, "checks": documents})
    if not output.json:
        for name, passed, detail in results:
            render.line(f"{'pass' if passed else 'FAIL'}  {name}: {detail}")
        render.line(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _settings(folder: Path) -> Settings:
    settings = load_settings({}, ledger=folder / "ledger.db", simulate=True)
    return replace(settings, config_dir=folder, run=RunOptions())


def _run(engine: Engine, prompt: str, **options: object) -> OrchestrationResult:
    return asyncio.run(engine.run(Prompt(prompt), replace(RunOptions(), **options)))  # type: ignore[arg-type]


def _complexity(_: Engine) -> Iterator[Check]:
    for prompt, level in _LEVELS.items():
        read = ComplexityAnalyzer().analyze(prompt).level
        yield "complexity", read is level, f"{prompt!r} is {read}"


def _routing(engine: Engine) -> Iterator[Check]:
    for prompt in _LEVELS:
        planned = engine.plan(Prompt(prompt), RunOptions(strategy="cheapest"))
        assert isinstance(planned.plan, Call)
        spec = engine.registry.model(planned.plan.model)
        fits = planned.analysis.level in spec.levels
        yield "routing", fits, f"{planned.analysis.level} goes to {spec.name}, rated {', '.join(spec.levels)}"


def _fallback(engine: Engine) -> Iterator[Check]:
    easy, hard = _run(engine, _EASY, strategy="fallback"), _run(engine, _HARD, strategy="fallback")
    yield "fallback", len(easy.calls) == 1, f"an easy prompt took {len(easy.calls)} call"
    yield "fallback", len(hard.calls) > 1, f"a hard prompt escalated to {hard.model_used} in {len(hard.calls)} calls"


def _ensemble(engine: Engine) -> Iterator[Check]:
    result = _run(engine, _HARD, strategy="ensemble", ensemble_size=3)
    asked = ", ".join(result.ensemble_models)
    yield "ensemble", len(result.ensemble_models) == 3, f"asked {asked}; {result.model_used}'s answer weighs most"
