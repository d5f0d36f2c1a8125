from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.template import TemplateError, parse
from orchestrator.reading.fencing import MARKER_LENGTH, fenced, new_marker

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


class Repeating(random.Random):
    """Draws one letter until it has been asked often enough, then another."""

    def choice(self, letters: str) -> str:  # type: ignore[override]
        self.drawn = getattr(self, "drawn", 0) + 1
        return letters[0] if self.drawn <= MARKER_LENGTH else letters[1]


def test_a_marker_that_occurs_in_a_text_is_drawn_again() -> None:
    assert new_marker(Repeating(), ["nothing here"]) == "a" * MARKER_LENGTH
    assert new_marker(Repeating(), ["x", f"[end notes {'A' * MARKER_LENGTH}]"]) == "b" * MARKER_LENGTH


@given(st.lists(st.text(), max_size=4), st.integers())
def test_no_text_holds_the_marker_of_its_fence(texts: list[str], seed: int) -> None:
    marker = new_marker(random.Random(seed), texts)
    for text in texts:
        assert fenced("notes", text, marker).count(marker) == 2
