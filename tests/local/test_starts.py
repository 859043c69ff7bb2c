"""Services that fail at their start: at what pace they start again, and how often it is told."""

import sys
from pathlib import Path

import pytest

from tests.support.local import Activate, connect, read_all, write_units

WORDS = "cannot load kvd: ModuleNotFoundError"
HANDLER = "def handle(sock):\n    sock.sendall(b'served')\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Return a spec whose handler cannot be imported."""
    (tmp_path / "kvd.py").write_text("import missing\n")
    path = tmp_path / "kvd.toml"
    text = f'name = "kvd"\nhandler = "kvd:handle"\n[sockets.kvd]\nListenStream = "{tmp_path}/kvd"\n'
    path.write_text(text)
    return path


def test_words_once(spec: Path, activate: Activate) -> None:
    """Starts that fail alike are counted, ever more slowly, and a client that waits is served."""
    # One that takes longer than the last one is shown as well. On a busy machine that may be any,
    # but none is as slow as this first one.
    module = spec.with_suffix(".py")
    slow = f"import os, time\nif not os.path.exists('{spec}.slow'):\n    time.sleep(3)\n"
    module.write_text(f"{slow}open('{spec}.slow', 'w').close()\n{module.read_text()}")
    running = activate(str(spec))
    running.until("listening")
    with connect(str(spec.with_suffix(""))) as client:
        running.until(r"^kvd\.service: has failed 2 times in this way$")
        assert (1, 1) == (running.text.count(WORDS), len(running.pids()))
        assert ["0.25s"] == [
            line.split()[-1] for line in running.text.splitlines() if "again" in line
        ]
        other = module.with_suffix(".new")
        other.write_text(HANDLER)
        other.rename(module)
        assert b"served" == read_all(client)
    running.until(": ready")
    assert 0 == running.stop()
    assert 1 == running.text.count(WORDS)


def test_other_words_are_told(tmp_path: Path, activate: Activate) -> None:
    """What differs from the last start is told in full, after the count of what was alike."""
    script = "n=$(cat n); echo x >>n; case $n in *x*x*x*) echo other;; *) echo same;; esac; exit 3"
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.service": f"[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\n"
            f"RestartSec=10ms\nWorkingDirectory={tmp_path}\nExecStart=/bin/sh -c '{script}'\n",
        },
    )
    (tmp_path / "n").touch()
    running = activate(str(tmp_path / "a.socket"))
    running.until("listening")
    with connect(f"{tmp_path}/a"):
        running.until("has failed 8 times in this way")
    assert 0 == running.stop()
    assert (1, 1) == (running.text.count("| same"), running.text.count("| other"))
    counts = [line.split()[3] for line in running.text.splitlines() if "in this way" in line]
    assert ["2", "3", "2", "4", "8"] == counts[:5]


def test_a_program_that_runs_is_shown(tmp_path: Path, activate: Activate) -> None:
    """A start that goes on as the last one did is shown once it lasts, also without READY=1."""
    script = "test -e good && exec sleep 1000; exit 3"
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.service": f"[Service]\nRestart=always\nRestartSec=10ms\n"
            f"WorkingDirectory={tmp_path}\nExecStart=/bin/sh -c '{script}'\n"
            f"ExecStopPost=/bin/touch {tmp_path}/good\n",
        },
    )
    running = activate(str(tmp_path / "a.socket"))
    running.until("listening")
    with connect(f"{tmp_path}/a"):
        running.until(r"\]: started", count=2)
    assert 0 == running.stop()


@pytest.mark.parametrize("what", ["handler", "command", "before"])
def test_exit_on_failure(tmp_path: Path, spec: Path, activate: Activate, what: str) -> None:
    """With --exit-on-failure a failed start ends the run, and turns away who waits."""
    words = [str(spec)]
    if what != "handler":
        more = "ExecStartPre=/bin/false\n" if what == "before" else ""
        write_units(
            tmp_path,
            {
                "kvd.socket": f"[Socket]\nListenStream={tmp_path}/kvd\n",
                "kvd.service": f"[Service]\n{more}ExecStart=/bin/sh -c 'exit 1'\nRestart=always\n",
            },
        )
        words = [str(tmp_path / "kvd.socket")]
    running = activate("--exit-on-failure", *words)
    running.until("listening")
    with connect(f"{tmp_path}/kvd") as client:
        assert 1 == running.wait()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert "kvd.service: failed at its start: all ends with it\n" in running.text


def test_exit_on_failure_spares_who_serves(tmp_path: Path, activate: Activate) -> None:
    """A service that has served and fails later is started again as before."""
    server = (
        "import os, socket; s = socket.socket(fileno=3); c = s.accept()[0]; "
        "c.sendall(b'served'); os._exit(3)"
    )
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.service": f'[Service]\nExecStart={sys.executable} -c "{server}"\n'
            "Restart=always\nRestartSec=10ms\n",
        },
    )
    running = activate("--exit-on-failure", str(tmp_path / "a.socket"))
    running.until("listening")
    for _ in range(2):
        with connect(f"{tmp_path}/a") as client:
            assert b"served" == client.recv(10)
    running.until("has failed 2 times in this way")
    assert 0 == running.stop()
