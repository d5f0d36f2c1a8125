"""The passes of the engine over all prompts of a set: one for each strategy at each threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..confidence.answers import same_answer
from ..deferred import dataclass
from ..engine import Engine
from ..settings import RunOptions
from ..types import AcceptRule
from .records import Item
from .replay import CHAIN, Played, Replay
from .trials import Trial, played

ROUTING, CASCADE, ENSEMBLE = "cheapest", "fallback", "ensemble"
REPLAYABLE = (ROUTING, CASCADE, ENSEMBLE)
LABELS = {ROUTING: "routing", CASCADE: "cascade", ENSEMBLE: "ensemble"}

Progress = Callable[[str, int, int], None]  # what is being done, and how many of how many are


def unwatched(_what: str, _done: int, _of: int) -> None:
    """The progress of a bench that nobody watches."""


@dataclass(frozen=True, slots=True)
class Passes:
    """Plays all prompts of a set. `name` is the set's, for whoever watches."""

    name: str
    items: Sequence[Item]
    replay: Replay
    progress: Progress = unwatched

    async def routing(self, cut: float) -> tuple[Trial, list[float]]:
        """`cheapest` with its first cut there; with the complexity scores of the prompts."""
        plays = await self._play(f"routing {cut:g}", self._engine(cut), RunOptions(strategy=ROUTING, chain=CHAIN))
        return self._trial(ROUTING, cut, plays), [play.score for play in plays]

    async def cascade(self, threshold: float) -> Trial:
        """`fallback` from the weak model to the strong one."""
        options = RunOptions(strategy=CASCADE, chain=CHAIN, threshold=threshold)
        return self._trial(CASCADE, threshold, await self._play(f"cascade {threshold:g}", self._engine(), options))

    async def ensemble(self) -> tuple[Trial, dict[str, list[float]]]:
        """`ensemble` of all models that are looked at; with the confidence in each of their answers."""
        models = self.replay.lineup.models
        options = RunOptions(strategy=ENSEMBLE, chain=CHAIN, models=models, ensemble_size=len(models))
        plays = await self._play("ensemble", self._engine(), options)
        return self._trial(ENSEMBLE, None, plays), {
            model: [play.confidences[model] for play in plays] for model in models
        }

    async def agreeing(self) -> Trial:
        """`fallback --accept agreement` over all models, the strong one last."""
        lineup = self.replay.lineup
        chain = [*(model for model in lineup.models if model != lineup.strong), lineup.strong]
        options = RunOptions(strategy=CASCADE, chain=CHAIN, accept=AcceptRule.AGREEMENT)
        plays = await self._play("agreement", self.replay.engine(chain), options)
        return self._trial(CASCADE, None, plays, "agreement")

    def agreement(self) -> list[float]:
        """How far the two models' answers to each prompt are the same, 0 to 1."""
        weak, strong = self.replay.lineup.weak, self.replay.lineup.strong
        return [
            same_answer(item.outcomes[weak].text or "", item.outcomes[strong].text or "", item.prompt)
            for item in self.items
        ]

    async def confidences(self, model: str) -> list[float]:
        """How far each answer of a model is trusted, when it is asked alone."""
        engine = self.replay.engine([model])
        options = RunOptions(strategy=CASCADE, chain=CHAIN)
        return [play.confidences[model] for play in await self._play(f"confidence in {model}", engine, options)]

    def _engine(self, first_cut: float | None = None) -> Engine:
        return self.replay.engine([self.replay.lineup.weak, self.replay.lineup.strong], first_cut)

    def _trial(
        self, strategy: str, threshold: float | None, plays: Sequence[Played], label: str | None = None
    ) -> Trial:
        label = label or LABELS[strategy]
        pair = {self.replay.lineup.weak, self.replay.lineup.strong}
        return played(
            label if threshold is None else f"{label} {threshold:g}",
            strategy,
            threshold,
            self.items,
            plays,
            strong=self.replay.lineup.strong,
            of_pair=all(pair.issuperset(play.called) for play in plays),
        )

    async def _play(self, what: str, engine: Engine, options: RunOptions) -> list[Played]:
        plays = []
        for done, item in enumerate(self.items):
            self.progress(f"{self.name}: {what}", done, len(self.items))
            plays.append(await self.replay.play(engine, item, options))
        return plays
