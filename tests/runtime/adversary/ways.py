"""The ways to serve connections, and how an honest client is answered in each."""

import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.services import SERVE, Service, launched

MODULE = "tests.runtime.adversary.handlers"
# How soon others are to be answered, on a machine however busy. Whoever is kept waiting by another
# client waits for good, as that one stays.
SOON = 30.0
# How long it is tried what may well be in vain.
AWHILE = 3.0
DRAIN = 1.0
# How long the end may take beyond the drain, on such a machine: it is to come at all.
MARGIN = 60.0
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n%b\r\n"


class Way(NamedTuple):
    """One way to serve.

    Attributes:
        name: What it is called.
        words: The words after ``activator serve``.
        is_http: Whether clients speak HTTP.
        room: How many clients it serves at once, at least.
        threads: How many threads it may have besides those of the interpreter.
    """

    name: str
    words: tuple[str, ...]
    is_http: bool = False
    room: int = 200
    threads: int = 2

    def __str__(self) -> str:
        return self.name

    def asking(self, word: bytes = b"") -> bytes:
        """Return what an honest client sends."""
        return GET % (word, b"Connection: close\r\n") if self.is_http else word or b"hello\n"

    def torrent(self) -> bytes:
        """Return what has the service send, if it is sent again and again."""
        return GET % (b"big", b"") if self.is_http else b"x" * 65536

    def is_answered(self, address: object, within: float = SOON) -> None:
        """Check that another client is answered soon."""
        with connected(address) as client:
            client.settimeout(within)
            client.sendall(self.asking())
            answer = client.recv(100)
        wanted = b"HTTP/1.1 200" if self.is_http else b"hello\n"
        assert answer.startswith(wanted), answer


def _ways() -> Iterator[Way]:
    for loop in ("asyncio", "uvloop"):
        if not find_spec(loop):
            continue
        options = ("--loop", loop)
        yield Way(f"streams-{loop}", (*options, f"{MODULE}:streams"))
        yield Way(f"protocol-{loop}", (*options, f"{MODULE}:Protocol"))
        yield Way(f"asgi-{loop}", (*options, "--asgi", f"{MODULE}:asgi"), is_http=True)
        yield Way(f"wsgi-{loop}", (*options, "--wsgi", f"{MODULE}:wsgi"), is_http=True, threads=66)
        yield Way(f"aiohttp-{loop}", (*options, f"{MODULE}:aiohttp"), is_http=True)
    yield Way("threads", (f"{MODULE}:plain",), room=40, threads=66)
    yield Way("warm", ("--isolation", "process", f"{MODULE}:plain"), room=40)
    yield Way("warm-streams", ("--isolation", "process", f"{MODULE}:streams"), room=40)
    yield Way("workers-threads", ("--workers", "2", f"{MODULE}:plain"), room=40, threads=66)
    yield Way("workers-streams", ("--workers", "2", "--loop", "asyncio", f"{MODULE}:streams"))
    yield Way("workers-asgi", ("--workers", "2", "--asgi", f"{MODULE}:asgi"), is_http=True)
    words = ("--workers", "2", "--wsgi", f"{MODULE}:wsgi")
    yield Way("workers-wsgi", words, is_http=True, threads=66)


WAYS = list(_ways())
ways = pytest.mark.parametrize("way", WAYS, ids=str)


@contextmanager
def connected(address: object) -> Iterator[socket.socket]:
    """Connect to a TCP or a Unix socket."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as client:
        client.settimeout(SOON)
        client.connect(address)  # type: ignore[arg-type]  # of this family
        yield client


@contextmanager
def listening() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Listen on a TCP and on a Unix socket."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=4096) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        unix.bind(b"\0activator-adversary-%d-%d" % (os.getpid(), time.monotonic_ns()))
        unix.listen(4096)
        yield tcp, unix


@contextmanager
def served(
    way: Way,
    *fds: int | socket.socket,
    nofile: int = 0,
    closed: Sequence[int] = (),
    wrapper: Sequence[str] = (),
    drain: float = DRAIN,
) -> Iterator[Service]:
    """Serve in this way, and check in the end that all holds that must."""
    words = (*wrapper, *SERVE, "--drain", str(drain), *way.words)
    with launched(words, fds, nofile=nofile, closed=closed) as service:
        yield service.ready()
        service.notifications.drop()
        ends(service)


def ends(service: Service) -> None:
    """Check that SIGTERM ends a service in time, and that nothing is left of it."""
    service.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    while service.process.poll() is None:
        service.notifications.drop()
        assert time.monotonic() < began + DRAIN + MARGIN, service.stderr
        time.sleep(0.01)
    assert 0 == service.process.returncode, service.stderr
    with suppress(ProcessLookupError):
        os.killpg(service.process.pid, 0)
        pytest.fail("a process is left")


def count(service: Service, what: str) -> int:
    """Return how many descriptors (fd) or threads (task) the service's processes have."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[2]) == service.process.pid and fields[0] != "Z":
                found += sum(1 for _ in (status.parent / what).iterdir())
    return found


def settles(service: Service, what: str, most: int) -> None:
    """Wait until a service has no more of it than so many."""
    until = time.monotonic() + 3 * SOON
    while (found := count(service, what)) > most:
        service.notifications.drop()
        assert time.monotonic() < until, f"{found} {what}, not {most}: {service.stderr}"
        time.sleep(0.02)
