"""The semantic cache: a question that was asked before in other words is answered by what was kept.

    question ─► embedding ─► the nearest kept prompts of the same scope ─► one that asks the same, word by word

Similarity alone decides nothing: it only finds the prompts that are compared (`paraphrase.agreement`). A `Semantic`
belongs to one run, which has one question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ...deferred import dataclass, replace
from ...ledger.kept_prompts import KeptPrompt
from ...paraphrase.agreement import differences
from ...registry.model import EmbeddingModel
from ...types import Message, Request
from .cache_key import key_of
from .prompt_search import Near, PromptSearch, kept_prompt

if TYPE_CHECKING:
    from .prompt_search import Vector

Embed = Callable[[EmbeddingModel, str], Awaitable[tuple[float, ...]]]
_COMPARED = 8  # of the nearest prompts: those that ask the same are among the first


@dataclass(frozen=True, slots=True)
class Looked:
    """A kept prompt that was compared with the question. `differs`: what parts the two, empty if they ask the same.
    `run_id` is the run that asked it."""

    near: Near
    threshold: float
    differs: tuple[str, ...]
    run_id: str | None = None

    @property
    def is_same(self) -> bool:
        """Whether its answer answers the question."""
        return not self.differs and self.near.similarity >= self.threshold

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of the checks that failed, without the words of the prompts."""
        near = () if self.near.similarity >= self.threshold else ("similarity",)
        return (*near, *(each.partition(" (")[0] for each in self.differs))

    @property
    def passed_over(self) -> str:
        """Why it was not taken, in words that quote neither prompt; empty if it was."""
        if self.is_same or self.run_id is None:
            return ""
        nearest = f"the nearest prompt in the semantic cache is that of run {self.run_id}"
        alike = f"{self.near.similarity:.2f} alike, from {self.threshold:.2f} on it is looked at"
        return f"{nearest} ({alike}): it differs in {', '.join(self.checks)}"

    def to_dict(self) -> dict[str, Any]:
        """As a run's record has it."""
        return {
            "run_id": self.run_id,
            "similarity": round(self.near.similarity, 4),
            "threshold": self.threshold,
            "hit": self.is_same,
            "differs": list(self.checks),
        }


@dataclass(slots=True)
class Semantic:
    """What one run has of the semantic cache. `source` names what gave the embeddings, `model` is a provider's, None
    the local one. `looked`: what was found for each key that was looked up."""

    question: str
    source: str
    threshold: float
    model: EmbeddingModel | None
    search: PromptSearch
    looked: dict[str, Looked] = field(default_factory=dict)
    _scopes: dict[str, str] = field(default_factory=dict)
    _vector: Vector | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note(self, key: str, request: Request, **beside: Any) -> None:
        """Take a request whose answer is looked for under a key, if it is the question and nothing went before it."""
        if len(request.messages) != 1 or request.messages[0].parts or request.tools:
            return
        before, found, after = request.messages[0].content.rpartition(self.question)
        if found:
            around = replace(request, messages=(Message("user", before), Message("user", after)))
            self._scopes[key] = key_of(around, semantic=True, **beside)

    async def nearest(self, key: str, embed: Embed) -> list[Looked]:
        """The nearest kept prompts: those that ask the same first. Raises as `embed` does, LedgerError, and ConfigError
        if the local model is not installed."""
        scope = self._scopes.get(key)
        if scope is None:
            return []
        vector = await self._embedded(embed)
        nearest = await asyncio.to_thread(self.search.nearest, self.source, scope, vector)
        compared = [Looked(near, self.threshold, differences(self.question, near.text)) for near in nearest[:_COMPARED]]
        return sorted(compared, key=lambda looked: not looked.is_same)

    def to_keep(self, keys: Iterable[str]) -> dict[str, KeptPrompt]:
        """The question as it is kept for the answers under these keys, as far as it can be."""
        vector = self._vector
        if vector is None:
            return {}
        known = [key for key in keys if key in self._scopes]
        return {key: kept_prompt(key, self.source, self._scopes[key], self.question, vector) for key in known}

    async def _embedded(self, embed: Embed) -> Vector:
        async with self._lock:  # several calls of a run may want it at the same time
            if self._vector is None:
                if self.model is None:
                    self._vector = await asyncio.to_thread(_locally, self.question)
                else:
                    self._vector = _of_length_1(await embed(self.model, self.question))
            return self._vector


def _locally(text: str) -> Vector:
    from ...reading.embedding import local_embedder

    row: Vector = local_embedder().embed([text])[0]
    return row


def _of_length_1(numbers: tuple[float, ...]) -> Vector:
    import numpy as np

    vector = np.asarray(numbers, np.float32)
    row: Vector = (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
    return row
