"""``activator doctor``: why sockets do not serve, and what mends it."""

from typing import TYPE_CHECKING

import click

from activator.cli import complete, options, subjects
from activator.common.printable import printable

if TYPE_CHECKING:
    from activator.live.doctor import Finding


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
        import json

        rows = [finding._asdict() for finding in findings]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not findings:
        count = len(situation.sockets)
        click.echo(f"nothing found ({count} {'socket' if count == 1 else 'sockets'} looked at)")
    else:
        click.echo("\n".join(map(_shown, findings)), nl=False)
    return int(bool(findings))


def _shown(finding: "Finding") -> str:
    """Return a finding as text; colour is taken out where it is no terminal."""
    head = f"{click.style(printable(finding.unit), bold=True)}: {printable(finding.message)}"
    lines = [f"{head} {click.style(f'[{finding.name}]', fg='red')}"]
    for label, texts in (
        (click.style("evidence", dim=True) + "  ", finding.evidence),
        (click.style("mend", fg="green") + "      ", finding.commands),
    ):
        lines += [f"    {label}{printable(text)}" for text in texts]
    return "".join(f"{line}\n" for line in lines)
