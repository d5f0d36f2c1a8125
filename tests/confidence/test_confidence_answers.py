"""What a reply finally answers, and when two replies say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.confidence.answers import AGREES_FROM, AnswerKind, final_answer, json_in, options_in, same_answer
from orchestrator.confidence.code_form import code_form, code_of, parses

SUM = "Ann has 3 apples and buys 5 times as many. How many apples does she have now?"
OPTIONS = "Which gas do plants take in?\nA. Oxygen\nB. Carbon dioxide\nC. Nitrogen\nD. Helium\nAnswer:"

FINAL = [
    pytest.param("so 3 + 15 = 18.\n#### 18", SUM, AnswerKind.NUMBER, "18", id="hashes"),
    pytest.param("Then \\boxed{18} apples", SUM, AnswerKind.NUMBER, "18", id="boxed"),
    pytest.param("Thus \\boxed{{1,234}}.", SUM, AnswerKind.NUMBER, "1234", id="boxed, doubled braces, thousands"),
    pytest.param("$\\boxed{\\dfrac{3}{4}}$", SUM, AnswerKind.NUMBER, "3/4", id="a fraction in LaTeX"),
    pytest.param("The final answer is: $18.00", SUM, AnswerKind.NUMBER, "18", id="said to be the answer"),
    pytest.param("5 * 3 = 15. So she has 15 + 3 = 18 apples.", SUM, AnswerKind.NUMBER, "18", id="last sum"),
    pytest.param(
        "99 + 10 = 109.\nAl will be 109 in 10 years.", SUM, AnswerKind.NUMBER, "109", id="what was worked out"
    ),
    pytest.param("It costs 1.25e3 dollars.", SUM, AnswerKind.NUMBER, "1250", id="an exponent"),
    pytest.param("\\boxed{B}\n\nPlants need it.", OPTIONS, AnswerKind.CHOICE, "B", id="a boxed letter"),
    pytest.param("**B. Carbon dioxide**", OPTIONS, AnswerKind.CHOICE, "B", id="a bold option"),
    pytest.param("(B) because it is needed", OPTIONS, AnswerKind.CHOICE, "B", id="a letter in brackets"),
    pytest.param("Plants take in carbon dioxide.", OPTIONS, AnswerKind.CHOICE, "B", id="an option by its text"),
    pytest.param("Yes, it does.", "Is water wet? Answer yes or no.", AnswerKind.SHORT, "yes it does", id="short"),
    pytest.param(
        "Yes. Water makes what it touches wet, and so does most any liquid that clings to what it is poured upon.",
        "Is water wet? Answer yes or no.",
        AnswerKind.SHORT,
        "yes",
        id="yes and why",
    ),
    pytest.param('{"b": 1, "a": 2}', "Reply with valid JSON.", AnswerKind.JSON, '{"a": 2, "b": 1}', id="JSON"),
    pytest.param("The Seine", "Which river?", AnswerKind.SHORT, "seine", id="words without articles"),
]


@pytest.mark.parametrize(("text", "prompt", "kind", "key"), FINAL)
def test_the_final_answer_is_found(text: str, prompt: str, kind: AnswerKind, key: str) -> None:
    found = final_answer(text, prompt)
    assert (found.kind, found.key) == (kind, key)


SAME = [
    pytest.param("#### 18", "3 + 15 = 18 apples", SUM, id="a mark and a sum"),
    pytest.param("\\boxed{0.75}", "The answer is \\frac{3}{4}", SUM, id="a decimal and a fraction"),
    pytest.param("$1,200.00", "1200 dollars", SUM, id="money"),
    pytest.param("\\boxed{B}", "It is carbon dioxide.", OPTIONS, id="a letter and the option's text"),
    pytest.param("Marie Curie", "\\boxed{Curie}", "Who found radium?", id="a name and its last part"),
    pytest.param("The capital is Paris.", "Paris", "What is the capital of France?", id="a word in a sentence"),
    pytest.param(
        "```python\ndef f(a):\n    # one more\n    return a + 1\n```",
        "Here:\n```python\ndef add(x):\n    '''Adds.'''\n    return x+1\n```",
        "Write a Python function that adds one.",
        id="programs of one form",
    ),
    pytest.param('{"a": 1}', '```json\n{ "a" : 1 }\n```', "Return JSON only.", id="JSON in a fence"),
]
DIFFERENT = [
    pytest.param("#### 18", "#### 15", SUM, id="numbers"),
    pytest.param("\\boxed{A}", "\\boxed{B}", OPTIONS, id="options"),
    pytest.param("Paris", "Lyon", "What is the capital of France?", id="names"),
    pytest.param("valid", "not valid", "Is it?", id="a negation"),
    pytest.param("```\nreturn x + 1\n```", "```\nreturn x - 1\n```", "Write code.", id="programs"),
    pytest.param("", "", SUM, id="nothing and nothing"),
]


@pytest.mark.parametrize(("one", "other", "prompt"), SAME)
def test_replies_that_say_the_same_agree(one: str, other: str, prompt: str) -> None:
    assert same_answer(one, other, prompt) >= AGREES_FROM


@pytest.mark.parametrize(("one", "other", "prompt"), DIFFERENT)
def test_replies_that_say_something_else_do_not(one: str, other: str, prompt: str) -> None:
    assert same_answer(one, other, prompt) < AGREES_FROM


def test_long_texts_agree_by_their_key_points() -> None:
    one = "REST is simple and easy to cache over HTTP. GraphQL lets clients ask for the exact fields they need. " * 2
    other = "GraphQL lets clients ask for exact fields. REST is simple, and easy to cache over HTTP. Teams differ."
    unrelated = "The harvest of 1817 failed after a cold summer. Bread prices doubled in most of the German towns."
    assert same_answer(one, other) >= AGREES_FROM > same_answer(one, unrelated)


def test_a_number_that_may_be_meant_agrees_less_than_one_that_is() -> None:
    exact, possible = same_answer("#### 5", "#### 5", SUM), same_answer("#### 5", "She has 5 of 20 apples.", SUM)
    assert exact == 1.0 > possible >= AGREES_FROM


@given(st.text(max_size=200), st.text(max_size=200), st.sampled_from([None, SUM, OPTIONS, "Write code. Return JSON."]))
def test_agreement_is_symmetric_and_between_0_and_1(one: str, other: str, prompt: str | None) -> None:
    score = same_answer(one, other, prompt)
    assert 0.0 <= score <= 1.0
    assert score == same_answer(other, one, prompt)


@given(st.fractions(min_value=-10_000, max_value=10_000, max_denominator=1).filter(bool))
def test_a_number_agrees_with_itself_however_it_is_written(value: object) -> None:
    number = int(str(value))
    written = [f"#### {number}", f"\\boxed{{{number:,}}}", f"The answer is ${number}.00", f"{number}"]
    assert all(same_answer(written[0], other, SUM) == 1.0 for other in written[1:])


def test_a_very_long_number_or_fence_takes_no_time() -> None:
    assert final_answer("9" * 100_000 + "/0", SUM).kind is not None
    assert final_answer("\\boxed{" * 5_000, SUM).kind is not None
    assert final_answer("1e999999999", SUM).kind is not None


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('```json\n{"a": 1}\n``` and {"b": 2}', '{"a": 1}'),
        ("``` \t\r\n\n \n[1]```", "[1]"),
        ('```python\nx = {}\n``` \n{"a": 1}\n```', '{"a": 1}'),
        ('```json\n{"a": 1}', '{"a": 1}'),
        ('```{"a": 1}```', '{"a": 1}'),
        ('```\n``` {"a": 1}', None),
        ("```\n" + "\n" * 200_000, None),
    ],
    ids=["fenced", "blank lines", "behind another fence", "fence left open", "one line", "empty fence", "only space"],
)
def test_json_is_read_from_the_first_fence_that_may_hold_it(reply: str, value: str | None) -> None:
    assert json_in(reply) == value


def test_options_are_read_from_a_prompt_in_order() -> None:
    assert options_in(OPTIONS) == {"A": "oxygen", "B": "carbon dioxide", "C": "nitrogen", "D": "helium"}
    assert options_in("A. Smith wrote this.") == {}


def test_code_is_found_with_and_without_a_fence() -> None:
    assert code_of("Look:\n```python\nx = 1\n```\nDone.") == "x = 1\n"
    assert code_of("def f(x):\n    return x\n") is not None
    assert code_of("Nothing of the kind.") is None


def test_the_form_of_a_program_keeps_what_it_calls() -> None:
    assert code_form("y = len(x)") == code_form("z = len(x)  # how long")
    assert code_form("y = len(x)") != code_form("y = sum(x)")
    assert parses("x = 1")
    assert not parses("x = = 1")
