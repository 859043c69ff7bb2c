"""Several workers on the same listeners: ``--workers N``."""

import os
import select
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from activator.common.worker_end import last_word
from tests.support.services import (
    PATIENCE,
    SERVE,
    Service,
    ask,
    connect,
    launched,
    read_all,
    tcp_listener,
)

HANDLERS = "tests.support.warm_handlers"
GENERAL = "tests.support.handlers"


@contextmanager
def serving(*words: str) -> Iterator[tuple[Service, Any]]:
    """Run two workers on a listener; give the service, ready, and the listener's address."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, "--workers", "2", *words), [listener], names="tcp") as service,
    ):
        yield service.ready(), listener.getsockname()


def children(service: Service) -> set[int]:
    """Return the ids of a process's children, zombies too."""
    pid = service.process.pid
    return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.mark.parametrize("handler", ["a_hold", "p_hold"])
def test_parent_that_is_killed(handler: str) -> None:
    """Workers without a parent drain: connections end in their own time, then the workers."""
    with serving(f"{GENERAL}:{handler}") as (service, address), connect(address) as client:
        assert b"hi\n" == client.recv(100)
        workers = [os.pidfd_open(pid) for pid in children(service)]
        try:
            os.kill(service.process.pid, signal.SIGKILL)
            service.process.wait()
            ended = select.poll()
            for worker in workers:
                ended.register(worker, select.POLLIN)
            ((idle, _),) = ended.poll(PATIENCE * 1000)
            ended.unregister(idle)
            assert [] == ended.poll(100)
            client.sendall(b"bye\n")
            assert read_all(client).endswith(b" bye\n")
            assert 1 == len(ended.poll(PATIENCE * 1000))
        finally:
            for worker in workers:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(worker, signal.SIGKILL)
                os.close(worker)
        assert "" == service.stderr


def test_the_parent_stays_small() -> None:
    """There are two workers, and the parent has not loaded the handler's module."""
    with serving(f"{HANDLERS}:a_count") as (service, address):
        pids = children(service)
        assert 2 == len(pids)
        assert int(ask(address, b"work\n")) in pids
        maps = Path(f"/proc/{service.process.pid}/maps").read_text()
        assert "_asyncio" not in maps
        assert 0 == service.end()
        assert "" == service.stderr


def test_the_load_is_spread() -> None:
    """Both workers get a good part of the connections that come at once."""
    with serving(f"{HANDLERS}:a_count") as (service, address), ThreadPoolExecutor(8) as pool:
        for _ in range(5):  # a busy machine may keep one of them from working for a while
            counts = Counter(pool.map(lambda _: ask(address, b"work\n"), range(200)))
            if 2 == len(counts) and 40 <= min(counts.values()):
                break
        else:
            pytest.fail(f"the last ones: {counts}")
        assert 0 == service.end()


def test_a_dead_worker_is_replaced() -> None:
    """Another takes its place, and clients are answered all the while."""
    with serving(f"{HANDLERS}:a_count") as (service, address):
        before = children(service)
        assert b"" == ask(address, b"die\n")
        assert int(ask(address, b"work\n")) in before
        while len(children(service) - before) < 1:
            os.sched_yield()
        assert 0 == service.end()
        assert "ended with signal 9; another is started in 0.1 s" in service.stderr


def test_drain() -> None:
    """SIGTERM drains all workers."""
    with serving(f"{GENERAL}:a_hold") as (service, address):
        clients = [connect(address) for _ in range(4)]
        for client in clients:
            assert b"hi\n" == client.recv(10)
        service.stop()
        for client in clients:
            with client:
                client.sendall(b"bye\n")
                assert read_all(client).endswith(b" bye\n")
        assert 0 == service.wait()
        assert "" == service.stderr


def test_no_worker_outlives_the_drain() -> None:
    """Workers end what has not ended in time, and none is left."""
    with serving("--drain", "0.1", f"{GENERAL}:a_deaf") as (service, address):
        pids = children(service)
        with connect(address) as client:
            assert b"hi\n" == client.recv(10)
            assert 0 == service.end()
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


def test_a_handler_that_cannot_be_loaded() -> None:
    """The service ends, with the worker's status, instead of trying again and again."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, "--workers", "2", "nope_a:h"), [listener]) as service,
    ):
        assert 1 == service.wait()
        assert "there is no module 'nope_a'" in service.stderr
        assert "before it was ready" in service.stderr
        assert last_word(service.stderr.splitlines()).startswith("there is no module 'nope_a'")


@pytest.mark.parametrize(
    "words",
    [
        ("--workers", "0", "m:h"),
        ("--workers", "2", "--isolation", "process", "m:h"),
    ],
)
def test_wrong_usage(words: tuple[str, ...]) -> None:
    """What makes no sense is told in one line, with status 2."""
    with launched((*SERVE, *words)) as service:
        assert 2 == service.wait()
        assert 1 == service.stderr.count("\n")


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGUSR1])
def test_a_worker_that_hangs_is_replaced(number: int) -> None:
    """The watchdog is pinged only while all workers' loops answer; one that does not is ended."""
    with (
        tcp_listener() as listener,
        launched(
            (*SERVE, "--workers", "2", f"{HANDLERS}:a_count"),
            [listener],
            names="tcp",
            nofile=0,
            WATCHDOG_USEC="5000000",
            WATCHDOG_PID="PID",
        ) as service,
    ):
        service.ready().notifications.await_message("WATCHDOG=1")
        hanging = min(children(service))
        # SIGUSR1 ends it, which is no hanging.
        os.kill(hanging, number)
        while hanging in children(service):
            service.notifications.drop()
            sleep(0.01)
        while len(children(service)) < 2:
            sleep(0.01)
        service.notifications.await_message("WATCHDOG=1")
        assert int(ask(listener.getsockname(), b"work\n")) != hanging
        assert (f"worker {hanging} hangs" in service.stderr) is (number == signal.SIGSTOP)
        assert 0 == service.end()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_idle_exit(workers: str) -> None:
    """They leave together, when all have been without work for long enough."""
    words = (*SERVE, "--workers", workers, "--idle-exit", "0.3", f"{GENERAL}:a_hold")
    with (
        tcp_listener() as listener,
        connect(listener.getsockname()) as client,  # before it could leave
        launched(words, [listener], names="tcp") as service,
    ):
        service.ready()
        with client:
            assert b"hi\n" == client.recv(10)
            with pytest.raises(subprocess.TimeoutExpired):
                service.process.wait(1)
            client.sendall(b"bye\n")
            read_all(client)
        service.notifications.await_message("STOPPING=1")
        assert 0 == service.wait()
        assert "" == service.stderr


def test_what_was_kept_is_one_workers() -> None:
    """A connection from the fd store goes to one worker, and is forgotten by the manager."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        tcp_listener() as listener,
        launched(
            (*SERVE, "--workers", "2", f"{GENERAL}:a_echo"), [listener, theirs], names="tcp:tcp"
        ) as service,
    ):
        theirs.close()
        service.notifications.await_message("FDSTOREREMOVE=1")
        for number in range(20):
            ours.sendall(b"%d" % number)
            assert b"%d" % number == ours.recv(100)
        ours.shutdown(socket.SHUT_WR)
        assert b"" == ours.recv(100)
        assert 0 == service.end()
        assert "" == service.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_kept_connections(workers: str) -> None:
    """What handlers keep goes to the workers that take over, and to the manager at the end."""
    words = (*SERVE, "--workers", workers, "activator.examples.lasting:echo")
    with tcp_listener() as listener, launched(words, [listener], names="lasting") as service:
        service.ready()
        clients = [connect(listener.getsockname()) for _ in range(8)]
        for turn in range(3):
            for client in clients:
                client.sendall(b"%d" % turn)
                assert b"%d" % turn == client.recv(100)
            service.process.send_signal(signal.SIGHUP)
            service.ready()
        for client in clients:
            client.sendall(b"after")
            assert b"after" == client.recv(100)
        service.process.terminate()
        kept: list[int] = []
        while len(kept) < len(clients):
            message, fds, *_ = socket.recv_fds(service.notifications.socket, 1000, 1)
            assert bool(fds) == message.startswith(b"FDSTORE=1\nFDNAME=lasting")
            kept += fds
        assert 0 == service.wait()
        assert "" == service.stderr
        for fd in kept:
            os.close(fd)
        for client in clients:
            assert b"" == read_all(client)
            client.close()


def test_workers_end_with_their_parent() -> None:
    """None is left behind when the parent is killed."""
    with serving(f"{HANDLERS}:a_count") as (service, _):
        pids = [os.pidfd_open(pid) for pid in children(service)]
        service.process.kill()
        for pid in pids:
            assert select.select([pid], [], [], PATIENCE)[0]
            os.close(pid)


FORKING = """
import os
from activator import notify

def handle(sock):
    child = os.fork()
    if not child:
        os._exit(notify.send("FDSTOREREMOVE=1\\nFDNAME=tcp"))
    sock.sendall(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_others_are_not_believed(tmp_path: Path) -> None:
    """A message that comes from another process than the worker counts for nothing."""
    (tmp_path / "forking.py").write_text(FORKING)
    with serving("--app-dir", str(tmp_path), "forking:handle") as (service, address):
        assert b"1" == ask(address, b"")
        assert 0 == service.end()
        said = service.notifications.drop()
        assert said
        assert not any(message.startswith("FDSTORE") for message in said)


def test_what_workers_say_has_no_address() -> None:
    """No socket of the service has a name that others could send to, but that for reloads."""
    with serving("--threads", "1", f"{GENERAL}:p_echo") as (service, address):
        assert b"hi" == ask(address, b"hi")
        inodes = set()
        for pid in (service.process.pid, *children(service)):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
        rows = [row.split() for row in Path("/proc/net/unix").read_text().splitlines()[1:]]
        named = [row[7] for row in rows if row[6] in inodes and len(row) > 7]
        assert [f"@activator/reload/{service.process.pid}"] == named


RETIRED = """
import os

HELD = []

def count(sock):
    sock.sendall(b"%d" % os.getpid())

def eat(sock):
    HELD.append(b"x" * (64 << 20))
    sock.sendall(b"%d" % os.getpid())

async def a_count(reader, writer):
    writer.write(b"%d" % os.getpid())
"""


@pytest.mark.parametrize("number", ["1", "2"])
@pytest.mark.parametrize(
    "words",
    [
        ("--worker-max-connections", "20", "retired:count"),
        ("--worker-max-connections", "20", "--loop", "asyncio", "retired:a_count"),
        ("--worker-max-connections", "20", "--loop", "uvloop", "retired:a_count"),
        ("--worker-max-memory", "150M", "retired:eat"),
    ],
)
def test_workers_that_have_done_enough(words: tuple[str, ...], number: str, tmp_path: Path) -> None:
    """They are replaced while others serve: no client is lost, and nothing has to be said."""
    (tmp_path / "retired.py").write_text(RETIRED)
    serve = (*SERVE, "--workers", number, "--app-dir", str(tmp_path), *words)
    with tcp_listener() as listener, launched(serve, [listener], names="tcp") as service:
        service.ready()
        served: Counter[bytes] = Counter()
        until = monotonic() + 3 * PATIENCE
        while len(served) < 3 + int(number):
            assert monotonic() < until
            served[ask(listener.getsockname(), b"")] += 1
            service.notifications.drop()
        assert all(map(bytes.isdigit, served))
        assert 0 == service.end()
        assert "" == service.stderr


def test_worker_whose_successor_fails(tmp_path: Path) -> None:
    """It goes on."""
    module = tmp_path / "retired.py"
    module.write_text(RETIRED)
    words = ("--workers", "1", "--worker-max-connections", "1", "--app-dir", str(tmp_path))
    with (
        tcp_listener() as listener,
        launched((*SERVE, *words, "retired:count"), [listener], names="tcp") as service,
    ):
        service.ready()
        module.write_text("1 / 0")
        first = ask(listener.getsockname(), b"")
        while "the one that it was to replace goes on" not in service.stderr:
            assert first == ask(listener.getsockname(), b"")
            service.notifications.drop()
        module.write_text(RETIRED)
        while first == ask(listener.getsockname(), b""):
            service.notifications.drop()
        assert 0 == service.end()
