"""Regular expressions that are compiled on first use.

Modules define over a hundred, and a command uses few of them; compiling one takes about 0.1 ms.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

__all__ = ["expression"]

if TYPE_CHECKING:
    from re import compile as expression
else:

    class _Expression:
        def __init__(self, pattern: str, flags: int) -> None:
            self._of = pattern, flags

        def __getattr__(self, name: str) -> Any:
            found = getattr(re.compile(*self._of), name)
            setattr(self, name, found)  # the next time it is there, as quickly as a compiled expression's
            return found

    def expression(pattern: str, flags: int = 0) -> re.Pattern[str]:
        """What `re.compile` gives, compiled when one of its methods is asked for. Not for `re` itself to take."""
        return _Expression(pattern, flags)
