"""The error for when there is nothing to call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..errors import AuthenticationError, BudgetError, ContextTooLongError, OrchError, PluginError, UsageError
from ..money import format_nanousd
from .base import Obstacle, Offer, by_expected_cost

_SHOWN = 5  # so many models are named in an error
_LACKS: Mapping[Obstacle, str] = {
    Obstacle.NO_TOOLS: "supports tools",
    Obstacle.NO_IMAGES: "takes images",
    Obstacle.NO_DOCUMENTS: "takes PDF documents",
    Obstacle.MEDIA: "takes as many images and documents, or as large ones",
}


def nothing_to_call(offers: Iterable[Offer], needed: Callable[[str], str], tokens: int) -> OrchError:
    """The error for when every model has an obstacle, for a prompt of about `tokens` tokens.

    `needed` names the variable that sets up a provider.
    """
    known = list(offers)
    obstacles = {offer.obstacle for offer in known}
    if Obstacle.BUDGET in obstacles or Obstacle.UNPRICED in obstacles:
        return _over_budget(known)
    if Obstacle.WINDOW in obstacles:
        longest = max((o.spec for o in known if o.obstacle is Obstacle.WINDOW), key=lambda spec: spec.context_window)
        return ContextTooLongError(
            f"the prompt does not fit: it is about {tokens:,} tokens, and the largest context window here is "
            f"{longest.name}'s {longest.context_window:,} tokens",
            provider=None,
        )
    if Obstacle.RATED_LOWER in obstacles:
        return UsageError(
            f"no model that could answer is rated as high as was asked for: not {_some(known, Obstacle.RATED_LOWER)}",
            hint="lower --min-quality; orch models has the scores: coding for code, reasoning for the rest",
        )
    for obstacle, lacks in _LACKS.items():
        if obstacle in obstacles:
            return UsageError(
                f"no model that could answer {lacks}: not {_some(known, obstacle)}",
                hint="orch models --output json has what each supports",
            )
    if Obstacle.NO_KEY in obstacles:
        without = [offer.spec.provider for offer in known if offer.obstacle is Obstacle.NO_KEY]
        names = list(dict.fromkeys(map(needed, without)))
        return AuthenticationError(
            f"no provider is set up for any model that could answer: set {' or '.join(names)}",
            provider=None,
            hint='without a key, try: orch run --simulate "..."',
        )
    if Obstacle.NO_PLUGIN in obstacles:
        providers = ", ".join(dict.fromkeys(o.spec.provider for o in known if o.obstacle is Obstacle.NO_PLUGIN))
        return PluginError(f"no model could answer: the plugin of {providers} is broken", hint="orch doctor says how")
    return UsageError("no model could answer: every one of them is retired")


def _some(offers: Iterable[Offer], obstacle: Obstacle) -> str:
    """The first of the models that have an obstacle."""
    names = [offer.spec.name for offer in offers if offer.obstacle is obstacle]
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _over_budget(offers: list[Offer]) -> BudgetError:
    blocked = [offer for offer in offers if offer.obstacle is Obstacle.BUDGET]
    if not blocked:
        return BudgetError(
            "no model has a known price, and a cost cap does not allow an unpriced one",
            hint="give it a price in your models.yaml, or say --allow-unpriced",
        )
    cheapest = min(blocked, key=by_expected_cost)
    return BudgetError(
        f"the cost cap is below the cheapest call: {cheapest.spec.name} is expected to cost "
        f"{format_nanousd(cheapest.cost.expected)}",
        hint="raise --max-cost or shorten the prompt",
    )
