"""The response cache: a request that was answered before is answered by what was kept, and nothing is sent.

    request ─► key ─┬─► another run is asking it right now: its answer, when it is there
                    ├─► kept in the file beside the ledger, and young enough: that answer
                    ├─► asked in other words before, if the run wants the semantic cache: that answer
                    └─► asked; the answer is kept when the run that asked has accepted it

An `AnswerCache` belongs to an open engine, a `RunCache` to one of its runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...clock import Clock
from ...config.ages import in_words
from ...deferred import dataclass, replace
from ...errors import LedgerError, OrchError
from ...ledger.kept_answers import KeptAnswer, KeptAnswers
from ...types import Request
from ..events import Note, Observer
from .attempt import Answered
from .cache_key import Hit, from_json, is_complete, key_of, to_json

if TYPE_CHECKING:
    from .prompt_search import PromptSearch
    from .semantic import Embed, Looked, Semantic

_NONE_NEAR = "no prompt is kept for this model and these options"
Flight = tuple[asyncio.AbstractEventLoop, str]  # a request under way: its event loop, its key
Send = Callable[[], Awaitable[Answered]]


class AnswerCache:
    """The answers of an engine's ledger, and the requests that are under way, by event loop and key.

    A request stays under way until its run has ended, as only then its answer is kept. Its future has the answer as
    soon as that is there, or None if there is none that others could take.
    """

    def __init__(self, ledger: Path, limit_bytes: int) -> None:
        self.file = KeptAnswers(ledger, limit_bytes)
        self.flights: dict[Flight, asyncio.Future[Hit | None]] = {}
        self._search: PromptSearch | None = None

    @property
    def search(self) -> PromptSearch:
        """Finds the prompts of the answers in the file."""
        from ...ledger.kept_prompts import KeptPrompts  # few runs have any
        from .prompt_search import PromptSearch

        if self._search is None:
            self._search = PromptSearch(KeptPrompts(self.file))
        return self._search

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@dataclass(slots=True)
class RunCache:
    """What one run has of the cache.

    `ttl_s`: the age in seconds up to which an answer is taken. `beside` tells of a provider's name what decides an
    answer besides the request. `_times`: how often each request was answered in this run: one that a run makes again
    wants another answer, and has a key of its own. `semantic`: what it has of the semantic cache, if it uses that;
    `unsuited`: why it does not, if it was asked for. `_why`: how looking for a key's answer ended, in words; `_unlike`:
    why no kept prompt was compared with the question.
    """

    cache: AnswerCache
    ttl_s: float
    run_id: str
    beside: Callable[[str], Any]
    observe: Observer
    clock: Clock
    semantic: Semantic | None = None
    unsuited: str = ""
    _why: dict[str, str] = field(default_factory=dict)
    _unlike: dict[str, str] = field(default_factory=dict)
    _calls: dict[str, str] = field(default_factory=dict)  # the key of each call that was answered
    _times: dict[str, int] = field(default_factory=dict)
    _own: dict[str, Flight] = field(default_factory=dict)
    _broken: bool = False

    def key(self, provider: str, request: Request, place: tuple[int, ...]) -> str:
        """The key of a request as the run makes it now. `place`: its place among the members of a panel that may ask
        the same at the same time."""
        key = key_of(request, provider=self.beside(provider), place=place)
        times = self._times.get(key, 0)
        if not times and self.semantic is not None:
            self.semantic.note(key, request, provider=self.beside(provider), place=place)
        return f"{key}-{times}" if times else key

    async def has(self, key: str) -> bool:
        """Whether there is an answer to be had without asking for it, as far as can be told."""
        return (asyncio.get_running_loop(), key) in self.cache.flights or await self._find(key) is not None

    async def answer(self, key: str, send: Send, wait_s: Callable[[], float], embed: Embed) -> Answered | Hit:
        """The answer under a key: a hit, or what `send` gives, whose errors are raised. For others that ask the same
        this waits `wait_s()` seconds at most. `embed` asks a provider for an embedding."""
        flight = asyncio.get_running_loop(), key
        while (others := self.cache.flights.get(flight)) is not None:
            await asyncio.wait({others}, timeout=max(wait_s(), 0))
            if not others.done():
                return await send()
            if (hit := others.result()) is not None:
                self._why[key] = f"run {hit.run_id} asked the same at that moment"
                self._answered(key)
                return hit
        self._own[key] = flight
        asked = self.cache.flights[flight] = flight[0].create_future()
        given: Hit | None = None
        try:
            if (given := await self._find(key)) is not None or (
                given := await self._find_alike(key, embed)
            ) is not None:
                return given
            answered = await send()
            if is_complete(answered.completion):
                given = Hit(answered.completion, self.run_id, answered.record.cost_nanousd)
            return answered
        finally:
            asked.set_result(given)
            if given is None:
                self._release(key)
            else:
                self._answered(key)

    def passed_over(self, key: str) -> str:
        """Why the nearest prompt of the semantic cache was not taken for the question, in words that quote no prompt;
        empty if none was looked at."""
        looked = None if self.semantic is None else self.semantic.looked.get(key)
        return "" if looked is None else looked.passed_over

    def tell(self, call_id: str, key: str) -> None:
        """Take down which call has the answer under a key."""
        self._calls[call_id] = key

    def metadata(self) -> dict[str, Any]:
        """Why the calls were answered from the cache or not, for the run's record. It quotes no prompt."""
        exact = [{"call_id": call, "why": self._why[key]} for call, key in self._calls.items()]
        alike = [each.to_dict() | {"call_id": call} for call, each in self._looked()]
        unlike = [
            {"call_id": call, "why": self._unlike[key]} for call, key in self._calls.items() if key in self._unlike
        ]
        found = {"response_cache": exact, "semantic_cache": alike, "semantic_cache_unused": unlike}
        return {name: rows for name, rows in found.items() if rows}

    def looked_at(self) -> list[dict[str, Any]]:
        """What the semantic cache compared, as in `metadata`, with the prompts and the words that part them."""
        quoted = (
            (call, each, {"prompt": each.near.text, "words": list(each.differs)}) for call, each in self._looked()
        )
        return [each.to_dict() | {"call_id": call} | words for call, each, words in quoted]

    def _looked(self) -> Iterator[tuple[str, Looked]]:
        looked = {} if self.semantic is None else self.semantic.looked
        for call, key in self._calls.items():
            if (each := looked.get(key)) is not None and each.run_id is not None:
                yield call, each

    async def keep(self, accepted: Iterable[str]) -> None:
        """Keep the answers of this run that were accepted, by their keys."""
        now, paid = self.clock(), dict[str, Hit]()
        for key in accepted:
            hit = self.cache.flights[self._own[key]].result() if key in self._own else None
            if hit is not None and hit.run_id == self.run_id:
                paid[key] = hit
        prompts = {} if self.semantic is None else self.semantic.to_keep(paid)
        rows = [
            KeptAnswer(
                key=key,
                answer=to_json(hit.completion),
                run_id=hit.run_id,
                cost_nanousd=hit.cost_nanousd,
                created_at=now,
                expires_at=now + timedelta(seconds=self.ttl_s),
                beside=prompts[key].bytes if key in prompts else 0,
            )
            for key, hit in paid.items()
        ]
        if rows and not self._broken:
            try:
                await asyncio.to_thread(self.cache.file.keep, rows, now)
                if prompts:
                    await asyncio.to_thread(self.cache.search.prompts.keep, list(prompts.values()))
            except LedgerError as error:
                self._does_without(error)

    def release(self) -> None:
        """The run has ended: whoever asks the same from now on finds what was kept."""
        for key in list(self._own):
            self._release(key)

    async def _find(self, key: str) -> Hit | None:
        self._why[key] = "no answer to this very request is kept"
        if self._broken:
            return None
        try:
            now = self.clock()
            kept = await asyncio.to_thread(self.cache.file.find, key, now, self.ttl_s)
            if kept is None:
                return None
            age = in_words((now - kept.created_at).total_seconds())
            if not kept.is_fresh(now, self.ttl_s):
                self._why[key] = f"run {kept.run_id} asked the same {age} before, and {in_words(self.ttl_s)} is allowed"
                return None
            hit = Hit(from_json(kept.answer), kept.run_id, kept.cost_nanousd)
            self._why[key] = f"run {kept.run_id} asked the same {age} before"
            return hit
        except LedgerError as error:
            self._does_without(error)
        except (ValueError, KeyError, TypeError):  # it was written by another program
            pass
        return None

    async def _find_alike(self, key: str, embed: Embed) -> Hit | None:
        """The answer to the same question in other words, if the run wants the semantic cache."""
        if self.semantic is None or self._broken:
            if self.unsuited:
                self._unlike[key] = self.unsuited
            return None
        try:
            nearest = await self.semantic.nearest(key, embed)
            for looked in nearest:
                if (kept := await self._find(looked.near.key)) is not None:
                    self.semantic.looked[key] = replace(looked, run_id=kept.run_id)
                    if looked.is_same:
                        return replace(kept, similarity=looked.near.similarity)
                    self.observe(Note(f"{looked.near.text[:200]!r} is not the same: {'; '.join(looked.differs)}"))
                    return None
            self._unlike[key] = "the nearest answers are too old" if nearest else _NONE_NEAR
        except LedgerError as error:
            self._does_without(error)
        except OrchError as error:
            self.observe(Note(f"asked without the semantic cache: {error.message}", loud=True))
            self.semantic, self.unsuited = None, error.message
            self._unlike[key] = self.unsuited
        return None

    def _does_without(self, error: LedgerError) -> None:
        self._broken = True
        self.observe(Note(f"{error.message}: asked without them ({error.hint})", loud=True))

    def _answered(self, key: str) -> None:
        base, _, _ = key.partition("-")
        self._times[base] = self._times.get(base, 0) + 1

    def _release(self, key: str) -> None:
        del self.cache.flights[self._own.pop(key)]
