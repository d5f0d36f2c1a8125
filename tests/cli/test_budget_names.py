"""A budget is on the name that calls count towards, or is refused: on any other it would never be enforced."""

from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest


@pytest.mark.parametrize(
    ("argv", "scope"),
    [
        pytest.param(["--model", "haiku"], ("model", "claude-haiku-5-5"), id="an alias of a model"),
        pytest.param(["--provider", "openai"], ("provider", "openai"), id="a provider"),
    ],
)
def test_a_budget_is_on_the_name_that_calls_count_towards(
    orch: Callable[..., CompletedProcess[bytes]], argv: list[str], scope: tuple[str, str]
) -> None:
    done = orch("budget", "set", "--daily", "1", *argv, "-o", "json")
    (budget,) = json.loads(done.stdout)["budgets"]
    assert (budget["scope"], budget["name"]) == scope
    assert orch("budget", "clear", *argv).stderr.decode().startswith("1 cleared")


@pytest.mark.parametrize(
    "argv", [["--model", "opuss"], ["--provider", "opneai"], ["--key", "ci"]], ids=["model", "provider", "key"]
)
def test_a_budget_on_what_there_is_not_is_refused(
    orch: Callable[..., CompletedProcess[bytes]], argv: list[str]
) -> None:
    done = orch("budget", "set", "--daily", "1", *argv)
    assert done.returncode == 2
    assert b"there is no" in done.stderr
    assert b"no budgets" in orch("budget", "show").stdout
