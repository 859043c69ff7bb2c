"""The local activator as an ordinary user: what works, and what is told of the rest."""

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.local import Running, connect, environment, read_all, write_units

_UID = 54321 if os.geteuid() == 0 else os.geteuid()  # nobody has it, nor an entry in passwd(5)
# Of the system, as that of the tests may be in root's home.
_PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
# Tells its client what it is; without systemd.daemon, which that Python may lack.
PROBE = """
import grp, json, os, resource, socket, sys
facts = {"uid": os.getuid(), "groups": os.getgroups(), "environ": dict(os.environ)}
facts["limits"] = resource.getrlimit(resource.RLIMIT_NOFILE)
facts["nice"] = os.nice(0)
listener = socket.socket(fileno=3)
if path := os.environ.get("NOTIFY_SOCKET"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1\\nSTATUS=serving", path)
with listener.accept()[0] as client:
    client.sendall(json.dumps(facts).encode())
"""


def _words() -> list[str]:
    """Return what stands before a command that is run as the user."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups", "--inh-caps=-all"]


def _works() -> bool:
    """Tell whether the user can run the toolkit at all: its files may be root's alone."""
    with contextlib.suppress(OSError):
        code = "import activator.cli.run, systemd.daemon"
        run = [*_words(), sys.executable, "-c", code]
        done = subprocess.run(run, cwd="/", env=environment(), capture_output=True, check=False)
        return done.returncode == 0
    return False


pytestmark = pytest.mark.skipif(not _works(), reason="an ordinary user cannot run the checkout")

Start = Callable[..., Running]


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a directory of the user's own."""
    path = Path(tempfile.mkdtemp(prefix="activator-user-"))
    os.chown(path, _UID, -1)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Return what starts `activator run` as the user, in his directory."""
    running: list[Running] = []

    def begin(*arguments: str, **variables: str) -> Running:
        kept = {key: text for key, text in environment().items() if not key.startswith("XDG_")}
        process = subprocess.Popen(
            [*_words(), sys.executable, "-m", "activator", *arguments],
            cwd=home,
            env={**kept, "HOME": str(home), "TMPDIR": str(home), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        running.append(Running(process))
        return running[-1]

    yield begin
    for run in running:
        run.clean_up()


def units(home: Path, lines: str, service: str = "") -> None:
    """Write a socket with some lines, and a service that tells what it is."""
    (home / "probe.py").write_text(PROBE)
    write_units(
        home,
        {
            "web.socket": f"[Socket]\n{lines}",
            "web.service": f"[Service]\nExecStart={_PYTHON} {home}/probe.py\n{service}",
        },
    )


def ended(run: Running) -> tuple[int, str]:
    """Wait for the end of a run; return its status and what it said."""
    status = run.wait()
    assert "Traceback" not in run.text
    return status, run.text


def test_shared(home: Path, start: Start) -> None:
    """With --runtime-dir, all that belongs below /run is the user's own, and goes at the end."""
    more = "Type=notify\nRuntimeDirectory=web\nStateDirectory=web\n"
    units(home, "ListenStream=/run/web/sock\nSocketMode=0600\n", more)
    run = start("run", "--runtime-dir", "rt", "web.socket")
    run.until("listening")
    facts = json.loads(read_all(connect(f"{home}/rt/web/sock")))
    run.until("status: serving")
    assert (_UID, f"{home}/rt/web", f"{home}/rt/state/web") == (
        facts["uid"],
        facts["environ"]["RUNTIME_DIRECTORY"],
        facts["environ"]["STATE_DIRECTORY"],
    )
    assert 0 == run.stop()
    assert ["state"] == [path.name for path in (home / "rt").iterdir()]
    assert _UID == (home / "rt/state/web").stat().st_uid
    assert not list(home.glob("activator-*"))


@pytest.mark.parametrize("more", ["", "ExecStartPre=/bin/true\n"])
def test_per_connection(home: Path, start: Start, more: str) -> None:
    """Both ways to start the process of a connection work for anybody."""
    write_units(
        home,
        {
            "id.socket": f"[Socket]\nListenStream={home}/id\nAccept=yes\n",
            "id@.service": f"[Service]\nExecStart=/usr/bin/id -u\nStandardInput=socket\n{more}",
        },
    )
    run = start("run", "id.socket")
    run.until("listening")
    for _ in range(3):
        assert f"{_UID}\n".encode() == read_all(connect(f"{home}/id"))
    assert 0 == run.stop()
    assert not (home / "id").exists()


def test_run_is_not_ours(home: Path, start: Start) -> None:
    """Without --runtime-dir, /run needs root, which is told in one line."""
    units(home, "ListenStream=/run/activator-test/sock\n")
    hint = "not permitted; move /run elsewhere with --runtime-dir DIR, or run as root\n"
    expected = f"web.socket:2: /run/activator-test/sock: {hint}"
    assert (1, expected) == ended(start("run", "web.socket"))


def test_low_port(home: Path, start: Start) -> None:
    """A port below the first free one is refused in one line, and nothing stays open."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first < 2:
        pytest.skip("all ports are free here")
    units(home, f"ListenStream={home}/sock\nListenStream=127.0.0.1:{first - 1}\n")
    hint = "not permitted; choose a port from 1024 on, or run as root\n"
    expected = f"web.socket:3: 127.0.0.1:{first - 1}: {hint}"
    assert (1, expected) == ended(start("run", "web.socket"))
    assert not (home / "sock").exists()


def test_what_needs_root(home: Path, start: Start) -> None:
    """Another user, more descriptors, a better priority: told, or as near as may be; it serves."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    service = f"User=daemon\nGroup=daemon\nLimitNOFILE={hard + 1}\nNice=-5\nOOMScoreAdjust=-500\n"
    units(
        home,
        f"ListenStream={home}/sock\nSocketUser=daemon\nSymlinks=/etc/activator-test\nMark=5\n"
        "ReceiveBuffer=1G\n",
        service,
    )
    run = start("run", "web.socket")
    run.until("listening")
    facts = json.loads(read_all(connect(f"{home}/sock")))
    assert (_UID, [hard, hard]) == (facts["uid"], facts["limits"])
    assert 0 == run.stop()
    for line in (
        r"^ignored here: .*\bUser=.*\bGroup=",
        r"/sock stays ours: only root may give it to daemon$",
        r"the symlink /etc/activator-test could not be made: Permission denied$",
        r"Mark= could not be set: Operation not permitted$",
        r"ReceiveBuffer= could not be set: the kernel allows \d+ bytes without privileges$",
    ):
        assert 1 == len(re.findall(line, run.text, re.MULTILINE)), run.text
    assert "Traceback" not in run.text


def test_control(home: Path, start: Start) -> None:
    """The control socket is in the user's own directory; without one it is asked for."""
    units(home, f"ListenStream={home}/sock\n")
    status, text = ended(start("run", "--control", "web.socket"))
    expected = "there is no directory for the control socket; name one with --control-socket, or"
    assert (1, expected) == (status, text[: len(expected)])

    run = start("run", "--control", "web.socket", XDG_RUNTIME_DIR=str(home))
    run.until("listening")
    status, text = ended(start("ctl", "list", XDG_RUNTIME_DIR=str(home)))
    assert 0 == status
    assert re.search("web.socket +active +listening", text)
    assert 0 == run.stop()
    assert not (home / "activator.control").exists()


def test_reload(home: Path, start: Start) -> None:
    """What only root may change on an open socket is told, and the socket stays."""
    units(home, f"ListenStream={home}/sock\n")
    run = start("run", "web.socket")
    run.until("listening")
    units(home, f"ListenStream={home}/sock\nSocketMode=0600\nSocketUser=daemon\nMark=3\n")
    run.process.send_signal(1)
    run.until("^units read again: web.socket changed$")
    assert re.search("sock stays ours: only root may give it to daemon", run.text)
    assert re.search("Mark= could not be set", run.text)
    assert 0o600 == (home / "sock").stat().st_mode & 0o777
    assert _UID == json.loads(read_all(connect(f"{home}/sock")))["uid"]
    assert 0 == run.stop()
