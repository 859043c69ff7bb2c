"""``activator run``: run specs or unit files without systemd."""

from functools import partial
from typing import TYPE_CHECKING

import click

from activator.cli import complete, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from activator.local.log import Log
    from activator.local.report import Report
    from activator.local.session import Session
    from activator.local.units.paths import RuntimeDir

_ORDER = "activator.run.order"
_KINDS = ("datagram", "seqpacket")


class _Command(click.Command):
    """A command that knows which type each -l has: what the options before it say."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and remember the order of -l, -d and --seqpacket."""
        _, _, order = self.make_parser(ctx).parse_args(args=[*args])
        ctx.meta[_ORDER] = [each.name for each in order if each.name in (*_KINDS, "addresses")]
        return super().parse_args(ctx, args)


@click.command(
    "run",
    cls=_Command,
    short_help="Run specs or unit files without systemd.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument(
    "files", nargs=-1, metavar="FILE... | -- COMMAND...", shell_complete=complete.runnable
)
@click.option(
    "-l",
    "--listen",
    "addresses",
    multiple=True,
    metavar="ADDRESS",
    help="Listen here for COMMAND, without any file. Repeatable.",
)
@click.option("-a", "--accept", is_flag=True, help="Start COMMAND for each connection.")
@click.option("--inetd", is_flag=True, help="Pass the socket as standard input and output.")
@click.option("-d", "--datagram", is_flag=True, help="Listen for datagrams at each -l behind it.")
@click.option("--seqpacket", is_flag=True, help="The same for sequential packets.")
@click.option(
    "--fd-name",
    "--fdname",
    "names",
    multiple=True,
    metavar="NAME[:NAME...]",
    help="Name the descriptors: one name for all, or one for each -l.",
)
@options.directory("--runtime-dir", help="Put what belongs below /run, and %t, below DIR.")
@click.option(
    "--free-ports", is_flag=True, help="Listen on free ports in place of those that the units name."
)
@options.directory(
    "--app-dir", help="Look here for the handlers of specs, not where they will be installed."
)
@click.option(
    "-E",
    "--env",
    "--setenv",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set a variable for every service, or pass yours on. Repeatable.",
)
@click.option("--now", is_flag=True, help="Start the services at once.")
@click.option("--reload", is_flag=True, help="Restart what runs when its files change.")
@click.option(
    "--control",
    is_flag=True,
    help="Let `activator ctl` control this run, through /run or $XDG_RUNTIME_DIR.",
)
@click.option("--control-socket", metavar="PATH", help="The same, through a socket at PATH.")
@click.option(
    "--exit-idle",
    metavar="TIME",
    callback=options.seconds,
    help="End when nothing has run for TIME, such as 10min.",
)
@click.option(
    "--exit-with-service",
    "follow",
    is_flag=True,
    help="End when a service does, with its exit status.",
)
@click.option(
    "--exit-on-failure",
    "demand",
    is_flag=True,
    help="End when a service fails at its start, with its exit status.",
)
@click.option(
    "--grace",
    metavar="TIME",
    callback=options.seconds,
    help="Kill what is left after TIME when told to end, such as 8s.",
)
@click.option("--strict", is_flag=True, help="Fail where a directive has no effect here.")
@click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Show what happens for people, or as one JSON object a line.",
)
@click.option("-v", "--verbose", is_flag=True, help="Name all directives without effect here.")
@click.option("-q", "--quiet", is_flag=True, help="Show only output and problems.")
@click.pass_context
def command(
    context: click.Context,
    *,
    files: tuple[str, ...],
    addresses: tuple[str, ...],
    names: tuple[str, ...],
    variables: tuple[str, ...],
    runtime_dir: str | None,
    app_dir: str | None,
    control_socket: str | None,
    accept: bool,
    inetd: bool,
    datagram: bool,
    seqpacket: bool,
    free_ports: bool,
    now: bool,
    reload: bool,
    control: bool,
    exit_idle: float,
    follow: bool,
    demand: bool,
    grace: float,
    strict: bool,
    log: str,
    verbose: bool,
    quiet: bool,
) -> int:
    """Listen as the units say, and start each service on its first client.

    FILE is a spec (.toml), a .socket unit beside its .service, a folder of them, an
    instance of a template (web@8080.socket), or the name of a socket that the system has.
    With -l there is no file, but a command. Nothing is installed and no systemd is needed.
    Ctrl-C stops everything and removes the socket files; SIGHUP reads the units again.

    \b
    Examples:
      activator run units/echo.toml
      activator run greeter.toml --app-dir src
      activator run --runtime-dir /tmp/run web.socket shop.socket
      activator run -l 127.0.0.1:7777 --fd-name http -- python3 server.py
      activator run -l 7777 --accept --inetd -- /bin/cat
      activator run -l 53 -d -l 53 -- ./resolver
      activator run --reload --now units/echo.toml
    """  # noqa: D301 - click wants the character
    from activator.local import small

    small.load_asyncio()
    import asyncio
    import errno

    from activator.cli import run_input
    from activator.local.control import default_path
    from activator.local.limits import EXHAUSTED, exhausted
    from activator.local.reload import LiveSupervisor
    from activator.local.session import Options, Session
    from activator.local.watch import paths_of

    _refuse_lost_directory()
    runtime = _runtime(runtime_dir, free_ports=free_ports)
    adhoc = run_input.AdHoc(
        addresses,
        run_input.kinds(context.meta[_ORDER]),
        names,
        accept=accept,
        inetd=inetd,
        datagram=datagram,
        seqpacket=seqpacket,
    )
    read = partial(run_input.read, files, adhoc, runtime, app_dir, strict=strict)
    plan = read()
    make = partial(LiveSupervisor, runtime=runtime, environment=_environment(variables))
    options = Options(
        control=control_socket or (default_path() if control else ""),
        grace=grace,
        exit_idle=exit_idle,
        now=now,
        follow=follow,
        demand=demand,
        watch=partial(paths_of, files=() if addresses else files) if reload else None,
    )
    report, streams = _reporter(log, quiet=quiet, verbose=verbose)
    for note in plan.notes:
        report.note(note)
    report.ignored(plan.ignored)
    small.give_back()
    try:
        status = asyncio.run(_run(partial(Session, plan, make, read, report, options), streams))
    except OSError as error:
        if error.errno not in EXHAUSTED:
            raise
        raise exhausted(error) from None
    if any(each.broken for each in streams):
        raise BrokenPipeError(errno.EPIPE, "the reader of the log has gone")
    return status


async def _run(make: "Callable[[], Session]", streams: "set[Log]") -> int:
    """Run a session, whose log waits for nobody who reads it."""
    import asyncio

    session = make()
    try:
        for each in streams:
            each.attach(asyncio.get_running_loop(), session.intake)
            each.on_broken = session.end
        if any(each.broken for each in streams):
            session.end()
        return await session.run()
    finally:
        for each in streams:
            each.finish(session.grace_left)


def _reporter(form: str, *, quiet: bool, verbose: bool) -> "tuple[Report, set[Log]]":
    """Return what shows events, and the logs that it writes to."""
    import sys

    from activator.local.log import logs
    from activator.local.repeats import Folded
    from activator.local.report import JsonReporter, Reporter, json_note

    if form == "json":
        out, err = logs(sys.stdout, sys.stderr, json_note)
        return JsonReporter(out), {out, err}
    out, err = logs(sys.stdout, sys.stderr)
    return Folded(Reporter(out, err, quiet=quiet, verbose=verbose)), {out, err}


def _refuse_lost_directory() -> None:
    """Raise if the directory that we are in has been removed, as relative paths mean nothing."""
    import os

    from activator.errors import ActivatorError

    try:
        os.getcwd()  # noqa: PTH109 - asked for its error alone
    except OSError:
        what = "the current directory has been removed"
        raise ActivatorError(what, "change to another one") from None


def _runtime(directory: str | None, *, free_ports: bool) -> "RuntimeDir":
    """Return where /run goes; the directory is made if it is missing."""
    from pathlib import Path

    from activator.errors import UsageError
    from activator.local.units.paths import RuntimeDir

    if directory is None:
        return RuntimeDir(free_ports=free_ports)
    path = Path(directory).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot make {path}: {error.strerror}"
        raise UsageError(what, "name another directory", place="--runtime-dir") from None
    return RuntimeDir(str(path), free_ports=free_ports)


def _environment(variables: tuple[str, ...]) -> dict[str, str]:
    """Return the variables of --env."""
    import os

    from activator.errors import UsageError

    environment = {}
    for text in variables:
        name, equals, value = text.partition("=")
        if not name or (not equals and name not in os.environ):
            hint = "write NAME=VALUE, or NAME of a variable that is set"
            raise UsageError(f"'{text}' sets nothing", hint, place="--env")
        environment[name] = value if equals else os.environ[name]
    return environment
