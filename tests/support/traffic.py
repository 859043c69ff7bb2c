"""What comes to a fleet: HAProxy before the hosts, and clients of other people's making."""

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.boxes.loads import INSIDE
from tests.boxes.network import Host
from tests.support.fleet import PORT, Fleet

Process = subprocess.Popen[str]
LINES = PORT + 1
GATEWAY = "10.77.0.1"
# Pages and WebSockets on one socket, lines on the other.
SHOP = '''\
"""A shop."""

import asyncio

import activator

VERSION = "v1"


async def app(scope, receive, send):
    """Answer requests, and the words of a WebSocket, with the version."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"{VERSION} {event['text']}"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": VERSION.encode()})


async def line(reader, writer):
    """Answer each line; a client that has been told of the end leaves by itself."""
    leaving = asyncio.ensure_future(farewell(writer))
    try:
        while text := await reader.readline():
            writer.write(f"{VERSION} ".encode() + text)
            await writer.drain()
    finally:
        leaving.cancel()


async def farewell(writer):
    """Tell the client when the service drains."""
    await activator.draining
    writer.write(b"bye\\n")
'''
SPEC: dict[str, Any] = {
    "name": "shop",
    "asgi": {"web": "shop:app"},
    "handler": {"line": "shop:line"},
    "python": Host.python,
    "app-dir": "/srv/shop/current",
    "drain": 20,
    "sockets": {
        "web": {"ListenStream": f"0.0.0.0:{PORT}"},
        "line": {"ListenStream": f"0.0.0.0:{LINES}"},
    },
}
# Its backends: how HAProxy leads to a port of the hosts.
BACKENDS = {"web": ("http", PORT), "line": ("tcp", LINES)}
FIGURES = f"{GATEWAY}:8404"
BALANCER = f"""\
global
    stats socket {{socket}} mode 600 level admin
defaults
    timeout connect 60s
    timeout client 60s
    timeout server 60s
    timeout tunnel 10m
frontend figures
    mode http
    bind {FIGURES}
    http-request use-service prometheus-exporter
"""
LISTEN = """\
listen {name}
    mode {mode}
    bind {gateway}:{port}
"""
# Milliseconds from an answer to the next request of a client.
PACE = "function delay() return 40 end\n"


class Balancer:
    """An HAProxy.

    Attributes:
        socket: Its runtime socket.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def ask(self, command: str) -> str:
        """Return what it answers."""
        words = ("socat", "-t", "60", "-", f"UNIX-CONNECT:{self.socket}")
        return subprocess.run(
            words, input=f"{command}\n", capture_output=True, text=True, check=True
        ).stdout

    def rows(self) -> dict[str, dict[str, str]]:
        """Return what it tells of each server, by BACKEND/SERVER."""
        lines = self.ask("show stat").lstrip("# ").splitlines()
        return {f"{row['pxname']}/{row['svname']}": row for row in csv.DictReader(lines)}

    def states(self, hosts: list[Host]) -> list[set[str]]:
        """Return the states of each host's servers."""
        rows = self.rows()
        return [{rows[f"{of}/{host.suite}"]["status"] for of in ("web", "line")} for host in hosts]


@contextmanager
def balancer(fleet: Fleet, backends: dict[str, tuple[str, int]] = BACKENDS) -> Iterator[Balancer]:
    """Have an HAProxy lead clients to all hosts."""
    path = fleet.directory / "haproxy.sock"
    path.unlink(missing_ok=True)
    text = BALANCER.format(socket=path)
    for name, (mode, port) in backends.items():
        text += LISTEN.format(name=name, mode=mode, gateway=GATEWAY, port=port)
        for host in fleet.hosts:
            text += f"    server {host.suite} {host.address}:{port}\n"
    config = fleet.directory / "haproxy.cfg"
    config.write_text(text)
    with fleet.network.popen("haproxy", "-db", "-f", str(config)) as process:
        try:
            fleet.hosts[0].wait_for(path.exists, "HAProxy")
            yield Balancer(path)
        finally:
            process.terminate()


class Traffic:
    """Clients under way; see :func:`traffic`."""

    def __init__(self, loads: list[Process], talkers: Process) -> None:
        self._loads = loads
        self._talkers = talkers

    def end(self) -> tuple[list[str], dict[str, int], set[str]]:
        """Have all end.

        Returns:
            What wrk complains of, how often which other thing happened, and the versions that
            answered.
        """
        complaints = []
        for process in self._loads:
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=300)
            assert re.search(r"^ +[1-9]\d* requests in ", told, re.MULTILINE), told
            complaints += re.findall(r"^ +(Socket errors.*|Non-2xx.*)", told, re.MULTILINE)
        told, _ = self._talkers.communicate(timeout=300)
        found = json.loads(told)
        return complaints, found["counts"], set(found["said"])


@contextmanager
def traffic(fleet: Fleet, number: int = 3) -> Iterator[Traffic]:
    """Have clients come through HAProxy in the body, some of each kind.

    Those of wrk keep their connection, or have a new one each time; the others are WebSockets and
    lines, see ``inside/talkers.py``.
    """
    pace = fleet.directory / "pace.lua"
    pace.write_text(PACE)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    wrk = ["wrk", "--threads", "1", "--connections", str(number), "--duration", "3600"]
    wrk += ["--timeout", "60", "--script", str(pace)]
    url = f"http://{GATEWAY}:{PORT}/"
    script = str(INSIDE / "talkers.py")
    addresses = (f"{GATEWAY}:{PORT}", f"{GATEWAY}:{LINES}")
    with ExitStack() as stack:

        def start(*words: str) -> Process:
            process = stack.enter_context(fleet.network.popen(*words, **pipes))
            stack.callback(process.kill)
            return process

        talkers = start(sys.executable, script, *addresses, str(number))
        assert talkers.stdout
        assert "ready\n" == talkers.stdout.readline()
        loads = [start(*wrk, *more, url) for more in ((), ("--header", "Connection: close"))]
        yield Traffic(loads, talkers)
