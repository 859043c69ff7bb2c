"""--reload: what is watched follows the units, and a burst of saves is one restart."""

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from activator.local.watch import Watch
from tests.support.local import (
    PATIENCE,
    PRELUDE,
    Activate,
    ask,
    command,
    connect,
    environment,
    python,
    read_all,
    write_units,
)

pytest.importorskip("watchfiles")

# Tells each client what is in its code and in its environment.
SERVER = """
TEXT = "%s"
while True:
    with accept() as client:
        send(client, [TEXT, os.environ.get("WORD", ""), os.getcwd()])
"""


def serve(text: str) -> str:
    """Return the text of a service's script."""
    return PRELUDE + SERVER % text


def units(tmp_path: Path, service: str) -> None:
    """Write a socket and a service with some lines."""
    write_units(
        tmp_path,
        {
            "web.socket": f"[Socket]\nListenStream={tmp_path}/web\n",
            "web.service": f"[Service]\n{service}\n",
        },
    )


def replace(path: Path, text: str) -> None:
    """Write a file as editors do: another one takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    other = path.with_name(f"{path.name}.tmp")
    other.write_text(text)
    other.rename(path)


def answer(tmp_path: Path, expected: str, *, of: int = 0) -> Any:
    """Ask until an answer is as expected; a server that ends may have taken a client along."""
    end = time.monotonic() + PATIENCE
    said = None
    while said is None or said[of] != expected:
        assert time.monotonic() < end, (said, expected)
        time.sleep(0.02)
        with contextlib.suppress(ValueError, ConnectionResetError):
            said = ask(f"{tmp_path}/web")
    return said


def test_what_units_name_is_followed(tmp_path: Path, activate: Activate) -> None:
    """Another script, a drop-in, a file of variables: each is watched once a unit names it."""
    start = python(tmp_path, SERVER % "1")
    interpreter = start.split()[0]
    units(tmp_path, f"ExecStart={start}")
    run = activate("--reload", "web.socket")
    run.until("listening")
    answer(tmp_path, "1")

    far = tmp_path / "far" / "other.py"
    replace(far, serve("2"))
    units(tmp_path, f"ExecStart={interpreter} {far}")
    answer(tmp_path, "2")
    replace(far, serve("3"))
    answer(tmp_path, "3")

    words = tmp_path / "etc" / "words"
    drop_in = f"[Service]\nEnvironmentFile=-{words}\nWorkingDirectory=-{tmp_path}/home\n"
    replace(tmp_path / "web.service.d" / "10-words.conf", drop_in)
    run.until("units read again: web.service changed", count=2)
    replace(words, "WORD=one\n")
    answer(tmp_path, "one", of=1)
    replace(words, "WORD=two\n")
    answer(tmp_path, "two", of=1)
    # A directory that comes later, and then its files.
    (tmp_path / "home").mkdir()
    replace(tmp_path / "home" / "module.py", "")
    run.until(rf"^changed: .*{tmp_path}/home/module\.py$")
    answer(tmp_path, f"{tmp_path}/home", of=2)
    assert 0 == run.stop()


def test_burst_is_one_restart(tmp_path: Path, activate: Activate) -> None:
    """Many saves in a row, with what editors write beside them, are few changes."""
    (tmp_path / "code").mkdir()
    start = python(tmp_path / "code", SERVER % "0")
    units(tmp_path, f"ExecStart={start}\nWorkingDirectory={tmp_path}/code")
    run = activate("--reload", "web.socket")
    run.until("listening")
    answer(tmp_path, "0")
    code = tmp_path / "code"
    for name in ("4913", ".service.py.swp", "service.py~", ".#service.py", "#service.py#",
                 "__pycache__/service.py", "node_modules/x.py", ".git/x.py"):  # fmt: skip
        (code / name).parent.mkdir(exist_ok=True)
        (code / name).write_text("")
    for number in range(8):
        replace(code / "service.py", serve(str(number)))
        replace(code / "more.py", str(number))
        time.sleep(0.08)
    answer(tmp_path, "7")

    # A machine that is busy may have paused this test among the saves, or the run. Where all is
    # there when the run goes on, nobody can: then it is one, always.
    run.process.send_signal(signal.SIGSTOP)
    (code / "last.py").write_text("")
    for number in range(8, 16):
        replace(code / "service.py", serve(str(number)))
        replace(code / "more.py", str(number))
    run.process.send_signal(signal.SIGCONT)
    answer(tmp_path, "15")
    assert 0 == run.stop()
    *changed, last = [line for line in run.text.splitlines() if line.startswith("changed: ")]
    assert f"changed: {code}/last.py, {code}/more.py, {code}/service.py" == last
    assert 1 <= len(changed) < 8, changed
    # Each change is a restart, unless the last one is still under way, and nothing else is.
    assert 3 <= len(run.pids()) <= len(changed) + 2
    named = {path for line in changed for path in line.removeprefix("changed: ").split(", ")}
    assert {f"{code}/more.py", f"{code}/service.py"} == named


def test_directory_that_is_replaced(tmp_path: Path, activate: Activate) -> None:
    """Also after its directory was removed and made again, a file is watched."""
    code = tmp_path / "code"
    code.mkdir()
    units(tmp_path, f"ExecStart={python(code, SERVER % 'old')}")
    run = activate("--reload", "web.socket")
    run.until("listening")
    answer(tmp_path, "old")
    for text in ("new", "newer"):
        other = tmp_path / "other"
        other.mkdir()
        (other / "service.py").write_text(serve(text))
        shutil.rmtree(code)
        other.rename(code)
        answer(tmp_path, text)
        replace(code / "service.py", serve(f"{text} still"))
        answer(tmp_path, f"{text} still")
    assert 0 == run.stop()


def test_without_watchfiles(tmp_path: Path) -> None:
    """Where watchfiles is missing, --reload says so before anything is opened or started."""
    units(tmp_path, f"ExecStart={python(tmp_path, serve('x'))}")
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "watchfiles.py").write_text("raise ImportError\n")
    done = subprocess.run(
        command("--reload", "--now", str(tmp_path / "web.socket")),
        env=environment(PYTHONPATH=f"{tmp_path}/hidden"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (1, "") == (done.returncode, done.stdout)
    hint = "pip install 'systemd-activator[reload]', or apt install python3-watchfiles"
    assert f"--reload needs watchfiles; {hint}\n" == done.stderr
    assert not (tmp_path / "web").exists()


def test_nothing_left(tmp_path: Path) -> None:
    """Whatever ends a run, its sockets' files and its processes are gone."""
    units(tmp_path, f"ExecStart={python(tmp_path, serve('x'))}")
    script = """
import sys
from activator.cli import main
from activator.local import supervisor
async def fail(self):
    while not any(each.main_pid for each in self.services.values()):
        await __import__("asyncio").sleep(0.01)
    print([each.main_pid for each in self.services.values()][0], file=sys.stderr)
    raise ValueError("no one expects this")
supervisor.Supervisor.run = fail
main(["run", "--now", sys.argv[1]])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "web.socket")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    pid = int(done.stderr.split()[0])

    assert "no one expects this" in done.stderr
    assert not (tmp_path / "web").exists()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("more", ["", "Restart=always\nRestartSec=10ms\n"], ids=["no", "always"])
def test_syntax_error(tmp_path: Path, activate: Activate, more: str) -> None:
    """A mistake that is saved fails once, and the next change is waited for; no client is lost."""
    (tmp_path / "web.py").write_text(serve("one"))
    units(tmp_path, f"ExecStart={sys.executable} {tmp_path}/web.py\n{more}")
    running = activate("--reload", str(tmp_path / "web.socket"))
    running.until("listening")
    assert ask(f"{tmp_path}/web")[0] == "one"
    replace(tmp_path / "web.py", "def oops(:\n")
    running.until(r"^web\.service: failed at its start: it waits for the next change of its files$")
    assert "starts again" not in running.text
    with connect(f"{tmp_path}/web") as client:
        starts = len(running.pids())
        time.sleep(0.5)  # in which it would have been started many times
        assert starts == len(running.pids())
        replace(tmp_path / "web.py", serve("two"))
        assert json.loads(read_all(client))[0] == "two"
    assert running.stop() == 0


@pytest.mark.filterwarnings("ignore:raise_interrupt")  # newer ones do without
def test_change_before_it_is_looked_at(tmp_path: Path) -> None:
    """What changes between the reading of the units and the first look is a change."""
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.touch()
    second.touch()
    watch = Watch([str(first)])
    replace(first, "other")
    told: list[list[str]] = []

    class EnoughError(Exception):
        pass

    async def on_change(paths: list[str]) -> None:
        told.append(paths)
        if len(told) == 2:
            raise EnoughError
        watch.follow([str(first), str(second)])
        replace(second, "other")

    with pytest.raises(EnoughError):
        asyncio.run(asyncio.wait_for(watch.run(on_change), PATIENCE))
    assert [[str(first)], [str(second)]] == told
