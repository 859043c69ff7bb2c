"""A whole run: control from elsewhere, reloads, signals, idle exit, and a container's process 1."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.local.control import ask as request
from activator.local.units.load import load
from activator.local.units.models import same
from activator.testing.activation import Activate as Activation
from tests.support.local import (
    PATIENCE,
    PRELUDE,
    Activate,
    Running,
    alive,
    ask,
    connect,
    environment,
    free_port,
    python,
    read_all,
    run_to_end,
    write_units,
)

# Serves clients one after the other until SIGTERM, and tells each its process and an argument.
# Whoever it has accepted is answered; who waits then is left to the next process.
SERVER = """
import select
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"usr1\\n"))
listener = socket.socket(fileno=3)
while True:
    ready, _, _ = select.select([listener, reading], [], [])
    if reading in ready and signal.SIGTERM in os.read(reading, 100):
        sys.exit()
    if listener in ready:
        client, _ = listener.accept()
        with client:
            client.sendall(json.dumps([os.getpid(), sys.argv[1:]]).encode())
"""


def units(tmp_path: Path, name: str = "web", argument: str = "", extra: str = "") -> None:
    """Write a service that runs on, and its socket."""
    write_units(
        tmp_path,
        {
            f"{name}.socket": f"[Socket]\nListenStream={tmp_path}/{name}\n{extra}",
            f"{name}.service": f"[Service]\nExecStart={python(tmp_path, SERVER)} {argument}\n",
        },
    )


def control(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `activator ctl`."""
    return subprocess.run(
        [sys.executable, "-m", "activator", "ctl", "--control-socket", "ctl", *words],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


# --- control -----------------------------------------------------------------------------


def test_control(tmp_path: Path, activate: Activate) -> None:
    """Units are listed, started, restarted and stopped; each waits until it is done."""
    units(tmp_path)
    run = activate("--control-socket", "ctl", "web.socket")
    run.until("listening")
    path = str(tmp_path / "ctl")
    assert 0o600 == (tmp_path / "ctl").stat().st_mode & 0o777
    row, service = request(path, "list", [])
    assert ("web.socket", "listening", [f"{tmp_path}/web"]) == tuple(
        row[key] for key in ("unit", "state", "addresses")
    )
    assert ("web.service", "dead", 0) == tuple(service[key] for key in ("unit", "state", "pid"))

    (started,) = json.loads(control(tmp_path, "start", "web", "--format", "json").stdout)
    assert "running" == started["state"]
    assert [started["pid"], []] == ask(f"{tmp_path}/web")
    assert 0 == control(tmp_path, "restart", "web.service").returncode
    pid, _ = ask(f"{tmp_path}/web")
    assert pid != started["pid"]
    assert not alive(started["pid"])
    for word in ("web", "./web.service"):
        assert f"process:     {pid}" in control(tmp_path, "status", word).stdout
    named = control(tmp_path, "restart", ".", "--format", "json")
    (before, (row,)) = (pid, json.loads(named.stdout))
    pid = row["pid"]
    assert ("web.service", True) == (row["unit"], pid != before)

    stopped = control(tmp_path, "stop", "web")
    expected = "web.service can still be started by web.socket; stop it as well to keep it down\n"
    assert (0, expected) == (stopped.returncode, stopped.stderr)
    assert not alive(pid)
    assert ask(f"{tmp_path}/web")[0] != pid  # its socket is still there, and starts it again
    # In whichever order: the sockets go first.
    stopped = control(tmp_path, "stop", "web", "web.socket")
    assert (0, "") == (stopped.returncode, stopped.stderr)
    assert not (tmp_path / "web").exists()
    assert 0 == run.stop()
    assert not (tmp_path / "ctl").exists()


def test_control_of_connections(tmp_path: Path, activate: Activate) -> None:
    """A connection's service is listed with its client, and can be stopped."""
    write_units(
        tmp_path,
        {
            "cat.socket": f"[Socket]\nListenStream={tmp_path}/cat\nAccept=yes\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("--control-socket", "ctl", "cat.socket")
    run.until("listening")
    with connect(f"{tmp_path}/cat") as client:
        client.sendall(b"x")
        assert b"x" == client.recv(1)
        row, service = request(str(tmp_path / "ctl"), "list", [])
        assert (1, 1) == (row["accepted"], row["connections"])
        assert f"PID {os.getpid()}" == service["client"]
        request(str(tmp_path / "ctl"), "stop", [service["unit"]])
        assert b"" == client.recv(1)
    assert 0 == run.stop()


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (("stop", "nothing"), 1, "there is no unit nothing; choose web.socket, web.service\n"),
        (("restart",), 2, "ctl: restart needs a name; `activator ctl list` shows all\n"),
        (("start", "web.socket"), 1, "web.socket is a socket, which is open while this runs;"),
        (("reload", "web"), 1, "web.service cannot reload; set ExecReload= or Type=notify-reload"),
    ],
)
def test_wrong_requests(
    tmp_path: Path, activate: Activate, words: tuple[str, ...], status: int, expected: str
) -> None:
    """What cannot be done is told in one line, and nothing else happens."""
    units(tmp_path)
    run = activate("--control-socket", "ctl", "web.socket")
    run.until("listening")
    done = control(tmp_path, *words)
    assert (status, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(expected)
    assert 0 == run.stop()


def test_start_that_fails(tmp_path: Path, activate: Activate) -> None:
    """Whoever starts a service that fails is told."""
    units(tmp_path)
    write_units(tmp_path, {"web.service": "[Service]\nExecStart=/bin/false\nType=oneshot\n"})
    run = activate("--control-socket", "ctl", "web.socket")
    run.until("listening")
    done = control(tmp_path, "start", "web")
    assert (1, "web.service has failed (exit-code); see its output\n") == (
        done.returncode,
        done.stderr,
    )
    assert 0 == run.stop()


def test_control_path_in_use(tmp_path: Path, activate: Activate) -> None:
    """A second run does not take the control socket away; what a killed one left is replaced."""
    units(tmp_path)
    units(tmp_path, "other")
    first = activate("--control-socket", "ctl", "web.socket")
    first.until("listening")
    done = run_to_end(tmp_path, "--control-socket", "ctl", "other.socket")
    expected = "ctl: another local activator is controlled there; name another with"
    assert (1, expected) == (done.returncode, done.stderr[: len(expected)])
    assert not (tmp_path / "other").exists()
    first.process.kill()
    first.wait()
    expected = "no local activator answers at ctl: Connection refused; start it with"
    assert control(tmp_path, "list").stderr.startswith(expected)
    second = activate("--control-socket", "ctl", "other.socket")
    second.until("listening")
    assert "other.socket" in control(tmp_path, "list").stdout
    assert 0 == second.stop()


def test_no_request(tmp_path: Path, activate: Activate) -> None:
    """Whatever is sent to the control socket does no harm."""
    units(tmp_path)
    run = activate("--control-socket", "ctl", "web.socket")
    run.until("listening")
    for data in (b"hello\n", b"{}\n", b'{"verb": 1, "names": 2}\n', b"[" * 5000 + b"\n"):
        with connect(f"{tmp_path}/ctl") as client:
            client.sendall(data)
            assert "errors" in json.loads(read_all(client.dup()))
    with connect(f"{tmp_path}/ctl"):
        pass
    assert "web.socket" in control(tmp_path, "list").stdout
    assert 0 == run.stop()
    assert "Traceback" not in run.text


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else")
def test_strangers_are_refused(tmp_path: Path, activate: Activate) -> None:
    """Also where the socket's mode was opened, the kernel tells who asks."""
    units(tmp_path)
    path = Path(tempfile.gettempdir(), f"activator-test-{os.getpid()}")
    run = activate("--control-socket", str(path), "web.socket")
    run.until("listening")
    path.chmod(0o666)
    code = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "print(s.makefile().read())"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", code, str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "not permitted; run it as root" in done.stdout, done.stderr
    assert 0 == run.stop()


# --- reload ------------------------------------------------------------------------------


def test_reload_keeps_what_did_not_change(tmp_path: Path, activate: Activate) -> None:
    """An unchanged socket stays the same one, with its queue; changed ones are made anew."""
    units(tmp_path)
    units(tmp_path, "second")
    units(tmp_path, "gone")
    run = activate("web.socket", "second.socket", "gone.socket")
    run.until("listening", count=3)
    inode = (tmp_path / "web").stat().st_ino
    pid, _ = ask(f"{tmp_path}/web")

    units(tmp_path, argument="new", extra="# a comment, and so other line numbers\n")
    units(tmp_path, "second", extra="SocketMode=0600\n")
    run.process.send_signal(signal.SIGHUP)
    run.until(r"^units read again: second\.socket changed, web\.service changed$")
    assert inode == (tmp_path / "web").stat().st_ino
    assert 0o600 == (tmp_path / "second").stat().st_mode & 0o777
    # The service that runs is the one that was started; the next is the new one.
    assert [pid, []] == ask(f"{tmp_path}/web")
    os.kill(pid, signal.SIGTERM)
    run.until("exited$")
    assert ["new"] == ask(f"{tmp_path}/web")[1]
    assert [] == ask(f"{tmp_path}/second")[1]
    assert 0 == run.stop()


def test_reload_of_a_folder(tmp_path: Path, activate: Activate) -> None:
    """Sockets that come to a folder are opened, those that go are closed."""
    folder = tmp_path / "all"
    folder.mkdir()
    units(folder, "one")
    run = activate("all")
    run.until("listening")
    units(folder, "two")
    (folder / "one.socket").unlink()
    run.process.send_signal(signal.SIGHUP)
    run.until(r"^units read again: one\.socket closed, two\.socket opened$")
    assert not (folder / "one").exists()
    assert [] == ask(f"{folder}/two")[1]
    assert 0 == run.stop()


def test_failed_reload_changes_nothing(tmp_path: Path, activate: Activate) -> None:
    """A wrong unit, or an address that another has, is told, and all runs on."""
    units(tmp_path)
    run = activate("web.socket")
    run.until("listening")
    assert [] == ask(f"{tmp_path}/web")[1]
    write_units(tmp_path, {"web.socket": "[Socket]\nListenStream=/a\nMaxConnections=0\n"})
    run.process.send_signal(signal.SIGHUP)
    run.until(r"^not reloaded: web\.socket:3: MaxConnections=0 is refused")
    port = free_port()  # which nobody has afterwards
    with socket.create_server(("127.0.0.1", port)):
        lines = f"[Socket]\nListenStream={tmp_path}/web\nListenStream=127.0.0.1:{port}\n"
        write_units(tmp_path, {"web.socket": lines})
        run.process.send_signal(signal.SIGHUP)
        run.until(rf"^not reloaded: web\.socket:3: 127\.0\.0\.1:{port}: already in use")
        # The one that is there had to go for the new one, and has come back.
        assert [] == ask(f"{tmp_path}/web")[1]
    run.process.send_signal(signal.SIGHUP)
    run.until(r"^units read again: web\.socket made anew$")
    connect(port).close()
    assert [] == ask(f"{tmp_path}/web")[1]
    assert 0 == run.stop()


def test_same_units(tmp_path: Path) -> None:
    """Where text stands in a file is no change, what it says is."""
    plans = []
    for comment in ("", "# one more line\n", "# one more line\n#\nPriority=1\n"):
        units(tmp_path, extra=comment)
        text = (tmp_path / "web.socket").read_text().replace("[Socket]\n", f"{comment}[Socket]\n")
        if "Priority" in text:
            text = "[Socket]\nPriority=1\n" + text.partition("[Socket]\n")[2]
        (tmp_path / "web.socket").write_text(text)
        plans.append(load([str(tmp_path / "web.socket")]))
    one, moved, changed = (plan.sockets[0] for plan in plans)
    assert one != moved
    assert same(one, moved)
    assert not same(one, changed)


# --- development -------------------------------------------------------------------------


def test_now(tmp_path: Path, activate: Activate) -> None:
    """--now starts the services without a client."""
    units(tmp_path)
    run = activate("--now", "web.socket")
    run.until("started$")
    assert run.pids() == [ask(f"{tmp_path}/web")[0]]
    assert 0 == run.stop()


def test_reload_on_change_loses_nobody(tmp_path: Path, activate: Activate) -> None:
    """While files change again and again, every client is answered."""
    pytest.importorskip("watchfiles")
    units(tmp_path, argument="0")
    run = activate("--reload", "web.socket")
    run.until("listening")
    answers: list[str] = []
    over = threading.Event()

    def clients() -> None:
        while not over.is_set():
            answers.append(ask(f"{tmp_path}/web")[1][0])

    thread = threading.Thread(target=clients)
    thread.start()
    try:
        script = tmp_path / "service.py"
        for number in range(4):
            if number:
                # Whole, as a service may start, and read it, at any moment.
                other = tmp_path / "service.new"
                other.write_text(PRELUDE + SERVER.replace("sys.argv[1:]", f'["{number}"]'))
                other.rename(script)
            end = time.monotonic() + PATIENCE
            while (not answers or answers[-1] != str(number)) and time.monotonic() < end:
                over.wait(0.02)
            assert str(number) == answers[-1]
    finally:
        over.set()
        thread.join(PATIENCE)
    assert ["0", "1", "2", "3"] == list(dict.fromkeys(answers))
    run.until(r"^changed: \S+/service\.py$", count=3)
    assert 0 == run.stop()


def test_json_log() -> None:
    """Every line of --log json is an object with a time and a kind."""
    with Activation() as activate:
        run = activate(command=["/bin/sh", "-c", "echo out; exit 7"])
        with run.connect():
            run.wait_for("ended")
        assert ["listening", "open", "traffic", "started", "output"] == [
            event["kind"] for event in run.events
        ][:5]
        ended = run.wait_for("ended")
        assert (7, "exited with status 7") == (ended["status"], ended["text"])
        assert all(event["time"] > 1e9 for event in run.events)


# --- containers --------------------------------------------------------------------------


def test_exit_idle(tmp_path: Path, activate: Activate) -> None:
    """With nothing to do the run ends by itself, but not while a service runs."""
    write_units(
        tmp_path,
        {
            "cat.socket": f"[Socket]\nListenStream={tmp_path}/cat\nAccept=yes\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("--exit-idle", "3s", "cat.socket")
    run.until("listening")
    with connect(f"{tmp_path}/cat") as client:
        for _ in range(4):
            client.sendall(b"x")
            assert b"x" == client.recv(1)
            time.sleep(1.0)  # more in all than the time without anything
        assert run.process.poll() is None
    run.until("^nothing has run for 3s$")
    assert 0 == run.wait()
    assert not (tmp_path / "cat").exists()


@pytest.mark.parametrize(("code", "status"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)])
def test_exit_with_service(tmp_path: Path, activate: Activate, code: str, status: int) -> None:
    """--exit-with-service: it ends when the service does, with its status."""
    units(tmp_path)
    write_units(tmp_path, {"web.service": f"[Service]\nExecStart={python(tmp_path, code)}\n"})
    run = activate("--exit-with-service", "--now", "web.socket")
    assert status == run.wait()
    assert not (tmp_path / "web").exists()


def test_grace(tmp_path: Path, activate: Activate) -> None:
    """--grace ends what the unit would wait for much longer."""
    code = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(1000)
        """
    units(tmp_path)
    write_units(tmp_path, {"web.service": f"[Service]\nExecStart={python(tmp_path, code)}\n"})
    run = activate("--now", "--grace", "300ms", "web.socket")
    run.until("deaf")
    begun = time.monotonic()
    assert 0 == run.stop()  # long before the 90 seconds of the unit
    assert 0.2 < time.monotonic() - begun


def test_forwarded_signals(tmp_path: Path, activate: Activate) -> None:
    """SIGUSR1 goes on to the service."""
    units(tmp_path)
    run = activate("--now", "web.socket")
    run.until("started$")
    ask(f"{tmp_path}/web")  # its handlers are there
    run.process.send_signal(signal.SIGUSR1)
    run.until(r"\| usr1$")
    assert 0 == run.stop()


@pytest.fixture
def container(tmp_path: Path) -> Iterator[list[Running]]:
    """Return where a test puts what it runs in namespaces of its own."""
    running: list[Running] = []
    yield running
    for each in running:
        each.clean_up()
    del tmp_path


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)"
)
def test_process_one(tmp_path: Path, container: list[Running]) -> None:
    """As process 1: orphans are waited for, SIGTERM ends all, the status is the service's."""
    code = """
        import subprocess
        def end(*_):
            os._exit(7)
        signal.signal(signal.SIGTERM, end)
        with accept() as client:
            # An orphan of somebody else's session: no one but process 1 can wait for it.
            subprocess.run(["setsid", "-f", "env", "-i", "/bin/sh", "-c", "exit 0"], check=True)
            def zombies():
                for name in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        text = open(f"/proc/{name}/stat").read()
                    except OSError:
                        continue  # waited for just now
                    if text.rpartition(")")[2].split()[0] == "Z":
                        yield int(name)
            end = time.monotonic() + 30
            while (left := list(zombies())) and time.monotonic() < end:
                time.sleep(0.02)
            send(client, {"zombies": left, "parent": os.getppid()})
        time.sleep(1000)
        """
    units(tmp_path)
    write_units(tmp_path, {"web.service": f"[Service]\nExecStart={python(tmp_path, code)}\n"})
    process = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-m",
         "activator", "run", "--grace", "30s", "web.socket"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    run = Running(process)
    container.append(run)
    run.until("listening")
    facts = ask(f"{tmp_path}/web")
    assert 1 == facts["parent"]
    assert [] == facts["zombies"]
    # unshare passes no signal on to its child, which is process 1 there.
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    assert 7 == run.wait()
    assert not (tmp_path / "web").exists()
    assert "exited with status 7" in run.text


def test_control_and_conditions(tmp_path: Path, activate: Activate) -> None:
    """`activator ctl start` comes back if a condition skips it, and fails with an assertion."""
    units(tmp_path)
    text = (tmp_path / "web.service").read_text(encoding="utf-8")
    run = activate("--control-socket", "ctl", "web.socket")
    run.until("listening")
    for line, status in (("ConditionHost=none", 0), ("AssertHost=none", 1)):
        (tmp_path / "web.service").write_text(f"[Unit]\n{line}\n{text}", encoding="utf-8")
        assert control(tmp_path, "reload").returncode == 0
        done = control(tmp_path, "start", "web")

        assert done.returncode == status
        assert (line in done.stderr) is bool(status)
    assert run.stop() == 0


def test_tells_its_own_manager(tmp_path: Path, activate: Activate) -> None:
    """As a Type=notify service it says when all is open, that it reloads, lives, and ends."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.service": "[Service]\nExecStart=/bin/sh -c 'echo NOTIFY=$NOTIFY_SOCKET.'\n",
        },
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind(f"{tmp_path}/notify")

        def expect(line: str) -> None:
            while line not in manager.recv(4096).decode().split("\n"):
                pass

        running = activate(
            "--now",
            str(tmp_path / "a.socket"),
            NOTIFY_SOCKET=f"{tmp_path}/notify",
            # Ten that nobody reads are as many as the socket holds, and what is more gets lost.
            WATCHDOG_USEC="2000000",
        )
        assert f"READY=1\nSTATUS=listening on {tmp_path}/a" == manager.recv(4096).decode()
        assert (tmp_path / "a").exists()
        for _ in range(3):
            expect("WATCHDOG=1")
        running.until(r"NOTIFY=\.$")  # services have their own
        running.process.send_signal(signal.SIGHUP)
        expect("RELOADING=1")
        expect("READY=1")
        running.process.send_signal(signal.SIGTERM)
        expect("STOPPING=1")
        assert running.wait() == 0


def test_watchdog_of_another(tmp_path: Path, activate: Activate) -> None:
    """A watchdog that is meant for another process is not fed."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.service": "[Service]\nExecStart=/bin/true\n",
        },
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind(f"{tmp_path}/notify")
        running = activate(
            str(tmp_path / "a.socket"),
            NOTIFY_SOCKET=f"{tmp_path}/notify",
            WATCHDOG_USEC="1000",
            WATCHDOG_PID="1",
        )
        assert manager.recv(4096).startswith(b"READY=1")
        assert running.stop() == 0
        assert manager.recv(4096).startswith(b"STOPPING=1")


def test_words_of_systemd(tmp_path: Path, activate: Activate) -> None:
    """`ctl list` and `ctl status` show the states of sockets and services as systemctl does."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.service": "[Service]\nExecStart=/bin/sleep 1000\n",
        },
    )
    path = f"{tmp_path}/ctl"
    running = activate("--control-socket", path, str(tmp_path / "a.socket"))
    running.until("listening")

    def shown(verb: str) -> str:
        words = [sys.executable, "-m", "activator", "ctl", verb, "--control-socket", path]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    table = [line.split()[:3] for line in shown("list").splitlines()]
    assert [
        ["UNIT", "ACTIVE", "SUB"],
        ["a.socket", "active", "listening"],
        ["a.service", "inactive", "dead"],
    ] == table
    request(path, "start", ["a.service"])
    states = [
        line.split(":")[1].strip() for line in shown("status").splitlines() if "state" in line
    ]
    assert ["active (running)", "active (running)"] == states
    request(path, "stop", ["a.socket", "a.service"])
    table = [line.split()[1:3] for line in shown("list").splitlines()]
    assert [["inactive", "dead"]] * 2 == table[1:]
    assert running.stop() == 0
