"""Questions that set two options against each other: both are weighed, and one is recommended."""

from __future__ import annotations

import re

from ...expressions import expression
from .prompt import Prompt

# What speaks for an option, and what against it. Unlisted ones take a pair from _GENERIC.
_TRAITS: dict[str, tuple[str, str]] = {
    "rest": (
        "is simple, cacheable over plain HTTP and understood by every tool",
        "can over-fetch or need many round trips",
    ),
    "graphql": ("lets each client ask for exactly the fields it needs", "makes caching and rate limiting harder"),
    "grpc": ("has strict contracts and fast binary streaming", "is awkward to call from a browser"),
    "microservices": ("lets teams deploy and scale parts on their own", "adds network failures and operational load"),
    "monolith": ("is simple to build, test and deploy as one unit", "couples releases as the team grows"),
    "sql": ("gives transactions, joins and constraints", "needs planned schema changes"),
    "nosql": ("scales out and takes data of any shape", "leaves consistency to the application"),
    "postgresql": (
        "combines strong transactions with rich types and extensions",
        "needs tuning under many connections",
    ),
    "mysql": ("is fast for simple reads and widely hosted", "has fewer advanced types"),
    "mongodb": ("stores nested documents without a schema", "makes joins and invariants harder"),
    "sqlite": ("needs no server and is exceptionally reliable", "allows one writer at a time"),
    "python": ("has the richest libraries and the quickest start", "is slower at run time"),
    "go": ("compiles to one fast binary and makes concurrency easy", "is verbose in its error handling"),
    "rust": ("gives memory safety at the speed of C", "has a steep learning curve"),
    "java": ("has a mature runtime and superb tooling", "carries much ceremony"),
    "javascript": ("runs everywhere the web does", "catches few mistakes before run time"),
    "typescript": ("catches mistakes before run time and documents itself", "adds a build step"),
    "react": ("has the largest ecosystem and hiring pool", "leaves many choices to the team"),
    "vue": ("is easy to learn and coherent", "has a smaller ecosystem"),
    "kubernetes": ("automates scaling, healing and roll-out", "is costly to operate for a small team"),
    "serverless": ("costs nothing when idle and scales by itself", "adds cold starts and ties you to a vendor"),
    "kafka": ("keeps a durable, replayable log at very high throughput", "is heavy to run"),
    "rabbitmq": ("offers flexible routing and simple work queues", "keeps no long history to replay"),
    "redis": ("offers rich data structures and persistence", "is bound by memory"),
}
_GENERIC: tuple[tuple[str, str], ...] = (
    ("is simple to start with and well documented", "offers less room to grow"),
    ("gives more control over the details", "asks for more upkeep"),
    ("has the lower total cost over time", "needs a larger effort at the start"),
    ("is the more mature choice with the larger community", "changes slowly"),
    ("is flexible when requirements change", "needs discipline to stay consistent"),
)
_ALIASES = {"postgres": "postgresql", "js": "javascript", "ts": "typescript", "golang": "go", "k8s": "kubernetes"}

_LEAD = "use|using|compare|choose|pick|between|prefer|as|is|are|to|i|we|learn|start|with|adopt|of|for|and"
_NAME = rf"(?!(?:{_LEAD})\b)[A-Za-z][\w+#.\-]*(?:\s(?-i:[A-Z])[\w+#.\-]*)?"
_ARTICLE = r"(?:(?:a|an|the)\s)?"
_PAIR = expression(
    rf"\b{_ARTICLE}(?P<a>{_NAME}),?\s+(?P<link>or|vs\.?|versus|and|\w+ than)\s+{_ARTICLE}(?P<b>{_NAME})", re.IGNORECASE
)
_CHOICE = expression(r"\b(?:should|which|better|prefer|choose|pick|vs|versus)\b|^\W*[\w+#.-]+ or ", re.IGNORECASE)
_BOTH = expression(r"\b(?:compare|comparison|between|difference)\b", re.IGNORECASE)  # these link their two with `and`
_NOT_OPTIONS = {"pros", "cons", "yes", "no", "true", "more", "less", "not", "one", "two"}
_FACTORS = ("team experience", "expected load", "operational effort", "how the data is used", "time to first release")


def options(prompt: Prompt) -> tuple[str, str] | None:
    """The two options that a question names, as it spells them; None if it does not choose between two."""
    both = _BOTH.search(prompt.question) is not None
    if not both and not _CHOICE.search(prompt.question):
        return None
    for found in _PAIR.finditer(prompt.question):
        a, b = found["a"].strip(".,"), found["b"].strip(".,")
        if found["link"].lower() == "and" and not both:
            continue
        if a.lower() not in _NOT_OPTIONS and b.lower() not in _NOT_OPTIONS and a.lower() != b.lower():
            return a, b
    return None


def recommended(prompt: Prompt, pair: tuple[str, str]) -> str:
    """The option that every able model prefers."""
    return prompt.pick(pair, "recommendation")


def weigh(prompt: Prompt, pair: tuple[str, str]) -> str:
    """Both options for and against, and a recommendation. Able models agree on the points; the wording is their own."""
    winner = recommended(prompt, pair)
    loser = pair[1] if winner == pair[0] else pair[0]
    openings = (
        f"Use {winner} unless you have a specific reason not to.",
        f"For most projects the answer is clearly {winner}.",
        f"I recommend {winner} as the default here.",
    )
    lines = [prompt.vary(openings), ""]
    lines += [f"- {option}: it {pro}, but {con}." for option in pair for pro, con in [_traits(prompt, option)]]
    factors = _FACTORS[: prompt.depth + 1]
    lines += ["", f"What decides is {', '.join(factors[:-1])} and {factors[-1]}."]
    if prompt.depth > 1:
        pro, _ = _traits(prompt, winner)
        lines += [f"{winner} is definitely the safer default because it {pro}."]
        lines += [f"Choose {loser} when its advantage is the one that your users will notice."]
    if prompt.depth > 2:
        lines += [
            f"Start with {winner}, measure for a few weeks, and keep the boundary narrow enough to change your mind.",
            "Teams have confirmed this order of steps many times: the costly mistake is deciding without measuring.",
        ]
    return "\n".join(lines)


def _traits(prompt: Prompt, option: str) -> tuple[str, str]:
    name = option.lower().removeprefix("a ").removeprefix("the ")
    known = _TRAITS.get(_ALIASES.get(name, name)) or _TRAITS.get(name + "s") or _TRAITS.get(name.removesuffix("s"))
    if known:
        return known
    return prompt.pick(_GENERIC, option)
