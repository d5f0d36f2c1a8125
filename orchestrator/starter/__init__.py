"""The files that `orch init` writes: a commented start, or what another tool's configuration comes to."""
