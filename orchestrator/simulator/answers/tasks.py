"""The kinds of text that models are asked for most: what the texts of `answers.json` cannot say by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ...expressions import expression
from .canned import canned, marked, names, say
from .prompt import Prompt

_SENTENCE = expression(r"[^.!?\n]+(?:[.!?]+|\n|\Z)")
_NAMES_OF_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER_WORDS = {word: value for value, word in enumerate(_NAMES_OF_NUMBERS, 1)}
_COUNT = expression(rf"\b(\d{{1,2}}|{'|'.join(_NUMBER_WORDS)})\b", re.IGNORECASE)
_MAX_ITEMS = 20


def answer(prompt: Prompt) -> str:
    """An answer to a request: by the first task whose words are in it, else an explanation."""
    for task in canned("tasks"):
        if names(task["words"], prompt.instruction) and _also(task, prompt):
            if "does" in task:
                return _DOING[task["does"]](prompt)
            topic = subject(prompt)
            return say(task, prompt, subject=topic, Subject=topic.capitalize())
    return _explanation(prompt)


def reworks(prompt: Prompt) -> bool:
    """Whether a request is to label or rework some material."""
    return any(names(task["words"], prompt.instruction) for task in canned("tasks") if task.get("reworks"))


def _also(task: Mapping[str, Any], prompt: Prompt) -> bool:
    return "also" not in task or re.search(task["also"], prompt.instruction, re.IGNORECASE) is not None


def _explanation(prompt: Prompt) -> str:
    """What a thing is and the points that matter: the same for every able model, the more of them the deeper."""
    asked = prompt.instruction.lower()
    known = next((found for term, found in canned("definitions").items() if re.search(rf"\b{term}s?\b", asked)), None)
    if known is None:
        return say(canned("anything else"), prompt, subject=subject(prompt))
    name, points = known["name"], marked("-", known["points"][: prompt.depth])
    capital = name[:1].upper() + name[1:]
    return say(canned("explanation"), prompt, name=name, Name=capital, definition=known["is"], points=points)


def _summary(prompt: Prompt) -> str:
    """The first sentences of the material: as bullets, or as many as were asked for."""
    sentences = [found.strip() for found in _SENTENCE.findall(prompt.material) if found.strip()]
    if not sentences:
        return str(canned("nothing to summarize"))
    kept = sentences[: wanted(prompt, default=prompt.depth)]
    return marked("-", kept) if names("bullets?|points", prompt.instruction) else " ".join(kept)


def _translation(prompt: Prompt) -> str:
    """Word for word from a small dictionary; what is not in it stays as it is."""
    dictionaries = canned("dictionaries")
    phrases = dictionaries[next((name for name in dictionaries if name in prompt.instruction.lower()), "french")]
    known = "|".join(sorted(map(re.escape, phrases), key=len, reverse=True))
    text = prompt.material or re.sub(r"(?i)^.*?translate|\b(?:in)?to \w+\b", "", prompt.instruction)
    translated = re.sub(rf"\b(?:{known})\b", lambda m: phrases[m[0].lower()], text.strip(), flags=re.IGNORECASE)
    return translated[:1].upper() + translated[1:]


def _extraction(prompt: Prompt) -> str:
    """What the material holds of the kinds that are named, one a line."""
    patterns, source = canned("kinds to extract"), prompt.material or prompt.text
    kinds = [kind for kind in patterns if kind in prompt.instruction.lower()] or ["name"]
    items = dict.fromkeys(item for kind in kinds for item in re.findall(patterns[kind], source))
    return marked("-", list(items)) or str(canned("nothing to extract"))


def _sentiment(prompt: Prompt) -> str:
    texts = canned("sentiment")
    words = set(re.findall(r"[a-z]+", (prompt.material or prompt.instruction).lower()))
    balance = len(words.intersection(texts["praise"].split())) - len(words.intersection(texts["complaint"].split()))
    label = "Positive" if balance > 0 else "Negative" if balance < 0 else "Neutral"
    return label if prompt.wants_brevity else str(texts["text"]).format(label=label)


def _listing(prompt: Prompt) -> str:
    """As many items as were asked for, numbered; of a known kind, or points to consider."""
    asked = prompt.instruction.lower()
    known = (items.split() for stem, items in canned("lists").items() if re.search(rf"\b{stem}", asked))
    return marked("1.", next(known, canned("points"))[: wanted(prompt, default=5)])


def _program(prompt: Prompt) -> str:
    """A small block in the language asked for, with a sentence before it and, the deeper the answer, more after it."""
    texts, languages = canned("program"), canned("languages")
    chosen = next(name for name, found in languages.items() if re.search(found["words"], prompt.instruction, re.I))
    for known in canned("programs"):
        if names(known["words"], prompt.instruction) and chosen in known:
            name, source = known["name"], "\n".join(known[chosen])
            break
    else:  # a function over a list, whose name is the first words that say what it is about
        filler = texts["not in a name"].split()
        words = [word for word in re.findall(r"[a-z]+", prompt.instruction.lower()) if word not in filler]
        name = "_".join(words[:3]) or "process"
        source = "\n".join(languages[chosen]["skeleton"]).replace("NAME", name)
    return say(texts, prompt, name=name, language=languages[chosen]["name"], fence=chosen, source=source)


_DOING: dict[str, Callable[[Prompt], str]] = {
    "summary": _summary,
    "translation": _translation,
    "extraction": _extraction,
    "sentiment": _sentiment,
    "program": _program,
    "listing": _listing,
}

_LEAD = expression(
    r"^\W*(?:please |can you |could you |i need |help me )*(?:what (?:is|are)|who (?:is|was)|how (?:do|does|to|can)|"
    r"why (?:is|are|do|does)|explain(?: why| how)?|describe|define|write|draft|design|prove(?: that)?|derive|research|"
    r"plan|analy[sz]e|evaluate|discuss|tell me about|give me|create|compose|summari[sz]e)\b",
    re.IGNORECASE,
)
_LINK = expression(
    r"^\s*(?:(?:a|an|the|me|us|short|some|poem|haiku|story|e-?mail|letter|about|on|of)\s+)+", re.IGNORECASE
)


def subject(prompt: Prompt) -> str:
    """What a prompt is about, in its own words."""
    words = _LINK.sub("", _LEAD.sub("", prompt.instruction))
    return " ".join(words.split()[:10]).strip(" .?!,:;") or "the question"


def wanted(prompt: Prompt, *, default: int) -> int:
    """How many items a prompt asks for."""
    asked = _COUNT.search(prompt.instruction)
    if asked is None:
        return default
    count = _NUMBER_WORDS.get(asked[1].lower()) or int(asked[1])
    return max(1, min(count, _MAX_ITEMS))
