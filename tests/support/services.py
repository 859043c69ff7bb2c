"""Start services as the service manager does, watch them, and leave nothing behind."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import pytest

ROOT = Path(__file__).parents[2]
LAUNCH = Path(__file__).with_name("launch.py")
# Generous: it is only reached by a test that fails.
PATIENCE = 60.0

SERVE = (sys.executable, "-m", "activator", "serve")
HANDLERS = "tests.support.handlers"

LOOPS = [
    pytest.param("asyncio", id="asyncio"),
    pytest.param(
        "uvloop",
        id="uvloop",
        marks=pytest.mark.skipif(not find_spec("uvloop"), reason="uvloop is not installed"),
    ),
]
# Each flavour of service in the shared mode: the options, and the prefix of its handlers.
FLAVOURS = [
    *(
        pytest.param(("--loop", name), "a_", id=name, marks=p.marks)
        for p in LOOPS
        for name in [str(p.values[0])]
    ),
    pytest.param((), "p_", id="threads"),
]
flavours = pytest.mark.parametrize(("options", "prefix"), FLAVOURS)
Options = Sequence[str]


class Notifications:
    """A NOTIFY_SOCKET and the messages that arrive on it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)
        name = f"activator-test-{secrets.token_hex(8)}"
        self.socket.bind(f"\0{name}")
        self.path = f"@{name}"

    def receive(self) -> str:
        """Return the next message."""
        return self.socket.recv(4096).decode()

    def drop(self) -> list[str]:
        """Take what has arrived: a service that had said ten things more would wait."""
        taken = []
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                taken.append(self.receive())
        self.socket.settimeout(PATIENCE)
        return taken

    def await_message(self, wanted: str) -> None:
        """Wait for a message that has this line."""
        while wanted not in self.receive().splitlines():
            pass


class Service:
    """A running service and what it writes.

    Attributes:
        process: The process.
        notifications: Where its sd_notify messages arrive.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], pass_fds: Sequence[int] = ()
    ) -> None:
        self.notifications = Notifications()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the service
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**clean_environment(), "NOTIFY_SOCKET": self.notifications.path, **env},
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            process_group=0,
        )

    def ready(self) -> Self:
        """Wait until the service says READY=1."""
        self.notifications.await_message("READY=1")
        return self

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send SIGTERM and wait until the service says STOPPING=1."""
        self.process.send_signal(number)
        self.notifications.await_message("STOPPING=1")

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(PATIENCE)

    def end(self) -> int:
        """Send SIGTERM, wait for the end and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    @property
    def stdout(self) -> str:
        """All that was written on stdout; waits until it is closed."""
        assert self.process.stdout
        return self.process.stdout.read().decode()

    @property
    def stderr(self) -> str:
        """What has been written on stderr so far."""
        size = self._stderr.seek(0, os.SEEK_END)
        return os.pread(self._stderr.fileno(), size, 0).decode()

    def close(self) -> None:
        """Kill the process if it still runs, with its workers, and close all."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
        assert self.process.stdout
        self.process.stdout.close()
        self._stderr.close()
        self.notifications.socket.close()


def clean_environment() -> dict[str, str]:
    """Return the environment without what a service manager may have put there."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LISTEN_") and name != "NOTIFY_SOCKET"
    }


def command(options: Options, *handlers: str) -> tuple[str, ...]:
    """Return a command that serves with handlers of tests/support/handlers.py."""
    return (*SERVE, *options, *(f"{HANDLERS}:{name}" for name in handlers))


def finished_quietly(service: Service) -> None:
    """Check that SIGTERM ends a service with 0, and that it has had nothing to say."""
    assert 0 == service.end()
    assert "" == service.stderr


@contextmanager
def launched(
    command: Sequence[str],
    fds: Sequence[int | socket.socket] = (),
    *,
    names: str | None = None,
    nofile: int = 0,
    closed: Sequence[int] = (),
    **variables: str | None,
) -> Iterator[Service]:
    """Run a command with descriptors passed to it.

    Args:
        command: The program's path and its arguments.
        fds: The descriptors, passed as 3 and up; they stay open here.
        names: LISTEN_FDNAMES, if it is to be set.
        nofile: RLIMIT_NOFILE, if it is to be set.
        closed: Descriptors that it finds closed.
        variables: More variables, or other values for the usual ones; None leaves one out,
            and ``PID`` within one stands for the program's process id.
    """
    numbers = [fd if isinstance(fd, int) else fd.fileno() for fd in fds]
    env = {"LISTEN_PID": "PID", "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names, **variables}
    plan = {
        "fds": numbers,
        "env": {name: value for name, value in env.items() if value is not None},
        "nofile": nofile,
        "closed": closed,
    }
    service = Service(
        [sys.executable, "-S", "-I", str(LAUNCH), json.dumps(plan), *command], {}, numbers
    )
    try:
        yield service
    finally:
        service.close()


@contextmanager
def activated(command: Sequence[str], addresses: Sequence[str], *options: str) -> Iterator[Service]:
    """Run a command through systemd-socket-activate, which listens on the addresses.

    The program is started at the first connection. Ready when it listens.
    """
    words = ["systemd-socket-activate", *options, "-E", "NOTIFY_SOCKET"]
    for address in addresses:
        words += ["-l", address]
    service = Service([*words, *command], {})
    try:
        while service.stderr.count("Listening on ") < len(addresses):
            assert service.process.poll() is None, service.stderr
            os.sched_yield()
        yield service
    finally:
        service.close()


@contextmanager
def tcp_listener(backlog: int = 512) -> Iterator[socket.socket]:
    """Listen on a free port of the loopback address."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as listener:
        yield listener


@contextmanager
def bound(host: str = "127.0.0.1", family: int = socket.AF_INET) -> Iterator[socket.socket]:
    """Bind a datagram socket; no operation on it waits forever."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            pytest.skip(f"there is no {host} here")
        sock.settimeout(PATIENCE)
        yield sock


@contextmanager
def connected(address: object, family: int = socket.AF_INET) -> Iterator[socket.socket]:
    """Connect a stream socket; no operation on it waits forever."""
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        client.connect(address)  # type: ignore[arg-type]  # of whatever family it is
        yield client


def connect(address: object) -> socket.socket:
    """Connect to a TCP address; the caller closes it."""
    client = socket.create_connection(address, PATIENCE)  # type: ignore[arg-type]
    client.settimeout(PATIENCE)
    return client


def read_all(client: socket.socket) -> bytes:
    """Read until the other side has sent its last; a reset counts as the end."""
    chunks = []
    try:
        while chunk := client.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(chunks)


def ask(address: object, question: bytes) -> bytes:
    """Send all, close our sending side, and read the whole answer."""
    with connect(address) as client:
        with suppress(OSError):  # it may leave without listening
            client.sendall(question)
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def reset(client: socket.socket) -> None:
    """Close a TCP connection with a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
