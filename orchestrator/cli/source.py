"""Where a prompt comes from: the command line, standard input, files, or several of these."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config.ages import OFF, is_age
from ..decoding import decoded
from ..errors import UsageError
from ..expressions import expression
from ..reading.attachments import STDIN, attach, left_out_note, read_attachments
from ..types import Media, Prompt
from . import render
from .options import PlanFlags

if TYPE_CHECKING:
    from ..config import Settings
    from ..registry.model import Registry

_OPTION = "--context"
_CONTINUE = "--continue"
_CACHE, _NO_CACHE, _ON = "--cache", "--no-cache", "on"
_RESUME, _SAME = "--resume", "same"
_LAST = "last"  # as `ledger.queries.LAST`, which would load the ledger for every command
_RUN = expression(r"last|0[0-9a-hjkmnp-tv-z]{3,25}", re.IGNORECASE)  # a run's id or the beginning of one
_USUAL_FILES = {"report": {"--html": "orch-report.html"}}
_TAKE_SEVERAL = ("run", "plan")  # the short forms have always had their prompt behind a file


def prompt_of(flags: PlanFlags) -> str | None:
    """The prompt on the command line: PROMPT, or what follows -p. Raises UsageError for both."""
    if flags.asked is not None and flags.prompt is not None:
        raise UsageError(
            f"there are two prompts: {flags.asked[:40]!r} and the one after -p", hint="leave one of them out"
        )
    return flags.prompt if flags.asked is None else flags.asked


def read_prompt(given: str | None, system: str | None, context: Sequence[str], registry: Registry) -> Prompt:
    """The prompt. `-`, or none given, takes it from standard input; piped input beside a prompt is added as context.

    `context` names files, folders, globs and `-`. Raises UsageError if there is no prompt or if what is read is not
    UTF-8, and ContextTooLongError for far more of it than the largest context window in the registry holds.
    """
    asked_on_stdin = given is None or given == STDIN
    if asked_on_stdin and STDIN in context:
        raise UsageError("standard input is the prompt or --context -, not both", hint="give the prompt with -p")
    if given is None or given == STDIN:
        if sys.stdin is None or (given is None and sys.stdin.isatty()):
            raise UsageError("no prompt: write it in quotes, before --context if there is one, or pipe it in")
        given = _read_stdin()
        return _with_files(given, system, context, "", registry) if context else Prompt(given, system)
    piped = "" if sys.stdin is None or (sys.stdin.isatty() and STDIN not in context) else _read_stdin()
    if context:
        return _with_files(given, system, context, piped, registry)
    return Prompt(f"{given}\n\n{piped}", system, context=piped) if piped.strip() else Prompt(given, system)


def asked_of(flags: PlanFlags, settings: Settings, registry: Registry) -> Prompt:
    """All that the command line asks: the prompt with its files, images and documents, after the run that it goes on
    from. Raises UsageError, and ContextTooLongError as `read_prompt` does."""
    prompt = read_prompt(prompt_of(flags), flags.system, flags.context or (), registry)
    if flags.attach:
        from ..reading.media import with_media  # few prompts have any

        prompt = with_media(prompt, media_of(flags.attach, simulate=settings.simulate))
    if flags.continue_ is None:
        return prompt
    from ..run.continuing import going_on  # few go on

    return going_on(prompt, flags.continue_, settings)


def media_of(named: Sequence[str], *, simulate: bool) -> tuple[Media, ...]:
    """The images and documents of `--attach`. A simulated run fetches nothing: an address is passed on.

    Raises UsageError for what cannot be read, or is of another kind.
    """
    from ..providers.download import downloaded  # few prompts have any
    from ..reading.media import read_media

    return read_media(named, "--attach", None if simulate else downloaded)


def spread_context(argv: Sequence[str]) -> list[str]:
    """`--context a b c`, which is what a shell makes of `--context *.py`, as `--context a --context b --context c`.

    Words belong to it up to the next option, or `--`: a prompt stands before it.
    """
    if not argv or argv[0] not in _TAKE_SEVERAL:
        return list(argv)
    spread: list[str] = []
    taking = False
    for word in argv:
        option = word != STDIN and word.startswith("-")
        if taking and not option and spread[-1] != _OPTION:
            spread.append(_OPTION)
        taking = word == _OPTION or (taking and not option)
        spread.append(word)
    return spread


def with_usual_words(argv: Sequence[str]) -> list[str]:
    """A command line on which options stand with the word that they can do without: `--continue` with the run that it
    goes on from, the last one; `--cache` with the usual age. The next word belongs to them if it can be one."""
    named: list[str] = []
    for place, word in enumerate(argv):
        if word == "--":
            return [*named, *argv[place:]]
        named += [_CACHE, OFF] if word == _NO_CACHE else [word]
        following = argv[place + 1] if place + 1 < len(argv) else ""
        if word == _CONTINUE and not _RUN.fullmatch(following):
            named.append(_LAST)
        if word == _RESUME and not _RUN.fullmatch(following):  # a batch's id is a ULID too
            named.append(_SAME)
        if word == _CACHE and not is_age(following):
            named.append(_ON)
    return named


def with_file_names(argv: Sequence[str]) -> list[str]:
    """A command line on which an option that needs no file name has its usual one."""
    words = list(argv)
    usual = _USUAL_FILES.get(words[0] if words else "", {})
    for place in range(len(words) - 1, 0, -1):
        following = words[place + 1 : place + 2]
        if words[place] in usual and (not following or (following != [STDIN] and following[0].startswith("-"))):
            words.insert(place + 1, usual[words[place]])
    return words


def _with_files(question: str, system: str | None, context: Sequence[str], piped: str, registry: Registry) -> Prompt:
    named = [*context, *([STDIN] if piped.strip() and STDIN not in context else [])]
    attached = read_attachments(named, stdin=lambda: piped, window=registry.largest_window)
    if (note := left_out_note(attached)) is not None:
        render.warn(note)
    return attach(question, system, attached.text)


def _read_stdin() -> str:
    try:
        raw = sys.stdin.buffer.read()
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror}") from error
    return decoded(raw, "standard input")
