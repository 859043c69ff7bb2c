"""``activator learn``: what a service needs, by running it once."""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from activator.cli import complete, lesson_text, options, subjects
from activator.cli.located import located
from activator.common.printable import printable
from activator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    from activator.cli.verified import Verified
    from activator.generate.specfile import Spec
    from activator.learn import Lesson
    from activator.learn.client import Use

    Learn = Callable[[Use, Callable[[int, int], object]], Lesson]

_AS_ROOT = (
    "the service ran as root, since not everybody may read what it is made of: some of it may be"
    " what only root does"
)
_CLEARED = "\r\x1b[K"  # the line, and the cursor is at its start
_CLIENT = "activator.learn.client"
_UNITS = (".socket", ".service")


class _Wanted(NamedTuple):
    """What was asked for; the attributes are those of the options."""

    files: tuple[str, ...]
    client: tuple[str, ...]
    app_dir: str | None
    seconds: float
    on_system: bool
    verify: bool
    is_json: bool

    def told(self, lesson: "Lesson", verified: "Verified | None") -> None:
        text = (lesson_text.plain if self.is_json else lesson_text.shown)(lesson, verified)
        click.echo(text, nl=False)


class _Command(click.Command):
    """A command with another one behind ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the other command."""
        ctx.meta[_CLIENT] = None
        if "--" in args:
            place = args.index("--")
            ctx.meta[_CLIENT] = args[place + 1 :]
            args = args[:place]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Offer words for what stands before the other command."""
        if ctx.meta[_CLIENT] is not None:
            return []
        return super().shell_complete(ctx, incomplete)


@click.command(
    cls=_Command, short_help="Learn the needs of a service by running it once under strace."
)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="SPEC|UNIT... [-- CLIENT...]",
    shell_complete=complete.runnable,
)
@click.option(
    "--on-system",
    is_flag=True,
    help="Learn from units that run under systemd now, and restart their services for it.",
)
@click.option(
    "--time",
    "seconds",
    metavar="SECONDS",
    callback=options.seconds,
    help="End after that time, if not before.",
)
@options.directory("--app-dir", help="Where the handlers are, in place of the spec's app-dir.")
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 where the spec lacks a need, or a line of a unit forbids what was done.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Try on the systemd that runs whether the needs suffice, and which can be spared.",
)
@click.option("--write", is_flag=True, help="Add to the spec what it lacks.")
@options.told_as()
@click.pass_context
def command(
    context: click.Context,
    *,
    files: tuple[str, ...],
    on_system: bool,
    seconds: float,
    app_dir: str | None,
    check: bool,
    verify: bool,
    write: bool,
    style: str,
) -> int:
    """Learn the needs of a service by running it once under strace(1).

    The service runs on the local activator, outside its sandbox, with the sockets of SPEC or of
    UNIT, a .socket unit beside its .service or the name of one that the system has, while
    CLIENT uses it; without CLIENT, until Ctrl-C. Printed are the needs with what shows each, what
    of the spec's needs nobody used, what no need opens, and of units which lines of the sandbox
    forbid what was done, and which nothing came up against. What CLIENT does not have the service
    do is not seen. The exit status is 1 if CLIENT fails, or with --check if a need is missing.

    With --on-system, the service is that of a unit, or of a spec that is installed, which systemd
    has loaded: a drop-in in /run takes its sandbox off and puts strace before its commands, and
    the service is restarted, at the end once more without the drop-in. Its socket stays open. It
    takes root.

    A program may do what it can do without. With --verify, the units are installed for a while,
    hardened but for the needs, and CLIENT uses them: with all that was learned, then without one
    after the other.

    \b
    Examples:
      activator learn guestbook.toml -- curl --fail http://127.0.0.1:7777/
      activator learn guestbook.toml --verify --write -- pytest -q tests
      activator learn guestbook.toml --check -- pytest -q tests
      activator learn guestbook.socket -- curl --fail http://127.0.0.1:7777/
      activator learn --on-system guestbook.socket --time 10min
    """  # noqa: D301 - click wants the character itself
    client = tuple(context.meta[_CLIENT] or ())
    wanted = _Wanted(files, client, app_dir, seconds, on_system, verify, style == "json")
    if check and write:
        raise UsageError("--check and --write exclude each other", "--write changes the spec")
    if verify and not client:
        raise UsageError("--verify needs a client", "name the command after --")
    if verify and on_system:
        raise UsageError("--verify and --on-system exclude each other", "leave one of them out")
    spec = _spec(wanted, write=write)
    if write:
        import activator.learn.writing  # noqa: F401 - which needs a library
    lesson, verified = _learned(wanted, spec)
    wanted.told(lesson, verified)
    if lesson.as_root:
        click.echo(_AS_ROOT, err=True)
    if write and spec and lesson.missing:
        _write(spec.source, lesson.missing)
    if lesson.client:
        click.echo(f"the client failed with status {lesson.client}: not all may be seen", err=True)
    lacking = check and (lesson.missing or lesson.forbidding)
    return int(bool(lesson.client or (verified and verified.reason) or lacking))


def _spec(wanted: _Wanted, *, write: bool) -> "Spec | None":
    """Return the spec that is meant; None for units.

    Raises:
        UsageError: There are several, or an option is about specs alone.
    """
    from activator.generate.specfile import load

    files = located(wanted.files, paths=False)
    if any(each.endswith(_UNITS) or Path(each).is_dir() for each in files):
        for option, is_given in (
            ("--write", write),
            ("--verify", wanted.verify),
            ("--app-dir", wanted.app_dir),
        ):
            if is_given:
                what = f"{option} is for a spec, and {files[0]} is none"
                raise UsageError(what, "name the spec that the units are made from")
        return None
    if len(files) > 1:
        hint = "name one spec, or units; the client stands behind --"
        raise UsageError(f"{files[1]} is one too many", hint)
    spec = load(files[0])
    if wanted.app_dir:
        return spec._replace(app_dir=str(Path(wanted.app_dir).resolve()))
    return spec


def _learned(wanted: _Wanted, spec: "Spec | None") -> "tuple[Lesson, Verified | None]":
    """Learn, here or under systemd, and verify if that is wanted."""
    if wanted.on_system:
        from activator.deploy.install.interruption import Interruption
        from activator.learn import on_system

        names = subjects.sockets(wanted.files, user=False)
        with Interruption():
            return _run(wanted, partial(on_system.learn, spec or names)), None
    from activator.learn import local_run
    from activator.learn.directories import lent
    from activator.learn.subject import of_spec, of_units

    subject = of_spec(spec) if spec else of_units(located(wanted.files, paths=False))
    with lent(subject.directories):
        learn = partial(local_run.learn, subject)
        if spec and wanted.verify:
            return _verified(wanted, spec, learn)
        return _run(wanted, learn), None


def _run(wanted: _Wanted, learn: "Learn") -> "Lesson":
    """Have the service used, and return what was learned."""
    from activator.learn.client import Use

    # A client has the terminal for itself, and its input goes to it once.
    is_shown = sys.stderr.isatty() and not wanted.client
    streams = (subprocess.DEVNULL if wanted.verify else None, 2 if wanted.is_json else None)
    use = Use(wanted.client, streams, wanted.seconds)
    try:
        return learn(use, _progress if is_shown else max if wanted.client else _Begun())
    finally:
        if is_shown:
            click.echo(_CLEARED, err=True, nl=False)


def _verified(wanted: _Wanted, spec: "Spec", learn: "Learn") -> "tuple[Lesson, Verified | None]":
    """Learn and verify; what was learned is told in any case."""
    from activator.cli import verified

    where = verified.check(spec)
    begin = time.monotonic()
    lesson = _run(wanted, learn)
    if lesson.client:
        return lesson, None
    try:
        took = time.monotonic() - begin
        found = verified.verify(spec, where, lesson.needs, wanted.client, took, say=_say)
    except BaseException:
        wanted.told(lesson, None)
        raise
    return lesson.without(found.spare), found


class _Begun:
    """Says once, where there is no terminal, that the service can be used."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, calls: int, needs: int) -> None:
        del calls, needs
        if not self._said:
            click.echo("the service is traced; SIGINT ends that", err=True)
            self._said = True


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
