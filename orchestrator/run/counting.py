"""How long the input of a plan's first call is: by the provider's own count where the run asks for it."""

from __future__ import annotations

from ..choose.loads import prompt_load
from ..choose.making import Planned
from ..deferred import dataclass
from ..errors import ProviderError
from ..plan import calls
from ..plan.compose import Material, compose
from ..plan.load import MESSAGE_OVERHEAD
from ..registry.model import Registry
from ..types import CountBy, Request
from .call.connections import Connections


@dataclass(frozen=True, slots=True)
class InputCount:
    """Tokens of input, for a model. `exact`: they are the provider's count, or its tokenizer's; else an estimate."""

    model: str
    tokens: int
    exact: bool


async def count_input(planned: Planned, registry: Registry, connections: Connections) -> InputCount:
    """Count the input of the first call of a plan. A provider that cannot be asked leaves an estimate.

    Raises AuthenticationError if the provider is to be asked and has no key.
    """
    call = next(calls(planned.plan))
    spec = registry.model(call.model)
    load = prompt_load(planned.reading, planned.options, spec)
    known = load.input_bound - MESSAGE_OVERHEAD <= load.input_tokens
    if known or planned.options.count is not CountBy.EXACT:
        return InputCount(spec.name, load.input_tokens, known)
    composed = compose(call, planned.reading.prompt, Material({}), load, planned.reading.count)
    request = Request(spec.id, composed.messages, 1, composed.system, tools=planned.options.tools)
    try:
        tokens = await connections.get(spec.provider).count_input(request)
    except ProviderError:
        tokens = None
    return InputCount(spec.name, load.input_tokens if tokens is None else tokens, tokens is not None)
