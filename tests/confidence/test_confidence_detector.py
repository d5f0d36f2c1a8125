import math
from typing import NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from orchestrator.confidence import ConfidenceDetector
from orchestrator.types import FinishReason

assess = ConfidenceDetector().assess
THRESHOLD = 0.6

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)
# Texts in which the patterns have something to find.
PHRASES = [
    *("I'm not sure", "possibly", "definitely", "I think", "not", "certainly", "I can't help with", "could you share"),
    *("need more context", "the answer is 4", "word " * 20, "you are", "to be", "ERROR it fails", "here", "in", "{}"),
    *("```", "\n```\n", "`", '"', "'", "’", "“", "”", "> ", "- a\n", "1. b\n", "\n", "\n\n", " ", ". ", ", ", "-"),
]
ANSWER_TEXT = st.lists(st.sampled_from(PHRASES), max_size=12).map("".join)

PLAIN = "The order is stored in a table and an event is put into a queue. A worker reads the queue and sends the mail. "
OPEN = "Explain how the mail is sent"
AT_LENGTH = f"""{PLAIN}
The queue keeps each event on disk until a worker confirms it. Workers are started and stopped as the load asks. A mail
that bounces is tried three times, with ten minutes between attempts. After that somebody on call is told. Templates
live beside the code, so that a change of wording is reviewed like any other. Each mail carries the number of its order,
which makes a second delivery harmless. Addresses are checked when a customer signs up. Statistics count what was sent,
opened and refused, by hour and country. A test environment replaces the provider by a folder.
"""


class Case(NamedTuple):
    name: str
    answer: str
    prompt: str
    finish_reason: FinishReason = FinishReason.STOP


ACCEPTED: list[Case] = [
    Case("a complete answer", PLAIN, OPEN),
    Case("a long answer", AT_LENGTH, OPEN),
    Case("a structured answer", PLAIN + "\n- one\n- two\n- three", OPEN),
    Case("one mild hedge in a long answer", AT_LENGTH + "It might be slow.", OPEN),
    Case("one mild hedge in a short answer", PLAIN + "It might be slow.", OPEN),
    Case("two mild hedges in a very long answer", AT_LENGTH * 2 + "It might be slow. Possibly not.", OPEN),
    Case("a number for a sum", "4", "What is 2+2?"),
    Case("a number for a division", "2.5", "What is 10/4?"),
    Case("a name for a name", "Paris", "What is the capital of France?"),
    Case("a name for a who", "Shakespeare", "Who wrote Hamlet?"),
    Case("a year", "1969", "When did people land on the moon?"),
    Case("yes", "Yes.", "Is 7 prime?"),
    Case("one of the options", "Tea", "Is it tea or coffee?"),
    Case("a label", "positive", "Classify the sentiment of this review: it was great"),
    Case("a translation", "la mer", "Translate 'the sea' into French"),
    Case("one word, asked for", "Entropy", "Explain in one word why time has a direction"),
    Case("only the result, asked for", "42", "Explain nothing, just give the result"),
    Case("code for code", "```py\nprint(1)\n```", "Write a Python function that prints 1"),
    Case("JSON for JSON", '{"a": 1}', "Explain it, and return JSON"),
    Case("a greeting", "Hello!", "hi"),
    Case("hedges in a quotation", f'She said "maybe, possibly, I\'m not sure". {PLAIN}', OPEN),
    Case("hedges in code", f"{PLAIN}\n```\n# maybe, possibly, I'm not sure\n```", OPEN),
    Case("hedges in inline code", f"{PLAIN} Set `maybe`, `possibly`.", OPEN),
    Case("hedges in a quoted line", f"> Maybe, possibly, I'm not sure.\n\n{PLAIN}", OPEN),
    Case("negated doubt", f"I am not uncertain, and it is not at all unclear. {PLAIN}", OPEN),
    Case("the reader's doubt", f"If you're not sure, or you are uncertain, ask. {PLAIN}", OPEN),
    Case("what the reader needs", f"If you need more context, see below; you would need to log in. {PLAIN}", OPEN),
    Case("Descartes", f"I think, therefore I am. {PLAIN}", OPEN),
    Case("parts of words", f"The uncertainty of it, a possibility, unlikely or maybes. {PLAIN}", OPEN),
    Case("an offer at the end", AT_LENGTH + "Could you share the log?", OPEN),
    Case("a letter that asks", f"Dear Bo, could you share the plan? {PLAIN}", "Write an email that asks for the plan"),
    Case("a letter that hedges", f"Dear Bo, perhaps we could meet, maybe on Monday. {PLAIN}", "Write an email to Bo"),
    Case("a call of a tool", "", OPEN, FinishReason.TOOL_CALLS),
    Case("Chinese", "订单存储在一个表中，事件被放入队列。工作程序读取队列并发送邮件，然后确认。", OPEN),
]
REJECTED: list[Case] = [
    Case("two hedges in a short answer", f"It might be slow, and possibly wrong. {PLAIN}", OPEN),
    Case("two hedges in capitals", f"IT MIGHT BE SLOW, AND POSSIBLY WRONG. {PLAIN}", OPEN),
    Case("two hedges around line breaks", f"It might\nbe slow. It seems\nlike it. {PLAIN}", OPEN),
    Case("doubt", f"I'm not sure. {PLAIN}", OPEN),
    Case("doubt with a curly apostrophe", f"I’m not really sure. {PLAIN}", OPEN),
    Case("two hedges in a list", f"{PLAIN}\n- maybe one\n- perhaps two\n- three", OPEN),
    Case("a hedged fact", "I'm not sure, I think it is Paris.", "What is the capital of France?"),
    Case("no context", f"I need more context to say. {PLAIN}", OPEN),
    Case("no context, at length", AT_LENGTH + "I would need more information.", OPEN),
    Case("not known", "I don't know.", "What is the capital of France?"),
    Case("what one would need to know", f"I would need to know the language. {PLAIN}", OPEN),
    Case("refusal", "I'm sorry, but I can't help with that.", OPEN),
    Case("refusal of a short form", "I cannot answer that.", "Is 7 prime?"),
    Case("inability", f"I'm unable to do this. {PLAIN}", OPEN),
    Case("asking back", "Could you please share the code?", "Why did this fail?"),
    Case("asking what is meant", f"Which one do you mean? {PLAIN}", OPEN),
    Case("cut off", AT_LENGTH, OPEN, FinishReason.LENGTH),
    Case("cut off and sure", f"Definitely, clearly, certainly, proven. {AT_LENGTH}", OPEN, FinishReason.LENGTH),
    Case("broken off", AT_LENGTH, OPEN, FinishReason.INCOMPLETE),
    Case("filtered", AT_LENGTH, OPEN, FinishReason.REFUSED),
    Case("an open code block", PLAIN + "\n```py\nprint(", OPEN),
    Case("very short for an explanation", "It is a queue.", OPEN),
    Case("very short for advice", "GraphQL.", "Should I use REST or GraphQL?"),
    Case("very short for code", "Use a loop.", "Write a Python function that adds"),
    Case("no JSON", "The answer is one.", "Who is it? Return JSON"),
    Case("empty", "", OPEN),
    Case("blank", " \n\t\x00\u200b\ufeff", OPEN),
]


@pytest.mark.parametrize("case", ACCEPTED, ids=[case.name for case in ACCEPTED])
def test_an_answer_that_will_do_reaches_the_threshold(case: Case) -> None:
    verdict = assess(case.answer, case.prompt, finish_reason=case.finish_reason)
    assert verdict.confidence >= THRESHOLD, verdict.reasons


@pytest.mark.parametrize("case", REJECTED, ids=[case.name for case in REJECTED])
def test_an_answer_that_will_not_do_stays_below_the_threshold(case: Case) -> None:
    verdict = assess(case.answer, case.prompt, finish_reason=case.finish_reason)
    assert verdict.confidence < THRESHOLD, verdict.reasons


HEDGES = [
    *("not sure", "uncertain", "might be", "possibly", "I think", "seems like", "appears to", "need more context"),
    *("would need to", "I'm not certain", "unsure", "maybe", "perhaps", "probably", "it seems", "I believe"),
    *("as far as I know", "hard to say", "I could be wrong", "I can't verify"),
]
CERTAINTIES = [
    *("definitely", "certainly", "clearly", "proven", "established", "confirmed"),
    *("undoubtedly", "no doubt", "well-known"),
]


@pytest.mark.parametrize("hedge", HEDGES)
def test_a_hedge_lowers_the_confidence_and_is_named(hedge: str) -> None:
    verdict = assess(f"{PLAIN} That {hedge} as it is.")
    assert verdict.confidence < assess(f"{PLAIN} That stays as it is.").confidence
    assert hedge.lower() in verdict.reasons[0]


@pytest.mark.parametrize("word", CERTAINTIES)
def test_certainty_raises_the_confidence_a_little(word: str) -> None:
    sure, plain = (assess(f"{AT_LENGTH} That is {middle} so.").confidence for middle in (word, "now"))
    assert plain < sure < plain + 0.1
    assert sure >= 0.75


@pytest.mark.parametrize(
    "phrase",
    ["not definitely", "not yet proven", "isn't clearly", "Certainly! Here is", "established in 1998", "unproven"],
)
def test_certainty_that_is_denied_or_means_something_else_does_not_count(phrase: str) -> None:
    assert "certainty" not in assess(f"{phrase} something. {PLAIN}").signals


def test_a_plain_answer_is_neither_sure_nor_doubtful() -> None:
    assert 0.7 <= assess(PLAIN, OPEN).confidence <= 0.8


def test_an_empty_answer_has_no_confidence_at_all() -> None:
    assert assess("").confidence == 0.0


def test_certainty_does_not_make_up_for_doubt() -> None:
    assert assess(f"I'm not sure. {PLAIN}").confidence >= assess(f"Definitely. I'm not sure. {PLAIN}").confidence


def test_repeated_hedges_are_counted_in_the_reason() -> None:
    verdict = assess(f"Maybe one. Maybe two. {PLAIN}")
    assert "hedges: 'maybe' (x2)" in verdict.reasons


def test_the_reason_says_how_short_an_answer_is() -> None:
    assert "very short for what was asked (4 words)" in assess("It is a queue.", OPEN).reasons


def test_a_short_answer_to_an_unknown_prompt_counts_half() -> None:
    known, unknown = assess("It is a queue.", OPEN), assess("It is a queue.")
    assert known.signals["brevity"] == pytest.approx(2 * unknown.signals["brevity"])


@pytest.mark.parametrize("case", ACCEPTED + REJECTED, ids=[case.name for case in ACCEPTED + REJECTED])
def test_the_signals_add_up_to_the_confidence(case: Case) -> None:
    verdict = assess(case.answer, case.prompt, finish_reason=case.finish_reason)
    expected = 1 / (1 + math.exp(-sum(verdict.signals.values()))) if verdict.signals else 0.0
    assert verdict.confidence == pytest.approx(expected)
    assert verdict.reasons


@pytest.mark.parametrize(
    "text",
    [
        "`" * 5_000_000,
        "```\n" + "x = 1\n" * 800_000,
        "maybe " * 900_000,
        "\x00" * 5_000_000,
        PLAIN * 50_000,
        "{" * 5_000_000,
    ],
    ids=["ticks", "open fence", "hedges", "nul", "prose", "brackets"],
)
def test_very_long_answers_are_assessed_to_the_end(text: str) -> None:
    assert 0 <= assess(text, OPEN).confidence <= 1


def test_hedges_at_the_end_of_a_very_long_answer_count() -> None:
    assert "hedging" in assess(PLAIN * 50_000 + "I'm not sure.").signals


@given(ANY_TEXT | ANSWER_TEXT, st.none() | ANY_TEXT | ANSWER_TEXT, st.none() | st.sampled_from(FinishReason))
def test_any_answer_has_a_confidence(answer: str, prompt: str | None, finish_reason: FinishReason | None) -> None:
    verdict = assess(answer, prompt, finish_reason=finish_reason)
    assert 0 <= verdict.confidence <= 1
    assert verdict.reasons


@pytest.mark.parametrize("prompt", [None, OPEN, "What is 2+2?", "Write a Python function", "Return JSON"])
@given(answer=ANY_TEXT | ANSWER_TEXT)
@example(answer='"maybe, perhaps, possibly"')
@example(answer="```\nmaybe")
@example(answer="not")
@example(answer="Definitely")
def test_adding_doubt_never_raises_the_confidence(prompt: str | None, answer: str) -> None:
    before = assess(answer, prompt).confidence
    assume(before > 0)  # an empty answer has none to lose
    assert assess(f"{answer}\n\nI'm not sure.", prompt).confidence <= before
    assert assess(f"I'm not sure.\n\n{answer}", prompt).confidence <= before


@given(ANSWER_TEXT, st.sampled_from([FinishReason.LENGTH, FinishReason.INCOMPLETE, FinishReason.REFUSED]))
def test_being_cut_off_never_raises_the_confidence(answer: str, finish_reason: FinishReason) -> None:
    cut = assess(answer, finish_reason=finish_reason).confidence
    assert cut <= assess(answer, finish_reason=FinishReason.STOP).confidence
