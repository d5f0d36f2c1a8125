"""The state of a conversation: what was said, what comes next, and what it has cost. Prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from ...config import RunOptions
from ...conversation import Media, Message, Prompt, Sent
from ...deferred import dataclass, replace
from ...errors import UsageError
from ...reading.media import with_media
from ...run.continuing import after
from ...run.engine import Engine
from ...run.events import Observer
from ...run.result import OrchestrationResult
from ...run.streaming import AnswerStream


@dataclass(slots=True)
class Talk:
    """A conversation with one engine. `said` are its turns; `attached` goes with the next question. `runs` are the
    results so far, in order, of answers that were taken back too. `sent` is what the last of them was made from."""

    engine: Engine
    options: RunOptions
    system: str | None = None
    said: tuple[Message, ...] = ()
    attached: tuple[Media, ...] = ()
    runs: list[OrchestrationResult] = field(default_factory=list)
    sent: Sent | None = None
    _last: Prompt | None = None

    def ask(self, text: str, observe: Observer) -> AnswerStream:
        """Begin to answer the next question. `keep` ends it."""
        prompt = with_media(Prompt(text, self.system, before=self.said, sent=self.sent), self.attached)
        self._last, self.attached = prompt, ()
        return self.engine.stream(prompt, self.options, observe)

    def retry(self, observe: Observer) -> AnswerStream:
        """Begin to answer the last question anew; its answer is forgotten. Raises UsageError if there is none."""
        if self._last is None:
            raise UsageError("nothing has been asked yet")
        self.said = self._last.before
        self._last = replace(self._last, system=self.system)
        return self.engine.stream(self._last, self.options, observe)

    def keep(self, result: OrchestrationResult) -> None:
        """Take an answer, or what came of it, into the conversation. A question without any answer is left out of it;
        `retry` asks it again."""
        self.runs.append(result)
        if self._last is not None and result.response.strip():
            question = Message("user", self._last.text, parts=self._last.parts)
            on = after(self._last, (*self._last.before, question), result)
            self.said, self.sent = on.before, on.sent

    def model(self, names: str) -> None:
        """Ask these models from now on: one, or a chain with commas. Raises UsageError for a name that nobody knows."""
        chain = self.engine.registry.chain(names)
        self.options = replace(self.options, strategy="fallback", chain=chain.name, given={})

    def begin_anew(self) -> None:
        """Forget what was said."""
        self.said, self.attached, self.sent, self._last = (), (), None, None

    @property
    def cost_nanousd(self) -> int | None:
        """What all runs of the conversation have cost; None if one is unpriced."""
        costs = [run.cost_nanousd for run in self.runs]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


def as_markdown(system: str | None, said: Sequence[Message]) -> str:
    """A conversation as a document."""
    blocks = [] if system is None else [f"## System\n\n{system}"]
    for turn in said:
        shown = "".join(f"({media.name or media.media_type})\n\n" for media in turn.media)
        blocks.append(f"## {'You' if turn.role == 'user' else 'Answer'}\n\n{shown}{turn.content}")
    return "\n\n".join(blocks) + "\n"
