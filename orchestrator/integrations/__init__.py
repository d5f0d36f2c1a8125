"""orch inside other people's frameworks. Each module has an extra of its own, imported when it is first used."""
