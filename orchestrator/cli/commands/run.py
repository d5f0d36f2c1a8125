"""`orch run`, and its short forms `cheapest`, `fallback` and `ensemble`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated

import typer

from ...choose.making import Planned
from ...clock import local_now
from ...deferred import dataclass
from ...errors import OrchError
from ...ledger.queries import LAST
from ...run.engine import Engine, RunInterrupted
from ...run.result import OrchestrationResult, refused_result, tool_call_dict
from .. import render
from ..coercion import Panel
from ..interrupts import Signals
from ..options import RunFlags, command
from ..output import Output
from ..setup import options_from, settings_from
from ..source import asked_of, prompt_of
from ..using import REGISTRY_FILES, check_used
from ..watching import Watcher, closing_words


@dataclass(frozen=True, kw_only=True)
class _RunFlags(RunFlags):
    list_models: Annotated[
        bool, typer.Option("--list-models", help="List the models and stop.", rich_help_panel=Panel.MORE)
    ] = False
    test: Annotated[
        bool,
        typer.Option(
            "--test", help="Check routing, fallback and ensemble on the simulator.", rich_help_panel=Panel.MORE
        ),
    ] = False


@command(_RunFlags, argument="asked")
def run(flags: _RunFlags) -> int:
    """The answer goes to stdout, everything else to stderr. Piped input is added to the prompt as context.

    Exit codes: 0 complete, 2 usage, 3 configuration, 4 no key, 5 refused by a budget, 6 temporary failure,
    7 request rejected, 8 incomplete, 9 refused by the model, 11 ledger unavailable, 130 interrupted.
    """
    uses = _uses("run") | {
        "orch run --list-models": ("list_models", "output", "simulate", "config", *REGISTRY_FILES),
        "orch run --test": ("test", "output", "simulate"),
    }
    mode = " --list-models" if flags.list_models else " --test" if flags.test else None
    check_used(flags, _doing(flags, "run") if mode is None else f"orch run{mode}", uses)
    if flags.list_models:
        from .models import list_models  # heavy

        return list_models(settings_from(flags), Output.parse(flags.output))
    if flags.test:
        from .selftest import selftest  # heavy

        return selftest(Output.parse(flags.output))
    return answer(flags)


def _short_form(strategy: str) -> Callable[..., int]:
    @command(RunFlags, argument="asked", omit=("strategy",))
    def short_form(flags: RunFlags) -> int:
        """The options are those of orch run."""
        check_used(flags, _doing(flags, strategy), _uses(strategy))
        return answer(flags, strategy)

    return short_form


commands = {"run": run} | {name: _short_form(name) for name in ("cheapest", "fallback", "ensemble")}


_RATES = "--rate-last without a prompt"


def _uses(name: str) -> dict[str, tuple[str, ...]]:
    return {
        f"orch {name}": tuple(row.name for row in fields(RunFlags)),
        f"orch {name} {_RATES}": ("rate_last", "output", "simulate", "config", "ledger"),
    }


def _doing(flags: RunFlags, name: str) -> str:
    return f"orch {name} {_RATES}" if flags.rate_last is not None and prompt_of(flags) is None else f"orch {name}"


def answer(flags: RunFlags, strategy: str | None = None) -> int:
    """Answer a prompt, with the strategy of a short form, and print what came of it; returns the exit code."""
    output, prompt = Output.parse(flags.output), prompt_of(flags)
    settings = settings_from(flags)
    if flags.rate_last is not None:
        from .rate import rate_one  # heavy

        rated = rate_one(settings, LAST, flags.rate_last)
        render.say(str(rated))
        if prompt is None:
            output.emit(rated.to_dict())
            return 0
    on_terminal = render.is_terminal(sys.stdout) and not output.json
    stream = flags.given_for_run.get("stream", on_terminal)
    options = options_from(flags, settings.run, stream=stream, strategy=strategy)
    shown = False
    try:
        engine = Engine(settings)
        planned = engine.plan(asked_of(flags, settings, engine.registry), options, shown=False)
        watcher = Watcher(verbose=flags.verbose, stream_answer=options.stream and not output.json)

        def show(result: OrchestrationResult) -> None:
            nonlocal shown
            shown = True
            watcher.close()
            if not output.json and result.status in ("complete", "incomplete"):
                _print_answer(result, streamed=watcher.streamed)
            output.emit(result.to_dict())
            if result.exception is not None:
                render.error(result.exception)
            closing_words(result, verbose=flags.verbose)
            render.flush()

        return _execute(engine, planned, watcher, show)
    except OrchError as error:
        if shown:  # it is the output's
            raise
        refused = refused_result(error, strategy=options.strategy, simulated=settings.simulate, when=local_now())
        output.emit(refused.to_dict())
        render.error(error)
        return error.exit_code


def _print_answer(result: OrchestrationResult, *, streamed: bool) -> None:
    """The text, unless it was printed as it came, then each call of a tool as a line of JSON."""
    if not streamed and (result.response or not result.tool_calls):
        render.line(result.response)
    for call in result.tool_calls:
        render.line(render.as_json(tool_call_dict(call)))


def _execute(engine: Engine, planned: Planned, watcher: Watcher, show: Callable[[OrchestrationResult], None]) -> int:
    """The exit code, for an interrupted run too. The result is shown before anybody is told of alerts."""

    async def to_the_end() -> OrchestrationResult:
        try:
            return await engine.execute(planned, watcher, answered=show)
        except RunInterrupted as interrupted:
            return interrupted.result

    signals: Signals[OrchestrationResult] = Signals()
    try:
        result = signals.run(to_the_end())
    finally:
        watcher.close()
    failed = 0 if result.exception is None else result.exception.exit_code
    return signals.exit_code if result.status == "interrupted" and signals.exit_code else failed
