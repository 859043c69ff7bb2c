"""``activator uninstall``: stop and remove what was installed."""

import click

from activator.cli import options, subjects
from activator.cli.install import Report, same_call


@click.command(short_help="Stop and remove all that was installed under a name.")
@click.argument("name", metavar="NAME")
@click.option("--user", is_flag=True, help="From your own manager instead of the system's.")
@click.option("--root", metavar="DIR", help="From a system below DIR that does not run.")
@options.planned
@click.option("--force", is_flag=True, help="Remove files that were edited, too.")
@click.option("--if-installed", is_flag=True, help="Do nothing where nothing is installed.")
@options.told_as()
def command(
    name: str,
    root: str | None,
    style: str,
    *,
    user: bool,
    dry_run: bool,
    diff: bool,
    force: bool,
    if_installed: bool,
) -> None:
    """Stop and remove all that was installed under a name.

    NAME is that of the spec, the spec itself, one of its units, or a folder of specs.
    Sockets are stopped first, then services and the instances of templates. Only files that
    activator wrote are removed; drop-ins of yours are kept, and so is what services have
    written: it is named, with the command that removes it.

    \b
    Examples:
      activator uninstall echo
      activator uninstall units/echo.toml
      activator uninstall echo --user
    """  # noqa: D301 - click wants the character itself
    from activator.deploy.install import place, uninstall

    with Report(style) as report:
        where = place(user=user, root=root)
        meant = subjects.names(name, where.directory)
    for one in meant:
        with Report(style, diff=diff) as report:
            result = uninstall(
                one,
                where,
                force=force,
                dry_run=dry_run,
                if_installed=if_installed,
                say=report.say,
                again=same_call(),
            )
            report.end(result, "planned" if dry_run else "removed", shown=not dry_run)
