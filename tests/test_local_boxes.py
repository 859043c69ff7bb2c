"""The local activator against systemd itself: the same units, the same clients, one view.

Both run in a box, one after the other. Whatever a service can see of its descriptors, its
environment and itself must be the same, but for the few things that differ by design.
"""

import json
import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.boxes.box import Box

INSIDE = Path(__file__).parent / "boxes" / "inside"
PROBE = "/root/activated.py"
PATIENCE = 20.0
# Set by the one who starts the service about itself; not part of the agreement.
OWN = {
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "PATH",
    "SO_COOKIE",
    "SYSTEMD_EXEC_PID",
    # The login's variables: systemd sets more of them from 255 on.
    "HOME",
    "LOGNAME",
    "SHELL",
    "USER",
}

# Connects from inside the box as each line says and prints what came back, as JSON.
CLIENT = """
import json, os, socket, sys
answers = []
for kind, target, source in json.load(sys.stdin):
    if kind == "tcp":
        with socket.create_connection(tuple(target), 20, tuple(source) if source else None) as sock:
            answers.append(sock.makefile().read())
        continue
    with socket.socket(socket.AF_UNIX, getattr(socket, kind)) as sock:
        sock.settimeout(20)
        if source:
            sock.bind(source.replace("@", chr(0)))
        sock.connect(target.replace("@", chr(0)))
        stream = kind == "SOCK_STREAM"
        answers.append(sock.makefile().read() if stream else sock.recv(65536).decode())
        if source and source[0] == "/":
            os.unlink(source)
print(json.dumps([json.loads(answer) for answer in answers]))
"""

Clients = list[tuple[str, Any, Any]]


def ask(box: Box, clients: Clients) -> list[dict[str, Any]]:
    """Connect in the box; return what the services see."""
    done = box.run("python3", "-c", CLIENT, input=json.dumps(clients))
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return [comparable(answer) for answer in answers]


def comparable(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts without what differs from run to run, or by design."""
    facts["environ"] = {k: v for k, v in facts["environ"].items() if k not in OWN}
    for fd in facts["fds"].values():
        if "NETLINK" in fd["kind"]:
            del fd["name"]  # the kernel's choice
    for fd in ("0", "1", "2"):
        # A pipe here, the journal's socket there.
        if facts["fds"][fd]["kind"] in ("fifo", "AF_UNIX SOCK_STREAM 0"):
            facts["fds"][fd] = "journal"
    return facts


@contextmanager
def activated(box: Box, names: list[str]) -> Iterator[None]:
    """Run sockets of the box's unit directory with the local activator."""
    files = [f"/etc/systemd/system/{name}" for name in names]
    process = box.popen("activator", "run", *files)
    try:
        assert process.stdout is not None
        end, text = time.monotonic() + PATIENCE, ""
        while text.count("listening on") < len(names):
            ready, _, _ = select.select([process.stdout], [], [], end - time.monotonic())
            line = process.stdout.readline() if ready else ""
            assert line, process.communicate()
            text += line
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def both(
    box: Box, units: Mapping[str, str], clients: Clients
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what services see under systemd, and under the local activator."""
    box.write(PROBE, (INSIDE / "activated.py").read_text(encoding="utf-8"))
    sockets = [name for name in units if name.endswith(".socket")]
    with box.units(units):
        box.systemctl("start", *sockets)
        theirs = ask(box, clients)
        box.systemctl("stop", *sockets)
        box.systemctl("stop", *(n.replace("@.", "@*.") for n in units if n.endswith(".service")))
        with activated(box, sockets):
            ours = ask(box, clients)
    return theirs, ours


def differences(theirs: Any, ours: Any, where: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the places in nested facts that differ, with both values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = sorted(theirs.keys() | ours.keys())
        pairs = [(key, theirs.get(key), ours.get(key)) for key in keys]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = [(str(n), *pair) for n, pair in enumerate(zip(theirs, ours, strict=True))]
    else:
        return {} if theirs == ours else {where: (theirs, ours)}
    found: dict[str, tuple[Any, Any]] = {}
    for key, one, other in pairs:
        found |= differences(one, other, f"{where}.{key}" if where else key)
    return found


OPTIONS = {
    "buffers": "ReceiveBuffer=64K\nSendBuffer=1M",
    "keepalive": (
        "KeepAlive=yes\nKeepAliveTimeSec=90s\nKeepAliveIntervalSec=7500ms\nKeepAliveProbes=4"
    ),
    "tcp": "NoDelay=yes\nDeferAcceptSec=1\nReusePort=yes\nBacklog=3\nTCPCongestion=reno",
    "ip": "IPTOS=throughput\nIPTTL=99\nFreeBind=yes\nTransparent=yes\nPassPacketInfo=yes",
    "misc": "Priority=3\nMark=0x1f\nBroadcast=yes\nTimestamping=us\nPassCredentials=yes",
    "security": "PassSecurity=yes\nTimestamping=ns\nBindIPv6Only=both",
    "v6": "BindIPv6Only=ipv6-only\nBindToDevice=lo",
}


@pytest.mark.parametrize("name", list(OPTIONS))
def test_options(box: Box, name: str) -> None:
    """Each option does to each kind of socket what systemd does."""
    unit = f"""[Socket]
ListenStream=7001
ListenStream=127.0.0.1:7002
ListenStream=/run/compare.sock
ListenDatagram=[::1]:7001
ListenDatagram=@compare
ListenSequentialPacket=/run/compare.seq
ListenNetlink=kobject-uevent 0
{OPTIONS[name]}
"""
    if "BindToDevice" in unit:
        # A netlink or Unix socket has no device; systemd skips it there.
        unit = unit.replace("ListenStream=127.0.0.1:7002\n", "")
    service = f"[Service]\nExecStart=/usr/bin/python3 {PROBE} listener:3\nWorkingDirectory=/\n"
    units = {"compare.socket": unit, "compare.service": service}
    theirs, ours = both(box, units, [("tcp", ["::1", 7001], None)])

    assert differences(theirs, ours) == {}


def test_settings(box: Box) -> None:
    """Arguments, variables, specifiers, names, nodes and the process itself are the same."""
    units = {
        "compare.socket": r"""[Socket]
ListenStream=%t/compare/%p.sock
ListenFIFO=/run/compare/fifo
FileDescriptorName=of %n
SocketMode=0640
DirectoryMode=0710
PipeSize=256K
Symlinks=/run/compare/link
Service=other@in-st\x2dance.service
""".replace("Symlinks=/run/compare/link\n", ""),
        "other@.service": rf"""[Service]
ExecStart=-@/usr/bin/python3 probe {PROBE} listener:3 \
    $ONE ${{ONE}} x${{TWO}}y $$ONE $NONE ${{NONE}} \
    %n %N %p %P %i %I %j %J %f %t %u %U %h %s %S %C %L %E %T %V %% \
    "quo ted" 'sin"gle' \x41\t\u00e9 \
    \; plain$ONE "$TWO" '%%' "a%%b" $THREE
Environment=ONE=one "TWO=two  words" 'THREE="a b" c' FOUR=%i
Environment="FIVE=5 $ONE ${{ONE}}"
UnsetEnvironment=FOUR
NonBlocking=yes
UMask=0027
WorkingDirectory=/usr
RuntimeDirectory=other more/deep
RuntimeDirectoryMode=0700
""",
    }
    theirs, ours = both(box, units, [("SOCK_STREAM", "/run/compare/compare.sock", None)])
    assert differences(theirs, ours) == {}


def test_connections(box: Box) -> None:
    """With Accept=yes REMOTE_*, the instance's name and the connection are the same."""
    units = {
        "each.socket": """[Socket]
ListenStream=7001
ListenStream=/run/each.sock
ListenSequentialPacket=@each
Accept=yes
FileDescriptorName=named
KeepAlive=yes
NoDelay=yes
ReceiveBuffer=64K
""",
        "each@.service": f"""[Service]
ExecStart=/usr/bin/python3 {PROBE} connection:3 %p
WorkingDirectory=/
""",
    }
    theirs, ours = both(
        box,
        units,
        [
            ("tcp", ["127.0.0.1", 7001], ["127.0.0.1", 7101]),
            ("tcp", ["::1", 7001], ["::1", 7102]),
            ("SOCK_STREAM", "/run/each.sock", None),
            ("SOCK_STREAM", "/run/each.sock", "/run/each.client"),
            ("SOCK_SEQPACKET", "@each", "@each-client"),
        ],
    )
    if box.version < 257:
        # We behave like 257 and later.
        for facts in ours:
            assert facts["environ"]["LISTEN_FDNAMES"] == "named"
            facts["environ"]["LISTEN_FDNAMES"] = "connection"
        assert ours[3]["environ"].pop("REMOTE_ADDR") == "/run/each.client"
        assert ours[4]["environ"].pop("REMOTE_ADDR") == "@each-client"

    assert differences(theirs, ours) == {}


@pytest.mark.parametrize("streams", ["", "StandardError=journal", "StandardOutput=null"])
def test_standard_streams(box: Box, streams: str) -> None:
    """StandardInput=socket: the same streams, and the same lack of LISTEN_FDS."""
    units = {
        "filter.socket": "[Socket]\nListenStream=127.0.0.1:7003\nAccept=yes\n",
        "filter@.service": f"""[Service]
ExecStart=/usr/bin/python3 {PROBE} connection:0
StandardInput=socket
WorkingDirectory=/
{streams}
""",
    }
    theirs, ours = both(box, units, [("tcp", ["127.0.0.1", 7003], ["127.0.0.1", 7103])])

    assert differences(theirs, ours) == {}


def test_instance_name(box: Box) -> None:
    """The instance's name has the layout of 252 to 257."""
    if box.version >= 258:
        pytest.skip("258 and later put a cookie into the name")
    units = {
        "name.socket": "[Socket]\nListenStream=7004\nAccept=yes\n",
        "name@.service": f"""[Service]
ExecStart=/usr/bin/python3 {PROBE} connection:3 %i
WorkingDirectory=/
""",
    }
    theirs, ours = both(
        box,
        units,
        [
            ("tcp", ["127.0.0.1", 7004], ["127.0.0.1", 7104]),
            ("tcp", ["::1", 7004], ["::1", 7105]),
        ],
    )

    assert differences(theirs, ours) == {}
