"""Sandboxes that stop programs: doctor names the line and the need, and its commands open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from activator.common.symptoms import symptoms
from activator.generate import hardening, specfile
from activator.generate.render import render
from activator.live.doctor import sandbox
from tests.boxes.box import Box
from tests.support.doctor import PATH, UNITS, found, mend

INSIDE = Path(__file__).parents[1] / "boxes/inside"
PROGRAM = "/opt/stopped.py"
# Answers every question for the address of a name.
RESOLVER = """\
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    question, peer = server.recvfrom(512)
    end = question.index(b"\\0", 12) + 5
    record = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\xc0\\0\\2\\1"
    head = question[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0"
    server.sendto(head + question[12:end] + record, peer)
"""


class Case(NamedTuple):
    """A symptom made real.

    Attributes:
        act: What the program does.
        need: The need that opens it.
        lines: The directives that are named.
        needs: What the spec names already.
        settings: Further lines of [service].
    """

    act: str
    need: str
    lines: tuple[str, ...]
    needs: tuple[str, ...] = ()
    settings: str = ""


CASES = {
    "resolve": Case("resolve", "network", ("PrivateNetwork", "RestrictAddressFamilies")),
    "meminfo": Case("read /proc/meminfo", "system-info", ("ProcSubset",)),
    "process": Case("read /proc/1/status", "processes", ("ProtectProc",)),
    "state": Case("write /var/lib/guest/x", "state:guest", ("ProtectSystem",)),
    "cache": Case("write /var/cache/ill/x", "cache", ("ProtectSystem",)),
    "logs": Case("write /var/log/ill/x", "logs", ("ProtectSystem",)),
    "runtime": Case("write /run/illdir/x", "runtime", ("DynamicUser",)),
    "write": Case("write /srv/data/x", "write:/srv/data", ("ProtectSystem",)),
    "sqlite": Case("database", "state", ("ProtectSystem",)),
    "home": Case("read /home/anna/file", "read:/home/anna/file", ("ProtectHome",)),
    "tmp": Case("read /tmp/theirs", "read:/tmp/theirs", ("PrivateTmp",)),
    "device": Case("device /dev/probe", "devices:/dev/probe", ("PrivateDevices",)),
    "shared": Case("read /dev/shm/theirs", "ipc", ("PrivateIPC", "TemporaryFileSystem")),
    "program": Case("program", "exec:/tmp", ("NoExecPaths",)),
    "group": Case("read /srv/for-adm", "group:adm", ("SupplementaryGroups",)),
    "owner": Case("read /srv/for-games", "user:games", ("DynamicUser",)),
    "memory": Case("memory", "jit", ("MemoryDenyWriteExecute",)),
    "trap": Case("trap", "jit", ("MemoryDenyWriteExecute",)),
    "hostname": Case("hostname", "hostname", ("ProtectHostname",)),
    "ring": Case("ring", "io-uring", ("SystemCallFilter",)),
    "affinity": Case("affinity", "resources", ("SystemCallFilter",)),
    "namespace": Case("namespace", "namespaces", ("RestrictNamespaces",)),
    "chown": Case("chown", "syscalls:@chown", ("SystemCallFilter",)),
    "bind": Case("bind 7996", "listen:7996", ("SocketBindDeny",), ("network",)),
    "netlink": Case("netlink", "family:AF_NETLINK", ("RestrictAddressFamilies",)),
    "unix": Case("unix /run/systemd/journal/dev-log", "unix", ("RestrictAddressFamilies",)),
    "connect": Case("connect 127.0.0.1", "network", ("RestrictAddressFamilies",)),
    "route": Case(
        "connect 192.0.2.10",
        "network",
        ("PrivateNetwork",),
        settings='RestrictAddressFamilies = "AF_INET AF_INET6"\n',
    ),
    "threads": Case("threads", "", ("LimitNPROC",), settings="LimitNPROC = 4\n"),
    "cgroup": Case("group", "cgroups", ("ProtectControlGroups",)),
    "kernel": Case(
        "rewrite /proc/sys/net/ipv4/ip_default_ttl",
        "kernel-settings",
        ("ProtectKernelTunables",),
        ("user:root", "system-info"),
    ),
}


@contextmanager
def confined(box: Box, case: Case) -> Iterator[None]:
    """Have ill.socket and a strict service that does what a case says."""
    needs = ", ".join(f'"{need}"' for need in case.needs)
    spec = (
        f'name = "ill"\nmode = "shared"\nsystemd = {min(box.version, 262)}\n'
        f'exec = "/usr/bin/python3 -B {PROGRAM} {case.act}"\nneeds = [{needs}]\n'
        f"[service]\n{case.settings}"
        f'[sockets.ill]\nListenStream = "{PATH}"\n'
    )
    with box.units(render(specfile.loads(spec))):
        box.systemctl("start", "ill.socket")
        try:
            yield
        finally:
            box.systemctl("stop", "ill.socket", "ill.service", check=False)
            box.run("rm", "-rf", f"{UNITS}/ill.service.d")


@pytest.fixture(scope="module")
def furnished(box: Box) -> Iterator[None]:
    """Have the files in the box that the program looks for."""
    box.write(PROGRAM, (INSIDE / "stopped.py").read_text())
    box.write("/root/resolver.py", RESOLVER)
    before = box.read("/etc/resolv.conf")
    box.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    box.run("sh", "-euc", FURNISH)
    with box.units(
        {"resolver.service": "[Service]\nExecStart=/usr/bin/python3 /root/resolver.py\n"}
    ):
        box.systemctl("start", "resolver.service")
        yield
    box.run("sh", "-c", CLEAR)
    box.write("/etc/resolv.conf", before)


FURNISH = """
mkdir -p /srv/data /home/anna /var/lib/guest /var/cache/ill /var/log/ill /run/illdir
chmod 0777 /srv/data; chmod 0755 /home/anna
for file in /home/anna/file /tmp/theirs /dev/shm/theirs; do echo text >$file; chmod 0644 $file; done
echo text >/srv/for-adm; chgrp adm /srv/for-adm; chmod 0640 /srv/for-adm
echo text >/srv/for-games; chown games: /srv/for-games; chmod 0600 /srv/for-games
mknod -m 0666 /dev/probe c 1 5
ip address add 192.0.2.9/24 dev lo
"""
CLEAR = f"""
rm -rf /srv/data /srv/for-* /home/anna /tmp/theirs /dev/shm/theirs /dev/probe {PROGRAM}
rm -rf /var/lib/private/ill /var/lib/ill /var/lib/private/guest /var/lib/guest /root/resolver.py
rm -rf /run/illdir /var/cache/private/ill /var/cache/ill /var/log/private/ill /var/log/ill
ip address delete 192.0.2.9/24 dev lo
"""


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("kind", CASES)
def test_a_sandbox_that_stops_a_program(kind: str, box: Box) -> None:
    """The line of the unit and the need are named, and opening it has the program serve."""
    case = CASES[kind]
    if box.suite != "trixie":
        pytest.skip("one systemd is enough: that the needs open is tested on all")
    with confined(box, case):
        box.run("socat", "-u", "OPEN:/dev/null", f"UNIX-CONNECT:{PATH}", check=False)
        finding = found(box, "sandbox")
        evidence = "\n".join(finding["evidence"])
        for line in case.lines:
            assert line in finding["message"]
            assert f"{UNITS}/ill.service:" in evidence or line == "SupplementaryGroups"
        wanted = f'needs = ["{case.need}"]' if case.need else "[service]"
        assert f"# in a spec: {wanted}, and install it anew; or here:" == finding["commands"][0]
        mend(box, finding)
        connect = ("socat", "-u", f"UNIX-CONNECT:{PATH}", "-")
        box.wait_for(lambda: "served" == box.run(*connect, check=False).stdout, "an answer")


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("database_in /srv/data", "it has StateDirectory=ill: have it open its files below $STATE"),
        ("write /srv/x", "/srv belongs to a user that the service does not run as"),
    ],
)
def test_a_need_that_would_not_do(act: str, told: str, box: Box) -> None:
    """A directory that it has is to be used; one that is not its user's stays closed to it."""
    if box.suite != "trixie":
        pytest.skip("one systemd is enough: that the needs open is tested on all")
    with confined(box, Case(act, "", (), ("state",))):
        box.run("socat", "-u", "OPEN:/dev/null", f"UNIX-CONNECT:{PATH}", check=False)
        first, *others = found(box, "sandbox")["commands"]
        assert first.startswith(f"# {told}")
        assert not any("StateDirectory" in line for line in others)


def test_every_opening_is_what_a_need_does() -> None:
    """What a drop-in sets stands in the table of needs, or of privileges, for that need."""
    for row in sandbox.openings():
        name = row.opening.partition("=")[0]
        needs = [need for need in hardening.needs().values() if need.name == row.need]
        assert bool(needs) == bool(row.need), row
        effects = [
            hardening.effect(need, "/home/x" if row.below.startswith("/") else "x")
            for need in needs
        ]
        known = {name for effect in effects for part in effect for name in part}
        # A privilege's lines depend on which it is; these needs work by taking words away.
        known |= {"exec": {"ExecPaths"}, "user": {"User", "DynamicUser"}}.get(row.need, set())
        assert not needs or name in known, row


def test_every_symptom_has_an_opening_and_is_tried() -> None:
    """No row of the table stands there unused."""
    opened = {row.need for row in sandbox.openings()}
    tried = {case.need.partition(":")[0] for case in CASES.values()}
    untried = {"clock", "kernel-log"}  # boxes do not have these privileges to give
    for symptom in symptoms():
        assert symptom.need.partition(":")[0] in opened
        assert symptom.need.partition(":")[0] in tried | untried, symptom
