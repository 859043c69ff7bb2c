"""``activator learn``: what a service needs, by running it once."""

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from activator.cli import complete, options
from activator.common.printable import printable
from activator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from activator.cli.verified import Verified
    from activator.generate.specfile import Spec
    from activator.learn import Evidence, Lesson

    Told = Callable[[Lesson, Verified | None], str]


_AS_ROOT = (
    "the service ran as root, since not everybody may read what it is made of: some of it may be"
    " what only root does"
)
_CLEARED = "\r\x1b[K"  # the line, and the cursor is at its start


@click.command(short_help="Learn the needs of a service by running it once under strace.")
@click.argument("spec", metavar="SPEC", shell_complete=complete.specs)
@click.argument("client", nargs=-1, metavar="[-- CLIENT...]", type=click.UNPROCESSED)
@click.option(
    "--app-dir",
    metavar="DIR",
    help="Where the handlers are, in place of the spec's app-dir.",
    shell_complete=complete.directories,
)
@click.option("--check", is_flag=True, help="Exit with 1 where the spec lacks a need.")
@click.option(
    "--verify",
    is_flag=True,
    help="Try on the systemd that runs whether the needs suffice, and which can be spared.",
)
@click.option("--write", is_flag=True, help="Add to the spec what it lacks.")
@options.told_as()
def command(
    *,
    spec: str,
    client: tuple[str, ...],
    app_dir: str | None,
    check: bool,
    verify: bool,
    write: bool,
    style: str,
) -> int:
    """Learn the needs of a service by running it once under strace(1).

    The service runs on the local activator, outside its sandbox, with the sockets of SPEC, while
    CLIENT uses it; without CLIENT, until Ctrl-C. Printed are the needs with what shows each, what
    of the spec's needs nobody used, and what no need opens. What CLIENT does not have the service
    do is not seen. The exit status is 1 if CLIENT fails, or with --check if a need is missing.

    A program may do what it can do without. With --verify, the units are installed for a while,
    hardened but for the needs, and CLIENT uses them: with all that was learned, then without one
    after the other.

    \b
    Examples:
      activator learn guestbook.toml -- curl --fail http://127.0.0.1:7777/
      activator learn guestbook.toml --verify --write -- pytest -q tests
      activator learn guestbook.toml --check -- pytest -q tests
    """  # noqa: D301 - click wants the character itself
    from activator.generate.specfile import load
    from activator.learn.directories import lent

    if check and write:
        raise UsageError("--check and --write exclude each other", "--write changes the spec")
    if verify and not client:
        raise UsageError("--verify needs a client", "name the command after --")
    loaded = load(spec)
    if app_dir:
        loaded = loaded._replace(app_dir=str(Path(app_dir).resolve()))
    if write:
        import activator.learn.writing  # noqa: F401 - which needs a library
    told = _plain if style == "json" else _shown
    with lent(loaded):
        lesson, verified = _learned(loaded, client, told, verify=verify)
    click.echo(told(lesson, verified), nl=False)
    if lesson.as_root:
        click.echo(_AS_ROOT, err=True)
    if write and lesson.missing:
        _write(spec, lesson.missing)
    if lesson.client:
        click.echo(f"the client failed with status {lesson.client}: not all may be seen", err=True)
    failed = lesson.client or (verified and verified.reason) or (check and lesson.missing)
    return int(bool(failed))


def _learned(
    spec: "Spec", client: tuple[str, ...], told: "Told", *, verify: bool
) -> "tuple[Lesson, Verified | None]":
    """Learn, and verify if that is wanted; what was learned is told in any case."""
    from activator.learn import learn

    if verify:
        from activator.cli import verified

        where = verified.check(spec)
    # A client has the terminal for itself, and its input goes to it once.
    shown = sys.stderr.isatty() and not client
    streams = (subprocess.DEVNULL if verify else None, 2 if told is _plain else None)
    begin = time.monotonic()
    try:
        lesson = learn(spec, client, _progress if shown else max, streams)
    finally:
        if shown:
            click.echo(_CLEARED, err=True, nl=False)
    if not verify or lesson.client:
        return lesson, None
    try:
        took = time.monotonic() - begin
        found = verified.verify(spec, where, lesson.needs, client, took, say=_say)
    except BaseException:
        click.echo(told(lesson, None), nl=False)
        raise
    return lesson.without(found.spare), found


def _plain(lesson: "Lesson", verified: "Verified | None") -> str:
    """Return what was learned as JSON."""
    import json

    told: dict[str, object] = {
        "needs": lesson.needs,
        "missing": lesson.missing,
        "unused": lesson.unused,
        "impossible": [one._asdict() for one in lesson.impossible],
        "evidence": [one._asdict() for one in lesson.evidence],
    }
    if verified:
        told["verified"] = verified._asdict()
    return json.dumps(told, indent=2, ensure_ascii=True) + "\n"


def _say(what: str) -> None:
    click.echo(f"verify: {printable(what)}", err=True)


def _progress(calls: int, needs: int) -> None:
    click.echo(f"{_CLEARED}{calls} system calls, {needs} needs; Ctrl-C ends it", err=True, nl=False)


def _write(path: str, missing: tuple[str, ...]) -> None:
    """Add needs to a spec, and say so."""
    from activator.common.regular_file import contents
    from activator.generate.specfile import loads
    from activator.learn.writing import with_needs
    from activator.output.atomic import write_all
    from activator.output.folder import real

    text = with_needs(contents(path)[0].decode(), missing)
    loads(text, path)  # which refuses what is wrong with it
    place = Path(real(path))
    write_all(place.parent, {place.name: text}, keep=True)
    click.echo(f"{path}: added {', '.join(map(printable, missing))}", err=True)


def _shown(lesson: "Lesson", verified: "Verified | None") -> str:
    """Return what was learned as text: a line for the spec first."""
    words = ", ".join(f'"{need}"' for need in lesson.needs)
    lines = [click.style(printable(f"needs = [{words}]"), bold=True)]
    for need in lesson.needs:
        mark = " (missing)" if need in lesson.missing else ""
        lines.append(f"\n{printable(need)}{click.style(mark, fg='red')}")
        lines += [f"    {_line(one)}" for one in lesson.evidence if one.need == need]
    for title, texts in (
        ("not needed", verified.spare if verified else ()),
        ("not used", lesson.unused),
        ("no need opens", [_line(one) for one in lesson.impossible]),
    ):
        if texts:
            lines += [f"\n{title}", *(f"    {printable(text)}" for text in texts)]
    if verified:
        said = f"does not hold: {verified.reason}" if verified.reason else "holds"
        lines += ["", click.style(printable(f"systemd {verified.systemd}: {said}"), bold=True)]
    return "".join(f"{line}\n" for line in lines)


def _line(one: "Evidence") -> str:
    often = "once" if one.times == 1 else f"{one.times} times"
    return printable(f"{one.call} {one.what} ({one.program or 'a child'}, {often})")
