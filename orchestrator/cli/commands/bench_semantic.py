"""`orch bench --semantic-cache PAIRS`: what the semantic cache would do with pairs of one's own prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ...config import Settings
from ...deferred import dataclass, replace
from ...errors import UsageError
from ...lab.arrays import numpy
from ...lab.live import CATEGORY
from ...lab.semantic import GivenEmbeddings, PairsReport, Share, judged, read_pairs, report_on, texts_of
from ...money import format_nanousd
from ...reading.embedding import LOCAL, Embedder, local_embedder
from ...registry.embeddings import find_embedding
from ...registry.loading import registry_for
from ...registry.model import USUAL_THRESHOLD, EmbeddingModel, Registry
from ...run.embedding_run import Embedded
from ...run.engine import Engine
from ...run.events import Event, Note
from .. import render
from ..interrupts import Signals
from ..output import Output
from ..setup import cost_from
from ..tables import print_table


@dataclass(frozen=True, kw_only=True)
class PairsFlags:
    """The flag of `orch bench --semantic-cache`."""

    semantic_cache: Annotated[
        Path | None,
        typer.Option(
            metavar="PAIRS.jsonl[.gz]",
            help="How often the semantic cache would give a right and a wrong answer, by pairs of prompts.",
        ),
    ] = None
    embedding: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="What tells how near two prompts are: an embedding model such as text-embedding-3-small, which costs "
            "money, or local.",
            show_default=LOCAL,
        ),
    ] = None


def bench_pairs(path: Path, output: Output, settings: Settings, *, embedding: str | None, max_cost: str | None) -> int:
    """Print the figures. Raises UsageError for a file that cannot be read, ConfigError without the local model where it
    is needed, and what a run that asks a provider raises."""
    pairs, registry = read_pairs(path), registry_for(settings)
    asked, spent = None, dict[str, Any]()
    threshold = registry.embeddings[LOCAL].threshold if LOCAL in registry.embeddings else USUAL_THRESHOLD
    if embedding not in (None, LOCAL):
        asked = find_embedding(registry.embeddings, embedding)
        threshold = asked.threshold
    embedder: Embedder | None = None
    if texts := texts_of(pairs):
        if asked is None:
            embedder = local_embedder()
        else:
            embedder, spent = _embedded(texts, asked, settings, registry, max_cost)
    source = "as given in the pairs" if embedder is None else embedder.name
    report = report_on(judged(pairs, embedder), source, threshold)
    output.emit(report.to_dict() | spent)
    if not output.json:
        _print(report, threshold)
    return 0


def _embedded(
    texts: Sequence[str], model: EmbeddingModel, settings: Settings, registry: Registry, max_cost: str | None
) -> tuple[Embedder, dict[str, Any]]:
    """The embeddings by a provider's model, and what they cost, for the JSON."""
    if max_cost is None and not settings.simulate:
        raise UsageError(
            "embeddings cost money: say how much at most with --max-cost", hint="or try it with --simulate"
        )
    numpy()  # before anything is paid for
    cap = None if max_cost is None else cost_from(max_cost)
    options = replace(settings.run, category=CATEGORY, max_cost_nanousd=cap)
    embedded = Signals[Embedded]().run(Engine(settings, registry).embed(texts, model, options, _tell))
    cost = format_nanousd(embedded.cost_nanousd)
    render.say(f"{len(texts):,} prompts embedded by {model.spec.name} for {cost}, run {embedded.run_id}")
    source = f"{model.spec.provider}/{model.spec.id}"
    vectors = dict(zip(texts, embedded.vectors, strict=True))
    return GivenEmbeddings(source, vectors), {"run_id": embedded.run_id, "cost_nanousd": embedded.cost_nanousd}


def _tell(event: Event) -> None:
    if isinstance(event, Note) and event.loud:
        render.warn(event.text)


def _print(report: PairsReport, threshold: float) -> None:
    first = report.rows[0]
    render.line(
        f"{first.hits.of:,} pairs that ask the same, {first.false_hits.of:,} that do not; similarity: {report.source}"
    )
    render.line("")
    headings = ("from", "hits", "false hits", "by similarity alone")
    rows = [(f"{row.threshold:g}", _share(row.hits), _share(row.false_hits), _share(row.alone)) for row in report.rows]
    print_table(headings, rows, right=headings)
    render.line("")
    for text in _remarks(report, threshold):
        render.line(text)


def _share(share: Share) -> str:
    if not share.of:
        return "-"
    low, high = share.interval()
    return f"{share.number:,} ({share.number / share.of:.1%}) [{low:.1%}, {high:.1%}]"


def _remarks(report: PairsReport, threshold: float) -> Iterator[str]:
    if report.advised is None:
        yield "No threshold keeps false hits to 0.5 %: do not use the semantic cache for such prompts."
    else:
        usual = f"{threshold:g} unless models.yaml says otherwise under embeddings"
        yield f"Advised threshold: {report.advised:g}. It is {usual}."
    for title, examples in (("False hits", report.wrong), ("Missed", report.overlooked)):
        if examples:
            yield f"{title}, the most similar ones:"
        for each in examples:
            told = f": differs in {'; '.join(each.differs)}" if each.differs else ""
            yield f"  {each.similarity:.2f}  {each.pair.a} | {each.pair.b}{told}"
    if report.missed:
        counts = ", ".join(f"{name} {count:,}" for name, count in report.missed.items())
        yield f"Paraphrases that are missed, by the first thing that parts them: {counts}"
    yield "[low, high] are Wilson's 95 % intervals."
