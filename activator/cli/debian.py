"""``activator debian``: what a Debian package of a daemon needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from activator.cli import complete, options, subjects
from activator.cli.output import print_json
from activator.errors import ActivatorError, UsageError, combine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.deploy.debian import Package
    from activator.generate.specfile import Spec


@click.command(short_help="Write what a Debian package of a daemon needs into debian/.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=complete.specs)
@options.directory(
    "-o", "--output", help="The directory debian/ itself.", default="debian", show_default=True
)
@click.option("--package", "name", metavar="NAME", help="The package that has the units.")
@click.option(
    "--compat",
    type=click.Choice(["13", "14"]),
    help="debhelper's level; else as debian/control says, or 13.",
)
@options.for_systemd("The systemd to write for, as 257 or trixie; else the specs'.")
@options.writing
@options.told_as()
def command(
    specs: tuple[str, ...],
    output: str,
    name: str | None,
    compat: str | None,
    *,
    systemd: str | None,
    style: str,
    check: bool,
    diff: bool,
    force: bool,
) -> None:
    """Write what a Debian package of a daemon needs into debian/.

    The units, and debhelper's calls that enable and start the sockets and leave the services
    to their first client. An upgrade restarts what runs, and loses no client. Users, groups and
    directories that the units name are made when the package is installed. Where there is no
    debian/control yet, a plain package is begun; finish debian/copyright then.

    Name all specs of the package in one call, and call it again when a spec has changed.

    \b
    Examples:
      activator debian greeter.toml
      activator debian web.toml admin.toml --package shop
      activator debian greeter.toml --check
    """  # noqa: D301 - click wants the character itself
    from activator.cli.gen import show_files
    from activator.deploy.debian import skeleton, texts
    from activator.output.plan import differences, plan, write

    if sum((check, diff, force)) > 1 and not (check and diff):
        raise UsageError("--check, --diff and --force do not go together", "see --help")
    if diff and style == "json":
        raise UsageError("--diff is text", "leave out --format json")
    directory = Path(output)
    package = _package(subjects.specs(specs), directory, name, int(compat or 0), systemd)
    wanted = texts(package)
    units = {unit.file: unit.name for unit in package.units}
    dry = check or diff
    begun = []
    files = plan(output, wanted, units) if dry else write(output, wanted, units, force=force)
    if not dry and not (directory / "control").exists():
        begun = _begin(skeleton(package, directory.absolute().parent), directory)
    if style == "json":
        _show_json(package, [(str(file.path), file.status.value) for file in files], begun)
    else:
        show_files(files, diff=diff, check=check)
        for path in begun:
            click.echo(path)
    if not check:
        _remind(directory, package)
    elif found := list(differences(files)):
        raise combine(found)


def _package(
    paths: "Sequence[str]", directory: Path, name: str | None, compat: int, systemd: str | None
) -> "Package":
    """Load the specs, and find out which package of debian/ has their units."""
    from activator.deploy import debian
    from activator.generate import specfile
    from activator.generate.batch import Settings, make_all

    made = list(make_all(paths, Settings(systemd), whole=True))
    if problems := [one.problem for one in made if one.problem]:
        raise combine(problems)
    loaded: list[Spec] = [one.spec or specfile.load(one.source, systemd=systemd) for one in made]
    units = {unit: text for one in made for unit, text in one.texts.items()}
    names, level = debian.existing(directory)
    if name is None and len(names) == 1:
        name = names[0]
    chosen = name or loaded[0].name
    if names and chosen not in names:
        hint = f"give --package {' or '.join(names)}"
        raise ActivatorError(
            f"there is no package {chosen!r}", hint, place=str(directory / "control")
        )
    return debian.package(loaded, units, chosen, compat or level)


def _begin(texts: dict[str, str], directory: Path) -> list[Path]:
    """Write the files that every package has, those that are missing; return their paths."""
    from activator.deploy.debian.skeleton import FILES
    from activator.output.atomic import write_all

    paths = []
    for name, text in texts.items():
        path = directory / name
        if path.exists():
            continue
        modes = {path.name: 0o755} if FILES.get(name) else {}
        write_all(path.parent, {path.name: text}, modes=modes)
        paths.append(path)
    return paths


def _show_json(package: "Package", files: list[tuple[str, str]], begun: list[Path]) -> None:
    """Print the package, and what was or would be done to its files."""
    rows = [{"path": path, "status": status} for path, status in files]
    rows += [{"path": str(path), "status": "new"} for path in begun]
    print_json(
        {
            "package": package.name,
            "compat": package.compat,
            "units": [unit.name for unit in package.units],
            "files": rows,
        }
    )


def _remind(directory: Path, package: "Package") -> None:
    """Say what is still to be done by hand."""
    from activator.deploy.debian.texts import DEPENDS, INCLUDE

    rules = directory / "rules"
    if rules.is_file() and INCLUDE not in rules.read_text(encoding="utf-8", errors="replace"):
        click.echo(f"{rules}: add this line at its end: {INCLUDE}", err=True)
    control = directory / "control"
    if control.is_file() and DEPENDS not in control.read_text(encoding="utf-8", errors="replace"):
        names = ", ".join(package.dependencies) or "nothing yet"
        click.echo(f"{control}: add {DEPENDS} to Depends of {package.name}: {names}", err=True)
