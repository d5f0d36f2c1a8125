"""Requests for the embedding of a text, and the replies to them.

A simulated embedding is a hash of the text's words and of their beginnings: prompts with many words in common are near
each other. It is the same on every machine.
"""

from __future__ import annotations

import math
from hashlib import blake2b

from ..expressions import expression
from ..types import Usage
from . import tokens
from .script import Script
from .wires.base import Ask, Fields, Frame, Headers, Json, Problem, Rejected, Stage, Turn, encode

_WORD = expression(r"\w+")
_USUAL = {"openai": 1536, "google": 3072}  # dimensions, where none are asked for
_MOST = 8_192  # tokens
_STEM = 4  # letters of a word's beginning
_TOGETHER = 0.6  # what two texts have in common, whatever they say: real embeddings lie close together too


def parse(body: Json, wire: str, model: str | None) -> Ask:
    """Read a request. Raises Rejected."""
    text: object
    if wire == "google":
        parts = Fields(body).table("content").tables("parts")
        name, text = model or "", "".join(part.text("text") or "" for part in parts)
    else:
        given = body.get("input")
        text = given[0] if isinstance(given, list) and len(given) == 1 else given
        name = str(body.get("model") or "")
    if not isinstance(text, str) or not text:
        raise Rejected(Problem.BAD_REQUEST, "Invalid 'input': expected a text that is not empty.")
    if "embed" not in name:
        raise Rejected(Problem.NOT_FOUND, name)
    if tokens.count(text) > _MOST:
        raise Rejected(Problem.CONTEXT_TOO_LONG, name)
    dimensions = body.get("outputDimensionality" if wire == "google" else "dimensions", _USUAL[wire])
    if not isinstance(dimensions, int) or not 1 <= dimensions <= _USUAL["google"]:
        raise Rejected(Problem.BAD_REQUEST, "Invalid value for 'dimensions'.")
    return Ask(model=name, turns=(Turn("user", text),), prompt_text=text, max_tokens=dimensions)


def answered(ask: Ask, wire: str, headers: Headers) -> Script:
    """The script of the reply. Gemini's says nothing of tokens."""
    taken = max(tokens.count(ask.prompt_text), 1)
    vector = [round(each, 7) for each in embedding(ask.prompt_text, ask.max_tokens or 1)]
    if wire == "google":
        body: Json = {"embedding": {"values": vector}}
    else:
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        usage = {"prompt_tokens": taken, "total_tokens": taken}
        body = {"object": "list", "data": data, "model": ask.model, "usage": usage}
    frame = Frame(encode(body), 0, Stage.TEXT)
    return Script(200, (("content-type", "application/json"), *headers), (frame,), Usage(input_tokens=taken))


def embedding(text: str, dimensions: int) -> list[float]:
    """A vector of length 1."""
    vector = [_TOGETHER / math.sqrt(dimensions)] * dimensions
    words = [word.lower() for word in _WORD.findall(text)] or [text]
    features = [*words, *(f"{word[:_STEM]}~" for word in words)]
    for feature in features:
        digest = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest())
        vector[digest % dimensions] += (1 if digest >> 62 & 1 else -1) / math.sqrt(len(features))
    length = math.sqrt(sum(each * each for each in vector))
    return [each / length for each in vector]
