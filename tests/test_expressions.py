"""An expression is what `re.compile` gives, later."""

from __future__ import annotations

import re

import pytest

from orchestrator.expressions import expression

WORD = expression(r"(?P<first>[a-z])\w*", re.IGNORECASE)


def test_it_does_what_a_compiled_one_does() -> None:
    compiled = re.compile(r"(?P<first>[a-z])\w*", re.IGNORECASE)
    for _ in range(2):  # compiled, and as it was kept
        assert WORD.findall("Two words") == compiled.findall("Two words")
        assert WORD.sub("-", "Two words") == "- -"
    assert (WORD.pattern, WORD.flags, WORD.groups) == (compiled.pattern, compiled.flags, 1)


def test_it_is_compiled_when_it_is_used() -> None:
    wrong = expression("(")
    with pytest.raises(re.error):
        wrong.match("")


def test_what_a_compiled_one_lacks_it_lacks_too() -> None:
    with pytest.raises(AttributeError):
        WORD.find("Two")  # type: ignore[attr-defined]
