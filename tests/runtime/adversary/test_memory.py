"""Where there is no memory, connections end that would need some; what there is serves others."""

import resource
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.runtime.adversary.test_exceptions import DATAGRAMS
from tests.runtime.adversary.test_surroundings import of_each, says
from tests.runtime.adversary.ways import (
    AWHILE,
    SOON,
    WAYS,
    Way,
    connected,
    count,
    listening,
    served,
    settles,
    ways,
)
from tests.support.services import Service

MIB = 1 << 20
FREE = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
# How much a service may take more than it has. With nothing at all uvloop itself crashes.
ROOM = 8 * MIB
CLIENTS = 12
# What one client asks for: more than there is, or than is kept for it.
DEMAND = 4 * ROOM
HEADS = (
    b"GET /",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
    b"GET / HTTP/1.1\r\nHost: x\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x=",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
)


def limit(service: Service, room: int) -> None:
    """Limit the memory of a service's processes to what they have, and so much more."""

    def set_limit(pid: int) -> None:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + room
        resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))

    of_each(service, set_limit)


def free(service: Service) -> None:
    """Let a service have memory again."""
    of_each(service, lambda pid: resource.prlimit(pid, resource.RLIMIT_AS, FREE))


def resident(service: Service) -> int:
    """Return how much memory the service's processes have."""
    pages = of_each(service, lambda pid: Path(f"/proc/{pid}/statm").read_text().split()[1])
    return sum(map(int, pages)) * resource.getpagesize()


@ways
def test_clients(way: Way) -> None:
    """Clients that ask for more than there is leave nothing, and others are served again."""
    room = 0 if "uvloop" not in way.name and way.name != "workers-asgi" else ROOM
    with listening() as (tcp, _), served(way, tcp) as service:
        address = tcp.getsockname()
        way.is_answered(address)
        before = count(service, "fd")
        limit(service, room)
        with ExitStack() as stack:
            asked = (b"", way.asking()[:3], b"x" * 20000, way.asking(), way.torrent() * 3)
            for number in range(CLIENTS):
                client = stack.enter_context(connected(address))
                client.settimeout(AWHILE)
                with suppress(OSError):
                    client.sendall(asked[number % len(asked)])
            for words in (way.torrent() * 40, b"x" * MIB):
                client = stack.enter_context(connected(address))
                client.settimeout(0.1)
                with suppress(OSError):
                    client.sendall(words)
        free(service)
        way.is_answered(address)
        settles(service, "fd", before + 2)
        for what in service.stderr.split("Traceback")[:-1]:
            # Of the application's or the handler's own.
            assert "failed: MemoryError" in what or "Exception " in what or "Error handling" in what
        assert "cannot accept on" not in service.stderr or room == 0


@pytest.mark.parametrize("words", DATAGRAMS)
def test_messages(words: tuple[str, ...]) -> None:
    """Messages wait, or are lost, and later ones are answered."""
    with ExitStack() as stack:
        listener, client = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        )
        listener.bind(("127.0.0.1", 0))
        service = stack.enter_context(served(Way("messages", words), listener))
        client.connect(listener.getsockname())
        client.settimeout(SOON)
        client.send(b"first")
        assert b"first" == client.recv(65536)
        limit(service, 0)
        for _ in range(8):
            client.send(b"x" * 60000)
        free(service)
        client.send(b"last")
        while b"last" != client.recv(65536):
            pass


@pytest.mark.parametrize(
    "way", [way for way in WAYS if way.name.startswith(("asgi", "wsgi"))], ids=str
)
def test_heads_without_end(way: Way) -> None:
    """What a client sends and nothing can be made of is not kept."""
    with listening() as (tcp, _), served(way, tcp) as service:
        way.is_answered(tcp.getsockname())
        before = resident(service)
        for head in HEADS:
            more = (b"a: b\r\n" if head.endswith(b"x\r\n") else b"xxxxxx") * 10000
            with connected(tcp.getsockname()) as client, suppress(ConnectionError):
                client.sendall(head)
                for _ in range(DEMAND // len(more)):
                    client.sendall(more)
            assert resident(service) < before + DEMAND * 3 / 4
        way.is_answered(tcp.getsockname())
        assert "Traceback" not in service.stderr


@pytest.mark.parametrize("way", [way for way in WAYS if way.name == "streams-asyncio"], ids=str)
def test_it_is_said(way: Way) -> None:
    """It is said once that there was no memory, and what would help."""
    with listening() as (tcp, _), served(way, tcp) as service:
        way.is_answered(tcp.getsockname())
        limit(service, 0)
        with ExitStack() as stack:
            for _ in range(CLIENTS):
                client = stack.enter_context(connected(tcp.getsockname()))
                client.setblocking(False)
                with suppress(OSError):
                    client.sendall(b"x" * MIB)
            says(service, "no memory; a higher MemoryMax= or LimitAS= would help")
        free(service)
        way.is_answered(tcp.getsockname())
        assert 1 == service.stderr.count("a connection was ended: no memory")
