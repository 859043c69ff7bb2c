"""PIDFile= under `activator run`: where it is looked for, and which process it may name."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.local.services.pid_file import PidFile
from tests.support.local import Activate, ask, python, write_units

NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def stranger() -> Iterator[int]:
    """Return a process that is no service's."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        yield process.pid
        process.kill()


def test_runtime_dir(tmp_path: Path, activate: Activate) -> None:
    """Every path below /run that a unit names is below --runtime-dir, however it is written."""
    code = """
        if os.fork():
            os._exit(0)
        print("to a file", flush=True)
        with open(os.environ["RUNTIME_DIRECTORY"] + "/pid", "w") as file:
            file.write(f"{os.getpid()}\\n")
        facts = [os.getcwd(), os.environ["FROM"], os.environ["ALSO"], os.read(4, 100).decode()]
        with accept() as client:
            send(client, facts)
        """
    path, runtime = str(tmp_path / "s"), tmp_path / "rt"
    write_units(runtime, {"x.env": "FROM=file\n", "y.env": "ALSO=this\n"})
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream={path}\n",
            "x.service": f"""
                [Unit]
                ConditionPathExists=/run/x.env
                ConditionPathExistsGlob=/run/*.env
                ConditionPathExists=!/run/none
                [Service]
                Type=forking
                PIDFile=/var/run/x/pid
                RuntimeDirectory=x
                WorkingDirectory=/run/x
                EnvironmentFile=/run/x.env
                EnvironmentFile=/run/y*.env
                StandardOutput=append:/run/out
                OpenFile=/run/x.env
                ExecStart={python(tmp_path, code)}
                """,
        },
    )
    run = activate("--runtime-dir", "rt", "x.socket")
    run.until("listening")
    assert [str(runtime / "x"), "file", "this", "FROM=file\n"] == ask(path)
    assert "to a file\n" == (runtime / "out").read_text()
    assert 0 == run.stop()


@root
@pytest.mark.parametrize(
    ("owners", "taken"),
    [
        ({}, True),
        ({"d/pid": NOBODY}, False),
        ({"d": NOBODY}, False),
        ({"d": NOBODY, "d/pid": NOBODY}, False),
        ({"link": NOBODY}, False),
        ({"up": NOBODY}, False),
    ],
)
def test_whose_file(tmp_path: Path, stranger: int, owners: dict[str, int], *, taken: bool) -> None:
    """A file that another user could have written names the service's own processes alone."""
    write_units(tmp_path, {"d/pid": f"{stranger}\n"})
    (tmp_path / "link").symlink_to("d/pid")
    (tmp_path / "up").symlink_to(tmp_path / "d/..", target_is_directory=True)
    for name, owner in owners.items():
        os.chown(tmp_path / name, owner, owner, follow_symlinks=False)
    file = PidFile(f"{tmp_path}/up/link")
    pid, why = file.main_process(lambda _: False)
    assert (stranger if taken else 0) == pid
    assert taken is (why == "")
    assert (stranger, "") == file.main_process(lambda pid: pid == stranger)


@pytest.mark.parametrize("text", ["", "0", "1", "our own", "x", "-5", "9" * 5000])
def test_no_process(tmp_path: Path, text: str) -> None:
    """What names none, the first process or ourselves is not taken."""
    (tmp_path / "pid").write_text(str(os.getpid()) if text == "our own" else text)
    assert (0, "") == PidFile(f"{tmp_path}/pid").main_process(lambda _: True)


def test_endless_links(tmp_path: Path) -> None:
    """Links in a circle lead to no process."""
    (tmp_path / "pid").symlink_to("pid")
    assert (0, "") == PidFile(f"{tmp_path}/pid").main_process(lambda _: True)


@root
def test_told_once(tmp_path: Path, activate: Activate, stranger: int) -> None:
    """A service whose file names a stranger is told so, and does not start."""
    # A shell, which has done that long before its time is over.
    code = f"echo {stranger} >$$0; chown {NOBODY}:{NOBODY} $$0; sleep 1000 &"
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream={tmp_path}/s\n",
            "x.service": f"""
                [Service]
                Type=forking
                PIDFile={tmp_path}/pid
                TimeoutStartSec=4s
                ExecStart=/bin/sh -c '{code}' {tmp_path}/pid
                """,
        },
    )
    run = activate("--now", "x.socket")
    run.until(r"ExecStart= took over 4s")
    note = f"names PID {stranger}, which is none of its processes, and is not root's: not taken"
    assert 1 == run.text.count(note)
    run.stop()
    os.kill(stranger, 0)
