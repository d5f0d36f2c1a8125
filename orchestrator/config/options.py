"""The one table of run options: the fields of `RunOptions`, each with its option.

Flags, config keys, Python parameters, range checks, the page in docs, and the check that a strategy uses what the user
gave all follow from it. To add an option, add a field here and the code that uses it; `scripts/option_docs.py` then
writes the page and the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from enum import StrEnum
from typing import Any

from ..deferred import dataclass, replace
from ..errors import UsageError
from ..types import AcceptRule, CountBy, Effort, Task, Tool

DAY_S = 86_400
_SHORTEST_S = 0.001
_MOST_NANOUSD = 2**63 - 1  # what the ledger can hold

EXPERIMENT, ROUND_ROBIN = "experiment", "round-robin"
# What can decide on a plan. Each but `experiment`, which draws one of the others, is the function of its name in the
# module of its name in `orchestrator.choose.table`, with _ for -. No chain and no table can have one of these names.
STRATEGY_NAMES = ("cheapest", "fallback", "ensemble", "tiers", ROUND_ROBIN, "cost", "capability", EXPERIMENT)
# What decides on a plan and has no name of its own among them.
TABLE, PLAN = "task tables", "named plans"
_CHOOSE = ("cheapest", "ensemble", "round-robin", "cost", "capability")
_CASCADES = ("fallback", "tiers", TABLE, PLAN)


class Kind(StrEnum):
    """The type of an option, by which each way in reads its value."""

    TEXT = "text"
    CHAIN = "a name, or models separated by commas"
    NAMES = "names separated by commas"
    TEXTS = "texts"
    NUMBER = "number"
    INTEGER = "integer"
    DOLLARS = "dollars"
    SWITCH = "switch"
    YES_NO = "yes or no"
    SCHEMA = "JSON Schema"
    TOOLS = "tools"
    LIMITS = "integers by task"
    AGE = "an age, such as 1h"


class Requirement(StrEnum):
    """What the user may say that a prompt needs."""

    DESIGN = "design"
    IMPLEMENTATION = "implementation"


class Failure(StrEnum):
    """Why a call failed, by the codes of errors: what `next_on` and `stop_on` can name."""

    AUTHENTICATION = "authentication"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CONNECTION_FAILED = "connection_failed"
    PROXY_REFUSED = "proxy_refused"
    OUTCOME_UNKNOWN = "outcome_unknown"
    BAD_REPLY = "bad_reply"
    EMPTY_REPLY = "empty_reply"
    TEMPORARY = "temporary"
    SET_ASIDE = "set_aside"
    BATCH_ENDED = "batch_ended"
    QUOTA_EXHAUSTED = "quota_exhausted"
    REQUEST_REJECTED = "request_rejected"
    CONTEXT_TOO_LONG = "context_too_long"
    UNSUPPORTED = "unsupported"
    MODEL_NOT_FOUND = "model_not_found"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a run.

    `name` is its flag without dashes, its config key and its Python parameter, unless `flag` and `python` name others;
    "" means none. `called` is its name in range errors, `least` to `most`. `shown` is the default in words, where the
    field's value does not tell it. `takers` are the strategies that use it; empty means all. `of_runs`: it has no
    meaning for a plan that is only shown.
    """

    kind: Kind
    help: str
    name: str = ""
    flag: str | None = None
    short: str | None = None
    metavar: str | None = None
    python: str | None = None
    config: bool = False
    shown: str | None = None
    called: str | None = None
    least: float | None = None
    most: float = float("inf")
    choices: type[StrEnum] | None = None
    takers: tuple[str, ...] = ()
    of_runs: bool = False

    @property
    def flag_name(self) -> str:
        """The flag with its dashes; empty if there is none."""
        name = self.name if self.flag is None else self.flag
        return name and f"--{name.replace('_', '-')}"

    @property
    def python_name(self) -> str:
        """The Python parameter; empty if there is none."""
        return self.name if self.python is None else self.python


def option(default: Any, kind: Kind, help: str, **more: Any) -> Any:  # noqa: A002  # the field's name for it
    """A field of `RunOptions` with its option."""
    metadata = {"option": Option(kind, help, **more)}
    return (
        field(default_factory=dict, metadata=metadata) if default is dict else field(default=default, metadata=metadata)
    )


@dataclass(frozen=True, slots=True)
class Served:
    """What a client of `orch serve` wants of a run that is no option of its own.

    `key` is the name of the client's key. `stay_with` is the model that began a conversation with tools: it goes on,
    and the others stand in for it. `logprobs`: the reply's are wanted, whatever they are used for, with those of
    `top_logprobs` tokens in each place.
    """

    key: str | None = None
    stay_with: str | None = None
    logprobs: bool = False
    top_logprobs: int = 0


@dataclass(frozen=True)
class RunOptions:
    """The options of one run, in the order of `--help`. None leaves the choice to orch.

    `given` maps the fields that the user gave to the names that the user has for them. If the strategy does not use one
    of these, the run is refused. All other fields are defaults, which may go unused. `served` is set for runs of
    `orch serve`.
    """

    strategy: str = option(
        "fallback",
        Kind.TEXT,
        f"How to answer: {', '.join(STRATEGY_NAMES)}, or the name of a task table (tasks, matrix, select), of a plan "
        "(see orch chains), of a plugin or of a model.",
        short="-s",
        config=True,
        python="",
    )
    chain: str = option(
        "mixed",
        Kind.CHAIN,
        "Models to try in order: a chain's name, or models separated by commas. Implies -s fallback.",
        config=True,
        takers=("fallback",),
    )
    role: str | None = option(
        None,
        Kind.TEXT,
        "Use the models and the instructions of a role: retriever, planner, critic, reasoner, builder ...",
        takers=(*_CHOOSE, "fallback", TABLE),
    )
    tier: str | None = option(
        None, Kind.TEXT, "Use this tier: ARCH, EXEC, TASKS or one of your own. Implies -s tiers.", takers=("tiers",)
    )
    critical: bool = option(
        False,
        Kind.SWITCH,
        "The answer must not be wrong: tiers and select then use stronger models.",
        takers=("tiers", "capability", TABLE),
    )
    requires: tuple[str, ...] = option(
        (),
        Kind.TEXTS,
        "What the prompt needs, for tiers. Overrides the analysis of the prompt.",
        choices=Requirement,
        takers=("tiers",),
    )
    routine: bool = option(False, Kind.SWITCH, "The prompt is a routine task, for tiers.", takers=("tiers",))
    models: tuple[str, ...] = option(
        (),
        Kind.NAMES,
        "Models to ask, separated by commas, for ensemble and round-robin; for fallback, the chain.",
        takers=("ensemble", "round-robin", "fallback"),
    )
    ensemble_size: int = option(
        3,
        Kind.INTEGER,
        "How many models to ask. Implies -s ensemble.",
        short="-e",
        config=True,
        called="ensemble size",
        least=1,
        most=100,
        takers=("ensemble",),
    )
    saving: float | None = option(
        None,
        Kind.NUMBER,
        "Share of prompts, 0 to 1, that models for basic prompts are to answer.",
        metavar="SHARE",
        config=True,
        shown="about half, on most kinds of prompts",
        least=0,
        most=1,
        takers=("cheapest", TABLE),
    )
    threshold: float = option(
        0.7,
        Kind.NUMBER,
        "Lowest confidence at which a cascade accepts an answer, 0 to 1.",
        python="confidence_threshold",
        config=True,
        least=0,
        most=1,
        takers=_CASCADES,
    )
    accept: AcceptRule = option(  # a field, as the others are
        AcceptRule.CONFIDENCE,
        Kind.TEXT,
        "What a cascade accepts: an answer with enough confidence, or the first two models' answer if they agree.",
        config=True,
        choices=AcceptRule,
        takers=_CASCADES,
    )
    verify: str | None = option(
        None,
        Kind.TEXT,
        "Accept an answer only if this command exits with 0. It gets the answer on stdin.",
        metavar="COMMAND",
        config=True,
    )
    schema: Mapping[str, Any] | None = option(
        None, Kind.SCHEMA, "Ask for JSON that fits this JSON Schema, and accept nothing else.", metavar="FILE"
    )
    schema_repair: bool = option(
        False,
        Kind.SWITCH,
        "With --schema: if an answer does not fit, ask its model once more and say what is wrong.",
        config=True,
    )
    self_check: str | None = option(
        None,
        Kind.TEXT,
        "Let this model judge each answer of a cascade.",
        metavar="MODEL",
        config=True,
        takers=_CASCADES,
    )
    logprobs: bool = option(
        False,
        Kind.SWITCH,
        "Use the probabilities of the answer's tokens as a confidence signal in cascades.",
        config=True,
        takers=_CASCADES,
    )
    task: str | None = option(
        None, Kind.TEXT, "The kind of task, or a row of a task table.", shown="found from the prompt"
    )
    experiment: str | None = option(
        None,
        Kind.TEXT,
        "Take part in this experiment. Implies -s experiment.",
        metavar="NAME",
        takers=("experiment",),
    )
    subject: str | None = option(
        None,
        Kind.TEXT,
        "User or session that an experiment assigns to an arm; the same subject always gets the same arm.",
        shown="the prompt",
        takers=("experiment",),
    )
    tools: tuple[Tool, ...] = option(
        (),
        Kind.TOOLS,
        "Tools to offer to the model, in OpenAI's or Anthropic's format.",
        metavar="FILE.json",
        takers=("cheapest", "round-robin", "cost", "capability", *_CASCADES),
    )
    tool_choice: str = option(
        "auto",
        Kind.TEXT,
        "Whether a tool is to be called: auto, none, required, or the name of the one to call. Needs --tools.",
        metavar="CHOICE",
        takers=("cheapest", "round-robin", "cost", "capability", *_CASCADES),
    )
    max_latency_s: float | None = option(
        None,
        Kind.NUMBER,
        "Skip models whose 95th percentile of latency is above this.",
        name="max_latency",
        metavar="SECONDS",
        config=True,
        called="limit on latency in seconds",
        least=_SHORTEST_S,
        most=DAY_S,
    )
    min_quality: float | None = option(
        None,
        Kind.NUMBER,
        "Skip models whose score is below this, 0 to 1: the coding score for code, otherwise the reasoning score.",
        metavar="SCORE",
        config=True,
        called="minimum quality",
        least=0,
        most=1,
    )
    temperature: float | None = option(
        None,
        Kind.NUMBER,
        "Sampling temperature, 0 to 2, for models that support it.",
        config=True,
        least=0,
        most=2,
    )
    top_p: float | None = option(
        None,
        Kind.NUMBER,
        "Sample from the likeliest tokens that have this share of the probability, 0 to 1, where a model supports it.",
        config=True,
        least=0,
        most=1,
    )
    seed: int | None = option(
        None,
        Kind.INTEGER,
        "Seed for sampling, for providers that take one: the same request then mostly gets the same answer.",
        least=-(2**31),
        most=2**31 - 1,
    )
    stop: tuple[str, ...] = option(
        (),
        Kind.TEXTS,
        "Text at which the answer ends, before it; may be repeated, up to 4 times.",
        metavar="TEXT",
    )
    effort: Effort | None = option(
        None,
        Kind.TEXT,
        "How long models think before they answer, where that can be set.",
        config=True,
        choices=Effort,
        shown="the model's own",
    )
    max_cost_nanousd: int | None = option(
        None,
        Kind.DOLLARS,
        "Most that the run may spend.",
        name="max_cost",
        short="-c",
        metavar="DOLLARS",
        config=True,
        called="cost cap in nano-dollars",
        least=0,
        most=_MOST_NANOUSD,
    )
    allow_unpriced: bool = option(
        False,
        Kind.SWITCH,
        "Call models that you name even if their price is unknown and a cap or a budget applies.",
        config=True,
        takers=("ensemble", "round-robin", *_CASCADES),
    )
    count: CountBy = option(  # a field, as the others are
        CountBy.BOUND,
        Kind.TEXT,
        "How to count a prompt's tokens before a call: by an upper bound, or exactly, by asking the provider.",
        config=True,
        choices=CountBy,
    )
    max_tokens: int | None = option(
        None,
        Kind.INTEGER,
        "Most output tokens of each call.",
        config=True,
        shown="8192",
        called="limit on tokens",
        least=1,
    )
    max_tokens_total: int | None = option(
        None,
        Kind.INTEGER,
        "Most tokens of the whole run, input and output of all calls together.",
        metavar="TOKENS",
        config=True,
        called="limit on the tokens of the whole run",
        least=1,
    )
    timeout_s: float = option(
        600.0,
        Kind.NUMBER,
        "Most seconds that the run may take.",
        name="timeout",
        config=True,
        least=_SHORTEST_S,
        most=DAY_S,
    )
    leg_timeout_s: float | None = option(
        None,
        Kind.NUMBER,
        "Seconds for each call of the run, with its retries; then the next model is asked.",
        name="leg_timeout",
        metavar="SECONDS",
        config=True,
        shown="by the model's pace",
        called="limit on the time of a call in seconds",
        least=_SHORTEST_S,
        most=DAY_S,
    )
    stream: bool = option(
        False,
        Kind.YES_NO,
        "Stream replies, and print the answer while it arrives where no later answer can replace it.",
        python="",
        shown="on a terminal",
        of_runs=True,
    )
    provider_cache: bool = option(
        True,
        Kind.YES_NO,
        "Tell providers to keep what is likely to be sent again: files, conversations, long system prompts and tools. "
        "Anthropic charges a quarter more for what it keeps, and a tenth for what it has kept.",
        config=True,
    )
    cache_s: float = option(
        0.0,
        Kind.AGE,
        "Take answers from the response cache that are not older than this, such as 90s, 1h or 7d, and keep new ones; "
        "1d if no age is given. --no-cache does neither.",
        name="cache",
        metavar="[TTL]",
        config=True,
        shown="off",
        of_runs=True,
    )
    semantic_cache: tuple[str, ...] = option(
        (),
        Kind.NAMES,
        "Kinds of task, such as explanation,question, for which the response cache also answers a prompt that asks "
        "the same as an earlier one in other words. Implies --cache 1d.",
        metavar="TASKS",
        config=True,
        choices=Task,
        shown="none",
        of_runs=True,
    )
    embedding: str = option(
        "local",
        Kind.TEXT,
        "Embedding model that the semantic cache compares prompts with: local, which needs orch-llm[embed], or a "
        "provider's, such as text-embedding-3-small.",
        metavar="MODEL",
        config=True,
        of_runs=True,
    )
    explain: bool = option(
        False,
        Kind.SWITCH,
        "Say on stderr, and in JSON under explanation, why this model answered and why each cache hit or missed.",
        of_runs=True,
    )
    category: str = option(
        "orchestration", Kind.TEXT, "Category of the run, for reports and budgets.", config=True, of_runs=True
    )
    tags: tuple[str, ...] = option(
        (),
        Kind.TEXTS,
        "Tag of the run, for reports and budgets; may be repeated.",
        flag="tag",
        config=True,
        of_runs=True,
    )
    max_tokens_by_task: Mapping[str, int] = option(
        dict,
        Kind.LIMITS,
        "Most output tokens by kind of task; overrides max_tokens.",
        flag="",
        python="",
        config=True,
    )
    next_on: tuple[str, ...] = option(
        (),
        Kind.TEXTS,
        "Failures of a call after which the next model is asked, besides the usual ones.",
        flag="",
        config=True,
        choices=Failure,
    )
    stop_on: tuple[str, ...] = option(
        (),
        Kind.TEXTS,
        "Failures of a call after which no other model is asked.",
        flag="",
        config=True,
        choices=Failure,
    )
    given: Mapping[str, str] = field(default_factory=dict)
    served: Served | None = None


OPTIONS: Mapping[str, Option] = {
    row.name: replace(each, name=each.name or row.name)
    for row in fields(RunOptions)
    if (each := row.metadata.get("option")) is not None
}


def asked_for(defaults: RunOptions, values: Mapping[str, Any], names: Mapping[str, str]) -> RunOptions:
    """The options: the user's values over the defaults, and what these imply.

    `values` are by field of `RunOptions`; None means not given. `names` maps fields to the user's names for them.
    Without a strategy, an option that only one strategy takes implies it. Raises UsageError if two values contradict
    each other.
    """
    given = {name: value for name, value in values.items() if value is not None}
    # False, or an empty list, takes a default back: that is no use that a strategy could make of it.
    asked = {name: names[name] for name, value in given.items() if value is not False and value != ()}
    implied = next((strategy for strategy, those in _IMPLIED.items() if not asked.keys().isdisjoint(those)), None)
    if "experiment" in asked and given.get("strategy", "experiment") != "experiment":
        raise UsageError(f"{asked['experiment']} decides on the strategy: leave out {given['strategy']!r}")
    if "strategy" not in given and implied is not None:
        given["strategy"] = implied
    strategy = given.get("strategy", defaults.strategy)
    if "models" in asked and strategy == "fallback":
        if "chain" in asked:
            raise UsageError(f"{asked['chain']} and {asked['models']} both say whom to ask: give one of them")
        given["chain"], asked["chain"] = ",".join(given.pop("models")), asked.pop("models")
    elif "models" in asked and "ensemble_size" not in given:
        given["ensemble_size"] = len(given["models"])
    if "max_tokens" in given:
        given["max_tokens_by_task"] = {}  # a limit that was asked for is for this run, whatever its task
    asked.pop("strategy", None)
    return replace(defaults, **given, given=asked)


# In this order: an experiment decides on everything.
_IMPLIED: Mapping[str, tuple[str, ...]] = {
    "experiment": ("experiment",),
    "ensemble": ("models", "ensemble_size"),
    "tiers": ("tier", "critical", "requires", "routine"),
    "fallback": ("chain",),
}
