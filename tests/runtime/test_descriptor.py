"""What a passed descriptor is: every kind that a .socket unit can pass."""

import ctypes
import os
import socket
from pathlib import Path

import pytest

from activator.runtime.descriptor import describe
from tests.support.services import connect, reset, tcp_listener


def port_of(listener: socket.socket) -> int:
    """Return a TCP or UDP socket's port."""
    return int(listener.getsockname()[1])


def described(fd: int | socket.socket) -> tuple[str, str | None, str]:
    """Return what is said about a descriptor."""
    kind, family, address = describe(fd if isinstance(fd, int) else fd.fileno())
    return kind, family.name if family else None, address


def test_describe_inet() -> None:
    """TCP and UDP addresses are written as in a .socket unit."""
    with tcp_listener() as listener, connect(listener.getsockname()) as client:
        assert ("stream", "AF_INET", f"127.0.0.1:{port_of(listener)}") == described(listener)
        assert ("connection", "AF_INET", f"127.0.0.1:{port_of(client)}") == described(client)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        assert ("datagram", "AF_INET", f"127.0.0.1:{port_of(udp)}") == described(udp)


def test_describe_inet6() -> None:
    """An IPv6 address has its brackets."""
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            pytest.skip("there is no IPv6 here")
        sock.listen()
        assert ("stream", "AF_INET6", f"[::1]:{port_of(sock)}") == described(sock)


def test_describe_unix(tmp_path: Path) -> None:
    """An AF_UNIX address is a path, @NAME or nothing."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as abstract:
        listener.bind(path)
        listener.listen()
        assert ("stream", "AF_UNIX", path) == described(listener)
        name = f"activator-{os.getpid()}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        assert ("stream", "AF_UNIX", f"@{name}") == described(abstract)
    one, two = socket.socketpair()
    with one, two:
        assert ("connection", "AF_UNIX", "") == described(one)


def test_describe_seqpacket_connection() -> None:
    """A connected seqpacket socket is a connection too."""
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, two:
        assert ("connection", "AF_UNIX", "") == described(one)


def test_describe_connected_datagram() -> None:
    """A connected datagram socket is still a datagram socket."""
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, two:
        assert ("datagram", "AF_UNIX", "") == described(one)


def test_describe_reset_connection() -> None:
    """A connection whose client has left is a connection."""
    with tcp_listener() as listener:
        client = connect(listener.getsockname())
        server, _ = listener.accept()
        reset(client)
        with server:
            assert "connection" == described(server)[0]


def test_describe_netlink() -> None:
    """A netlink socket is told from a raw one."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15) as sock:
        sock.bind((0, 1))
        assert ("netlink", "AF_NETLINK", "15 1") == described(sock)


def test_describe_vsock() -> None:
    """A vsock address is written as in a .socket unit."""
    try:
        sock = socket.socket(socket.AF_VSOCK)
    except OSError:
        pytest.skip("there is no vsock here")
    with sock:
        sock.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        port = sock.getsockname()[1]
        assert ("connection", "AF_VSOCK", f"vsock::{port}") == described(sock)


def test_describe_files(tmp_path: Path) -> None:
    """FIFOs, devices, regular files and the rest have no family but a path."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    regular = tmp_path / "file"
    regular.touch()
    for path, kind, flags in (
        (fifo, "fifo", os.O_RDWR),
        (regular, "special", os.O_RDONLY),
        (Path("/dev/null"), "special", os.O_RDONLY),
        (tmp_path, "other", os.O_RDONLY),
    ):
        fd = os.open(path, flags)
        try:
            assert (kind, None, str(path)) == described(fd)
        finally:
            os.close(fd)


def test_describe_message_queue() -> None:
    """A POSIX message queue is told from a regular file, which it is to fstat()."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"/activator-{os.getpid()}".encode()
    fd = libc.mq_open(name, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600, None)
    if fd < 0:
        pytest.skip(f"no message queue: {os.strerror(ctypes.get_errno())}")
    try:
        assert ("mqueue", None, name.decode()) == described(fd)
    finally:
        libc.mq_unlink(name)
        os.close(fd)


def test_describe_closed() -> None:
    """A descriptor that is not open is an OSError."""
    with tcp_listener() as listener:
        fd = listener.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        describe(fd)
