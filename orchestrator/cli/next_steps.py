"""What somebody may do next who has just come: by which providers are set up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..registry.providers import PROVIDERS, is_set_up, needed_to_set_up


def next_steps(environ: Mapping[str, str], provider: str | None = None) -> Iterator[str]:
    """Lines for the terminal. `provider` is the only one that is wanted."""
    ready = [name for name in PROVIDERS if provider in (None, name) and is_set_up(name, environ)]
    if ready:
        yield f"Set up: {', '.join(ready)}. To go on:"
        yield '  orch plan "Why is the sky blue?"   what would be asked, and what that can cost'
        yield '  orch run "Why is the sky blue?"    asks'
        yield "  orch doctor                        checks keys and addresses"
        return
    variable = needed_to_set_up(provider or next(iter(PROVIDERS)))
    yield f"{'No provider is' if provider is None else f'{provider} is not'} set up: nothing can be called. To go on:"
    yield '  orch run --simulate "Why is the sky blue?"   the simulator answers'
    yield f"  export {variable}=...   sets one up; orch doctor has the others"
