"""``activator run``: run specs or unit files without systemd."""

from typing import TYPE_CHECKING, Any

import click

from activator.cli import complete

if TYPE_CHECKING:
    from activator.local.events import Event
    from activator.local.models import Plan
    from activator.local.paths import RuntimeDir
    from activator.local.report import Report
    from activator.local.supervisor import Supervisor


@click.command(
    "run",
    short_help="Run specs or unit files without systemd.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("files", nargs=-1, metavar="FILE... | -- COMMAND...", shell_complete=complete.units)
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
    "-E",
    "--env",
    "--setenv",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set a variable for every service, or pass yours on. Repeatable.",
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
    *,
    free_ports: bool,
    strict: bool,
    log: str,
    quiet: bool,
    **adhoc: Any,
) -> int:
    """Listen as the units say, and start each service on its first client.

    FILE is a spec (.toml), a .socket unit beside its .service, a folder of them, an
    instance of a template (web@8080.socket), or the name of a socket that the system has.
    With -l there is no file, but a command. Nothing is installed and no systemd is needed.
    Ctrl-C stops everything and removes the socket files.

    \b
    Examples:
      activator run units/echo.toml
      activator run --runtime-dir /tmp/run web.socket shop.socket
      activator run -l 127.0.0.1:7777 --fd-name http -- python3 server.py
      activator run -l 7777 --accept --inetd -- /bin/cat
    """  # noqa: D301 - click wants the character
    import asyncio
    import sys

    from activator.local.report import JsonReporter, Reporter
    from activator.local.supervisor import Supervisor

    runtime = _runtime(runtime_dir, free_ports=free_ports)
    plan = _plan(files, runtime, strict=strict, **adhoc)
    reporter: Report = Reporter(sys.stdout, sys.stderr, quiet=quiet)
    if log == "json":
        reporter = JsonReporter(sys.stdout)
    for note in plan.notes:
        reporter.note(note)
    reporter.ignored(plan.ignored)
    show = _Show(reporter)
    supervisor = Supervisor(plan, show, runtime=runtime, environment=_environment(variables))
    show.supervisor = supervisor
    asked = asyncio.run(_serve(supervisor, show))
    if show.broken is not None:
        raise show.broken
    return 0 if asked else 1


class _Show:
    """Pass events to the reporter; when its reader has gone, stop."""

    def __init__(self, reporter: "Report") -> None:
        self._reporter = reporter
        self.supervisor: Supervisor | None = None
        self.broken: BrokenPipeError | None = None

    def __call__(self, event: "Event") -> None:
        if self.broken is not None:
            return
        try:
            self._reporter(event)
        except BrokenPipeError as error:
            self.broken = error
            if self.supervisor is not None:
                self.supervisor.stop()


async def _serve(supervisor: "Supervisor", show: "_Show") -> bool:
    """Run until a signal comes; a second one kills what does not end.

    Signals are caught before the first file is made, so that it is removed again.
    """
    import asyncio
    import signal

    from activator.local.events import Event

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, supervisor.stop)
    try:
        await supervisor.open()
        show(Event("open"))
        return await supervisor.run()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _plan(files: tuple[str, ...], runtime: "RuntimeDir", *, strict: bool, **adhoc: Any) -> "Plan":
    """Read what is to be run.

    Raises:
        ActivatorError: It cannot be run, or not as it says and --strict is given.
        UsageError: The options do not go together.
    """
    from activator.local.load import load

    paths: list[str] = []
    if adhoc["addresses"]:
        texts = _command_line(files, **adhoc)
    else:
        _refuse_without_listen(**adhoc)
        paths, texts = _sorted(files)
    plan = load(paths, texts, runtime)
    if strict and (plan.ignored or plan.notes):
        from activator.errors import ActivatorError, combine

        problems = [ActivatorError(note) for note in plan.notes]
        if plan.ignored:
            what = f"ignored here: {', '.join(plan.ignored)}"
            problems.append(ActivatorError(what, "remove them, or run without --strict"))
        raise combine(problems)
    return plan


def _command_line(argv: tuple[str, ...], **adhoc: Any) -> dict[str, tuple[str, str]]:
    """Return the units that stand for -l and its kin."""
    from activator.errors import UsageError
    from activator.local.adhoc import units

    if not argv:
        raise UsageError("there is no command", "write it behind --", place="--listen")
    if adhoc["datagram"] and adhoc["seqpacket"]:
        raise UsageError("does not go with --seqpacket", "give one of them", place="--datagram")
    return units(
        adhoc["addresses"],
        argv,
        kind="datagram" if adhoc["datagram"] else "seqpacket" if adhoc["seqpacket"] else "stream",
        names=[name for text in adhoc["names"] for name in text.split(":")],
        accept=adhoc["accept"],
        inetd=adhoc["inetd"],
    )


def _refuse_without_listen(**adhoc: Any) -> None:
    """Refuse the options that only concern a command."""
    from activator.errors import UsageError

    options = {"names": "fd-name"}
    for name in ("accept", "inetd", "datagram", "seqpacket", "names"):
        if adhoc[name]:
            hint = "give -l ADDRESS and a command, or write it into the unit"
            raise UsageError("there is no --listen", hint, place=f"--{options.get(name, name)}")


def _sorted(files: tuple[str, ...]) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return the unit files and folders, and the units rendered from the specs.

    A folder without a socket stands for the specs in it.
    """
    from pathlib import Path

    from activator.errors import UsageError

    if not files:
        raise UsageError("there is nothing to run", "name a spec or a unit, or give -l ADDRESS")
    paths: list[str] = []
    specs: list[str] = []
    for file in files:
        inside = [] if any(Path(file).glob("*.socket")) else sorted(Path(file).glob("*.toml"))
        if file.endswith(".toml") and not inside:
            specs.append(file)
        elif inside:
            specs += map(str, inside)
        else:
            paths.append(file)
    texts: dict[str, tuple[str, str]] = {}
    if specs:
        from activator.render import render
        from activator.spec import load

        for file in specs:
            for name, text in render(load(Path(file))).items():
                texts[name] = (text, f"{file}: {name}")
    return paths, texts


def _runtime(directory: str | None, *, free_ports: bool) -> "RuntimeDir":
    """Return where /run goes; the directory is made if it is missing."""
    from pathlib import Path

    from activator.errors import UsageError
    from activator.local.paths import RuntimeDir

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
