"""Warm per-connection serving: a process for each connection, forked from a warm one."""

import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import (
    PATIENCE,
    SERVE,
    Service,
    ask,
    connect,
    connected,
    finished_quietly,
    launched,
    read_all,
    reset,
    tcp_listener,
)

HANDLERS = "tests.support.warm_handlers"
GENERAL = "tests.support.handlers"
PROCESS = (*SERVE, "--isolation", "process")
kinds = pytest.mark.parametrize("prefix", ["a_", "p_"])


@contextmanager
def serving(*words: str) -> Iterator[tuple[Service, Any]]:
    """Run a service on a listener; give it, ready, and the listener's address."""
    with (
        tcp_listener() as listener,
        launched((*PROCESS, *words), [listener], names="tcp") as service,
    ):
        yield service.ready(), listener.getsockname()


def children(service: Service) -> list[int]:
    """Return the ids of a process's children, zombies too."""
    pid = service.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], PATIENCE)[0]
    finally:
        os.close(fd)


def wait_childless(service: Service) -> None:
    """Wait until a service has reaped all."""
    for pid in children(service):
        wait_gone(pid)
    while children(service):
        os.sched_yield()


@kinds
def test_each_connection_has_a_process(prefix: str) -> None:
    """The module is loaded once, each connection's process is new, and clean surroundings."""
    with serving(f"{HANDLERS}:{prefix}facts") as (service, address):
        seen = []
        for _ in range(3):
            with connect(address) as client:
                port = client.getsockname()[1]
                facts = json.loads(read_all(client))
            assert {"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": str(port)} == facts["env"]
            assert service.process.pid == facts["loaded_by"]
            assert facts["pid"] == facts["group"]
            seen.append(facts["pid"])
        assert 3 == len({*seen, service.process.pid} - {service.process.pid})
        wait_childless(service)
        finished_quietly(service)


def test_each_client_is_told_of_as_what_it_is(tmp_path: Path) -> None:
    """REMOTE_* are those of an IPv6 client's own, and a Unix client beside it has none."""
    path = str(tmp_path / "socket")
    with (
        socket.socket(socket.AF_UNIX) as unix,
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as tcp,
    ):
        unix.bind(path)
        unix.listen()
        port = tcp.getsockname()[1]
        words = (*PROCESS, f"{HANDLERS}:p_facts")
        with launched(words, [unix, tcp], names="u:t") as service:
            service.ready()
            with connected(path, socket.AF_UNIX) as client:
                assert {} == json.loads(read_all(client))["env"]
            for host in ("127.0.0.1", "::1"):
                with socket.create_connection((host, port)) as client:
                    own = client.getsockname()[1]
                    env = json.loads(read_all(client))["env"]
                assert {"REMOTE_ADDR": host, "REMOTE_PORT": str(own)} == env
            finished_quietly(service)


def test_no_descriptor_of_the_service_is_left_open() -> None:
    """A plain handler's process has its standard streams and its connection."""
    with serving(f"{HANDLERS}:p_facts") as (service, address):
        facts = json.loads(ask(address, b""))
        assert 4 == len(facts["fds"])
        finished_quietly(service)


@kinds
def test_resource_limits(prefix: str) -> None:
    """--limit holds in the processes of connections, not in the service."""
    limit = ("--limit", "nofile=64,as=2G")
    with serving(*limit, f"{HANDLERS}:{prefix}facts") as (service, address):
        assert 64 == json.loads(ask(address, b""))["nofile"]
        limits = Path(f"/proc/{service.process.pid}/limits").read_text().splitlines()
        (soft,) = [line.split()[3] for line in limits if line.startswith("Max open files")]
        assert "64" != soft
        finished_quietly(service)


@kinds
def test_no_process_harms_another(prefix: str) -> None:
    """One crashes, one hangs, one eats memory; others are answered, and all are told of."""
    words = ("--limit", "as=1G", "--drain", "0", f"{HANDLERS}:{prefix}fate")
    with serving(*words) as (service, address), connect(address) as hanging:
        hanging.sendall(b"hang\n")
        assert b"hi\n" == hanging.recv(10)
        assert b"" == ask(address, b"crash\n")
        assert b"" == ask(address, b"eat\n")
        assert b"fine\n" == ask(address, b"fine\n")
        assert 0 == service.end()
        assert "was ended by signal 11 (SIGSEGV)" in service.stderr
        assert "MemoryError" in service.stderr


@kinds
def test_time_limit(prefix: str) -> None:
    """SIGTERM ends a handler that takes too long, and it can clean up; SIGKILL does others."""
    with serving("--time-limit", "1.5", f"{HANDLERS}:{prefix}fate") as (service, address):
        with connect(address) as patient, connect(address) as stubborn:
            patient.sendall(b"hang\n")
            stubborn.sendall(b"spin\n")
            assert b"hi\n" == read_all(patient)
            assert b"" == read_all(stubborn)
        wait_childless(service)
        assert b"fine\n" == ask(address, b"fine\n")
        assert 0 == service.end()
        assert 1 == service.stderr.count("1.5 seconds, the time limit")
        assert 1 == service.stderr.count("cleaned up")


def test_what_a_process_started_ends_with_it() -> None:
    """A process that a handler leaves behind is killed when the handler's own has ended."""
    with serving(f"{HANDLERS}:p_fate") as (service, address):
        left = int(ask(address, b"leave\n"))
        wait_gone(left)
        finished_quietly(service)


@kinds
def test_no_more_processes_than_allowed(prefix: str) -> None:
    """With --max-connections, the next client waits in the queue until one has left."""
    words = ("--max-connections", "2", f"{GENERAL}:{prefix}hold")
    with serving(*words) as (service, address), ExitStack() as stack:
        first, second, third = (stack.enter_context(connect(address)) for _ in range(3))
        assert b"hi\n" == first.recv(10)
        assert b"hi\n" == second.recv(10)
        assert 2 == len(children(service))
        third.settimeout(0.1)
        with pytest.raises(TimeoutError):
            third.recv(10)
        third.settimeout(PATIENCE)
        first.sendall(b"bye\n")
        assert b"hi\n" == third.recv(10)
        service.process.send_signal(signal.SIGTERM)
        for client in (second, third):
            client.sendall(b"bye\n")
            assert read_all(client).endswith(b"bye\n")
        assert 0 == service.wait()


def test_no_more_processes_than_allowed_for_one_source() -> None:
    """With --max-per-source, a further client of the same address is closed at once."""
    words = ("--max-per-source", "1", f"{GENERAL}:p_hold")
    with serving(*words) as (service, address), connect(address) as first:
        assert b"hi\n" == first.recv(10)
        assert b"" == ask(address, b"")
        first.sendall(b"bye\n")
        assert read_all(first).endswith(b"bye\n")
        wait_childless(service)
        assert ask(address, b"bye\n").endswith(b"bye\n")
        finished_quietly(service)


@kinds
def test_drain(prefix: str) -> None:
    """After SIGTERM running handlers end in their time, and the status is 0."""
    with serving(f"{GENERAL}:{prefix}hold") as (service, address), connect(address) as client:
        assert b"hi\n" == client.recv(10)
        service.stop()
        client.sendall(b"bye\n")
        assert read_all(client).endswith(b" bye\n")
        assert 0 == service.wait()
        assert "" == service.stderr


@pytest.mark.parametrize("handler", ["a_stubborn", "p_stubborn", "a_deaf", "p_deaf"])
def test_drain_is_over(handler: str) -> None:
    """Handlers that do not end in time are told, and killed if they do not heed it."""
    words = ("--drain", "0.1", f"{GENERAL}:{handler}")
    with serving(*words) as (service, address), connect(address) as client:
        assert b"hi\n" == client.recv(10)
        (pid,) = children(service)
        assert 0 == service.end()
        assert b"" == read_all(client)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert service.stderr.count("cleaned up") == handler.endswith("_stubborn")


@pytest.mark.parametrize("limits", [(), ("--limit", "nofile=64")], ids=["spawn", "fork"])
def test_a_program_as_inetd_runs_it(limits: tuple[str, ...]) -> None:
    """--inetd gives a program the connection as its standard input and output."""
    script = 'read line; echo "$line $REMOTE_ADDR $LISTEN_FDS$NOTIFY_SOCKET $(ulimit -n)"'
    with serving(*limits, "--inetd", "sh", "-c", script, "--drain") as (service, address):
        answer = ask(address, b"hello\n").decode().split()
        assert ["hello", "127.0.0.1"] == answer[:2]
        assert (answer[2] == "64") == bool(limits)
        wait_childless(service)
        finished_quietly(service)


def test_a_program_that_cannot_run(tmp_path: Path) -> None:
    """It is told at the start if it is not there, and at a connection if it fails later."""
    with tcp_listener() as listener, launched((*PROCESS, "--inetd", "nope"), [listener]) as service:
        assert 1 == service.wait()
        assert "--inetd: no such program: 'nope'; give its path\n" == service.stderr
    broken = tmp_path / "broken"
    broken.write_bytes(b"\0")
    broken.chmod(0o755)
    with serving("--inetd", str(broken)) as (service, address):
        assert b"" == ask(address, b"")
        assert 0 == service.end()
        assert f"cannot start {broken} on 'tcp' (stream " in service.stderr


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--isolation", "thread", "m:h"), "no such isolation: 'thread'"),
        (("--isolation", "process", "--limit", "files=3", "m:h"), "no such resource: 'files'"),
        (("--isolation", "process", "--limit", "nofile=x", "m:h"), "not a limit: 'nofile=x'"),
        (("--inetd", "/bin/cat"), "it is for --isolation process"),
        (("--isolation", "process", "m:h", "--inetd", "/bin/cat"), "a handler and a program"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], what: str) -> None:
    """Options that make no sense are told in one line, with status 2."""
    with launched((*SERVE, *words)) as service:
        assert 2 == service.wait()
        assert what in service.stderr
        assert 1 == service.stderr.count("\n")


def test_datagrams_have_no_processes() -> None:
    """A datagram socket is refused, in one line."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        with launched((*PROCESS, "--inetd", "/bin/cat"), [sock]) as service:
            assert 1 == service.wait()
            assert "it is not a listening socket" in service.stderr


@kinds
def test_unix_clients_and_resets(prefix: str, tmp_path: Path) -> None:
    """Unix clients are served too, and clients that reset leave nothing behind."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as unix, tcp_listener() as tcp:
        unix.bind(path)
        unix.listen()
        words = (*PROCESS, f"{GENERAL}:{prefix}echo")
        with launched(words, [unix, tcp], names="u:t") as service:
            service.ready()
            with connected(path, socket.AF_UNIX) as client:
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                assert b"hello" == read_all(client)
            for _ in range(20):
                reset(connect(tcp.getsockname()))
            assert b"hello" == ask(tcp.getsockname(), b"hello")
            wait_childless(service)
            finished_quietly(service)


def test_status() -> None:
    """STATUS= counts the processes."""
    with serving(f"{GENERAL}:p_hold") as (service, address), connect(address) as client:
        assert b"hi\n" == client.recv(10)
        service.notifications.await_message("STATUS=ready: 1 open, 1 accepted")
        client.sendall(b"bye\n")
        finished_quietly(service)


def test_handlers_load_no_more_than_elsewhere() -> None:
    """A plain handler's process has loaded no asyncio and no threads."""
    with serving(f"{HANDLERS}:p_modules") as (service, address):
        modules = set(ask(address, b"").decode().split())
        assert not modules & {"asyncio", "threading", "logging", "click"}
        finished_quietly(service)
