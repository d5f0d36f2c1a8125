"""The cheapest model that is rated for the prompt's level, by the expected cost of this prompt."""

from __future__ import annotations

from ...config import Unfamiliar
from ...money import format_nanousd
from ...plan import Accept, Call, Cascade
from ...types import Level
from ..base import Decision, Offer, Situation, by_expected_cost
from ..order import shortlist
from ..quote import REASONING


def cheapest(situation: Situation) -> Decision | None:
    """One call; the next cheapest models stand in for it where it fails. If no model that can be called has the level,
    it is one of the strongest that can.

    Where only the score says that the prompt is harder than basic, and the prompt is of a kind that the score was not
    fitted to, the answer decides: the cheapest model for basic prompts is asked first.
    """
    able = situation.choosable()
    if not able:
        return None
    fit, reason = rated_for(able, situation)
    ranked = sorted(fit, key=by_expected_cost)
    chosen = ranked[0]
    reasons = [reason, f"{chosen.spec.name} is the cheapest of them: about {format_nanousd(chosen.cost.expected)}"]
    if len(ranked) > 1:
        second = ranked[1]
        reasons.append(f"next would be {second.spec.name} at about {format_nanousd(second.cost.expected)}")
    rated = _call(ranked)
    first = _to_begin_with(able, chosen, situation)
    if first is None:
        return Decision(rated, tuple(reasons))
    reasons.append(f"no prompt of this kind was recorded: {first.spec.name} is asked first, and its answer decides")
    accept = Accept(situation.options.threshold)
    return Decision(Cascade((_call([first]), rated), accept), tuple(reasons))


def _to_begin_with(able: list[Offer], chosen: Offer, situation: Situation) -> Offer | None:
    """The cheapest model for basic prompts, where the prompt's level is not to be relied on and that one costs less."""
    analysis = situation.analysis
    if situation.unfamiliar is Unfamiliar.SCORE or not analysis.unfamiliar:
        return None
    if analysis.ordered or analysis.level is Level.BASIC:
        return None
    first = min(fit_for(able, Level.BASIC), key=by_expected_cost)
    return first if by_expected_cost(first) < by_expected_cost(chosen) else None


def _call(ranked: list[Offer]) -> Call:
    """A call of the first of these models; the next ones stand in for it."""
    model, *stand_ins = shortlist(ranked)
    return Call(model, stand_ins=tuple(stand_ins))


def rated_for(able: list[Offer], situation: Situation) -> tuple[list[Offer], str]:
    """The offers rated for the prompt's level, or those of the highest available level, and the level."""
    level = situation.analysis.level
    fit = fit_for(able, level)
    thinks = situation.is_tight and not any(REASONING in offer.spec.tags for offer in able)
    tight = "; without those that think first, which --max-tokens leaves no answer" if thinks else ""
    if level in fit[0].spec.levels:
        rated = f"{len(fit)} of {len(able)} models that can be called are rated for it"
        return fit, f"the prompt looks {level}: {rated}{tight}"
    highest = fit[0].spec.top_level
    return fit, f"the prompt looks {level}, and no model that can be called is: the highest is {highest}{tight}"


def fit_for(able: list[Offer], level: Level) -> list[Offer]:
    """The offers rated for a level, or those of the highest available level."""
    fit = [offer for offer in able if level in offer.spec.levels]
    if fit:
        return fit
    highest = max((offer.spec.top_level for offer in able), key=lambda top: top.rank)
    return [offer for offer in able if offer.spec.top_level is highest]
