"""Services that are run once, with a real strace and a real client."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from activator.local.activated import own_environment

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")

AS_ROOT = (
    "the service ran as root, since not everybody may read what it is made of: some of it may be"
    " what only root does\n"
)
SERVER = """\
import os, socket, sys
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    open("/proc/meminfo").close()
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    if not os.fork():
        open("{place}/written", "w").close()
        os._exit(0)
    os.wait()
    connection.sendall(b"served")
    connection.close()
"""
CLIENT = """\
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
sys.exit(peer.recv(9) != b"served")
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Return a spec; its server does what needs two needs, and a file is written by a child."""
    (tmp_path / "server.py").write_text(SERVER.format(place=tmp_path))
    (tmp_path / "client.py").write_text(CLIENT)
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "guest.toml"
    path.write_text(
        f'name = "guest"\nmode = "shared"\nhardening = "strict"\nneeds = ["system-info", "jit"]\n'
        f'exec = "{sys.executable} -I {tmp_path}/server.py"\n'
        f'[sockets.guest]\nListenStream = "{tmp_path}/s"\n'
    )
    return path


def learn(spec: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `activator learn`, and see that it leaves nothing behind."""
    place = spec.parent / "tmp"
    done = subprocess.run(
        [sys.executable, "-m", "activator", "learn", str(spec), *words],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        env=own_environment() | {"TMPDIR": str(place)} | variables,
    )
    assert [] == os.listdir(place)  # noqa: PTH208 - names
    assert not (spec.parent / "s").exists()
    assert "Traceback" not in done.stderr
    # Root's temporary directories are for root alone.
    done.stderr = done.stderr.replace(AS_ROOT, "")
    return done


def client(spec: Path) -> tuple[str, ...]:
    """Return the client's command."""
    return ("--", sys.executable, str(spec.parent / "client.py"), str(spec.parent / "s"))


def test_needs_are_learned(spec: Path) -> None:
    """What the service and its child did is told, with what of the spec is missing or unused."""
    done = learn(spec, "--format", "json", *client(spec))
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert {"system-info", "resources"} <= set(told["needs"])
    assert "resources" in told["missing"]
    assert "system-info" not in told["missing"]
    assert ["jit"] == told["unused"]
    shown = {(one["need"], one["what"]) for one in told["evidence"]}
    assert ("system-info", "/proc/meminfo") in shown


def test_a_check_for_ci(spec: Path) -> None:
    """What is missing is a finding; a spec that names all is none."""
    done = learn(spec, "--check", *client(spec))
    assert 1 == done.returncode
    assert "resources (missing)" in done.stdout
    told = done.stdout.split("\n")[0]
    text = spec.read_text().replace('needs = ["system-info", "jit"]', told)
    spec.write_text(text)
    done = learn(spec, "--check", *client(spec))
    assert (0, "") == (done.returncode, done.stderr)


def test_what_goes_wrong(spec: Path) -> None:
    """Each is a line, and leaves nothing."""
    done = learn(spec, *client(spec), PATH="/nosuch")
    assert (1, "there is no strace; install it: apt install strace\n") == (
        done.returncode,
        done.stderr,
    )
    done = learn(spec, "--", "/nosuch")
    assert (1, "/nosuch: No such file or directory\n") == (done.returncode, done.stderr)
    done = learn(spec, "--", sys.executable, "-c", "")
    assert 1 == done.returncode
    assert done.stderr.startswith("no client came")
    fails = f"import socket, sys; s = socket.socket(1); s.connect('{spec.parent}/s'); s.recv(9)"
    done = learn(spec, "--", sys.executable, "-c", f"{fails}; sys.exit(5)")
    assert 1 == done.returncode
    assert done.stderr.startswith("the client failed with status 5")


def test_a_service_that_does_not_stay(spec: Path) -> None:
    """Its last words are the error, though the client waits for an answer."""
    (spec.parent / "server.py").write_text("raise SystemExit('no luck')\n")
    done = learn(spec, *client(spec))
    assert (1, "the service ends at each start: no luck\n") == (done.returncode, done.stderr)


def test_workers_that_do_not_stay(spec: Path) -> None:
    """The last words are those of the worker, though its parent reports its end after it."""
    (spec.parent / "server.py").write_text("raise KeyError('NOSUCH')\n")
    text = spec.read_text().replace('mode = "shared"', 'handler = "server:handle"\nworkers = 2')
    lines = [line for line in text.splitlines() if not line.startswith("exec = ")]
    spec.write_text("\n".join(lines))
    done = learn(spec, *client(spec))
    cause = f"{spec.parent}/server.py:1: cannot load server: KeyError: 'NOSUCH'"
    assert (1, f"the service ends at each start: {cause}\n") == (done.returncode, done.stderr)


def test_what_is_missing_is_written(spec: Path) -> None:
    """The spec gets it, keeps its comments and its mode, and then lacks nothing."""
    spec.write_text(f"# a guest book\n{spec.read_text()}")
    spec.chmod(0o640)
    done = learn(spec, "--write", *client(spec))
    assert 0 == done.returncode, done.stderr
    assert f"{spec}: added " in done.stderr
    assert "resources" in done.stderr
    assert spec.read_text().startswith('# a guest book\nname = "guest"\n')
    assert 0o640 == stat.S_IMODE(spec.stat().st_mode)
    done = learn(spec, "--check", *client(spec))
    assert (0, "") == (done.returncode, done.stderr)
    done = learn(spec, "--check", "--write", *client(spec))
    assert 2 == done.returncode


HANDLER = """\
import os
from pathlib import Path

def tell(sock):
    try:
        Path("/var/lib/learned-guest/book").write_text("")
    except OSError as error:
        sock.sendall(f"{os.getuid()} {error.errno}".encode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_handler_is_nobody() -> None:
    """It runs as its unit's user would, a directory that is missing is a need, its loop is none."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "tmp").mkdir()
        code = place / "code"
        code.mkdir()
        (code / "guest.py").write_text(HANDLER)
        spec = place / "learned-guest.toml"
        spec.write_text(
            'name = "learned-guest"\nhandler = "guest:tell"\napp-dir = "/nosuch"\n'
            f'[sockets.guest]\nListenStream = "{place}/s"\n'
        )
        words = ("--app-dir", str(code), "--format", "json")
        done = learn(spec, *words, "--", "socat", "-u", f"UNIX-CONNECT:{place}/s", "OPEN:/dev/null")
    assert (0, "") == (done.returncode, done.stderr)
    assert ["state"] == json.loads(done.stdout)["needs"]


def test_nothing_is_missing_where_nothing_is_closed(spec: Path) -> None:
    """Without hardening there is nothing to open: no finding, and nothing is written."""
    text = spec.read_text().replace('"strict"\nneeds = ["system-info", "jit"]', '"none"')
    spec.write_text(text)
    done = learn(spec, "--check", "--format", "json", *client(spec))
    assert (0, "") == (done.returncode, done.stderr)
    assert [] == json.loads(done.stdout)["missing"]
    assert 2 == learn(spec, "--verify", *client(spec)).returncode
    assert text == spec.read_text()


def test_json_is_alone(spec: Path) -> None:
    """What the client prints goes to standard error then."""
    words = ("--", "/bin/sh", "-c", 'echo noise; exec "$@"', "sh", *client(spec)[1:])
    done = learn(spec, "--format", "json", *words)
    assert (0, "noise\n") == (done.returncode, done.stderr)
    assert "resources" in json.loads(done.stdout)["needs"]


@pytest.mark.skipif(os.geteuid() != 0, reason="the directories of others are their own")
def test_data_of_a_service_is_left_alone(spec: Path) -> None:
    """What is there may be its data."""
    name = f"learned-{os.getpid()}"
    text = spec.read_text().replace('"guest"', f'"{name}"').replace('"jit"', '"state"')
    spec.write_text(text)
    data = Path("/var/lib", name)
    data.mkdir()
    try:
        done = learn(spec, *client(spec))
        assert 1 == done.returncode
        assert done.stderr.startswith(f"{data} is there, and the service would write into it")
    finally:
        data.rmdir()
    assert 0 == learn(spec, *client(spec)).returncode
    assert not data.exists()
