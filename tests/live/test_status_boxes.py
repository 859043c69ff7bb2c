"""What `activator status` shows of sockets that are in use, against the kernel and systemd."""

import io
import json
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.boxes.box import Box

HELD = """\
import signal
signal.pause()
"""
# Takes one connection after another, and keeps them.
KEEPER = """\
import socket
listener = socket.socket(fileno=3)
kept = []
while True:
    kept.append(listener.accept()[0])
    kept[-1].recv(1 << 20)
    kept[-1].sendall(b"kept")
"""
RUN = "[Service]\nExecStart=/usr/bin/python3 /root/{}.py\n"
LIBRARY = "/root/library"


@contextmanager
def program(box: Box, name: str, text: str) -> Iterator[str]:
    """Have a program in the box in the body; give the text of its service."""
    box.write(f"/root/{name}.py", text)
    try:
        yield RUN.format(name)
    finally:
        box.run("rm", f"/root/{name}.py")


@pytest.fixture(scope="module")
def library(box: Box) -> Iterator[dict[str, str]]:
    """Have pyroute2 in a folder of the box; give the environment that finds it."""
    spec = find_spec("pyroute2")
    assert spec
    assert spec.origin
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(
            Path(spec.origin).parent,
            "pyroute2",
            filter=lambda info: None if info.name.endswith("__pycache__") else info,
        )
    box.write(f"{LIBRARY}.tar", archive.getvalue())
    box.run("mkdir", LIBRARY)
    box.run("tar", "--extract", "--no-same-owner", f"--file={LIBRARY}.tar", "-C", LIBRARY)
    yield {"PYTHONPATH": LIBRARY}
    box.run("rm", "-r", LIBRARY, f"{LIBRARY}.tar")


def status(box: Box, unit: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what is told of a socket."""
    words = [f"{name}={value}" for name, value in (environment or {}).items()]
    done = box.run("env", *words, "activator", "status", unit, "--format", "json")
    assert "" == done.stderr
    (found,) = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def listed(box: Box, *options: str) -> list[list[str]]:
    """Return the lines of ss, split into words."""
    return [line.split() for line in box.run("ss", "-nHO", *options).stdout.splitlines()]


def test_what_waits(box: Box, library: dict[str, str]) -> None:
    """Clients that nobody takes are counted, against the limit, at TCP and at Unix sockets."""
    text = "[Socket]\nListenStream=127.0.0.1:7971\nListenStream=/run/seen.sock\nBacklog=7\n"
    with program(box, "held", HELD) as run, box.units({"seen.socket": text, "seen.service": run}):
        box.systemctl("start", "seen.socket")
        before = status(box, "seen.socket", library)
        assert "listening" == before["state"]
        assert [0, 0] == [one["queue"] for one in before["addresses"]]
        assert (7, 0) == (before["backlog"], before["services"][0]["starts"])
        assert "inactive (dead)" == before["services"][0]["state"]
        with (
            box.connected("TCP:127.0.0.1:7971", 3),
            box.connected("UNIX-CONNECT:/run/seen.sock", 2),
        ):
            box.wait_active("seen.service")
            box.wait_for(
                lambda: [3, 2] == [one["queue"] for one in status(box, "seen.socket")["addresses"]],
                "the queues",
            )
            rows = [*listed(box, "-lt"), *listed(box, "-lx")]
            plain, full = status(box, "seen.socket"), status(box, "seen.socket", library)
            for one in full["addresses"]:
                (row,) = [row for row in rows if one["address"] in row]
                queue = [int(word) for word in row if word.isdecimal()][:2]
                assert queue == [one["queue"], one["queue_limit"]]
            for one in plain["addresses"]:
                assert (None, None) == (one["queue_limit"], one["receive_buffer"])
            assert ("running", 0) == (full["state"], full["open"])
            service = full["services"][0]
            assert int(box.show("seen.service", "MainPID")) == service["pid"]
            assert ("active (running)", "success", 1) == (
                service["state"],
                service["result"],
                service["starts"],
            )
            assert 0 <= service["uptime_s"] < 60


def test_what_is_open(box: Box, library: dict[str, str]) -> None:
    """Connections that a service has taken are counted, with their bytes."""
    text = "[Socket]\nListenStream=7972\nIPAccounting=yes\n"
    with program(box, "keep", KEEPER) as run, box.units({"seen.socket": text, "seen.service": run}):
        box.systemctl("start", "seen.socket")
        clients_here = [
            box.popen("socat", "-", "TCP:127.0.0.1:7972"),
            box.popen("socat", "-", "TCP6:[::1]:7972"),
        ]
        try:
            for client in clients_here:
                assert client.stdin
                assert client.stdout
                client.stdin.write("x" * 1000)
                client.stdin.flush()
            # The service may have taken either first.
            for client in clients_here:
                assert client.stdout
                assert "kept" == client.stdout.read(4)
            box.wait_for(
                lambda: status(box, "seen.socket", library)["addresses"][0]["bytes_out"] == 8
            )
            found = status(box, "seen.socket", library)
            (address,) = found["addresses"]
            assert (2, 2, 0) == (found["open"], address["open"], address["queue"])
            assert (2000, 8) == (address["bytes_in"], address["bytes_out"])
            assert address["packets_in"] >= 4
            told = box.show("seen.socket", "IPIngressBytes")
            if told.isdecimal():
                assert found["ip"]["bytes_in"] >= 2000
            assert 2 == status(box, "seen.socket")["open"]
            text = box.run("activator", "status", "seen.socket").stdout
            assert "seen.socket\n  state:          running for " in text
            assert "open:           2" in text
            line = next(
                line
                for line in box.run("activator", "status").stdout.splitlines()
                if line.startswith("seen.socket ")
            )
            assert "[::]:7972" in line
            assert "seen.service: active" in line
        finally:
            for client in clients_here:
                client.kill()
                client.communicate()


def told(found: dict[str, Any]) -> tuple[int, int]:
    """Return how many connections were refused, and how many instances have a process."""
    return found["refused"], len([one for one in found["services"] if one["pid"]])


def test_each_connection(box: Box) -> None:
    """With Accept=yes, what systemd has accepted, has open and has refused."""
    text = "[Socket]\nListenStream=/run/seen.sock\nAccept=yes\nMaxConnections=2\n"
    run = "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"
    with box.units({"seen.socket": text, "seen@.service": run}):
        box.systemctl("start", "seen.socket")
        with box.connected("UNIX-CONNECT:/run/seen.sock", 3):
            # The refusal may come before the processes of those that were accepted.
            box.wait_for(lambda: told(status(box, "seen.socket")) == (1, 2), "a refusal")
            found = status(box, "seen.socket")
            assert (2, 2, 2) == (found["accepted"], found["open"], found["most"])
            assert "seen@.service" == found["service"]
            assert "accepted:       2, refused 1" in (
                box.run("activator", "status", "seen.socket").stdout
            )


def memory_of(box: Box) -> str:
    """Return what ss tells of the buffers of a datagram socket."""
    (row,) = [row for row in listed(box, "-lunm") if "127.0.0.1:7973" in row]
    return next(word for word in row if word.startswith("skmem:"))


def test_buffers_and_drops(box: Box, library: dict[str, str]) -> None:
    """The size that is in force, and the datagrams for which there was no room."""
    text = "[Socket]\nListenDatagram=127.0.0.1:7973\nReceiveBuffer=8K\n"
    with program(box, "held", HELD) as run, box.units({"seen.socket": text, "seen.service": run}):
        box.systemctl("start", "seen.socket")
        box.run("sh", "-c", "head -c 100000 /dev/zero | socat -b 1000 -u - UDP:127.0.0.1:7973")
        # The kernel may deliver the last datagrams later.
        box.wait_for(lambda: memory_of(box) == memory_of(box), "their end")
        memory = memory_of(box)
        drops = int(memory.rpartition(",d")[2].rstrip(")"))
        size = int(memory.partition(",rb")[2].partition(",")[0])
        assert drops
        for environment in ({}, library):
            found = status(box, "seen.socket", environment)
            (address,) = found["addresses"]
            assert (8192, drops) == (found["receive_buffer"], address["drops"])
            assert 0 < address["queue"] <= size
        assert size == address["receive_buffer"] == address["queue_limit"] == 16384
        told = box.run("env", f"PYTHONPATH={LIBRARY}", "activator", "status", "seen.socket").stdout
        assert "receive buffer: 16K in force, 8K asked for" in told


def test_failures(box: Box) -> None:
    """A socket that failed says how; an unknown one is an error in one line."""
    limits = "TriggerLimitBurst=1\nTriggerLimitIntervalSec=1min\n"
    text = f"[Socket]\nListenStream=/run/seen.sock\n{limits}"
    run = "[Unit]\nStartLimitBurst=0\n[Service]\nExecStart=/bin/false\n"
    with box.units({"seen.socket": text, "seen.service": run}):
        box.systemctl("start", "seen.socket")
        box.run("socat", "-u", "OPEN:/dev/null", "UNIX-CONNECT:/run/seen.sock", check=False)
        box.wait_state("seen.socket", "failed")
        found = status(box, "seen.socket")
        assert "failed (Result: trigger-limit-hit)" == found["state"]
        assert "exit-code (1)" == found["services"][0]["result"]
        assert found["services"][0]["starts"] >= 1
        assert [None] == [one["queue"] for one in found["addresses"]]
        masked = box.run("activator", "status").stdout
        assert "failed (Result: trigger-limit-hit)" in masked
    done = box.run("activator", "status", "nothing.socket", check=False)
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("there is no nothing.socket; see: ")


def test_watched(box: Box) -> None:
    """Each look is a line of JSON, until it is interrupted."""
    with box.popen("activator", "status", "--watch=0.2", "--format", "json") as process:
        assert process.stdout
        looks = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    assert all(isinstance(look, list) for look in (*looks, *map(json.loads, rest.splitlines())))
