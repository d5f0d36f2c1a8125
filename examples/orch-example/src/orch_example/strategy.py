"""The model with the largest context window."""

from __future__ import annotations

from orchestrator.plugin_api import Call, Decision, Situation, takes


@takes("models")
def roomiest(situation: Situation) -> Decision | None:
    """One call, among the models of `--models` or all that can be called. Ties go to the first in the registry."""
    able = [offer for offer in situation.choosable() if not situation.models or offer.spec.name in situation.models]
    if not able:
        return None
    spec = max(able, key=lambda offer: offer.spec.context_window).spec
    return Decision(Call(spec.name), (f"{spec.name} has the most room of {len(able)}: {spec.context_window:,} tokens",))
