"""The shared mode: one service for all connections, with an event loop or with threads."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.handlers import ANONYMOUS
from tests.support.services import (
    HANDLERS,
    LOOPS,
    PATIENCE,
    SERVE,
    Options,
    activated,
    ask,
    command,
    connect,
    connected,
    finished_quietly,
    flavours,
    launched,
    read_all,
    reset,
    tcp_listener,
)

# What systemd-socket-activate starts.


@flavours
@pytest.mark.parametrize("client", ["socat", "nc"])
def test_half_close_through_socket_activate(
    tmp_path: Path, options: Options, prefix: str, client: str
) -> None:
    """A client that sends its last and then reads gets all of it, however large."""
    path = str(tmp_path / "socket")
    program = {
        "socat": ["socat", f"-t{PATIENCE}", "-", f"UNIX-CONNECT:{path}"],
        "nc": ["nc", "-N", "-U", path],
    }[client]
    if not shutil.which(program[0]):
        pytest.skip(f"{client} is not installed")
    text = b"0123456789" * 100_000
    with activated(command(options, f"{prefix}echo"), [path]) as service:
        for _ in range(2):
            result = subprocess.run(
                program, input=text, capture_output=True, timeout=PATIENCE, check=True
            )
            assert text == result.stdout
        assert 0 == service.end()


@pytest.mark.parametrize("loop", LOOPS)
def test_start_tls(loop: str) -> None:
    """A handler can turn to TLS, as the server that it is."""
    with (
        tcp_listener() as listener,
        launched(command(("--loop", loop), "a_tls"), [listener]) as service,
        connect(listener.getsockname()) as client,
    ):
        assert b"go\n" == client.recv(100)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ANONYMOUS)
        with context.wrap_socket(client, suppress_ragged_eofs=False) as secured:
            secured.sendall(b"hello\n")
            assert b"hello\n" == secured.recv(100)
            assert b"" == secured.recv(100)
        finished_quietly(service)


def test_client_that_had_left_before() -> None:
    """A handler is told where a client was that had reset before it was accepted."""
    with tcp_listener() as listener:
        client = connect(listener.getsockname())
        client.sendall(b"lost")
        reset(client)
        words = command(("--loop", "asyncio"), "a_where")
        with launched(words, [listener]) as service:
            service.ready()
            service.notifications.await_message("STATUS=ready: 0 open, 1 accepted")
            assert "127.0.0.1 2 1 'ConnectionResetError'\n" == service.stderr
            assert 0 == service.end()


@pytest.mark.parametrize("loop", LOOPS)
def test_resets_leave_no_garbage(loop: str) -> None:
    """What there was of clients that have reset is gone without the garbage collector."""
    with (
        tcp_listener() as listener,
        launched(command(("--loop", loop), "a_alive"), [listener]) as service,
    ):
        for _ in range(20):
            reset(connect(listener.getsockname()))
        # Some of them may yet be at their end.
        assert b"1" in [ask(listener.getsockname(), b"") for _ in range(10)]
        finished_quietly(service)


@flavours
def test_failure_without_descriptors(options: Options, prefix: str) -> None:
    """A handler that fails because there are no more descriptors is told of, as is the manager."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}hoard"), [listener], nofile=64) as service,
    ):
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            client.sendall(b"x")
            service.notifications.await_message("STATUS=none left")
            assert b"" == read_all(client)
        assert 0 == service.end()
        first, second, *_, last = service.stderr.splitlines()
        assert first.endswith("failed: OSError: [Errno 24] Too many open files")
        assert "Traceback (most recent call last):" == second
        assert "OSError: [Errno 24] Too many open files" == last
        assert 1 == service.stderr.count("Traceback")
        assert "in _hoard" in service.stderr


@flavours
def test_two_names_reach_two_handlers(tmp_path: Path, options: Options, prefix: str) -> None:
    """Sockets with names reach the handlers of these names, of either sort."""
    paths = [str(tmp_path / name) for name in ("one", "two", "three")]
    words = (
        *SERVE,
        *options,
        f"echo={HANDLERS}:{prefix}echo",
        f"async={HANDLERS}:a_name",
        f"plain={HANDLERS}:p_name",
    )
    with activated(words, paths, "--fdname=async:echo:plain") as service:
        for path, expected in zip(paths, (b"async", b"hello", b"plain"), strict=True):
            with connected(path, socket.AF_UNIX) as client:
                if expected == b"hello":  # the others do not listen, and leave at once
                    client.sendall(b"hello")
                    client.shutdown(socket.SHUT_WR)
                assert expected == read_all(client)
        assert 0 == service.end()


def test_seqpacket(tmp_path: Path) -> None:
    """A plain handler serves seqpacket sockets; an async one says that it cannot."""
    path = str(tmp_path / "socket")
    with activated(command((), "p_message"), [path], "--seqpacket") as service:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(PATIENCE)
            client.connect(path)
            client.send(b"a message")
            assert b"a message" == client.recv(100)
        assert 0 == service.end()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0activator-{os.getpid()}")
        listener.listen()
        with launched(command((), "a_echo"), [listener]) as service:
            assert 1 == service.wait()
            assert "an async handler cannot serve 'unknown' (seqpacket" in service.stderr


def test_datagram(tmp_path: Path) -> None:
    """A handler of connections refuses a datagram socket in one line."""
    path = str(tmp_path / "socket")
    with activated(command((), "p_echo"), [path], "-d") as service:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", path)
        assert 1 == service.wait()
        assert (
            f"cannot serve 'unknown' (datagram {path}): it has no connections; " in service.stderr
        )


# Serving.


@flavours
def test_serves_many(options: Options, prefix: str) -> None:
    """Connections one after another and side by side are all answered."""
    with tcp_listener() as listener, ExitStack() as stack:
        service = stack.enter_context(launched(command(options, f"{prefix}echo"), [listener]))
        service.ready()
        address = listener.getsockname()
        clients = [stack.enter_context(connect(address)) for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        for number, client in reversed(list(enumerate(clients))):
            assert b"%d" % number == client.recv(100)
        for number in range(20):
            assert b"%d" % number == ask(address, b"%d" % number)
        for client in clients:
            client.close()
        finished_quietly(service)


@flavours
def test_ipv6_and_unix(options: Options, prefix: str) -> None:
    """No address family is taken for granted, and one handler serves them all."""
    with ExitStack() as stack:
        inet6 = stack.enter_context(socket.socket(socket.AF_INET6))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        try:
            inet6.bind(("::1", 0))
        except OSError:
            pytest.skip("there is no IPv6 here")
        unix.bind(f"\0activator-{os.getpid()}")
        inet6.listen()
        unix.listen()
        service = stack.enter_context(launched(command(options, f"{prefix}name"), [inet6, unix]))
        for listener in (inet6, unix):
            with connected(listener.getsockname(), listener.family) as client:
                assert read_all(client) in (b"async", b"plain")
        finished_quietly(service)


@flavours
def test_what_was_written_is_flushed(options: Options, prefix: str) -> None:
    """A handler may end right after writing: a slow reader still gets everything."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}big"), [listener]) as service,
    ):
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"x" == client.recv(1)
            service.stop()
            assert 7_999_999 == len(read_all(client))
        assert 0 == service.wait()
        assert "" == service.stderr


@flavours
def test_plain_handlers_load_no_asyncio(options: Options, prefix: str) -> None:
    """Without an async handler, the process has loaded no asyncio, logging or subprocess."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}modules"), [listener]) as service,
    ):
        modules = set(ask(listener.getsockname(), b"").split())
        assert (prefix == "a_") == (b"asyncio" in modules)
        assert (prefix == "a_") == (b"logging" in modules)
        finished_quietly(service)


def test_back_pressure() -> None:
    """With all threads busy, connections wait in the kernel's queue, and none is lost."""
    with tcp_listener() as listener, ExitStack() as stack:
        service = stack.enter_context(launched(command(("--threads", "2"), "p_hold"), [listener]))
        address = listener.getsockname()
        clients = [stack.enter_context(connect(address)) for _ in range(6)]
        for first in (0, 2, 4):
            for client in clients[first : first + 2]:
                assert b"hi\n" == client.recv(100)
            if first < 4:
                clients[first + 2].settimeout(0.05)
                with pytest.raises(TimeoutError):
                    clients[first + 2].recv(1)
                clients[first + 2].settimeout(PATIENCE)
            for client in clients[first : first + 2]:
                client.sendall(b"bye\n")
                assert b"%d bye\n" % service.process.pid == read_all(client)
        finished_quietly(service)


def test_back_pressure_beside_an_event_loop() -> None:
    """Plain handlers beside async ones are bounded alike."""
    with tcp_listener() as one, tcp_listener() as two, ExitStack() as stack:
        words = (*SERVE, "--threads=1", f"one={HANDLERS}:p_hold", f"two={HANDLERS}:a_hold")
        service = stack.enter_context(launched(words, [one, two], names="one:two"))
        plain = [stack.enter_context(connect(one.getsockname())) for _ in range(3)]
        other = stack.enter_context(connect(two.getsockname()))
        assert b"hi\n" == other.recv(100)
        for client in plain:
            assert b"hi\n" == client.recv(100)
            client.sendall(b"bye\n")
            assert b"%d bye\n" % service.process.pid == read_all(client)
        other.close()
        finished_quietly(service)


# What goes wrong.


@flavours
@pytest.mark.parametrize("handler", ["echo", "hold", "torrent"])
def test_reset_storm(options: Options, prefix: str, handler: str) -> None:
    """Clients that reset at any moment cost no line on stderr, and the service goes on."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}{handler}"), [listener]) as service,
    ):
        service.ready()
        address = listener.getsockname()
        for number in range(200):
            client = connect(address)
            if number % 3:
                client.sendall(b"x" * 50_000 if number % 2 else b"x")
            if number % 3 == 1 and handler != "echo":
                client.recv(1)
            reset(client)
        # After all of them: connections are accepted in their order.
        with connect(address) as client:
            client.sendall(b"hello\n")
            assert client.recv(1)
        finished_quietly(service)


@pytest.mark.parametrize("handler", ["a_exact", "a_group"])
def test_other_ways_to_notice_a_client_left(handler: str) -> None:
    """A message cut short, or an error within a task group, is the client's doing too."""
    with tcp_listener() as listener, launched(command((), handler), [listener]) as service:
        service.ready()
        assert ask(listener.getsockname(), b"short") in (b"", b"short")
        client = connect(listener.getsockname())
        client.sendall(b"short")
        reset(client)
        assert b"0123456789" == ask(listener.getsockname(), b"0123456789")
        finished_quietly(service)


@flavours
@pytest.mark.parametrize(
    ("handler", "error"),
    [("boom", "ValueError: boom"), ("backend", "ConnectionResetError: the backend")],
)
def test_handler_bug(options: Options, prefix: str, handler: str, error: str) -> None:
    """A handler's own exception is one record with its traceback, and ends nothing else."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}{handler}"), [listener]) as service,
    ):
        service.ready()
        address = listener.getsockname()
        for number in (1, 2):
            with connect(address) as client:
                client.sendall(b"x")
                assert b"" == read_all(client)
            assert number == service.stderr.count("Traceback")
            assert error == service.stderr.splitlines()[-1]
        assert 0 == service.end()


@flavours
def test_handler_bug_record(options: Options, prefix: str) -> None:
    """The record begins with what failed and where, and shows the handler's frames only."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}boom"), [listener], names="http") as service,
    ):
        port = listener.getsockname()[1]
        ask(listener.getsockname(), b"x")
        assert 0 == service.end()
        lines = service.stderr.splitlines()
    assert (
        f"handler {HANDLERS}:{prefix}boom on 'http' (stream 127.0.0.1:{port}) failed: "
        "ValueError: boom"
    ) == lines[0]
    assert "Traceback (most recent call last):" == lines[1]
    assert 1 == sum(line.startswith('  File "') for line in lines)
    assert "ValueError: boom" == lines[-1]


@flavours
def test_handler_that_exits(options: Options, prefix: str) -> None:
    """sys.exit() in a handler ends that connection, not the service."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}leave"), [listener]) as service,
    ):
        for _ in range(2):
            assert b"" == ask(listener.getsockname(), b"x")
        finished_quietly(service)


def test_plain_handler_that_returns_a_coroutine() -> None:
    """A wrapper that hides an async function is reported as such."""
    with tcp_listener() as listener, launched(command((), "p_coroutine"), [listener]) as service:
        assert b"" == ask(listener.getsockname(), b"x")
        assert 0 == service.end()
        assert "a plain handler returned a coroutine: declare it with async def" in service.stderr
        assert "never awaited" not in service.stderr


@flavours
def test_descriptors_run_out(options: Options, prefix: str) -> None:
    """Without free descriptors the service waits, says so once, and then goes on."""
    with tcp_listener() as listener, ExitStack() as stack:
        service = stack.enter_context(
            launched(command(options, f"{prefix}hold"), [listener], nofile=40)
        )
        service.ready()
        address = listener.getsockname()
        clients = [stack.enter_context(connect(address)) for _ in range(50)]
        while not service.stderr.endswith("\n"):
            assert service.process.poll() is None
        for client in clients:
            client.sendall(b"x\n")
            assert read_all(client).startswith(b"hi\n")
        assert 0 == service.end()
        (line,) = service.stderr.splitlines()
        assert "for now: Too many open files; a higher LimitNOFILE=" in line


@flavours
def test_listener_is_shut_down(options: Options, prefix: str) -> None:
    """A listener that another process has shut down ends the service with 1 and a line."""
    with (
        tcp_listener() as listener,
        launched(command(options, f"{prefix}echo"), [listener]) as service,
    ):
        service.ready()
        listener.shutdown(socket.SHUT_RD)
        assert 1 == service.wait()
        assert 1 == service.stderr.count("\n")
        assert "any more: Invalid argument; has a process that shares" in service.stderr


@flavours
def test_listener_stays_as_it_is(tmp_path: Path, options: Options, prefix: str) -> None:
    """The service leaves the listener and its path in place for the next one."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        for _ in range(2):
            with launched(command(options, f"{prefix}name"), [listener]) as service:
                with connected(path, socket.AF_UNIX) as client:
                    assert read_all(client) in (b"async", b"plain")
                finished_quietly(service)
        assert 1 == listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_kill_leaves_the_queue() -> None:
    """Even a killed service leaves waiting connections for the next one."""
    with tcp_listener() as listener, ExitStack() as stack:
        first = stack.enter_context(launched(command(("--threads=1",), "p_hold"), [listener]))
        clients = [stack.enter_context(connect(listener.getsockname())) for _ in range(3)]
        assert b"hi\n" == clients[0].recv(100)
        first.process.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == first.wait()
        second = stack.enter_context(launched(command((), "p_hold"), [listener]))
        for client in clients[1:]:
            client.sendall(b"bye\n")
            assert b"hi\n%d bye\n" % second.process.pid == read_all(client)
        finished_quietly(second)
