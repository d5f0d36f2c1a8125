"""Many runs through one engine: as many at a time as there may be, within one cap and one deadline."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from scripted import SURE, Hang, Script, Stage, reply
from skipping import SkippingClock, carry_out

from orchestrator.config import BreakerPolicy, RetryPolicy, RunOptions
from orchestrator.errors import OverloadedError, RateLimitedError, RequestRejectedError, UsageError
from orchestrator.ledger.batches import place_of, run_id_of
from orchestrator.ledger.budgets import Budget, Scope, set_budgets
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.run.events import CallEnded, CallStarted, Waiting
from orchestrator.run.many import Bounds, Many, ManyResult, Questions, ToAsk
from orchestrator.run.spending import SpendingLimit
from orchestrator.run.throttle import Throttle
from orchestrator.types import Prompt

MODEL = "gpt-6-luna"
OPTIONS = RunOptions(chain=MODEL, max_tokens=20)
DOWN = OverloadedError("down", provider="openai", model=MODEL)
REJECTED = RequestRejectedError("rejected", provider="openai", model=MODEL)


def stage(tmp_path: Path, *acts: Any) -> Stage:
    return Stage(tmp_path, Script({MODEL: acts or (reply(SURE),)}))


def many(found: Stage, questions: Questions, options: RunOptions = OPTIONS, **bounds: Any) -> list[ManyResult]:
    """All results, in the order in which they come."""

    async def take() -> list[ManyResult]:
        return [each async for each in found.engine().run_many(questions, options, **bounds)]

    return carry_out(take(), found.script.clock)


def codes(results: list[ManyResult]) -> Counter[str]:
    return Counter("answered" if each.error is None else each.error.code for each in results)


def test_results_come_in_order_if_wanted_from_whatever_gives_questions(tmp_path: Path) -> None:
    async def given() -> AsyncIterator[str]:
        for number in range(20):
            yield f"What is {number}?"

    results = many(stage(tmp_path), given(), ordered=True)
    assert [each.index for each in results] == list(range(20))
    assert codes(results) == {"answered": 20}
    said = [Prompt("a"), [{"role": "user", "content": "b"}], ToAsk(Prompt("c"), mark=7), [{"role": "none"}]]
    results = many(stage(tmp_path), said, ordered=True)  # type: ignore[arg-type]
    assert [each.error is None for each in results] == [True, True, True, False]
    assert results[2].question.mark == 7


def test_the_error_of_one_is_in_its_result_and_after_too_many_no_other_is_asked(tmp_path: Path) -> None:
    found = stage(tmp_path, reply(SURE), REJECTED, REJECTED, reply(SURE))
    results = many(found, map(str, range(9)), concurrency=1, max_errors=2)
    assert codes(results) == {"answered": 1, "request_rejected": 2, "not_asked": 6}
    assert [each.asked for each in results].count(False) == 6
    assert len(found.script.sent) == 3


def test_a_cap_for_all_is_spent_and_not_exceeded(tmp_path: Path) -> None:
    found = stage(tmp_path)
    (one,) = many(found, ["What is it?"])
    cost = one.result.cost_nanousd or 0
    results = many(found, ["What is it?"] * 20, max_cost=f"{cost * 12.5 / 1e9:.9f}")
    spent = sum(each.result.cost_nanousd or 0 for each in results)
    assert codes(results)["budget"] == 20 - codes(results)["answered"]
    assert 8 * cost <= spent <= cost * 12.5


def test_a_budget_that_others_hold_is_waited_for_and_stops_all_once_it_is_spent(tmp_path: Path) -> None:
    found = stage(tmp_path)
    cost = many(found, ["What is it?"])[0].result.cost_nanousd or 0
    with Ledger.open(found.ledger) as ledger:
        budget = Budget(Period.DAY, Scope.ALL, "", cost * 16)
        ledger.write(lambda connection: set_budgets(connection, [budget]))
    results = many(found, ["What is it?"] * 20)
    answered = codes(results)["answered"]
    assert 5 <= answered <= 15
    assert codes(results) == {"answered": answered, "budget": 20 - answered}
    assert not any(each.asked for each in results if each.error is not None)


def test_at_the_deadline_none_begins_and_none_goes_on(tmp_path: Path) -> None:
    def answer_late(_: object) -> Any:
        found.script.clock.skip(40)
        return reply(SURE)

    found = stage(tmp_path, answer_late)
    results = many(found, map(str, range(6)), concurrency=1, deadline=100)
    assert codes(results) == {"answered": 3, "not_asked": 3}


def test_a_provider_that_is_down_for_a_while_costs_no_answer_where_there_is_patience(tmp_path: Path) -> None:
    found = stage(tmp_path, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, reply(SURE))

    async def take() -> list[ManyResult]:
        bounds = Bounds(concurrency=1, pauses_s=(0.01,) * 9)
        engine = found.engine(retry=RetryPolicy(max_retries=0), breaker=BreakerPolicy(failures=0))
        return [each async for each in Many(engine, map(str, range(3)), OPTIONS, bounds, SpendingLimit(None))]

    assert codes(carry_out(take(), found.script.clock)) == {"answered": 3}
    assert len(found.script.sent) == 9


def test_leaving_the_loop_cancels_and_settles_what_is_in_flight(tmp_path: Path) -> None:
    found = stage(tmp_path, reply(SURE), Hang())

    async def take_one() -> None:
        asking = found.engine().run_many(map(str, range(100)), OPTIONS, concurrency=4)
        async for _ in asking:
            await found.script.hanging.wait()
            break
        await asking.aclose()

    carry_out(take_one(), found.script.clock)
    with sqlite3.connect(found.ledger) as db:
        by_status = dict(db.execute("SELECT status, count(*) FROM runs GROUP BY status"))
        assert db.execute("SELECT count(*) FROM calls WHERE ended_at IS NULL").fetchone() == (0,)
    db.close()
    assert by_status["complete"] == 1
    assert 1 <= by_status["interrupted"] <= 4


def test_the_source_is_read_only_as_far_as_there_is_room(tmp_path: Path) -> None:
    found, read = stage(tmp_path), [0]

    def questions() -> Any:
        for number in range(100_000):
            read[0] = number
            yield str(number)

    async def take_some() -> None:
        asking = found.engine().run_many(questions(), OPTIONS, concurrency=2)
        async for each in asking:
            if each.index >= 5:
                break
        await asking.aclose()

    carry_out(take_some(), found.script.clock)
    assert read[0] < 1_100


def test_a_bound_that_is_none_is_refused(tmp_path: Path) -> None:
    engine = stage(tmp_path).engine()
    with pytest.raises(UsageError, match="concurrency must be at least 1"):
        engine.run_many([], OPTIONS, concurrency=0)


# -- the throttle ------------------------------------------------------------------------------------------------------


def test_runs_begin_as_fast_as_others_end_and_half_as_many_after_a_refusal() -> None:
    async def play() -> list[int]:
        clock, held = SkippingClock(), []
        throttle = Throttle(None, clock.monotonic)
        for _ in range(100):
            while throttle.in_flight < throttle.limit:
                held.append(await throttle.enter())
                held[-1](CallStarted("c", MODEL, 1))
            held.pop(0).leave(well=True)
        limits = [throttle.limit]
        for run in held[:3]:
            run(CallEnded("c", MODEL, RateLimitedError.code, 1, 0))
        limits.append(throttle.limit)
        clock.skip(2)
        held[0](CallEnded("c", MODEL, RateLimitedError.code, 1, 0))
        return [*limits, throttle.limit]

    grown, halved, again = asyncio.run(play())
    assert (grown, halved, again) == (116, 57, 28)


def test_while_one_waits_for_its_slot_no_other_begins() -> None:
    async def play() -> None:
        throttle = Throttle(100)
        first, second = await throttle.enter(), await throttle.enter()
        second(Waiting(MODEL, 60.0, "its limit per minute", 1))
        third = asyncio.ensure_future(throttle.enter())
        await asyncio.sleep(0)
        first.leave(well=True)
        await asyncio.sleep(0)
        assert not third.done()
        assert throttle.waits_for is not None
        second(CallStarted("c", MODEL, 1))
        await third
        assert throttle.waits_for is None

    asyncio.run(play())


@pytest.mark.parametrize(("number", "attempt"), [(1, 0), (200_000, 3), (2**38 - 1, 4095)])
def test_the_id_of_a_run_says_which_line_it_was_for(number: int, attempt: int) -> None:
    run_id = run_id_of("01K9ZZZZZZZZZZZZZZZZZZZZZZ", number, attempt)
    assert (len(run_id), place_of(run_id)) == (26, (number, attempt))
    assert run_id > run_id_of("01K9ZZZZZZZZZZZZZZZZZZZZZZ", number - 1, 4095)
