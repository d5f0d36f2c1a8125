"""How many tokens a prompt takes by itself, as the tokenizer of the model counts that is to be called."""

from __future__ import annotations

from ..config import RunOptions
from ..deferred import replace
from ..plan.load import MESSAGE_OVERHEAD, Load, with_schema, with_tools
from ..reading.bounds import Tokenizer
from ..reading.prompt import Reading


def prompt_load(reading: Reading, options: RunOptions, tokenizer: Tokenizer = Tokenizer.ANY) -> Load:
    """The load of a prompt as it is, with its system prompt, tools and schema."""
    text = reading.count(reading.prompt.text, tokenizer)
    system = reading.count(reading.prompt.system or "", tokenizer)
    load = Load(
        input_tokens=text.expected + system.expected,
        input_bound=text.bound + system.bound + MESSAGE_OVERHEAD,
        output_tokens=reading.analysis.output_tokens,
        tokenizer=tokenizer,
    )
    return with_schema(with_tools(load, options.tools), options.schema)


def question_load(reading: Reading, options: RunOptions, tokenizer: Tokenizer) -> Load:
    """The load of the question without what was given with it."""
    load = prompt_load(reading, options, tokenizer)
    whole, question = (reading.count(text, tokenizer) for text in (reading.prompt.text, reading.prompt.question))
    return replace(
        load,
        input_tokens=max(1, load.input_tokens - whole.expected + question.expected),
        input_bound=load.input_bound - whole.bound + question.bound,
    )
