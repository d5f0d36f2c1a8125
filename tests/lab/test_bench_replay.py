"""Recorded outcomes played through the engine: what the figures are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from recorded_answers import OTHER, STRONG, WEAK, bench, items

from orchestrator.confidence import ConfidenceDetector
from orchestrator.confidence.answers import AGREES_FROM, same_answer
from orchestrator.errors import UsageError
from orchestrator.lab.pricing import parse_prices
from orchestrator.lab.records import Item, RecordedOutcome
from orchestrator.lab.report import Row, SetReport
from orchestrator.reading.complexity import CUTS, ComplexityAnalyzer
from orchestrator.reading.tokens import estimate_tokens

EVENLY = tuple(step / 10 for step in range(0, 11, 2))


def rows(report: SetReport) -> dict[str, Row]:
    return {row.name: row for row in report.rows}


def cost(item: Item, model: str) -> int:
    """Nano-dollars, at the prices of `recorded_answers`."""
    read, written = {WEAK: (1_000, 2_000), STRONG: (10_000, 40_000), OTHER: (2_000, 2_000)}[model]
    outcome = item.outcomes[model]
    return read * (outcome.input_tokens or 0) + written * (outcome.output_tokens or 0)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


# -- what is derived is what the engine does -------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["cheapest", "fallback"])
def test_a_sweep_is_what_the_engine_gives_at_every_threshold(tmp_path: Path, strategy: str) -> None:
    recorded = items(40)
    (ordering,) = bench(tmp_path, recorded, strategies=(strategy,), resamples=0).orderings
    where_it_changes = [point.threshold for point in ordering.curve if point.threshold is not None]
    thresholds = tuple(sorted({*EVENLY, *where_it_changes[::3]}))
    played = bench(tmp_path, recorded, strategies=(strategy,), thresholds=thresholds)
    swept = bench(tmp_path, recorded, strategies=(strategy,), sweep=thresholds)
    engine = [row for row in played.rows if row.source == "engine"]
    assert [row.threshold for row in engine] == [row.threshold for row in swept.sweep] == list(thresholds)
    shares = set()
    for row, derived in zip(engine, swept.sweep, strict=True):
        assert (derived.source, derived.name) == ("derived", row.name)
        assert derived.quality.value == pytest.approx(row.quality.value)
        assert derived.strong_share.value == pytest.approx(row.strong_share.value)
        assert derived.cost_nanousd is not None
        assert row.cost_nanousd is not None
        assert derived.cost_nanousd.value == pytest.approx(row.cost_nanousd.value)
        assert derived.over_random is not None
        assert row.over_random is not None
        assert derived.over_random.value == pytest.approx(row.over_random.value)
        assert (derived.quality.low, derived.quality.high) == pytest.approx((row.quality.low, row.quality.high))
        shares.add(row.strong_share.value)
    assert len(shares) > 3  # the thresholds do tell the prompts apart


def test_confidence_is_the_same_asked_alone_and_in_a_panel(tmp_path: Path) -> None:
    recorded = items()
    alone = bench(tmp_path, recorded, strategies=("fallback",))
    in_panel = bench(tmp_path, recorded, strategies=("fallback", "ensemble"))
    assert alone.confidence == in_panel.confidence
    assess = ConfidenceDetector().assess
    for calibration in alone.confidence:
        held = [assess(item.outcomes[calibration.name].text or "", item.prompt).confidence for item in recorded]
        assert sum(found.confidence * found.answers for found in calibration.bins) == pytest.approx(sum(held))


# -- what each row is ------------------------------------------------------------------------------------------------


def test_models_alone_a_coin_flip_and_the_oracle_follow_from_the_record(tmp_path: Path) -> None:
    recorded = items()
    found = rows(bench(tmp_path, recorded))
    weak, strong = ([item.outcomes[model].score for item in recorded] for model in (WEAK, STRONG))
    weak_costs, strong_costs = ([float(cost(item, model)) for item in recorded] for model in (WEAK, STRONG))
    better = [b > a for a, b in zip(weak, strong, strict=True)]
    expected = {
        "all weak": (mean(weak), mean(weak_costs), 0),
        "all strong": (mean(strong), mean(strong_costs), 1),
        "random": (mean(weak + strong), mean(weak_costs + strong_costs), 0.5),
        "oracle": (
            mean([max(pair) for pair in zip(weak, strong, strict=True)]),
            mean([b if use else a for a, b, use in zip(weak_costs, strong_costs, better, strict=True)]),
            mean([float(use) for use in better]),
        ),
    }
    for name, (quality, price, share) in expected.items():
        row = found[name]
        assert row.quality.value == pytest.approx(quality)
        assert row.cost_nanousd is not None
        assert row.cost_nanousd.value == pytest.approx(price)
        assert row.strong_share.value == pytest.approx(share)


def test_routing_sends_what_looks_hard_to_the_strong_model(tmp_path: Path) -> None:
    recorded = items()
    row = rows(bench(tmp_path, recorded, strategies=("cheapest",)))["routing"]
    hard = [ComplexityAnalyzer().analyze(item.prompt).score >= CUTS[0] for item in recorded]
    assert 0 < sum(hard) < len(hard)
    chosen = [STRONG if passed else WEAK for passed in hard]
    assert row.source == "engine"
    assert row.strong_share.value == pytest.approx(mean([float(passed) for passed in hard]))
    assert row.quality.value == pytest.approx(
        mean([item.outcomes[model].score for item, model in zip(recorded, chosen, strict=True)])
    )
    assert row.cost_nanousd is not None
    assert row.cost_nanousd.value == pytest.approx(
        mean([float(cost(item, model)) for item, model in zip(recorded, chosen, strict=True)])
    )


def test_routing_does_not_ask_which_of_the_two_is_cheaper(tmp_path: Path) -> None:
    recorded = items()
    turned = {WEAK: "9", STRONG: "1"}
    prices = parse_prices([f"{name}={rate}/{rate}" for name, rate in turned.items()])
    dear, cheap = (bench(tmp_path, recorded, strategies=("cheapest",), prices=p) for p in (prices, {}))
    name = "routing"
    assert rows(dear)[name].strong_share == rows(cheap)[name].strong_share
    assert any("costs more than" in note for note in dear.notes)
    assert not any("costs more than" in note for note in cheap.notes)


def test_a_cascade_pays_for_both_answers_and_an_ensemble_for_all(tmp_path: Path) -> None:
    recorded = items()
    found = rows(bench(tmp_path, recorded, thresholds=(1.0,), strategies=("fallback", "ensemble")))
    both = mean([float(cost(item, WEAK) + cost(item, STRONG)) for item in recorded])
    for name in ("cascade 1", "ensemble"):
        row = found[name]
        assert row.strong_share.value == 1
        assert row.cost_nanousd is not None
        assert row.cost_nanousd.value == pytest.approx(both)


def test_a_cascade_takes_as_long_as_its_calls_in_turn_and_an_ensemble_as_the_slowest(tmp_path: Path) -> None:
    recorded = items()
    found = rows(bench(tmp_path, recorded, thresholds=(1.0,), strategies=("fallback", "ensemble")))
    pairs = [(item.outcomes[WEAK].latency_ms or 0, item.outcomes[STRONG].latency_ms or 0) for item in recorded]
    cascade, ensemble = found["cascade 1"].latency_ms, found["ensemble"].latency_ms
    assert cascade is not None
    assert ensemble is not None
    assert cascade.value == pytest.approx(mean([float(sum(pair)) for pair in pairs]))
    assert ensemble.value == pytest.approx(mean([float(max(pair)) for pair in pairs]))


def test_three_models_make_a_wider_panel_and_an_agreement_cascade(tmp_path: Path) -> None:
    recorded = items()
    report = bench(tmp_path, recorded, models=(WEAK, OTHER, STRONG))
    found = rows(report)
    whole = mean([float(sum(cost(item, model) for model in (WEAK, OTHER, STRONG))) for item in recorded])
    ensemble, agreement = found["ensemble"], found["agreement"]
    assert ensemble.cost_nanousd is not None
    assert ensemble.cost_nanousd.value == pytest.approx(whole)
    assert agreement.cost_nanousd is not None
    assert (agreement.cost_nanousd.value or 0) < whole
    agreed = [
        same_answer(item.outcomes[WEAK].text or "", item.outcomes[OTHER].text or "", item.prompt) >= AGREES_FROM
        for item in recorded
    ]
    assert agreement.strong_share.value == pytest.approx(1 - mean([float(same) for same in agreed]))
    assert 0 < (agreement.strong_share.value or 0) < 1
    assert found[f"all {OTHER}"].quality.value == pytest.approx(mean([item.outcomes[OTHER].score for item in recorded]))
    assert [calibration.name for calibration in report.confidence] == [WEAK, STRONG, OTHER]


def test_the_frontier_has_what_nothing_else_beats(tmp_path: Path) -> None:
    report = bench(tmp_path, items(), models=(WEAK, OTHER, STRONG))
    on = [row for row in report.rows if row.on_frontier]
    assert on
    for row in (row for row in report.rows if row.attainable):
        better = [
            other
            for other in report.rows
            if other.attainable
            and other.cost_nanousd is not None
            and row.cost_nanousd is not None
            and (other.cost_nanousd.value or 0) <= (row.cost_nanousd.value or 0)
            and (other.quality.value or 0) > (row.quality.value or 0)
        ]
        assert not (row.on_frontier and better)
    assert {row.name for row in on}.isdisjoint({"random", "oracle"})


# -- what is not recorded --------------------------------------------------------------------------------------------


def test_without_texts_only_routing_can_be_replayed_and_it_says_so(tmp_path: Path) -> None:
    report = bench(tmp_path, items(texts=False), resamples=0)
    assert {row.strategy for row in report.rows} == {None, "cheapest"}
    assert report.confidence == []
    assert any("no texts recorded" in note for note in report.notes)


def test_an_unknown_price_is_unknown_and_shares_are_still_counted(tmp_path: Path) -> None:
    report = bench(tmp_path, items(), prices={}, thresholds=(0.6,))
    assert all(row.cost_nanousd is None for row in report.rows)
    assert 0 < (rows(report)["cascade 0.6"].strong_share.value or 0) < 1
    assert [model.rates for model in report.models] == [None, None]
    assert rows(report)["all weak"].on_frontier


def test_one_unknown_price_makes_only_the_sums_unknown_that_it_enters(tmp_path: Path) -> None:
    found = rows(bench(tmp_path, items(), prices=parse_prices([f"{WEAK}=1/2"])))
    assert found["all weak"].cost_nanousd is not None
    assert found["all strong"].cost_nanousd is None
    assert found["ensemble"].cost_nanousd is None


def test_a_model_that_the_registry_knows_has_its_price_from_there(tmp_path: Path) -> None:
    known = "claude-haiku-5-5"
    recorded = [replace(item, outcomes={known: item.outcomes[WEAK], STRONG: item.outcomes[STRONG]}) for item in items()]
    report = bench(tmp_path, recorded, weak=known)
    assert report.models[0].rates is not None
    assert rows(report)["all weak"].cost_nanousd is not None


def test_missing_tokens_are_estimated_from_the_texts(tmp_path: Path) -> None:
    recorded = items(tokens=False)
    report = bench(tmp_path, recorded, strategies=("cheapest",))
    expected = [
        1_000 * estimate_tokens(item.prompt) + 2_000 * estimate_tokens(item.outcomes[WEAK].text or "")
        for item in recorded
    ]
    weak = rows(report)["all weak"].cost_nanousd
    assert weak is not None
    assert weak.value == pytest.approx(mean([float(one) for one in expected]))
    assert {model.tokens for model in report.models} == {"estimated from the texts"}


def test_without_texts_and_tokens_every_answer_counts_as_long_as_any_other(tmp_path: Path) -> None:
    recorded = items(tokens=False, texts=False)
    report = bench(tmp_path, recorded)
    weak, strong = (rows(report)[name].cost_nanousd for name in ("all weak", "all strong"))
    assert weak is not None
    assert strong is not None
    read = mean([float(estimate_tokens(item.prompt)) for item in recorded])
    written = ((weak.value or 0) - 1_000 * read) / 2_000
    assert written == pytest.approx(((strong.value or 0) - 10_000 * read) / 40_000)
    assert {model.tokens for model in report.models} == {"expected from the prompts"}


def test_a_prompt_without_an_outcome_of_a_model_is_left_out(tmp_path: Path) -> None:
    recorded = items()
    recorded[3] = replace(recorded[3], outcomes={WEAK: RecordedOutcome(1.0, "4")})
    report = bench(tmp_path, recorded)
    assert (report.prompts, report.left_out) == (len(recorded) - 1, 1)


def test_prompts_of_the_same_text_keep_their_own_answers(tmp_path: Path) -> None:
    recorded = [
        Item(f"p{number}", "", "What is 2 + 2?", {WEAK: RecordedOutcome(grade, "4"), STRONG: RecordedOutcome(1.0, "4")})
        for number, grade in enumerate((0.0, 1.0, 1.0))
    ]
    found = rows(bench(tmp_path, recorded, thresholds=(0.0,), strategies=("fallback",)))
    assert found["cascade 0"].quality.value == pytest.approx(2 / 3)


# -- who is weak, who is strong --------------------------------------------------------------------------------------


def test_of_two_models_the_better_one_is_strong(tmp_path: Path) -> None:
    recorded = [replace(item, outcomes={name: item.outcomes[name] for name in (STRONG, WEAK)}) for item in items(40)]
    report = bench(tmp_path, recorded, weak=None, strong=None, prices={})
    assert (report.weak, report.strong) == (WEAK, STRONG)


def test_of_several_models_the_cheapest_is_weak_if_prices_are_known(tmp_path: Path) -> None:
    report = bench(tmp_path, items(40), weak=None, strong=None)
    assert (report.weak, report.strong) == (WEAK, STRONG)
    with pytest.raises(UsageError, match="say which is the weak one"):
        bench(tmp_path, items(), weak=None, strong=None, prices={})


def test_names_that_are_not_recorded_are_refused_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        bench(tmp_path, items(), weak="tiny-2")
    assert (caught.value.exit_code, caught.value.hint) == (2, "did you mean 'tiny-1'?")
    with pytest.raises(UsageError, match="both tiny-1"):
        bench(tmp_path, items(), strong=WEAK)
    with pytest.raises(UsageError, match="one model only"):
        bench(tmp_path, [Item("a", "", "Why?", {WEAK: RecordedOutcome(1.0)})], weak=None, strong=None)
