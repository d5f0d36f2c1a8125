"""A run that asks for nothing but embeddings: of many texts, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ulid import ULID

from ..clock import Clock
from ..config import RunOptions, Settings
from ..deferred import dataclass, replace
from ..errors import Interrupted, OrchError
from ..ledger.records import RunRecord, RunStatus
from ..plan.load import Load
from ..registry.model import EmbeddingModel
from ..types import digest_of
from .call.caller import Caller
from .call.embedding import embedded
from .call.order import Order
from .whereabouts import host_name, user_name

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in the order of their texts, the run that asked for them, and what it cost; None if it is unpriced."""

    vectors: tuple[tuple[float, ...], ...]
    run_id: str
    cost_nanousd: int | None


@dataclass(frozen=True, slots=True)
class EmbeddingRun:
    """The run of one `caller`. Its calls are priced, limited and recorded as any other."""

    caller: Caller
    settings: Settings
    options: RunOptions
    clock: Clock
    deadline: float
    process: str | None

    async def embed(self, texts: Sequence[str], model: EmbeddingModel) -> Embedded:
        """Ask for all of them. Raises the error of the first that fails, when the ledger has the end of the others."""
        now, log = self.clock(), self.caller.log
        run = RunRecord(
            run_id=str(ULID.from_datetime(now)),
            created_at=now,
            day=now.date().isoformat(),
            process=self.process,
            strategy="embedding",
            category=self.options.category,
            tags=self.options.tags,
            prompt_sha256=digest_of("\n".join(texts)),
            max_cost_nanousd=self.options.max_cost_nanousd,
            host=host_name(),
            user=user_name(self.settings.environ),
            simulated=self.settings.simulate,
        )
        log.begin(run)
        order = Order(
            run_id=run.run_id,
            options=self.options,
            load=Load(0, 0, 0),
            deadline=self.deadline,
            simulated=self.settings.simulate,
            log_text=False,
            observe=log.observe,
            free_tier=self.settings.free_tier,
        )
        error: OrchError | None = Interrupted()
        try:
            vectors = await self._all(texts, model, order)
            error = None
        except OrchError as failure:
            error = failure
            raise
        finally:
            await log.finish(self._ended(run, error))
        costs = [call.cost_nanousd for call in log.calls.values()]
        known = [cost for cost in costs if cost is not None]
        return Embedded(vectors, run.run_id, sum(known) if len(known) == len(costs) else None)

    async def _all(self, texts: Sequence[str], model: EmbeddingModel, order: Order) -> tuple[tuple[float, ...], ...]:
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(text: str) -> tuple[float, ...]:
            async with room:
                return await embedded(self.caller, order, model, text)

        asking = [asyncio.ensure_future(one(text)) for text in texts]
        try:
            return tuple(await asyncio.gather(*asking))
        finally:
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    def _ended(self, run: RunRecord, error: OrchError | None) -> RunRecord:
        failed = RunStatus.INTERRUPTED if isinstance(error, Interrupted) else RunStatus.FAILED
        now = self.clock()
        return replace(
            run,
            status=RunStatus.COMPLETE if error is None else failed,
            ended_at=now,
            latency_ms=round(1000 * (now - run.created_at).total_seconds()),
            error_code=None if error is None else error.code,
            error_message=None if error is None else error.without_quotes,
        )
