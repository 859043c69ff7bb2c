"""How `activator run` ends: no process, no file and no directory is left behind."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.local import (
    PATIENCE,
    Activate,
    alive,
    ask,
    command,
    connect,
    environment,
    knock,
    python,
    write_units,
)


def test_stop_cleans_up(tmp_path: Path, activate: Activate) -> None:
    """Stopping ends stubborn processes and their children and removes nodes and directories."""
    code = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = os.fork()
        if child:
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
    assert ["service.py", "slow.service", "slow.socket"] == sorted(
        path.name for path in tmp_path.iterdir()
    )
    assert "still there 0.2s after it was asked to end: killed" in run.text


def test_second_signal_kills(tmp_path: Path, activate: Activate) -> None:
    """Whoever cannot wait asks twice."""
    code = """
        signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
        accept().close()
        while True:
            time.sleep(1000)
        """
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
            told, tell = os.pipe()
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    send(client, os.getpid())
                    client.close()
                    os.write(tell, b"!")
                    time.sleep(1000)
                os._exit(0)
            os.wait()
            os.read(told, 1)  # our end is the daemon's, who might not have sent it yet
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


def test_what_escaped_its_service_ends_with_all(tmp_path: Path, activate: Activate) -> None:
    """A process of a new session, without a parent and with another environment, ends at last."""
    script = tmp_path / "escape"
    # Only once it has escaped, the service ends.
    script.write_text(
        """env -i setsid -f /bin/sh -c 'echo $$; exec sleep 1000 <&- >&- 2>&-'\nread line\n"""
    )
    write_units(
        tmp_path,
        {
            "web.socket": f"[Socket]\nListenStream={tmp_path}/sock\nAccept=yes\n",
            "web@.service": f"""
                [Service]
                ExecStart=/bin/sh {script}
                StandardInput=socket
                """,
        },
    )
    run = activate("web.socket")
    run.until("listening")
    with connect(f"{tmp_path}/sock") as client:
        pid = int(client.recv(100))
        client.sendall(b"\n")
    run.until("exited")
    assert alive(pid)
    assert 0 == run.stop()
    assert not alive(pid)


def test_children_from_before_are_left_alone(tmp_path: Path) -> None:
    """Who became `activator run` by exec may have had processes, which go on."""
    script = 'sleep 1000 >/dev/null & echo $!; exec "$@"'
    with subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *command("-l", f"{tmp_path}/sock", "--", "cat")],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert "listening" in process.stdout.readline()
        process.terminate()
        process.stdout.read()
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
