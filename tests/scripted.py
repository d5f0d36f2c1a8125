"""A provider that answers from a script, and an engine over it: the door through which the flow is tested."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skipping import SkippingClock, carry_out

from orchestrator.clock import Clock
from orchestrator.config import RunOptions, load_settings
from orchestrator.errors import OrchError, ProviderError
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import Recorded
from orchestrator.ledger.store import Ledger
from orchestrator.providers.base import Capabilities, Health, Provider, RateLimitStatus, StreamEvent
from orchestrator.run.engine import Engine
from orchestrator.run.events import Observer, unobserved
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Completion, FinishReason, Prompt, Request, Usage

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SURE = "The answer is certainly this one, clearly established and confirmed by every source that was looked at so far."
UNSURE = "I'm not sure; it might be this, but I think I would need more context."


def reply(text: str, *, tokens: tuple[int, int] = (10, 20), finish: FinishReason = FinishReason.STOP) -> Completion:
    return Completion(text, finish, Usage(*tokens, raw={"seen": True}), 5, model="as-named", request_id="req_1")


class Hang:
    """Never answers."""


class TooLate(Hang):
    """Never answers, and the time that the call has passes at once."""


@dataclass(frozen=True)
class Pieces:
    """What comes of a stream, and the seconds that pass before each; then nothing."""

    events: Sequence[tuple[float, StreamEvent]]


Act = Completion | Exception | Hang | Pieces | Callable[[Request], Completion]


@dataclass(slots=True)
class Script:
    """What each model (by provider id) does, call after call; the last act is repeated. `sent` is the journal."""

    acts: dict[str, Sequence[Act]]
    sent: list[Request] = field(default_factory=list)
    seen_in_ledger: list[Recorded] = field(default_factory=list)
    ledger: Path | None = None
    closed: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # tokens of input, by the id of the model that is asked
    refuses_to_count: ProviderError | None = None
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    clock: SkippingClock = field(default_factory=SkippingClock)

    def next_act(self, request: Request) -> Act:
        number = sum(1 for earlier in self.sent if earlier.model == request.model)
        self.sent.append(request)
        if self.ledger is not None:
            with suppress(OrchError), Ledger.open(self.ledger) as ledger:
                self.seen_in_ledger.append(find_run(ledger, "last"))
        acts = self.acts[request.model]
        return acts[min(number, len(acts) - 1)]


@dataclass(slots=True)
class ScriptedProvider:
    name: str
    script: Script

    async def complete(self, request: Request) -> Completion:
        act = self.script.next_act(request)
        if isinstance(act, Hang):
            await self._hang(act, request)
        if isinstance(act, Exception):
            raise act
        assert not isinstance(act, Hang | Pieces)
        return act if isinstance(act, Completion) else act(request)

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        act = self.script.next_act(request)
        if isinstance(act, ProviderError) and act.partial is not None:
            yield act.partial.text
        if isinstance(act, Exception):
            raise act
        if isinstance(act, Hang):
            yield "the first words"
            await self._hang(act, request)
        if isinstance(act, Pieces):
            for seconds, event in act.events:
                self.script.clock.skip(seconds)
                for _ in range(2):  # what was to happen meanwhile happens before
                    await asyncio.sleep(0)
                yield event
            await self._hang(TooLate(), request)
        assert not isinstance(act, Hang | Pieces)
        completion = act if isinstance(act, Completion) else act(request)
        for piece in re.findall(r"\S*\s*", completion.text)[:-1]:
            yield piece
        yield completion

    async def _hang(self, act: Hang, request: Request) -> None:
        self.script.hanging.set()
        if isinstance(act, TooLate):
            self.script.clock.skip(request.timeout_s)
        await asyncio.sleep(3600)

    async def count_input(self, request: Request) -> int | None:
        if self.script.refuses_to_count is not None:
            raise self.script.refuses_to_count
        return self.script.counts.get(request.model)

    def capabilities(self) -> Capabilities:
        return Capabilities(streaming=True, tools=True, json_schema=True, logprobs=True, stop=True)

    async def health_check(self) -> Health:
        return Health(True, 1, "scripted")

    def rate_limit_status(self) -> RateLimitStatus:
        return RateLimitStatus()

    async def aclose(self) -> None:
        self.script.closed += 1


@dataclass(slots=True)
class Stage:
    """An engine over a script, with a ledger in `folder`."""

    folder: Path
    script: Script
    environ: dict[str, str] = field(
        default_factory=lambda: {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}
    )

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    def engine(
        self,
        connect: Callable[[str], Provider] | None = None,
        opened: Ledger | None = None,
        *,
        clock: Clock = lambda: NOW,
        **settings: Any,
    ) -> Engine:
        loaded = load_settings(self.environ, ledger=self.ledger)
        self.script.ledger = self.ledger
        return Engine(
            replace(loaded, config_dir=self.folder, **settings),
            connect=connect or (lambda name: ScriptedProvider(name, self.script)),
            ledger=opened,
            clock=clock,
            monotonic=self.script.clock.monotonic,
            rng=random.Random(7),
        )

    def run(
        self,
        prompt: str | Prompt = "Which one is it?",
        *,
        observe: Observer = unobserved,
        system: str | None = None,
        **options: Any,
    ) -> OrchestrationResult:
        asked = prompt if isinstance(prompt, Prompt) else Prompt(prompt, system)
        running = self.engine().run(asked, replace(RunOptions(), **options), observe)
        return carry_out(running, self.script.clock)
