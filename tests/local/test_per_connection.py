"""`activator run` with Accept=yes: one process a connection, as systemd passes it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.local import (
    EACH,
    PATIENCE,
    Activate,
    alive,
    ask,
    connect,
    free_port,
    python,
    read_all,
    write_units,
)


def test_protocol(tmp_path: Path, activate: Activate) -> None:
    """Each client gets a process with its connection as descriptor 3 and REMOTE_*."""
    port = free_port()
    write_units(
        tmp_path,
        {
            "e.socket": f"[Socket]\nListenStream=127.0.0.1:{port}\nAccept=yes\nNoDelay=yes\n",
            "e@.service": f"[Service]\nExecStart={python(tmp_path, EACH)} %i\n",
        },
    )
    run = activate("e.socket")
    run.until("listening")
    for number in range(2):
        client = connect(port)
        mine = client.getsockname()[1]
        with client:
            data = client.makefile("rb").read()
        facts = json.loads(data)
        seen = facts["environ"]

        assert [[3, "connection", "AF_INET SOCK_STREAM no", False]] == facts["fds"]
        assert ("1", "connection") == (seen["LISTEN_FDS"], seen["LISTEN_FDNAMES"])
        assert ("127.0.0.1", str(mine)) == (seen["REMOTE_ADDR"], seen["REMOTE_PORT"])
        assert seen["SO_COOKIE"].isdigit()
        assert f"{number}-127.0.0.1:{port}-127.0.0.1:{mine}" == facts["argv"][1]
        assert [0, 1, 2, 3] == facts["open"]
        run.until(rf"^e\[{facts['pid']}\]: started for 127\.0\.0\.1:{mine}$")
    run.until("exited$", count=2)
    assert run.stop() == 0


def test_ipv6(tmp_path: Path, activate: Activate) -> None:
    """REMOTE_ADDR has no brackets; an IPv4 client of a dual-stack socket is shown as IPv4."""
    port = free_port()
    write_units(
        tmp_path,
        {
            "e.socket": f"[Socket]\nListenStream={port}\nAccept=yes\n",
            "e@.service": f"[Service]\nExecStart={python(tmp_path, EACH)} %i\n",
        },
    )
    run = activate("e.socket")
    run.until("listening")
    six, four = ask(("::1", port)), ask(port)

    assert "::1" == six["environ"]["REMOTE_ADDR"]
    assert re.fullmatch(rf"0-::1:{port}-::1:[0-9]+", six["argv"][1])
    assert "127.0.0.1" == four["environ"]["REMOTE_ADDR"]
    assert re.fullmatch(rf"1-127\.0\.0\.1:{port}-127\.0\.0\.1:[0-9]+", four["argv"][1])
    assert run.stop() == 0


def test_unix(tmp_path: Path, activate: Activate) -> None:
    """A Unix client has REMOTE_ADDR only if it has bound an address; the name is PID and UID."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "e.socket": f"""
                [Socket]
                ListenStream={path}
                ListenSequentialPacket={path}-seq
                Accept=yes
                FileDescriptorName=own
                """,
            "e@.service": f"[Service]\nExecStart={python(tmp_path, EACH)} %i\nNonBlocking=yes\n",
        },
    )
    run = activate("e.socket")
    run.until("listening", count=2)
    plain = ask(path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{path}-client")
        bound.connect(path)
        named = json.loads(bound.makefile("rb").read())
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as packets:
        packets.bind(f"\0{tmp_path.name}")
        packets.connect(f"{path}-seq")
        sequential = json.loads(packets.recv(65536))

    assert not {"REMOTE_ADDR", "REMOTE_PORT"} & set(plain["environ"])
    assert f"0-{os.getpid()}-{os.getuid()}" == plain["argv"][1]
    assert [[3, "own", "AF_UNIX SOCK_STREAM no", True]] == plain["fds"]
    assert f"{path}-client" == named["environ"]["REMOTE_ADDR"]
    assert f"@{tmp_path.name}" == sequential["environ"]["REMOTE_ADDR"]
    assert [[3, "own", "AF_UNIX SOCK_SEQPACKET no", True]] == sequential["fds"]
    assert run.stop() == 0


def test_standard_input_is_the_connection(tmp_path: Path, activate: Activate) -> None:
    """A filter such as cat serves with StandardInput=socket alone, as under inetd."""
    port, path = free_port(), tmp_path / "sock"
    write_units(
        tmp_path,
        {
            "cat.socket": f"""
                [Socket]
                ListenStream=127.0.0.1:{port}
                ListenStream={path}
                Accept=yes
                """,
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("cat.socket")
    run.until("listening", count=2)
    for client in (
        ["nc", "-N", "127.0.0.1", str(port)],
        ["socat", f"-t{PATIENCE}", "-", f"UNIX-CONNECT:{path}"],
        ["socat", f"-t{PATIENCE}", "-", f"TCP:127.0.0.1:{port}"],
    ):
        done = subprocess.run(
            client, input=b"through the cat\n", capture_output=True, timeout=PATIENCE, check=True
        )
        assert done.stdout == b"through the cat\n"
    assert run.stop() == 0


def test_standard_streams(tmp_path: Path, activate: Activate) -> None:
    """With StandardInput=socket there is no LISTEN_FDS; errors go where they are sent."""
    code = """
        facts = {key: kind(fd) for fd, key in enumerate(["in", "out", "err"])}
        facts["listen"] = [key for key in os.environ if key.startswith("LISTEN")]
        facts["remote"] = "REMOTE_ADDR" in os.environ
        facts["open"] = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1]
        print(json.dumps(facts), flush=True)
        print("to the journal", file=sys.stderr)
        """
    port = free_port()
    write_units(
        tmp_path,
        {
            "s.socket": f"[Socket]\nListenStream=127.0.0.1:{port}\nAccept=yes\n",
            "s@.service": f"""
                [Service]
                ExecStart={python(tmp_path, code)}
                StandardInput=socket
                StandardError=journal
                """,
        },
    )
    run = activate("s.socket")
    run.until("listening")

    assert {
        "in": "AF_INET SOCK_STREAM no",
        "out": "AF_INET SOCK_STREAM no",
        "err": "fifo",
        "listen": [],
        "remote": True,
        "open": [0, 1, 2],
    } == ask(port)
    run.until(r"^s\[\d+\] \| to the journal$")
    assert run.stop() == 0


def test_curl(tmp_path: Path, activate: Activate) -> None:
    """A shell script answers curl."""
    path = tmp_path / "http.sh"
    path.write_text("read line\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello %s\\n' \"$REMOTE_ADDR\"\n")
    port = free_port()
    write_units(
        tmp_path,
        {
            "h.socket": f"[Socket]\nListenStream=127.0.0.1:{port}\nAccept=yes\n",
            "h@.service": f"[Service]\nExecStart=/bin/sh {path}\nStandardInput=socket\n",
        },
    )
    run = activate("h.socket")
    run.until("listening")
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.stdout == "hello 127.0.0.1\n"
    assert run.stop() == 0


def test_many_at_once(tmp_path: Path, activate: Activate) -> None:
    """Connections are served side by side, and stopping ends them all."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "cat.socket": f"[Socket]\nListenStream={path}\nAccept=yes\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("cat.socket")
    run.until("listening")
    clients = [connect(path) for _ in range(30)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    assert [b"%d" % number for number in range(30)] == [client.recv(10) for client in clients]
    run.until("started", count=30)
    assert len(run.pids()) == 30
    assert all(map(alive, run.pids()))

    assert run.stop() == 0
    for client in clients:
        client.close()
    assert run.text.count("was ended by SIGTERM") == 30


@pytest.mark.parametrize("directive", ["MaxConnections", "MaxConnectionsPerSource"])
def test_limits(tmp_path: Path, activate: Activate, directive: str) -> None:
    """A connection too many is closed at once; when one has ended there is room again."""
    port = free_port()
    write_units(
        tmp_path,
        {
            "cat.socket": f"[Socket]\nListenStream={port}\nAccept=yes\n{directive}=2\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("cat.socket")
    run.until("listening")
    with connect(port) as first, connect(port):
        run.until("started", count=2)
        assert b"" == read_all(connect(port))
        run.until(rf"^cat\.socket: 127\.0\.0\.1:\d+: closed, 2 .*\({directive}=\)$")
        with connect(("::1", port)) as other:
            other.sendall(b"x")
            expected = b"" if directive == "MaxConnections" else b"x"
            try:
                assert expected == other.recv(1)
            except ConnectionResetError:
                assert expected == b""
        first.close()
        run.until("exited$", count=1 if directive == "MaxConnections" else 2)
        with connect(port) as again:
            again.sendall(b"y")
            assert b"y" == again.recv(1)
    assert run.stop() == 0


def test_trigger_limit(tmp_path: Path, activate: Activate) -> None:
    """More clients than TriggerLimitBurst= close the socket; those who are served stay."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "cat.socket": f"""
                [Socket]
                ListenStream={path}
                Accept=yes
                TriggerLimitBurst=3
                TriggerLimitIntervalSec=1min
                """,
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("cat.socket")
    run.until("listening")
    clients = [connect(path) for _ in range(4)]
    run.until(r"more than 3 times in 60s a client came \(trigger-limit-hit\): closed; raise")
    assert not Path(path).exists()
    clients[0].sendall(b"still")
    assert b"still" == clients[0].recv(10)
    for client in clients:
        client.close()

    assert run.wait() == 1


def test_poll_limit(tmp_path: Path, activate: Activate) -> None:
    """Above the poll limit clients wait, and are served when its time is over."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "cat.socket": f"""
                [Socket]
                ListenStream={path}
                Accept=yes
                PollLimitBurst=2
                PollLimitIntervalSec=2s
                """,
            "cat@.service": "[Service]\nExecStart=/bin/echo hello\nStandardInput=socket\n",
        },
    )
    run = activate("cat.socket")
    run.until("listening")
    clients = [connect(path) for _ in range(5)]

    assert [b"hello\n"] * 5 == [read_all(client) for client in clients]
    run.until("resting")
    assert run.stop() == 0


def test_client_that_has_gone(tmp_path: Path, activate: Activate) -> None:
    """Clients that reset before they are accepted do no harm."""
    port = free_port()
    write_units(
        tmp_path,
        {
            "cat.socket": f"[Socket]\nListenStream=127.0.0.1:{port}\nAccept=yes\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("cat.socket")
    run.until("listening")
    run.process.send_signal(signal.SIGSTOP)
    for _ in range(5):
        with connect(port) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    run.process.send_signal(signal.SIGCONT)
    with connect(port) as client:
        client.sendall(b"x")
        assert b"x" == client.recv(1)

    assert run.stop() == 0


def test_instance_in_the_command(tmp_path: Path, activate: Activate) -> None:
    """A program named by its instance is looked for at each connection, with an error a line."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream={path}\nAccept=yes\n",
            "x@.service": "[Service]\nExecStart=/nowhere/%i\n",
        },
    )
    run = activate("x.socket")
    run.until("listening")
    assert b"" == read_all(connect(path))
    run.until(
        r"^x@0-\d+-\d+\.service: x@\.service:2: /nowhere/0-\d+-\d+ does not exist; install it"
    )
    assert run.stop() == 0


def test_serves_python_handlers(tmp_path: Path, activate: Activate) -> None:
    """The program's name alone finds the `activator` beside the interpreter."""
    if not Path(sys.executable).with_name("activator").exists():
        pytest.skip("activator is not installed beside the interpreter")
    port = free_port()
    write_units(
        tmp_path,
        {
            "e.socket": f"[Socket]\nListenStream=127.0.0.1:{port}\n",
            "e.service": """
                [Service]
                Type=notify
                ExecStart=activator serve activator.examples.echo:echo
                """,
        },
    )
    run = activate("e.socket", PATH="/usr/bin:/bin")
    run.until("listening")
    with connect(port) as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert b"hello" == client.recv(100)
    run.until("ready$")
    assert run.stop() == 0
