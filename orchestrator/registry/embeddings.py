"""Embedding models: what gives the semantic cache the likeness of two prompts, under `embeddings` in models.yaml.

    embeddings:
      text-embedding-3-small: {provider: openai, input_limit: 8_192, prices: [{input: 0.02, output: 0}]}

They answer nothing, so they are no models that could be chosen. Of `local`, the model on this machine, only the
`threshold` can be given.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..config.strict_yaml import Table, decimal, integer, record, text
from ..config.yaml_value import Value
from ..deferred import replace
from ..errors import UsageError, did_you_mean
from ..reading.embedding import LOCAL
from . import records
from .model import USUAL_THRESHOLD, EmbeddingModel, ModelSpec, Scores
from .providers import PROVIDERS
from .unlisted import split_provider

_NOTHING = Scores(0.0, 0.0, 0.0, 0.0)
_INPUT_OF_UNLISTED = 2_048  # tokens
_WIRES = ("openai", "google")  # the adapters that can ask for embeddings


def embedding_model(value: Value, provenance: records.Provenance) -> EmbeddingModel:
    """An entry of the section. Raises ConfigError."""
    return record(lambda table: _model(table, records.name_of(value), provenance))(value)


def find_embedding(models: Mapping[str, EmbeddingModel], name: str) -> EmbeddingModel:
    """An embedding model by its name, with or without its provider in front, or one of a provider that no file lists:
    `ollama/nomic-embed-text`. Raises UsageError."""
    provider, rest = split_provider(name)
    for found in (models.get(name), models.get(rest)):
        if found is not None and provider in (None, found.spec.provider):
            return found
    if provider is None:
        hint = did_you_mean(name, [*models, "local"]) or f"there are: local, {', '.join(models)}, or PROVIDER/NAME"
        raise UsageError(f"there is no embedding model named {name[:100]!r}", hint=hint)
    if PROVIDERS[provider].module not in _WIRES:
        raise UsageError(f"{provider} has no embeddings that orch can ask for", hint=f"there are: {', '.join(models)}")
    return EmbeddingModel(_spec(f"{provider}/{rest}", provider, rest, _INPUT_OF_UNLISTED))


def _model(table: Table, name: str, provenance: records.Provenance) -> EmbeddingModel:
    threshold = float(table.optional("threshold", decimal(minimum=0, maximum=1), USUAL_THRESHOLD))
    if name == LOCAL:
        return EmbeddingModel(_spec(LOCAL, LOCAL, LOCAL, _INPUT_OF_UNLISTED), threshold=threshold)
    provider = table.required("provider", records.provider)
    if PROVIDERS[provider].module not in _WIRES:
        raise table.value.error(f"{provider} has no embeddings that orch can ask for")
    spec = _spec(
        name,
        provider,
        table.optional("id", text, name),
        table.required("input_limit", integer(minimum=1, maximum=records.MAX_TOKENS)),
    )
    return EmbeddingModel(
        replace(spec, prices=table.required("prices", records.prices(provenance))),
        table.optional("dimensions", integer(minimum=8, maximum=65_536), None),
        threshold,
    )


def _spec(name: str, provider: str, model_id: str, limit: int) -> ModelSpec:
    return ModelSpec(name, provider, model_id, (), limit, 1, (), _NOTHING)
