"""What a service is short of keeps it from nothing else, and is said: threads, for one."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import which
from typing import TypeVar

import pytest

from tests.runtime.adversary.ways import (
    AWHILE,
    DRAIN,
    MODULE,
    SOON,
    WAYS,
    Way,
    connected,
    listening,
    served,
)
from tests.support.services import PATIENCE, SERVE, Service, launched

T = TypeVar("T")

USER = 70000 + os.getpid() % 100000
# It may read what is installed below the home of root.
READING = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
SETPRIV = which("setpriv") or ""
WRAPPER = (SETPRIV, f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *READING)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
CALLS = [way for way in WAYS if "wsgi" in way.name or way.name.endswith("threads")]
HELP = "no thread can be started for now: can't start new thread; a higher TasksMax="


@contextmanager
def alone(way: Way, *fds: socket.socket, drain: float = DRAIN) -> Iterator[Service]:
    """Serve as a user who has no other processes."""
    with served(way, *fds, wrapper=WRAPPER, drain=drain) as service:
        yield service


@contextmanager
def starved(way: Way, asked: bytes, said: str) -> Iterator[tuple[Service, socket.socket]]:
    """Serve one client as a user who may start nothing for it, and wait until that is said."""
    with listening() as (tcp, _), alone(way, tcp) as service:
        limit(service, 1)
        with connected(tcp.getsockname()) as client:
            client.sendall(asked)
            says(service, said)
            yield service, client


def limit(service: Service, number: int = 10000) -> None:
    """Limit how many processes and threads the service's user may have."""

    def set_limit(pid: int) -> None:
        # Root may do so itself, but not in a container.
        command = [*WRAPPER, "prlimit", f"--pid={pid}", f"--nproc={number}:"]
        done = subprocess.run(command, check=False)
        if done.returncode and not Path(f"/proc/{pid}").exists():
            raise ProcessLookupError
        done.check_returncode()

    of_each(service, set_limit)


def of_each(service: Service, look: Callable[[int], T]) -> list[T]:
    """Return what a function says of the service's process and of its others.

    One that has served a connection may end at any time, and is left out then.
    """
    pid = service.process.pid
    found = [look(pid)]
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(look(child))
    return found


def says(service: Service, text: str) -> None:
    """Wait until the service has said something."""
    until = time.monotonic() + PATIENCE
    while text not in service.stderr:
        assert time.monotonic() < until, service.stderr
        assert service.process.poll() is None, service.stderr
        service.notifications.drop()
        time.sleep(0.01)


@needs_root
@pytest.mark.parametrize("way", CALLS, ids=str)
def test_no_thread(way: Way) -> None:
    """A client waits until there is a thread for it; it is said once what would help."""
    with starved(way, way.asking(), HELP) as (service, client):
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(PATIENCE)
        limit(service)
        assert client.recv(100)
        way.is_answered(client.getpeername())
        said = service.stderr.splitlines()
        assert len(said) <= len(of_each(service, int)), said
        assert all(HELP in line for line in said)


@needs_root
@pytest.mark.parametrize("way", [way for way in CALLS if "wsgi" not in way.name], ids=str)
def test_stop_without_a_thread(way: Way) -> None:
    """A client that no thread could be started for is the next process's."""
    with ExitStack() as stack:
        tcp, _ = stack.enter_context(listening())
        with alone(way, tcp) as service:
            limit(service, 1)
            client = stack.enter_context(connected(tcp.getsockname()))
            client.sendall(way.asking())
            says(service, HELP)
        with served(way, tcp):
            assert b"hello\n" == client.recv(100)


@needs_root
def test_no_thread_for_messages() -> None:
    """Messages wait in the queue until there is a thread."""
    with ExitStack() as stack:
        listener, client = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        )
        listener.bind(("127.0.0.1", 0))
        service = stack.enter_context(alone(Way("messages", (f"{MODULE}:message",)), listener))
        limit(service, 1)
        client.connect(listener.getsockname())
        client.settimeout(SOON)
        client.send(b"question")
        says(service, HELP)
        limit(service)
        assert b"question" == client.recv(100)
        assert 1 == service.stderr.count("\n")


WARM = [way for way in WAYS if "warm" in way.name]
INETD = Way("inetd", ("--isolation", "process", "--inetd", "cat"))
ENOUGH = 18
DEVNULL = Path(os.devnull)
NO_PROCESS = "no process can be started for "


@needs_root
@pytest.mark.parametrize("way", [*WARM, INETD], ids=str)
@pytest.mark.parametrize("others", [0, 1])
def test_stop_without_a_process(way: Way, others: int) -> None:
    """A client that no process could be started for is served before the end.

    When another's process has ended, or in the service's own if there is none.
    """
    with ExitStack() as stack:
        tcp, _ = stack.enter_context(listening())
        # Time enough for others to leave, and for it to be served then.
        service = stack.enter_context(alone(way, tcp, drain=SOON))
        served = [stack.enter_context(connected(tcp.getsockname())) for _ in range(others)]
        for client in served:
            client.sendall(b"hello\n")
            assert b"hello\n" == client.recv(100)
        limit(service, 1 + others)
        client = stack.enter_context(connected(tcp.getsockname()))
        client.sendall(b"question\n")
        says(service, NO_PROCESS)
        service.stop()
        for other in served:
            other.close()
        assert b"question\n" == client.recv(100)
        client.shutdown(socket.SHUT_WR)
        assert b"" == client.recv(100)
        assert 0 == service.wait()
        assert "Traceback" not in service.stderr


@needs_root
@pytest.mark.parametrize("way", WARM, ids=str)
def test_stop_without_a_process_takes_its_time(way: Way) -> None:
    """What is served at the very end has until the end of the drain."""
    with starved(way, b"", NO_PROCESS) as (service, client):
        service.stop()
        assert b"" == client.recv(100)
        assert 0 == service.wait()
        assert "Traceback" not in service.stderr


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_closed_standard_streams(way: Way) -> None:
    """Descriptors that are closed at the start lead nowhere, before anything else gets them."""
    closed = (0, 1, 2)
    with listening() as (tcp, _), served(way, tcp, closed=closed) as service:
        way.is_answered(tcp.getsockname())
        links = of_each(
            service, lambda pid: {Path(f"/proc/{pid}/fd/{fd}").readlink() for fd in closed}
        )
        assert [{DEVNULL}] * len(links) == links


FEW = ("streams-asyncio", "streams-uvloop", "asgi-uvloop", "threads", "warm")


@pytest.mark.parametrize("way", [way for way in WAYS if way.name in FEW], ids=str)
def test_few_descriptors(way: Way) -> None:
    """With too few descriptors a line ends the start, and with a few more clients are served."""
    with listening() as (tcp, _):
        for number in (6, 8, 10, 12, 14):
            words = (*SERVE, "--drain", str(DRAIN), *way.words)
            with launched(words, [tcp], nofile=number) as service:
                if not ready(service):
                    assert 1 == service.wait()
                    assert 1 == service.stderr.count("\n"), service.stderr
                    assert "Too many open files" in service.stderr
                    continue
                with suppress(TimeoutError):
                    way.is_answered(tcp.getsockname(), AWHILE)
                assert 0 == service.end()
                assert "Traceback" not in service.stderr
        with served(way, tcp, nofile=ENOUGH) as service:
            way.is_answered(tcp.getsockname())
            assert "" == service.stderr


def ready(service: Service) -> bool:
    """Wait until a service is ready, or has ended; return whether it is ready."""
    until = time.monotonic() + PATIENCE
    while service.process.poll() is None:
        assert time.monotonic() < until
        if any("READY=1" in message for message in service.notifications.drop()):
            return True
        time.sleep(0.01)
    return False
