"""Past costs worked out again: on real ledgers, with registries that differ in their prices."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import LedgerError, UsageError
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.store import Ledger
from orchestrator.money import OtherRates, Price, Rates
from orchestrator.registry.model import ModelSpec, Registry, Scores
from orchestrator.run.call.settlement import price_json
from orchestrator.types import Level
from orchestrator.upkeep import repricing
from orchestrator.upkeep.repricing import Repricing, Scope, reprice, undo

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = date(2026, 11, 21)


def tokens_at(dollars_in: str, dollars_out: str) -> Price:
    rates = Rates(Decimal(dollars_in), Decimal(dollars_out), cache_read=Decimal(dollars_in) / 10)
    return Price(date(2024, 1, 1), "the price list", DAY, rates)


def registry_of(**prices: Price | None) -> Registry:
    models = {
        name: ModelSpec(
            name=name,
            provider="acme",
            id=name,
            prices=() if price is None else (price,),
            context_window=1000,
            output_limit=1000,
            levels=(Level.BASIC,),
            scores=Scores(0.5, 0.5, 0.5, 0.5),
        )
        for name, price in prices.items()
    }
    return Registry(MappingProxyType(models), MappingProxyType({}))


def a_call(call_id: str, **columns: Any) -> CallRecord:
    base = CallRecord(
        call_id=call_id,
        run_id="R",
        created_at=NOW,
        day=DAY.isoformat(),
        provider="acme",
        model="small",
        provider_model="small",
        attempt=1,
        simulated=False,
        status=CallStatus.COMPLETED,
        cost_nanousd=7,
        cost_source=CostSource.USAGE,
        price="{}",
        input_tokens=1000,
        output_tokens=100,
        usage="{}",
        latency_ms=3_600_000,
    )
    return replace(base, **columns)


def written(ledger: Ledger, *calls: CallRecord) -> None:
    ledger.start_run(RunRecord("R", NOW, DAY.isoformat(), "fallback", "0" * 64, simulated=False, tags=("t", "u")))
    ledger.reserve(calls)


def rows(ledger: Ledger, table: str = "calls") -> list[tuple[Any, ...]]:
    return ledger.read(lambda connection: [tuple(row) for row in connection.execute(f"SELECT * FROM {table}")])


def costs(ledger: Ledger) -> dict[str, tuple[int | None, str]]:
    def read(connection: sqlite3.Connection) -> dict[str, tuple[int | None, str]]:
        found = connection.execute("SELECT call_id, cost_nanousd, cost_source FROM calls")
        return {row[0]: (row[1], row[2]) for row in found}

    return ledger.read(read)


def carried_out(ledger: Ledger, registry: Registry, *, dry_run: bool = False, **scope: Any) -> Repricing:
    wanted = replace(Scope(date(2026, 1, 1), simulated=False), **scope)
    return reprice(ledger, registry, wanted, at=NOW, describe=price_json, dry_run=dry_run)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_a_call_costs_what_the_registry_says_now(path: Path) -> None:
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1", cached_tokens=400))
        found = carried_out(ledger, registry_of(small=tokens_at("3", "15")))
        # 600 x 3 $ + 400 x 0.3 $ + 100 x 15 $, per million
        assert costs(ledger) == {"1": (1_800_000 + 120_000 + 1_500_000, "usage")}
    (change,) = found.models
    assert (change.calls, change.changed, change.before_nanousd, change.difference_nanousd) == (1, 1, 7, 3_419_993)


def test_what_a_call_was_recorded_as_is_kept_with_the_reason(path: Path) -> None:
    price = tokens_at("3", "15")
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1", price='{"start": "2024-01-01"}'))
        found = carried_out(ledger, registry_of(small=price))
        (kept,) = ledger.read(lambda connection: connection.execute("SELECT * FROM repricings").fetchall())
    assert dict(kept) == {
        "reprice_id": found.reprice_id,
        "call_id": "1",
        "at": 1_795_262_400_000_000,
        "undone_at": None,
        "old_cost_nanousd": 7,
        "old_cost_source": "usage",
        "old_price": '{"start": "2024-01-01"}',
        "new_cost_nanousd": 4_500_000,
        "new_cost_source": "usage",
        "new_price": price_json(price),
        "reason": "the price list, checked 2026-11-21",
    }


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param({"cost_nanousd": None, "cost_source": "unpriced"}, (4_500_000, "usage"), id="unpriced-counted"),
        pytest.param(
            {"cost_nanousd": None, "cost_source": "unpriced", "usage": None}, (4_500_000, "estimate"), id="uncounted"
        ),
        pytest.param({"cost_source": "estimate"}, (4_500_000, "estimate"), id="completed-by-estimated-tokens"),
        pytest.param({"status": "failed"}, (4_500_000, "usage"), id="failed-but-billed-by-usage"),
        pytest.param({"status": "failed", "cost_source": "estimate"}, (7, "estimate"), id="failed-at-its-worst-case"),
        pytest.param(
            {"status": "failed", "cost_nanousd": None, "cost_source": "unpriced"}, (None, "unpriced"), id="failed"
        ),
        pytest.param({"status": "interrupted", "cost_source": "estimate"}, (7, "estimate"), id="interrupted"),
        pytest.param({"status": "failed", "cost_nanousd": 0, "cost_source": "none"}, (0, "none"), id="not-billed"),
        pytest.param({"day": "2025-12-31"}, (7, "usage"), id="before-the-day"),
        pytest.param({"simulated": True}, (7, "usage"), id="simulated"),
        pytest.param({"model": "gone"}, (7, "usage"), id="not-in-the-registry"),
        pytest.param({"model": "nobody-knows"}, (7, "usage"), id="without-a-price-now"),
        pytest.param({"provider": "other"}, (7, "usage"), id="name-of-another-providers-model-now"),
        pytest.param({"model": "hosted"}, (2_000_000_000, "usage"), id="by-gpu-hour"),
    ],
)
def test_only_calls_that_are_priced_by_what_was_counted_change(
    path: Path, columns: dict[str, Any], expected: tuple[int | None, str]
) -> None:
    hosted = Price(date(2024, 1, 1), "mine", DAY, gpu_hour=Decimal(2))
    registry = registry_of(small=tokens_at("3", "15"), hosted=hosted, **{"nobody-knows": None})
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1", **columns))
        carried_out(ledger, registry)
        assert costs(ledger) == {"1": expected}


def test_the_price_is_that_of_the_time_of_the_call(path: Path) -> None:
    old, new = tokens_at("3", "15"), replace(tokens_at("1", "1"), start=date(2026, 11, 21))
    registry = registry_of(small=old)
    dated = replace(registry.models["small"], prices=(old, new))
    registry = Registry(MappingProxyType({"small": dated}), MappingProxyType({}))
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1", created_at=datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)), a_call("2"))
        carried_out(ledger, registry)
        assert costs(ledger) == {"1": (4_500_000, "usage"), "2": (1_100_000, "usage")}


def test_a_dry_run_tells_the_same_and_changes_nothing(path: Path) -> None:
    registry = registry_of(small=tokens_at("3", "15"))
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1"), a_call("2", model="gone"))
        before = rows(ledger)
        tried = carried_out(ledger, registry, dry_run=True)
        assert rows(ledger) == before
        assert rows(ledger, "repricings") == []
        assert tried.reprice_id is None
        assert tried.models == carried_out(ledger, registry).models


def test_pricing_again_by_the_same_prices_changes_nothing(path: Path) -> None:
    registry = registry_of(small=tokens_at("3", "15"))
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1"))
        carried_out(ledger, registry)
        before, kept = rows(ledger), rows(ledger, "repricings")
        again = carried_out(ledger, registry)
        assert (again.reprice_id, again.total.changed) == (None, 0)
        assert (rows(ledger), rows(ledger, "repricings")) == (before, kept)


def test_calls_are_taken_in_batches_and_none_is_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repricing, "BATCH", 3)
    with Ledger.open(path) as ledger:
        written(ledger, *(a_call(str(number), model="small" if number % 4 else "gone") for number in range(20)))
        before = rows(ledger)
        found = carried_out(ledger, registry_of(small=tokens_at("3", "15")))
        assert (found.total.calls, found.total.changed, found.total.without_price) == (20, 15, 5)
        assert undo(ledger, "last", at=NOW).total.changed == 15
        assert rows(ledger) == before


def test_the_counters_of_budgets_follow(path: Path) -> None:
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1"), a_call("2", cost_nanousd=None, cost_source=CostSource.UNPRICED))
        before = rows(ledger, "spending")
        carried_out(ledger, registry_of(small=tokens_at("3", "15")))
        settled = ledger.read(
            lambda connection: connection.execute("SELECT DISTINCT settled_nanousd FROM spending").fetchall()
        )
        assert [tuple(row) for row in settled] == [(9_000_000,)]
        undo(ledger, "last", at=NOW)
        assert rows(ledger, "spending") == before


def test_an_earlier_repricing_is_undone_after_the_later_one(path: Path) -> None:
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1"))
        first = carried_out(ledger, registry_of(small=tokens_at("3", "15"))).reprice_id
        later = reprice(
            ledger,
            registry_of(small=tokens_at("1", "1")),
            Scope(DAY, simulated=False),
            at=NOW.replace(hour=13),
            describe=price_json,
        ).reprice_id
        assert first is not None
        assert later is not None
        with pytest.raises(UsageError, match=f"priced again since, by {later}"):
            undo(ledger, first, at=NOW)
        undo(ledger, later.lower(), at=NOW)
        undo(ledger, first, at=NOW)
        assert costs(ledger) == {"1": (7, "usage")}
        with pytest.raises(UsageError, match="undone already"):
            undo(ledger, first, at=NOW)
        with pytest.raises(UsageError, match="no repricing to undo"):
            undo(ledger, "last", at=NOW)


@pytest.mark.parametrize("change", ["cost_nanousd = 99", "price = '[]'", "cost_source = 'estimate'"])
def test_what_another_process_changes_meanwhile_is_let_be(path: Path, change: str) -> None:
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1"))

        def describe(price: Price) -> str:  # between the reading and the writing
            ledger.write(lambda connection: connection.execute(f"UPDATE calls SET {change}"))
            return price_json(price)

        scope = Scope(DAY, simulated=False)
        found = reprice(ledger, registry_of(small=tokens_at("3", "15")), scope, at=NOW, describe=describe)
        assert (found.total.changed, rows(ledger, "repricings")) == (0, [])
        assert costs(ledger)["1"][0] in (7, 99)


def test_undoing_lets_be_what_was_changed_since(path: Path) -> None:
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1"), a_call("2"))
        carried_out(ledger, registry_of(small=tokens_at("3", "15")))
        ledger.write(lambda connection: connection.execute("UPDATE calls SET cost_nanousd = 99 WHERE call_id = '2'"))
        undone = undo(ledger, "last", at=NOW)
        assert (undone.total.calls, undone.total.changed) == (2, 1)
        assert costs(ledger) == {"1": (7, "usage"), "2": (99, "usage")}


def test_an_unknown_repricing_is_refused(path: Path) -> None:
    with Ledger.open(path) as ledger, pytest.raises(UsageError, match="no repricing '01XYZ'"):
        undo(ledger, "01XYZ", at=NOW)


_prices = (
    st.none()
    | st.builds(tokens_at, *(st.decimals(0, 1000, places=4).map(str),) * 2)
    | st.decimals(0, 100, places=3).map(lambda dollars: Price(date(2024, 1, 1), "mine", DAY, gpu_hour=dollars))
)
_calls = st.builds(
    lambda **columns: columns,
    model=st.sampled_from(["small", "large", "gone"]),
    status=st.sampled_from([CallStatus.COMPLETED, CallStatus.FAILED]),
    cost=st.one_of(st.none(), st.integers(0, 10**12)),
    source=st.sampled_from([CostSource.USAGE, CostSource.ESTIMATE]),
    price=st.sampled_from([None, "{}"]),
    usage=st.sampled_from([None, "{}"]),
    input_tokens=st.integers(500, 10**7),
    output_tokens=st.integers(0, 10**7),
    cached_tokens=st.integers(0, 250),
    cache_write_tokens=st.integers(0, 250),
    latency_ms=st.none() | st.integers(0, 10**8),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(_calls, max_size=8), first=_prices, second=_prices)
def test_repricing_and_undoing_it_restores_every_row_exactly(
    tmp_path: Path, calls: list[dict[str, Any]], first: Price | None, second: Price | None
) -> None:
    path = tmp_path / "property.db"
    path.unlink(missing_ok=True)
    with Ledger.open(path) as ledger:
        records = []
        for number, columns in enumerate(calls):
            cost, source = columns.pop("cost"), columns.pop("source")
            known = {"cost_nanousd": cost, "cost_source": CostSource.UNPRICED if cost is None else source}
            records.append(a_call(str(number), **columns, **known))
        ledger.start_run(RunRecord("R", NOW, DAY.isoformat(), "fallback", "0" * 64, simulated=False))
        if records:
            ledger.reserve(records)
        before = rows(ledger), rows(ledger, "spending")
        made = [carried_out(ledger, registry_of(small=price, large=price)).reprice_id for price in (first, second)]
        for reprice_id in reversed([reprice_id for reprice_id in made if reprice_id is not None]):
            undo(ledger, reprice_id, at=NOW)
        assert (rows(ledger), rows(ledger, "spending")) == before
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def test_what_was_free_or_set_at_its_worst_stays(path: Path) -> None:
    worst = {"cost_nanousd": 70, "reserved_nanousd": 70, "cost_source": CostSource.ESTIMATE}
    kept = [
        a_call("free", price='{"source": "free tier"}', cost_nanousd=0),
        a_call("thought", usage=None, **worst),
        a_call("not believed", usage='{"not_believed": {}}', cost_nanousd=None, cost_source=CostSource.UNPRICED),
    ]
    with Ledger.open(path) as ledger:
        written(ledger, *kept, a_call("paid"))
        found = carried_out(ledger, registry_of(small=tokens_at("3", "15")))
        assert costs(ledger) == {
            **{call.call_id: (call.cost_nanousd, str(call.cost_source)) for call in kept},
            "paid": (4_500_000, "usage"),
        }
    assert found.total.calls == 1


def test_the_price_is_that_of_the_moment_when_a_call_was_sent(path: Path) -> None:
    """It waited over midnight, and the price changed meanwhile."""
    later = replace(tokens_at("6", "30"), start=date(2026, 11, 22))
    registry = registry_of(small=tokens_at("3", "15"))
    spec = replace(registry.models["small"], prices=(*registry.models["small"].prices, later))
    registry = replace(registry, models=MappingProxyType({"small": spec}))
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1", sent_at=datetime(2026, 11, 22, 0, 1, tzinfo=UTC)))
        carried_out(ledger, registry)
        assert costs(ledger) == {"1": (9_000_000, "usage")}


def test_one_repricing_is_made_at_a_time(path: Path) -> None:
    """Of two that overlap, neither could be undone."""
    refused = []
    with Ledger.open(path) as ledger, Ledger.open(path) as other:
        written(ledger, a_call("1"), a_call("2"))

        def describe(price: Price) -> str:
            for again in (carried_out, lambda ledger, _: undo(ledger, "last", at=NOW)):
                with pytest.raises(LedgerError, match="another repricing") as error:
                    again(other, registry_of(small=tokens_at("1", "1")))
                refused.append(error.value.exit_code)
            return price_json(price)

        wanted = Scope(date(2026, 1, 1), simulated=False)
        reprice(ledger, registry_of(small=tokens_at("3", "15")), wanted, at=NOW, describe=describe)
        assert carried_out(other, registry_of(small=tokens_at("6", "30"))).total.changed == 2
    assert refused == [11] * 4


def test_the_last_repricing_is_the_one_made_last_whatever_the_clock_said(path: Path) -> None:
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1"))
        wanted = Scope(date(2026, 1, 1), simulated=False)
        for at, price in ((NOW.replace(year=2106), "3"), (NOW, "6")):
            reprice(ledger, registry_of(small=tokens_at(price, price)), wanted, at=at, describe=price_json)
        for cost in (3_300_000, 7):
            undo(ledger, "last", at=NOW)
            assert costs(ledger)["1"] == (cost, "usage")


def test_what_the_reply_said_of_its_price_is_what_a_call_is_priced_by_again(path: Path) -> None:
    fast = replace(tokens_at("3", "15"), service={"fast": OtherRates(Rates(Decimal(6), Decimal(30)))})
    with Ledger.open(path) as ledger:
        written(
            ledger,
            a_call("stated", usage='{"cost": 0.25}', cost_source=CostSource.PROVIDER, cost_nanousd=250_000_000),
            a_call("stated, unpriced", usage='{"cost": 0.25}', model="gone", cost_nanousd=None),
            a_call("fast", usage='{"speed": "fast"}'),
            a_call("a tier without rates", usage='{"service_tier": "flex"}', cost_source=CostSource.ESTIMATE),
            a_call("another model", usage='{"input_tokens": 1000}', raw_model="large"),
            a_call("at its worst", usage=None, cost_source=CostSource.ESTIMATE, cost_nanousd=9, reserved_nanousd=9),
        )
        carried_out(ledger, registry_of(small=fast, large=tokens_at("30", "150")))
        assert costs(ledger) == {
            "stated": (250_000_000, "provider"),
            "stated, unpriced": (250_000_000, "provider"),
            "fast": (9_000_000, "usage"),
            "a tier without rates": (4_500_000, "estimate"),
            "another model": (45_000_000, "usage"),
            "at its worst": (9, "estimate"),
        }


def test_a_ledger_from_before_a_cost_could_be_the_providers_takes_one(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (statement for version in MIGRATIONS[:7] for statement in version):
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with Ledger.open(path) as ledger:
        written(ledger, a_call("1", cost_source=CostSource.PROVIDER))
        assert costs(ledger) == {"1": (7, "provider")}
        with pytest.raises(LedgerError, match="CHECK"):
            ledger.write(lambda db: db.execute("UPDATE calls SET cost_source = 'hearsay'"))
        assert ledger.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"
