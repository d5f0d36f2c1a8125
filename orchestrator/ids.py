"""The ids of runs and calls: ULIDs, which sort by the time that they were made at. github.com/ulid/spec

They are made here, as for each call python-ulid takes four times as long for its two.
"""

from __future__ import annotations

import os
import threading
from datetime import datetime

_RANDOM = 80  # bits, below those of the milliseconds since 1970
_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _SIGNS for second in _SIGNS)
_SHIFTS = tuple(range(120, -1, -10))  # of the 13 pairs of signs
_lock = threading.Lock()
_last = 0


def new_id(when: datetime) -> str:
    """A ULID of a time. Those that this process makes for one millisecond count up."""
    global _last
    millis = int(when.timestamp() * 1000)
    with _lock:
        if millis == _last >> _RANDOM:
            _last += 1
        else:
            _last = millis << _RANDOM | int.from_bytes(os.urandom(_RANDOM // 8))
        value = _last
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
