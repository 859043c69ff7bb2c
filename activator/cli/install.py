"""``activator install``: put a spec's units in place and bring them up."""

from typing import TYPE_CHECKING, Any, Self

import click

from activator.cli import complete, options, subjects
from activator.cli.output import print_json
from activator.errors import ActivatorError, UsageError

if TYPE_CHECKING:
    from activator.deploy.install import Result, Step, Unit


class Report:
    """Tell what is done: each step as it begins, or all in the end as JSON.

    Args:
        style: ``text`` or ``json``.
        diff: Whether to tell how each unit's file changes, too.
    """

    def __init__(self, style: str, *, diff: bool = False) -> None:
        self._json = style == "json"
        self._diff = diff
        self._steps: list[Step] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if self._json and isinstance(error, ActivatorError):
            self._dump({"result": "failed", "errors": error.lines()}, self._steps)

    def say(self, step: "Step") -> None:
        """Tell of a step that begins."""
        self._steps.append(step)
        if not self._json:
            click.echo(step)

    def end(self, result: "Result", word: str, *, shown: bool) -> None:
        """Tell of the end.

        Args:
            result: What was done.
            word: What that is in a word.
            shown: Whether the steps were told one by one.
        """
        if self._json:
            units = [self._unit(unit) for unit in result.units]
            told = {"result": word if result.steps else "unchanged", "name": result.name}
            self._dump(told | {"units": units, "notes": result.notes}, result.steps)
            return
        for step in () if shown else result.steps:
            click.echo(step)
        if not result.steps:
            click.echo(f"{result.name} is as it should be: nothing to do")
        for unit in result.units if self._diff else ():
            for line in unit.file.diff():
                click.echo(line)
        for note in result.notes:
            click.echo(note, err=True)

    def _unit(self, unit: "Unit") -> dict[str, Any]:
        """Return a unit as plain values."""
        plain = {
            "name": unit.name,
            "path": str(unit.file.path),
            "status": unit.file.status.value,
            "active": unit.state.active,
        }
        texts = {"before": unit.file.before, "after": unit.file.after} if self._diff else {}
        return plain | {key: _readable(text) for key, text in texts.items()}

    def _dump(self, told: dict[str, Any], steps: "list[Step]") -> None:
        """Print one object."""
        told["steps"] = [step.describe() for step in steps]
        print_json(told)


def _readable(text: str | None) -> str | None:
    """Return a text that any encoding takes."""
    return text and text.encode(errors="surrogateescape").decode(errors="replace")


def same_call() -> str:
    """Return this call as a line of the shell that can be given elsewhere."""
    import os
    import shlex
    import sys

    words = shlex.join(["activator", *sys.argv[1:]])
    return f"cd {shlex.quote(os.getcwd())} && {words}"  # noqa: PTH109 - as it is said


@click.command(short_help="Install a spec's units, or bring them up to date, losing no client.")
@click.argument("spec", metavar="SPEC", shell_complete=complete.specs)
@click.option("--user", is_flag=True, help="For your own manager instead of the system's.")
@options.directory("--root", help="Into a system below DIR that does not run.")
@options.for_systemd("The systemd to write for, as 257; else the spec's, or the one that runs.")
@options.for_podman
@options.with_templates
@click.option("--now/--no-now", default=True, help="Start, restart and stop units as needed.")
@click.option(
    "--restart", is_flag=True, help="Restart the services that run, for new code, in any case."
)
@click.option(
    "--reload", is_flag=True, help="The same, by a service's own reload where it has one."
)
@options.planned
@click.option("--force", is_flag=True, help="Replace files that were edited or not ours, too.")
@options.told_as()
def command(
    spec: str,
    root: str | None,
    systemd: str | None,
    templates: str | None,
    style: str,
    *,
    podman: str | None,
    user: bool,
    now: bool,
    restart: bool,
    reload: bool,
    dry_run: bool,
    diff: bool,
    force: bool,
) -> None:
    """Install a spec's units, or bring those that are installed up to date.

    A first installation enables and starts the sockets; clients start the service. Later
    ones do no more than the changes ask for, in the order that loses no client or as few as
    can be. If a unit does not come up, everything is put back as it was. SPEC may be a folder of
    specs, too.

    \b
    Examples:
      activator install units/echo.toml
      activator install units/echo.toml --dry-run --diff
      activator install units/echo.toml --restart
      activator install units/echo.toml --root /srv/image
    """  # noqa: D301 - click wants the character itself
    from activator.deploy.install import Again, install, place
    from activator.generate.render import Renderer
    from activator.generate.specfile import load

    with Report(style) as report:
        if restart and reload:
            raise UsageError("--restart and --reload are two ways to do one thing", "name one")
        if (restart or reload) and (root is not None or not now):
            other = "--no-now" if root is None else "--root"
            raise UsageError(f"with {other}, nothing is restarted", "leave one of the two out")
        where = place(user=user, root=root)
        default = where.manager.version() if where.live else None
        paths = subjects.specs([spec])
        loaded = [load(path, systemd=systemd, default=default, podman=podman) for path in paths]
    asked = Again.RESTART if restart else Again.RELOAD if reload else Again.NOTHING
    for one in loaded:
        with Report(style, diff=diff) as report:
            result = install(
                one,
                where,
                now=now,
                force=force,
                dry_run=dry_run,
                services=asked,
                renderer=Renderer(templates=templates),
                say=report.say,
                again=same_call(),
            )
            report.end(result, "planned" if dry_run else "installed", shown=not dry_run)
