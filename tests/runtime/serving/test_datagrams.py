"""Datagrams: none lost, none cut, each answered from where it came to."""

import os
import socket
from contextlib import ExitStack, closing

import pytest

from tests.support.services import (
    LOOPS,
    PATIENCE,
    SERVE,
    activated,
    bound,
    finished_quietly,
    launched,
)

# Each way to serve datagrams: the options, and the handler; all of them answer alike.
WAYS = [
    *(
        pytest.param(
            ("--loop", str(p.values[0]), "tests.support.protocols:Reply"), id=p.id, marks=p.marks
        )
        for p in LOOPS
    ),
    pytest.param(("tests.support.messages:tell",), id="threads"),
]
ways = pytest.mark.parametrize("words", WAYS)
IP_PKTINFO = 8
SO_TIMESTAMP = 29
SO_TIMESTAMPNS = 35


def no_complaint(text: str) -> str:
    """Return what a service wrote, without the end of its protocol."""
    return text.replace("lost\n", "")


@ways
def test_first_messages(words: tuple[str, ...]) -> None:
    """What arrived before the service was there, and while it was not, is all answered."""
    with bound() as listener, bound() as client:
        for first in (0, 30):
            for number in range(first, first + 30):
                client.sendto(b"%d" % number, listener.getsockname())
            with launched((*SERVE, *words), [listener]) as service:
                for number in range(first, first + 30):
                    assert client.recv(100).startswith(b"%d to " % number)
                assert 0 == service.end()
                assert "" == no_complaint(service.stderr)


@ways
def test_answers_leave_from_where_they_came_to(words: tuple[str, ...]) -> None:
    """On all addresses, the answer's source is the address that the client wrote to."""
    with bound("0.0.0.0") as listener, ExitStack() as stack:
        service = stack.enter_context(launched((*SERVE, *words), [listener])).ready()
        for host in ("127.0.0.1", "127.0.0.2", "127.3.3.3"):
            client = stack.enter_context(bound())
            address = (host, listener.getsockname()[1])
            client.sendto(b"x", address)
            assert (f"x to {host}".encode(), address) == client.recvfrom(100)
        assert 0 == service.end()
        assert "" == no_complaint(service.stderr)


@ways
def test_dual_stack(words: tuple[str, ...]) -> None:
    """The same holds for IPv6, and for IPv4 through it."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        try:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
        except OSError:
            pytest.skip("there is no IPv6 here")
        service = stack.enter_context(launched((*SERVE, *words), [listener])).ready()
        port = listener.getsockname()[1]
        four = stack.enter_context(bound())
        four.sendto(b"x", ("127.0.0.2", port))
        assert (b"x to ::ffff:127.0.0.2", ("127.0.0.2", port)) == four.recvfrom(100)
        six = stack.enter_context(bound("::1", socket.AF_INET6))
        six.sendto(b"x", ("::1", port))
        assert (b"x to ::1", ("::1", port, 0, 0)) == six.recvfrom(100)
        assert 0 == service.end()


@ways
def test_too_long(words: tuple[str, ...]) -> None:
    """A message that is longer than the buffer is dropped and reported, never cut."""
    with (
        bound() as listener,
        bound() as client,
        launched((*SERVE, "--message-max=10", *words), [listener]) as service,
    ):
        service.ready()
        client.sendto(b"x" * 11, listener.getsockname())
        client.sendto(b"x" * 10, listener.getsockname())
        assert client.recv(100).startswith(b"x" * 10 + b" to ")
        assert "a message of 11 bytes on 'unknown' (datagram 127.0.0.1" in service.stderr
        assert "is longer than 10 and was dropped; --message-max" in service.stderr
        assert 0 == service.end()


@ways
def test_bugs(words: tuple[str, ...]) -> None:
    """A handler that fails costs one record and no answer, and serves on."""
    with (
        bound() as listener,
        bound() as client,
        launched((*SERVE, *words), [listener]) as service,
    ):
        service.ready()
        for text in (b"boom", b"x", b"boom", b"y"):
            client.sendto(text, listener.getsockname())
        assert [b"x", b"y"] == [client.recv(100)[:1] for _ in range(2)]
        assert 0 == service.end()
        assert 2 == service.stderr.count("ValueError: boom\nTraceback")


@ways
def test_unix(words: tuple[str, ...], tmp_path: os.PathLike[str]) -> None:
    """Through systemd-socket-activate: Unix clients with a name are answered."""
    path, mine = os.path.join(tmp_path, "socket"), os.path.join(tmp_path, "client")  # noqa: PTH118
    with activated((*SERVE, *words), [path], "-d") as service:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as client:
            client.settimeout(PATIENCE)
            client.bind(mine)
            client.sendto(b"hello", path)
            assert b"hello to " == client.recv(100)
            client.sendto(b"x" * 60000, path)
            assert b"x" * 60000 + b" to " == client.recv(70000)
        assert 0 == service.end()


def test_client_without_an_address(tmp_path: os.PathLike[str]) -> None:
    """An answer to an unnamed client has nowhere to go, which is said once."""
    path = os.path.join(tmp_path, "socket")  # noqa: PTH118 - socket functions want text
    words = (*SERVE, "tests.support.messages:tell")
    with activated(words, [path], "-d") as service:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as client:
            client.sendto(b"x", path)
            client.sendto(b"y", path)
            service.notifications.await_message("READY=1")
            while "has no address" not in service.stderr:
                assert service.process.poll() is None
        assert 0 == service.end()
        assert 1 == service.stderr.count("has no address")


@pytest.mark.parametrize("option", [SO_TIMESTAMP, SO_TIMESTAMPNS])
def test_timestamp(option: int) -> None:
    """With Timestamping= and PassPacketInfo=, a message knows when and where it arrived."""
    with bound("0.0.0.0") as listener, bound() as client:
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        client.sendto(b"x", ("127.0.0.1", listener.getsockname()[1]))
        words = (*SERVE, "tests.support.messages:when")
        with launched(words, [listener]) as service:
            age, index = map(int, client.recv(100).split())
            assert 0 < age < 60 * 10**9
            assert socket.if_nametoindex("lo") == index
            finished_quietly(service)


def test_what_was_taken_is_answered() -> None:
    """At SIGTERM the message in hand is answered; the others wait for the next process."""
    with bound() as listener, bound() as client:
        words = (*SERVE, "tests.support.messages:slow")
        with launched(words, [listener]) as service:
            service.ready()
            for number in range(3):
                client.sendto(b"%d" % number, listener.getsockname())
            while "took 0\n" != service.stderr:
                assert service.process.poll() is None
            assert 0 == service.end()
            assert "took 0\n" == service.stderr
            assert b"0" == client.recv(100)
        with launched((*SERVE, "tests.support.messages:tell"), [listener]) as service:
            assert [b"1 to ", b"2 to "] == [client.recv(100) for _ in range(2)]
            assert 0 == service.end()


def test_handler_that_leaves() -> None:
    """sys.exit() in a handler of messages ends no service, and None is no answer."""
    with (
        bound() as listener,
        bound() as client,
        launched((*SERVE, "tests.support.messages:tell"), [listener]) as service,
    ):
        for text in (b"leave", b"nothing", b"x"):
            client.sendto(text, listener.getsockname())
        assert b"x to " == client.recv(100)
        finished_quietly(service)


def test_request_handler_class() -> None:
    """A class made for socketserver.UDPServer answers, from the right address."""
    with (
        bound("0.0.0.0") as listener,
        bound() as client,
        launched((*SERVE, "tests.support.messages:Shout"), [listener]) as service,
    ):
        address = ("127.0.0.2", listener.getsockname()[1])
        client.sendto(b"hello", address)
        assert (b"HELLO", address) == client.recvfrom(100)
        finished_quietly(service)


def test_beside_connections() -> None:
    """One process serves TCP and UDP, each with its own handler, as a DNS server does."""
    with ExitStack() as stack:
        stream = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagram = stack.enter_context(bound())
        for handler in ("a_name", "p_name"):
            words = (
                *SERVE,
                f"s=tests.support.handlers:{handler}",
                "d=tests.support.messages:tell",
            )
            service = stack.enter_context(launched(words, [stream, datagram], names="s:d"))
            client = stack.enter_context(bound())
            client.sendto(b"x", datagram.getsockname())
            assert b"x to " == client.recv(100)
            with socket.create_connection(stream.getsockname()) as connection:
                assert {"a_name": b"async", "p_name": b"plain"}[handler] == connection.recv(100)
            client.sendto(b"y", datagram.getsockname())
            assert b"y to " == client.recv(100)
            finished_quietly(service)


def test_packet_information_on_one_address() -> None:
    """PassPacketInfo= is heeded on a socket of one address too."""
    with bound() as listener, bound() as client:
        listener.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        with launched((*SERVE, "tests.support.messages:tell"), [listener]) as service:
            client.sendto(b"x", listener.getsockname())
            assert b"x to 127.0.0.1" == client.recv(100)
            finished_quietly(service)
