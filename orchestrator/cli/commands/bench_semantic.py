"""`orch bench --semantic-cache PAIRS`: what the semantic cache would do with pairs of one's own prompts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ...deferred import dataclass
from ...lab.semantic import PairsReport, Share, judged, read_pairs, report_on
from ...reading.embedding import local_embedder
from ...registry.model import USUAL_THRESHOLD
from .. import render
from ..output import Output
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


def bench_pairs(path: Path, output: Output) -> int:
    """Print the figures. Raises UsageError for a file that cannot be read, ConfigError without the local model where it
    is needed."""
    pairs = read_pairs(path)
    embedder = None if all(pair.similarity is not None for pair in pairs) else local_embedder()
    source = "as given in the pairs" if embedder is None else embedder.name
    report = report_on(judged(pairs, embedder), source, USUAL_THRESHOLD)
    output.emit(report.to_dict())
    if not output.json:
        _print(report)
    return 0


def _print(report: PairsReport) -> None:
    first = report.rows[0]
    render.line(
        f"{first.hits.of:,} pairs that ask the same, {first.false_hits.of:,} that do not; similarity: {report.source}"
    )
    render.line("")
    headings = ("from", "hits", "false hits", "by similarity alone")
    rows = [(f"{row.threshold:g}", _share(row.hits), _share(row.false_hits), _share(row.alone)) for row in report.rows]
    print_table(headings, rows, right=headings)
    render.line("")
    for text in _remarks(report):
        render.line(text)


def _share(share: Share) -> str:
    if not share.of:
        return "-"
    low, high = share.interval()
    return f"{share.number:,} ({share.number / share.of:.1%}) [{low:.1%}, {high:.1%}]"


def _remarks(report: PairsReport) -> Iterator[str]:
    if report.advised is None:
        yield "No threshold keeps false hits to 0.5 %: do not use the semantic cache for such prompts."
    else:
        usual = f"{USUAL_THRESHOLD:g} unless models.yaml says otherwise under embeddings"
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
