"""Models by every name that they go by: their own, with their provider in front, and those that no file lists.

Other programs write `anthropic/claude-sonnet-5-5`, `gemini/gemini-3.8-flash` or `openai:gpt-4o`; a model that came out
yesterday, a fine-tuned one and one of the user's own server are in no file. All of them can be called.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView

from ..deferred import replace
from ..errors import did_you_mean
from ..expressions import expression
from ..types import Level
from .model import Feature, ModelSpec, RateLimits, Scores, Status, names_of, undated
from .providers import PROVIDERS

UNLISTED = "unlisted"  # the tag of a model that no file lists
_PREFIXED = expression(r"([A-Za-z0-9_.-]+)[/:](.+)")
_MARKS = expression(r"[._ -]")
_SENDABLE = expression(r"[\w.:/@+-]{1,200}")  # what a model's id is made of
_FINE_TUNED = expression(r"ft:([\w.-]+)(?::[\w.-]*)+")  # OpenAI's: ft:MODEL:ORGANIZATION:SUFFIX:ID
# What LiteLLM, LangChain and Pydantic AI call a provider that has another name here.
_ALSO_CALLED = {
    "gemini": "google",
    "google_genai": "google",
    "google-gla": "google",
    "hosted_vllm": "vllm",
    "ollama_chat": "ollama",
    "llama_cpp": "llamacpp",
    "models": "google",  # as Gemini's own list of models has it
}
# Of a model that no file knows: room for most prompts, the reply that a run allows anyway, and all that may be refused.
# What a user hosts is cut to its window without a word (Ollama), so that it gets less.
_WINDOW, _WINDOW_OF_OWN, _OUTPUT = 128_000, 32_000, 8_192
_SUPPORTS = frozenset({Feature.STREAMING, Feature.TOOLS, Feature.JSON, Feature.TEMPERATURE})
_SCORES = Scores(0.5, 0.5, 0.5, 0.5)


class Models(Mapping[str, ModelSpec]):
    """The models that files list, by name. A lookup takes an alias and a provider in front as well, and gives a model
    of a known provider that no file lists: without a price, and tagged as `UNLISTED`. Only listed ones are counted.

    `listed` may read a model when it is looked up; then `aliases` has the model's name of each alias.
    """

    def __init__(self, listed: Mapping[str, ModelSpec], aliases: Mapping[str, str] | None = None) -> None:
        self._listed = listed
        if aliases is None:
            aliases = {alias: name for name, spec in listed.items() for alias in spec.aliases}
        self._aliases = aliases
        self._found: dict[str, ModelSpec] = {}

    def __getitem__(self, name: str) -> ModelSpec:
        found = self._found.get(name)
        if found is None:
            found = self._named(name) or _fine_tuned(name, self._listed) or self._with_provider(name)
            if found is None:
                raise KeyError(name)
            self._found[name] = found
        return found

    def name_of(self, name: str) -> str:
        """The model's own name. Raises KeyError."""
        return name if name in self._listed else self._aliases.get(name) or self[name].name

    def _named(self, name: str) -> ModelSpec | None:
        return self._listed.get(self._aliases.get(name, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def keys(self) -> KeysView[str]:
        """The names of the listed models."""
        return self._listed.keys()

    def values(self) -> ValuesView[ModelSpec]:
        """The listed models."""
        return self._listed.values()

    def items(self) -> ItemsView[str, ModelSpec]:
        """The listed models by name."""
        return self._listed.items()

    def _with_provider(self, name: str) -> ModelSpec | None:
        provider, rest = split_provider(name)
        if provider is None or not _SENDABLE.fullmatch(rest):
            return None
        if provider == "google":
            rest = rest.removeprefix("models/")
        asked = {_plain(rest), _plain(f"{provider}/{rest}")}
        for spec in self._listed.values():
            if spec.provider == provider and not asked.isdisjoint(map(_plain, (spec.name, spec.id, *spec.aliases))):
                return spec
        own = f"{provider}/{rest}"
        return (
            self._found.get(own)
            or self._named(own)
            or _fine_tuned(rest, self._listed, provider)
            or _unlisted(own, provider, rest, self._listed.values())
        )


class CanonicalNames(Mapping[str, str]):
    """The model's name for each name that it goes by, as `Models` has them."""

    def __init__(self, models: Mapping[str, ModelSpec]) -> None:
        self._models = models if isinstance(models, Models) else Models(models)

    def __getitem__(self, name: str) -> str:
        return self._models.name_of(name)

    def __iter__(self) -> Iterator[str]:
        for spec in self._models.values():
            yield from (spec.name, *spec.aliases)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def split_provider(name: str) -> tuple[str | None, str]:
    """The provider in front of a name, and the rest; None and the name where there is none."""
    parts = _PREFIXED.fullmatch(name)
    if parts is None:
        return None, name
    prefix = parts[1].lower()
    provider = _ALSO_CALLED.get(prefix, prefix)
    return (provider, parts[2]) if provider in PROVIDERS else (None, name)


def entry(spec: ModelSpec) -> list[str]:
    """The lines of models.yaml for a model of which little is known, to be put right by the user."""
    scores = spec.scores
    return [
        f"{quoted(spec.name)}:",
        f"  provider: {spec.provider}",
        f"  id: {quoted(spec.id)}",
        f"  context_window: {spec.context_window:_}",
        f"  output_limit: {spec.output_limit:_}",
        f"  levels: [{', '.join(spec.levels)}]",
        f"  scores: {{coding: {scores.coding}, reasoning: {scores.reasoning}, speed: {scores.speed},"
        f" long_context: {scores.long_context}}}",
        f"  supports: [{', '.join(sorted(spec.supports))}]",
        "  prices: unpriced",
    ]


def told(spec: ModelSpec, models: Mapping[str, ModelSpec]) -> str:
    """What a user should know of a call of a model that no file lists, with the entry that would change it."""
    first, *keys = (line.strip() for line in entry(spec))
    close = did_you_mean(spec.id, [each.id for each in models.values() if each.provider == spec.provider], cutoff=0.85)
    return (
        f"{spec.name} is in no models.yaml: it is called as it is, at an unknown price"
        f"{f' ({close})' if close else ''}; to have it there, with what is true of it: {first} {{{', '.join(keys)}}}"
    )


def quoted(text: str) -> str:
    """A name as YAML takes it."""
    return f'"{text}"' if ":" in text or text[:1] in "@-+" or text[:1].isdigit() else text


def _plain(name: str) -> str:
    """A name without what tells claude-sonnet-4.5 from Claude-Sonnet-4-5."""
    return _MARKS.sub("-", name.lower())


def _fine_tuned(name: str, listed: Mapping[str, ModelSpec], provider: str = "openai") -> ModelSpec | None:
    found = _FINE_TUNED.fullmatch(name)
    if found is None or provider != "openai":
        return None
    return _unlisted(name, provider, name, listed.values(), like=found[1])


def _unlisted(
    name: str, provider: str, model_id: str, listed: Iterable[ModelSpec], *, like: str | None = None
) -> ModelSpec:
    """A model as its namesake is, dated or from another provider; else as most are."""
    bare = undated(like or model_id)
    namesake = next((spec for spec in listed if bare in names_of(spec)), None)
    if namesake is not None:
        return replace(
            namesake,
            name=name,
            provider=provider,
            id=model_id,
            prices=(),
            limits=RateLimits(),
            free_quota=None,
            status=Status.CURRENT,
            retires=None,
            tags=namesake.tags | {UNLISTED},
            aliases=(),
            tokens_per_second=None,
        )
    window = _WINDOW_OF_OWN if PROVIDERS[provider].self_hosted else _WINDOW
    return ModelSpec(
        name,
        provider,
        model_id,
        (),
        window,
        _OUTPUT,
        tuple(Level),
        _SCORES,
        supports=_SUPPORTS,
        tags=frozenset({UNLISTED}),
    )
