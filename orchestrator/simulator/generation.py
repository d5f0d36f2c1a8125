"""What a model makes of a request: the limits it keeps, the answer cut to size, and the tokens it costs."""

from __future__ import annotations

from hashlib import blake2b

from ..deferred import dataclass, replace
from ..expressions import expression
from ..reading.vision import media_tokens, vision_of
from ..registry.model import Feature, ModelSpec
from ..types import FinishReason, ToolCall, Usage
from . import tokens
from .scenario import Fault, FaultKind, RefusedAt
from .wires.base import Ask, Problem, Rejected, Reply

# Of these makers it is known by name which generations reason before they answer; of others the tag `reasoning` says.
_KNOWN_MAKER = expression(r"(?:^|/)(?:o\d|gpt-|chatgpt-|gemini-|claude-)")
_REASONS = expression(r"(?:^|/)(?:o\d|gpt-[5-9]|gpt-oss|gemini-(?:2\.5|[3-9]))")
_REASONING_BASE, _REASONING_STEP, _REASONING_SPREAD = 16, 48, 16  # tokens: least, for each level of difficulty, varying

_LONE_SURROGATES = "\ud83d half of a pair \udc4d "
_THOUGHTS = "Hmm, I'm not sure: it might be something else. I would need more context.\n</think>\n\n"
_CONTROL_CHARACTERS = "\x1b[31mred\x1b[0m \x07\x08\x00 \x9b2J \u2028 \u202e "


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model would say without any limit. `need` is how hard the question is, 0 to 3; `sure` whether it knows."""

    text: str
    sure: bool
    need: float
    tool_calls: tuple[ToolCall, ...] = ()


def input_tokens(ask: Ask, spec: ModelSpec | None = None) -> int:
    """All text of the request, a fixed number of tokens for each message, and what the model's images take."""
    messages = len(ask.turns) + (1 if ask.system else 0)
    shown = 0
    if ask.media:
        vision = vision_of("", "") if spec is None else vision_of(spec.provider, spec.id)
        shown = sum(media_tokens(media, vision).expected for media in ask.media)
    return tokens.count_input(ask.prompt_text) + tokens.MESSAGE_OVERHEAD * messages + shown


def reasons(ask: Ask, spec: ModelSpec) -> bool:
    """Whether the model thinks before it answers. Claude does so only when the request turns it on."""
    if spec.provider == "anthropic":
        return ask.thinking
    if _KNOWN_MAKER.search(spec.id):
        return _REASONS.search(spec.id) is not None
    return "reasoning" in spec.tags


def check_limits(ask: Ask, spec: ModelSpec, wire: str) -> None:
    """Raises Rejected where the provider itself would refuse the request for its size or parameters."""
    asked = input_tokens(ask, spec)
    for media in ask.media:
        if (Feature.PDF if media.is_document else Feature.VISION) not in spec.supports:
            raise Rejected(Problem.BAD_REQUEST, f"{spec.id} does not support {media.media_type} as input")
    # Those that speak OpenAI's format count the output that is asked for as part of the context.
    wanted = asked + (ask.max_tokens or 0) if wire == "openai" else asked
    if ask.max_tokens is not None and ask.max_tokens > spec.output_limit:
        named = spec.id if wire == "anthropic" else ask.max_tokens_name
        raise Rejected(Problem.OUTPUT_TOO_LONG, named, tokens=ask.max_tokens, limit=spec.output_limit)
    if wanted > spec.context_window:
        raise Rejected(Problem.CONTEXT_TOO_LONG, "", tokens=wanted, limit=spec.context_window)
    if spec.provider == "openai" and ask.max_tokens_name == "max_tokens" and reasons(ask, spec):
        raise Rejected(
            Problem.UNSUPPORTED_PARAMETER,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
        )


def generate(draft: Draft, ask: Ask, spec: ModelSpec, *, cached_tokens: int, written_tokens: int = 0) -> Reply:
    """The draft within the request's limits: stop sequences first, then max_tokens, which reasoning counts towards."""
    text, stop = _stopped(draft.text, ask.stop)
    allowed = min(ask.max_tokens or spec.output_limit, spec.output_limit)
    reasoning = min(_reasoning_tokens(draft, ask, spec), allowed)
    pieces = tokens.pieces(text)
    kept = tuple(pieces[: allowed - reasoning])
    spent = reasoning + len(kept)
    calls, call_tokens = draft.tool_calls, sum(tokens.count(c.name + c.arguments) for c in draft.tool_calls)
    cut = len(kept) < len(pieces) or spent + call_tokens > allowed
    if cut:
        calls, call_tokens, stop = (), 0, None
    finish = FinishReason.LENGTH if cut else FinishReason.TOOL_CALLS if calls else FinishReason.STOP
    asked = input_tokens(ask, spec)
    cached = min(cached_tokens, asked)
    usage = Usage(
        input_tokens=asked,
        output_tokens=spent + call_tokens,
        cached_tokens=cached,
        cache_write_tokens=min(written_tokens, asked - cached),
        reasoning_tokens=reasoning,
    )
    logprobs = _logprobs(draft, ask, len(kept)) if ask.logprobs and "logprobs" in spec.supports else ()
    return Reply("".join(kept), kept, finish, usage, calls, stop, logprobs)


def altered(reply: Reply, fault: Fault) -> Reply:
    """The answer as a fault leaves it. Faults of other kinds change nothing here."""
    match fault.kind:
        case FaultKind.REFUSED if fault.at is RefusedAt.PROMPT:
            usage = replace(reply.usage, output_tokens=0, reasoning_tokens=0)
            return Reply("", (), FinishReason.REFUSED, usage, refused_at_prompt=True)
        case FaultKind.REFUSED:
            return _resized(reply, (), FinishReason.REFUSED)
        case FaultKind.EMPTY:
            return _resized(reply, (), FinishReason.STOP)
        case FaultKind.TRUNCATED if len(reply.pieces) > fault.max_tokens:
            return _resized(reply, reply.pieces[: fault.max_tokens], FinishReason.LENGTH)
        case FaultKind.LONE_SURROGATES:
            return _resized(reply, (*tokens.pieces(_LONE_SURROGATES), *reply.pieces), reply.finish)
        case FaultKind.CONTROL_CHARACTERS:
            return _resized(reply, (*tokens.pieces(_CONTROL_CHARACTERS), *reply.pieces), reply.finish)
        case FaultKind.THOUGHTS:
            thoughts = f"<think>\n{_THOUGHTS}" if fault.opened else _THOUGHTS
            return _resized(reply, (*tokens.pieces(thoughts), *reply.pieces), reply.finish)
        case _:
            return reply


def _resized(reply: Reply, pieces: tuple[str, ...], finish: FinishReason) -> Reply:
    """Other text in the same reply. Even no text costs a token of output: the one that ends it."""
    spent = max(1, reply.usage.reasoning_tokens + len(pieces))
    return Reply("".join(pieces), pieces, finish, replace(reply.usage, output_tokens=spent))


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The text up to the first stop sequence in it, and which one that was."""
    places = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    if not places:
        return text, None
    at, stop = min(places)
    return text[:at], stop


def _reasoning_tokens(draft: Draft, ask: Ask, spec: ModelSpec) -> int:
    if not reasons(ask, spec):
        return 0
    varying = _digest(f"{spec.id}\n{ask.question}")[0] % _REASONING_SPREAD
    return _REASONING_BASE + round(_REASONING_STEP * draft.need) + varying


def _logprobs(draft: Draft, ask: Ask, count: int) -> tuple[float, ...]:
    """Natural logarithms, close to 0 where the model is sure."""
    spread = 0.15 if draft.sure else 2.0
    logprobs: list[float] = []
    block = 0
    while len(logprobs) < count:
        logprobs += [-spread * (byte + 1) / 256 for byte in _digest(f"{ask.model}\n{block}\n{ask.question}")]
        block += 1
    return tuple(round(value, 6) for value in logprobs[:count])


def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=64).digest()
