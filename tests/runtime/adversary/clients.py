"""Clients that nobody wishes for; each leaves its connections open in the stack if it can."""

import array
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from tests.runtime.adversary.ways import AWHILE, Way, connected
from tests.support.services import reset

Client = Callable[[Way, object, ExitStack], None]
MANY = 20


def sends_and_never_reads(way: Way, address: object, stack: ExitStack) -> None:
    """Send until nothing is taken any more."""
    client = stack.enter_context(connected(address))
    client.settimeout(0.2)
    with suppress(OSError):
        for _ in range(2000):
            client.sendall(way.torrent())


def reads_and_never_sends(way: Way, address: object, stack: ExitStack) -> None:
    """Connect, and say nothing."""
    del way
    stack.enter_context(connected(address))


def stops_in_the_middle(way: Way, address: object, stack: ExitStack) -> None:
    """Send half of it."""
    client = stack.enter_context(connected(address))
    client.sendall(way.asking()[: len(way.asking()) // 2])


def resets_at_every_point(way: Way, address: object, stack: ExitStack) -> None:
    """Leave with a reset: before, while and after asking, and in the middle of the answer."""
    del stack
    question = way.asking()
    for size in sorted({0, 1, len(question) // 2, len(question) - 1, len(question)}):
        for waits in (False, True):
            with connected(address) as client:
                client.sendall(question[:size])
                if waits and size == len(question):
                    client.recv(1)
                reset(client)


def leaves_at_every_point(way: Way, address: object, stack: ExitStack) -> None:
    """Close, with and without having read the answer."""
    del stack
    question = way.asking()
    for size in (0, 1, len(question) // 2, len(question)):
        with connected(address) as client:
            client.sendall(question[:size])
    with connected(address) as client, suppress(OSError):
        client.sendall(way.torrent())


def half_closes(way: Way, address: object, stack: ExitStack) -> None:
    """Send all, say that it is all, and be answered all the same."""
    del stack
    with connected(address) as client:
        client.sendall(way.asking())
        client.shutdown(socket.SHUT_WR)
        # aiohttp takes it for the end.
        assert client.recv(100) or way.name.startswith("aiohttp")


def shuts_down_reading(way: Way, address: object, stack: ExitStack) -> None:
    """Ask, and take no answer."""
    client = stack.enter_context(connected(address))
    client.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        client.sendall(way.asking())


def one_byte_at_a_time(way: Way, address: object, stack: ExitStack) -> None:
    """Ask slowly, and be answered all the same."""
    del stack
    with connected(address) as client:
        for byte in way.asking():
            client.sendall(bytes([byte]))
        assert client.recv(100)


def idles(way: Way, address: object, stack: ExitStack) -> None:
    """Connect often, and say nothing."""
    for _ in range(way.room // 4):
        stack.enter_context(connected(address))


def sends_descriptors(way: Way, address: object, stack: ExitStack) -> None:
    """Send descriptors along, with each part of it, many at once."""
    if isinstance(address, tuple):
        return
    with open(os.devnull) as file:  # noqa: PTH123 - a descriptor is wanted
        rights = array.array("i", [file.fileno()] * 200)
        for size in (1, len(way.asking())):
            client = stack.enter_context(connected(address))
            part = way.asking()[:size]
            client.sendmsg([part], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def sends_out_of_band(way: Way, address: object, stack: ExitStack) -> None:
    """Send urgent data."""
    client = stack.enter_context(connected(address))
    with suppress(OSError):
        client.send(way.asking()[:1], socket.MSG_OOB)
        client.sendall(way.asking()[1:])


def vanishes(way: Way, address: object, stack: ExitStack) -> None:
    """Connect and reset, over and over, mostly before anybody has accepted."""
    del way, stack
    for _ in range(3 * MANY):
        with connected(address) as client:
            reset(client)


def garbage(way: Way, address: object, stack: ExitStack) -> None:
    """Send what is no text, nor a request."""
    del way
    client = stack.enter_context(connected(address))
    with suppress(OSError):
        client.sendall(bytes(range(256)) * 8)
        client.settimeout(0.05)
        client.recv(65536)


def stops_reading(way: Way, address: object, stack: ExitStack) -> None:
    """Read a little of a long answer, now and then."""
    client = stack.enter_context(connected(address))
    with suppress(OSError):
        client.settimeout(AWHILE)
        client.sendall(way.torrent())
        for _ in range(3):
            client.recv(10)
            time.sleep(0.01)


CLIENTS: list[Client] = [
    sends_and_never_reads,
    reads_and_never_sends,
    stops_in_the_middle,
    resets_at_every_point,
    leaves_at_every_point,
    half_closes,
    shuts_down_reading,
    one_byte_at_a_time,
    idles,
    sends_descriptors,
    sends_out_of_band,
    vanishes,
    garbage,
    stops_reading,
]
