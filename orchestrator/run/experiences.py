"""What the user's ratings in the ledger say of models and kinds of prompt: read when a run begins, and cached."""

from __future__ import annotations

from collections.abc import Callable

from ..confidence.experience import NOTHING, Experience, learn
from ..config.tuned import Calibration
from ..errors import LedgerError
from ..ledger.ratings import rated_answers, state_of_ratings
from ..ledger.store import Ledger

_KEPT_S = 5.0  # an engine that stays open looks for new ratings no more often


class Experiences:
    """Reads ratings and learns from them, for an engine that stays open."""

    def __init__(self, calibration: Calibration, *, simulated: bool, monotonic: Callable[[], float]) -> None:
        self._calibration = calibration
        self._simulated = simulated
        self._monotonic = monotonic
        self._until = float("-inf")
        self._state: tuple[int, int, float] | None = None
        self._learnt = NOTHING

    async def of(self, ledger: Ledger) -> Experience:
        """What the ledger's ratings say by now."""
        now = self._monotonic()
        if now < self._until:
            return self._learnt
        try:
            state = await ledger.submit(state_of_ratings, reads=True)
            if state != self._state:
                simulated = self._simulated
                rated = await ledger.submit(lambda db: rated_answers(db, simulated=simulated), reads=True)
                self._learnt, self._state = learn(rated, self._calibration), state
        except LedgerError:  # whoever writes to it will say so
            return self._learnt
        self._until = now + _KEPT_S
        return self._learnt
