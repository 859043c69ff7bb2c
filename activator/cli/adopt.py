"""``activator adopt``: what is there, units or inetd's lines or a command, to specs."""

import os
from typing import TYPE_CHECKING

import click

from activator.cli import complete, options
from activator.errors import ActivatorError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from activator.adopt.model import Adopted

_ARGV = "activator.adopt.argv"


class _Command(click.Command):
    """A command with another one behind ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the other command."""
        ctx.meta[_ARGV] = None
        if "--" in args:
            place = args.index("--")
            ctx.meta[_ARGV] = args[place + 1 :]
            args = args[:place]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Offer words for what stands before the other command."""
        if ctx.meta[_ARGV] is not None:
            return []
        return super().shell_complete(ctx, incomplete)


@click.command(cls=_Command, short_help="Turn units, inetd's lines or a command into specs.")
@click.argument(
    "sources", nargs=-1, metavar="[PATH|UNIT]... [-- CMD...]", shell_complete=complete.adoptable
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    help="Write the specs into this directory.",
    shell_complete=complete.directories,
)
@click.option("--stdout", is_flag=True, help="Print the specs instead of writing them.")
@options.told_as(help_text="How to tell the result; json has the specs, too.")
@click.option(
    "--listen",
    multiple=True,
    metavar="ADDRESS",
    help="Where a program listens, if nothing else says so. Repeatable.",
)
@click.option("--name", default="", help="The name of the spec for CMD.")
@click.option(
    "--root",
    default="",
    metavar="DIR",
    help="The root directory of the system whose units are named.",
    shell_complete=complete.directories,
)
@click.pass_context
def command(
    context: click.Context,
    *,
    sources: tuple[str, ...],
    output: str | None,
    stdout: bool,
    style: str,
    listen: tuple[str, ...],
    name: str,
    root: str,
) -> int:
    """Turn units, inetd's and xinetd's configuration, a Procfile or a command into specs.

    A UNIT is taken with its drop-ins, and with the sockets that start it; a service that opens its
    own port gets a socket: the program is passed it if it is known to take one, and is put behind
    a proxy if not. A folder is all units in it, or what xinetd would read of it.

    Each line of a spec tells the file and line that it comes from. The report, on stderr, says
    what changed, what is gone, and what is left to decide. No file is written over. The exit status
    is 1 if something cannot be taken over; all else is written nevertheless.

    \b
    Examples:
      activator adopt cups.socket --stdout
      activator adopt /etc/xinetd.conf -o specs/
      activator adopt /etc/inetd.conf -o specs/
      activator adopt --stdout -- gunicorn --bind 127.0.0.1:8000 shop:app
      activator adopt shop.service --listen 8080 --stdout
    """  # noqa: D301 - click wants the character itself
    from activator.adopt import telling
    from activator.adopt.sources import Taker

    argv = context.meta[_ARGV]
    if not sources and not argv:
        raise UsageError("nothing to adopt", "name units or files, or a command after --")
    if stdout and (output or style == "json"):
        raise UsageError("--stdout goes alone", "leave out -o and --format json")
    if not (stdout or output or style == "json"):
        raise UsageError("where to?", "give either -o DIR or --stdout")
    if name and not argv:
        raise UsageError("--name is for a command", "name the command after --")
    taker = Taker(root, listen, name)
    found = [*taker.words(sources), *(taker.command(argv) if argv else ())]
    if not found:
        raise ActivatorError("nothing in it is served", "name another file", place=sources[0])
    texts = _texts(found)
    paths = _write(output, texts) if output else []
    if style == "json":
        import json

        click.echo(json.dumps({"services": telling.plain(found)}, indent=2, ensure_ascii=False))
    else:
        _print(texts, paths, stdout=stdout)
        for line in telling.lines(found):
            click.echo(line, err=True)
    return int(any(map(telling.is_refused, found)))


def _texts(found: "list[Adopted]") -> dict[str, str]:
    """Return the specs by the names of their files.

    Raises:
        ActivatorError: Two have the same name.
    """
    texts: dict[str, str] = {}
    for one in found:
        if one.draft is None:
            continue
        file = f"{one.draft.name}.toml"
        if file in texts:
            hint = "adopt one at a time, into other directories"
            raise ActivatorError(f"{file} would be made twice", hint, place=one.source)
        texts[file] = one.text
    return texts


def _write(output: str, texts: dict[str, str]) -> list[str]:
    """Write the specs, all or none, and over no file; return their paths.

    Raises:
        ActivatorError: There is such a file, or one cannot be written.
    """
    from activator.output.atomic import write_all

    for name in texts:
        path = os.path.join(output, name)  # noqa: PTH118 - as it was named
        if os.path.lexists(path):
            raise ActivatorError("the file is there already", "name another directory", place=path)
    return [str(path) for path in write_all(output, texts)]


def _print(texts: dict[str, str], paths: list[str], *, stdout: bool) -> None:
    """Print the specs, or where they are."""
    if not stdout:
        for path in paths:
            click.echo(path)
    elif len(texts) == 1:
        click.echo(next(iter(texts.values())), nl=False)
    else:
        click.echo("\n".join(f"# {name}\n{text}" for name, text in texts.items()), nl=False)
