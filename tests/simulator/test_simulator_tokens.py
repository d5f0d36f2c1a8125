from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.simulator.tokens import PrefixCache, count, pieces


@given(st.text())
def test_the_pieces_of_a_text_are_the_text_and_as_many_as_counted(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) == count(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("你好", 2), ("ab你cd", 3)],
    ids=["nothing", "one", "four", "five", "two wide", "mixed"],
)
def test_a_token_is_four_ascii_characters_or_one_other(text: str, expected: int) -> None:
    assert count(text) == expected


def test_a_long_prompt_is_cached_the_second_time() -> None:
    cache = PrefixCache()
    prompt = "word " * 2_000
    assert cache.admit("m", prompt) == 0
    assert cache.admit("m", prompt) == count(prompt[: len(prompt) // 512 * 512])


def test_only_the_shared_beginning_is_cached() -> None:
    cache = PrefixCache()
    cache.admit("m", "a" * 5_120 + "b" * 5_120)
    assert cache.admit("m", "a" * 5_120 + "c" * 5_120) == 5_120 // 4


def test_short_prompts_and_other_models_have_no_cache() -> None:
    cache = PrefixCache()
    for prompt in ("a" * 4_000, "b" * 8_000):
        cache.admit("m", prompt)
    assert cache.admit("m", "a" * 4_000) == 0
    assert cache.admit("other", "b" * 8_000) == 0
