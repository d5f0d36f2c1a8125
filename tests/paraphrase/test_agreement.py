"""Whether prompts ask the same, on the pairs that `scripts/paraphrase_pairs.py` writes and on single ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.paraphrase.agreement import differences

PAIRS = [
    json.loads(line)
    for line in gzip.decompress((Path(__file__).parent / "pairs.jsonl.gz").read_bytes()).decode().splitlines()
]


def test_of_prompts_that_differ_none_is_taken_for_another_and_most_paraphrases_are() -> None:
    agree = [not differences(pair["a"], pair["b"]) for pair in PAIRS]
    wrong = [pair for pair, same in zip(PAIRS, agree, strict=True) if same and not pair["same"]]
    assert wrong == []
    said = [same for pair, same in zip(PAIRS, agree, strict=True) if pair["same"] and pair["kind"] == "as said"]
    assert len(PAIRS) >= 1500
    assert sum(said) / len(said) > 0.7


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("How do I train my dog?", "how to train your dog", id="whoever asks"),
        pytest.param("Hi! I'd like to know how DNS works. Thanks!", "How does DNS work?", id="courtesies"),
        pytest.param("How many days are in three weeks?", "how many days are in 3 weeks", id="numbers in words"),
        pytest.param("What is 1,000 km in miles?", "What is 1000 kilometres in miles?", id="units"),
        pytest.param("What is a closure in JS?", "what's a closure in JavaScript", id="short names"),
        pytest.param("Is it rude to tip?", "Is tipping rude?", id="word order"),
        pytest.param(
            "Wie hoch ist der Eiffelturm?", "Wie hoch ist der Eiffelturm", id="another language, to the letter"
        ),
    ],
)
def test_paraphrases(one: str, other: str) -> None:
    assert differences(one, other) == ()


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        pytest.param("Is it 17*23?", "Is it 17*24?", "numbers (23 / 24)", id="formula"),
        pytest.param("Name 3 rivers", "Name four rivers", "numbers (3 / 4)", id="number"),
        pytest.param("What is 5 m in feet?", "What is 5 km in feet?", "units", id="unit"),
        pytest.param("Why do cats purr?", "Why do cats not purr?", "negation (- / not)", id="negation"),
        pytest.param("Do all birds fly?", "Do some birds fly?", "quantity (all / some)", id="quantity"),
        pytest.param("Who leads Peru?", "Who leads Chile?", "names (peru / chile)", id="name"),
        pytest.param("Explain `a`", "Explain `b`", "code", id="code"),
        pytest.param("What does 'its' mean?", 'What does "it\'s" mean?', "quoted text", id="quotation"),
        pytest.param("What is a bank?", "Was ist eine Bank?", "language (English, other)", id="language"),
        pytest.param("Fly from Oslo to Rome", "Fly from Rome to Oslo", "order of words", id="direction"),
        pytest.param("How is tea made?", "Why is tea made?", "what is asked for", id="question"),
        pytest.param("Can I pay?", "Should I pay?", "words (can / should)", id="mood"),
        pytest.param("Should I use a or an?", "Should I use a or the?", "words", id="articles that are meant"),
        pytest.param("How do I say please?", "How do I say thanks?", "words", id="courtesies that are meant"),
        pytest.param("x = 1\ny = 2", "x = 1\n y = 2", "to the letter", id="white space of code"),
        pytest.param("Is A a subset of B?", "Is B a subset of A?", "order of words", id="letters that are names"),
        pytest.param("Write to me", "Write for me", "words", id="to me, for me"),
        pytest.param("What is a light?", "What is light?", "words", id="an article that matters"),
        pytest.param("Can you swim?", "Would you swim?", "words", id="no courtesy"),
        pytest.param("Say: no, thanks", "Say: no thanks", "words", id="comma"),
        pytest.param("Is IT hard?", "Is it hard?", "names", id="a name with a capital"),
    ],
)
def test_what_parts_two_prompts_is_said(one: str, other: str, reason: str) -> None:
    assert any(reason in each for each in differences(one, other)), differences(one, other)
    assert differences(other, one)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_compared_and_asks_what_it_asks(one: str, other: str) -> None:
    assert differences(one, one) == ()
    assert bool(differences(one, other)) == bool(differences(other, one))
