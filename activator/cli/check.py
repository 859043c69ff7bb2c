"""``activator check``: what is wrong with units, before it happens."""

import sys
from functools import cache
from typing import TYPE_CHECKING

import click

from activator.cli import complete, options
from activator.cli.located import located
from activator.errors import UsageError

if TYPE_CHECKING:
    from activator.check.inputs import Scope
    from activator.check.registry import Found

SEVERITIES = ("error", "warning", "info")


@click.command(short_help="Tell what is wrong with units, before it happens.")
@click.argument("paths", nargs=-1, metavar="[PATH|SPEC]...", shell_complete=complete.checked)
@click.option("--installed", is_flag=True, help="Check all units of this machine.")
@options.directory(
    "--root", help="Check the units of the system below DIR; with PATH, those PATHs within it."
)
@click.option("--user", is_flag=True, help="The units are for a user's manager.")
@options.for_systemd(
    "The systemd they are for, as 257 or trixie; that of the system, or of the spec."
)
@options.for_podman
@options.told_as(("text", "json", "sarif", "github"), "How to tell the findings.")
@click.option(
    "--fail-on",
    type=click.Choice([*SEVERITIES, "never"]),
    default="warning",
    show_default=True,
    help="The least severity that makes the exit status 1.",
)
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, in the files named.")
@click.option("--diff", is_flag=True, help="With --fix: write nothing, show what would change.")
@click.option(
    "--explain",
    metavar="RULE",
    help="Print a rule's page, or the list with `all`.",
    shell_complete=complete.rules,
)
def command(
    paths: tuple[str, ...],
    root: str | None,
    systemd: str | None,
    *,
    podman: str | None,
    style: str,
    fail_on: str,
    explain: str | None,
    fix: bool,
    diff: bool,
    installed: bool,
    user: bool,
) -> int:
    """Tell what is wrong with units, before it happens.

    PATH is a unit file or a unit's name, a drop-in, a spec (.toml) or a folder. What systemd
    itself would say is told for any version, also where none is installed; rules across units
    tell what it does not say. A comment `# activator: ignore=ACT301 REASON` in a unit silences
    a rule there.

    The exit status is 0 without findings, 1 with some, 2 for wrong usage.

    \b
    Examples:
      activator check units/ --systemd trixie
      activator check echo.socket echo.service --format github
      activator check units/ --fix --diff
      activator check --installed
      activator check --root /srv/image --fail-on error
      activator check --explain ACT110
    """  # noqa: D301 - click wants the character itself
    if explain is not None:
        _explain(explain)
        return 0
    if installed and root is not None:
        raise UsageError("--installed and --root exclude each other", "leave one out")
    if not paths and not installed and root is None:
        raise UsageError("what to check?", "name units, a folder or a spec, or give --installed")
    if diff and not fix:
        raise UsageError("--diff goes with --fix", "add --fix")
    if fix and (not paths or style != "text"):
        raise UsageError(
            "--fix changes the files that are named, and tells it as text", "name some"
        )
    from activator.check import check, inputs, worst
    from activator.unitfile.quadlet.versions import read

    version = 0
    if systemd:
        version = _version(systemd)
    if root is None:
        paths = located(paths, paths=True)
    where = "" if installed else root.rstrip("/") if root is not None else None
    scope = inputs.Scope(
        paths, where, not paths, user, version, podman=read(podman) if podman else None
    )
    if fix:
        found = _fixed(scope, dry=diff)
    else:
        found = [one for world in inputs.worlds(scope) for one in check(world)]
    _show(found, style)
    gravest = worst(one.finding for one in found)
    if not gravest or fail_on == "never":
        return 0
    return int(SEVERITIES.index(gravest) <= SEVERITIES.index(fail_on))


def _version(text: str) -> int:
    """Return the version of systemd that is named."""
    from activator.common.integers import bounded
    from activator.unitfile.directives import OLDEST, SUITES

    if text in SUITES:
        return SUITES[text]
    if text.isascii() and text.isdecimal() and bounded(text) >= OLDEST:
        return bounded(text)
    from activator.generate.specfile.target import version

    return version(text)


def _fixed(scope: "Scope", *, dry: bool) -> "list[Found]":
    """Mend what is safe, or show what would be; return what is found nevertheless."""
    from activator.check import fixing

    files, found = fixing.mended(scope)
    for file in files:
        if dry:
            for line in file.diff():
                colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
                click.secho(line, fg=colour)
        else:
            fixing.write(file)
            click.echo(f"{file.path}: mended", err=True)
    return found


def _show(found: "list[Found]", style: str) -> None:
    """Print findings."""
    from activator.check import report

    findings = [one.finding for one in found]
    if style == "json":
        click.echo(report.as_json(findings))
    elif style == "sarif":
        click.echo(report.sarif(findings))
    elif style == "github":
        for finding in findings:
            click.echo(report.github(finding))
    elif sys.stdout.isatty():
        _show_on_terminal(found)
    else:
        for finding in findings:
            click.echo(report.text(finding))


def _show_on_terminal(found: "list[Found]") -> None:
    """Print findings in colour, each with its line and a caret, and a count."""
    from shutil import get_terminal_size

    from activator.check import report
    from activator.common.counted import counted

    width = get_terminal_size().columns
    for number, one in enumerate(found):
        if number:
            click.echo()
        line = _line(one.finding.file, one.finding.line)
        for text in report.coloured(one.finding, click.style, line, width):
            click.echo(text)
    if found:
        click.echo()
    counts = [
        f"{count} {severity}" if severity == "info" else counted(count, severity)
        for severity in SEVERITIES
        if (count := sum(one.finding.severity == severity for one in found))
    ]
    click.echo(", ".join(counts) or click.style("nothing found", fg="green"))


def _line(path: str, number: int) -> str:
    """Return a line of a file, empty if it has none."""
    lines = _lines(path)
    return lines[number - 1] if 0 < number <= len(lines) else ""


@cache
def _lines(path: str) -> list[str]:
    from activator.common.regular_file import contents

    try:
        return contents(path)[0].decode(errors="surrogateescape").split("\n")
    except OSError:
        return []


def _explain(word: str) -> None:
    """Print the page of a rule, or the list of all."""
    from activator.check.registry import named, rules

    if word == "all":
        for rule in rules():
            click.echo(f"{rule.id}  {rule.severity:<8} {rule.name:<28} {rule.summary}")
        return
    rule = named(word)
    head = f"{rule.id} {rule.name} ({rule.severity})"
    click.echo(f"{click.style(head, bold=True)}\n\n{rule.page}")
