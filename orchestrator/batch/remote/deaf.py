"""Dask imports this in the workers that a batch starts on its own machine: a Ctrl-C on the terminal reaches all of its
processes, and it is the one that submits which decides what follows."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Called by Dask when the worker starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
