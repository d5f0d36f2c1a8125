"""Why a run came to its answer: why this model gave it, and why each cache hit or missed. Pure.

`--explain` says it when the run has ended, `orch why` from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..deferred import dataclass
from ..ledger.records import EMBEDDING, CallRecord, CallStatus
from ..plan.caching import MIN_TOKENS

_SHOWN = 300  # characters of a prompt
RESPONSE, SEMANTIC, PROVIDER = "response", "semantic", "provider"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`model` answered, None if none did; `why` are the one or two decisions that led to it.

    `caches` has a row for each cache of each call that was answered: `call_id`, `model`, `cache`, `hit` and `why`. That
    of the semantic cache also has what was compared: `run_id`, `similarity`, `threshold`, `differs`, `prompt`, `words`.
    Where the response cache is off, one row without a call says so.
    """

    model: str | None
    why: tuple[str, ...]
    caches: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"model": self.model, "why": list(self.why), "caches": [dict(row) for row in self.caches]}

    def lines(self) -> Iterator[str]:
        """The same for people."""
        yield "No model has answered:" if self.model is None else f"{self.model} answered:"
        for each in self.why:
            yield f"  - {each}"
        yield "Caches:"
        for row in self.caches:
            whose, found = (
                ("", "off") if row["model"] is None else (f"{row['model']}, ", "hit" if row["hit"] else "miss")
            )
            yield f"  - {whose}{_NAMES[row['cache']]}, {found}: {row['why']}"
            if row.get("prompt"):
                yield f"    {' '.join(row['prompt'].split())[:_SHOWN]}"
            for each in row.get("words") or row.get("differs") or ():
                yield f"    differs in {each}"


_NAMES = {RESPONSE: "response cache", SEMANTIC: "semantic cache", PROVIDER: "provider's cache"}


def explanation_of(
    model: str | None,
    calls: Iterable[CallRecord],
    metadata: Mapping[str, Any],
    looked: Sequence[Mapping[str, Any]],
) -> Explanation:
    """The explanation of a run that `model` answered. `looked` are the rows of `semantic_cache` in its metadata, with
    the prompts if they are known."""
    answered = [call for call in calls if call.status is CallStatus.COMPLETED and call.role != EMBEDDING]
    rows = [row for call in answered for row in _caches(call, metadata, looked)]
    if answered and not any(row["cache"] == RESPONSE for row in rows):
        unused = {"call_id": None, "model": None, "cache": RESPONSE, "hit": False, "why": "--cache would turn it on"}
        rows.insert(0, unused)
    return Explanation(model, tuple(_deciding(metadata.get("decisions", ()), model)), tuple(rows))


def _deciding(decisions: Sequence[str], model: str | None) -> Iterator[str]:
    """The decision that the run began with, and the last one about the model that answered."""
    yield from decisions[:1]
    about = [each for each in decisions[1:] if model is None or model in each]
    yield from about[-1:]


def _caches(
    call: CallRecord, metadata: Mapping[str, Any], looked: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    def row(cache: str, why: str, *, hit: bool, **more: Any) -> Mapping[str, Any]:
        return {"call_id": call.call_id, "model": call.model, "cache": cache, "hit": hit, "why": why, **more}

    from_cache, alike = call.from_run is not None, call.similarity is not None

    def of_call(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
        return next((each for each in rows if each.get("call_id") == call.call_id), {})

    exact = of_call(metadata.get("response_cache", ()))
    if exact:
        yield row(RESPONSE, exact["why"], hit=from_cache and not alike)
    if from_cache and not alike:
        return
    if compared := of_call(looked):
        nearest = f"the nearest prompt is that of run {compared['run_id']}"
        words = f"{nearest}, {compared['similarity']:.2f} alike (from {compared['threshold']:.2f} on it can be a hit)"
        more = {name: value for name, value in compared.items() if name not in ("call_id", "hit")}
        yield row(SEMANTIC, words, hit=alike, **more)
    elif unused := of_call(metadata.get("semantic_cache_unused", ())):
        yield row(SEMANTIC, unused["why"], hit=False)
    if not from_cache:
        yield row(PROVIDER, _of_provider(call), hit=call.cached_tokens > 0)


def _of_provider(call: CallRecord) -> str:
    if call.cached_tokens or call.input_tokens >= MIN_TOKENS:
        written = f", and wrote {call.cache_write_tokens:,}" if call.cache_write_tokens else ""
        return f"{call.provider} read {call.cached_tokens:,} of {call.input_tokens:,} tokens of input from it{written}"
    return f"{call.input_tokens:,} tokens of input, and what is shorter than {MIN_TOKENS:,} is not kept"
