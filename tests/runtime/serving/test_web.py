"""Web applications: ``--asgi`` and ``--wsgi``, and others that are served as handlers."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect, unix_connect

from activator.runtime.serving.options import DRAIN
from activator.runtime.serving.web.asgi import FAREWELL
from tests.support.local import free_port
from tests.support.services import (
    PATIENCE,
    SERVE,
    Service,
    activated,
    ask,
    launched,
    read_all,
    tcp_listener,
)
from tests.support.services import connect as connect_to

WEB = "tests.support.web"
EXAMPLES = "activator.examples"
STARLETTE = ("--asgi", f"{EXAMPLES}.web_asgi:app")
FLASK = ("--wsgi", f"{EXAMPLES}.web_wsgi:app")
AIOHTTP = (f"{EXAMPLES}.web_aiohttp:serve",)
CLIENTS = Path(__file__).parents[2] / "boxes/inside/web_clients.py"
CHAT = (f"{EXAMPLES}.chat:chat",)

frameworks = pytest.mark.parametrize(
    "words",
    [
        pytest.param(STARLETTE, id="starlette"),
        pytest.param(FLASK, id="flask"),
        pytest.param(AIOHTTP, id="aiohttp"),
    ],
)
interfaces = pytest.mark.parametrize("kind", ["asgi", "wsgi"])
# Every way to speak HTTP, with the same application.
ways = pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--asgi", f"{WEB}:asgi"), id="asgi"),
        pytest.param(("--wsgi", f"{WEB}:wsgi"), id="wsgi"),
        pytest.param((f"{WEB}:aiohttp",), id="aiohttp"),
        pytest.param((f"{WEB}:Plain",), id="http.server"),
    ],
)
OLD = b"GET /%d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


@contextmanager
def serving(*words: str, names: str = "http") -> Iterator[tuple[Service, Any]]:
    """Serve on a port; give the service, ready, and the address."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, *words), [listener], names=names) as service,
    ):
        yield service.ready(), listener.getsockname()


def curl(*words: str) -> str:
    """Return what curl gets."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), *words],
        capture_output=True,
        check=False,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def url(address: "Sequence[Any]", path: str = "/") -> str:
    """Return the address's URL."""
    return f"http://{address[0]}:{address[1]}{path}"


@contextmanager
def opened(address: "Sequence[Any]") -> Iterator[HTTPConnection]:
    """Give an HTTP connection that stays open from one request to the next."""
    connection = HTTPConnection(address[0], address[1], timeout=PATIENCE)
    try:
        yield connection
    finally:
        connection.close()


def get(connection: HTTPConnection, path: str = "/") -> tuple[bytes, str]:
    """Return an answer's body, and what it says of the connection."""
    connection.request("GET", path)
    answer = connection.getresponse()
    assert 200 == answer.status
    return answer.read(), answer.getheader("Connection", "")


def talk(address: "Sequence[Any]", text: bytes) -> bytes:
    """Send a text and return the answers, until the server closes."""
    with socket.create_connection(address, PATIENCE) as client:  # type: ignore[arg-type]
        client.sendall(text)
        return read_all(client)


@contextmanager
def listening(family: int, address: object, *, both: bool = False) -> Iterator[socket.socket]:
    """Listen at an address."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        listener.bind(address)  # type: ignore[arg-type]  # of whatever family it is
        listener.listen(64)
        yield listener


@frameworks
def test_every_socket_at_once(words: tuple[str, ...], tmp_path: Path) -> None:
    """An application is served on TCP, IPv6 and Unix sockets, and knows its clients."""
    path = str(tmp_path / "http.sock")
    with ExitStack() as stack:
        tcp = stack.enter_context(tcp_listener())
        both = stack.enter_context(listening(socket.AF_INET6, ("::", 0), both=True))
        unix = stack.enter_context(listening(socket.AF_UNIX, path))
        abstract = stack.enter_context(listening(socket.AF_UNIX, f"\0activator-web-{os.getpid()}"))
        service = stack.enter_context(
            launched((*SERVE, *words), [tcp, both, unix, abstract], names="a:b:c:d")
        ).ready()
        port = both.getsockname()[1]
        found = []
        for place in (
            [url(tcp.getsockname())],
            [f"http://[::1]:{port}/"],
            [f"http://127.0.0.1:{port}/"],
            ["--unix-socket", path, "http://any/"],
            ["--abstract-unix-socket", f"activator-web-{os.getpid()}", "http://any/"],
        ):
            answer = json.loads(curl("--data", "hi", "-H", "X-Forwarded-Proto: https", *place))
            client = answer["client"]
            found.append(client[0] if isinstance(client, list) else client)
            assert "hi" == answer["body"]
            assert "http" == answer.get("scheme", "http")
        plain = "::ffff:127.0.0.1" if words == AIOHTTP else "127.0.0.1"
        assert ["127.0.0.1", "::1", plain] == found[:3]
        assert not any(found[3:])
        assert 0 == service.end()
        assert "" == service.stderr
        # The listener is the manager's: another process goes on with it, and its path stays.
        again = stack.enter_context(launched((*SERVE, *words), [unix], names="http")).ready()
        assert curl("--unix-socket", path, "http://any/")
        assert 0 == again.end()
        assert Path(path).is_socket()


@frameworks
def test_the_first_client_activates(words: tuple[str, ...]) -> None:
    """What systemd's own tool passes is served in both modes, with Accept=yes one connection."""
    for options in ((), ("--accept",)):
        address = ("127.0.0.1", free_port())
        with activated((*SERVE, *words), [f"127.0.0.1:{address[1]}"], *options):
            for _ in range(2):
                assert json.loads(curl(url(address)))


@ways
@pytest.mark.parametrize("mode", [(), ("--workers", "1")], ids=["alone", "worker"])
def test_drain_loses_no_request(words: tuple[str, ...], mode: tuple[str, ...]) -> None:
    """After SIGTERM, requests that run or come on open connections are answered, as the last."""
    for _ in range(5):  # until no pause of a busy machine is as long as the request that runs
        if drained(words, mode) < 1:
            return
    pytest.fail("those that ask for nothing wait for the others")


def drained(words: tuple[str, ...], mode: tuple[str, ...]) -> float:
    """Try it; return how many seconds connections stay open on which nothing is asked."""
    with serving(*mode, *words) as (service, address), ExitStack() as stack:
        running, asking, idle, silent = (stack.enter_context(opened(address)) for _ in range(4))
        silent.connect()
        for connection in (running, asking, idle):
            assert (b"/", "") == get(connection)
        running.request("GET", "/long?1")
        get(asking, "/before")
        service.stop()
        begin = monotonic()
        while not (told := get(asking, "/after"))[1]:
            assert mode  # a worker hears of it when its parent has said so
        assert (b"/after", "close") == told
        for connection in (idle, silent):
            assert connection.sock.recv(1) == b""
        took = monotonic() - begin
        answer = running.getresponse()
        assert (b"/long", "close") == (answer.read(), answer.getheader("Connection"))
        assert 0 == service.wait()
        assert monotonic() - begin < DRAIN
        assert "" == service.stderr
        return took


@ways
def test_old_clients_lose_no_request(words: tuple[str, ...]) -> None:
    """A client of HTTP/1.0 that keeps its connection open is told once whether that is so."""
    with serving(*words) as (service, address), ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(address, PATIENCE))
        for number in range(4):
            if number == 3:
                service.stop()
            client.sendall(OLD % number)
            answer = b""
            while not answer.endswith(b"\r\n\r\n/%d" % number):
                answer += (part := client.recv(65536))
                assert part, answer
            lines = answer.lower().split(b"\r\n")
            told = [line for line in lines if line.startswith(b"connection:")]
            assert len(told) <= 1, answer
            if told == [b"connection: close"]:
                assert client.recv(1) == b""
                break  # uvicorn's from 0.18 on is the last
        assert [b"connection: close"] == told
        assert 0 == (service.wait() if number == 3 else service.end())
        assert "" == service.stderr


@interfaces
def test_drain_has_an_end(kind: str) -> None:
    """What has not ended in time is given up."""
    with (
        serving("--drain", "0.2", f"--{kind}", f"{WEB}:{kind}") as (service, address),
        opened(address) as connection,
    ):
        connection.request("GET", "/?1000")
        # The request is being worked on when another is answered.
        with opened(address) as other:
            get(other)
        assert 0 == service.end()  # in time, while the request would take much longer
        with pytest.raises(OSError, match=r"."):
            connection.getresponse()


@frameworks
def test_idle_exit(words: tuple[str, ...]) -> None:
    """The service ends when nobody is connected any more, and leaves the listener alone."""
    with tcp_listener() as listener, opened(listener.getsockname()) as connection:
        connection.connect()  # before it could end
        with launched((*SERVE, "--idle-exit", "0.2", *words), [listener]) as service:
            get(connection)
            get(connection)
            connection.close()
            assert 0 == service.wait()
            assert "" == service.stderr


def test_idle_exit_waits_for_tasks() -> None:
    """An answer's background task is work too, though its connection is closed."""
    with (
        tcp_listener() as listener,
        connect_to(listener.getsockname()) as other,  # while curl has not come yet
        launched((*SERVE, "--idle-exit", "0.2", *STARLETTE), [listener]) as service,
    ):
        begin = monotonic()
        assert "later\n" == curl(url(listener.getsockname(), "/later?seconds=1.5"))
        other.close()
        assert 0 == service.wait()
        assert monotonic() - begin >= 1.5
        assert "" == service.stderr


def test_drain_waits_for_tasks() -> None:
    """Background tasks may end within the drain."""
    with serving(*STARLETTE) as (service, address):
        begin = monotonic()
        assert "later\n" == curl(url(address, "/later?seconds=1"))
        service.process.terminate()
        messages: list[str] = []
        while not any("EXTEND_TIMEOUT_USEC" in message for message in messages):
            messages.append(service.notifications.receive())
        assert 0 == service.wait()
        assert monotonic() - begin >= 1


@interfaces
def test_requests_one_after_the_other(kind: str) -> None:
    """Pipelined requests, large ones and wrong ones get their answers."""
    get_one = b"GET /1 HTTP/1.1\r\nHost: a\r\n"
    with serving(f"--{kind}", f"{WEB}:{kind}") as (service, address):
        requests = (get_one + b"\r\n") * 2 + get_one + b"Connection: close\r\n\r\n"
        assert 3 == talk(address, requests).count(b"200 OK")
        large = b"POST /2 HTTP/1.0\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
        assert b"/2" in talk(address, large)
        assert b"400 Bad Request" in talk(address, b"nonsense\r\n\r\n")
        assert 0 == service.end()


def test_wsgi_is_woken_for_nothing() -> None:
    """A connection without anything to read stays, and nobody says a word."""
    with serving("--wsgi", f"{WEB}:wsgi_woken") as (service, address):
        with opened(address) as connection:
            for number in range(3):
                assert get(connection, f"/{number}")[0].endswith(b"/%d" % number)
        assert 0 == service.end()
        assert "Socket error" not in service.stderr


@frameworks
def test_limits(words: tuple[str, ...]) -> None:
    """Connections beyond the limit wait, and one source has its share."""
    with serving("--max-connections", "2", *words) as (service, address), ExitStack() as stack:
        for _ in range(2):
            get(stack.enter_context(opened(address)))
        with opened(address) as third:
            third.request("GET", "/")
            third.sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                third.getresponse()
        stack.close()
        assert curl(url(address))
        assert 0 == service.end()
    with serving("--max-per-source", "1", *words) as (service, address):
        with opened(address) as one:
            get(one)
            with opened(address) as other, pytest.raises(OSError, match=r"."):
                get(other)
        assert 0 == service.end()


@frameworks
def test_descriptors_run_out(words: tuple[str, ...]) -> None:
    """With few descriptors, many clients are answered all the same."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, *words), [listener], nofile=40) as service,
    ):
        service.ready()
        address = listener.getsockname()
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(address, PATIENCE)) for _ in range(80)
            ]
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            for client in clients:
                assert client.recv(12).startswith(b"HTTP/1.1 200")
        assert 0 == service.end()
        assert "cannot accept on" in service.stderr


@frameworks
def test_workers(words: tuple[str, ...]) -> None:
    """Workers serve it together."""
    with serving("--workers", "2", *words) as (service, address):
        for _ in range(20):
            assert curl(url(address))
        assert 0 == service.end()
        assert "" == service.stderr


@pytest.mark.parametrize("words", [STARLETTE, FLASK], ids=["starlette", "flask"])
def test_reloads_lose_no_request(words: tuple[str, ...]) -> None:
    """New processes take over while clients ask again and again, on open connections."""
    with serving("--workers", "1", *words) as (service, address):
        place = f"{address[0]}:{address[1]}"
        with subprocess.Popen(
            [sys.executable, str(CLIENTS), place, "10"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as clients:
            assert clients.stdout
            assert "ready\n" == clients.stdout.readline()
            for _ in range(2):
                service.process.send_signal(signal.SIGHUP)
                service.notifications.await_message("READY=1")
            counts = json.loads(clients.communicate(timeout=PATIENCE)[0])
        assert {"served", "closed"} == counts.keys()
        assert counts["closed"] <= 2 * 10
        service.stop()
        assert 0 == service.wait()
        assert "" == service.stderr


def test_a_stream_goes_on_while_draining() -> None:
    """An answer that comes bit by bit comes to its end, slow clients hold no thread."""
    for words in (STARLETTE, FLASK):
        with serving(*words) as (service, address):
            with socket.create_connection(address, PATIENCE) as client:
                client.sendall(b"GET /count?to=6 HTTP/1.1\r\nHost: a\r\n\r\n")
                got = client.recv(65536)
                service.stop()
                while chunk := client.recv(65536):
                    got += chunk
            assert b"0\r\n\r\n" == got[-5:]
            assert b"5\n" in got
            assert 0 == service.wait()


def test_slow_clients_hold_no_thread() -> None:
    """While clients take their time with a request, others are answered by the only thread."""
    with serving("--threads", "1", *FLASK) as (service, address), ExitStack() as stack:
        for _ in range(5):
            slow = stack.enter_context(socket.create_connection(address, PATIENCE))
            slow.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert curl(url(address))
        slow.sendall(b"defghij")
        answer = b""
        while b"abcdefghij" not in answer:  # it comes in parts
            answer += (part := slow.recv(65536))
            assert part, answer
        stack.close()
        assert 0 == service.end()


@interfaces
def test_names(kind: str, tmp_path: Path) -> None:
    """Applications and handlers share a service, each with the sockets of its name."""
    path = str(tmp_path / "admin.sock")
    words = (f"--{kind}", f"web={WEB}:{kind}", "admin=tests.support.handlers:p_echo")
    with (
        tcp_listener() as listener,
        listening(socket.AF_UNIX, path) as unix,
        launched((*SERVE, *words), [listener, unix], names="web:admin") as service,
    ):
        service.ready()
        assert "/x" == curl(url(listener.getsockname(), "/x"))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"echo")
            assert b"echo" == client.recv(10)
        assert 0 == service.end()


@interfaces
def test_a_function_that_makes_the_application(kind: str) -> None:
    """Frameworks like a factory."""
    with serving(f"--{kind}", f"{WEB}:make_{kind}") as (service, address):
        assert "/x" == curl(url(address, "/x"))
        assert 0 == service.end()
        assert "" == service.stderr


def test_lifespan() -> None:
    """What the lifespan has prepared is there, and it ends last."""
    with serving("--asgi", f"{WEB}:told") as (service, address):
        assert "from the lifespan" == curl(url(address))
        assert 0 == service.end()
        assert "shut down\n" == service.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--asgi", f"{WEB}:refuses"), f"{WEB}:refuses failed to start: OSError: no base\n"),
        (("--asgi", f"{WEB}:raises"), f"{WEB}:raises failed to start: OSError: no base at all\n"),
        ((f"{WEB}:fails",), f"handler {WEB}:fails failed to start: LookupError: nothing there\n"),
        (("--asgi", "tests.support.facts:FACTS"), "has no 'FACTS'"),
        (("--wsgi", f"{WEB}:Any.x"), "has no 'Any.x'"),
        (("--wsgi", f"{WEB}:__name__"), "it must be the application itself"),
    ],
)
def test_failed_start(words: tuple[str, ...], message: str) -> None:
    """An application that does not start ends the service, with one line and status 1."""
    with tcp_listener() as listener, launched((*SERVE, *words), [listener]) as service:
        assert 1 == service.wait()
        assert message in service.stderr
        assert 1 == service.stderr.count("\n"), service.stderr


def test_stopped_while_starting() -> None:
    """SIGTERM ends a service that has not come to serve yet."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, "--asgi", f"{WEB}:slow"), [listener]) as service,
    ):
        while "starting" not in service.stderr:
            assert service.process.poll() is None, service.stderr
            os.sched_yield()
        assert 0 == service.end()
        assert "starting\n" == service.stderr


def test_failing_requests() -> None:
    """A request that fails is answered with 500, told in the log, and the service goes on."""
    with serving("--wsgi", f"{WEB}:wsgi_broken") as (service, address):
        for _ in range(2):
            assert "500" == curl("-o", "/dev/null", "-w", "%{http_code}", url(address))
        assert 0 == service.end()
        assert "RuntimeError: wsgi is broken" in service.stderr


@interfaces
def test_processes(kind: str) -> None:
    """A process for each connection cannot have a lifespan, and says so."""
    words = ("--isolation", "process", f"--{kind}", f"{WEB}:{kind}")
    with tcp_listener() as listener, launched((*SERVE, *words), [listener]) as service:
        assert 2 == service.wait()
        assert service.stderr.startswith("--isolation: ")
        assert 1 == service.stderr.count("\n")


@interfaces
def test_without_the_server(kind: str, tmp_path: Path) -> None:
    """Where the server is not installed, one line says how to get it."""
    module = {"asgi": "uvicorn", "wsgi": "waitress"}[kind]
    (tmp_path / f"{module}.py").write_text("raise ImportError('not here')\n")
    with (
        tcp_listener() as listener,
        launched(
            (*SERVE, f"--{kind}", f"{WEB}:{kind}"), [listener], PYTHONPATH=str(tmp_path)
        ) as service,
    ):
        assert 1 == service.wait()
        assert (
            f"--{kind}: cannot load the server: not here; pip install 'systemd-activator[{kind}]', "
            f"or apt install python3-{module}\n" == service.stderr
        )


def test_context_managers() -> None:
    """A handler may be what a context manager gives: once for all of its sockets."""
    with (
        tcp_listener() as one,
        tcp_listener() as two,
        launched((*SERVE, f"{WEB}:streams"), [one, two], names="a:b") as service,
    ):
        service.ready()
        for listener in (one, two):
            assert b"hi\nyou\n" == ask(listener.getsockname(), b"you\n")
        assert 0 == service.end()
        assert "begin\nend\n" == service.stderr
    with serving(f"{WEB}:plain") as (service, address):
        assert b"plain\n" == ask(address, b"")
        assert 0 == service.end()


def test_context_managers_that_fail_to_end() -> None:
    """A failed end is told, and makes a failed run; one that takes too long is given up."""
    with serving(f"{WEB}:fails_late") as (service, _):
        assert 1 == service.end()
        assert "fails_late failed to end: LookupError: nothing left" in service.stderr
    with serving("--drain", "0.1", f"{WEB}:stays") as (service, _):
        assert 0 == service.end()
        assert "" == service.stderr


def test_websocket() -> None:
    """A WebSocket is served, and told of the service's end."""
    with (
        serving(*STARLETTE) as (service, address),
        joined(f"ws://{address[0]}:{address[1]}/echo") as client,
    ):
        client.send("hello")
        assert "hello" == client.recv(PATIENCE)
        service.stop()
        assert 1012 == closing_code(client)
        assert 0 == service.wait()
        assert "" == service.stderr


def joined(url: str) -> ClientConnection:
    """Open a WebSocket."""
    return connect(url, open_timeout=PATIENCE, close_timeout=PATIENCE)


def closing_code(client: ClientConnection) -> int:
    """Wait for a WebSocket's end, and return what the client is told."""
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(PATIENCE)
    assert closed.value.rcvd  # it was told
    return closed.value.rcvd.code


def test_websockets_go_on_after_a_hand_over() -> None:
    """A WebSocket of the earlier process goes on until it ends, or the time is up."""
    with serving("--workers", "1", "--drain", "5", *STARLETTE) as (service, address):
        url = f"ws://{address[0]}:{address[1]}/echo"
        with joined(url) as lasting, joined(url) as leaving, opened(address) as idle:
            get(idle)
            begin = monotonic()
            service.process.send_signal(signal.SIGHUP)
            service.notifications.await_message("READY=1")
            assert b"" == idle.sock.recv(1)
            for client in (lasting, leaving):
                client.send("still there")
                assert "still there" == client.recv(PATIENCE)
            leaving.close()
            assert 1012 == closing_code(lasting)  # in time, or it would not be told
            assert 4 < monotonic() - begin
        service.process.terminate()
        assert 0 == service.wait()
        assert "" == service.stderr


def test_websockets_of_the_new_one() -> None:
    """Those that came after a hand-over are told at once when the service ends."""
    with serving("--workers", "1", *STARLETTE) as (service, address):
        service.process.send_signal(signal.SIGHUP)
        service.notifications.await_message("READY=1")
        with joined(f"ws://{address[0]}:{address[1]}/echo") as client:
            begin = monotonic()
            service.process.terminate()
            assert 1012 == closing_code(client)
            assert monotonic() - begin < DRAIN - FAREWELL
        assert 0 == service.wait()
        assert "" == service.stderr


def test_websockets_end_with_the_service() -> None:
    """Those that a hand-over has left are told as all others when the service ends after it."""
    with serving("--workers", "1", *STARLETTE) as (service, address):
        url = f"ws://{address[0]}:{address[1]}/echo"
        with joined(url) as early:
            service.process.send_signal(signal.SIGHUP)
            service.notifications.await_message("READY=1")
            early.send("still there")
            assert "still there" == early.recv(PATIENCE)
            with joined(url) as late:
                begin = monotonic()
                service.process.terminate()
                for client in (early, late):
                    assert 1012 == closing_code(client)
                assert monotonic() - begin < DRAIN - FAREWELL
        assert 0 == service.wait()
        assert "" == service.stderr


@pytest.mark.parametrize(("drain", "seconds", "least"), [(30, "1", 1), (4, "60", 3)])
def test_websockets_may_go_on(drain: int, seconds: str, least: float) -> None:
    """With --websocket-drain they go on after SIGTERM too, up to the drain's last second."""
    options = ("--drain", str(drain), "--websocket-drain", seconds)
    with (
        serving(*options, *STARLETTE) as (service, address),
        joined(f"ws://{address[0]}:{address[1]}/echo") as client,
    ):
        begin = monotonic()
        service.stop()
        client.send("still there")
        assert "still there" == client.recv(PATIENCE)
        assert 1012 == closing_code(client)
        assert least <= monotonic() - begin
        assert drain < 10 or monotonic() - begin < drain - FAREWELL  # and else it is not told
        assert 0 == service.wait()
        assert "" == service.stderr


def test_chat(tmp_path: Path) -> None:
    """All but the sender hear what is said, also over another socket; at the end they are told."""
    path = str(tmp_path / "chat.sock")
    with ExitStack() as stack:
        listener = stack.enter_context(tcp_listener())
        unix = stack.enter_context(listening(socket.AF_UNIX, path))
        service = stack.enter_context(launched((*SERVE, *CHAT), [listener, unix])).ready()
        host, port = listener.getsockname()
        clients = [stack.enter_context(joined(f"ws://{host}:{port}/")) for _ in range(3)]
        clients.append(stack.enter_context(unix_connect(path, open_timeout=PATIENCE)))
        for speaker in clients:
            # In pieces and not: as one message.
            speaker.send(["I am ", "here"] if speaker is clients[0] else "I am here")
            for other in clients:
                if other is not speaker:
                    assert "I am here" == other.recv(PATIENCE)
        clients.pop(1).close()
        with suppress(TimeoutError):
            raise AssertionError(clients[0].recv(0.1))
        service.stop()
        for client in clients:
            assert 1001 == closing_code(client)
        assert 0 == service.wait()
        assert "" == service.stderr
