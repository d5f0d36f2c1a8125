"""Whether a run uses the response cache, and what decides its answers besides what is asked."""

from __future__ import annotations

from functools import partial

from ..clock import Clock
from ..config import RunOptions, Settings
from ..registry.providers import PROVIDERS, setting
from .call.cache import AnswerCache, RunCache
from .events import Note, Observer


def run_cache(
    answers: AnswerCache, options: RunOptions, settings: Settings, run_id: str, observe: Observer, clock: Clock
) -> RunCache | None:
    """What a run that asks for the response cache has of it; None if no texts may be kept."""
    if not settings.log_text:
        text = "no answer is taken from the cache or kept in it: texts are not to be kept (ORCH_LOG_TEXT, log_text)"
        observe(Note(text, loud=True))
        return None
    client = None if options.served is None else options.served.key
    beside = partial(_answers_from, settings, client)
    return RunCache(answers, ttl_s=options.cache_s, run_id=run_id, beside=beside, observe=observe, clock=clock)


def _answers_from(settings: Settings, client: str | None, provider: str) -> list[str | None]:
    """Where a provider's answers come from: its address, or the simulator with its scenario. And for whom they are:
    a client with a key of its own is not told that another one has asked the same."""
    if settings.simulate:
        scenario = None if settings.scenario is None else settings.scenario.read_text(encoding="utf-8")
        return [client, provider, "simulator", scenario]
    info = PROVIDERS[provider]
    return [client, provider, setting(settings.environ, info.base_url_env) or info.base_url]
