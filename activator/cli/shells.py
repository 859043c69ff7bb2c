"""The shells whose words can be completed."""

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

# The variable by which the shell's script asks for completions, as click names it.
VARIABLE = "_ACTIVATOR_COMPLETE"
# What bash takes for the end of a word, and for one of its own.
_ENDS = ("=", ":")


class Bash(BashComplete):
    """Bash, which takes "=" and ":" for a word's end, and adds a blank behind the only choice."""

    source_template = (
        BashComplete.source_template
        + """
%(complete_func)s_open() {
    %(complete_func)s "$@"
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:./] ]]; then
        compopt -o nospace
    fi
}

complete -o nosort -F %(complete_func)s_open %(prog_name)s
"""
    )
    _kept = ""

    @staticmethod
    def _check_version() -> None:
        """Check nothing: the shell that reads the script need not be the one in the path."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one at the cursor, and that one, whole again."""
        words, last = super().get_completion_args()
        joined: list[str] = []
        for word in [*words, last]:
            follows = bool(joined) and joined[-1].endswith(_ENDS) and not word.startswith("-")
            if joined and ((word and not word.strip("=:")) or follows):
                joined[-1] += word
            else:
                joined.append(word)
        typed = last.strip("=:") and last
        kept = joined[-1].removesuffix(typed)
        # What click completes behind --option= is the value alone.
        self._kept = kept.partition("=")[2] if kept.startswith("-") else kept
        return joined[:-1], joined[-1]

    def get_completions(self, args: list[str], incomplete: str) -> "list[CompletionItem[str]]":
        """Return what may stand for the part of the last word that bash replaces."""
        found = super().get_completions(args, incomplete)
        for item in found:
            item.value = item.value.removeprefix(self._kept)
        return found


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": FishComplete}


def register() -> None:
    """Have click answer the scripts of these shells."""
    for kind in SHELLS.values():
        add_completion_class(kind)


def script(shell: str, command: click.Command) -> str:
    """Return the script by which a shell completes a command's words.

    Args:
        shell: One of :data:`SHELLS`.
        command: The command.
    """
    return SHELLS[shell](command, {}, "activator", VARIABLE).source()
