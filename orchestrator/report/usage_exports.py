"""Providers' usage exports, read into one form: lines of day, model, tokens and cost. docs/reconcile.md lists them.

A format is recognised by its columns (CSV) or keys (JSON), whatever their order and case; where rows of something else
stand before the header, as in a spreadsheet made for people, they are passed over. Tokens are brought to the convention
of `types.Usage`: input includes what was read from and written to the cache, output includes reasoning.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from ..decoding import not_utf8
from ..deferred import dataclass
from ..errors import UsageError, did_you_mean
from . import usage_lines
from .usage_lines import Cells, UsageLine

_HEADER_WITHIN = 50  # rows: what stands before the header is short
_DELIMITERS = (",", "\t", ";")
_WORDS = frozenset({"day", "model", "kind", "item", "currency", "sku", "unit"})  # fields that are no numbers


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """A table. `columns` gives the names that each of our fields may have, in lower case; `needs`, the fields without
    which it is not this format, as alternatives of each."""

    name: str
    provider: str | None
    columns: Mapping[str, tuple[str, ...]]
    needs: tuple[tuple[str, ...], ...]
    read: Callable[[Cells], UsageLine | None]

    def places(self, header: Sequence[str]) -> dict[str, int] | None:
        """Where each field stands in a row, or None if this is not the header of such a table."""
        folded = [" ".join(name.split()).casefold() for name in header]
        places = {
            field: folded.index(found)
            for field, names in self.columns.items()
            if (found := next((name for name in names if name in folded), None)) is not None
        }
        fits = all(any(field in places for field in either) for either in self.needs)
        return places if fits else None

    @property
    def wanted(self) -> str:
        return ", ".join(" or ".join(self.columns[field][0] for field in either) for either in self.needs)


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """Pages of `data`, a list of time buckets that start at `start`, each with a list of `results` that hold `key`."""

    name: str
    provider: str
    start: str
    key: str
    read: Callable[[Mapping[str, Any], object], UsageLine]


CSV_FORMATS = (
    CsvFormat(
        "anthropic-usage-csv",
        "anthropic",
        {
            "day": ("usage_date_utc",),
            "model": ("model_version", "model"),
            "uncached": ("usage_input_tokens_no_cache",),
            "written": ("usage_input_tokens_cache_write",),
            "written_5m": ("usage_input_tokens_cache_write_5m",),
            "written_1h": ("usage_input_tokens_cache_write_1h",),
            "cached": ("usage_input_tokens_cache_read",),
            "output": ("usage_output_tokens",),
        },
        (("day",), ("model",), ("uncached",), ("output",)),
        usage_lines.parts_of_input,
    ),
    CsvFormat(
        "anthropic-cost-csv",
        "anthropic",
        {
            "day": ("usage_date_utc",),
            "model": ("model", "model_version"),
            "kind": ("cost_type", "token_type"),
            "cost": ("cost_usd",),
        },
        (("day",), ("model",), ("cost",)),
        usage_lines.whole_input,
    ),
    CsvFormat(
        "openai-costs-csv",
        "openai",
        {
            "day": ("start_time_iso", "start_time"),
            "item": ("line_item",),
            "cost": ("amount_value",),
            "currency": ("amount_currency",),
        },
        (("day",), ("item",), ("cost",)),
        usage_lines.line_item,
    ),
    CsvFormat(
        "openai-usage-csv",
        "openai",
        {
            "day": ("start_time_iso", "start_time"),
            "model": ("model",),
            "input": ("input_tokens",),
            "cached": ("input_cached_tokens",),
            "output": ("output_tokens",),
        },
        (("day",), ("model",), ("input",), ("output",)),
        usage_lines.whole_input,
    ),
    CsvFormat(
        "google-billing-csv",
        "google",
        {
            "day": ("usage start date", "usage_start_date", "usage_start_time", "usage start time", "date"),
            "sku": ("sku description", "sku_description", "sku.description", "sku"),
            "amount": ("usage amount", "usage_amount", "usage.amount", "usage"),
            "unit": ("usage unit", "usage_unit", "usage.unit"),
            "cost": (
                *("unrounded cost ($)", "unrounded subtotal ($)", "unrounded subtotal", "unrounded cost"),
                *("cost ($)", "subtotal ($)", "cost", "subtotal"),
            ),
            "currency": ("currency",),
        },
        (("day",), ("sku",), ("cost",)),
        usage_lines.sku,
    ),
    CsvFormat(
        "openrouter-activity-csv",
        "openrouter",
        {
            "day": ("created_at",),
            "model": ("model_permaslug", "model"),
            "input": ("tokens_prompt",),
            "output": ("tokens_completion",),
            "cached": ("tokens_cached",),
            "cost": ("cost_total",),
            "own_key": ("byok_usage_inference",),
        },
        (("day",), ("model",), ("input",), ("output",), ("cost",)),
        usage_lines.generation,
    ),
    CsvFormat(
        "csv",
        None,
        {
            "day": ("day", "date"),
            "model": ("model", "model name", "model_name"),
            "input": ("input_tokens", "input tokens", "prompt_tokens", "prompt tokens"),
            "output": ("output_tokens", "output tokens", "completion_tokens", "completion tokens"),
            "cached": ("cached_tokens", "cached tokens", "cached_input_tokens", "cached input tokens"),
            "cost": ("cost", "cost_usd", "cost ($)", "cost (usd)"),
            "currency": ("currency",),
        },
        (("day",), ("model",), ("input", "output", "cost")),
        usage_lines.whole_input,
    ),
)

JSON_FORMATS = (
    JsonFormat(
        "anthropic-usage-json", "anthropic", "starting_at", "uncached_input_tokens", usage_lines.anthropic_usage
    ),
    JsonFormat("anthropic-cost-json", "anthropic", "starting_at", "amount", usage_lines.anthropic_cost),
    JsonFormat("openai-usage-json", "openai", "start_time", "input_tokens", usage_lines.openai_usage),
    JsonFormat("openai-costs-json", "openai", "start_time", "amount", usage_lines.openai_cost),
)

FORMAT_NAMES = tuple(known.name for known in (*CSV_FORMATS, *JSON_FORMATS))


@dataclass(slots=True)
class Export:
    """A file that is being read. `lines` yields what it holds, once; `passed_over` then counts the rows that are about
    something else, and `incomplete` tells that the file itself says that there is more."""

    format: str
    provider: str | None
    lines: Iterator[UsageLine]
    passed_over: int = 0
    incomplete: bool = False


@contextmanager
def opened_export(path: Path, wanted: str | None = None) -> Iterator[Export]:
    """Recognise an export, or read it as the format that is wanted. Its lines are read as they are asked for.

    Raises UsageError if the file cannot be read or fits no format, and, while lines are read, if one of them cannot be
    understood.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield _recognised(path, stream, wanted)
    except UnicodeDecodeError as error:
        raise not_utf8(str(path), error) from error
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"{path} cannot be read: {reason}") from error


def _recognised(path: Path, stream: TextIO, wanted: str | None) -> Export:
    if wanted is not None and wanted not in FORMAT_NAMES:
        hint = did_you_mean(wanted, FORMAT_NAMES) or f"there are: {', '.join(FORMAT_NAMES)}"
        raise UsageError(f"no format {wanted!r}", hint=hint)
    start = stream.read(4096)
    stream.seek(0)
    if start.lstrip().startswith(("{", "[")):
        return _open_json(path, stream, [known for known in JSON_FORMATS if wanted in (None, known.name)])
    return _open_csv(path, stream, [known for known in CSV_FORMATS if wanted in (None, known.name)])


def _open_csv(path: Path, stream: TextIO, formats: Sequence[CsvFormat]) -> Export:
    if not formats:
        raise UsageError(f"{path} is a table; the format asked for is JSON")
    first: list[str] = []
    for delimiter in _DELIMITERS:
        stream.seek(0)
        for number, row in enumerate(islice(csv.reader(stream, delimiter=delimiter), _HEADER_WITHIN), start=1):
            first = first or [name for name in row if name.strip()]
            for known in formats:
                if (places := known.places(row)) is not None:
                    comma = _decimal_comma(_rows(stream, delimiter, number), places, delimiter)
                    export = Export(known.name, known.provider, iter(()))
                    export.lines = _table(export, known, places, _rows(stream, delimiter, number), path, comma)
                    return export
    columns = ", ".join(first[:40]) or "none"
    wanted = "; ".join(f"{known.name}: {known.wanted}" for known in formats)
    raise UsageError(f"{path} has no header that is known; its columns: {columns}", hint=f"wanted, of one of: {wanted}")


def _rows(stream: TextIO, delimiter: str, after: int) -> Iterator[list[str]]:
    """The rows after so many."""
    stream.seek(0)
    yield from islice(csv.reader(stream, delimiter=delimiter), after, None)


def _decimal_comma(rows: Iterator[list[str]], places: Mapping[str, int], delimiter: str) -> bool | None:
    """How a table writes numbers, by those that can be read in one way only. Where none shows it, a table whose cells a
    semicolon separates is not taken at a guess (None): there a comma is most often one before decimals."""
    columns = [place for field, place in places.items() if field not in _WORDS]
    cells = (row[place] for row in rows for place in columns if place < len(row))
    decided = {usage_lines.writes_decimal_comma(cell) for cell in cells} - {None}
    if decided:
        return decided.pop() if len(decided) == 1 else None
    return None if delimiter == ";" else False


def _table(
    export: Export,
    known: CsvFormat,
    places: Mapping[str, int],
    rows: Iterator[list[str]],
    path: Path,
    decimal_comma: bool | None,
) -> Iterator[UsageLine]:
    for number, row in enumerate(rows, start=2):
        where = f"{path}: row {number} after its header" if number > 2 else f"{path}: its first row"
        cells = Cells(where, row, places, decimal_comma)
        if not cells.text("day"):  # an empty row, or a sum at the end
            export.passed_over += any(cell.strip() for cell in row)
            continue
        line = known.read(cells)
        if line is None:
            export.passed_over += 1
        else:
            yield line


def _open_json(path: Path, stream: TextIO, formats: Sequence[JsonFormat]) -> Export:
    if not formats:
        raise UsageError(f"{path} is JSON; the format asked for is a table")
    try:
        document = json.load(stream, parse_float=usage_lines.exact)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON that can be read: {error}") from error
    pages = document if isinstance(document, list) else [document]
    buckets = [bucket for page in pages for bucket in _items(page, "data")]
    fitting = [known for known in formats if any(_fits(known, bucket) for bucket in buckets)]
    if not fitting:
        keys = sorted({key for place in (*pages[:1], *buckets[:1]) if isinstance(place, dict) for key in place})
        wanted = "; ".join(f"{known.name}: data[].{known.start}, results[].{known.key}" for known in formats)
        raise UsageError(
            f"{path} is no usage report that is known; its keys: {', '.join(keys[:40]) or 'none'}",
            hint=f"wanted, of one of: {wanted}",
        )
    if len({known.provider for known in fitting}) > 1:
        raise UsageError(f"{path} holds reports of more than one provider; reconcile them one by one")
    export = Export("+".join(known.name for known in fitting), fitting[0].provider, iter(()))
    export.incomplete = any(isinstance(page, dict) and page.get("has_more") is True for page in pages[-1:])
    export.lines = _buckets(export, fitting, buckets, path)
    return export


def _buckets(export: Export, formats: Sequence[JsonFormat], buckets: Sequence[Any], path: Path) -> Iterator[UsageLine]:
    for number, bucket in enumerate(buckets, start=1):
        start = bucket.get(formats[0].start) if isinstance(bucket, dict) else None
        if start is None:
            export.passed_over += 1
            continue
        where = f"{path}: data, bucket {number}"
        yield usage_lines.nothing_on(start, where)  # a day without usage is compared too
        for result in _items(bucket, "results"):
            known = next((known for known in formats if isinstance(result, dict) and known.key in result), None)
            if known is None:
                export.passed_over += 1
                continue
            with usage_lines.located(where):
                line = known.read(result, start)
            yield line


def _fits(known: JsonFormat, bucket: object) -> bool:
    has_start = isinstance(bucket, dict) and known.start in bucket
    return has_start and any(isinstance(result, dict) and known.key in result for result in _items(bucket, "results"))


def _items(place: object, key: str) -> list[Any]:
    with suppress(AttributeError):
        items = place.get(key)  # type: ignore[attr-defined]  # whatever is no mapping has no items
        return items if isinstance(items, list) else []
    return []
