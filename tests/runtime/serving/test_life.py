"""The life of a service: idle exit, limits, and what the service manager hears of it."""

import socket
import threading
import time
from contextlib import ExitStack

import pytest

import activator
from activator.runtime.serving.draining import Draining
from activator.runtime.serving.life import describe
from activator.runtime.serving.sources import Sources
from tests.support.services import (
    HANDLERS,
    PATIENCE,
    SERVE,
    Options,
    Service,
    ask,
    bound,
    command,
    connect,
    flavours,
    launched,
    read_all,
    tcp_listener,
)

# Each flavour, and a protocol class too.
kinds = pytest.mark.parametrize(
    "words",
    [
        pytest.param((f"{HANDLERS}:a_hold",), id="streams"),
        pytest.param((f"{HANDLERS}:p_hold",), id="threads"),
        pytest.param(("tests.support.protocols:Hold",), id="protocol"),
    ],
)


# Idle exit.


@kinds
def test_ends_when_unused(words: Options) -> None:
    """Without a client it leaves after the time, says STOPPING=1, and the status is 0."""
    with tcp_listener() as listener:
        began = time.monotonic()
        with launched((*SERVE, "--idle-exit=0.3", *words), [listener]) as service:
            service.ready().notifications.await_message("STOPPING=1")
            assert 0 == service.wait()
            assert 0.3 <= time.monotonic() - began
            assert "" == service.stderr


@kinds
def test_stays_while_used(words: Options) -> None:
    """An open connection, however quiet, keeps it; the time counts from the last one's end."""
    with (
        tcp_listener() as listener,
        connect(listener.getsockname()) as client,
        launched((*SERVE, "--idle-exit=0.2", *words), [listener]) as service,
    ):
        assert b"hi\n" == client.recv(100)
        with pytest.raises(TimeoutError):
            service_ends(service, 0.6)
        before = time.monotonic()
        client.sendall(b"bye\n")
        assert read_all(client).endswith(b"bye\n")
        client.close()
        assert 0 == service.wait()
        assert time.monotonic() - before >= 0.2


def service_ends(service: Service, seconds: float) -> None:
    """Wait for the end of a service that is not to end."""
    service.notifications.socket.settimeout(seconds)
    service.notifications.await_message("STOPPING=1")


@kinds
def test_loses_nobody(words: Options) -> None:
    """Clients that arrive around the end are all answered, by this process or the next."""
    over = threading.Event()
    failures: list[BaseException] = []
    answers: list[bytes] = []

    def keep_asking(address: object, pause: float) -> None:
        try:
            while not over.wait(pause):
                answers.append(ask(address, b"x\n"))
                pause = (pause * 1.37) % 0.06
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            failures.append(error)

    with tcp_listener() as listener:
        threads = [
            threading.Thread(target=keep_asking, args=(listener.getsockname(), 0.011 * number))
            for number in (1, 2)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                with launched((*SERVE, "--idle-exit=0.02", *words), [listener]) as service:
                    assert 0 == service.wait()
                    assert "" == service.stderr
            over.set()
            with launched((*SERVE, *words), [listener]) as service:
                for thread in threads:
                    thread.join()
                assert 0 == service.end()
        finally:
            over.set()
    assert [] == failures
    assert all(answer.startswith(b"hi\n") and answer.endswith(b"x\n") for answer in answers)
    assert len(answers) >= 5


@pytest.mark.parametrize("word", ["tests.support.protocols:Reply", "tests.support.messages:tell"])
def test_messages_count(word: str) -> None:
    """For datagrams, traffic keeps it, and silence ends it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        with (
            bound() as client,
            launched((*SERVE, "--idle-exit=2", word), [listener]) as service,
        ):
            client.sendto(b"x", listener.getsockname())
            service.ready()
            began = time.monotonic()
            while time.monotonic() < began + 2.5:
                assert client.recv(100)
                time.sleep(0.05)  # so that no pause of a busy machine is as long as the limit
                client.sendto(b"x", listener.getsockname())
            assert 0 == service.wait()


def test_only_when_activated() -> None:
    """Listeners that were not passed by a manager are served on: nobody would start it again."""
    code = (
        "import activator, socket, sys\n"
        "sock = socket.create_server(('127.0.0.1', 0))\n"
        "def h(sock): sock.sendall(b'x')\n"
        "l = activator.Listeners([activator.Listener('x', sock.detach())])\n"
        "print(l.one().socket().getsockname()[1], flush=True)\n"
        "activator.serve(h, listeners=l, idle_exit=0.05)\n"
    )
    with launched((SERVE[0], "-c", code), LISTEN_FDS=None, LISTEN_PID=None) as service:
        service.ready()
        with pytest.raises(TimeoutError):
            service_ends(service, 0.5)
        assert 0 == service.end()


# Limits.


@kinds
def test_max_connections(words: Options) -> None:
    """Further connections wait in the kernel's queue until one of the open ones has ended."""
    with tcp_listener() as listener, ExitStack() as stack:
        words = (*SERVE, "--max-connections=2", *words)
        service = stack.enter_context(launched(words, [listener])).ready()
        clients = [stack.enter_context(connect(listener.getsockname())) for _ in range(4)]
        for client in clients[:2]:
            assert b"hi\n" == client.recv(100)
        clients[2].settimeout(0.2)
        with pytest.raises(TimeoutError):
            clients[2].recv(100)
        clients[2].settimeout(PATIENCE)
        for client in clients:
            client.sendall(b"bye\n")
            assert read_all(client).endswith(b" bye\n")
        assert 0 == service.end()
        assert "" == service.stderr


@kinds
def test_max_per_source(words: Options) -> None:
    """One address cannot have more connections than it may; another one can."""
    with tcp_listener() as listener, ExitStack() as stack:
        words = (*SERVE, "--max-per-source=2", *words)
        service = stack.enter_context(launched(words, [listener])).ready()
        address = listener.getsockname()
        clients = [stack.enter_context(connect(address)) for _ in range(2)]
        for client in clients:
            assert b"hi\n" == client.recv(100)
        with connect(address) as refused:
            assert b"" == read_all(refused)
        other = stack.enter_context(
            socket.create_connection(address, PATIENCE, source_address=("127.0.0.2", 0))
        )
        assert b"hi\n" == other.recv(100)
        clients[0].sendall(b"bye\n")
        assert read_all(clients[0]).endswith(b"bye\n")
        # The end is counted a moment after the client sees it.
        while not (answer := ask(address, b"x\n")):
            pass
        assert answer.endswith(b"x\n")
        for client in (clients[1], other):
            client.sendall(b"bye\n")
            read_all(client)
        assert 0 == service.end()
        assert "" == service.stderr


def test_sources() -> None:
    """A Unix client is its user, and an address is forgotten with its last connection."""
    sources = Sources(1)
    one, two = socket.socketpair()
    with one, two:
        first = sources.admit(one)
        assert first is not None
        assert sources.admit(two) is None
        sources.release(first)
        assert sources.admit(two) == first


# What the manager hears.


@kinds
def test_status(words: Options) -> None:
    """STATUS= follows the number of connections, after a moment, and does not repeat itself."""
    with tcp_listener() as listener, launched((*SERVE, *words), [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            assert "STATUS=ready: 1 open, 1 accepted" == service.notifications.receive()
            service.stop()
            assert "EXTEND_TIMEOUT_USEC=15000000" == service.notifications.receive()
            assert "STATUS=draining: 1 open, 1 accepted" == service.notifications.receive()
        assert 0 == service.wait()


@flavours
def test_watchdog(options: Options, prefix: str) -> None:
    """It pings twice within the time while it waits, also with a connection open."""
    words = command(options, f"{prefix}hold")
    with (
        tcp_listener() as listener,
        launched(words, [listener], WATCHDOG_USEC="200000", WATCHDOG_PID="PID") as service,
    ):
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            service.notifications.drop()  # what has come while this test was slow
            began = time.monotonic()
            for _ in range(5):
                service.notifications.await_message("WATCHDOG=1")
            assert 0.3 < time.monotonic() - began
        assert 0 == service.end()


def test_watchdog_of_a_loop_that_hangs() -> None:
    """The pings stop when a handler keeps the event loop to itself."""
    with tcp_listener() as listener:
        words = (*SERVE, "tests.support.protocols:Hang")
        with launched(words, [listener], WATCHDOG_USEC="100000") as service:
            service.ready().notifications.await_message("WATCHDOG=1")
            with connect(listener.getsockname()) as client:
                client.sendall(b"x")
                assert b"hanging\n" == client.recv(100)
                service.notifications.socket.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    service.notifications.await_message("never")


def test_watchdog_of_another() -> None:
    """Nothing is pinged when another process is meant, or the interval is no number."""
    with tcp_listener() as listener:
        for interval, pid in (("1000", "1"), ("x", None)):
            words = (*SERVE, "--idle-exit=0.1", f"{HANDLERS}:p_echo")
            with launched(words, [listener], WATCHDOG_USEC=interval, WATCHDOG_PID=pid) as service:
                assert "READY=1\n" == service.notifications.receive()
                assert "STOPPING=1\n" == service.notifications.receive()


def test_counts() -> None:
    """The line says what is worth saying."""
    assert "ready: 2 open, 3 accepted" == describe("ready", 2, 3, 0, 0)
    wanted = "starting: 2 open, 3 accepted, 2 refused, 1 message"
    assert wanted == describe("starting", 2, 3, 2, 1)


# The event.


def test_plain_handler_sees_draining() -> None:
    """A blocking handler waits for its client or the end of the service, what comes first."""
    words = (*SERVE, f"{HANDLERS}:p_attentive")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            service.stop()
            assert b"bye\n" == read_all(client)
        assert 0 == service.wait()
    ours, theirs = socket.socketpair()
    with ours, theirs, launched(words, [theirs]) as service:
        theirs.close()
        assert b"hi\n" == ours.recv(100)
        service.stop()
        assert b"bye\n" == read_all(ours)
        assert 0 == service.wait()


def test_event() -> None:
    """It can be waited for in threads, polled, set before and after, and cleared."""
    event = Draining()
    assert not event.is_set()
    assert not event.wait(0.01)
    thread = threading.Thread(target=event.wait)
    thread.start()
    event.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert event.wait(0)
    event.clear()
    assert not event.wait(0)
    event.set()
    event.set()
    event.clear()
    assert not event.wait(0)
    late = Draining()
    late.set()
    assert late.wait()
    assert late.fileno() >= 0
    assert isinstance(activator.draining, Draining)


@pytest.mark.parametrize("words", [("--idle-exit", "soon"), ("--max-connections", "0")])
def test_wrong_usage(words: Options) -> None:
    """A wrong limit is refused before anything is served."""
    with launched((*SERVE, *words, f"{HANDLERS}:p_echo")) as service:
        assert 2 == service.wait()
        assert words[0] in service.stderr
