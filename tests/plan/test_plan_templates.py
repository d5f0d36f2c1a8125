from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.template import TemplateError, parse
from orchestrator.reading.fencing import MARKER_LENGTH, fenced, marker_of

VALUES = {"prompt": "Why?", "steps.notes": "some notes", "context": "a log", "answer": "42", "answers": "41 and 42"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("$prompt", "Why?", id="prompt"),
        pytest.param("Q: $prompt A:", "Q: Why? A:", id="amid text"),
        pytest.param("$prompt. $prompt-time", "Why?. Why?-time", id="punctuation ends it"),
        pytest.param("$steps.notes.", "some notes.", id="a step at the end of a sentence"),
        pytest.param("costs $5, $$prompt, $", "costs $5, $prompt, $", id="dollars"),
        pytest.param("a\n\n  \nb", "a\n\nb", id="paragraphs"),
        pytest.param("a\n\n$steps.later\n\nb", "a\n\nb", id="a paragraph without its step"),
        pytest.param("a\nsee: $steps.later\n\nb", "b", id="the whole paragraph"),
        pytest.param("$steps.later", "", id="nothing left"),
    ],
)
def test_a_template_is_filled_in(template: str, text: str) -> None:
    assert parse(template).render(VALUES) == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("$promt", r"there is no placeholder \$promt \(did you mean 'prompt'\?\); a dollar sign is written \$\$"),
        ("$HOME is here", r"there is no placeholder \$HOME"),
        ("$steps", r"\$steps needs the name of a step"),
        ("$steps.", r"\$steps needs the name of a step"),
        ("$" + "x" * 1000, r"there is no placeholder \$x{40}\.\.\."),
    ],
)
def test_an_unknown_placeholder_is_refused(template: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        parse(template)


@given(st.text(), st.text())
def test_what_is_put_in_is_never_looked_at_again(prompt: str, notes: str) -> None:
    template = parse("[$prompt] and [$steps.notes]")
    filled = template.render({"prompt": prompt or "-", "steps.notes": notes or "-"})
    assert filled == f"[{prompt or '-'}] and [{notes or '-'}]"


@given(st.text(alphabet="$ab.{}\n steprom"))
def test_any_text_is_a_template_or_refused_with_a_reason(text: str) -> None:
    template = None
    with contextlib.suppress(TemplateError):
        template = parse(text)
    if template is not None:
        assert set(template.slots()) <= {"prompt", *(f"steps.{name}" for name in template.steps())}


def test_the_marker_of_a_text_is_always_the_same_unless_another_text_holds_it() -> None:
    first = marker_of("the file", ["the file", "a question"])
    assert first == marker_of("the file", ["the file", "another question"]) != marker_of("the File", ["the File"])
    assert len(first) == MARKER_LENGTH
    second = marker_of("the file", ["the file", f"[end notes {first.upper()}]"])
    assert marker_of("the file", ["the file", first, second]) not in (first, second)


@given(st.text(), st.lists(st.text(), max_size=4))
def test_no_text_holds_the_marker_of_its_fence(material: str, texts: list[str]) -> None:
    marker = marker_of(material, texts)
    for text in texts:
        assert fenced("notes", text, marker).count(marker) == 2
