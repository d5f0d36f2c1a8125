"""A prompt taken apart: what is asked, and the material that it is asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

from ...deferred import dataclass
from ...expressions import expression

T = TypeVar("T")

# Material from others, between two lines that name it, and what is said of those lines.
_QUOTATION = expression(r"^\[begin (?P<label>[\w-]+)\]\n(?P<text>.*?)\n\[end (?P=label)\]$", re.DOTALL | re.MULTILINE)
_OF_QUOTATIONS = expression(r"^What stands between a \[begin [^\n]*$", re.MULTILINE)
_FENCE = expression(r"```.*?(?:```|\Z)", re.DOTALL)
_QUOTED = expression(r"[\"“]([^\"“”]+)[\"”]|(?<!\w)'([^'\n]+)'(?!\w)")
_MAX_INSTRUCTION = 800  # characters: an instruction stands at the head of a prompt or at its end, not in its middle
_TAIL = 200
_SHORT = 300
_BRIEF = expression(
    r"\b(?:(?:in|with|using) (?:one|a single|1) word|one[- ]word|only (?:the|a|with)|just (?:the|a|give)|"
    r"nothing else|no explanation|yes or no|answer only|number only)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """`instruction` is what is asked, without quotations and code; `material` is what it is asked about, or empty.

    `quoted` has what others wrote and the prompt only shows, by the name that it gives it. `depth` 1 to 3 says how much
    an answer contains. Choices by `pick` are the same for every model; those by `vary` are a model's own. Both go by
    `seed`: all of the text, but where others are quoted only its first paragraph, so that a model that is shown what
    others think of a question does not choose anew.
    """

    text: str
    instruction: str
    material: str
    model: str
    seed: str
    depth: int = 1
    quoted: tuple[tuple[str, str], ...] = ()

    @property
    def question(self) -> str:
        """All of a short prompt, and of a long one the instruction."""
        return self.text if len(self.text) <= _SHORT else self.instruction

    @property
    def wants_brevity(self) -> bool:
        return _BRIEF.search(self.instruction) is not None

    def pick(self, options: Sequence[T], salt: str = "") -> T:
        return options[_number(f"{salt}\n{self.seed}") % len(options)]

    def vary(self, options: Sequence[T], salt: str = "") -> T:
        return options[_number(f"{salt}\n{self.model}\n{self.seed}") % len(options)]


def read_prompt(text: str, model: str) -> Prompt:
    """Material is what others wrote, else fenced code, else a quotation, else what follows a colon or a blank line."""
    text = text.strip()
    quoted = tuple((found["label"], found["text"].strip()) for found in _QUOTATION.finditer(text))
    own = _OF_QUOTATIONS.sub("", _QUOTATION.sub("", text)).strip() if quoted else text
    bare = _FENCE.sub(" ", own)
    material = "\n\n".join(found for _, found in quoted) or _material(own, bare)
    instruction = bare.replace(material, " ") if material else bare
    if len(instruction) > _MAX_INSTRUCTION:
        instruction = instruction[: _MAX_INSTRUCTION - _TAIL] + " " + instruction[-_TAIL:]
    seed = own.split("\n\n", 1)[0] if quoted else text
    return Prompt(text, " ".join(instruction.split()), material, model, seed, quoted=quoted)


def _material(text: str, bare: str) -> str:
    fenced = _FENCE.search(text)
    if fenced:
        return re.sub(r"^```\w*\n?|```$", "", fenced[0]).strip()
    quoted = max((first or second for first, second in _QUOTED.findall(bare)), key=len, default="")
    if quoted:
        return quoted
    for separator in ("\n\n", ":\n", ": "):
        _, separated, rest = bare.partition(separator)
        if separated and rest.strip():
            return rest.strip()
    return ""


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
