"""How a service has balancers leave before it ends: ``--drain-delay``, ``--health``, the agent."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest

from tests.runtime.serving.test_tls import ASYNC, BEGUN, PLAIN, PROCESS, exchange
from tests.runtime.serving.test_web import WEB, curl, get, interfaces, opened, url
from tests.support.services import PATIENCE, SERVE, Service, connect, launched, tcp_listener

LIBUV = 0.001  # it counts whole milliseconds, and begins with one that has begun
LONG = ("--drain-delay", "3600")
REQUEST = b"GET /%d HTTP/1.1\r\nHost: here\r\n\r\n"
AGENT = "agent=activator.examples.agent:agent"
KINDS = {**ASYNC, **PLAIN}
kinds = pytest.mark.parametrize("words", KINDS.values(), ids=KINDS)
modes = pytest.mark.parametrize("mode", [(), ("--workers", "2")], ids=["alone", "workers"])


@contextmanager
def serving(*words: str) -> Iterator[tuple[Service, Any]]:
    """Serve on a port; give the service, ready, and the address."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, *words), [listener], names="main") as service,
    ):
        yield service.ready(), listener.getsockname()


def leave(service: Service, *mode: str, number: int = signal.SIGTERM) -> None:
    """Have a service end, and wait until it says that it leaves, or its parent that it stops."""
    service.process.send_signal(number)
    wanted = "STOPPING=1" if mode else "STATUS=leaving: "
    while not any(line.startswith(wanted) for line in service.notifications.receive().split("\n")):
        pass


def told(address: Sequence[Any], *words: str, path: str = "/health") -> tuple[str, int]:
    """Return what a balancer is told, and the status."""
    body, _, status = curl("--write-out", "\n%{http_code}", *words, url(address, path)).rpartition(
        "\n"
    )
    return body, int(status)


@interfaces
@modes
def test_health(kind: str, mode: tuple[str, ...]) -> None:
    """The path is the runtime's own; all else is the application's, before the end as well."""
    words = (*mode, *LONG, "--health", "/health", f"--{kind}", f"{WEB}:{kind}")
    with serving(*words) as (service, address):
        for more in ((), ("--data", "x" * 70000), ("--request", "OPTIONS"), ("--http1.0",)):
            assert ("ok\n", 200) == told(address, *more)
        assert ("", 200) == told(address, "--head", "--output", "/dev/null")
        assert ("ok\n", 200) == told(address, path="/health?now")
        assert ("/health/", 200) == told(address, path="/health/")
        with opened(address) as kept:
            assert (b"/kept", "") == get(kept, "/kept")
            leave(service, *mode)
            while told(address) != ("draining\n", 503):
                assert mode  # a worker hears of it when its parent has said so
            if not mode:
                assert (b"/kept", "") == get(kept, "/kept")
                assert ("", 503) == told(address, "--head", "--output", "/dev/null")
            assert ("/new", 200) == told(address, path="/new")
        assert "" == service.stderr


@interfaces
def test_health_beside_others(kind: str) -> None:
    """Requests that follow each other without a pause are answered in their order."""
    with serving("--health", "/1", f"--{kind}", f"{WEB}:{kind}") as (service, address):
        with connect(address) as client:
            client.sendall(b"".join(REQUEST % number for number in (0, 1, 1, 2, 1)))
            answer = b""
            while answer.count(b"ok\n") < 3:
                answer += (part := client.recv(65536))
                assert part, answer
        assert answer.index(b"/0") < answer.index(b"ok\n") < answer.index(b"/2")
        assert 0 == service.end()
        assert "" == service.stderr


def test_no_thread_is_needed() -> None:
    """Where all threads are busy, a balancer is told nevertheless."""
    words = ("--threads", "1", "--drain", "0.1", "--health", "/health", "--wsgi", f"{WEB}:wsgi")
    with serving(*words) as (_, address), opened(address) as busy:
        busy.request("GET", "/?1000")
        for _ in range(3):
            assert ("ok\n", 200) == told(address)


@interfaces
def test_hand_over(kind: str) -> None:
    """At a hand-over nobody is to leave: an earlier worker says so where it is still asked."""
    words = ("--workers", "1", *LONG, "--health", "/health", f"--{kind}", f"{WEB}:{kind}")
    with serving(*words) as (service, address), opened(address) as kept:
        assert (b"ok\n", "") == get(kept, "/health")
        busy = opened(address)
        with busy as other:
            other.request("GET", "/long?1")
            service.process.send_signal(signal.SIGHUP)
            service.notifications.await_message("RELOADING=1")
            service.notifications.await_message("READY=1")
            assert ("ok\n", 200) == told(address)
            assert b"/long" == other.getresponse().read()


@kinds
def test_served_on(words: Sequence[str]) -> None:
    """After the signal, and after another, new clients are served as before."""
    with serving(*LONG, *words) as (service, address):
        leave(service)
        for _ in range(2):
            service.process.send_signal(signal.SIGTERM)
            with connect(address) as client:
                assert exchange(client)["peer"]
        assert "" == service.stderr


@kinds
def test_impatience(words: Sequence[str]) -> None:
    """Whoever presses Ctrl-C twice need not wait."""
    with serving(*LONG, *words) as (service, _):
        leave(service, number=signal.SIGINT)
        service.process.send_signal(signal.SIGINT)
        assert 0 == service.wait()
        assert "" == service.stderr


@kinds
def test_the_time_passes(words: Sequence[str]) -> None:
    """Then it drains: who is there may end, and those who come are the next process's."""
    with (
        serving("--drain-delay", "0.2", *words) as (service, address),
        connect(address) as client,
    ):
        begin = monotonic()
        service.stop()
        assert monotonic() - begin >= 0.2 - LIBUV
        with connect(address) as late:
            assert exchange(client)["peer"]
            client.close()
            assert 0 == service.wait()
            late.setblocking(False)
            with pytest.raises(BlockingIOError):
                late.recv(1)
        assert "" == service.stderr


@kinds
def test_the_manager_waits(words: Sequence[str]) -> None:
    """The service manager is asked for the time that it takes."""
    with serving("--drain-delay", "0.5", *words) as (service, _):
        service.process.send_signal(signal.SIGTERM)
        message = ""
        while "EXTEND_TIMEOUT_USEC=" not in message:
            message = service.notifications.receive()
            assert "STOPPING=1" not in message
        assert 0 == service.wait()


@pytest.mark.parametrize("mode", [(), ("--workers", "1")], ids=["alone", "worker"])
def test_nobody_is_waited_for(mode: tuple[str, ...]) -> None:
    """A service that has nothing to do ends at once."""
    with serving(*mode, *LONG, "--idle-exit", "0.1", f"{BEGUN}:streams") as (service, _):
        assert 0 == service.wait()


def test_one_connection() -> None:
    """With Accept=yes no other client comes."""
    ours, theirs = socket.socketpair()
    with ours, theirs, launched((*SERVE, *LONG, f"{BEGUN}:streams"), [theirs]) as service:
        theirs.close()
        service.ready()
        exchange(ours)
        ours.close()
        assert 0 == service.wait()


@kinds
def test_agent(words: Sequence[str]) -> None:
    """HAProxy's agent-check is told on a socket of its own, whatever else is served."""
    *options, handler = words
    command = (*SERVE, *LONG, *options, AGENT, f"main={handler}")
    with (
        tcp_listener() as main,
        tcp_listener() as agent,
        launched(command, [main, agent], names="main:agent") as service,
    ):
        service.ready()
        assert b"ready\n" == asked(agent)
        with connect(main.getsockname()) as client:
            exchange(client)
            leave(service)
            assert b"drain\n" == asked(agent)
        assert "" == service.stderr


def asked(listener: socket.socket) -> bytes:
    """Ask as HAProxy does, which may send a line of its own."""
    with connect(listener.getsockname()) as client, client.makefile("rb") as stream:
        return stream.read()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--health", "health", "--asgi", "a:b"), "--health: not a path: 'health'; write /health"),
        (("--health", "/a%20b", "--asgi", "a:b"), "--health: not a path: '/a%20b'; write "),
        (("--health", "/a?b", "--asgi", "a:b"), "--health: not a path: '/a?b'; write "),
        (("--health", "/", f"{BEGUN}:streams"), "--health: it is for --asgi and --wsgi; "),
        (("--drain-delay", "-1", f"{BEGUN}:streams"), "--drain-delay: not a number of seconds"),
    ],
)
def test_wrong_usage(words: Sequence[str], message: str) -> None:
    """What makes no sense is told in one line."""
    done = subprocess.run(
        [sys.executable, "-m", "activator", "serve", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert 2 == done.returncode
    assert done.stderr.startswith(message)
    assert 1 == len(done.stderr.splitlines())


def test_programs() -> None:
    """A program for each connection is started until the time has passed."""
    words = (*PROCESS, "--inetd", "/bin/echo", "hello")
    with serving(*LONG, *words) as (service, address):
        leave(service)
        with connect(address) as client, client.makefile("rb") as stream:
            assert b"hello\n" == stream.read()
