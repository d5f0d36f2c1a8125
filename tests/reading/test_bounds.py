import json
import random
import string
from pathlib import Path
from typing import Any

import pytest
import quicktok
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reading.bounds import JOINT, Bounds, Tokenizer, bounds
from orchestrator.reading.tokens import upper_bound_tokens
from orchestrator.registry.tokenizers import tokenizer_of

# Counted with the tokenizers themselves by scripts/bench_tokens.py.
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("token_counts.json").read_text("utf-8"))
SAMPLES: dict[str, Any] = RECORDED["samples"]
CLAUDE = ("claude3", "claude4.7")
ORDINARY = [*RECORDED["kinds"]["english"], *RECORDED["kinds"]["code"]]

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
WORDS = st.sampled_from(
    [
        "the",
        "internal",
        "getElement",
        "Identifier",
        "HTTPS",
        "zqx",
        "x",
        "don",
        "t",
        "re",
        "S",
        "naïve",
        "Überraschung",
        "слово",
    ]
)
MARKS = st.sampled_from(
    [" ", "\n", "\n\n    ", "\t", "  ", ".", ", ", "();\n", "/", "//", "'", "’", "”\n/", "->", "=", "\x0b"]
)
PIECES = st.one_of(WORDS, MARKS, st.integers(0, 99_999).map(str), st.text(max_size=4))
MADE_UP = st.lists(PIECES, max_size=30).map("".join)


def lane(name: str) -> Tokenizer:
    return Tokenizer.ANY if name in CLAUDE else Tokenizer.OPENAI if name == "o200k" else Tokenizer.PUBLISHED


def assert_within_the_bound(text: str) -> None:
    for encoding in (Tokenizer.O200K, Tokenizer.CL100K):
        assert quicktok.get_encoding(encoding).count(text) <= bounds(text).of(encoding), text


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_count_of_every_tokenizer_is_within_its_bound(kind: str) -> None:
    text, counts = SAMPLES[kind]["text"], SAMPLES[kind]["counts"]
    assert {name: count for name, count in counts.items() if count > upper_bound_tokens(text, lane(name))} == {}


@pytest.mark.parametrize("kind", ORDINARY)
def test_english_and_code_are_bounded_closely(kind: str) -> None:
    text, counts = SAMPLES[kind]["text"], SAMPLES[kind]["counts"]
    for name, count in counts.items():
        # Anthropic's older tokenizer gives far fewer tokens than the newer, and the bound is for either; those that do
        # not cut where the case changes are charged for camelCase.
        most = 1.6 if name == "o200k" else 2.15 if name == "claude3" else 1.75
        assert upper_bound_tokens(text, lane(name)) <= most * count, name


@pytest.mark.parametrize("kind", SAMPLES)
def test_no_bound_of_openais_is_above_the_bytes(kind: str) -> None:
    text = SAMPLES[kind]["text"]
    bound = bounds(text)
    assert bound.openai <= bound.published <= bound.any
    assert bound.openai <= len(text.encode())


@given(st.one_of(MADE_UP, ANY_TEXT))
def test_no_text_is_more_tokens_in_openais_encodings_than_its_bound(text: str) -> None:
    assert_within_the_bound(text.encode("utf-8", "replace").decode())


@pytest.mark.parametrize("alphabet", [string.ascii_lowercase, string.ascii_letters, string.hexdigits, "zqxjk", "aB"])
def test_long_words_of_random_letters_are_within_the_bound(alphabet: str) -> None:
    rng = random.Random(3)
    for length in range(1, 200):
        assert_within_the_bound("".join(rng.choices(alphabet, k=length)))


@given(MADE_UP, MADE_UP)
def test_two_texts_put_together_have_no_more_than_both_and_a_joint(one: str, other: str) -> None:
    for together, left, right in zip(bounds(one + other), bounds(one), bounds(other), strict=True):
        assert together <= left + right + JOINT


def test_a_lone_surrogate_is_charged_what_is_sent_in_its_place() -> None:
    assert bounds("\ud800").openai == 3


def test_a_text_longer_than_any_window_is_charged_its_bytes() -> None:
    assert bounds("word " * 2_000_000) == Bounds(10_000_000, 10_000_000, 20_000_000)


def test_a_long_text_is_bounded_as_its_parts_are() -> None:
    text = SAMPLES["prose"]["text"]
    assert bounds(text * 2_000).openai == pytest.approx(2_000 * bounds(text).openai, rel=0.01)


@pytest.mark.parametrize(
    ("model", "tokenizer"),
    [
        ("gpt-5.6-sol", Tokenizer.O200K),
        ("gpt-4.1-nano", Tokenizer.O200K),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", Tokenizer.O200K),
        ("openai/gpt-oss-120b", Tokenizer.O200K),
        ("o4-mini", Tokenizer.O200K),
        ("gpt-4-turbo", Tokenizer.CL100K),
        ("gpt-3.5-turbo-0125", Tokenizer.CL100K),
        ("gpt-6-astra", Tokenizer.OPENAI),
        ("meta-llama/llama-3-70b-instruct", Tokenizer.PUBLISHED),
        ("qwen/qwen3.8-flash", Tokenizer.PUBLISHED),
        ("deepseek-v4-pro", Tokenizer.PUBLISHED),
        ("codellama-34b", Tokenizer.ANY),
        ("claude-opus-5", Tokenizer.ANY),
        ("gemini-4-argon", Tokenizer.ANY),
    ],
)
def test_a_model_has_the_tokenizer_of_its_family(model: str, tokenizer: Tokenizer) -> None:
    assert tokenizer_of(model) is tokenizer
