"""Has Python's lock change hands soon while a ledger has something to write.

A thread that comes back from SQLite waits for the lock until the thread that has it waits for something itself, or has
had it for the switch interval: 5 ms. An event loop that is busy waits again and again, but never long enough for
another thread to wake up, and each time the interval begins anew. So a group that takes 2 ms to write would be told of
10 ms later, and the calls in it would be that late.
"""

from __future__ import annotations

import sys
import threading

_SOON_S = 0.0005  # of 0.1 to 5 ms it gives the most calls a second; a shorter one costs CPU in changes of hands
_lock = threading.Lock()
_hasty: set[int] = set()
_usual_s = 0.005


def hurry(who: int) -> None:
    """Shorten the switch interval of the process, until everybody who called this has called `relax`."""
    global _usual_s
    if who in _hasty:
        return
    with _lock:
        if not _hasty:
            _usual_s = sys.getswitchinterval()
            sys.setswitchinterval(min(_SOON_S, _usual_s))
        _hasty.add(who)


def relax(who: int) -> None:
    """Undo `hurry`. An interval that somebody else has set meanwhile stays."""
    with _lock:
        if who not in _hasty:
            return
        _hasty.discard(who)
        if not _hasty and sys.getswitchinterval() <= _SOON_S:
            sys.setswitchinterval(_usual_s)
