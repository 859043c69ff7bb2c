"""`activator run` in the shared mode: real sockets, real processes, plain systemd.daemon."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.local import (
    ONCE,
    PATIENCE,
    Activate,
    alive,
    ask,
    command,
    connect,
    early,
    environment,
    free_port,
    knock,
    python,
    read_all,
    write_units,
)

# Without it the sixth start within ten seconds is one too many, as under systemd.
OFTEN = "[Unit]\nStartLimitIntervalSec=0\n"


def test_protocol(tmp_path: Path, activate: Activate) -> None:
    """The first client starts the service, which finds the descriptors as systemd passes them."""
    port = free_port()
    write_units(
        tmp_path,
        {
            "echo.socket": f"[Socket]\nListenStream=127.0.0.1:{port}\n",
            "echo.service": f"[Service]\nExecStart={python(tmp_path, ONCE)} one two\n",
        },
    )
    run = activate("echo.socket", LISTEN_FDS="7", REMOTE_ADDR="nobody", HIDDEN="x")
    run.until(rf"^echo\.socket: listening on 127\.0\.0\.1:{port}$")
    facts = ask(port)
    run.until(r"exited$")

    assert [facts["pid"]] == run.pids()
    assert [[3, "echo.socket", "AF_INET SOCK_STREAM listening", False]] == facts["fds"]
    assert [0, 1, 2, 3] == facts["open"]
    seen = facts["environ"]
    assert (str(facts["pid"]), "1") == (seen["LISTEN_PID"], seen["LISTEN_FDS"])
    assert {"HIDDEN", "REMOTE_ADDR", "NOTIFY_SOCKET"} & set(seen) == set()
    assert {"PATH", "HOME", "USER", "INVOCATION_ID"} <= set(seen)
    assert ["one", "two"] == facts["argv"][1:]
    assert str(tmp_path) == facts["cwd"]
    assert run.stop() == 0


def test_several_sockets(tmp_path: Path, activate: Activate) -> None:
    """Several units for one service: all descriptors together, in order, with their names."""
    stream, datagram = free_port(), free_port(socket.SOCK_DGRAM)
    service = python(
        tmp_path,
        """
        facts = see()
        with accept(4) as client:
            send(client, facts)
        """,
    )
    write_units(
        tmp_path,
        {
            "web.socket": f"""
                [Socket]
                ListenStream={stream}
                ListenStream={tmp_path}/web.sock
                ListenSequentialPacket=@{tmp_path.name}-{stream}
                FileDescriptorName=web
                Service=shop.service
                """,
            "other.socket": f"""
                [Socket]
                ListenDatagram=127.0.0.1:{datagram}
                ListenFIFO={tmp_path}/fifo
                Service=shop.service
                """,
            "shop.service": f"[Service]\nExecStart={service}\nNonBlocking=yes\n",
        },
    )
    run = activate("web.socket", "other.socket")
    run.until("listening", count=5)
    facts = ask(str(tmp_path / "web.sock"))

    assert [
        [3, "web", "AF_INET6 SOCK_STREAM listening", True],
        [4, "web", "AF_UNIX SOCK_STREAM listening", True],
        [5, "web", "AF_UNIX SOCK_SEQPACKET listening", True],
        [6, "other.socket", "AF_INET SOCK_DGRAM no", True],
        [7, "other.socket", "fifo", True],
    ] == facts["fds"]
    assert facts["environ"]["LISTEN_FDNAMES"] == "web:web:web:other.socket:other.socket"
    assert run.stop() == 0


@pytest.mark.parametrize("first", ["ListenDatagram", "ListenFIFO"])
def test_data_is_traffic(tmp_path: Path, activate: Activate, first: str) -> None:
    """A datagram, or data in a FIFO, starts the service and is there for it."""
    target = str(tmp_path / "node")
    code = "print('got', os.read(3, 100).decode(), flush=True)"
    write_units(
        tmp_path,
        {
            "log.socket": f"[Socket]\n{first}={target}\n",
            "log.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("log.socket")
    run.until("listening")
    if first == "ListenFIFO":
        with open(target, "wb", buffering=0) as fifo:  # noqa: PTH123
            fifo.write(b"hello")
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"hello", target)

    run.until(r"^log\[\d+\] \| got hello$")
    assert run.stop() == 0


def test_starts_again_for_queued_clients(tmp_path: Path, activate: Activate) -> None:
    """Clients that queue while the service ends are served by the next ones; none is refused."""
    code = "with accept() as client: client.sendall(str(os.getpid()).encode())"
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "echo.socket": f"[Socket]\nListenStream={path}\n",
            "echo.service": f"{OFTEN}[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("echo.socket")
    run.until("listening")
    clients = [connect(path) for _ in range(6)]
    answers = [int(read_all(client)) for client in clients]
    run.until("exited$", count=6)

    assert run.pids() == answers
    assert len(set(answers)) == 6
    assert run.stop() == 0


def test_service_keeps_serving(tmp_path: Path, activate: Activate) -> None:
    """A service that goes on takes all clients itself; it is started once."""
    code = "while True:\n    with accept() as client: send(client, os.getpid())"
    port = free_port()
    write_units(
        tmp_path,
        {
            "echo.socket": f"[Socket]\nListenStream={port}\n",
            "echo.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("echo.socket")
    run.until("listening on \\[::\\]")
    answers = {ask(port) for _ in range(5)} | {ask(("::1", port))}

    assert answers == set(run.until("started") and run.pids())
    assert run.stop(signal.SIGINT) == 0
    assert "was ended by SIGTERM" in run.text


def test_not_in_the_path(tmp_path: Path, activate: Activate) -> None:
    """Once the service runs, nothing wakes the activator, whatever its clients do."""
    code = """
        listener = socket.socket(fileno=3)
        while True:
            client, _ = listener.accept()
            with client:
                while data := client.recv(65536):
                    client.sendall(data)
        """
    write_units(
        tmp_path,
        {
            "path.socket": f"[Socket]\nListenStream={tmp_path}/path\n",
            "path.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("path.socket")
    run.until("listening")

    def ask() -> None:
        with connect(f"{tmp_path}/path") as client:
            for _ in range(5):
                client.sendall(b"x")
                assert b"x" == client.recv(1)

    def switches() -> list[str]:
        status = Path(f"/proc/{run.process.pid}/status").read_text(encoding="utf-8")
        return [line for line in status.splitlines() if "ctxt_switches" in line]

    ask()
    run.until("started")
    for _ in range(20):  # in some it still goes to sleep, or a timer of its own ends
        before = switches()
        for _ in range(200):
            ask()
        if before == switches():
            break
    else:
        pytest.fail("its clients wake it")
    assert 0 == run.stop()


def test_trigger_limit(tmp_path: Path, activate: Activate) -> None:
    """A service that never accepts is not started for ever: the socket fails with advice."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "bad.socket": f"[Socket]\nListenStream={path}\nTriggerLimitIntervalSec=1min\n",
            "bad.service": f"{OFTEN}[Service]\nExecStart=/bin/true\n",
        },
    )
    run = activate("bad.socket")
    run.until("listening")
    knock(path)
    status = run.wait()

    assert status == 1
    assert len(run.pids()) == 20
    assert "bad.socket: bad.service was started 20 times in 60s" in run.text
    assert "it must accept or read what started it" in run.text
    assert not Path(path).exists()


def test_start_limit(tmp_path: Path, activate: Activate) -> None:
    """A service that is started six times in ten seconds fails, and its socket with it."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "bad.socket": f"[Socket]\nListenStream={path}\n",
            "bad.service": "[Service]\nExecStart=/bin/true\n",
        },
    )
    run = activate("bad.socket")
    run.until("listening")
    knock(path)

    assert run.wait() == 1
    assert len(run.pids()) == 5
    assert "bad.service: was started 5 times in 10s (start-limit-hit); see why" in run.text
    assert "bad.socket: bad.service was started too often (service-start-limit-hit)" in run.text
    assert not Path(path).exists()


def test_trigger_limit_of_one_socket_spares_the_others(tmp_path: Path, activate: Activate) -> None:
    """The socket that fails is closed; another service goes on."""
    write_units(
        tmp_path,
        {
            "bad.socket": f"[Socket]\nListenStream={tmp_path}/bad\nTriggerLimitBurst=2\n"
            "TriggerLimitIntervalSec=1min\n",
            "bad.service": "[Service]\nExecStart=/bin/false\n",
            "good.socket": f"[Socket]\nListenStream={tmp_path}/good\n",
            "good.service": f"[Service]\nExecStart={python(tmp_path, ONCE)}\n",
        },
    )
    run = activate("bad.socket", "good.socket")
    run.until("listening", count=2)
    knock(str(tmp_path / "bad"))
    run.until("trigger-limit-hit")

    assert [3, "good.socket"] == ask(str(tmp_path / "good"))["fds"][0][:2]
    assert "exited with status 1" in run.text
    assert run.stop() == 0


def test_poll_limit(tmp_path: Path, activate: Activate) -> None:
    """Without a trigger limit a service that never accepts is slowed down, not failed."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "bad.socket": f"""
                [Socket]
                ListenStream={path}
                ListenStream=@activator-{tmp_path.parent.name}-{tmp_path.name}
                TriggerLimitIntervalSec=0
                PollLimitIntervalSec=4s
                PollLimitBurst=3
                """,
            "bad.service": f"{OFTEN}[Service]\nExecStart=/bin/true\n",
        },
    )
    run = activate("bad.socket")
    run.until("listening", count=2)
    with connect(path):
        run.until(r"more than 3 clients in 4s \(poll limit\): resting for [0-4]\.[0-9]s")
        assert len(run.pids()) == 3
        run.until("started$", count=6)
    assert run.stop() == 0


def test_shutdown_of_the_listener_is_explained(tmp_path: Path, activate: Activate) -> None:
    """A service that calls shutdown() on what it inherited ends the socket, and is told so."""
    code = "sock = socket.socket(fileno=3)\nsock.accept()[0].close()\nsock.shutdown(2)"
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "shut.socket": f"[Socket]\nListenStream={path}\n",
            "shut.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("shut.socket")
    run.until("listening")
    knock(path)

    assert run.wait() == 1
    assert "shut.service has called shutdown() on the socket" in run.text


def test_two_services(tmp_path: Path, activate: Activate) -> None:
    """Two services run at the same time, each with its own prefix on its output."""
    code = """
        client = accept()
        print("hello from", sys.argv[1], flush=True)
        os.write(2, b"no line end")
        client.recv(1)
        """
    service = python(tmp_path, code)
    for name in ("one", "two"):
        write_units(
            tmp_path,
            {
                f"{name}.socket": f"[Socket]\nListenStream={tmp_path}/{name}\n",
                f"{name}.service": f"[Service]\nExecStart={service} {name}\n",
            },
        )
    run = activate("one.socket", "two.socket")
    run.until("listening", count=2)
    clients = [connect(str(tmp_path / name)) for name in ("one", "two")]
    run.until(r"^one\[\d+\] \| hello from one$")
    run.until(r"^two\[\d+\] \| hello from two$")
    one, two = run.pids()
    assert alive(one)
    assert alive(two)
    for client in clients:
        client.close()
    run.until(r"^(one|two)\[\d+\] \| no line end$", count=2)
    assert run.stop() == 0


def test_quiet_and_streams(tmp_path: Path) -> None:
    """With --quiet only output is shown, on stdout, and problems on stderr."""
    write_units(
        tmp_path,
        {
            "q.socket": f"[Socket]\nListenStream={tmp_path}/q\nTriggerLimitBurst=1\n"
            "TriggerLimitIntervalSec=1min\n",
            "q.service": "[Service]\nExecStart=/bin/echo hello\nProtectHome=yes\n",
        },
    )
    process = subprocess.Popen(
        command("-q", "q.socket"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with suppress(ConnectionResetError):
        read_all(early(f"{tmp_path}/q"))
    out, err = process.communicate(timeout=PATIENCE)

    assert out.endswith("] | hello\n")
    assert out.count("\n") == 1
    assert err.startswith(
        "ignored here: ProtectHome=\nq.socket: q.service was started 1 time in 60s"
    )
    assert process.returncode == 1


def test_events(tmp_path: Path) -> None:
    """The supervisor tells what happens step by step, for programs such as the demo."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "e.socket": f"[Socket]\nListenStream={path}\n",
            "e.service": f"[Service]\nExecStart={python(tmp_path, ONCE)}\n",
        },
    )
    script = """
import asyncio, json, socket, sys
from activator.local.units.load import load
from activator.local.supervisor import Supervisor
kinds = []
async def main():
    def on_event(event):
        kinds.append([event.kind, event.unit, bool(event.pid), event.status])
        if event.kind == "listening":
            client.append(socket.socket(socket.AF_UNIX))
            client[0].connect(event.address.path)
        if event.kind == "ended":
            supervisor.stop()
    client = []
    supervisor = Supervisor(load([sys.argv[1]]), on_event)
    await supervisor.open()
    result = await supervisor.run()
    client[0].close()
    print(json.dumps([result, kinds]))
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "e.socket")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    asked, kinds = json.loads(done.stdout)

    assert asked is True
    assert [
        ["listening", "e.socket", False, None],
        ["traffic", "e.socket", False, None],
        ["started", "e.service", True, None],
        ["ended", "e.service", True, 0],
        ["stopping", "", False, None],
        ["stopped", "", False, None],
    ] == kinds
