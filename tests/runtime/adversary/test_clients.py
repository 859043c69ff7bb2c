"""Whatever one client does, the others are served, and nothing of it is left."""

import resource
from contextlib import ExitStack

import pytest

from tests.runtime.adversary.clients import CLIENTS
from tests.runtime.adversary.ways import (
    Way,
    connected,
    count,
    listening,
    served,
    settles,
    ways,
)

IDLE = 5000


@ways
def test_clients(way: Way) -> None:
    """Each sort of client at both sorts of sockets: what must hold does.

    The others are served soon, the service ends within its drain with the clients still there,
    no descriptor, process or thread is left, and nobody says a word about it.
    """
    with ExitStack() as until_the_end, listening() as listeners:
        service = until_the_end.enter_context(served(way, *listeners))
        for listener in listeners:
            way.is_answered(listener.getsockname())
        before = {what: count(service, what) for what in ("fd", "task")}
        for listener in listeners:
            address = listener.getsockname()
            for client in CLIENTS:
                with ExitStack() as stack:
                    client(way, address, stack)
                    way.is_answered(address)
        settles(service, "fd", before["fd"] + 2)
        settles(service, "task", before["task"] + way.threads * (1 + ("--workers" in way.words)))
        assert "Traceback" not in service.stderr, service.stderr
        for listener in listeners:
            for client in CLIENTS[:3]:
                client(way, listener.getsockname(), until_the_end)


@pytest.mark.stress
@ways
def test_thousands_of_idle_clients(way: Way) -> None:
    """Thousands of clients that say nothing keep nobody from being served."""
    number = IDLE if way.room > 100 else way.room - 10
    earlier = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(3 * IDLE, earlier[1]), earlier[1]))
    try:
        with ExitStack() as stack, listening() as (tcp, _):
            service = stack.enter_context(served(way, tcp))
            way.is_answered(tcp.getsockname())
            before = count(service, "fd")
            with ExitStack() as idle:
                for _ in range(number):
                    idle.enter_context(connected(tcp.getsockname()))
                way.is_answered(tcp.getsockname())
            settles(service, "fd", before + 2)
            assert "Traceback" not in service.stderr, service.stderr
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, earlier)
