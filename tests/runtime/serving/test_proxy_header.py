"""The PROXY protocol's header, as its own specification has it, and whatever else may come."""

import ipaddress
import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.runtime.serving.before.header import V1_MOST, Header, MalformedError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PORTS = st.integers(0, 65535)


def first(family: str, source: object, target: object, *ports: int) -> bytes:
    """Return a header of version 1."""
    return f"PROXY {family} {source} {target} {ports[0]} {ports[1]}\r\n".encode()


def second(command: int, kind: int, data: bytes) -> bytes:
    """Return a header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, kind, len(data)) + data


@st.composite
def headers(draw: Any) -> tuple[bytes, Any]:
    """Return a header, and the client that it names."""
    version = draw(st.sampled_from([4, 6]))
    source, target = (draw(st.ip_addresses(v=version)) for _ in range(2))
    ports = draw(PORTS), draw(PORTS)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    host = socket.inet_ntop(family, source.packed)
    client = (host, ports[0]) if version == 4 else (host, ports[0], 0, 0)
    if draw(st.booleans()):
        return first(f"TCP{version}", source, target, *ports), client
    tlvs = draw(st.binary(max_size=300))
    data = source.packed + target.packed + struct.pack("!HH", *ports) + tlvs
    return second(0x21, 0x11 if version == 4 else 0x21, data), client


def fed(data: bytes, sizes: list[int]) -> tuple[Header, int]:
    """Feed a header in pieces of these sizes, as recv(MSG_PEEK) gives them; return what it took."""
    header, at = Header(), 0
    for size in [*sizes, *[len(data)] * 3]:
        if header.is_whole or at == len(data):
            break
        taken = header.feed(data[at : at + size])
        assert 0 < taken <= size
        at += taken
    return header, at


@given(headers(), st.binary(max_size=200), st.lists(st.integers(1, 40), max_size=40))
def test_exactly(found: tuple[bytes, Any], rest: bytes, sizes: list[int]) -> None:
    """However it comes, all of a header is taken, and nothing of what follows."""
    text, client = found
    header, taken = fed(text + rest, sizes)
    assert header.is_whole
    assert len(text) == taken
    assert client == header.client


@given(
    st.binary(max_size=400)
    | st.builds(
        bytes.__add__,
        st.sampled_from([b"PROXY ", SIGNATURE, b"PROXY TCP4 "]),
        st.binary(max_size=300),
    ),
    st.lists(st.integers(1, 40), max_size=40),
)
def test_anything(data: bytes, sizes: list[int]) -> None:
    """Whatever comes, it is a header, the beginning of one, or refused."""
    try:
        header, taken = fed(data, sizes)
    except MalformedError:
        return
    assert header.is_whole or taken == len(data)
    if isinstance(header.client, tuple):
        assert ipaddress.ip_address(header.client[0])
        assert 0 <= header.client[1] <= 65535


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 \u0661 2\r\n".encode(),
        b"PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY UNKNOWN " + b"x" * V1_MOST + b"\r\n",
        second(0x11, 0x11, bytes(12)),
        second(0x22, 0x11, bytes(12)),
        second(0x21, 0x41, bytes(12)),
        second(0x21, 0x13, bytes(12)),
        second(0x21, 0x11, bytes(11)),
        second(0x21, 0x21, bytes(35)),
        second(0x21, 0x31, bytes(215)),
    ],
)
def test_malformed(text: bytes) -> None:
    """What is not exactly a header is refused, also when it comes byte by byte."""
    for size in (len(text), 1):
        with pytest.raises(MalformedError):
            fed(text, [size] * len(text))


@pytest.mark.parametrize(
    "text",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff:f...f:ffff 65535 whatever\r\n",
        second(0x20, 0x00, b""),
        second(0x20, 0x11, bytes(12)),
        second(0x20, 0xFF, b"TLV"),
        second(0x21, 0x00, b""),
        second(0x21, 0x00, bytes(100)),
        second(0x21, 0x12, bytes(12)),
        second(0x21, 0x31, bytes(216)),
    ],
)
def test_who_has_connected(text: bytes) -> None:
    """LOCAL and UNKNOWN leave the client to be who has connected."""
    header, taken = fed(text + b"rest", [1] * len(text))
    assert header.is_whole
    assert header.client is None
    assert len(text) == taken


def test_paths() -> None:
    """A client of a Unix socket is its path, as Python's sockets have it."""
    for name, expected in ((b"/run/client", "/run/client"), (b"\0name", b"\0name")):
        header = Header()
        header.feed(second(0x21, 0x31, name.ljust(108, b"\0") + bytes(108)))
        assert expected == header.client


@pytest.mark.parametrize("size", [1, 7, 4096, 65551])
def test_the_longest(size: int) -> None:
    """A header is as long as its length can say, however it comes, and no longer."""
    data = bytes.fromhex("c0000207c6336401126701bb").ljust(65535, b"\x04")
    header, taken = fed(second(0x21, 0x11, data) + b"rest", [size] * 65551)
    assert (True, 65551) == (header.is_whole, taken)
    assert ("192.0.2.7", 4711) == header.client


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300), st.binary(max_size=20))
def test_each_command_and_family(command: int, kind: int, data: bytes, rest: bytes) -> None:
    """Whatever version, command and family are named, nothing is read beyond the length."""
    text = second(command, kind, data)
    try:
        header, taken = fed(text + rest, [1] * len(text))
    except MalformedError:
        return
    assert (True, len(text)) == (header.is_whole, taken)
    assert command == 0x21 or header.client is None
