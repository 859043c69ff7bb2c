"""Figures as OpenMetrics: ``--metrics NAME``."""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from activator.common.queue_length import queue_length
from activator.runtime.serving.scrapes import DEADLINE
from tests.support.services import (
    FLAVOURS,
    HANDLERS,
    PATIENCE,
    SERVE,
    Service,
    ask,
    connect,
    launched,
    read_all,
    tcp_listener,
)

Figures = dict[str, float]
METRICS = ("--metrics", "metrics")


def figures(address: "Sequence[Any]", seconds: float = PATIENCE) -> Figures:
    """Return what curl gets in time, as prometheus_client reads it: sample, listener → value."""
    done = subprocess.run(
        [
            *("curl", "--silent", "--fail", "--max-time", str(seconds)),
            *("--header", "Accept: application/openmetrics-text; version=1.0.0"),
            f"http://{address[0]}:{address[1]}/metrics",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    return {
        " ".join([sample.name.removeprefix("activator_"), sample.labels.get("listener", "")]): (
            sample.value
        )
        for family in text_string_to_metric_families(done.stdout)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


@contextmanager
def serving(*words: str) -> Iterator[tuple[Service, Any, Any]]:
    """Serve two sockets; give the service, ready, one's address and that of its figures."""
    with (
        tcp_listener() as one,
        tcp_listener() as two,
        tcp_listener() as metrics,
        launched((*SERVE, *METRICS, *words), [one, metrics, two], names="a:metrics:b") as service,
    ):
        yield service.ready(), one.getsockname(), metrics.getsockname()


@pytest.mark.parametrize(("options", "prefix"), FLAVOURS)
def test_what_is_told(options: tuple[str, ...], prefix: str) -> None:
    """Connections are counted where they come, and scrapes are none."""
    words = (*options, "--max-per-source", "2", f"{HANDLERS}:{prefix}hold")
    with serving(*words) as (service, address, metrics), ExitStack() as stack:
        for _ in range(2):
            assert b"hi\n" == stack.enter_context(connect(address)).recv(3)
        assert b"" == stack.enter_context(connect(address)).recv(3)
        for _ in range(2):
            told = figures(metrics)
        expected = {
            "connections_accepted_total a": 2,
            "connections_accepted_total b": 0,
            "connections_active ": 2,
            "connections_refused_total ": 1,
            "messages_total ": 0,
            "drain_seconds ": 0,
            "queue_length a": 0,
            "queue_limit a": 512,
        }
        assert expected.items() <= told.items()
        assert "process_open_fds " in told
        service.stop()
        while not (told := figures(metrics))["drain_seconds "]:
            pass
        assert 2 == told["connections_active "]
        stack.close()
        assert 0 == service.wait()
        assert "" == service.stderr


@pytest.mark.parametrize(
    "words",
    [
        *([*p.values[0], f"{HANDLERS}:{p.values[1]}echo"] for p in FLAVOURS),  # type: ignore[misc]
        ["--loop", "asyncio", "tests.support.protocols:Echo"],
        ["--loop", "uvloop", "tests.support.protocols:Echo"],
        ["--asgi", "tests.support.web:asgi"],
        ["--wsgi", "tests.support.web:wsgi"],
    ],
)
def test_bytes(words: list[str]) -> None:
    """What has gone over connections is counted when they are closed, however they are served."""
    question = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with serving(*words) as (service, address, metrics):
        sent = received = 0
        for size in (1, 100_000):
            request = question.replace(b"Host: a", b"Host: a\r\nX: " + b"x" * min(size, 9000))
            request = request if words[0] in ("--asgi", "--wsgi") else b"x" * size
            with connect(address) as client:
                client.sendall(request)
                if request[:1] == b"x":
                    client.shutdown(socket.SHUT_WR)
                received += len(read_all(client))
                sent += len(request)
        while sent != (told := figures(metrics)).get("received_bytes_total a"):
            assert service.process.poll() is None
        assert received == told["sent_bytes_total a"]
        assert 0 == service.end()
        assert "" == service.stderr


def test_idle_exit() -> None:
    """Whoever asks for figures does not keep a service from its idle exit."""
    words = ("--idle-exit", "0.5", f"{HANDLERS}:a_echo")
    with serving(*words) as (service, _, metrics):
        while service.process.poll() is None:
            try:
                figures(metrics, 1)  # what comes too late for the service waits for ever
            except subprocess.CalledProcessError:
                break
        assert 0 == service.wait()


def test_workers() -> None:
    """With workers, their parent tells what all of them have done."""
    with serving("--workers", "2", f"{HANDLERS}:a_echo") as (service, address, metrics):
        for _ in range(10):
            assert b"x" == ask(address, b"x")
        while 10 > figures(metrics)["connections_accepted_total "]:
            pass  # the workers tell it each second
        assert 0 == service.end()
        assert "" == service.stderr


@pytest.mark.parametrize("words", [("--asgi", "tests.support.web:asgi"), (f"{HANDLERS}:p_echo",)])
def test_others_take_their_time(words: tuple[str, ...]) -> None:
    """Clients that send nothing do not keep others from the figures for long."""
    with serving(*words) as (service, _, metrics):
        with connect(metrics), connect(metrics) as gone:
            gone.close()
            assert 0 == figures(metrics)["connections_active "]
        assert 0 == service.end()
        assert "" == service.stderr


@pytest.mark.parametrize("words", [(), ("--workers", "1")])
def test_slow_scrapers(words: tuple[str, ...]) -> None:
    """Whoever asks slowly, or reads nothing, keeps nobody waiting: not others, not the end."""
    with serving(*words, f"{HANDLERS}:a_echo") as (service, _, metrics), ExitStack() as stack:
        clients = [stack.enter_context(connect(metrics)) for _ in range(300)]
        for client in clients[-30:]:
            client.sendall(b"GET /metrics HTTP/1.1\r\n")
        for _ in range(3):
            for client in clients[-30:]:
                client.sendall(b"x")
            assert 0 == figures(metrics, DEADLINE - 1)["connections_active "]
        assert b"" == clients[0].recv(1)  # too many: those go that came first
        assert 0 == service.end()
        assert "" == service.stderr


def test_deadline() -> None:
    """A request has a time in which it has to be whole, however often a byte of it comes."""
    with serving(f"{HANDLERS}:a_echo") as (service, _, metrics), ExitStack() as stack:
        began = time.monotonic()
        client = stack.enter_context(connect(metrics))
        with suppress(ConnectionError):
            while time.monotonic() < began + PATIENCE:
                client.sendall(b"x")
                client.settimeout(0.5)
                with suppress(TimeoutError):
                    assert b"" == client.recv(1)
                    break
        assert DEADLINE - 1 < time.monotonic() - began < PATIENCE
        assert 0 == service.end()
        assert "" == service.stderr


def test_head() -> None:
    """HEAD gives the head of what GET gives, and what is no request gets an answer as well."""
    with serving(f"{HANDLERS}:a_echo") as (service, _, metrics):
        whole = ask(metrics, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = ask(metrics, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert [line.partition(b":")[0] for line in head.split(b"\r\n")] == [
            line.partition(b":")[0] for line in whole.partition(b"\r\n\r\n")[0].split(b"\r\n")
        ] + [b"", b""]
        assert b"501" in ask(metrics, b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n").splitlines()[0]
        assert b"400" in ask(metrics, b"nonsense of four words\r\n\r\n")
        assert 0 == service.end()


FAILING = """
import time
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

class Failing(Collector):
    def describe(self): return []
    def collect(self):
        HOW

REGISTRY.register(Failing())

def handle(sock):
    sock.sendall(b"served")
"""


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "1 / 0", "time.sleep(1000)"])
def test_collectors_of_the_application(how: str, tmp_path: Path) -> None:
    """One that fails in any way is told of; one that hangs keeps nobody from the end."""
    (tmp_path / "failing.py").write_text(FAILING.replace("HOW", how))
    with serving("--app-dir", str(tmp_path), "failing:handle") as (service, address, metrics):
        with connect(metrics) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            if "sleep" not in how:
                assert client.recv(100).startswith(b"HTTP/1.0 500 ")
            assert b"served" == ask(address, b"")
            assert 0 == service.end()
        assert service.stderr.count("metrics failed") == ("sleep" not in how)


@pytest.mark.parametrize(
    ("names", "words", "message"),
    [
        ("a:b", METRICS, "no listening stream socket is named 'metrics'"),
        ("metrics:metrics", METRICS, "no other socket"),
        ("a:metrics", (*METRICS, "--isolation", "process"), "beside the thread"),
    ],
)
def test_wrong_usage(names: str, words: tuple[str, ...], message: str) -> None:
    """What cannot be is told in one line."""
    with (
        tcp_listener() as one,
        tcp_listener() as two,
        launched((*SERVE, *words, f"{HANDLERS}:a_echo"), [one, two], names=names) as service,
    ):
        assert 2 == service.wait()
        assert service.stderr.startswith("--metrics: ")
        assert message in service.stderr
        assert 1 == service.stderr.count("\n")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_queue_lengths(family: int, tmp_path: Path) -> None:
    """The kernel tells how many connections wait, and how many can."""
    addresses: dict[int, Any] = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}
    address = addresses.get(family, str(tmp_path / "s"))
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind(address)
        listener.listen(7)
        assert (0, 7) == queue_length(listener)
        for _ in range(3):
            client = stack.enter_context(socket.socket(family))
            client.connect(listener.getsockname())
        until = time.monotonic() + PATIENCE
        while (found := queue_length(listener)) != (3, 7):  # a client knows it first
            assert time.monotonic() < until, found
            time.sleep(0.01)
