"""Which machine a run was made on, and by which user of it: what tells runs apart once ledgers are merged."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache


@cache
def host_name() -> str | None:
    """The machine's name, None if it has none."""
    if sys.platform == "win32":
        import platform  # heavy

        return platform.node() or None
    return os.uname().nodename or None


def user_name(environ: Mapping[str, str]) -> str | None:
    """The user's name, by the environment or by the machine's list of users; None if neither has one."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if environ.get(variable):
            return environ[variable]
    return _by_number()


@cache
def _by_number() -> str | None:
    if sys.platform == "win32":
        return None
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None
