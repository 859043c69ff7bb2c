"""inetd and xinetd serve their configuration, systemd the adopted one: clients see the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from activator.adopt.model import Adopted
from activator.adopt.sources import Taker
from activator.generate import render, specfile
from tests.boxes.box import Box
from tests.boxes.fixtures import box_root
from tests.boxes.recipes import SUPERSERVERS

pytestmark = pytest.mark.stress
SUITE = "bookworm"
# Asks each client's question, and prints what came back until the end, as Python has bytes.
ASK = """\
import json, socket, sys
for kind, host, port, said, others in json.load(sys.stdin):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = [socket.create_connection((host, port), 60) for _ in range(others)]
    for each in held:  # which are served, once they are answered
        each.sendall(b"x\\n")
        assert each.recv(2) == b"x\\n"
    with socket.socket(family, getattr(socket, kind)) as client:
        client.settimeout(60)
        try:
            client.connect((host, port))
            client.sendall(said.encode())
            if kind == "SOCK_DGRAM":
                print(client.recv(65536))
                continue
            client.shutdown(socket.SHUT_WR)
            got = b""
            while data := client.recv(65536):
                got += data
            print("refused" if held and not got else got)
        except OSError as error:
            print("refused" if held else type(error).__name__)
    for each in held:
        each.close()
"""
# A program of inetd's `wait`: it answers one datagram, then ends.
ANSWER = """\
#!/usr/bin/python3
import socket
with socket.socket(fileno=0) as waiting:
    data, sender = waiting.recvfrom(65536)
    waiting.sendto(data.upper(), sender)
"""
# The same for connections: it accepts one.
ACCEPT = """\
#!/usr/bin/python3
import socket
with socket.socket(fileno=0) as waiting:
    client, _ = waiting.accept()
    with client:
        client.sendall(client.recv(65536).upper())
"""
TELL = """\
#!/bin/sh
echo "$0 $*"
id -un
id -gn
umask
nice
ulimit -n
echo "$A"
pwd
echo wrong >&2
"""
PROGRAMS = {"answer": ANSWER, "accept": ACCEPT, "tell": TELL}


class Case(NamedTuple):
    """A service of a super-server.

    Attributes:
        port: Where it listens.
        line: inetd's fields behind the port, or xinetd's attributes.
        said: What the client sends.
        host: Where the client connects.
        kind: The type of its socket.
        held: How many other clients are served meanwhile.
    """

    port: int
    line: str
    said: str = "hello\n"
    host: str = "127.0.0.1"
    kind: str = "SOCK_STREAM"
    held: int = 0


INETD = (
    Case(7001, "stream tcp nowait nobody /usr/bin/tr tr a-z A-Z"),
    Case(7002, "stream tcp nowait nobody:daemon /opt/t/tell tell one $x 100% a;b"),
    Case(7003, "stream tcp nowait nobody.daemon /opt/t/tell tell"),
    Case(7004, "dgram udp wait nobody /opt/t/answer answer", kind="SOCK_DGRAM"),
    Case(7005, "stream tcp wait nobody /opt/t/accept accept"),
    Case(7006, "stream tcp6 nowait root /bin/cat cat", host="::1"),
    Case(7006, "", host="127.0.0.1"),
    Case(7007, "stream tcp4 nowait root /bin/cat cat -n"),
    Case(7007, "", host="::1"),
    Case(7008, "stream tcp,rcvbuf=64k,sndbuf=64k nowait.90 root /bin/cat cat", host="::1"),
    Case(7009, "stream tcp nowait root /usr/sbin/tcpd /bin/cat -n"),
)
_XINETD = "socket_type = stream\nwait = no\nuser = nobody\n"
XINETD = (
    Case(7101, f"{_XINETD}server = /usr/bin/tr\nserver_args = a-z A-Z"),
    Case(7102, f"{_XINETD}server = /opt/t/tell\nserver_args = one $x 100% a;b\ngroup = daemon"),
    Case(7103, f"{_XINETD}server = /opt/t/tell\nnice = 5\numask = 077\nenv = A=%i"),
    Case(7104, f"{_XINETD}server = /opt/t/tell\nrlimit_files = 300\nflags = REUSE NODELAY"),
    Case(
        7105,
        "socket_type = dgram\nprotocol = udp\nwait = yes\nuser = nobody\nserver = /opt/t/answer",
        kind="SOCK_DGRAM",
    ),
    Case(7106, "socket_type = stream\nwait = yes\nuser = nobody\nserver = /opt/t/accept"),
    Case(7107, f"{_XINETD}server = /bin/cat\nbind = 127.0.0.1"),
    Case(7107, "", host="127.0.0.2"),
    Case(7108, f"{_XINETD}server = /bin/cat\nflags = IPv4", host="::1"),
    Case(7109, f"{_XINETD}server = /bin/cat\nflags = IPv6", host="::1"),
    Case(7110, f"{_XINETD}server = /bin/cat\nonly_from = 127.0.0.0"),
    Case(7111, f"{_XINETD}server = /bin/cat\ndisable = yes"),
    Case(7112, f"{_XINETD}redirect = 127.0.0.1 7101"),
    Case(7113, f"{_XINETD}flags = NAMEINARGS\nserver = /bin/cat\nserver_args = cat -n"),
    Case(7115, f"{_XINETD}server = /bin/cat\ninstances = 2", held=1),
    Case(7116, f"{_XINETD}server = /bin/cat\ninstances = 2", held=2),
    Case(7117, f"{_XINETD}server = /bin/cat\nper_source = 3", held=2),
    Case(7118, f"{_XINETD}server = /bin/cat\nper_source = 3", held=3),
    Case(7114, f"{_XINETD}server = /opt/t/tell\npassenv =\ninstances = 5\nper_source = 2"),
)


@pytest.fixture(scope="module")
def machine() -> Iterator[Box]:
    """Yield a box that has both, and the programs that they run."""
    with Box(SUITE, box_root(SUITE, SUPERSERVERS)) as made:
        for name, text in PROGRAMS.items():
            made.write(f"/opt/t/{name}", text, 0o755)
        yield made


def asked(box: Box, cases: tuple[Case, ...]) -> list[str]:
    """Return what the clients see."""
    questions = json.dumps(
        [(each.kind, each.host, each.port, each.said, each.held) for each in cases]
    )
    return box.run("python3", "-c", ASK, input=questions, timeout=600).stdout.splitlines()


def old(box: Box, cases: tuple[Case, ...], *argv: str) -> list[str]:
    """Return what clients see of a super-server that runs as a service of its own."""
    unit = "old-superserver.service"
    box.run("systemd-run", "--collect", f"--unit={unit}", "--property=Type=exec", *argv)
    ports = {str(each.port) for each in cases if each.line and "disable" not in each.line}
    box.wait_for(lambda: ports <= listening(box), "the super-server listens")
    try:
        return asked(box, cases)
    finally:
        box.systemctl("stop", unit)
        box.wait_for(lambda: not ports & listening(box), "its ports are free")


def listening(box: Box) -> set[str]:
    """Return the ports on which something listens."""
    return set(re.findall(r":(\d+)\s", box.run("ss", "-Hltun").stdout))


def adopted(box: Box, cases: tuple[Case, ...], found: list[Adopted]) -> list[str]:
    """Return what clients see of systemd with the adopted configuration."""
    texts: dict[str, str] = {}
    for one in found:
        if one.draft:
            texts |= render.render(specfile.loads(one.text))
    with box.units(texts):
        box.systemctl("start", *(name for name in texts if name.endswith(".socket")))
        return asked(box, cases)


def test_inetd(machine: Box, tmp_path: Path) -> None:
    """What openbsd-inetd serves, systemd serves alike."""
    text = "".join(f"{each.port} {each.line}\n" for each in INETD if each.line)
    (tmp_path / "inetd.conf").write_text(text)
    machine.write("/etc/inetd.conf", text)
    theirs = old(machine, INETD, "/usr/sbin/inetd", "-i", "/etc/inetd.conf")
    ours = adopted(machine, INETD, list(Taker().words([f"{tmp_path}/inetd.conf"])))
    assert dict(zip(INETD, ours, strict=True)) == dict(zip(INETD, theirs, strict=True))


def test_xinetd(machine: Box, tmp_path: Path) -> None:
    """What xinetd serves, systemd serves alike."""
    text = "defaults\n{\n}\n" + "".join(
        f"service s{each.port}\n{{\ntype = UNLISTED\nprotocol = tcp\nport = {each.port}\n"
        f"{each.line}\n}}\n"
        for each in XINETD
        if each.line
    ).replace("protocol = tcp\nport = 7105", "port = 7105")
    (tmp_path / "xinetd.conf").write_text(text)
    machine.write("/etc/xinetd.conf", text)
    theirs = old(machine, XINETD, "/usr/sbin/xinetd", "-dontfork", "-f", "/etc/xinetd.conf")
    ours = adopted(machine, XINETD, list(Taker().words([f"{tmp_path}/xinetd.conf"])))
    assert dict(zip(XINETD, ours, strict=True)) == dict(zip(XINETD, theirs, strict=True))
