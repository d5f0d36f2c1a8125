"""Parts of the prompts, prices and thresholds as they are written."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest
from recorded_answers import items

from orchestrator.errors import ConfigError, UsageError
from orchestrator.lab.parsing import parse_names, parse_strategies, parse_thresholds
from orchestrator.lab.pricing import parse_prices, read_prices
from orchestrator.lab.selecting import parse_split, sample
from orchestrator.money import Rates

PROMPTS = [f"What is {number}?" for number in range(2000)]


def part(split: str) -> set[str]:
    belongs = parse_split(split)
    return {prompt for prompt in PROMPTS if belongs(prompt)}


def test_the_first_byte_of_the_hash_parts_development_from_test() -> None:
    even = {prompt for prompt in PROMPTS if hashlib.sha256(prompt.encode()).digest()[0] % 2 == 0}
    assert part("dev") == even
    assert part("test") == set(PROMPTS) - even


def test_ranges_part_the_prompts_without_rest_and_within_either_part() -> None:
    first, second = part("0.7"), part("0.7:1")
    assert first == part("0:0.7")
    assert first | second == set(PROMPTS)
    assert not first & second
    assert len(first) == pytest.approx(0.7 * len(PROMPTS), rel=0.1)
    assert len(first & part("dev")) == pytest.approx(0.7 * len(part("dev")), rel=0.1)


@pytest.mark.parametrize("split", ["", "development", "0", "1.5", "0.6:0.4", "0.1:", "nan", "-0.1:1"])
def test_what_is_no_split_is_refused(split: str) -> None:
    with pytest.raises(UsageError, match="--split takes"):
        parse_split(split)


def test_a_sample_is_drawn_by_the_seed_and_keeps_the_order() -> None:
    recorded = items(30)
    first, again, other = sample(recorded, 10, 1), sample(recorded, 10, 1), sample(recorded, 10, 2)
    assert first == again != other
    assert [recorded.index(item) for item in first] == sorted(recorded.index(item) for item in first)
    assert sample(recorded, None, 1) == sample(recorded, 99, 1) == recorded


def test_prices_are_written_as_input_and_output() -> None:
    found = parse_prices(["a/b:c=0.60/1.5", "x=y=0/0"])
    assert found == {"a/b:c": Rates(Decimal("0.60"), Decimal("1.5")), "x=y": Rates(Decimal(0), Decimal(0))}


@pytest.mark.parametrize("written", ["a", "a=1", "=1/2", "a=1/2/3", "a=x/1", "a=-1/1", "a=nan/1", "a=1e9/1", "a=/"])
def test_what_is_no_price_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match="--price takes"):
        parse_prices([written])


def test_a_file_of_prices_is_read_and_a_mistake_in_it_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("gpt-4-1106-preview: 10/30\n'small': 0.6/0.6\n")
    assert read_prices(path)["gpt-4-1106-preview"] == Rates(Decimal(10), Decimal(30))
    path.write_text("small: 0.6/0.6\nlarge: 10\n")
    with pytest.raises(ConfigError, match=r"prices.yaml:2: large"):
        read_prices(path)


def test_thresholds_are_named_or_swept() -> None:
    assert parse_thresholds(None) == ((), ())
    assert parse_thresholds("0.5,0.4, 0.5") == ((0.4, 0.5), ())
    assert parse_thresholds("0:1:0.25") == ((), (0.0, 0.25, 0.5, 0.75, 1.0))
    assert parse_thresholds("0.1:0.3:0.1")[1] == (0.1, 0.2, 0.3)


@pytest.mark.parametrize("written", ["", "2", "a", "0:1", "0:1:0", "1:0:0.1", "0:1:0.0001", "0.5,", "nan", "0:2:1"])
def test_what_is_no_threshold_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match="--threshold takes"):
        parse_thresholds(written)


def test_strategies_go_by_their_names_and_by_those_in_tables() -> None:
    assert parse_strategies(None, ["pipeline"]).strategies == ("cheapest", "fallback", "ensemble")
    found = parse_strategies("ensemble,routing,pipeline", ["pipeline"])
    assert found == (("cheapest", "ensemble"), ("pipeline",))
    with pytest.raises(UsageError) as caught:
        parse_strategies("pipline", ["pipeline"])
    assert caught.value.hint == "did you mean 'pipeline'?"
    with pytest.raises(UsageError, match="--models takes names"):
        parse_names("a,,b", "--models")
