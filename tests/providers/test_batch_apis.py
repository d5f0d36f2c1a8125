"""The batch APIs, over the providers' own SDKs and a simulator that speaks all three."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.billing import bill
from orchestrator.config import load_settings
from orchestrator.errors import BatchEndedError, OrchError, OutcomeUnknownError, ProviderError, RateLimitedError
from orchestrator.providers.batches import (
    Asked,
    BatchClient,
    BatchItem,
    BatchResult,
    BatchState,
    BatchStatus,
    BrokenLineError,
    Ending,
    batches_of,
)
from orchestrator.providers.catalog import simulated
from orchestrator.registry.loading import registry_for
from orchestrator.simulator.app import App, create_app
from orchestrator.simulator.scenario import Fault, FaultKind, Rule, Scenario, When
from orchestrator.simulator.transport import SimulatorTransport
from orchestrator.types import Message, Request

MODELS = {"anthropic": "claude-haiku-4-5", "openai": "gpt-5-mini", "google": "gemini-2.5-flash"}
MARK = "01JBATCH"
every_api = pytest.mark.parametrize("provider", MODELS)


def specs() -> dict[str, object]:
    return dict(registry_for(load_settings({})).models)


def simulator(*rules: Rule, folder: Path | None = None) -> App:
    return create_app(registry_for(load_settings({})).models.values(), Scenario(rules), folder=folder)


def rule(kind: FaultKind, when: When | None = None, **facts: object) -> Rule:
    return Rule(Fault(kind, **facts), when=when or When())  # type: ignore[arg-type]


@asynccontextmanager
async def client(app: App, provider: str) -> AsyncIterator[BatchClient]:
    connection = simulated(provider, SimulatorTransport(app))
    found = batches_of(connection)
    assert found is not None
    try:
        yield found
    finally:
        await connection.aclose()


def items(api: BatchClient, provider: str, count: int = 4) -> list[BatchItem]:
    model = MODELS[provider]
    return [
        BatchItem(
            f"call-{n}", api.body(Request(model, (Message("user", f"What is {n} + {n}?"),), 600, system="Be brief."))
        )
        for n in range(count)
    ]


async def ended(api: BatchClient, status: BatchStatus) -> BatchStatus:
    while not status.state.is_over:
        status = await api.status(status.id)
    return status


async def submitted(api: BatchClient, provider: str, count: int = 4) -> BatchStatus:
    return await ended(api, await api.submit(MODELS[provider], MARK, items(api, provider, count)))


async def results(api: BatchClient, status: BatchStatus) -> list[BatchResult | BrokenLineError]:
    return [result async for result in api.results(status)]


@every_api
def test_a_batch_is_answered_out_of_order_and_billed_at_the_price_of_batches(provider: str) -> None:
    app, model = simulator(), MODELS[provider]

    async def main() -> None:
        async with client(app, provider) as api:
            found = await results(api, await submitted(api, provider, 101))
            assert all(isinstance(each, BatchResult) for each in found)
            by_id = {each.custom_id: each for each in found if isinstance(each, BatchResult)}
            assert len(by_id) == len(found) == 101
            assert [each.custom_id for each in found if isinstance(each, BatchResult)] != sorted(by_id)
            price = registry_for(load_settings({})).model(model).price_at(datetime.now(UTC))
            assert price is not None
            billed = {entry.custom_id: entry for entry in app.journal.entries if entry.batch}
            for n in (0, 7, 100):
                kept = BatchResult.from_text(f"call-{n}", by_id[f"call-{n}"].as_text())
                completion = api.read(kept, Asked(model, 600))
                assert str(2 * n) in completion.text
                usage, entry = completion.usage, billed[f"call-{n}"]
                assert usage is not None
                assert (usage.input_tokens, usage.output_tokens) == (entry.input_tokens, entry.output_tokens)
                exact = bill(price, usage)
                half = bill(price.by_batch(), type(usage)(usage.input_tokens, usage.output_tokens))
                assert exact.nanousd == half.nanousd
                assert exact.doubts == ()

    asyncio.run(main())


@every_api
def test_a_submission_whose_reply_was_lost_is_found_again_by_its_mark_or_its_results(provider: str) -> None:
    app = simulator(rule(FaultKind.BATCH_UNANSWERED, When(first=1)))

    async def main() -> None:
        async with client(app, provider) as api:
            since = datetime.now(UTC) - timedelta(minutes=1)
            assert await api.find(MARK, 4, since) == []
            with pytest.raises(OutcomeUnknownError):
                await submitted(api, provider)
            (found,) = await api.find(MARK, 4, since)
            assert found.mark == (None if provider == "anthropic" else MARK)
            answered = await results(api, await ended(api, found))
            assert {each.custom_id for each in answered if isinstance(each, BatchResult)} == {
                f"call-{n}" for n in range(4)
            }
            assert await api.find("another mark", 3, since) == []

    asyncio.run(main())


@every_api
@pytest.mark.parametrize("ending", [Ending.EXPIRED, Ending.CANCELLED])
def test_of_a_batch_that_ended_early_the_rest_was_not_carried_out(provider: str, ending: Ending) -> None:
    expired = rule(FaultKind.BATCH_EXPIRED, share=0.5)
    app = simulator(*([expired] if ending is Ending.EXPIRED else [rule(FaultKind.BATCH_SLOW, looks=9)]))

    async def main() -> None:
        async with client(app, provider) as api:
            status = await api.submit(MODELS[provider], MARK, items(api, provider))
            if ending is Ending.CANCELLED:
                await api.cancel(status.id)
            status = await ended(api, status)
            outcomes: dict[str, str] = {f"call-{n}": status.rest or "lost" for n in range(4)}
            for each in await results(api, status):
                assert isinstance(each, BatchResult)
                outcomes[each.custom_id] = each.ending
                if each.ending is not Ending.REPLIED:
                    with pytest.raises(BatchEndedError):
                        api.read(each, Asked(MODELS[provider], 600))
            assert sorted(outcomes.values()) == sorted([Ending.REPLIED] * 2 + [ending] * 2)
            assert sum(entry.batch == status.id for entry in app.journal.entries) == 2

    asyncio.run(main())


@every_api
def test_requests_that_failed_have_the_error_that_a_live_call_would_have(provider: str) -> None:
    app = simulator(rule(FaultKind.RATE_LIMITED, When(nth=2)), rule(FaultKind.REFUSED, When(nth=3)))

    async def main() -> None:
        async with client(app, provider) as api:
            outcomes = []
            for each in await results(api, await submitted(api, provider)):
                assert isinstance(each, BatchResult)
                try:
                    api.read(each, Asked(MODELS[provider], 600))
                    outcomes.append("answered")
                except ProviderError as error:
                    outcomes.append(error.code)
            assert sorted(outcomes) == ["answered", "answered", "rate_limited", "refused"]

    asyncio.run(main())


def _failed(status: BatchStatus) -> OrchError | None:
    return status.failure


@pytest.mark.parametrize("provider", ["openai", "google"])  # Anthropic's fail request by request
def test_a_batch_that_failed_as_a_whole_says_why(provider: str) -> None:
    async def main() -> None:
        async with client(simulator(rule(FaultKind.BATCH_FAILED)), provider) as api:
            status = await submitted(api, provider)
            assert status.state is BatchState.FAILED
            assert isinstance(_failed(status), RateLimitedError)

    asyncio.run(main())


SPOILED: dict[FaultKind, Callable[[list[BatchResult | BrokenLineError]], bool]] = {
    FaultKind.BATCH_DUPLICATES: lambda found: len(found) == 6,
    FaultKind.BATCH_BROKEN_LINE: lambda found: sum(isinstance(each, BrokenLineError) for each in found) == 1,
    FaultKind.BATCH_LOST_LINE: lambda found: len(found) == 3,
}


@pytest.mark.parametrize("kind", SPOILED)
def test_results_that_are_spoiled_are_given_as_they_are(kind: FaultKind) -> None:
    async def main() -> None:
        async with client(simulator(rule(kind)), "anthropic") as api:
            assert SPOILED[kind](await results(api, await submitted(api, "anthropic")))

    asyncio.run(main())


@every_api
def test_a_server_that_was_started_again_has_its_batches_and_its_journal(provider: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with client(simulator(rule(FaultKind.BATCH_SLOW, looks=1), folder=tmp_path), provider) as api:
            status = await api.submit(MODELS[provider], MARK, items(api, provider))
        async with client(simulator(folder=tmp_path), provider) as api:
            assert len(await results(api, await ended(api, await api.status(status.id)))) == 4
        assert [entry.batch for entry in simulator(folder=tmp_path).journal.entries] == [status.id] * 4

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "code"), [(400, "request_rejected"), (401, "authentication"), (429, "rate_limited")]
)
@every_api
def test_a_submission_that_is_refused_has_the_providers_error(provider: str, status: int, code: str) -> None:
    async def main() -> None:
        async with client(simulator(rule(FaultKind.BATCH_REFUSED, status=status)), provider) as api:
            with pytest.raises(ProviderError) as caught:
                await submitted(api, provider)
            assert (caught.value.code, caught.value.billed) == (code, "no")

    asyncio.run(main())
