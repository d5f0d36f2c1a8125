"""Has Python look for garbage seldom while an engine has runs in flight.

What a run that succeeds leaves behind is freed at once, as nothing of it refers to itself. But Python looks for what
does whenever there are 700 objects more than when it last looked. With some dozens of runs in flight that is once in
seven calls, mostly for nothing, and now and then every object of the process is looked at, for which all runs wait 40
ms: 0.1 to 0.3 ms for each call. A run that fails leaves 300 such objects, its error and what refers to it.
"""

from __future__ import annotations

import gc
import threading

# Objects more than when it last looked: 20 MB, or the failures of 150 runs. Several hundred runs in flight have fewer.
_SELDOM = 50_000
_OF_PYTHON = (700, 2_000)  # up to 3.12, and from 3.13 on: another number is the program's own choice
_lock = threading.Lock()
_busy: set[int] = set()
_usual = (0, 0, 0)


def collect_seldom(who: int) -> None:
    """Look seldom, until everybody who called this has called `collect_as_usual`. What the program itself has set stays
    as it is."""
    global _usual
    with _lock:
        if not _busy:
            _usual = gc.get_threshold()
            if _usual[0] in _OF_PYTHON:
                gc.set_threshold(_SELDOM, *_usual[1:])
        _busy.add(who)


def collect_as_usual(who: int) -> None:
    """Undo `collect_seldom`. What somebody else has set meanwhile stays."""
    with _lock:
        _busy.discard(who)
        if not _busy and gc.get_threshold()[0] == _SELDOM:
            gc.set_threshold(*_usual)
