"""Options that several commands have, so that they are named and told alike."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from activator.cli import complete

_Command = TypeVar("_Command", bound=Callable[..., object])


def directory(*names: str, **more: Any) -> Callable[[_Command], _Command]:
    """Return an option for a directory; the arguments are those of :func:`click.option`."""
    return click.option(*names, metavar="DIR", shell_complete=complete.directories, **more)


def told_as(
    formats: Sequence[str] = ("text", "json"), help_text: str = "How to tell the result."
) -> Callable[[_Command], _Command]:
    """Return --format, whose value is the argument ``style``; the first format is the default."""
    return click.option(
        "--format", "style", type=click.Choice(formats), default=formats[0], help=help_text
    )


def for_systemd(help_text: str) -> Callable[[_Command], _Command]:
    """Return --systemd, for a version of it."""
    return click.option(
        "--systemd", metavar="VERSION", help=help_text, shell_complete=complete.versions
    )


def for_podman(command: _Command) -> _Command:
    """Add --podman, for a version of it."""
    text = "The podman to write containers for, as 5.4; else the spec's, or the one installed."
    return click.option("--podman", metavar="VERSION", help=text)(command)


def with_templates(command: _Command) -> _Command:
    """Add --templates, for those of the user."""
    return directory("--templates", help="Templates that go before the built-in ones.")(command)


def planned(command: _Command) -> _Command:
    """Add --dry-run and --diff, for commands that change a system."""
    for flag, text in (
        ("--diff", "Show how each unit's file changes, too."),
        ("--dry-run", "Only show the steps."),
    ):
        command = click.option(flag, is_flag=True, help=text)(command)
    return command


def writing(command: _Command) -> _Command:
    """Add --check, --diff and --force, for commands that write files."""
    for flag, text in (
        ("--force", "Replace files that were edited or not ours."),
        ("--diff", "Write nothing; show what would change."),
        ("--check", "Write nothing; exit 1 if a file would change."),
    ):
        command = click.option(flag, is_flag=True, help=text)(command)
    return command


def seconds(_: click.Context, parameter: click.Parameter, text: str | None) -> float:
    """Read a time span, as systemd.time(7) writes it."""
    from activator.errors import ActivatorError, UsageError
    from activator.unitfile import read

    try:
        return read.seconds(text) if text is not None else 0.0
    except ActivatorError as error:
        raise UsageError(error.message, error.hint, place=f"{parameter.opts[0]}") from None
