"""`activator run` in the shared mode: real sockets, real processes, plain systemd.daemon."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
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
    environment,
    free_port,
    knock,
    python,
    read_all,
    write_units,
)


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
    run = activate("echo.socket", LISTEN_FDS="7", REMOTE_ADDR="nobody", SECRET="x")
    run.until(rf"^echo\.socket: listening on 127\.0\.0\.1:{port}$")
    facts = ask(port)
    run.until(r"exited$")

    assert [facts["pid"]] == run.pids()
    assert [[3, "echo.socket", "AF_INET SOCK_STREAM listening", False]] == facts["fds"]
    assert [0, 1, 2, 3] == facts["open"]
    seen = facts["environ"]
    assert (str(facts["pid"]), "1") == (seen["LISTEN_PID"], seen["LISTEN_FDS"])
    assert {"SECRET", "REMOTE_ADDR", "NOTIFY_SOCKET"} & set(seen) == set()
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
            "echo.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
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


def test_stop_cleans_up(tmp_path: Path, activate: Activate) -> None:
    """Stopping ends stubborn processes and their children and removes nodes and directories."""
    code = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = os.fork()
        with accept() as client:
            send(client, child)
        time.sleep(1000)
        """
    node = tmp_path / "new" / "deep" / "sock"
    write_units(
        tmp_path,
        {
            "slow.socket": f"""
                [Socket]
                ListenStream={node}
                ListenFIFO={tmp_path}/fifo
                Symlinks=
                SocketMode=0640
                DirectoryMode=0700
                """,
            "slow.service": f"""
                [Service]
                ExecStart={python(tmp_path, code)}
                TimeoutStopSec=200ms
                """,
        },
    )
    run = activate("slow.socket")
    run.until("listening", count=2)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (node, node.parent, tmp_path / "fifo")]
    child = ask(str(node))

    assert modes == [0o640, 0o700, 0o640]
    assert alive(child)
    assert run.stop() == 0
    assert not alive(child)
    assert ["service.py", "slow.service", "slow.socket"] == sorted(os.listdir(tmp_path))
    assert "still there 0.2s after SIGTERM, killing it" in run.text


def test_second_signal_kills(tmp_path: Path, activate: Activate) -> None:
    """Whoever cannot wait asks twice."""
    code = "signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\n" + (
        "accept().close()\nwhile True: time.sleep(1000)"
    )
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "slow.socket": f"[Socket]\nListenStream={path}\n",
            "slow.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("slow.socket")
    run.until("listening")
    knock(path)
    run.process.send_signal(signal.SIGINT)
    run.until(r"\| no")

    assert run.stop(signal.SIGINT) == 0
    assert "was ended by SIGKILL" in run.text


@pytest.mark.parametrize("left", ["quick", "stubborn"])
def test_left_over_processes_end_with_the_service(
    tmp_path: Path, activate: Activate, left: str
) -> None:
    """What the main process leaves behind is ended before the next client is served."""
    code = f"""
        if os.fork() == 0:
            if {left == "stubborn"}:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(1, b"ready\\n")
            time.sleep(1000)
        with accept() as client:
            client.recv(1)
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "fork.socket": f"[Socket]\nListenStream={path}\n",
            "fork.service": f"""
                [Service]
                ExecStart={python(tmp_path, code)}
                TimeoutStopSec=200ms
                """,
        },
    )
    run = activate("fork.socket")
    run.until("listening")
    with connect(path) as client:
        run.until("ready")
        client.sendall(b"x")
        run.until("exited$")

    (pid,) = run.pids()
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    assert run.stop() == 0


def test_daemon_ends_with_the_service(tmp_path: Path, activate: Activate) -> None:
    """A process that made itself a daemon, with a session of its own, is found and ended."""
    code = """
        with accept() as client:
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    send(client, os.getpid())
                    client.close()
                    time.sleep(1000)
                os._exit(0)
            os.wait()
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "d.socket": f"[Socket]\nListenStream={path}\n",
            "d.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("d.socket")
    run.until("listening")
    daemon = ask(path)
    run.until("exited$")

    assert not alive(daemon)
    assert run.stop() == 0


def test_trigger_limit(tmp_path: Path, activate: Activate) -> None:
    """A service that never accepts is not started for ever: the socket fails with advice."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "bad.socket": f"[Socket]\nListenStream={path}\nTriggerLimitIntervalSec=1min\n",
            "bad.service": "[Service]\nExecStart=/bin/true\n",
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


def test_trigger_limit_of_one_socket_spares_the_others(tmp_path: Path, activate: Activate) -> None:
    """The socket that fails is closed; another service goes on."""
    write_units(
        tmp_path,
        {
            "bad.socket": f"[Socket]\nListenStream={tmp_path}/bad\nTriggerLimitBurst=2\n",
            "bad.service": "[Service]\nExecStart=/bin/false\n",
            "good.socket": f"[Socket]\nListenStream={tmp_path}/good\n",
            "good.service": f"[Service]\nExecStart={python(tmp_path, ONCE)}\n",
        },
    )
    run = activate("bad.socket", "good.socket")
    run.until("listening", count=2)
    knock(str(tmp_path / "bad"))
    run.until("trigger limit")

    assert [3, "good.socket"] == ask(str(tmp_path / "good"))["fds"][0][:2]
    assert "exited with status 1" in run.text
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


def test_notify(tmp_path: Path, activate: Activate) -> None:
    """Type=notify: a NOTIFY_SOCKET is there, READY=1 and STATUS= are shown."""
    code = """
        daemon.notify("STATUS=warming up")
        daemon.notify("READY=1")
        with accept() as client:
            send(client, see())
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "n.socket": f"[Socket]\nListenStream={path}\n",
            "n.service": f"[Service]\nType=notify\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("n.socket")
    run.until("listening")
    notify = Path(ask(path)["environ"]["NOTIFY_SOCKET"])
    run.until(r"n\[\d+\]: exited$")

    assert run.text.index("status: warming up") < run.text.index("]: ready")
    assert notify.exists()
    assert run.stop() == 0
    assert not notify.parent.exists()


def test_never_ready(tmp_path: Path, activate: Activate) -> None:
    """A service that does not say READY=1 in time is ended, and one that ends before is told."""
    code = "time.sleep(0 if sys.argv[1] == 'end' else 1000)"
    service = python(tmp_path, code)
    for name in ("wait", "end"):
        write_units(
            tmp_path,
            {
                f"{name}.socket": f"""
                    [Socket]
                    ListenStream={tmp_path}/{name}
                    TriggerLimitBurst=1
                    """,
                f"{name}.service": f"""
                    [Service]
                    Type=notify
                    TimeoutStartSec=200ms
                    ExecStart={service} %N
                    """,
            },
        )
    run = activate("wait.socket", "end.socket")
    run.until("listening", count=2)
    for name in ("wait", "end"):
        knock(str(tmp_path / name))

    assert run.wait() == 1
    assert "no READY=1 within 0.2s; let it notify, or raise TimeoutStartSec=" in run.text
    assert "exited before it said READY=1" in run.text


def test_notify_access(tmp_path: Path, activate: Activate) -> None:
    """READY=1 from a child counts with NotifyAccess=all, and is explained without."""
    code = """
        accept().close()
        if os.fork() == 0:
            daemon.notify("READY=1")
        time.sleep(1000)
        """
    for name, access in (("all", "NotifyAccess=all"), ("main", "")):
        write_units(
            tmp_path,
            {
                f"{name}.socket": f"[Socket]\nListenStream={tmp_path}/{name}\n",
                f"{name}.service": f"""
                    [Service]
                    Type=notify
                    {access}
                    ExecStart={python(tmp_path, code)}
                    """,
            },
        )
    run = activate("all.socket", "main.socket")
    run.until("listening", count=2)
    for name in ("all", "main"):
        knock(str(tmp_path / name))

    run.until(r"^all\[\d+\]: ready$")
    run.until(r"main\.service: PID \d+ notified.*; set NotifyAccess=all")
    assert run.stop() == 0


def test_unit_settings(tmp_path: Path, activate: Activate) -> None:
    """Environment, directory, specifiers, variables and quoting are as in systemd."""
    code = """
        facts = see() | {"umask": os.umask(0)}
        facts["sigpipe"] = signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
        blocked = [l for l in open("/proc/self/status") if l.startswith("SigBlk")][0].split()[1]
        facts["blocked"], facts["session"] = int(blocked, 16), os.getsid(0)
        with accept() as client:
            send(client, facts)
        """
    service = python(tmp_path, code)
    arguments = r"$ONE $TWO ${TWO} x${ONE}y $$z '%p 100%%' \; $NONE ${NONE} %i %u \x41 plain$ONE"
    write_units(
        tmp_path,
        {
            "a@b.service": f"""
                [Service]
                ExecStart={service} {arguments}
                Environment="ONE=one" 'TWO=two  two' DROP=1 KEEP=%n
                PassEnvironment=PASSED ABSENT
                UnsetEnvironment=DROP KEEP=other
                WorkingDirectory=/
                UMask=0077
                """,
            "a@.socket": "[Socket]\nListenStream=%t/%i.sock\n",
        },
    )
    run = activate("--runtime-dir", "rt", "-E", "ONE=0", "-E", "HERE", "a@b.socket",
                   PASSED="p", HERE="h")  # fmt: skip
    run.until(f"^a@b.socket: listening on {tmp_path}/rt/b.sock$")
    facts = ask(str(tmp_path / "rt" / "b.sock"))
    seen = facts["environ"]

    expected = ["one", "two", "two", "two  two", "xoney", "$z", "a 100%", ";", "", "b"]
    assert expected == facts["argv"][1:11]
    assert ["A", "plain$ONE"] == facts["argv"][12:]
    assert {"ONE": "one", "TWO": "two  two", "KEEP": "a@b.service", "PASSED": "p", "HERE": "h"} == {
        key: seen[key] for key in ("ONE", "TWO", "KEEP", "PASSED", "HERE")
    }
    assert "DROP" not in seen
    assert ("/", 0o077, True, 0) == tuple(facts[k] for k in ("cwd", "umask", "sigpipe", "blocked"))
    assert facts["pid"] == facts["session"]
    assert run.stop() == 0


def test_no_variables_and_own_name(tmp_path: Path, activate: Activate) -> None:
    """The prefixes : and @ keep variables as they stand and set argv[0]."""
    show = "tr '\\\\0' '|' < /proc/$$/cmdline"
    write_units(
        tmp_path,
        {
            "p.socket": f"[Socket]\nListenStream={tmp_path}/p\nTriggerLimitBurst=1\n",
            "p.service": f'[Service]\nExecStart=-:@/bin/sh me -c "{show}" $HOME ${{HOME}}\n',
        },
    )
    run = activate("p.socket")
    run.until("listening")
    knock(str(tmp_path / "p"))

    run.until(r"\| me\|-c\|tr .*\|\$HOME\|\$\{HOME\}\|$")


def test_socket_options(tmp_path: Path, activate: Activate) -> None:
    """The options of [Socket] are set on what the service gets."""
    port = free_port()
    code = """
        S, T, I = socket.SOL_SOCKET, socket.IPPROTO_TCP, socket.IPPROTO_IPV6
        with socket.socket(fileno=os.dup(3)) as sock:
            facts = {
                "reuse": sock.getsockopt(S, socket.SO_REUSEADDR),
                "rcvbuf": sock.getsockopt(S, socket.SO_RCVBUF),
                "sndbuf": sock.getsockopt(S, socket.SO_SNDBUF),
                "keepalive": sock.getsockopt(S, socket.SO_KEEPALIVE),
                "idle": sock.getsockopt(T, socket.TCP_KEEPIDLE),
                "interval": sock.getsockopt(T, socket.TCP_KEEPINTVL),
                "probes": sock.getsockopt(T, socket.TCP_KEEPCNT),
                "nodelay": sock.getsockopt(T, socket.TCP_NODELAY),
                "priority": sock.getsockopt(S, socket.SO_PRIORITY),
                "port": sock.getsockopt(S, socket.SO_REUSEPORT),
                "only": sock.getsockopt(I, socket.IPV6_V6ONLY),
                "hops": sock.getsockopt(I, socket.IPV6_UNICAST_HOPS),
                "tos": sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS),
                "freebind": sock.getsockopt(I, 78),
            }
        with accept() as client:
            send(client, facts)
        """
    write_units(
        tmp_path,
        {
            "opt.socket": f"""
                [Socket]
                ListenStream=[::1]:{port}
                ReceiveBuffer=64K
                SendBuffer=32768
                KeepAlive=yes
                KeepAliveTimeSec=1min 30s
                KeepAliveIntervalSec=7
                KeepAliveProbes=3
                NoDelay=true
                Priority=5
                ReusePort=1
                BindIPv6Only=ipv6-only
                IPTTL=77
                IPTOS=low-delay
                FreeBind=on
                Backlog=5
                """,
            "opt.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("opt.socket")
    run.until("listening")
    # The kernel derives the priority from IPTOS=, which systemd sets later.
    expected = {
        "reuse": 1, "rcvbuf": 2 * 65536, "sndbuf": 2 * 32768, "keepalive": 1, "idle": 90,
        "interval": 7, "probes": 3, "nodelay": 1, "priority": 6, "port": 1, "only": 1,
        "hops": 77, "tos": 16, "freebind": 1,
    }  # fmt: skip

    assert expected == ask(("::1", port))
    assert run.stop() == 0


def test_unix_options(tmp_path: Path, activate: Activate) -> None:
    """Options of Unix sockets, the FIFO's size, symlinks and a name with Service=."""
    code = """
        with socket.socket(fileno=os.dup(3)) as sock:
            facts = [sock.getsockopt(socket.SOL_SOCKET, n) for n in (socket.SO_PASSCRED, 35, 29)]
        facts.append(fcntl.fcntl(4, fcntl.F_GETPIPE_SZ))
        with accept() as client:
            send(client, facts)
        """
    write_units(
        tmp_path,
        {
            "u.socket": f"""
                [Socket]
                ListenStream={tmp_path}/u.sock
                PassCredentials=yes
                Timestamping=ns
                Symlinks={tmp_path}/links/one "{tmp_path}/links/two words"
                Service=v.service
                """,
            "w.socket": f"""
                [Socket]
                ListenFIFO={tmp_path}/fifo
                PipeSize=128K
                Service=v.service
                """,
            "v.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("u.socket", "w.socket")
    run.until("listening", count=2)

    assert [1, 1, 0, 128 * 1024] == ask(str(tmp_path / "links" / "two words"))
    assert run.stop() == 0
    assert not (tmp_path / "links").exists()


def test_ready_within_a_moment(tmp_path: Path, activate: Activate) -> None:
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
            "q.socket": f"[Socket]\nListenStream={tmp_path}/q\nTriggerLimitBurst=1\n",
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
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "q").exists() and time.monotonic() < end:
        time.sleep(0.01)
    knock(str(tmp_path / "q"))
    out, err = process.communicate(timeout=PATIENCE)

    assert out.endswith("] | hello\n")
    assert out.count("\n") == 1
    assert err.startswith(
        "ignored here: ProtectHome=\nq.socket: q.service was started 1 time in 2s"
    )
    assert process.returncode == 1


def test_reader_of_our_output_goes(tmp_path: Path, activate: Activate) -> None:
    """When nobody reads our output any more, everything is stopped."""
    path = str(tmp_path / "sock")
    code = "accept()\nwhile True:\n    print('x' * 100, flush=True)\n    time.sleep(0.01)"
    write_units(
        tmp_path,
        {
            "o.socket": f"[Socket]\nListenStream={path}\n",
            "o.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("o.socket")
    run.until("listening")
    with connect(path):
        run.until("xxx")
        assert run.process.stdout is not None
        run.process.stdout.close()
        run.process.wait(PATIENCE)

    assert run.process.returncode == 1
    assert not Path(path).exists()
    assert [pid for pid in run.pids() if alive(pid)] == []


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
from activator.local.load import load
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
    supervisor.open()
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
