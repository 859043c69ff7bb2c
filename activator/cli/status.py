"""``activator status``: live sockets, what waits there, and how their services fare."""

import click

from activator.cli import complete, options


@click.command(short_help="Show live sockets: queues, connections, buffers, and their services.")
@click.argument("units", nargs=-1, metavar="[UNIT]...", shell_complete=complete.live_sockets)
@click.option("--user", is_flag=True, help="Ask your own manager, not the system's.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    is_flag=False,
    flag_value=2.0,
    metavar="SECONDS",
    help="Show it again and again, every 2 seconds or as given (--watch=5), until Ctrl-C.",
)
@options.told_as(
    help_text="Print for people or for programs; json has a line for each turn of --watch."
)
def command(*, units: tuple[str, ...], user: bool, watch: float | None, style: str) -> int:
    """Show live sockets: connections, queues, drops, buffers, and the state of their services.

    Without UNIT, a table of all loaded sockets; with some, all that is known of each. What
    nobody tells is "-": the kernel tells limits, buffers and bytes through pyroute2
    (activator[status], in Debian python3-pyroute2), and /proc the rest.

    \b
    Examples:
      activator status
      activator status echo.socket --watch=5
      activator status --format json
    """  # noqa: D301 - click wants the character itself
    import sys
    import time

    once = watch is None
    try:
        while True:
            text = _text(units, user=user, style=style, indent=2 if once else None)
            if not once and style == "text" and sys.stdout.isatty():
                click.echo("\x1b[H\x1b[2J", nl=False)
            click.echo(text, nl=False)
            if watch is None:
                return 0
            time.sleep(watch)
    except KeyboardInterrupt:
        return 0


def _text(units: tuple[str, ...], *, user: bool, style: str, indent: int | None) -> str:
    """Ask once, and return what to print."""
    from activator.live.units import Situation
    from activator.manager import ASKING, Manager
    from activator.status.model import plain, statuses
    from activator.status.tables import details, overview

    found = statuses(Situation(Manager(user=user, instead=ASKING), units))
    if style == "json":
        import json

        return json.dumps(list(map(plain, found)), indent=indent, ensure_ascii=False) + "\n"
    return "\n".join(map(details, found)) if units else overview(found)
