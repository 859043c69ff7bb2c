"""activator inspect: what it says of a socket is what the kernel's other tools say."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.serving.test_queues import Queue, queue  # noqa: F401 - a fixture
from tests.support.services import (
    PATIENCE,
    ROOT,
    activated,
    bound,
    clean_environment,
    connect,
    connected,
    launched,
    read_all,
    tcp_listener,
)

INSPECT = (sys.executable, "-m", "activator", "inspect")
ONCE = (*INSPECT, "--once", "--format=json")


def facts(fds: list[int | socket.socket], names: str | None = None, **env: Any) -> dict[str, Any]:
    """Pass descriptors to it and return what it says."""
    with launched(ONCE, fds, names=names, **env) as service:
        found: dict[str, Any] = json.loads(service.stdout)
        assert (0, "") == (service.wait(), service.stderr)
        return found


def options(descriptor: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a descriptor by the kernel's names."""
    return {item["option"]: item["value"] for item in descriptor["options"]}


def test_listeners(tmp_path: Path) -> None:
    """Names, addresses, backlogs and options of two listeners, one with a client that waits."""
    path = str(tmp_path / "s")
    with ExitStack() as stack:
        tcp = stack.enter_context(tcp_listener(backlog=7))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(path)
        unix.listen(5)
        stack.enter_context(connect(tcp.getsockname()))
        stack.enter_context(connected(path, socket.AF_UNIX))
        stack.enter_context(connected(path, socket.AF_UNIX))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50000)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 33)
        unix.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        unix.setblocking(False)
        found = facts([tcp, unix], "http:admin", LISTEN_PIDFDID=None, WATCHDOG_USEC="5")
        assert found["problem"] is None
        first, second = found["descriptors"]
    assert [3, "http", True, "stream", "AF_INET", "SOCK_STREAM", "TCP"] == [
        first[name] for name in ("fd", "name", "passed", "kind", "family", "type", "protocol")
    ]
    assert {"waiting": 1, "limit": 7, "of": "connections"} == first["queue"]
    assert (True, ["O_RDWR"]) == (first["blocking"], first["flags"])
    assert (True, 33) == (options(first)["SO_KEEPALIVE"], options(first)["TCP_KEEPINTVL"])
    assert 100000 == options(first)["SO_RCVBUF"]
    assert options(first)["TCP_CONGESTION"]
    assert [4, "admin", path, None] == [second[x] for x in ("fd", "name", "address", "protocol")]
    assert {"waiting": 2, "limit": 5, "of": "connections"} == second["queue"]
    assert (False, ["O_RDWR", "O_NONBLOCK"]) == (second["blocking"], second["flags"])
    assert options(second)["SO_PASSCRED"] is True
    assert "TCP_NODELAY" not in options(second)
    assert "http:admin" == found["variables"]["LISTEN_FDNAMES"]
    assert str(found["process"]["pid"]) == found["variables"]["LISTEN_PID"]
    assert "5" == found["variables"]["WATCHDOG_USEC"]


def test_connection() -> None:
    """A connection's peer, what it has sent, and its cookie, as ss has it."""
    with tcp_listener() as listener, connect(listener.getsockname()) as client:
        connection, _ = listener.accept()
        with connection:
            client.sendall(b"12345")
            found = facts([connection], "x", REMOTE_ADDR="127.0.0.1")
            (about,) = found["descriptors"]
            host, port = client.getsockname()
            assert ("connection", f"{host}:{port}") == (about["kind"], about["peer"])
            assert {"waiting": 5, "limit": None, "of": "bytes"} == about["queue"]
            words = ("ss", "-tneH", "src", about["address"], "dst", about["peer"])
            line = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            assert f" sk:{about['cookie']:x} " in line
            assert "127.0.0.1" == found["variables"]["REMOTE_ADDR"]


def test_other_kinds(tmp_path: Path, queue: Queue) -> None:  # noqa: F811
    """Datagrams, FIFOs, queues, netlink, special files and the rest: what waits, in its unit."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    fifo = os.open(path, os.O_RDWR)
    os.write(fifo, b"123")
    queue.send(b"x", 0)
    queue.send(b"y", 0)
    null, ours = os.open(os.devnull, os.O_RDONLY), os.eventfd(0)
    with bound() as udp, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15) as netlink:
        udp.sendto(b"x", udp.getsockname())
        udp.setsockopt(socket.IPPROTO_IP, 8, 1)
        found = facts([udp, fifo, queue.fd, netlink, null, ours])["descriptors"]
    kinds = ["datagram", "fifo", "mqueue", "netlink", "special", "other"]
    assert kinds == [item["kind"] for item in found]
    waiting = [item["queue"] and item["queue"]["waiting"] for item in found]
    assert waiting[0] > 0
    assert [3, 2, 0, None, None] == waiting[1:]
    assert ["bytes", "bytes", "messages"] == [item["queue"]["of"] for item in found[:3]]
    assert options(found[0])["IP_PKTINFO"] is True
    assert "NETLINK_PKTINFO" in options(found[3])
    assert [str(path), [], None] == [found[1][name] for name in ("address", "options", "family")]
    for fd in (fifo, null, ours):
        os.close(fd)


def test_table() -> None:
    """The table is aligned, and says which process is meant."""
    with tcp_listener() as listener, launched((*INSPECT, "--once"), [listener], names="a") as it:
        lines = it.stdout.splitlines()
        assert 0 == it.wait()
        assert (f"LISTEN_PID      {it.process.pid} (this process)") in lines
    head, row = lines[:2]
    for word, value in (("FD", "3"), ("NAME", "a"), ("KIND", "stream"), ("FLAGS", "O_RDWR blocki")):
        assert row[head.index(word) :].startswith(value)
    assert "SO_KEEPALIVE      KeepAlive=             no" in lines


def test_stays(tmp_path: Path) -> None:
    """With clients waiting it stays, so as not to be started again, and takes none of them."""
    path = str(tmp_path / "s")
    with activated(INSPECT, [path], "--fdname=x") as service, connected(path, socket.AF_UNIX):
        assert "FD  NAME  KIND " in service.stdout  # to its end, for a pipe
        service.ready()
        assert "inspect: staying until SIGTERM" in service.stderr
        service.stop()
        assert 0 == service.wait()


def test_connection_of_accept(tmp_path: Path) -> None:
    """In a template for Accept=yes it ends at once; by StandardInput=socket the client reads it."""
    path = str(tmp_path / "s")
    for options_, seen in ((("--inetd",), True), ((), False)):
        with (
            activated((*INSPECT, "--format=json"), [path], "--accept", *options_) as service,
            connected(path, socket.AF_UNIX) as client,
        ):
            answer = read_all(client)
            if seen:
                (about,) = json.loads(answer)["descriptors"]
                assert [0, "connection", path] == [about[x] for x in ("fd", "name", "address")]
                assert {"pid", "uid", "gid", "groups"} == set(about["credentials"])
                assert os.getpid() == about["credentials"]["pid"]
            else:
                assert b"" == answer
                assert service.process.stdout
                assert b"{\n" == service.process.stdout.readline()
        Path(path).unlink()


# Where nothing was passed, or it is wrong.


def test_by_hand() -> None:
    """Outside of a service it says what is missing, and how to get it."""
    run = subprocess.run(
        (*INSPECT, "--format=json"),
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert 1 == run.returncode
    assert run.stderr.startswith("no descriptors were passed; put this command into ExecStart= ")
    found = json.loads(run.stdout)
    assert (run.stderr.rstrip(), []) == (found["problem"], found["descriptors"])


def test_without_standard_input() -> None:
    """A closed descriptor 0 is no socket, and nothing else."""
    run = subprocess.run(
        ("sh", "-c", '"$@" <&-', "sh", *INSPECT),
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr.startswith("no descriptors were passed; ")
    assert 1 == run.stderr.count("\n")


@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written(where: str) -> None:
    """Nobody reads it, which is said in one line."""
    words = ("/bin/sh", "-c", f'"$@" {where}', "sh", *INSPECT)
    with tcp_listener() as listener, launched((*words, "--once"), [listener]) as service:
        # The shell has started it as a child.
        assert 1 == service.wait()
        assert service.stderr.startswith("cannot write to standard output: ")
        assert 1 == service.stderr.count("\n")


def test_what_is_wrong_is_shown() -> None:
    """Beside what is wrong, it shows the variables and what is open nevertheless."""
    with tcp_listener() as listener:
        with launched((*INSPECT, "--format=json"), [listener], LISTEN_FDS="2") as service:
            found = json.loads(service.stdout)
            assert 1 == service.wait()
            assert service.stderr.startswith("LISTEN_FDS is 2, but descriptor 4 is not open; ")
        (about,) = found["descriptors"]
        assert [3, False, "stream"] == [about[name] for name in ("fd", "passed", "kind")]
        assert "2" == found["variables"]["LISTEN_FDS"]
        with launched(INSPECT, [listener], LISTEN_PID="1") as service:
            assert "(not passed)  stream" in service.stdout
            assert 1 == service.wait()
            assert "LISTEN_PID is '1' but this process is " in service.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--format=xml",), "--format: no such format: 'xml'; there are table, json\n"),
        (("--format",), "--format: needs a value: FORMAT\n"),
        (("now",), "inspect takes no 'now'; there are only options\n"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], expected: str) -> None:
    """Each mistake is one line."""
    with launched((*INSPECT, *words)) as service:
        assert (2, expected) == (service.wait(), service.stderr)


def test_signal_while_it_prints() -> None:
    """SIGTERM is heeded whenever it comes."""
    with tcp_listener() as listener:
        for _ in range(5):
            with launched(INSPECT, [listener]) as service:
                assert service.process.stdout
                service.process.stdout.read(1)
                service.process.send_signal(signal.SIGTERM)
                assert 0 == service.wait()
