"""``activator templates``: the built-in templates, to read and to copy."""

import os
from pathlib import Path

import click

from activator.cli import complete, options
from activator.errors import ActivatorError, UsageError


@click.command(short_help="List, show or copy the templates of units.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.templates)
@options.directory("--copy", "directory", help="Copy them into this directory.")
@click.option("--show", metavar="NAME", help="Print one.", shell_complete=complete.templates)
@click.option("--force", is_flag=True, help="With --copy: replace files that are there.")
def command(
    *, names: tuple[str, ...], directory: str | None, show: str | None, force: bool
) -> None:
    """List the templates of units, or copy some to change them.

    What is copied goes before the built-in ones with: activator gen --templates DIR. A
    template may extend the built-in one and write its blocks anew: head (the comment on
    top), section (once for each) and foot. It may add comments, and directives that systemd
    takes; what the unit must say stays.

    \b
    Examples:
      activator templates
      activator templates --copy templates/ unit
      activator gen echo.toml --templates templates/ -o build/
    """  # noqa: D301 - click wants the character itself
    from activator.generate.render import templates

    if show and (names or directory):
        raise UsageError("--show goes alone", "name one template after it")
    if (names or force) and not directory:
        raise UsageError("where to?", "give --copy DIR")
    if show:
        click.echo(templates.source(templates.find(show)), nl=False)
    elif directory:
        chosen = dict.fromkeys(map(templates.find, names or templates.names()))
        _copy(directory, {name: templates.source(name) for name in chosen}, force=force)
    else:
        room = max(map(len, templates.names()))
        for name in templates.names():
            click.echo(f"{name:{room}}  {templates.purpose(name)}")


def _copy(directory: str, texts: dict[str, str], *, force: bool) -> None:
    """Copy templates into a directory, all or none, and print their paths.

    Raises:
        ActivatorError: One is there already, or cannot be written.
    """
    from activator.output.atomic import write_all

    there = [Path(directory, name) for name in texts if os.path.lexists(Path(directory, name))]
    if there and not force:
        raise ActivatorError(
            "there is a file already", "replace it with --force", place=str(there[0])
        )
    for path in write_all(directory, texts):
        click.echo(path)
