"""Show both modes at work on the local activator, step by step, with a real client.

Every statement that is printed was checked: the demonstration fails, in one line, where
something else happens.
"""

import asyncio
import contextlib
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from activator import spec
from activator.errors import ActivatorError
from activator.files import write_all
from activator.local.events import Event
from activator.local.supervisor import Supervisor
from activator.local.units.load import load
from activator.local.units.paths import RuntimeDir
from activator.render import render

# How long any step may take: seconds.
PATIENCE = 20.0
MESSAGE = "hello, socket\n"

# Writes one line; the second argument is "title", "step", "listing" or "text".
Say = Callable[[str, str], None]


def units_directory() -> Path:
    """Return where the examples are: in an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "units"
    return inside if inside.is_dir() else package.parent / "units"


def demonstrate(say: Say) -> None:
    """Show the shared and the per-connection example, from spec to answer.

    Args:
        say: Called with each line to show.

    Raises:
        ActivatorError: Something did not happen as it should.
    """
    with tempfile.TemporaryDirectory(prefix="activator-demo-") as scratch:
        for number, name in enumerate(("echo", "echo-each")):
            directory = Path(scratch) / name
            directory.mkdir()
            say(f"{'AB'[number]}. {('Shared mode', 'Per-connection mode')[number]}", "title")
            sockets = _generate(name, directory, say)
            asyncio.run(_run(name, sockets, RuntimeDir(str(directory / "run")), say))
            left = [str(path) for path in directory.rglob("*") if path.is_socket()]
            _expect(not left, f"{left} is left behind")
            say("no socket file is left", "text")


def _generate(name: str, directory: Path, say: Say) -> list[str]:
    """Show an example's spec, generate and show its units, and return the sockets' paths."""
    text = _with_free_ports((units_directory() / f"{name}.toml").read_text())
    (directory / f"{name}.toml").write_text(text)
    (directory / "run").mkdir()
    say(f"A service in one short file, {name}.toml:", "step")
    for line in text.splitlines():
        say(line, "listing")
    say(f"activator gen {name}.toml -o .", "step")
    paths = write_all(directory, render(spec.load(directory / f"{name}.toml")))
    for path in paths:
        say(f"# {path.name}", "text")
        for line in [*path.read_text().splitlines(), ""]:
            say(line, "listing")
    return [str(path) for path in paths if path.suffix == ".socket"]


def _with_free_ports(text: str) -> str:
    """Return the spec with a free port in place of each that is taken here."""
    for port in ("7777", "7778"):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(port)))
            except OSError:
                probe.bind(("127.0.0.1", 0))
                text = text.replace(f":{port}", f":{probe.getsockname()[1]}")
    return text


class _Watch:
    """Remembers the events of a run, and lets steps wait for the next of a kind."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def of(self, kind: str) -> list[Event]:
        """Return the events of a kind so far."""
        return [event for event in self.events if event.kind == kind]

    async def wait(self, kind: str, count: int) -> list[Event]:
        """Wait until there are so many events of a kind, and return them.

        Raises:
            ActivatorError: There are not in time, or the run failed.
        """

        def enough() -> bool:
            return len(self.of(kind)) >= count or bool(self.of("failed"))

        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(enough)
        except TimeoutError:
            raise ActivatorError(f"nothing {kind} within {PATIENCE:g} s") from None
        if failed := self.of("failed"):
            raise ActivatorError(f"{failed[0].unit}: {failed[0].text}")
        return self.of(kind)


@contextlib.asynccontextmanager
async def _running(supervisor: Supervisor) -> AsyncIterator[None]:
    """Run the local activator in the body, and stop it after it."""
    await supervisor.open()
    task = asyncio.create_task(supervisor.run())
    try:
        yield
    finally:
        supervisor.stop()
        await task


async def _run(name: str, sockets: list[str], runtime: RuntimeDir, say: Say) -> None:
    """Run an example's units and talk to it."""
    watch = _Watch()
    supervisor = Supervisor(load(sockets, {}, runtime), watch, runtime=runtime)
    say(f"activator run {name}.socket --runtime-dir run", "step")
    async with _running(supervisor):
        opened = await watch.wait("listening", 2)
        addresses = [str(event.address) for event in opened if event.address is not None]
        for address in addresses:
            say(f"socket open  {address}", "text")
        _expect(not watch.of("started"), "a process runs before the first client")
        say("no process", "text")
        await _talk(name, addresses, watch, say)
        say("SIGTERM", "step")
    for event in watch.of("ended"):
        say(f"process {event.pid} ended: {event.text}", "text")
    _expect(len(watch.of("ended")) == len(watch.of("started")), "a process is left behind")


async def _talk(name: str, addresses: list[str], watch: _Watch, say: Say) -> None:
    """Let clients connect, one after the other, and show what that starts."""
    each = name == "echo-each"
    for number, address in enumerate([addresses[0], addresses[0], addresses[1]], 1):
        say(f"Client {number} connects to {address}", "step")
        before = len(watch.of("started"))
        start = time.perf_counter()
        answer = await _ask(address)
        took = (time.perf_counter() - start) * 1000
        started = await watch.wait("started", number if each else 1)
        if len(started) > before:
            say(f"process {started[-1].pid} started, for this {_whom(each=each)}", "text")
        else:
            say(f"process {started[-1].pid} runs already", "text")
        _expect(answer == MESSAGE, f"the answer is {answer!r}")
        say(f"sent   {MESSAGE!r}", "text")
        say(f"answer {answer!r} after {took:.0f} ms", "text")
    count = len(watch.of("started"))
    _expect(count == (3 if each else 1), f"{count} processes were started")
    say(f"{count} process{'es' if each else ''} for 3 clients", "text")
    if each:
        await watch.wait("ended", count)
        say("each has ended with its connection", "text")


def _whom(*, each: bool) -> str:
    """Return for whom a process is started."""
    return "connection alone" if each else "and all further clients"


async def _ask(address: str) -> str:
    """Send the message to an address and return the answer."""
    if address.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    async with asyncio.timeout(PATIENCE):
        writer.write(MESSAGE.encode())
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer.decode(errors="replace")


def _expect(holds: object, otherwise: str) -> None:
    """Fail the demonstration unless something holds."""
    if not holds:
        raise ActivatorError(f"the demonstration failed: {otherwise}")
