"""The end of a shared service: nothing accepted is dropped, nothing waiting is lost."""

import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from activator.runtime.serving.options import DRAIN
from tests.support.services import (
    HANDLERS,
    LOOPS,
    SERVE,
    Options,
    Service,
    command,
    connect,
    flavours,
    launched,
    read_all,
    tcp_listener,
)


def roomy(options: Options) -> Options:
    """Let threads take as many connections as an event loop does."""
    return options or ("--threads=200",)


@flavours
def test_sigterm_amid_100_connections(options: Options, prefix: str) -> None:
    """At SIGTERM the accepted finish with the first process, the others with the second."""
    words = command(roomy(options), f"{prefix}hold")
    with tcp_listener() as listener, ExitStack() as stack:
        address = listener.getsockname()
        first = stack.enter_context(launched(words, [listener])).ready()
        accepted = [stack.enter_context(connect(address)) for _ in range(50)]
        for client in accepted:
            assert b"hi\n" == client.recv(100)
        first.stop()
        waiting = [stack.enter_context(connect(address)) for _ in range(50)]
        for client in accepted[1:] + waiting:
            client.sendall(b"bye\n")
        for client in accepted[1:]:
            assert b"%d bye\n" % first.process.pid == read_all(client)
        assert first.process.poll() is None
        accepted[0].sendall(b"bye\n")
        assert b"%d bye\n" % first.process.pid == read_all(accepted[0])
        assert 0 == first.wait()
        assert "" == first.stderr
        second = stack.enter_context(launched(words, [listener])).ready()
        for client in waiting:
            assert b"hi\n%d bye\n" % second.process.pid == read_all(client)
        assert 0 == second.end()
        assert "" == second.stderr


@flavours
def test_restarts_under_load(options: Options, prefix: str) -> None:
    """Clients that connect all the time notice nothing of one restart after the other."""
    words = command(options, f"{prefix}hold")
    served: list[bytes] = []
    over = threading.Event()
    failures: list[object] = []

    def keep_asking(address: object) -> None:
        try:
            while not over.is_set():
                with connect(address) as client:
                    client.sendall(b"bye\n")
                    answer = read_all(client)
                    assert answer.startswith(b"hi\n")
                    assert answer.endswith(b" bye\n")
                    served.append(answer)
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            failures.append(error)

    with tcp_listener() as listener:
        threads = [
            threading.Thread(target=keep_asking, args=(listener.getsockname(),)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(6):
                with launched(words, [listener]) as service:
                    service.ready()
                    enough = len(served) + 50
                    while len(served) < enough and not failures:
                        time.sleep(0.001)
                    if len(served) % 2:
                        over.wait(0.01)
                    assert 0 == service.end()
                    assert "" == service.stderr
            over.set()
            with launched(words, [listener]) as service:
                for thread in threads:
                    thread.join()
                assert 0 == service.end()
        finally:
            over.set()
    assert [] == failures
    assert 7 >= len({answer.split()[1] for answer in served}) >= 6


@flavours
def test_drain_limit(options: Options, prefix: str) -> None:
    """Handlers that do not end in time are ended, cleanly, and the status is still 0."""
    words = command((*options, "--drain=0.3"), f"{prefix}stubborn")
    with tcp_listener() as listener, ExitStack() as stack:
        service = stack.enter_context(launched(words, [listener])).ready()
        clients = [stack.enter_context(connect(listener.getsockname())) for _ in range(3)]
        for client in clients:
            assert b"hi\n" == client.recv(100)
        began = time.monotonic()
        service.stop()
        for client in clients:
            assert b"" == read_all(client)
        assert 0 == service.wait()
        assert 0.3 <= time.monotonic() - began < DRAIN
        assert 3 * "cleaned up\n" == service.stderr


@flavours
def test_drain_of_no_time(options: Options, prefix: str) -> None:
    """With --drain 0, running handlers are ended at once."""
    words = command((*options, "--drain=0"), f"{prefix}stubborn")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            assert 0 == service.end()
        assert "cleaned up\n" == service.stderr


@flavours
def test_handler_that_ignores_its_end(options: Options, prefix: str) -> None:
    """A handler that goes on whatever happens cannot keep the service."""
    words = command((*options, "--drain=0.1"), f"{prefix}deaf")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            assert 0 == service.end()
        assert set(service.stderr.splitlines()) <= {"deaf"}


@pytest.mark.parametrize("loop", LOOPS)
def test_handler_that_waits_for_a_thread(loop: str) -> None:
    """A thread that a handler waits for, which nobody can cancel, cannot keep the service."""
    words = command(("--loop", loop, "--drain=0.1"), "a_stuck")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            assert 0 == service.end()
        assert "" == service.stderr


@flavours
def test_second_interrupt_ends_at_once(options: Options, prefix: str) -> None:
    """SIGINT drains like SIGTERM, and a second one does not wait for the limit."""
    words = command(options, f"{prefix}stubborn")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            service.stop(signal.SIGINT)
            service.process.send_signal(signal.SIGINT)
            assert 0 == service.wait()
        assert "cleaned up\n" == service.stderr


@flavours
def test_second_sigterm_changes_nothing(options: Options, prefix: str) -> None:
    """A SIGTERM sent twice, as wrappers do, does not cut short the drain."""
    words = command(options, f"{prefix}hold")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            service.stop()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                service.process.send_signal(number)
            client.sendall(b"bye\n")
            assert b"%d bye\n" % service.process.pid == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr


@flavours
def test_ends_when_idle(options: Options, prefix: str) -> None:
    """Without connections, SIGTERM ends a service at once."""
    words = command(options, f"{prefix}hold")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        began = time.monotonic()
        service.stop()
        assert 0 == service.wait()
        assert time.monotonic() - began < DRAIN


@flavours
def test_mixed_handlers_drain(options: Options, prefix: str) -> None:
    """Plain handlers beside async ones have the same time to end."""
    del prefix
    words = (*SERVE, *options, f"a={HANDLERS}:a_hold", f"p={HANDLERS}:p_hold")
    with tcp_listener() as one, tcp_listener() as two, ExitStack() as stack:
        service = stack.enter_context(launched(words, [one, two], names="a:p")).ready()
        clients = [stack.enter_context(connect(sock.getsockname())) for sock in (one, two)]
        for client in clients:
            assert b"hi\n" == client.recv(100)
        service.stop()
        for client in clients:
            client.sendall(b"bye\n")
            assert b"%d bye\n" % service.process.pid == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr


def test_mixed_handlers_past_the_limit() -> None:
    """Plain handlers beside async ones are ended by the same limit."""
    words = (*SERVE, "--drain=0.1", f"a={HANDLERS}:a_stubborn", f"p={HANDLERS}:p_stubborn")
    with tcp_listener() as one, tcp_listener() as two, ExitStack() as stack:
        service = stack.enter_context(launched(words, [one, two], names="a:p")).ready()
        clients = [stack.enter_context(connect(sock.getsockname())) for sock in (one, two)]
        for client in clients:
            assert b"hi\n" == client.recv(100)
        assert 0 == service.end()
        assert 2 * "cleaned up\n" == service.stderr


BACKGROUND = """
import asyncio, sys
import activator

kept = set()

async def forever():
    try:
        await asyncio.sleep(3600)
    finally:
        print("background cleaned up")

async def fails():
    raise ValueError("in the background")

async def handler(reader, writer):
    kept.add(asyncio.create_task(forever()))
    if await reader.read(1):
        asyncio.create_task(fails())
        await asyncio.sleep(0)

activator.serve(handler, loop={loop!r})
"""


@pytest.mark.parametrize("loop", ["asyncio", "auto"])
def test_background_tasks(loop: str) -> None:
    """Tasks that handlers leave behind are cancelled at the end; their failures are shown."""
    code = BACKGROUND.format(loop=loop)
    with tcp_listener() as listener, launched((sys.executable, "-c", code), [listener]) as service:
        service.ready()
        for question in (b"", b"x"):
            with connect(listener.getsockname()) as client:
                client.sendall(question)
                client.shutdown(socket.SHUT_WR)
                assert b"" == read_all(client)
        assert 0 == service.end()
        assert 2 * "background cleaned up\n" == service.stdout
        assert "ValueError: in the background" == service.stderr.splitlines()[-1]
        assert 1 == service.stderr.count("Traceback")


@flavours
def test_connections_that_never_speak(options: Options, prefix: str) -> None:
    """Connections accepted but silent are counted too: they end with the limit, not before."""
    words = command((*roomy(options), "--drain=2"), f"{prefix}echo")
    with tcp_listener() as listener, ExitStack() as stack:
        service: Service = stack.enter_context(launched(words, [listener])).ready()
        clients = [stack.enter_context(connect(listener.getsockname())) for _ in range(20)]
        for client in clients:  # the last one answers, so all before it are accepted
            client.sendall(b"x")
            assert b"x" == client.recv(1)
        service.stop()
        clients[0].sendall(b"still there")
        assert b"still there" == clients[0].recv(100)
        assert 0 == service.wait()
        assert "" == service.stderr
