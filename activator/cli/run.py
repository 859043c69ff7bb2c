"""``activator run``: run specs or unit files without systemd."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from activator.cli import complete

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from activator.local.events import Event
    from activator.local.log import Log
    from activator.local.report import Report
    from activator.local.session import Options
    from activator.local.units.models import Plan
    from activator.local.units.paths import RuntimeDir


def _seconds(_: click.Context, parameter: click.Parameter, text: str | None) -> float:
    """Read a time span, as systemd.time(7) writes it."""
    from activator.errors import ActivatorError, UsageError
    from activator.local.units.values import seconds

    try:
        return seconds(text) if text is not None else 0.0
    except ActivatorError as error:
        raise UsageError(error.message, error.hint, place=f"{parameter.opts[0]}") from None


@click.command(
    "run",
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
@click.option("-d", "--datagram", is_flag=True, help="Listen for datagrams.")
@click.option("--seqpacket", is_flag=True, help="Listen for sequential packets.")
@click.option(
    "--fd-name",
    "--fdname",
    "names",
    multiple=True,
    metavar="NAME[:NAME...]",
    help="Name the descriptors: one name for all, or one for each -l.",
)
@click.option(
    "--runtime-dir",
    metavar="DIR",
    help="Put what belongs below /run, and %t, below DIR.",
    shell_complete=complete.directories,
)
@click.option(
    "--free-ports",
    is_flag=True,
    help="Listen on free ports in place of those that the units name.",
)
@click.option(
    "--app-dir",
    metavar="DIR",
    help="Look here for the handlers of specs, not where they will be installed.",
    shell_complete=complete.directories,
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
    callback=_seconds,
    help="End when nothing has run for TIME, such as 10min.",
)
@click.option(
    "--exit-with-service",
    "follow",
    is_flag=True,
    help="End when a service does, with its exit status.",
)
@click.option(
    "--grace",
    metavar="TIME",
    callback=_seconds,
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
@click.option("-q", "--quiet", is_flag=True, help="Show only output and problems.")
def command(
    files: tuple[str, ...],
    runtime_dir: str | None,
    variables: tuple[str, ...],
    app_dir: str | None,
    *,
    free_ports: bool,
    strict: bool,
    log: str,
    quiet: bool,
    **more: Any,
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
      activator run --reload --now units/echo.toml
    """  # noqa: D301 - click wants the character
    from activator.local import lean

    lean.load_asyncio()
    import asyncio
    import errno

    from activator.cli import run_input
    from activator.local.limits import EXHAUSTED, exhausted
    from activator.local.reload import LiveSupervisor
    from activator.local.session import Session

    _refuse_lost_directory()
    runtime = _runtime(runtime_dir, free_ports=free_ports)
    adhoc = {name: more.pop(name) for name in run_input.ADHOC}
    read = partial(run_input.read, files, runtime, app_dir, strict=strict, **adhoc)
    plan = read()
    environment = _environment(variables)
    options = _options(more, [] if adhoc["addresses"] else files)
    reporter, streams = _reporter(log, quiet=quiet)
    for note in plan.notes:
        reporter.note(note)
    reporter.ignored(plan.ignored)

    def make(plan: "Plan", on_event: "Callable[[Event], None]") -> LiveSupervisor:
        return LiveSupervisor(plan, on_event, runtime=runtime, environment=environment)

    async def run() -> int:
        session = Session(plan, make, read, reporter, options)
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

    lean.give_back()
    try:
        status = asyncio.run(run())
    except OSError as error:
        if error.errno not in EXHAUSTED:
            raise
        raise exhausted(error) from None
    if any(each.broken for each in streams):
        raise BrokenPipeError(errno.EPIPE, "the reader of the log has gone")
    return status


def _reporter(form: str, *, quiet: bool) -> "tuple[Report, set[Log]]":
    """Return what shows events, and the logs that it writes to."""
    import sys

    from activator.local.log import logs
    from activator.local.report import JsonReporter, Reporter, json_note

    if form == "json":
        out, err = logs(sys.stdout, sys.stderr, json_note)
        return JsonReporter(out), {out, err}
    out, err = logs(sys.stdout, sys.stderr)
    return Reporter(out, err, quiet=quiet), {out, err}


def _options(given: dict[str, Any], files: "Sequence[str]") -> "Options":
    """Return how the run is to be."""
    from activator.local.control import default_path
    from activator.local.session import Options
    from activator.local.watch import paths_of

    control = given["control_socket"] or (default_path() if given["control"] else "")
    return Options(
        control=control,
        grace=given["grace"],
        exit_idle=given["exit_idle"],
        now=given["now"],
        follow=given["follow"],
        watch=partial(paths_of, files=files) if given["reload"] else None,
    )


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
