"""A bench of one set of recorded outcomes, from its prompts to its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from itertools import accumulate

from ..clock import Clock, local_now
from ..config import Settings
from ..deferred import dataclass
from ..errors import UsageError
from ..registry.model import Registry
from .figures import Figures, calibration_of, with_frontier
from .grades import notes_on_grades
from .intervals import RESAMPLES
from .policies import Column, Policy, alone, coin_flip, column_of, recorded_plan
from .pricing import Prices, RecordedModel, TokenSource, recorded_model, usage_of
from .records import Item
from .replay import CASCADE, ENSEMBLE, LABELS, REPLAYABLE, ROUTING, Passes, Progress, Replay, unwatched
from .report import Calibration, ModelReport, RatesShown, SetReport
from .selecting import Lineup, choose_models
from .verdict import verdict_of
from .wanted_figures import Played, acceptable, wanted_figures

_TO_AGREE = 3  # models: two that are held against each other, and one that is asked where they differ


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What is asked of a bench.

    `plans` are named ones, which can only be compared live. `thresholds` are played by the engine, those of `sweep` are
    derived; without any of the former it is what the settings say. `savings` are those that routing is played with, as
    `orch run --saving` has them. `prices` are of recorded models, and stand over the
    registry's.
    """

    strategies: tuple[str, ...] = REPLAYABLE
    plans: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    sweep: tuple[float, ...] = ()
    savings: tuple[float, ...] = ()
    weak: str | None = None
    strong: str | None = None
    models: tuple[str, ...] = ()
    prices: Prices = field(default_factory=dict)
    resamples: int = RESAMPLES
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Answers:
    """Confidences in answers of all models of a set, and whether they were right. `owners` are the prompts' numbers."""

    prompts: int
    confidences: list[float] = field(default_factory=list)
    outcomes: list[float] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)


async def bench_set(
    name: str,
    items: Sequence[Item],
    options: BenchOptions,
    *,
    settings: Settings,
    registry: Registry,
    progress: Progress = unwatched,
    clock: Clock = local_now,
) -> tuple[SetReport, Answers]:
    """The figures of one set, and its answers for those of several sets together. Raises UsageError."""

    def model(name: str) -> RecordedModel:
        return recorded_model(name, registry, options.prices, clock())

    lineup = choose_models(
        items, options.models, options.weak, options.strong, lambda name: _rate(model(name)), where=name
    )
    complete = [item for item in items if all(name in item.outcomes for name in lineup.models)]
    if not complete:
        raise UsageError(f"{name}: no prompt has outcomes of all of {', '.join(lineup.models)}")
    models = {name: model(name) for name in lineup.models}
    with Replay(settings, models, lineup, clock) as replay:
        replay.expect(complete)
        played = await _play(Passes(name, complete, replay, progress), options, settings)
        recorded = models | {each: model(each) for item in items for each in item.outcomes if each not in models}
        return _report(name, complete, played, options, progress, replay, items, recorded)


def together(sets: Sequence[Answers], options: BenchOptions) -> Calibration | None:
    """What confidence is worth over the answers of several sets; None if there are none."""
    confidences = [value for each in sets for value in each.confidences]
    outcomes = [value for each in sets for value in each.outcomes]
    starts = accumulate((each.prompts for each in sets), initial=0)
    owners = [start + owner for start, each in zip(starts, sets, strict=False) for owner in each.owners]
    if not confidences:
        return None
    prompts = Column([0.0] * sum(each.prompts for each in sets), None, None)
    figures = Figures(prompts, prompts, options.resamples, options.seed)
    calibration = calibration_of("all answers", confidences, outcomes, figures, owners)
    return calibration(figures.estimate())


async def _play(passes: Passes, options: BenchOptions, settings: Settings) -> Played:
    replayed = Played(bonus=passes.replay.bonus)
    for strategy in options.strategies:
        if strategy == ROUTING:
            own = settings.complexity.cuts
            as_set = () if options.savings else (None,) if own is None else own[:1]
            for cut in options.thresholds or as_set:
                policy, replayed.scores = await passes.routing(cut)
                replayed.policies.append(policy)
            for saving in options.savings:
                policy, replayed.scores = await passes.routing(saving=saving)
                replayed.policies.append(policy)
    if options.strategies == (ROUTING,):
        return replayed
    silent = [model for model in passes.replay.lineup.models if not _has_texts(passes.items, model)]
    if silent:
        replayed.notes.append(f"no texts recorded of {' and '.join(silent)}: no {_needing_texts(options)} without them")
        return replayed
    replayed.agreement = passes.agreement()
    if ENSEMBLE in options.strategies:
        ensemble, replayed.confidences = await passes.ensemble()
    else:
        for model in passes.replay.lineup.models:
            replayed.confidences[model] = await passes.confidences(model)
    if CASCADE in options.strategies:
        for threshold in options.thresholds or (settings.run.threshold,):
            replayed.policies.append(await passes.cascade(threshold))
    if ENSEMBLE in options.strategies:
        replayed.policies.append(ensemble)
    if CASCADE in options.strategies and len(passes.replay.lineup.models) >= _TO_AGREE:
        replayed.policies.append(await passes.agreeing())
    return replayed


def _report(
    name: str,
    items: Sequence[Item],
    played: Played,
    options: BenchOptions,
    progress: Progress,
    replay: Replay,
    everything: Sequence[Item],
    recorded: Mapping[str, RecordedModel],
) -> tuple[SetReport, Answers]:
    lineup = replay.lineup
    columns = {model: column_of(replay.models[model], items, replay.expected_output) for model in lineup.models}
    weak, strong = columns[lineup.weak], columns[lineup.strong]
    figures = Figures(
        weak, strong, options.resamples, options.seed, lambda done, of: progress(f"{name}: intervals", done, of)
    )
    plans = [name for name in items[0].plans if all(name in item.plans for item in items)]
    policies = [*_baselines(lineup, columns), *played.policies, *(recorded_plan(name, items) for name in plans)]
    wanted = wanted_figures(items, played, lineup, columns, policies, options.sweep, figures)
    estimates = figures.estimate()
    worths = [worth(estimates) for worth in wanted.worths]
    report = SetReport(
        name=name,
        prompts=len(items),
        left_out=len(everything) - len(items),
        tasks=dict(Counter(item.task for item in items).most_common()),
        weak=lineup.weak,
        strong=lineup.strong,
        models=[_model_report(replay.models[model], items, replay) for model in lineup.models],
        rows=with_frontier(
            [row(estimates) for row in wanted.rows], by_cost=weak.cost is not None and strong.cost is not None
        ),
        sweep=[row(estimates) for row in wanted.sweep],
        orderings=[ordering(estimates) for ordering in wanted.orderings],
        confidence=[calibration(estimates) for calibration in wanted.confidence],
        agreement_auc=None if wanted.agreement is None else estimates[wanted.agreement],
        cross_validation=[one(estimates) for one in wanted.validated],
        verdict=verdict_of(worths, everything, lineup, recorded, replay.expected_output),
        needs_live=[name for name in options.plans if name not in plans],
        notes=[*played.notes, *_notes(items, lineup, weak, strong)],
    )
    return report, _answers(items, played.confidences)


def _notes(items: Sequence[Item], lineup: Lineup, weak: Column, strong: Column) -> Iterator[str]:
    yield from notes_on_grades(items)
    if weak.cost is not None and strong.cost is not None and sum(weak.cost) > sum(strong.cost):
        yield f"{lineup.weak} costs more than {lineup.strong}: there is nothing to save by it"


def _baselines(lineup: Lineup, columns: Mapping[str, Column]) -> Iterator[Policy]:
    """What each model does alone, and a coin flip between the two."""
    weak, strong = columns[lineup.weak], columns[lineup.strong]
    yield alone("all weak", weak)
    yield alone("all strong", strong, strong=True)
    for model, column in columns.items():
        if model not in (lineup.weak, lineup.strong):
            yield alone(f"all {model}", column, of_pair=False)
    yield coin_flip(weak, strong)


def _answers(items: Sequence[Item], confidences: Mapping[str, Sequence[float]]) -> Answers:
    answers = Answers(len(items))
    for model, values in confidences.items():
        answers.confidences.extend(values)
        answers.outcomes.extend(acceptable(items, model))
        answers.owners.extend(range(len(items)))
    return answers


def _has_texts(items: Sequence[Item], model: str) -> bool:
    return all(item.outcomes[model].text is not None for item in items)


def _model_report(model: RecordedModel, items: Sequence[Item], replay: Replay) -> ModelReport:
    sources = {usage_of(item, item.outcomes[model.name], replay.expected_output)[1] for item in items}
    rates = None if model.price is None else model.price.rates
    return ModelReport(
        name=model.name,
        rates=None if rates is None else RatesShown(str(rates.input), str(rates.output)),
        tokens=max(sources, key=list(TokenSource).index).value,
        texts=sum(item.outcomes[model.name].text is not None for item in items),
    )


def _rate(model: RecordedModel) -> Decimal | None:
    """What a million tokens in and as many out cost: by it the cheapest of several models is told."""
    rates = None if model.price is None else model.price.rates
    return None if rates is None else rates.input + rates.output


def _needing_texts(options: BenchOptions) -> str:
    return " or ".join(LABELS[strategy] for strategy in options.strategies if strategy != ROUTING)
