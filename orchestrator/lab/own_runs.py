"""The user's own rated runs, from the ledger: what they came to, and which of them can be replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ..errors import UsageError
from ..ledger.ratings import RatedRun, rated_runs
from ..ledger.records import CallStatus, Recorded
from ..ledger.store import Ledger
from .figures import Figures, Found, calibration_of
from .intervals import mean
from .policies import Column
from .records import ACCEPTABLE, Item, RecordedOutcome
from .report import Calibration, LedgerReport, Observed

ALL = "all answers"


def read_rated(ledger: Ledger | None, name: str, *, simulated: bool) -> tuple[RatedRun, ...]:
    """The rated runs of a ledger, the oldest rating first. Raises UsageError if there are none."""
    runs = () if ledger is None else rated_runs(ledger, simulated=simulated)
    if not runs:
        kind = "simulated runs" if simulated else "runs"
        raise UsageError(f"no {kind} in {name} are rated", hint="rate what you get: orch rate last good")
    return runs


def items_of(runs: Sequence[RatedRun], look_up: Callable[[str], Recorded]) -> list[Item]:
    """Prompts that were answered by several models, with what the user thought of each answer; the latest one counts.

    Only runs whose prompt the ledger holds. A prompt with another system prompt is another one.
    """
    runs_of: dict[tuple[str, str | None], dict[str, RatedRun]] = {}
    for run in runs:
        if run.prompt is not None and run.model_used is not None:
            runs_of.setdefault((run.prompt_sha256, run.system), {})[run.model_used] = run
    return [_item(list(by_model.values()), look_up) for by_model in runs_of.values() if len(by_model) > 1]


def _item(runs: Sequence[RatedRun], look_up: Callable[[str], Recorded]) -> Item:
    first = runs[0]
    return Item(
        id=first.run_id,
        task=first.task or "",
        prompt=first.prompt or "",
        outcomes={run.model_used or "": _outcome(run, look_up(run.run_id)) for run in runs},
    )


def observe(name: str, runs: Sequence[RatedRun], replayable: int, *, resamples: int, seed: int) -> LedgerReport:
    """What the rated runs came to by strategy and by model, and what the confidence in their answers was worth."""
    ratings = Column([run.rating.rating for run in runs], None, None)
    figures = Figures(ratings, ratings, resamples, seed)
    strategies = _grouped(runs, lambda run: run.strategy, figures)
    models = _grouped(runs, lambda run: run.model_used, figures)
    held = [_calibration(ALL, runs, figures)]
    held += [
        _calibration(model, [run if run.model_used == model else None for run in runs], figures)
        for model, _ in Counter(run.model_used for run in runs).most_common()
        if model is not None
    ]
    estimates = figures.estimate()
    return LedgerReport(
        name=name,
        runs=len(runs),
        strategies=[group(estimates) for group in strategies],
        models=[group(estimates) for group in models],
        confidence=[calibration(estimates) for calibration in held if calibration is not None],
        replayable=replayable,
    )


def _outcome(run: RatedRun, recorded: Recorded) -> RecordedOutcome:
    completed = [
        call for call in recorded.calls if call.model == run.model_used and call.status is CallStatus.COMPLETED
    ]
    answer = completed[-1] if completed else None
    return RecordedOutcome(
        score=run.rating.rating,
        text=run.response,
        input_tokens=None if answer is None else answer.input_tokens,
        output_tokens=None if answer is None else answer.output_tokens,
        latency_ms=None if answer is None else answer.latency_ms,
        graded_by="the user",
    )


def _grouped(
    runs: Sequence[RatedRun], key: Callable[[RatedRun], str | None], figures: Figures
) -> list[Callable[[Found], Observed]]:
    """A row for each key, the one with the most runs first."""
    places: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        if (name := key(run)) is not None:
            places.setdefault(name, []).append(place)
    ordered = sorted(places.items(), key=lambda entry: -len(entry[1]))
    return [_observed(name, runs, where, figures) for name, where in ordered]


def _observed(
    name: str, runs: Sequence[RatedRun], places: Sequence[int], figures: Figures
) -> Callable[[Found], Observed]:
    def figure(values: Iterable[float | None]) -> int | None:
        known = [value for value in values if value is not None]
        return figures.add(mean(known, places)) if len(known) == len(places) else None

    rating = figures.add(mean([runs[place].rating.rating for place in places], places))
    cost = figure(runs[place].cost_nanousd for place in places)
    latency = figure(runs[place].latency_ms for place in places)

    def observed(estimates: Found) -> Observed:
        return Observed(
            name=name,
            runs=len(places),
            rating=estimates[rating],
            cost_nanousd=None if cost is None else estimates[cost],
            latency_ms=None if latency is None else estimates[latency],
        )

    return observed


def _calibration(name: str, runs: Sequence[RatedRun | None], figures: Figures) -> Callable[[Found], Calibration] | None:
    """The figures of the confidence in some of the runs' answers; None if none was judged."""
    judged = [(place, run) for place, run in enumerate(runs) if run is not None and run.confidence is not None]
    if not judged:
        return None
    return calibration_of(
        name,
        [run.confidence or 0.0 for _, run in judged],
        [float(run.rating.rating >= ACCEPTABLE) for _, run in judged],
        figures,
        [place for place, _ in judged],
    )
