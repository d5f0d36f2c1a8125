"""Whether a run uses the response cache, and the semantic one, and what decides its answers besides what is asked."""

from __future__ import annotations

from functools import partial

from ..choose.making import Planned
from ..clock import Clock
from ..config import RunOptions, Settings
from ..config.ages import USUAL_S
from ..registry.model import USUAL_THRESHOLD, Registry
from ..registry.providers import PROVIDERS, setting
from .call.cache import AnswerCache, RunCache
from .call.semantic import Semantic
from .events import Note, Observer


def run_cache(
    answers: AnswerCache,
    planned: Planned,
    registry: Registry,
    settings: Settings,
    run_id: str,
    observe: Observer,
    clock: Clock,
) -> RunCache | None:
    """What a run has of the response cache; None if it does not ask for it, or no texts may be kept."""
    options = planned.options
    ttl_s = _age_s(options)
    if not ttl_s:
        return None
    if not settings.log_text:
        text = "no answer is taken from the cache or kept in it: texts are not to be kept (ORCH_LOG_TEXT, log_text)"
        observe(Note(text, loud=True))
        return None
    client = None if options.served is None else options.served.key
    beside = partial(_answers_from, settings, client)
    cache = RunCache(answers, ttl_s=ttl_s, run_id=run_id, beside=beside, observe=observe, clock=clock)
    if options.semantic_cache:
        cache.unsuited = _unsuited(planned)
        cache.semantic = None if cache.unsuited else _semantic(answers, planned, registry)
    return cache


def _age_s(options: RunOptions) -> float:
    """How old an answer may be, in seconds. The semantic cache alone means a day; what was turned off is off."""
    if options.cache_s or not options.semantic_cache or "cache_s" in options.given:
        return options.cache_s
    return USUAL_S


def _unsuited(planned: Planned) -> str:
    """Why the semantic cache is not for a question; empty if it stands alone, is of a kind that was asked for, and is
    no long text."""
    from ..paraphrase.agreement import MOST_CHARS  # few runs need it

    prompt, options, task = planned.prompt, planned.options, planned.analysis.task
    if task not in options.semantic_cache:
        return f"it is asked for {', '.join(options.semantic_cache)}, and the prompt is taken for {task}"
    if not prompt.is_alone or options.tools:
        return "it is for questions that stand alone: no conversation, no images and no tools"
    if len(prompt.asked) > MOST_CHARS:
        return f"the prompt has more than {MOST_CHARS:,} characters"
    return ""


def _semantic(answers: AnswerCache, planned: Planned, registry: Registry) -> Semantic:
    from ..reading.embedding import LOCAL, LocalEmbedder  # few runs need any of it
    from ..registry.embeddings import find_embedding

    prompt, options = planned.prompt, planned.options
    if options.embedding == LOCAL:
        own = registry.embeddings.get(LOCAL)
        threshold = USUAL_THRESHOLD if own is None else own.threshold
        return Semantic(prompt.asked, LocalEmbedder.name, threshold, None, answers.search)
    model = find_embedding(registry.embeddings, options.embedding)
    source = f"{model.spec.provider}/{model.spec.id}/{model.dimensions or ''}"
    return Semantic(prompt.asked, source, model.threshold, model, answers.search)


def _answers_from(settings: Settings, client: str | None, provider: str) -> list[str | None]:
    """Where a provider's answers come from: its address, or the simulator with its scenario. And for whom they are:
    a client with a key of its own is not told that another one has asked the same."""
    if settings.simulate:
        scenario = None if settings.scenario is None else settings.scenario.read_text(encoding="utf-8")
        return [client, provider, "simulator", scenario]
    info = PROVIDERS[provider]
    return [client, provider, setting(settings.environ, info.base_url_env) or info.base_url]
