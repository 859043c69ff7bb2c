"""``activator status``: live sockets, what waits there, and how their services fare."""

import click

from activator.cli import complete, options, subjects
from activator.cli.output import terminal_width
from activator.errors import UsageError


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
    ("text", "json", "openmetrics"),
    help_text="Print for people or for programs; json has a line for each turn of --watch.",
)
def command(*, units: tuple[str, ...], user: bool, watch: float | None, style: str) -> int:
    """Show live sockets: connections, queues, drops, buffers, and the state of their services.

    Without UNIT, a table of all loaded sockets; with some, all that is known of each: by its name,
    by that of its service or of its spec, or by a spec or folder. What
    nobody tells is "-": the kernel tells limits, buffers and bytes through pyroute2
    (pip install 'systemd-activator[status]', in Debian python3-pyroute2), and /proc the rest.

    \b
    Examples:
      activator status
      activator status echo.socket --watch=5
      activator status --format json
      activator status --format openmetrics >sockets.prom
    """  # noqa: D301 - click wants the character itself
    import sys
    import time

    if watch is not None and style == "openmetrics":
        raise UsageError("--watch shows no OpenMetrics", "they are told once: leave it out")
    screen = watch is not None and style == "text" and sys.stdout.isatty()
    try:
        if screen:
            # The terminal's other screen, as less(1) has it: what was there before comes back.
            click.echo("\x1b[?1049h\x1b[?25l", nl=False)
        while True:
            text = _text(units, user=user, style=style, once=watch is None)
            click.echo(_page(text) if screen else text, nl=False)
            if watch is None:
                return 0
            sys.stdout.flush()
            time.sleep(watch)
    except KeyboardInterrupt:
        return 0
    finally:
        if screen:
            click.echo("\x1b[?25h\x1b[?1049l", nl=False)


def _page(text: str) -> str:
    """Return a screen with the time, and as much of a text as there is room for."""
    import shutil
    import time

    lines = [time.strftime("%Y-%m-%d %H:%M:%S"), *text.rstrip("\n").split("\n")]
    height = shutil.get_terminal_size().lines
    if len(lines) > height:
        lines[height - 1 :] = [f"({len(lines) - height + 1} more lines)"]
    shown = "\x1b[K\n".join(lines)
    return f"\x1b[H{shown}\x1b[K\x1b[J"


def _text(units: tuple[str, ...], *, user: bool, style: str, once: bool) -> str:
    """Ask once, and return what to print."""
    from activator.live.manager import ASKING, Manager
    from activator.live.status.gather import plain, statuses
    from activator.live.status.tables import details, overview
    from activator.live.units import Situation

    if style == "openmetrics":
        from activator.live.status.openmetrics import openmetrics
    names = subjects.sockets(units, user=user)
    found = statuses(Situation(Manager(user=user, instead=ASKING), names))
    if style == "json":
        import json

        return (
            json.dumps(list(map(plain, found)), indent=2 if once else None, ensure_ascii=False)
            + "\n"
        )
    if style == "openmetrics":
        return openmetrics(found)
    if units:
        return "\n".join(map(details, found))
    return overview(found, terminal_width())
