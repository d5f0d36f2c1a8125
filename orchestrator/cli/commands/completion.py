"""`orch completion`: what makes a shell complete the words of `orch`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ...deferred import dataclass
from ...errors import UsageError
from .. import render
from ..completing import candidates
from ..dispatch import app
from ..options import command


class Shell(StrEnum):
    """A shell to print the script for, or the question that the scripts ask."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    WORDS = "words"


# Each asks `orch completion words` for lines of a word, a tab and what it is; without any, files are offered.
_SCRIPTS = {
    Shell.BASH: r"""_orch() {
    local word
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        COMPREPLY+=("$word")
    done < <("$1" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _orch orch
""",
    Shell.ZSH: r"""#compdef orch
_orch() {
    local -a found
    local word what
    while IFS=$'\t' read -r word what; do
        found+=("${word//:/\\:}:$what")
    done < <("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#found )); then _describe orch found; else _files; fi
}
if [ "$funcstack[1]" = "_orch" ]; then _orch "$@"; else compdef _orch orch; fi
""",
    Shell.FISH: r"""function __orch_words
    set -l typed (commandline -opc)
    set -g __orch_found ($typed[1] completion words -- $typed[2..-1] (commandline -ct) 2>/dev/null)
    count $__orch_found >/dev/null
end
complete -c orch -f -n __orch_words -a '$__orch_found'
""",
}


@dataclass(frozen=True, kw_only=True)
class _CompletionFlags:
    shell: Annotated[Shell, typer.Option(help="bash, zsh or fish.")]
    words: Annotated[
        list[str] | None, typer.Option(help="What the scripts ask for: orch completion words -- WORDS.")
    ] = None


@command(_CompletionFlags, argument=("shell", "words"))
def completion(flags: _CompletionFlags) -> int:
    """It completes commands, options, and the names of strategies, plans, models and the like.

    bash: eval "$(orch completion bash)" in ~/.bashrc

    zsh: eval "$(orch completion zsh)" in ~/.zshrc, after compinit

    fish: orch completion fish > ~/.config/fish/completions/orch.fish
    """
    if flags.shell is Shell.WORDS:
        for word, what in candidates(typer.main.get_command(app), flags.words or ()):
            render.line(f"{word}\t{what}" if what else word)
        return 0
    if flags.words:
        raise UsageError(f"orch completion {flags.shell} takes nothing more")
    render.line(_SCRIPTS[flags.shell])
    return 0


commands = {"completion": completion}
