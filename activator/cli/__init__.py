"""The command line: one module a command, each loaded only when it is called.

Errors end here: an :class:`~activator.errors.ActivatorError` becomes its lines on stderr
and its exit status; nothing else is caught, so that a bug stays visible as a traceback.
"""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

import click

from activator.common.descriptors import fill_standard
from activator.common.printable import colours, printable
from activator.errors import ActivatorError, UsageError
from activator.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Command → its one-line help. The command's object is activator.cli.NAME:command.
COMMANDS = {
    "adopt": "Turn units, inetd's lines or a command into specs.",
    "check": "Tell what is wrong with units, before it happens.",
    "completion": "Print the script that completes words in bash, zsh or fish.",
    "ctl": "Control a running `activator run --control`.",
    "debian": "Write what a Debian package of a daemon needs into debian/.",
    "demo": "Show both modes at work, step by step, without systemd.",
    "directives": "Look up directives: meaning, values, default, versions.",
    "doctor": "Say why live sockets do not serve, and what mends it.",
    "exec": "Run a program with the passed descriptors where it wants them.",
    "gen": "Turn specs into matching .socket and .service units.",
    "graph": "Draw sockets, what they start, and what that needs.",
    "inspect": "Print what this process was passed, to debug a service.",
    "install": "Install a spec's units, or bring them up to date, losing no client.",
    "learn": "Learn the needs of a service by running it once under strace.",
    "reload": "Have a service hand over to new processes, for ExecReload=.",
    "run": "Run specs or unit files without systemd.",
    "schema": "Print the spec's JSON Schema, for editors.",
    "serve": "Serve the descriptors that systemd passed, with MODULE:HANDLER.",
    "status": "Show live sockets: queues, connections, buffers, and their services.",
    "templates": "List, show or copy the templates of units.",
    "uninstall": "Stop and remove all that was installed under a name.",
    "wait-for": "Wait until an address accepts connections, for ExecStartPost=.",
}
# Commands and formats whose output is for programs or files: UTF-8, whatever the locale is.
_DATA = {"adopt", "gen", "schema", "templates", "json", "sarif", "dot", "svg", "mermaid", "github"}
# What a full disk, or a reader or terminal that has gone, makes of a write.
_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, without loading any."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"activator.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)  # noqa: S101 - our own module's promise
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named, or say which one was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from activator.common.suggest import nearest

            near = nearest(args[0], COMMANDS)
            hint = f"did you mean {near}?" if near else "activator --help lists all"
            raise UsageError(f"there is no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """Offer the commands from the table, without loading any, and the options."""
        from click.shell_completion import CompletionItem

        offered = sorted(item for item in COMMANDS.items() if item[0].startswith(incomplete))
        commands = [CompletionItem(name, help=summary) for name, summary in offered]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without loading any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="activator")
def activator() -> None:
    """Make systemd socket activation easy and right.

    \b
    Example:
      activator gen units/echo.toml -o build/
      activator run units/echo.toml
    """  # noqa: D301 - click wants the character itself


def main(arguments: Sequence[str]) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name.

    Returns:
        The exit status: 0 done, 1 findings or a failed run, 2 wrong usage.
    """
    _complete_streams()
    _encode(arguments)
    # The shell's script asks what to offer for a word.
    if "_ACTIVATOR_COMPLETE" in os.environ:
        from activator.cli.shells import register

        register()
    try:
        status = activator.main(
            list(arguments),
            prog_name="activator",
            standalone_mode=False,
            color=None if colours() else False,
        )
        sys.stdout.flush()
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ActivatorError as error:
        report(error, sys.stderr)
        return error.status
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        # Where the reader has gone (as with `| head`) there is nothing more to say.
        if error.errno != errno.EPIPE:
            closed = error.errno == errno.EBADF
            what = "it is closed" if closed else error.strerror
            hint = "give a file or a pipe" if closed else "make room, or write it elsewhere"
            report(ActivatorError(f"cannot write the output: {what}", hint), sys.stderr)
        return 1
    finally:
        _give_up_output()
    return status if isinstance(status, int) else 0


def _complete_streams() -> None:
    """Lead those of the standard streams that are closed nowhere; output fails still.

    Otherwise a socket that is opened next could get the number 1, and be written to.
    """
    fill_standard(output=os.O_RDONLY)
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            mode = "r" if descriptor == 0 else "w"
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _give_up_output() -> None:
    """Have what cannot be written not tried again at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encode(arguments: Sequence[str]) -> None:
    """Have what the locale cannot show replaced; files and formats for programs are UTF-8."""
    data = bool(_DATA & {word.rpartition("=")[2] for word in arguments})
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8" if data else None, errors="replace")
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def report(error: ActivatorError, stream: TextIO) -> None:
    """Write an error's lines, in colour only on a terminal that has some."""
    coloured = stream.isatty() and colours()
    prefix = click.style("error:", fg="red", bold=True) + " " if coloured else ""
    # Where nobody hears of it, the exit status tells.
    with suppress(OSError):
        stream.writelines(f"{prefix}{printable(line)}\n" for line in error.lines())
        stream.flush()
