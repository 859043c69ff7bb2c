"""``activator ctl``: control a running ``activator run --control`` from another terminal."""

import json
from typing import TYPE_CHECKING, Any

import click

from activator.cli import complete

if TYPE_CHECKING:
    from collections.abc import Iterable

VERBS = ("list", "status", "start", "stop", "restart", "reload")


@click.command(
    "ctl",
    short_help="Control a running `activator run --control`.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("verb", type=click.Choice(VERBS))
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=complete.running_units)
@click.option("--control-socket", metavar="PATH", help="Where it listens, if not by default.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Print for people or for programs.",
)
def command(verb: str, names: tuple[str, ...], control_socket: str | None, form: str) -> int:
    """List units, or start, stop, restart or reload some, as systemctl does.

    NAME is a service, a socket with its suffix, or a spec, a unit file or a folder, which
    stand for their units that run. `restart` keeps the sockets open, so
    that clients wait and none is refused. `reload` without a NAME reads all units again:
    sockets that did not change stay open. Each waits until it is done.

    \b
    Examples:
      activator ctl list
      activator ctl restart web
      activator ctl restart units/echo.toml
      activator ctl reload
      activator ctl status web.socket --format json
    """  # noqa: D301 - click wants the character
    from activator.errors import UsageError
    from activator.local.control import ask, default_path

    if verb in ("start", "stop", "restart") and not names:
        raise UsageError(f"{verb} needs a name", "`activator ctl list` shows all", place="ctl")
    path = control_socket or default_path()
    answer = ask(path, verb, _meant(names, verb, path))
    if form == "json":
        click.echo(json.dumps(answer, indent=2))
    elif verb == "reload" and not names:
        click.echo("\n".join(answer) or "no unit has changed")
    elif verb == "status":
        for row in answer:
            click.echo("\n".join(_details(row)))
    elif verb == "list":
        _table(answer)
    for row in answer if verb == "stop" else ():
        if sockets := row.get("sockets"):
            them = "it" if len(sockets) == 1 else "them"
            text = (
                f"{row['unit']} can still be started by {', '.join(sockets)}; stop {them} as well"
            )
            click.echo(f"{text} to keep it down", err=True)
    return 0


def _meant(names: tuple[str, ...], verb: str, path: str) -> list[str]:
    """Return the names of the units that are meant; only services are started and reloaded."""
    from functools import cache

    from activator.cli import subjects
    from activator.cli.located import UNITS
    from activator.local.control import ask

    @cache
    def known() -> list[str]:
        return [row["unit"] for row in ask(path, "list", [])]

    kinds = UNITS if verb in ("list", "status", "stop") else (".service",)
    return list(subjects.running(names, known, kinds=kinds))


def _table(rows: "Iterable[dict[str, Any]]") -> None:
    """Print one line a unit."""
    lines = [("UNIT", "ACTIVE", "SUB", "PID", "")]
    for row in rows:
        addresses = ", ".join(row.get("addresses", ()))
        lines.append(
            (
                row["unit"],
                row["activity"],
                row["state"],
                str(row.get("pid") or "-"),
                row.get("text") or row.get("client") or addresses,
            )
        )
    widths = [max(len(line[n]) for line in lines) for n in range(4)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        click.echo("  ".join([*cells, line[4]]).rstrip())


def _details(row: dict[str, Any]) -> list[str]:
    """Return all that is known about a unit, one thing a line."""
    known = {
        "state": f"{row['activity']} ({row['state']})",
        "result": row["result"],
        "listens on": ", ".join(row.get("addresses", ())),
        "starts": row.get("service"),
        "accepted": row.get("accepted"),
        "connections": row.get("connections"),
        "process": row.get("pid"),
        "client": row.get("client"),
        "status": row.get("text"),
        "last exit": row.get("status"),
        "restarts": row.get("restarts"),
        "started by": ", ".join(row.get("sockets", ())),
    }
    shown = [f"  {what + ':':<13}{value}" for what, value in known.items() if value]
    return [row["unit"], *shown]
