"""What `orch doctor` finds out of its own, without a process around it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from patience import PATIENCE_S
from scripted import Script, ScriptedProvider
from skipping import SkippingClock, carry_out

from orchestrator.errors import ConfigError
from orchestrator.providers.base import Endpoint, Health, Provider
from orchestrator.providers.catalog import connect
from orchestrator.registry.providers import PROVIDERS
from orchestrator.upkeep.diagnosis import (
    CONFIGURATION,
    ENDPOINTS,
    KEYS,
    LEDGER,
    Diagnosis,
    Probe,
    check_clock,
    check_endpoints,
    check_keys,
    check_network,
    check_time_zone,
    probe,
)
from orchestrator.upkeep.ledger_health import Check, CheckStatus

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CANARY = "sk-canary-5f0c2a"


def ending(*groups: str, status: CheckStatus = CheckStatus.ERROR) -> int:
    return Diagnosis(tuple((group, Check("x", status, "")) for group in groups), simulated=False).exit_code


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        pytest.param((), 0, id="nothing"),
        pytest.param((ENDPOINTS,), 6, id="endpoints"),
        pytest.param((ENDPOINTS, KEYS), 4, id="keys-before-endpoints"),
        pytest.param((ENDPOINTS, KEYS, LEDGER), 11, id="ledger-before-keys"),
        pytest.param((ENDPOINTS, KEYS, LEDGER, CONFIGURATION), 3, id="configuration-before-all"),
    ],
)
def test_the_first_group_with_an_error_decides_how_it_ends(groups: tuple[str, ...], code: int) -> None:
    assert ending(*groups) == code
    assert ending(*groups, status=CheckStatus.WARNING) == 0


def test_keys_are_named_and_never_shown() -> None:
    found = list(check_keys({"OPENAI_API_KEY": CANARY}, None))
    assert [check.name for check in found if check.status is CheckStatus.OK] == ["openai"]
    assert not [check for check in found if check.status is CheckStatus.ERROR]
    assert CANARY[:6] not in str(found)


def test_no_provider_at_all_is_an_error_and_so_is_the_one_that_was_asked_for() -> None:
    assert [check.name for check in check_keys({}, None) if check.status is CheckStatus.ERROR] == ["providers"]
    (asked,) = check_keys({"OPENAI_API_KEY": CANARY}, "anthropic")
    assert (asked.status, asked.detail) == (CheckStatus.ERROR, "ANTHROPIC_API_KEY is not set")


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        pytest.param({"OPENAI_API_KEY": "  \n"}, CheckStatus.WARNING, id="blank"),
        pytest.param({"OPENAI_API_KEY": f"{CANARY} {CANARY}"}, CheckStatus.ERROR, id="white-space"),
        pytest.param({"OPENAI_API_KEY": f"{CANARY}\u200b"}, CheckStatus.ERROR, id="hidden-character"),
        pytest.param({"OPENAI_API_KEY": f" {CANARY}\n"}, CheckStatus.OK, id="white-space-around"),
    ],
)
def test_a_key_that_cannot_be_one_is_told(environ: dict[str, str], status: CheckStatus) -> None:
    (check,) = (check for check in check_keys(environ, None) if check.name == "openai")
    assert check.status is status
    assert "OPENAI_API_KEY" in check.detail
    assert CANARY[:6] not in check.detail


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        pytest.param({"SSL_CERT_FILE": "/missing.pem"}, CheckStatus.ERROR, id="certificates"),
        pytest.param({"HTTPS_PROXY": "ftp://proxy", "OPENAI_API_KEY": CANARY}, CheckStatus.ERROR, id="proxy"),
        pytest.param({"HTTPS_PROXY": "ftp://proxy"}, CheckStatus.WARNING, id="proxy-of-nobody"),
        pytest.param(
            {"HTTPS_PROXY": "ftp://proxy", "OPENAI_API_KEY": CANARY, "NO_PROXY": "*"},
            CheckStatus.WARNING,
            id="proxy-not-needed",
        ),
        pytest.param({"HTTPS_PROXY": f"http://me:{CANARY}@proxy:3128"}, CheckStatus.OK, id="good-proxy"),
        pytest.param({"OLLAMA_BASE_URL": "localhost:11434/v1"}, CheckStatus.ERROR, id="base-url"),
        pytest.param({"VLLM_BASE_URL": f"http://me:{CANARY}@h/v1?a=1"}, CheckStatus.OK, id="good-base-url"),
        pytest.param({"OPENAI_ORG_ID": "org\n1"}, CheckStatus.ERROR, id="header"),
        pytest.param({"OPENAI_PROJECT_ID": "proj\n"}, CheckStatus.OK, id="good-header"),
    ],
)
def test_what_the_environment_says_of_the_network_is_looked_at(
    environ: dict[str, str], status: CheckStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)  # where the standard library looks for proxies
    (check,) = check_network(environ)
    assert (check.name, check.status) == (next(iter(environ)), status)
    assert CANARY not in check.detail


@dataclass
class Silent(ScriptedProvider):
    """Never answers a health check, and lets all the time for it pass as soon as another provider is closed."""

    async def health_check(self) -> Health:
        while not self.script.closed:  # noqa: ASYNC110  # a count has no event
            await asyncio.sleep(0)
        self.script.clock.skip(PATIENCE_S)
        await asyncio.sleep(PATIENCE_S)
        raise AssertionError("the time is up")


def probed(
    connect: Callable[[str], Provider], *names: str, clock: SkippingClock | None = None, timeout_s: float = PATIENCE_S
) -> dict[str, Health]:
    found = carry_out(probe(names, connect, lambda: NOW, timeout_s), clock or SkippingClock())
    return {one.provider: one.health for one in found}


def test_endpoints_are_asked_together_and_each_for_a_limited_time() -> None:
    script = Script({})
    kinds = {"google": Silent, "openai": ScriptedProvider}
    found = probed(lambda name: kinds[name](name, script), "google", "openai", clock=script.clock, timeout_s=300.0)
    assert {name: health.ok for name, health in found.items()} == {"openai": True, "google": False}
    assert found["google"].detail == "no answer within 300 s"
    assert script.closed == 2


def test_a_connection_that_cannot_be_made_is_what_was_found() -> None:
    def refuse(name: str) -> Provider:
        raise ConfigError("the base URL is no address", hint="it looks like https://api.example.com/v1")

    found = probed(refuse, "openai")["openai"]
    assert (found.ok, found.detail) == (False, "the base URL is no address (it looks like https://api.example.com/v1)")


@pytest.mark.parametrize("name", ["anthropic", "openai", "google"])
def test_a_port_that_nobody_listens_on_is_told_without_the_key(name: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://user:{CANARY}-in-url@127.0.0.1:{unused.getsockname()[1]}/v1"
        connection = connect(Endpoint(name, url, CANARY))
        found = asyncio.run(probe([name], lambda name: connection, lambda: NOW, PATIENCE_S))
    (check,) = check_endpoints(found, {PROVIDERS[name].base_url_env: url})
    assert check.status is CheckStatus.ERROR
    assert "could not connect" in check.detail
    assert "at http://127.0.0.1:" in check.detail
    assert CANARY not in check.detail


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        pytest.param(0, CheckStatus.OK, id="the-same"),
        pytest.param(60, CheckStatus.OK, id="as-far-as-it-may-be"),
        pytest.param(61, CheckStatus.WARNING, id="ahead"),
        pytest.param(-7200, CheckStatus.WARNING, id="behind"),
    ],
)
def test_a_clock_that_is_off_is_told(seconds: int, status: CheckStatus) -> None:
    here = NOW + timedelta(seconds=seconds)
    assert check_clock([Probe("openai", Health(True, 1, "", NOW), here)]).status is status


def test_the_server_that_agrees_best_counts() -> None:
    wrong = Probe("openai", Health(True, 1, "", NOW - timedelta(days=1)), NOW)
    right = Probe("google", Health(False, 1, "", NOW), NOW)
    assert check_clock([wrong, right]).detail == "within 0 s of google's"
    assert check_clock([replace(right, health=Health(False, 1, ""))]).status is CheckStatus.SKIPPED


@pytest.mark.parametrize(
    ("zone", "now", "detail"),
    [
        pytest.param(
            "Europe/Vienna",
            NOW,
            "CET, UTC+01:00; the clocks change to UTC+02:00 at 2027-03-28 03:00",
            id="to-summer",
        ),
        pytest.param(
            "America/St_Johns",
            datetime(2026, 7, 1, tzinfo=UTC),
            "NDT, UTC-02:30; the clocks change to UTC-03:30 at 2026-11-01 01:00",
            id="to-winter",
        ),
        pytest.param("Asia/Tokyo", NOW, "JST, UTC+09:00; no change of the clocks within a year", id="never"),
    ],
)
def test_the_time_zone_is_told_with_its_next_change(zone: str, now: datetime, detail: str) -> None:
    assert check_time_zone(now, lambda utc: utc.astimezone(ZoneInfo(zone))).detail == detail
