"""`activator run` honours the settings of units: what a service and its sockets get."""

from pathlib import Path

from tests.support.local import Activate, ask, free_port, knock, python, write_units


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
    for name, limit in (("wait", "200ms"), ("end", "1min")):
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
                    TimeoutStartSec={limit}
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
    run.until(r"main\[\d+\]: PID \d+ notified.*; set NotifyAccess=all")
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
