"""Which options of a request a model takes, so that the others are left out and said so before anything is sent.

temperature, top_p    models that support `temperature`
effort                by name where a model supports `effort`; as a number of tokens where it supports `thinking`
seed                  the APIs of OpenAI and Google, and those compatible with OpenAI's
stop                  all but OpenAI's models that think
"""

from __future__ import annotations

from collections.abc import Mapping

from ..config import RunOptions
from ..deferred import dataclass
from ..registry.model import Feature, ModelSpec
from ..registry.providers import PROVIDERS
from ..types import Effort
from .quote import REASONING

_LEAST_BUDGET = 1_024  # tokens: Anthropic's
_BUDGETS: Mapping[Effort, int] = {Effort.LOW: 1_024, Effort.MEDIUM: 4_096, Effort.HIGH: 12_288}


@dataclass(frozen=True, slots=True)
class Passed:
    """What of the options is passed on to a model. `left_out` names the rest, as users write it."""

    temperature: float | None
    top_p: float | None
    seed: int | None
    stop: tuple[str, ...]
    effort: Effort | None
    thinking_tokens: int | None
    left_out: tuple[str, ...]


def passed_on(
    options: RunOptions,
    spec: ModelSpec,
    *,
    temperature: float | None,
    limit: int,
    in_tools: bool = False,
    forced: bool = False,
) -> Passed:
    """What of the options goes to a model. `limit` is that of the reply, in tokens, thoughts included; `in_tools` says
    that it goes on from a call of a tool, where Anthropic wants its earlier thoughts back with a budget; `forced` that
    a tool has to be called, which it lets no model do that thinks."""
    samples = Feature.TEMPERATURE in spec.supports
    api = PROVIDERS[spec.provider].module
    seeds, stops = api != "anthropic", not (spec.provider == "openai" and REASONING in spec.tags)
    by_name, by_budget = Feature.EFFORT in spec.supports, Feature.THINKING in spec.supports
    if forced and api == "anthropic":
        by_name = by_budget = False
    budget = None if options.effort is None else min(_BUDGETS[options.effort], limit // 2)
    if budget is None or not by_budget or budget < _LEAST_BUDGET or (in_tools and api == "anthropic"):
        budget = None
    effort = options.effort if by_name else None
    thinks = api == "anthropic" and (budget is not None or effort is not None)  # it then refuses these two
    given = {
        "temperature": (temperature, samples and not thinks),
        "top_p": (options.top_p, samples and not (thinks or (api == "anthropic" and temperature is not None))),
        "seed": (options.seed, seeds),
        "stop": (options.stop or None, stops),
        "effort": (options.effort, by_name or budget is not None),
    }
    taken = {name: value for name, (value, takes) in given.items() if takes}
    return Passed(
        temperature=temperature if "temperature" in taken else None,
        top_p=options.top_p if "top_p" in taken else None,
        seed=options.seed if "seed" in taken else None,
        stop=options.stop if "stop" in taken else (),
        effort=effort,
        thinking_tokens=budget,
        left_out=tuple(name for name, (value, takes) in given.items() if value is not None and not takes),
    )
