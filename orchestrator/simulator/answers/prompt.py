"""A prompt taken apart: what is asked, and the material that it is asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]|(?<!\w)'([^'\n]+)'(?!\w)")
_MAX_INSTRUCTION = 800  # characters: an instruction stands at the head of a prompt or at its end, not in its middle
_TAIL = 200
_SHORT = 300
_BRIEF = re.compile(
    r"\b(?:(?:in|with|using) (?:one|a single|1) word|one[- ]word|only (?:the|a|with)|just (?:the|a|give)|"
    r"nothing else|no explanation|yes or no|answer only|number only)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """`instruction` is what is asked, without quotations and code; `material` is what it is asked about, or empty.

    `depth` 1 to 3 says how much an answer contains. Choices by `pick` are the same for every model; those by `vary`
    are a model's own.
    """

    text: str
    instruction: str
    material: str
    model: str
    depth: int = 1

    @property
    def question(self) -> str:
        """All of a short prompt, and of a long one the instruction."""
        return self.text if len(self.text) <= _SHORT else self.instruction

    @property
    def wants_brevity(self) -> bool:
        return _BRIEF.search(self.instruction) is not None

    def pick(self, options: Sequence[T], salt: str = "") -> T:
        return options[_number(f"{salt}\n{self.text}") % len(options)]

    def vary(self, options: Sequence[T], salt: str = "") -> T:
        return options[_number(f"{salt}\n{self.model}\n{self.text}") % len(options)]


def read_prompt(text: str, model: str) -> Prompt:
    """Material is fenced code, else a quotation, else what follows a colon or the first blank line."""
    text = text.strip()
    bare = _FENCE.sub(" ", text)
    material = _material(text, bare)
    instruction = bare.replace(material, " ") if material else bare
    if len(instruction) > _MAX_INSTRUCTION:
        instruction = instruction[: _MAX_INSTRUCTION - _TAIL] + " " + instruction[-_TAIL:]
    return Prompt(text, " ".join(instruction.split()), material, model)


def _material(text: str, bare: str) -> str:
    fenced = _FENCE.search(text)
    if fenced:
        return re.sub(r"^```\w*\n?|```$", "", fenced[0]).strip()
    quoted = max((first or second for first, second in _QUOTED.findall(bare)), key=len, default="")
    if quoted:
        return quoted
    for separator in ("\n\n", ":\n", ": "):
        _, found, rest = bare.partition(separator)
        if found and rest.strip():
            return rest.strip()
    return ""


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
