"""The kinds of text that models are asked for most: each a function from a prompt to an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ...expressions import expression
from .code import program
from .facts import DEFINITIONS
from .prompt import Prompt
from .words import DICTIONARIES, LISTS, NEGATIVE, POINTS, POSITIVE

Task = Callable[[Prompt], str]

_SENTENCE = expression(r"[^.!?\n]+(?:[.!?]+|\n|\Z)")
_NAMES_OF_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER_WORDS = {word: value for value, word in enumerate(_NAMES_OF_NUMBERS, 1)}
_COUNT = expression(rf"\b(\d{{1,2}}|{'|'.join(_NUMBER_WORDS)})\b", re.IGNORECASE)
_MAX_ITEMS = 20

_TITLES = {
    "api": "an API",
    "dna": "DNA",
    "http": "HTTP",
    "neural network": "a neural network",
    "black hole": "a black hole",
    "blockchain": "a blockchain",
}
_PATTERNS = {
    "email": r"[\w.+-]+@[\w-]+\.[\w.-]*\w",
    "url": r"https?://[^\s,;)>\"']+",
    "date": r"\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}",
    "phone": r"\+?\d[\d ()-]{7,}\d",
    "price": r"[$€£]\s?\d[\d.,]*\d|[$€£]\d",
    "name": r"\b[A-Z][a-z]+ [A-Z][a-z]+\b",
    "number": r"\b\d[\d.,]*\b",
}


def summary(prompt: Prompt) -> str:
    """The first sentences of the material: as bullets, or as many as were asked for."""
    sentences = [found.strip() for found in _SENTENCE.findall(prompt.material) if found.strip()]
    if not sentences:
        return "There is no text to summarize: please paste it after the request, and I will shorten it for you."
    kept = sentences[: wanted(prompt, default=prompt.depth)]
    if re.search(r"\b(?:bullets?|points)\b", prompt.instruction, re.IGNORECASE):
        return "\n".join(f"- {sentence}" for sentence in kept)
    return " ".join(kept)


def translation(prompt: Prompt) -> str:
    """Word for word from a small dictionary; what is not in it stays as it is."""
    target = next((name for name in DICTIONARIES if name in prompt.instruction.lower()), "french")
    phrases = dict(entry.split(": ") for entry in DICTIONARIES[target].split("|"))
    known = "|".join(sorted(map(re.escape, phrases), key=len, reverse=True))
    text = prompt.material or re.sub(r"(?i)^.*?translate|\b(?:in)?to \w+\b", "", prompt.instruction)
    translated = re.sub(rf"\b(?:{known})\b", lambda m: phrases[m[0].lower()], text.strip(), flags=re.IGNORECASE)
    return translated[:1].upper() + translated[1:]


def extraction(prompt: Prompt) -> str:
    """What the material holds of the kinds that are named, one a line."""
    return (
        "\n".join(f"- {item}" for item in extracted(prompt)) or "The text clearly contains none of what was asked for."
    )


def extracted(prompt: Prompt) -> list[str]:
    source = prompt.material or prompt.text
    kinds = [kind for kind in _PATTERNS if kind in prompt.instruction.lower()] or ["name"]
    return list(dict.fromkeys(found for kind in kinds for found in re.findall(_PATTERNS[kind], source)))


def sentiment(prompt: Prompt) -> str:
    words = set(re.findall(r"[a-z]+", (prompt.material or prompt.instruction).lower()))
    balance = len(words & POSITIVE) - len(words & NEGATIVE)
    label = "Positive" if balance > 0 else "Negative" if balance < 0 else "Neutral"
    if prompt.wants_brevity:
        return label
    return (
        f"{label}. The wording clearly points that way: the terms of praise and of complaint were weighed against each "
        "other, and nothing in the text contradicts the result."
    )


def listing(prompt: Prompt) -> str:
    """As many items as were asked for, numbered; of a known kind, or points to consider."""
    count = wanted(prompt, default=5)
    asked = prompt.instruction.lower()
    words = next((items.split() for stem, items in LISTS if re.search(rf"\b{stem}", asked)), list(POINTS))
    return _numbered(words[:count])


def plan(prompt: Prompt) -> str:
    steps = (
        "State the goal and how its success will be measured.",
        "List what is known, what is missing and who decides.",
        "Build the smallest version that could fail usefully.",
        "Test it with the people who will use it, and write down what breaks.",
        "Fix the most costly problem first, then measure again.",
        "Release in stages, with a way back at each one.",
        "Review the outcome against the goal, and agree on what to stop doing.",
    )
    closing = "This order is established practice: every step clearly ends in something that can be checked."
    return f"{_numbered(steps[: 3 + 2 * (prompt.depth - 1)])}\n\n{closing}"


def writing(prompt: Prompt) -> str:
    topic = subject(prompt)
    if re.search(r"\bhaiku\b", prompt.instruction, re.IGNORECASE):
        return "Morning light arrives,\na quiet word finds its place;\nthe whole day listens."
    if re.search(r"\b(?:poem|verse)\b", prompt.instruction, re.IGNORECASE):
        return (
            f"Of {topic} I write tonight,\nof patient work and morning light,\n"
            "of questions that were small and then\ngrew up, and asked themselves again."
        )
    if re.search(r"\b(?:e-?mail|letter|message)\b", prompt.instruction, re.IGNORECASE):
        return (
            f"Subject: {topic.capitalize()}\n\nHello,\n\nI am writing about {topic}. The main points are clearly "
            "settled, and one decision is left. Could you let me know by Friday which way you prefer?\n\nKind regards"
        )
    return (
        f"Nobody had expected much of {topic}. Then, on a grey Tuesday, it changed everything: a small detail that "
        "everyone had overlooked turned out to be the one that mattered, and by evening the story had clearly begun."
    )


def design(prompt: Prompt) -> str:
    """An architecture: parts, the path of a request, and how it fails."""
    parts = [
        "An API tier without state behind a load balancer, so that instances can be added and lost freely.",
        "A primary store with replicas, partitioned by a key that spreads the load evenly.",
        "A queue between the request path and slow work, with idempotent consumers.",
        "A cache for hot reads, with an explicit expiry and protection against stampedes.",
        "Metrics, traces and alerts on latency, errors and saturation from the first day.",
        "Backups that are restored regularly, and a tested failover to a second zone.",
    ]
    reasons = (
        "The trade-off that decides is consistency against availability: clearly name the operations that need which."
    )
    return f"Design: {subject(prompt)}.\n\n{_numbered(parts[: 2 * prompt.depth])}\n\n{reasons}"


def argument(prompt: Prompt) -> str:
    """A proof or a study: claim, steps, limits, conclusion."""
    if re.search(r"(?:square root of|sqrt\(?|√)\s*(?:2|two)", prompt.instruction, re.IGNORECASE):
        return (
            "Suppose √2 = p/q in lowest terms. Then p² = 2q², so p² is even and therefore p is even: p = 2k. "
            "Substituting, 4k² = 2q², so q² = 2k² and q is even as well. Both being even contradicts lowest terms. "
            "Hence √2 is irrational, which is clearly established. ∎"
        )
    return (
        f'Claim: "{subject(prompt)}". It is settled in three steps.\n\n'
        "1. Definitions: fix the terms, so that every later step follows from them alone.\n"
        "2. Main step: assume the contrary, and follow its consequences until two of them contradict each other.\n"
        "3. Limits: the argument needs every assumption named in step 1, and fails visibly when one is dropped.\n\n"
        "Conclusion. The claim is established under those assumptions, and confirmed by the known special cases."
    )


def study(prompt: Prompt) -> str:
    return (
        f'Study: "{subject(prompt)}".\n\n'
        "1. Question: what exactly is claimed, for whom, and how one would know that it is wrong.\n"
        "2. Evidence: primary sources first, weighed by method; what several independent ones have confirmed.\n"
        "3. Disagreement: where good sources differ, and whether they measured the same thing.\n"
        "4. Gaps: what nobody has looked at, and which single result would change the conclusion.\n\n"
        "Conclusion. The main line is well established; the open points above are clearly where more work pays."
    )


def both_sides(prompt: Prompt) -> str:
    gains = ("It gives more freedom in how the work is done.", "It lowers running costs.", "It scales with demand.")
    costs = ("It asks for more discipline.", "It moves effort to the start.", "It is harder to undo later.")
    lines = [f'On "{subject(prompt)}":', "", "For:", *(f"- {gain}" for gain in gains[: prompt.depth])]
    lines += ["", "Against:", *(f"- {cost}" for cost in costs[: prompt.depth]), ""]
    return "\n".join(
        [*lines, "On balance the gains clearly outweigh the costs where the first weeks are planned well."]
    )


def explanation(prompt: Prompt) -> str:
    """What a thing is and the points that matter: the same for every able model, the more of them the deeper."""
    text = prompt.instruction.lower()
    known = next((term for term in DEFINITIONS if re.search(rf"\b{term}s?\b", text)), None)
    if known is None:
        return _general(prompt)
    definition, points = DEFINITIONS[known]
    name = _TITLES.get(known, known)
    opening = prompt.vary((f"In short, {name} is {definition}.", f"{name[:1].upper() + name[1:]} is {definition}."))
    shown = [f"- {point[:1].upper() + point[1:]}." for point in points[: prompt.depth]]
    closing = (
        "This account is well established and confirmed by experience; the details definitely reward a closer look."
    )
    return "\n".join([opening, "", *shown, "", closing])


def _general(prompt: Prompt) -> str:
    topic = subject(prompt)
    openings = (f'The short answer on "{topic}" is this.', f'Here is what matters about "{topic}".')
    points = (
        "Start from what it is for: the purpose clearly explains most of its parts.",
        "Then look at how the parts work together, and at what happens when one of them is missing.",
        "Finally, look at the limits: where it stops working is as well established as where it works.",
    )
    shown = " ".join(points[: prompt.depth])
    return f"{prompt.vary(openings)} {shown} Taken together, that is definitely enough to use it with confidence."


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


def _numbered(items: Iterable[str]) -> str:
    return "\n".join(f"{index}. {item}" for index, item in enumerate(items, 1))


# The first whose words are in the instruction does the task.
_MATERIAL_TASKS: tuple[tuple[str, Task], ...] = (
    (r"summari[sz]e|summary|tl;?dr|shorten", summary),
    (r"translate|translation", translation),
    (r"extract|find all|pull out", extraction),
    (r"sentiment|positive or negative", sentiment),
)
_TASKS: tuple[tuple[str, Task], ...] = (
    *_MATERIAL_TASKS,
    (r"prove|proof|derive|formali[sz]e|theorem", argument),
    (r"research|comprehensive(?:ly)?|in[- ]depth|literature review", study),
    (r"design|architect(?:ure)?|distributed|scalable", design),
    (r"pros and cons|trade-?offs?|advantages", both_sides),
    (r"poem|haiku|story|e-?mail|letter|verse|essay|message", writing),
    (r"code|function|script|program|class|sql|regex|implement|query", program),
    (r"plan|steps|roadmap|schedule|strategy|migrate|outline", plan),
    (r"list|name (?:\w+ )?\w+s|give me \w+ \w+s|enumerate", listing),
)
TASKS: tuple[tuple[re.Pattern[str], Task], ...] = tuple(
    (expression(rf"\b(?:{words})\b", re.IGNORECASE), task) for words, task in _TASKS
)
MATERIAL_TASK = expression("|".join(rf"\b(?:{words})\b" for words, _ in _MATERIAL_TASKS), re.IGNORECASE)
