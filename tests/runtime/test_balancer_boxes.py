"""HAProxy before two services of a booted systemd: it leaves each before that ends."""

import csv
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import LEARN

pytestmark = pytest.mark.stress

NAMES = ("one", "two")
SHOP = '''\
async def app(scope, receive, send):
    """Tell who the client is."""
    body = scope["client"][0].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
'''
# Long enough for a machine that stands still for a while.
DELAY = 10
WEB = """\
name = "{name}"
asgi = "shop:app"
app-dir = "/srv/shop"
proxy-protocol = ["local"]
health = "/health"
drain-delay = {delay}
{more}
sockets.http.ListenStream = "127.0.0.1:800{number}"
"""
ECHO = """\
name = "{name}"
handler = {{ echo = "activator.examples.echo:echo", agent = "activator.examples.agent:agent" }}
drain-delay = {delay}
{more}
sockets.echo.ListenStream = "127.0.0.1:800{number}"
sockets.agent.ListenStream = "127.0.0.1:810{number}"
"""
HAPROXY = """\
global
    stats socket /run/haproxy-stats
    log stdout format raw local0 notice
defaults
    mode {mode}
    log global
    timeout connect 60s
    timeout client 60s
    timeout server 60s
    timeout check 60s
frontend public
    bind 127.0.0.1:8080
    default_backend shop
backend shop
    {option}
    default-server check inter 200ms fall 1 rise 1 {server}
"""
# Clients that hold a connection for some words, one after the other, until they are told to end.
ECHOES = """\
import socket, sys, threading

ended = threading.Event()
lost = []

def client():
    while not ended.is_set():
        with socket.create_connection(("127.0.0.1", 8080), 60) as sock:
            for _ in range(3):
                sock.sendall(b"hello")
                if sock.recv(5, socket.MSG_WAITALL) != b"hello":
                    lost.append(1)
                    break

threads = [threading.Thread(target=client) for _ in range(4)]
for each in threads:
    each.start()
print("ready", flush=True)
sys.stdin.read()
ended.set()
for each in threads:
    each.join()
print(len(lost))
"""


@pytest.fixture(scope="module")
def machine(wheel: Path) -> Iterator[Box]:
    """Yield a box that has HAProxy, wrk and uvicorn, and ours."""
    with Box(ONE, box_root(ONE, LEARN)) as box:
        inside = f"/root/{wheel.name}"
        box.write(inside, wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        box.write("/srv/shop/shop.py", SHOP)
        box.write("/root/echoes.py", ECHOES)
        yield box


@contextmanager
def balanced(
    box: Box, spec: str, option: str, server: str, *, mode: str = "http", more: str = ""
) -> Iterator[None]:
    """Have HAProxy before two services, and both of them up."""
    lines = HAPROXY.format(mode=mode, option=option, server=server)
    for number, name in enumerate(NAMES, 1):
        text = spec.format(name=name, number=number, delay=DELAY, more=more)
        box.write(f"/root/{name}.toml", text)
        box.run("activator", "install", f"/root/{name}.toml")
        lines += f"    server {name} 127.0.0.1:800{number}"
        lines += f" agent-port 810{number}\n" if "agent" in server else "\n"
    box.write("/root/haproxy.cfg", lines)
    box.run(
        "systemd-run",
        "--unit=balancer",
        "--service-type=notify",
        "haproxy",
        "-Ws",
        "-f",
        "/root/haproxy.cfg",
    )
    try:
        for name in NAMES:
            # To HAProxy they are up before it has looked; a service that starts would end at once.
            box.wait_active(f"{name}.service")
            await_status(box, name, "UP")
        yield
    finally:
        box.systemctl("stop", "balancer.service")
        for name in NAMES:
            box.run("activator", "uninstall", name)


def state(box: Box, name: str) -> dict[str, str]:
    """Return what HAProxy tells of a server."""
    said = box.run("socat", "-", "UNIX-CONNECT:/run/haproxy-stats", input="show stat\n").stdout
    rows = csv.DictReader(said.removeprefix("# ").splitlines())
    return next(row for row in rows if row["svname"] == name)


def await_status(box: Box, name: str, wanted: str) -> None:
    """Wait until HAProxy has a server in a state."""
    box.wait_for(lambda: state(box, name)["status"].startswith(wanted), f"{name} is {wanted}", 120)


def left(box: Box, name: str) -> str:
    """Return HAProxy's words when a server was left."""
    found = [
        line
        for line in box.journal("balancer.service").splitlines()
        if f"Server shop/{name} is DOWN" in line or f"Server shop/{name} is stopping" in line
    ]
    return found[-1] if found else ""


def end_each(box: Box) -> None:
    """Have one service stopped and started, the other restarted; each time HAProxy has left."""
    box.systemctl("stop", "one.socket")
    assert "" != left(box, "one")
    assert "inactive" == box.show("one.service", "ActiveState")
    box.systemctl("start", "one.socket")
    await_status(box, "one", "UP")
    box.systemctl("restart", "two.service")
    assert "" != left(box, "two")
    await_status(box, "two", "UP")
    for name in NAMES:
        found = state(box, name)
        errors = {key: found[key] for key in ("econ", "eresp", "wretr", "wredis")}
        assert dict.fromkeys(errors, "0") == errors, f"{name}: {errors}"


@pytest.mark.parametrize("more", ["", "workers = 2"], ids=["alone", "workers"])
def test_http(machine: Box, more: str) -> None:
    """Wrk's connections, through the PROXY protocol and with checks, meet no error."""
    server = "send-proxy-v2 check-send-proxy"
    with balanced(machine, WEB, "option httpchk GET /health", server, more=more):
        url = "http://127.0.0.1:8080/"
        told = machine.run("curl", "--silent", "--interface", "127.0.0.9", url).stdout
        assert "127.0.0.9" == told
        with machine.popen("wrk", "-t1", "-c8", "-d600s", "--timeout", "60s", url) as load:
            try:
                end_each(machine)
            finally:
                load.send_signal(2)  # SIGINT has it tell what it has seen
                said, _ = load.communicate(timeout=120)
        assert "requests in" in said
        assert "Socket errors" not in said, said
        assert "Non-2xx" not in said, said
        for name in NAMES:
            assert "503" in left(machine, name)


def test_agent(machine: Box) -> None:
    """A service that speaks no HTTP says that it drains, and nobody's words are lost."""
    server = "agent-check agent-inter 200ms"
    with (
        balanced(machine, ECHO, "balance roundrobin", server, mode="tcp"),
        machine.popen(machine.python, "/root/echoes.py", stderr=subprocess.STDOUT) as load,
    ):
        try:
            assert load.stdout
            assert "ready\n" == load.stdout.readline()
            end_each_by_agent(machine)
        finally:
            said, _ = load.communicate("", timeout=120)
        assert "0\n" == said


def end_each_by_agent(box: Box) -> None:
    """Have both services restarted, one after the other; each time HAProxy has drained it."""
    for name in NAMES:
        with box.popen("systemctl", "restart", f"{name}.service") as restarting:
            await_status(box, name, "DRAIN")
            assert "deactivating" == box.show(f"{name}.service", "ActiveState")
            assert 0 == restarting.wait(120)
            restarting.communicate()
        await_status(box, name, "UP")
        found = state(box, name)
        assert "0 0 0" == " ".join(found[key] for key in ("econ", "eresp", "wretr"))
