"""`orch init`: configuration files to start from, or what another tool's configuration comes to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ...clock import local_now
from ...config import user_config_dir
from ...config.yaml_files import is_there
from ...deferred import dataclass
from ...registry.loading import load_registry
from ...registry.providers import PROVIDERS, is_set_up
from ...starter.conversion import Converted, convert
from ...starter.files import MODELS, Written, check, starter_files, write
from ...starter.openclaw import read_openclaw
from .. import render
from ..options import OutputFlags, command
from ..output import Output
from ..using import check_used

_NAMED_ELSEWHERE = ("ORCH_CONFIG", "ORCH_CHAINS", "ORCH_MODELS", "ORCH_ROUTING")


@dataclass(frozen=True, kw_only=True)
class _InitFlags(OutputFlags):
    from_openclaw: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Convert an openclaw.json: agents become roles; its routing becomes chains and a task table.",
        ),
    ] = None
    print_only: Annotated[bool, typer.Option("--print", help="Print the files; write nothing.")] = False
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there; a copy of each is kept as NAME.old.")
    ] = False


@command(_InitFlags)
def init(flags: _InitFlags) -> int:
    """Writes to your config directory. Existing files are kept unless you give --force.

    --from-openclaw reads the file and never changes it. It writes nothing if one of the new files exists.
    """
    check_used(flags, "orch init --print" if flags.print_only else "orch init", _USES)
    output, folder = Output.parse(flags.output), user_config_dir()
    imported = flags.from_openclaw is not None
    converted = Converted(starter_files()) if flags.from_openclaw is None else _converted(flags.from_openclaw, folder)
    written = None if flags.print_only else write(converted.files, folder, force=flags.force, together=imported)
    output.emit(
        {
            "schema_version": 1,
            "folder": str(folder),
            "written": [] if written is None else list(written.written),
            "kept": [] if written is None else list(written.kept),
            "copies": [] if written is None else list(written.copies),
            "warnings": converted.warnings,
            "files": converted.files if flags.print_only else None,
        }
    )
    if not output.json:
        for line in _printed(converted) if written is None else _report(written, converted, imported=imported):
            render.line(line)
    for warning in converted.warnings:
        render.warn(warning)
    return 0


commands = {"init": init}

_USES = {"orch init": ("force",), "orch init --print": ("print_only",)}


def _converted(source: Path, folder: Path) -> Converted:
    """What openclaw.json comes to, by the models that orch has and those that the user added. Raises ConfigError."""
    named = os.environ.get("ORCH_MODELS")
    own = Path(named).expanduser() if named else folder / MODELS
    models_file = own if named or is_there(own) else None
    with TemporaryDirectory(prefix="orch-init-") as nowhere:  # the user's chains make no difference, even broken ones
        registry = load_registry(models_file=models_file, chains_file=None, config_dir=Path(nowhere))
    converted = convert(read_openclaw(source), registry, source=source.name, when=local_now())
    if models_file is not None:
        converted.files.pop(MODELS, None)  # the user's own stays; the warnings have what to add
    check(converted.files, models_file=models_file)
    return converted


def _printed(converted: Converted) -> Iterator[str]:
    for name, text in converted.files.items():
        yield f"# ---- {name}"
        yield text


def _report(written: Written, converted: Converted, *, imported: bool) -> Iterator[str]:
    for name in written.written:
        copy = f" (what was there: {name}.old)" if f"{name}.old" in written.copies else ""
        yield f"wrote {written.folder / name}{copy}"
    for name in written.kept:
        yield f"kept  {written.folder / name}, which was there already"
    for variable in _NAMED_ELSEWHERE:
        if os.environ.get(variable):
            yield f"{variable} names another file, which is read instead"
    missing = [name for name in converted.providers if not is_set_up(name, os.environ)]
    keys = [info.base_url_env if info.self_hosted else info.key_env for info in map(PROVIDERS.__getitem__, missing)]
    yield ""
    if not imported:
        yield "next: set a key (ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY ...), then: orch doctor"
        yield 'without a key: orch run --simulate -s mine -p "Should I use REST or GraphQL?"'
        return
    first = f"set {', '.join(keys)}, then: " if keys else ""
    yield f"next: {first}orch chains, orch doctor"
    yield 'to try it without a key: orch run --simulate "Should I use REST or GraphQL?" -v'
