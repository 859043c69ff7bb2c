"""Descriptors as the real systemd passes them: every kind, both modes, and to other programs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.boxes.box import Box
from tests.runtime.test_activation_boxes import installed

# Message queues are removed: all that root has, in all boxes, count against one limit.
KINDS = """\
[Socket]
ListenStream=127.0.0.1:7801
ListenStream=/run/kinds/stream
ListenStream=@kinds
ListenSequentialPacket=/run/kinds/packets
ListenDatagram=127.0.0.1:7802
ListenFIFO=/run/kinds/fifo
ListenSpecial=/proc/sys/kernel/hostname
ListenNetlink=kobject-uevent 1
ListenMessageQueue=/kinds
FileDescriptorName=all
Backlog=77
KeepAlive=yes
NoDelay=yes
ReceiveBuffer=256K
Timestamping=ns
PassCredentials=yes
PassPacketInfo=yes
RemoveOnStop=yes
"""
# Something in the fd store, before the service itself starts.
KEEP = "import activator, os; activator.fdstore.keep('memory', os.memfd_create('kept'))"
KINDS_SERVICE = f"""\
[Service]
Type=notify
NotifyAccess=all
FileDescriptorStoreMax=2
ExecStartPre=/usr/bin/python3 -c "{KEEP}"
ExecStart=activator inspect --format json
StandardOutput=truncate:/run/kinds.json
"""
EACH = """\
[Service]
ExecStart=activator inspect --format=json
StandardOutput=truncate:/run/each.json
"""


@contextmanager
def listening(
    box: Box, name: str, socket: str, service: str, *, accept: bool = False
) -> Iterator[None]:
    """Have a socket unit listening in the body."""
    files = {f"{name}.socket": socket, f"{name}{'@' if accept else ''}.service": service}
    with box.units(files):
        box.systemctl("start", f"{name}.socket")
        yield


def options(descriptor: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a descriptor by the kernel's names."""
    return {item["option"]: item["value"] for item in descriptor["options"]}


def test_every_kind(box: Box) -> None:
    """Inspect in ExecStart= names each kind as the unit does, with what the unit has set."""
    with listening(box, "kinds", KINDS, KINDS_SERVICE):
        box.systemctl("start", "kinds.service")
        facts = json.loads(box.read("/run/kinds.json"))
        assert "clients wait for the next start" in box.show("kinds.service", "StatusText")
        box.systemctl("stop", "kinds.service")
        assert "success" == box.show("kinds.service", "Result")
    assert facts["problem"] is None
    found = facts["descriptors"]
    assert ["all"] * 9 + ["memory"] == [item["name"] for item in found]
    assert [
        ("stream", "127.0.0.1:7801"),
        ("stream", "/run/kinds/stream"),
        ("stream", "@kinds"),
        ("seqpacket", "/run/kinds/packets"),
        ("datagram", "127.0.0.1:7802"),
        ("fifo", "/run/kinds/fifo"),
        ("special", "/proc/sys/kernel/hostname"),
        ("netlink", "15 1"),
        ("mqueue", "/kinds"),
        ("special", "/memfd:kept (deleted)"),
    ] == [(item["kind"], item["address"]) for item in found]
    assert [{"waiting": 0, "limit": 77, "of": "connections"}] * 4 == [
        item["queue"] for item in found[:4]
    ]
    tcp, unix, udp = (options(found[number]) for number in (0, 1, 4))
    assert (True, True, 2 * 256 * 1024) == (
        tcp["SO_KEEPALIVE"],
        tcp["TCP_NODELAY"],
        tcp["SO_RCVBUF"],
    )
    assert (True, True) == (unix["SO_PASSCRED"], udp["IP_PKTINFO"])
    assert [True] * 5 == [options(item)["SO_TIMESTAMPNS"] for item in found[:5]]
    variables = facts["variables"]
    assert ["10", "2"] == [variables.get("LISTEN_FDS"), variables.get("FDSTORE", "2")]
    assert (box.version >= 259) == ("LISTEN_PIDFDID" in variables)


def test_vsock(box: Box) -> None:
    """A socket for virtual machines is named as in the unit."""
    port = 10_000 + box.pid  # boxes have these ports in common
    probe = f"import socket; socket.socket(socket.AF_VSOCK).bind((0xffffffff, {port}))"
    if box.run(box.python, "-c", probe, check=False).returncode:
        pytest.skip("there is no vsock here")
    unit = f"[Socket]\nListenStream=vsock::{port}\n"
    with listening(box, "kinds", unit, KINDS_SERVICE):
        box.systemctl("start", "kinds.service")
        about, _ = json.loads(box.read("/run/kinds.json"))["descriptors"]
    assert ("stream", "AF_VSOCK", f"vsock::{port}") == tuple(
        about[name] for name in ("kind", "family", "address")
    )


@pytest.mark.parametrize("address", ["TCP:127.0.0.1:7801", "UNIX:/run/each.sock"])
def test_connections_of_accept(box: Box, address: str) -> None:
    """Peer, cookie and credentials of a connection are what systemd says of it."""
    unit = "[Socket]\nListenStream=127.0.0.1:7801\nListenStream=/run/each.sock\nAccept=yes\n"
    bind = ",bind=/run/each-client" if address.startswith("UNIX") else ""
    with listening(box, "each", unit, EACH, accept=True):
        box.run("socat", "-u", address + bind, "-")  # to its end
        facts = json.loads(box.read("/run/each.json"))
        box.run("rm", "-f", "/run/each-client", "/run/each.json")
    (about,) = facts["descriptors"]
    variables = facts["variables"]
    assert ("connection", None) == (about["kind"], facts["problem"])
    if bind:
        assert "/run/each-client" == about["peer"]
        assert ("/run/each-client" if box.version >= 257 else None) == variables.get("REMOTE_ADDR")
        assert (0, 0) == (about["credentials"]["uid"], about["credentials"]["gid"])
    else:
        assert f"{variables['REMOTE_ADDR']}:{variables['REMOTE_PORT']}" == about["peer"]
    if box.version >= 258:
        assert int(variables["SO_COOKIE"]) == about["cookie"]


ECHO = """\
def echo(sock):
    data = sock.recv(100)
    if data == b"boom\\n":
        raise ValueError("boom")
    sock.sendall(data)
"""


@pytest.mark.parametrize("accept", [False, True])
def test_standard_input(box: Box, accept: bool) -> None:  # noqa: FBT001
    """The socket of StandardInput=socket is served, and errors go to the journal, to no client."""
    box.write("/srv/stdin/stdin_echo.py", ECHO)
    unit = f"[Socket]\nListenStream=/run/stdin.sock\nAccept={'yes' if accept else 'no'}\n"
    service = (
        "[Service]\nExecStart=activator serve --app-dir /srv/stdin stdin_echo:echo\n"
        f"StandardInput=socket\n{'' if accept else 'Type=notify'}\n"
    )
    with listening(box, "stdin", unit, service, accept=accept):
        for text, answer in (("hello\n", "hello\n"), ("boom\n", "")):
            asked = box.run("socat", "-t120", "-", "UNIX:/run/stdin.sock", input=text)
            assert answer == asked.stdout
        name = "stdin@*.service" if accept else "stdin.service"
        box.wait_for(lambda: "ValueError: boom\nTraceback" in box.journal(name), "the record")


# Other programs.

SHOW = """\
import json, os, sys
from systemd import daemon
found = daemon.listen_fds_with_names(unset_environment=False)
with open(sys.argv[1], "w") as file:
    json.dump([list(found.values()), os.environ.get("LISTEN_PIDFDID")], file)
"""
WRAPPER = """\
#!/bin/sh
/usr/bin/python3 /root/show.py /run/lost.json
sh -c 'LISTEN_PID=$$ exec /usr/bin/python3 /root/show.py /run/half.json'
sh -c 'LISTEN_PID=$$ exec activator exec -- /usr/bin/python3 /root/show.py /run/whole.json'
activator exec -- /usr/bin/python3 /root/show.py /run/found.json
activator exec --listen-fds two -- /usr/bin/python3 /root/show.py /run/chosen.json
true
"""


def test_wrapper_that_forks(box: Box) -> None:
    """A script loses the descriptors of what it starts; through ``activator exec`` they are there.

    The judge is libsystemd itself, which from 259 on checks LISTEN_PIDFDID as well.
    """
    box.write("/root/show.py", SHOW)
    box.write("/root/wrapper", WRAPPER, 0o755)
    service = "[Service]\nType=oneshot\nExecStart=/root/wrapper\nSockets=one.socket two.socket\n"
    sockets = {
        f"{name}.socket": f"[Socket]\nListenStream=/run/{name}.sock\nFileDescriptorName={name}\n"
        "Service=wrapped.service\n"
        for name in ("one", "two")
    }
    with box.units({**sockets, "wrapped.service": service}):
        box.systemctl("start", *sockets)
        box.systemctl("start", "wrapped.service")
        names = ("lost", "half", "whole", "found", "chosen")
        told = {name: json.loads(box.read(f"/run/{name}.json")) for name in names}
    assert [] == told["lost"][0]
    # A wrapper that knows LISTEN_PID alone was right before 259.
    assert ([] if box.version >= 259 else ["one", "two"]) == sorted(told["half"][0])
    assert ["one", "two"] == sorted(told["whole"][0]) == sorted(told["found"][0])
    assert ["two"] == told["chosen"][0]
    if box.version >= 259:
        assert told["lost"][1] == told["half"][1]
        assert 4 == len({told[name][1] for name in ("lost", "whole", "found", "chosen")})
    else:
        assert {None} == {pidfd for _, pidfd in told.values()}


NGINX = """\
daemon off;
pid /run/through-nginx.pid;
events {}
http {
    access_log off;
    server { listen 127.0.0.1:7804; listen unix:/run/through.sock; return 200 "hello\\n"; }
}
"""
UVICORN = """\
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello\\n"})
"""
THROUGH = """\
[Socket]
ListenStream=127.0.0.1:7804
ListenStream=/run/through.sock
FileDescriptorName=http
"""


def fetched(box: Box) -> set[str]:
    """Ask both sockets with curl, twice each."""
    curl = ("curl", "--silent", "--max-time", "120", "http://127.0.0.1:7804/")
    options_ = ((), ("--unix-socket", "/run/through.sock"))
    return {box.run(*curl, *more).stdout for more in options_ * 2}


def test_nginx(box: Box) -> None:
    """Nginx serves both sockets, and a restart loses neither."""
    box.write("/etc/through.conf", NGINX)
    service = (
        "[Service]\nExecStart=activator exec --env 'NGINX={fds:http:;};' -- "
        "/usr/sbin/nginx -e stderr -c /etc/through.conf\n"
    )
    with listening(box, "through", THROUGH, service):
        assert {"hello\n"} == fetched(box)
        box.systemctl("restart", "through.service")
        assert {"hello\n"} == fetched(box)


def test_uvicorn(box: Box) -> None:
    """Uvicorn serves the one of two sockets that it is given by number."""
    files = {"served.py": UVICORN}
    for package in ("uvicorn", "h11"):
        found = find_spec(package)
        if found is None or found.origin is None:
            pytest.skip(f"{package} is not installed")
        home = Path(found.origin).parent
        for path in home.rglob("*.py"):
            files[str(path.relative_to(home.parent))] = path.read_text()
    box.run("mkdir", "-p", *{f"/srv/uvicorn/{Path(name).parent}" for name in files})
    box.write_all(PurePosixPath("/srv/uvicorn"), files)
    service = (
        "[Service]\nWorkingDirectory=/srv/uvicorn\n"
        "ExecStart=activator exec -- /usr/bin/python3 -m uvicorn --fd {fd:http:1} served:app\n"
    )
    with listening(box, "through", THROUGH, service):
        url = ("--max-time", "120", "--unix-socket", "/run/through.sock", "http://localhost/")
        assert "hello\n" == box.run("curl", "--silent", *url).stdout
    box.run("rm", "-rf", "/srv/uvicorn")


# What is served besides connections, closed in as generated.

BUS = """\
import sys, time

def say(*words):
    print(*words, flush=True)

def lines(stream):
    for line in stream:
        say("line", line.decode().strip())

def queue(message, priority):
    say("queued", message.decode(), priority)

def event(data, addr):
    say("event", addr[0], data.split(b"\\0")[0].decode())

def datagram(data, addr):
    age = time.time_ns() - data.timestamp_ns
    return b"%s %s %d" % (data, data.destination.encode(), 0 < age < 60 * 10**9)
"""
BUS_SPEC = """\
name = "bus"
app-dir = "/srv/bus"
idle-exit = "1s"

[handler]
fifo = "bus:lines"
queue = "bus:queue"
events = "bus:event"
datagrams = "bus:datagram"

[sockets.fifo]
ListenFIFO = "/run/bus.fifo"
[sockets.queue]
ListenMessageQueue = "/bus"
RemoveOnStop = true
[sockets.events]
ListenNetlink = "kobject-uevent 1"
[sockets.datagrams]
ListenDatagram = "127.0.0.1:7805"
PassPacketInfo = true
Timestamping = "ns"
"""
SEND = """\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
queue = libc.mq_open(b"/bus", os.O_WRONLY)
assert libc.mq_send(queue, b"hello", 5, 7) == 0, os.strerror(ctypes.get_errno())
"""
ASK = """\
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(120)
for number in range(100):
    sock.sendto(b"%d" % number, ("127.0.0.1", 7805))
answers = [sock.recv(100).decode() for _ in range(100)]
assert answers == [f"{number} 127.0.0.1 1" for number in range(100)], answers
"""
UEVENT = Path("/sys/devices/virtual/mem/null/uevent")


def test_messages_and_lines(box: Box) -> None:
    """A hardened service takes lines, queued messages, uevents and datagrams; none is lost."""
    box.write("/srv/bus/bus.py", BUS)
    with installed(box, BUS_SPEC) as files:
        box.systemctl("start", *(name for name in files if name.endswith(".socket")))
        for turn in (1, 2):
            # The first message of each turn starts it.
            box.run(box.python, "-c", SEND)
            box.run("sh", "-c", "for n in 1 2 3; do echo $n >/run/bus.fifo; done")
            box.run(box.python, "-c", ASK)
            UEVENT.write_text("change")
            for line in ("queued hello 7", "line 3", "event 0 change@/devices/virtual/mem/null"):
                await_line(box, line, turn)
            box.wait_state("bus.service", "inactive")
        assert [f"line {number}" for number in (1, 2, 3)] * 2 == [
            line for line in said(box).splitlines() if line.startswith("line ")
        ]
        assert "success" == box.show("bus.service", "Result")
        assert "Traceback" not in said(box)


def await_line(box: Box, line: str, count: int) -> None:
    """Wait until the service has written a line so often, or more."""
    box.wait_for(lambda: said(box).splitlines().count(line) >= count, line)


def said(box: Box) -> str:
    """Return what the service has written."""
    return box.journal("bus.service")
