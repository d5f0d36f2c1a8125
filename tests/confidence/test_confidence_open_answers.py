"""Open answers: length without substance does not pass, and padding gains nothing."""

from __future__ import annotations

import pytest

from orchestrator.confidence import ConfidenceDetector
from orchestrator.config import RunOptions

assess = ConfidenceDetector().assess
THRESHOLD = RunOptions().threshold
PROMPT = "Explain how a message queue decouples services, and what can go wrong"
GOOD = """A message queue stands between a producer, which writes events, and consumers, which read them later.

**Why it decouples**
- The producer returns as soon as the broker has stored the event, so a slow consumer never blocks a checkout page.
- Consumers can be stopped, upgraded or multiplied; the backlog waits on disk until they come back.
- Either side may change its language or database, since only the format of the event is shared.

**What goes wrong**
1. Duplicates: a worker that dies after charging a card but before acknowledging gets the same order again. Make
   handlers idempotent, for example with a unique key on the order number.
2. Reordering: two partitions give no common order, so put all events of one customer into the same partition.
3. Poison messages: a malformed payload is retried without end. After five attempts move it to a dead-letter queue.
4. Growth: when arrivals exceed the drain rate of 200 events a second, the lag rises; alert on its age, not its length.

Start with one queue, measure lag and redeliveries, and add partitions only when a single consumer is too slow.
"""
VAGUE = (
    "There are many different perspectives on this topic, and it is important to keep all of them in mind."
    " Various factors can have a significant impact on the overall situation."
    " It is essential to consider the relevant aspects carefully and thoughtfully."
    " In general, a comprehensive approach helps people understand the key points."
    " Ultimately, it depends on the context and on individual needs."
    " Every situation is different, so a nuanced view of the matter is valuable."
    " In conclusion, this is a complex and multifaceted subject that needs careful consideration."
)


def test_a_full_answer_passes() -> None:
    assert assess(GOOD, PROMPT).confidence >= THRESHOLD


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(VAGUE, id="words that suit any subject"),
        pytest.param(VAGUE * 6, id="and many of them"),
        pytest.param(
            "A queue stores messages for services. It is useful in systems. " * 30, id="the same again and again"
        ),
        pytest.param("\n".join([*("- Consider the key aspects of it",) * 40]), id="a long list of one item"),
        pytest.param("lorem ipsum dolor sit amet " * 100, id="filler"),
    ],
)
def test_a_long_empty_answer_does_not_pass(answer: str) -> None:
    assert assess(answer, PROMPT).confidence < 0.6 < THRESHOLD
    assert assess(answer).confidence < 0.6


@pytest.mark.parametrize(
    "padding", [VAGUE, VAGUE * 4, GOOD * 3, "\n" * 500, "Thank you for this question! " * 20], ids=range(5)
)
def test_padding_gains_nothing(padding: str) -> None:
    alone = assess(GOOD, PROMPT).confidence
    assert assess(f"{GOOD}\n{padding}", PROMPT).confidence <= alone + 0.02
    assert assess(f"{padding}\n{GOOD}", PROMPT).confidence <= alone + 0.02


@pytest.mark.parametrize("prompt", ["Translate this letter into French", "Summarise the report", "hi there"])
def test_what_is_short_by_nature_is_not_measured_for_substance(prompt: str) -> None:
    assert "substance" not in assess("Les commandes sont dans une table. " + GOOD[:100], prompt).signals
