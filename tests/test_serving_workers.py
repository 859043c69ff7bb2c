"""Several workers on the same listeners: ``--workers N``."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import (
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
        counts = Counter(pool.map(lambda _: ask(address, b"work\n"), range(200)))
        assert 2 == len(counts)
        assert 40 <= min(counts.values())
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
