"""``activator doctor``: why sockets do not serve, and what mends it."""

import textwrap
from typing import TYPE_CHECKING

import click

from activator.cli import complete, options, subjects
from activator.cli.output import print_json, terminal_width
from activator.common.printable import printable

if TYPE_CHECKING:
    from activator.live.doctor import Finding

# What stands before evidence and commands, and the least width that words are fitted to.
_LABEL = len("    evidence  ")
_NARROW = 20


@click.command(short_help="Say why live sockets do not serve, and what mends it.")
@click.argument("units", nargs=-1, metavar="[UNIT]...", shell_complete=complete.live_sockets)
@click.option("--user", is_flag=True, help="Ask your own manager, not the system's.")
@options.told_as()
def command(*, units: tuple[str, ...], user: bool, style: str) -> int:
    """Say why live sockets do not serve, with the evidence and the commands that mend it.

    UNIT is a socket, its service, the name of its spec, a spec or a folder; without one, all loaded
    sockets are looked at. The commands are in the order that is safe,
    and are not run. What other users' processes have open, root alone may see. Exits with 1 if
    something was found.

    \b
    Examples:
      activator doctor
      activator doctor echo.socket --format json
    """  # noqa: D301 - click wants the character itself
    from activator.live.doctor import diagnose
    from activator.live.manager import ASKING, Manager
    from activator.live.units import Situation

    names = subjects.sockets(units, user=user)
    situation = Situation(Manager(user=user, instead=ASKING), names)
    findings = list(diagnose(situation))
    if style == "json":
        print_json([finding._asdict() for finding in findings])
    elif not findings:
        count = len(situation.sockets)
        click.echo(f"nothing found ({count} {'socket' if count == 1 else 'sockets'} looked at)")
    else:
        room = terminal_width()
        click.echo("\n".join(shown(finding, room) for finding in findings), nl=False)
    return int(bool(findings))


def shown(finding: "Finding", width: int) -> str:
    """Return a finding as text, fitted to a width; 0 is none.

    Colour is taken out where it is no terminal.
    """
    unit, name = printable(finding.unit), f"[{finding.name}]"
    head = "\n".join(_fitted(f"{unit}: {printable(finding.message)} {name}", " " * 4, width))
    head = click.style(unit, bold=True) + head.removeprefix(unit)
    lines = [head.removesuffix(name) + click.style(name, fg="red")]
    for label, texts in (
        (click.style("evidence", dim=True) + "  ", finding.evidence),
        (click.style("mend", fg="green") + "      ", finding.commands),
    ):
        for text in map(printable, texts):
            # People paste the commands: those stay whole, and a comment is one in every line.
            is_whole = texts is finding.commands and not text.startswith("#")
            more = "# " if texts is finding.commands else ""
            parts = [text] if is_whole or not width else _fitted(text, more, width - _LABEL)
            lines.append(f"    {label}{parts[0]}")
            lines += [" " * _LABEL + part for part in parts[1:]]
    return "".join(f"{line}\n" for line in lines)


def _fitted(text: str, indent: str, width: int) -> list[str]:
    """Return the lines of a text, broken between words where there is a width."""
    if not width:
        return [text]
    lines = textwrap.wrap(
        text,
        max(width, _NARROW),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [text]
