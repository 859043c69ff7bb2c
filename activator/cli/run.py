"""``activator run``: run specs or unit files without systemd."""

from typing import TYPE_CHECKING

import click

from activator.cli import complete

if TYPE_CHECKING:
    from activator.local.events import Event
    from activator.local.paths import RuntimeDir
    from activator.local.report import Reporter
    from activator.local.supervisor import Supervisor


@click.command(
    "run",
    short_help="Run specs or unit files without systemd.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete.units)
@click.option(
    "--runtime-dir",
    metavar="DIR",
    help="Put what belongs below /run, and %t, below DIR.",
    shell_complete=complete.directories,
)
@click.option(
    "-E",
    "--env",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set a variable for every service, or pass yours on. Repeatable.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show only output and problems.")
def command(
    files: tuple[str, ...], runtime_dir: str | None, variables: tuple[str, ...], *, quiet: bool
) -> int:
    """Listen as the units say, and start each service on its first client.

    FILE is a spec (.toml) or a .socket unit; the .service is looked for beside it. Nothing
    is installed and no systemd is needed. Ctrl-C stops everything and removes the socket
    files.

    \b
    Examples:
      activator run units/echo.toml
      activator run --runtime-dir /tmp/run web.socket shop.socket
    """  # noqa: D301 - click wants the character
    import asyncio
    import sys

    from activator.local.load import load
    from activator.local.report import Reporter
    from activator.local.supervisor import Supervisor

    runtime = _runtime(runtime_dir)
    paths, texts = _sorted(files)
    plan = load(paths, texts, runtime)
    reporter = Reporter(sys.stdout, sys.stderr, quiet=quiet)
    for note in plan.notes:
        click.echo(note, err=True)
    reporter.ignored(plan.ignored)
    show = _Show(reporter)
    supervisor = Supervisor(plan, show, runtime=runtime, environment=_environment(variables))
    show.supervisor = supervisor
    asked = asyncio.run(_serve(supervisor))
    if show.broken is not None:
        raise show.broken
    return 0 if asked else 1


class _Show:
    """Pass events to the reporter; when its reader has gone, stop."""

    def __init__(self, reporter: "Reporter") -> None:
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


async def _serve(supervisor: "Supervisor") -> bool:
    """Run until a signal comes; a second one kills what does not end.

    Signals are caught before the first file is made, so that it is removed again.
    """
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, supervisor.stop)
    try:
        supervisor.open()
        return await supervisor.run()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _sorted(files: tuple[str, ...]) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return the unit files, and the units rendered from the specs."""
    paths, texts = [], {}
    for file in files:
        if not file.endswith(".toml"):
            paths.append(file)
            continue
        from pathlib import Path

        from activator.render import render
        from activator.spec import load

        for name, text in render(load(Path(file))).items():
            texts[name] = (text, f"{file}: {name}")
    return paths, texts


def _runtime(directory: str | None) -> "RuntimeDir":
    """Return where /run goes; the directory is made if it is missing."""
    from pathlib import Path

    from activator.errors import UsageError
    from activator.local.paths import RuntimeDir

    if directory is None:
        return RuntimeDir()
    path = Path(directory).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot make {path}: {error.strerror}"
        raise UsageError(what, "name another directory", place="--runtime-dir") from None
    return RuntimeDir(str(path))


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
