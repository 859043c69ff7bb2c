"""``activator graph``: sockets, what they start, and what that needs, as a drawing."""

import click

from activator.cli import complete
from activator.cli.located import located


@click.command(short_help="Draw sockets, what they start, and what that needs.")
@click.argument("paths", nargs=-1, metavar="[SPEC|UNIT|FOLDER]...", shell_complete=complete.checked)
@click.option("--installed", is_flag=True, help="Draw all sockets of this machine.")
@click.option("--user", is_flag=True, help="Take units for a user's manager.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "svg"]),
    default="text",
    show_default=True,
    help="A tree, or what Mermaid or Graphviz draws; svg needs Graphviz's dot.",
)
def command(*, paths: tuple[str, ...], installed: bool, user: bool, form: str) -> int:
    """Draw sockets, the services they start, and what these need: units, users, files.

    UNIT is a file, or the name of a unit that is installed. A spec is drawn as the units
    that it makes. No systemd is asked.

    \b
    Examples:
      activator graph units/echo.toml
      activator graph ssh.socket --format mermaid
      activator graph --installed --format svg >sockets.svg
    """  # noqa: D301 - click wants the character itself
    from activator.check.graph.edges import draw
    from activator.check.graph.forms import mermaid, text
    from activator.check.graph.picture import dot, svg
    from activator.check.inputs import Scope, named, worlds
    from activator.errors import ActivatorError, UsageError, combine

    if bool(paths) == installed:
        raise UsageError("name specs, units or folders, or use --installed", "see --help")
    if installed:
        found = list(worlds(Scope(root="", whole=True, user=user)))
    else:
        found = [
            world
            for path in located(paths, paths=False)
            for world in (
                named(path, Scope(root="", user=user)) or worlds(Scope(paths=(path,), user=user))
            )
        ]
    failures: list[ActivatorError] = [error for world in found for error in world.failures]
    if failures:
        raise combine(failures)
    drawing = draw(found, sockets_only=installed)
    if not drawing.nodes:
        raise ActivatorError("there is no socket and no service to draw", "name others")
    forms = {"text": text, "mermaid": mermaid, "dot": dot, "svg": svg}
    click.echo(forms[form](drawing), nl=False)
    return 0
