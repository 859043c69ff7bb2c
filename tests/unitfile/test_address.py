"""Listen*= addresses: what parses, what is refused with which hint, and the way back."""

import shutil
import socket
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.unitfile.address import (
    NETLINK_FAMILIES,
    VSOCK_ANY,
    Address,
    ipv6_available,
    parse,
)
from activator.unitfile.kinds import KINDS

ACCEPTED = [
    # directive, text, canonical text, human text
    ("ListenStream", "80", "80", "[::]:80"),
    ("ListenStream", "+80", "80", "[::]:80"),
    ("ListenStream", "0x50", "80", "[::]:80"),
    ("ListenStream", "0120", "80", "[::]:80"),
    ("ListenStream", "127.0.0.1:7777", "127.0.0.1:7777", "127.0.0.1:7777"),
    ("ListenStream", "[::]:80", "[::]:80", "[::]:80"),
    ("ListenStream", "[0:0::1]:80", "[::1]:80", "[::1]:80"),
    ("ListenStream", "[fe80::1]:80%eth0", "[fe80::1]:80%eth0", "[fe80::1]:80%eth0"),
    ("ListenStream", "[fe80::1]:80%2", "[fe80::1]:80%2", "[fe80::1]:80%2"),
    ("ListenDatagram", "5353", "5353", "[::]:5353"),
    ("ListenStream", "/run/echo.sock", "/run/echo.sock", "/run/echo.sock"),
    ("ListenStream", "//run/./echo.sock", "/run/echo.sock", "/run/echo.sock"),
    ("ListenStream", "/var/run/echo.sock", "/run/echo.sock", "/run/echo.sock"),
    ("ListenStream", "/run/two words", "/run/two words", "/run/two words"),
    ("ListenSequentialPacket", "@name", "@name", "@name"),
    ("ListenStream", "vsock:2:1234", "vsock:2:1234", "vsock:2:1234"),
    ("ListenStream", "vsock::0", "vsock::0", "vsock::0"),
    ("ListenStream", "vsock-stream::1234", "vsock::1234", "vsock::1234"),
    ("ListenFIFO", "/run//fifo/", "/run/fifo", "/run/fifo"),
    ("ListenSpecial", "/proc/version", "/proc/version", "/proc/version"),
    ("ListenSpecial", "/dev/input/event0", "/dev/input/event0", "/dev/input/event0"),
    ("ListenNetlink", "kobject-uevent 1", "kobject-uevent 1", "netlink kobject-uevent 1"),
    ("ListenNetlink", "route  0x7", "route 7", "netlink route 7"),
    ("ListenNetlink", "9", "audit", "netlink audit"),
    ("ListenNetlink", "99", "99", "netlink 99"),
    ("ListenMessageQueue", "/queue", "/queue", "/queue"),
    ("ListenUSBFunction", "/run/ffs", "/run/ffs", "/run/ffs"),
]

REFUSED = [
    # directive, text, what the error says
    ("ListenStream", "", "give a path"),
    ("ListenStream", "0", "port 0 is out of range"),
    ("ListenStream", "127.0.0.1:0", "port 0 is out of range"),
    ("ListenStream", "65536", "port 65536 is out of range; give a port from 1 to 65535"),
    ("ListenStream", "-80", "not a port"),
    ("ListenStream", "080", "without a leading 0"),
    ("ListenStream", "localhost:80", "no host names; write the number, such as 127.0.0.1:80"),
    ("ListenStream", "example.com:80", "no host names"),
    ("ListenStream", "run/foo.sock", "not absolute; write /run/foo.sock"),
    ("ListenStream", "foo", "this is not an address"),
    ("ListenStream", "/", "the name is missing"),
    ("ListenStream", "@", "write @NAME"),
    ("ListenStream", "/run/foo/", "write /run/foo"),
    ("ListenStream", "/run/../foo", "contains .."),
    ("ListenStream", "/" + "a" * 107, "has 108 bytes, and a Unix socket takes 107"),
    ("ListenStream", "/" + "ä" * 54, "has 109 bytes"),
    ("ListenStream", "@" + "a" * 107, "has 108 bytes"),
    ("ListenStream", "::1", "write [::1]:PORT"),
    ("ListenStream", "fe80::x:80", "this is not an address"),
    ("ListenStream", "[::1]", "the port is missing; write [::1]:PORT"),
    ("ListenStream", "127.0.0.1", "the port is missing; write 127.0.0.1:PORT"),
    ("ListenStream", "127.0.0.1:http", "'http' is not a port; write 127.0.0.1:PORT"),
    ("ListenStream", "[::1]:http", "'http' is not a port"),
    ("ListenStream", "[127.0.0.1]:80", "brackets are for IPv6; write 127.0.0.1:80"),
    ("ListenStream", "127.0.0.01:80", "not an IPv4 address"),
    ("ListenStream", "127.1:80", "not an IPv4 address"),
    ("ListenStream", "*:80", "write 80 for every address"),
    ("ListenStream", "[fe80::1%eth0]:80", "the scope follows the port; write [fe80::1]:80%eth0"),
    ("ListenStream", "[fe80::1]:80%", "not an interface"),
    ("ListenStream", "[fe80::1]:80%a b", "not an interface"),
    ("ListenStream", "127.0.0.1:80%lo", "BindToDevice=lo"),
    ("ListenStream", "80%lo", "this is not an address"),
    ("ListenStream", "vsock:1234", "write vsock:CID:PORT"),
    ("ListenStream", "vsock:any:1", "vsock::PORT"),
    ("ListenStream", "vsock::4294967296", "ends at 4294967295"),
    ("ListenSequentialPacket", "127.0.0.1:80", "Unix sockets only"),
    ("ListenSequentialPacket", "vsock::1234", "Unix sockets only"),
    ("ListenFIFO", "fifo", "write /run/fifo"),
    ("ListenFIFO", "/proc/fifo", "choose a path below /run"),
    ("ListenFIFO", "/run/../fifo", "contains .."),
    ("ListenFIFO", "/" + "a" * 300, "too long"),
    ("ListenSpecial", "dev/null", "write /dev/null"),
    ("ListenSpecial", "/", "root directory"),
    ("ListenNetlink", "foo", "not a netlink family; use one of route"),
    ("ListenNetlink", "-1", "not a netlink family"),
    # More than int() takes, and more than str() does.
    ("ListenStream", "9" * 5000, "port is out of range"),
    ("ListenStream", "0x" + "f" * 5000, "port is out of range"),
    ("ListenStream", "127.0.0.1:" + "9" * 5000, "port is out of range"),
    ("ListenStream", "vsock:1:" + "9" * 5000, "ends at 4294967295"),
    ("ListenNetlink", "route " + "9" * 5000, "not a multicast group"),
    ("ListenNetlink", "route x", "not a multicast group"),
    ("ListenNetlink", "route 1 2", "not a multicast group"),
    ("ListenMessageQueue", "queue", "write /queue"),
    ("ListenMessageQueue", "/foo/bar", "write /bar"),
    ("ListenUSBFunction", "/dev/ffs", "choose a path below /run"),
]


@pytest.mark.parametrize(("directive", "text", "canonical", "human"), ACCEPTED)
def test_accepted(directive: str, text: str, canonical: str, human: str) -> None:
    """An address is read, written canonically, and shown to people."""
    address = parse(directive, text)

    assert (canonical, human) == (str(address), address.human())
    assert directive == address.directive
    assert address == parse(directive, canonical)


@pytest.mark.parametrize(("directive", "text", "part"), REFUSED)
def test_refused(directive: str, text: str, part: str) -> None:
    """A wrong address names the directive and says the right form."""
    with pytest.raises(ActivatorError) as caught:
        parse(directive, text)

    assert part in str(caught.value)
    assert str(caught.value).startswith(directive + "=")
    assert caught.value.hint


VERIFIED = [(d, t, True) for d, t, _, _ in ACCEPTED] + [(d, t, False) for d, t, _ in REFUSED]
# Read by systemd and of no use all the same: skipped by others than 252, never opened, or
# an interface that only the target has.
LENIENT = {
    ("ListenStream", "vsock-stream::1234"),
    ("ListenStream", "[fe80::1]:80%eth0"),
    ("ListenStream", "127.0.0.1:80%lo"),
    ("ListenStream", "/run/foo/"),
    ("ListenStream", "/run/../foo"),
    ("ListenFIFO", "/proc/fifo"),
    ("ListenSpecial", "/"),
    ("ListenMessageQueue", "/foo/bar"),
    ("ListenUSBFunction", "/dev/ffs"),
}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_agrees_with_systemd(tmp_path: Path) -> None:
    """systemd-analyze reads and skips the same lines."""
    expected = {}
    for number, (directive, text, good) in enumerate(VERIFIED):
        if (directive, text) in LENIENT or not text:
            continue
        expected[f"u{number}"] = (directive, text, good)
        unit = f"[Socket]\nListenStream=@x\n{directive}={text.replace('%', '%%')}\n"
        (tmp_path / f"u{number}.socket").write_text(unit)
        (tmp_path / f"u{number}.service").write_text("[Service]\nExecStart=/bin/true\n")
    sockets = sorted(tmp_path.glob("*.socket"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sockets],
        capture_output=True,
        text=True,
        check=False,
    )
    skipped = {
        name
        for name in expected
        for line in done.stderr.splitlines()
        # From 257 on it tells that it reads /var/run as /run.
        if "legacy directory" not in line
        if f"/{name}.socket" in line or f"{name}.socket:" in line
    }

    assert [c for n, c in expected.items() if c[2] != (n not in skipped)] == []


PORTS = st.integers(1, 65535)
NAMES = st.text(string.ascii_letters + string.digits + "-_. :%äß", min_size=1, max_size=40).filter(
    lambda name: name == name.strip() and name not in (".", "..")
)
SCOPES = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=15)
SOCKETS = st.one_of(
    st.builds(str, PORTS),
    st.builds("{}:{}".format, st.ip_addresses(v=4), PORTS),
    st.builds("[{}]:{}".format, st.ip_addresses(v=6), PORTS),
    st.builds("[{}]:{}%{}".format, st.ip_addresses(v=6), PORTS, SCOPES),
    st.builds("/run/{}".format, NAMES),
    st.builds("@{}".format, NAMES),
    st.builds("vsock:{}:{}".format, st.integers(0, VSOCK_ANY), st.integers(0, VSOCK_ANY)),
    st.builds("vsock::{}".format, st.integers(0, VSOCK_ANY)),
)
PATHS = st.builds("/run/{}".format, NAMES)
NETLINK = st.builds(
    "{} {}".format, st.sampled_from(sorted(NETLINK_FAMILIES)), st.integers(0, VSOCK_ANY)
)
ADDRESSES = st.one_of(
    st.tuples(st.sampled_from(["ListenStream", "ListenDatagram"]), SOCKETS),
    st.tuples(st.just("ListenSequentialPacket"), PATHS | st.builds("@{}".format, NAMES)),
    st.tuples(st.sampled_from(["ListenFIFO", "ListenSpecial", "ListenUSBFunction"]), PATHS),
    st.tuples(st.just("ListenMessageQueue"), st.builds("/{}".format, NAMES)),
    st.tuples(st.just("ListenNetlink"), NETLINK),
)


@given(ADDRESSES)
def test_round_trip(line: tuple[str, str]) -> None:
    """An address written out reads back as itself, and writing is stable."""
    directive, text = line
    address = parse(directive, text)

    assert address == parse(directive, str(address))
    assert str(address) == str(parse(directive, str(address)))


@given(st.sampled_from(sorted(KINDS)), st.text(max_size=60))
def test_any_text_is_read_or_refused(directive: str, text: str) -> None:
    """No text at all ends in anything but an address or the one error."""
    try:
        address = parse(directive, text)
    except ActivatorError:
        return
    assert address == parse(directive, str(address))


def test_sockaddr() -> None:
    """A socket address is what bind() takes."""
    index = socket.if_nametoindex("lo")

    assert parse("ListenStream", "127.0.0.1:80").sockaddr() == ("127.0.0.1", 80)
    assert parse("ListenStream", "[::1]:80%lo").sockaddr() == ("::1", 80, 0, index)
    assert parse("ListenStream", "[::1]:80%7").sockaddr() == ("::1", 80, 0, 7)
    assert parse("ListenStream", "/run/a").sockaddr() == "/run/a"
    assert parse("ListenStream", "@a").sockaddr() == "\0a"
    assert parse("ListenStream", "vsock::5").sockaddr() == (VSOCK_ANY, 5)
    assert parse("ListenNetlink", "route 5").sockaddr() == (0, 5)
    with pytest.raises(ValueError, match="not a socket"):
        parse("ListenFIFO", "/run/a").sockaddr()
    with pytest.raises(ActivatorError, match="no interface nosuch0"):
        parse("ListenStream", "[::1]:80%nosuch0").sockaddr()


def test_bare_port_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare port means [::], and 0.0.0.0 where there is no IPv6."""
    address = parse("ListenStream", "80")
    monkeypatch.setattr("activator.unitfile.address.ipv6_available", lambda: True)
    assert Address("stream", socket.AF_INET6, host="::", port=80) == address.resolved()
    monkeypatch.setattr("activator.unitfile.address.ipv6_available", lambda: False)
    assert Address("stream", socket.AF_INET, host="0.0.0.0", port=80) == address.resolved()
    assert address.sockaddr() == ("0.0.0.0", 80)
    assert isinstance(ipv6_available(), bool)


def test_properties() -> None:
    """An address knows its type, whether it makes a file and whether it accepts."""
    stream, fifo = parse("ListenStream", "/run/a"), parse("ListenFIFO", "/run/a")
    abstract, port = parse("ListenDatagram", "@a"), parse("ListenStream", "80")

    assert [a.has_node for a in (stream, fifo, abstract, port)] == [True, True, False, False]
    assert [a.accepts for a in (stream, fifo, abstract, port)] == [True, False, False, True]
    assert [a.is_ip for a in (stream, fifo, abstract, port)] == [False, False, False, True]
    assert (stream.type, fifo.type) == (socket.SOCK_STREAM, None)
    assert abstract.is_abstract


def test_import_is_light() -> None:
    """Reading addresses loads neither click nor jinja2."""
    code = "import sys, activator.unitfile.address; print({'click', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
