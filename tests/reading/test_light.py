"""Which questions lean on what went before them."""

from __future__ import annotations

import pytest

from orchestrator.reading.light import in_light, leans
from orchestrator.types import Message, Prompt

LEANS = [
    "yes, do it",
    "Yes",
    "go ahead",
    "Do that for all files",
    "why?",
    "Why not?",
    "and in Rust?",
    "Now make it shorter",
    "What about Python 3.8?",
    "continue",
    "the second one",
    "Can you translate it into German?",
    "Does that work offline?",
    "Is this thread-safe?",
    "What would they cost?",
    "Could your answer be wrong if the table is empty?",
    "thanks, but no",
    "Write the tests for the code you suggested, with fixtures and parametrised cases for every branch that can fail",
    "Shorter, please",
    "und auf Deutsch?",
    "How would you change that?",
    "Explain that to a child",
]
STANDS = [
    "What is the capital of France?",
    "Why is the sky blue?",
    "Explain quantum entanglement",
    "Name a river.",
    "Write a function that reverses a string",
    "Is there a proof that is shorter than Euclid's for infinitely many primes?",
    "Translate to German: it was a good day",
    "Summarize the following text:\nIt was a dark night.",
    "Fix the typo: teh",
    "Design a rate limiter that shares its budget between processes, and say how it behaves when one of them dies in "
    "the middle of a reservation, with a diagram of the states that it can be in and the events between them all",
    "Who wrote Hamlet?",
    "Implement quicksort in Go",
    "What does HTTP 429 mean?",
]


@pytest.mark.parametrize(("question", "expected"), [*((q, True) for q in LEANS), *((q, False) for q in STANDS)])
def test_a_question_leans_or_stands_by_itself(question: str, expected: bool) -> None:
    assert leans(question) is expected


def test_what_leans_is_read_with_what_it_leans_on_and_no_more() -> None:
    before = (
        Message("user", "Tell me of cats."),
        Message("assistant", "Cats purr."),
        Message("user", "Design a bridge over the Aare."),
        Message("assistant", "x" * 9_000 + " Shall I compute the loads?"),
        Message("user", "yes"),
        Message("assistant", "Done."),
    )
    light = in_light(Prompt("and the wind?", before=before))
    assert light.startswith("Design a bridge over the Aare.\n\n")
    assert light.endswith("Shall I compute the loads?\n\nyes\n\nand the wind?")
    assert "cats" not in light.lower()
    assert len(light) < 2_000
    assert in_light(Prompt("Who wrote Hamlet?", before=before)) == "Who wrote Hamlet?"
