"""What can be said to `orch chat` itself: lines that begin with a slash."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ...errors import UsageError, did_you_mean
from ...files import replacing
from ...money import format_short
from ...plan import models
from ...reading.media import read_media
from ...reading.messages import to_openai
from .talk import Talk, as_markdown


class Leave(Exception):
    """The conversation is over."""


class Again(Exception):
    """The last question is to be asked again."""


class Saying(NamedTuple):
    """A command: its argument as it is shown, what it does, and one line of help. `act` gives what is to be shown."""

    argument: str
    act: Callable[[Talk, str], str]
    help: str


def carried_out(talk: Talk, line: str) -> str:
    """What a line that begins with a slash comes to, to be shown. Raises UsageError, Leave and Again."""
    name, _, argument = line.strip().partition(" ")
    saying = SAYINGS.get(name)
    if saying is None:
        raise UsageError(
            f"there is no {name[:40]} here", hint=did_you_mean(name, SAYINGS) or "/help lists what there is"
        )
    return saying.act(talk, argument.strip())


def _help(_: Talk, __: str) -> str:
    width = max(len(f"{name} {each.argument}") for name, each in SAYINGS.items())
    lines = [f"{f'{name} {each.argument}'.ljust(width)}  {each.help}" for name, each in SAYINGS.items()]
    return "\n".join([*lines, "", "Alt-Enter begins a new line; Ctrl-C cancels an answer; Ctrl-D leaves."])


def _model(talk: Talk, names: str) -> str:
    if names:
        talk.model(names)
    options = talk.options
    if options.strategy != "fallback":
        return f"asking by the strategy {options.strategy}"
    asked = [name for name in models(talk.engine.registry.chain(options.chain).plan) if name]
    return f"asking {', then '.join(asked)}" if asked else f"asking the chain {options.chain}"


def _system(talk: Talk, text: str) -> str:
    if text:
        talk.system = None if text == "none" else text
    return "no system prompt" if talk.system is None else f"system prompt: {talk.system}"


def _attach(talk: Talk, name: str) -> str:
    if not name:
        raise UsageError("/attach takes a file or an address")
    from ...providers.download import downloaded  # few conversations have any

    talk.attached += read_media((name,), "/attach", None if talk.engine.settings.simulate else downloaded)
    return f"goes with the next question: {', '.join(each.name or each.media_type for each in talk.attached)}"


def _cost(talk: Talk, _: str) -> str:
    calls = sum(len(run.calls) for run in talk.runs)
    tokens = (sum(run.input_tokens for run in talk.runs), sum(run.output_tokens for run in talk.runs))
    last = f"; the last answer {format_short(talk.runs[-1].cost_nanousd)}" if talk.runs else ""
    return (
        f"{format_short(talk.cost_nanousd)} (answers: {len(talk.runs)}, calls: {calls}, "
        f"{tokens[0]:,} tokens in and {tokens[1]:,} out){last}"
    )


def _save(talk: Talk, name: str) -> str:
    if not name:
        raise UsageError("/save takes the name of a file: .json for messages in OpenAI's form, else a text")
    path = Path(name).expanduser()
    if path.suffix == ".json":
        system = [] if talk.system is None else [{"role": "system", "content": talk.system}]
        text = json.dumps([*system, *to_openai(talk.said)], ensure_ascii=False, indent=2) + "\n"
    else:
        text = as_markdown(talk.system, talk.said)
    with replacing(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))
    return f"saved {len(talk.said)} turns in {name}"


def _new(talk: Talk, _: str) -> str:
    talk.begin_anew()
    return "a new conversation"


def _retry(talk: Talk, names: str) -> str:
    if names:
        talk.model(names)
    raise Again


def _exit(_: Talk, __: str) -> str:
    raise Leave


SAYINGS: Mapping[str, Saying] = {
    "/help": Saying("", _help, "List what there is."),
    "/model": Saying("[MODEL]", _model, "Ask this model from now on, or a chain with commas; or say which is asked."),
    "/retry": Saying("[MODEL]", _retry, "Ask the last question again, of this model if one is named."),
    "/system": Saying("[TEXT]", _system, "Set the system prompt (none removes it), or show it."),
    "/attach": Saying("FILE|URL", _attach, "Send an image or a PDF document with the next question."),
    "/cost": Saying("", _cost, "What the conversation has cost so far."),
    "/save": Saying("FILE", _save, "Write the conversation to a file: .json as messages, else as text."),
    "/new": Saying("", _new, "Forget what was said."),
    "/exit": Saying("", _exit, "Leave, as Ctrl-D does."),
}
