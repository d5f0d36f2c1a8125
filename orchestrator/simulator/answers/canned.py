"""What the simulator knows and how it says it: `answers.json`, and how an answer is made from one of its texts.

A text is an object:

    text      lines with {names} in them; those that are given by whoever asks for the text, and the following
    openings  ways to begin, of which a model takes one: {opening}
    lists     by the name that stands for it: `items`, and in `counts` how many of them an answer of depth 1, 2 and 3
              has; each is a line after its `mark` ("-", or "1." to number them) unless `join` says what is between them
    deeper    more lines: those of an answer of depth 2, and those that one of depth 3 has besides
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .prompt import Prompt

Text = Mapping[str, Any]


@cache
def _all() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("answers.json").read_text("utf-8"))
    return loaded


def canned(section: str) -> Any:
    """A section of the file."""
    return _all()[section]


def names(words: str, text: str) -> bool:
    """Whether one of the words, as a regular expression has them, is in a text."""
    return re.search(rf"\b(?:{words})\b", text, re.IGNORECASE) is not None


def say(text: Text, prompt: Prompt, **values: str) -> str:
    """An answer of the prompt's depth from one of the texts."""
    for name, listed in text.get("lists", {}).items():
        items = listed["items"][: listed["counts"][prompt.depth - 1]]
        values[name] = listed["join"].join(items) if "join" in listed else marked(listed["mark"], items)
    if "openings" in text:
        values["opening"] = prompt.vary(text["openings"]).format(**values)
    deeper = [line for lines in text.get("deeper", ())[: prompt.depth - 1] for line in lines]
    return "\n".join([*text["text"], *deeper]).format(**values)


def marked(mark: str, items: list[str]) -> str:
    """Items on lines of their own, after a number where the mark is one."""
    return "\n".join(f"{f'{number}.' if mark == '1.' else mark} {item}" for number, item in enumerate(items, 1))
