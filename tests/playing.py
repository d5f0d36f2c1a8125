"""Plays a plan from a chains.yaml of its own over scripted providers."""

from __future__ import annotations

import json
from typing import Any

from scripted import Act, Stage

from orchestrator.errors import ProviderError
from orchestrator.run.result import OrchestrationResult

CHEAP, MIDDLE, STRONG = "gpt-4o-mini", "claude-haiku-4-5", "gpt-4o"

NOTES_FIRST = f"""
mine:
  sequence:
    - call: {{name: notes, model: {CHEAP}, max_tokens: 50, template: "Notes on this: $prompt"}}
    - call:
        name: answer
        model: {MIDDLE}
        template: |
          $prompt

          Notes:
          $steps.notes
"""

CHECKED = f"""
mine:
  loop:
    max_rounds: 3
    body:
      call:
        name: draft
        model: {MIDDLE}
        template: |
          $prompt

          Your last version:
          $steps.draft

          Issues:
          $steps.check
    until: {{score: 0.8, check: {{name: check, model: {CHEAP}}}}}
"""


def play(stage: Stage, plan: str, acts: dict[str, list[Act]] | None = None, **options: Any) -> OrchestrationResult:
    (stage.folder / "chains.yaml").write_text(plan)
    stage.script.acts.update(acts or {})
    return stage.run(**{"strategy": "mine", **options})


def failing(kind: type[ProviderError], **details: object) -> ProviderError:
    return kind("it went wrong", provider="openai", **details)  # type: ignore[arg-type]


def asked(stage: Stage) -> list[str]:
    return [request.model for request in stage.script.sent]


def prompts(stage: Stage) -> list[str]:
    return [request.messages[0].content for request in stage.script.sent]


def verdict(score: float, *issues: str) -> str:
    return json.dumps({"score": score, "issues": list(issues)})


def decided(result: OrchestrationResult) -> str:
    return "\n".join(result.metadata["decisions"])
