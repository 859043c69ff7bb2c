"""The life of services under `activator run`: what boxes cannot show, or everybody should see."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.local.control import ask as request
from activator.local.services import environment_file, results, timeouts
from activator.local.services.states import ROWS, SIGNALS, State
from activator.local.units.service_model import Restarting, ServiceUnit, Statuses
from tests.support.local import (
    Activate,
    alive,
    ask,
    connect,
    free_port,
    knock,
    python,
    read_all,
    write_units,
)

PROXYD = Path("/usr/lib/systemd/systemd-socket-proxyd")
# Stores a descriptor with a text, and fails; started again, it tells what it was given.
STORE = """
    fds = daemon.listen_fds_with_names(unset_environment=False)
    stored = {name: fd for fd, name in fds.items() if name.startswith("kept")}
    if not stored:
        read, write = os.pipe()
        os.write(write, b"remembered")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(os.environ["NOTIFY_SOCKET"])
            socket.send_fds(sock, [b"FDSTORE=1\\nFDNAME=kept-r"], [read])
            socket.send_fds(sock, [b"FDSTORE=1\\nFDNAME=kept-w"], [write])
            socket.send_fds(sock, [b"FDSTORE=1\\nFDNAME=gone"], [read])
            sock.send(b"FDSTOREREMOVE=1\\nFDNAME=gone")
        sys.exit(3)
    facts = [sorted(fds.values()), os.read(stored["kept-r"], 100).decode()]
    with accept() as client:
        send(client, facts)
    """


def test_store(tmp_path: Path, activate: Activate) -> None:
    """What a service has stored comes back after it has failed, and is gone once it has ended."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "s.socket": f"[Socket]\nListenStream={path}\n",
            "s.service": f"""
                [Service]
                ExecStart={python(tmp_path, STORE)}
                FileDescriptorStoreMax=8
                Restart=on-failure
                RestartSec=10ms
                """,
        },
    )
    run = activate("s.socket")
    run.until("listening")
    for _ in range(2):
        assert [["kept-r", "kept-w", "s.socket"], "remembered"] == ask(path)
    run.until("exited$", count=2)

    assert run.text.count("starts again in 0.01s") == 2
    assert run.stop() == 0


def test_store_that_is_full(tmp_path: Path, activate: Activate) -> None:
    """A descriptor too many, and one without a store, are told; neither harms."""
    path = str(tmp_path / "sock")
    code = """
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(os.environ["NOTIFY_SOCKET"])
            socket.send_fds(sock, [b"FDSTORE=1"], [0, 1])
        accept().close()
        """
    service = python(tmp_path, code)
    for name, line in (("one", "FileDescriptorStoreMax=1"), ("none", "NotifyAccess=main")):
        write_units(
            tmp_path,
            {
                f"{name}.socket": f"[Socket]\nListenStream={path}.{name}\n",
                f"{name}.service": f"[Service]\nExecStart={service}\n{line}\n",
            },
        )
    run = activate("one.socket", "none.socket")
    run.until("listening", count=2)
    for name in ("one", "none"):
        knock(f"{path}.{name}")
    run.until("1 too many for its store; raise FileDescriptorStoreMax=")
    run.until("FDSTORE=1 is not taken; set FileDescriptorStoreMax=")

    assert run.stop() == 0


def test_watchdog(tmp_path: Path, activate: Activate) -> None:
    """A service that feeds the watchdog stays; once it stops feeding it is ended and told so."""
    code = """
        assert os.environ["WATCHDOG_PID"] == str(os.getpid())
        span = int(os.environ["WATCHDOG_USEC"]) / 1e6
        daemon.notify("READY=1")
        with accept() as client:
            end = time.monotonic() + 1.1 * span
            while time.monotonic() < end:
                time.sleep(0.05)  # so that no pause of a busy machine is as long as the limit
                daemon.notify("WATCHDOG=1")
            send(client, "fed")
        time.sleep(1000)
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "w.socket": f"[Socket]\nListenStream={path}\n",
            "w.service": f"""
                [Service]
                Type=notify
                WatchdogSec=4s
                ExecStart={python(tmp_path, code)}
                """,
        },
    )
    run = activate("w.socket")
    run.until("listening")

    assert ask(path) == "fed"
    run.until(r"no WATCHDOG=1 within 4s \(watchdog\); see why it hangs, or raise WatchdogSec=")
    run.until("was ended by SIGABRT")
    assert run.stop() == 0


def test_watchdog_that_is_asked_for(tmp_path: Path, activate: Activate) -> None:
    """WATCHDOG=trigger ends the service, in words of its own."""
    code = "daemon.notify('READY=1'); accept(); daemon.notify('WATCHDOG=trigger'); time.sleep(1000)"
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "w.socket": f"[Socket]\nListenStream={path}\n",
            "w.service": f"[Service]\nType=notify\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("w.socket")
    run.until("listening")
    knock(path)
    run.until(r"said WATCHDOG=trigger \(watchdog\); see why it gave itself up$")
    run.until("was ended by SIGABRT")
    assert "no WATCHDOG=1" not in run.text
    assert 0 == run.stop()


def reloads(directory: Path, name: str, stamp: str, seconds: int) -> str:
    """Write a service, and its socket, that answers a reload with a stamp; return its path."""
    code = f"""
        def reload(*_):
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            daemon.notify(f"RELOADING=1{stamp}")
            daemon.notify("READY=1")
        signal.signal(signal.SIGHUP, reload)
        daemon.notify("READY=1")
        accept().close()
        while True:
            signal.pause()
        """
    path = str(directory / name)
    write_units(
        directory,
        {
            f"{name}.socket": f"[Socket]\nListenStream={path}\n",
            f"{name}.service": f"""
                [Service]
                Type=notify-reload
                TimeoutStartSec={seconds}s
                ExecStart={python(directory, code, name)}
                """,
        },
    )
    return path


def test_answer_to_a_reload(tmp_path: Path, activate: Activate) -> None:
    """Type=notify-reload: RELOADING=1 is an answer if it was sent after the signal."""
    path = reloads(tmp_path, "r", "\\nMONOTONIC_USEC={now}", 60)
    run = activate("--control-socket", "ctl", "r.socket")
    run.until("listening")
    assert b"" == read_all(connect(path))
    request(f"{tmp_path}/ctl", "reload", ["r.service"])
    run.until("reloaded$")
    assert "not taken" not in run.text
    assert 0 == run.stop()


def test_what_is_no_answer_to_a_reload(tmp_path: Path, activate: Activate) -> None:
    """RELOADING=1 that does not say when it was sent, or that it was before, is not taken."""
    stamps = {"none": "", "old": "\\nMONOTONIC_USEC=5", "odd": "\\nMONOTONIC_USEC=x"}
    # It is also the time that a start may take, on a busy machine; all of them wait at once.
    paths = [reloads(tmp_path, name, stamp, 8) for name, stamp in stamps.items()]
    run = activate("--control-socket", "ctl", *(f"{name}.socket" for name in stamps))
    run.until("listening", count=len(stamps))

    def refused(name: str) -> None:
        with pytest.raises(ActivatorError, match=f"{name}.service has failed to reload"):
            request(f"{tmp_path}/ctl", "reload", [f"{name}.service"])

    for path in paths:
        assert b"" == read_all(connect(path))
    with ThreadPoolExecutor(len(stamps)) as pool:
        assert [None] * len(stamps) == list(pool.map(refused, stamps))
    what = "RELOADING=1 has no MONOTONIC_USEC= of now, which .*: not taken; see sd_notify"
    for name in stamps:
        run.until(rf"^{name}\[\d+\]: {what}")
        run.until(rf"^{name}\[\d+\]: .*did not reload within 8s")
    assert "]: reloaded" not in run.text
    assert 0 == run.stop()


def test_socket_of_all_commands(tmp_path: Path, activate: Activate) -> None:
    """With StandardInput=socket every command has the client as standard input and output."""
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "i.socket": f"[Socket]\nListenStream={path}\nAccept=yes\n",
            "i@.service": """
                [Service]
                StandardInput=socket
                ExecStartPre=/bin/sh -c 'echo before; read line; echo $line'
                ExecStart=/bin/sh -c 'read line; echo $line'
                ExecStop=/bin/sh -c 'echo stop'
                ExecStopPost=/bin/sh -c 'echo after >&2'
                """,
        },
    )
    run = activate("i.socket")
    run.until("listening")
    client = connect(path)
    client.sendall(b"one\ntwo\n")
    assert b"before\none\ntwo\nstop\nafter\n" == read_all(client)
    assert 0 == run.stop()


@pytest.mark.parametrize(
    "lines",
    ["SendSIGKILL=no", "KillMode=none", "KillMode=process", "KillMode=mixed\nSendSIGKILL=no",
     "KillMode=none\nSendSIGKILL=no\nTimeoutStopSec=infinity"],
)  # fmt: skip
def test_nothing_outlives_a_run(tmp_path: Path, activate: Activate, lines: str) -> None:
    """Whatever a unit says of its processes, all have ended when the run has."""
    code = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        client = accept()
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            os.execve("/bin/sleep", ["sleep", "1000"], {})
        os.wait()
        os.fork()
        client.close()
        time.sleep(1000)
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "k.socket": f"[Socket]\nListenStream={path}\n",
            "k.service": f"""
                [Service]
                TimeoutStopSec=200ms
                ExecStart={python(tmp_path, code)}
                {lines.replace(chr(10), chr(10) + " " * 16)}
                """,
        },
    )
    run = activate("--grace", "1s", "k.socket")
    run.until("listening")
    assert b"" == read_all(connect(path))
    below = family_of(run.process.pid)
    assert len(below) == 3
    assert 0 == run.stop()
    assert [] == [pid for pid in below if alive(pid)]
    assert not Path(path).exists()


def family_of(pid: int) -> list[int]:
    """Return all processes below one, as soon as none of them is about to end."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, children) for each in (child, *family_of(child))]


def test_reload_by_itself_and_main_pid(tmp_path: Path, activate: Activate) -> None:
    """RELOADING=1 and READY=1 are followed, and MAINPID= hands the service over to a child."""
    code = """
        daemon.notify("READY=1")
        client = accept()
        daemon.notify("RELOADING=1")
        daemon.notify("READY=1")
        child = os.fork()
        if child:
            daemon.notify(f"MAINPID={child}")
            time.sleep(0.3)
            os._exit(7)
        time.sleep(0.6)
        send(client, os.getpid())
        client.close()
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "m.socket": f"[Socket]\nListenStream={path}\n",
            "m.service": f"[Service]\nType=notify\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("m.socket")
    run.until("listening")
    child = ask(path)
    run.until(rf"m\[{child}\]: exited$")

    assert "]: reloaded" in run.text
    assert run.pids()[1] == child
    assert run.stop() == 0


def test_notify_of_a_stranger(tmp_path: Path, activate: Activate) -> None:
    """A process that is none of the service's cannot make it ready."""
    code = """
        accept().close()
        print(os.environ['NOTIFY_SOCKET'], flush=True)
        accept().close()
        daemon.notify("STATUS=behind the stranger's")
        time.sleep(1000)
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "n.socket": f"[Socket]\nListenStream={path}\n",
            "n.service": f"""
                [Service]
                Type=notify
                NotifyAccess=all
                ExecStart={python(tmp_path, code)}
                """,
        },
    )
    run = activate("n.socket")
    run.until("listening")
    knock(path)
    target = run.until(r"\| (/.*/notify)$")[1]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"READY=1", target)
    knock(path)

    # What comes later is taken later.
    run.until("status: behind the stranger's$")
    assert "]: ready" not in run.text
    assert run.stop() == 0


def test_runtime_directory_goes_with_all_in_it(tmp_path: Path, activate: Activate) -> None:
    """RuntimeDirectory= is removed with what is in it; StateDirectory= stays."""
    code = """
        for name in ("RUNTIME", "STATE", "CACHE", "LOGS"):
            open(os.environ[f"{name}_DIRECTORY"] + "/file", "w").close()
        with accept() as client:
            send(client, {k: v for k, v in os.environ.items() if k.endswith("_DIRECTORY")})
        """
    path = str(tmp_path / "sock")
    write_units(
        tmp_path,
        {
            "d.socket": f"[Socket]\nListenStream={path}\n",
            "d.service": f"""
                [Service]
                ExecStart={python(tmp_path, code)}
                RuntimeDirectory=deep/mine
                StateDirectory=mine
                CacheDirectory=mine
                LogsDirectory=mine
                """,
        },
    )
    run = activate("--runtime-dir", "rt", "d.socket")
    run.until("listening")
    found = ask(path)
    run.until("exited$")

    base = tmp_path / "rt"
    assert {
        "RUNTIME_DIRECTORY": f"{base}/deep/mine",
        "STATE_DIRECTORY": f"{base}/state/mine",
        "CACHE_DIRECTORY": f"{base}/cache/mine",
        "LOGS_DIRECTORY": f"{base}/log/mine",
    } == found
    assert run.stop() == 0
    assert ["cache", "log", "state"] == sorted(each.name for each in base.iterdir())
    assert (base / "state" / "mine" / "file").exists()


@pytest.mark.skipif(not PROXYD.exists(), reason="systemd-socket-proxyd is not installed")
def test_proxy(tmp_path: Path, activate: Activate) -> None:
    """A proxy and its backend start with the first client, and both stop when idle, twice."""
    front, back = free_port(), free_port()
    code = f"""
        import http.server
        handler = http.server.SimpleHTTPRequestHandler
        server = http.server.HTTPServer(("127.0.0.1", {back}), handler)
        daemon.notify("READY=1")
        server.serve_forever()
        """
    write_units(
        tmp_path,
        {
            "web.socket": f"[Socket]\nListenStream=127.0.0.1:{front}\nService=web-proxy.service\n",
            "web-proxy.service": f"""
                [Unit]
                BindsTo=web.service
                After=web.service
                [Service]
                ExecStart={PROXYD} --exit-idle-time=300ms 127.0.0.1:{back}
                """,
            "web.service": f"""
                [Unit]
                StopWhenUnneeded=yes
                [Service]
                Type=notify
                ExecStart={python(tmp_path, code)}
                """,
        },
    )
    run = activate("web.socket")
    run.until("listening")
    for count in (1, 2):
        with connect(front) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.0 200 OK"
        run.until(r"^web\[\d+\]: was ended by SIGTERM$", count=count)
    order = re.findall(
        r"^(web|web-proxy)\[\d+\]: (started|ready|exited|was)", run.text, re.MULTILINE
    )
    once = [("web", "started"), ("web", "ready"), ("web-proxy", "started"), ("web-proxy", "exited"),
            ("web", "was")]  # fmt: skip

    assert once * 2 == order
    assert run.stop() == 0


def test_missing_unit_is_told(tmp_path: Path, activate: Activate) -> None:
    """A unit that is required and not beside it is taken as there, with a word."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.service": "[Unit]\nRequires=db.service\n[Service]\nExecStart=/bin/true\n",
        },
    )
    run = activate("a.socket")
    run.until("listening")

    assert "a.service: needs db.service, which is not beside it: taken as there" in run.text
    assert run.stop() == 0


def test_every_state_leads_on() -> None:
    """The table is whole: each state has its row, each signal its directive, each limit an end."""
    assert set(ROWS) == set(State)
    for state, row in ROWS.items():
        assert row.signal in (*SIGNALS, "")
        assert not (row.commands and row.signal)
        if row.limit and state is not State.AUTO_RESTART:
            told = timeouts.after(state, ServiceUnit("a.service", "a.service:1"))
            assert told.next in ROWS
    # Whatever takes too long ends: no time limit leads in a circle.
    for first in set(State) - {State.AUTO_RESTART}:
        seen, state = [], first
        while ROWS[state].limit:
            assert state not in seen
            seen.append(state)
            state = timeouts.after(state, ServiceUnit("a", "a")).next


def test_restart_rules() -> None:
    """The table of systemd.service(5), "Exit causes and the effect of the Restart= settings"."""
    ways = {
        "success": 0, "exit-code": 1, "signal": -9, "timeout": None, "watchdog": None,
    }  # fmt: skip
    table = {
        "no": [],
        "always": ["success", "exit-code", "signal", "timeout", "watchdog"],
        "on-success": ["success"],
        "on-failure": ["exit-code", "signal", "timeout", "watchdog"],
        "on-abnormal": ["signal", "timeout", "watchdog"],
        "on-abort": ["signal"],
        "on-watchdog": ["watchdog"],
    }
    for when, expected in table.items():
        rules = Restarting(when=when)
        found = [r for r, s in ways.items() if results.restarts(rules, r, s, oneshot=False)]
        assert expected == found
    codes = Statuses(codes=frozenset({1}))
    assert not results.restarts(Restarting("always", prevent=codes), "exit-code", 1, oneshot=False)
    assert results.restarts(Restarting("no", force=codes), "exit-code", 1, oneshot=False)
    assert not results.restarts(Restarting("always"), results.SKIPPED, 1, oneshot=False)


def test_restart_delay_grows() -> None:
    """RestartSteps= leads from RestartSec= to RestartMaxDelaySec= by equal factors."""
    rules = Restarting(delay=1.0, steps=4, longest=16.0)

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 16.0] == [results.delay(rules, n) for n in range(6)]
    assert results.delay(Restarting(delay=0.5), 9) == 0.5


NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)
TEXTS = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=20
)


@given(st.dictionaries(NAMES, TEXTS, max_size=5))
def test_environment_file_keeps_every_value(values: dict[str, str]) -> None:
    """Any value that is written in double quotes, escaped, is read as it was."""
    escaped = {k: re.sub(r'(["\\`$])', r"\\\1", v) for k, v in values.items()}
    text = "".join(f'{name}="{value}"\n' for name, value in escaped.items())

    assert values == environment_file.parse(text)


@given(st.text(max_size=60))
def test_environment_file_takes_any_text(text: str) -> None:
    """Whatever a file holds, it is read to its end."""
    for name in environment_file.parse(text):
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)


def test_missing_environment_file(tmp_path: Path) -> None:
    """A missing file is told by its place, unless it may be missing."""
    missing = f"{tmp_path}/none"
    assert environment_file.read(missing, "a:1", optional=True) == {}
    with pytest.raises(ActivatorError, match="a:1: cannot read the environment file"):
        environment_file.read(f"{missing}*", "a:1", optional=False)


@pytest.mark.parametrize("how", ["unlink", "rename", "replace"])
def test_path_vanishes(tmp_path: Path, activate: Activate, how: str) -> None:
    """When the path of an open socket is taken away, that is said at once, and in the status."""
    path = tmp_path / "a"
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={path}\nListenFIFO={tmp_path}/fifo\n",
            "a.service": "[Service]\nExecStart=/bin/cat\n",
        },
    )
    running = activate("--control-socket", f"{tmp_path}/ctl", str(tmp_path / "a.socket"))
    running.until("listening on .*fifo")
    if how == "replace":
        (tmp_path / "b").touch()
        (tmp_path / "b").rename(path)
    elif how == "rename":
        path.rename(tmp_path / "c")
    else:
        path.unlink()
    running.until(f"^a.socket: {re.escape(str(path))} has gone: no client can reach it; ")
    (row,) = request(f"{tmp_path}/ctl", "status", ["a.socket"])

    assert [f"{path} (gone)", f"{tmp_path}/fifo"] == row["addresses"]
    assert running.stop() == 0
    assert running.text.count("has gone") == 1
