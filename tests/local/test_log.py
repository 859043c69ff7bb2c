"""Whoever reads the log, or ceases to, never holds up what is run; a slow reader loses nothing."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.local import (
    PATIENCE,
    Running,
    alive,
    ask,
    command,
    early,
    environment,
    knock,
    python,
    read_all,
    write_units,
)

# Writes numbered lines, touches a file when they are written, and answers clients all the while.
WRITER = """
import threading
def write():
    for number in range(int(sys.argv[1])):
        os.write(1, b"line %d %s\\n" % (number, b"x" * 100))
    open(sys.argv[2], "w").close()
threading.Thread(target=write, daemon=True).start()
while True:
    with accept() as client:
        send(client, os.getpid())
"""
_LINES = 20_000  # more than twice what is kept
_TAIL = 70_000  # characters, more than one read brings
_STALLS = 0.9  # seconds without reading what is there; a little less than what the log allows

Start = Callable[..., Running]


def units(tmp_path: Path, lines: int) -> None:
    """Write a service that writes so many lines."""
    start = f"{python(tmp_path, WRITER)} {lines} {tmp_path}/written"
    write_units(
        tmp_path,
        {
            "web.socket": f"[Socket]\nListenStream={tmp_path}/web\n",
            "web.service": f"[Service]\nExecStart={start}\n",
        },
    )


@pytest.fixture(params=["pipe", "socket"])
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Return what starts a run whose log goes to a pipe, or to a socket."""
    running: list[Running] = []

    def begin(*arguments: str) -> Running:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            command(*arguments, "web.socket"),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if request.param == "pipe" else theirs.fileno(),
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        if process.stdout is None:
            process.stdout = os.fdopen(ours.detach(), "rb", 0)
        ours.close()
        running.append(Running(process))
        return running[-1]

    yield begin
    for run in running:
        run.clean_up()
        if run.process.stdout is not None:
            run.process.stdout.close()


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def first_answer(path: Path) -> int:
    """Wait until a socket listens; return the process that answers there."""
    pid: int = json.loads(read_all(early(str(path))))
    return pid


def read_on(run: Running, last: str, since: float) -> tuple[float, float]:
    """Read until something has come, or a line that tells of a loss.

    Args:
        run: What is read.
        last: What is awaited.
        since: When it was read last, or nothing was there.

    Returns:
        The longest time that what was there was not read, and when it was read last.
    """
    longest = 0.0
    assert run.process.stdout is not None
    while last not in run.text[-_TAIL:] and " dropped here" not in run.text[-_TAIL:]:
        before = time.monotonic()
        if not select.select([run.process.stdout], [], [], 0.1)[0]:
            since = before
            continue
        data = os.read(run.process.stdout.fileno(), 65536)
        assert data, run.text
        run.text += data.decode()
        longest, since = max(longest, time.monotonic() - since), before
    return longest, since


def resident(run: Running) -> int:
    """Return a run's own memory in KiB."""
    status = Path(f"/proc/{run.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def numbers(text: str) -> list[int]:
    """Return the numbers of the lines that came through."""
    return [int(number) for number in re.findall(r"\| line (\d+) x{100}$", text, re.MULTILINE)]


def test_reader_that_stalls(tmp_path: Path, start: Start) -> None:
    """Nobody reads: clients are served, services go on, memory is bounded, and losses told."""
    units(tmp_path, _LINES)
    run = start("--now")
    run.until("listening")
    memory = resident(run)
    wait_for(tmp_path / "written")
    assert isinstance(ask(f"{tmp_path}/web"), int)
    assert resident(run) < memory + 8192
    run.until("dropped here: nobody has read them$")
    told = re.search(r"^(\d+) lines dropped here: nobody has read them$", run.text, re.MULTILINE)
    assert told
    kept = len(numbers(run.text[: told.start()]))
    after = kept + int(told[1])
    expected = [*range(kept), *range(after, _LINES)]
    if after < _LINES:  # the last ones were still on their way
        run.until(rf"\| line {_LINES - 1} x")
    assert expected == numbers(run.text)
    # And from here on all is as before.
    run.process.send_signal(signal.SIGHUP)
    run.until("^units read again")
    assert 0 == run.stop()


def test_slow_reader_loses_nothing(tmp_path: Path, start: Start) -> None:
    """Who writes faster than is read waits, as with a plain pipe."""
    units(tmp_path, _LINES)
    for _ in range(10):
        run = start("--now")
        first, since = read_on(run, "| line 0 x", time.monotonic())
        time.sleep(0.5)
        waits = not (tmp_path / "written").exists()
        rest, _ = read_on(run, f"| line {_LINES - 1} x", since)
        if max(first, rest) < _STALLS:
            break
        # A busy machine has made this reader one that stalls.
        run.stop()
        (tmp_path / "written").unlink(missing_ok=True)
    assert waits
    run.until(rf"\| line {_LINES - 1} x")
    assert list(range(_LINES)) == numbers(run.text)
    assert 0 == run.stop()


def test_rest_is_written_at_the_end(tmp_path: Path, start: Start) -> None:
    """What waits for the reader when all has ended is still written."""
    units(tmp_path, 8000)
    run = start("--now", "--grace", "5s")
    run.until("listening")
    wait_for(tmp_path / "written")
    run.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + PATIENCE
    while any(map(alive, run.pids())) and time.monotonic() < end:
        time.sleep(0.02)
    assert 0 == run.wait()
    assert list(range(8000)) == numbers(run.text)
    assert "stopping" in run.text.splitlines()


def test_end_without_reader(tmp_path: Path, start: Start) -> None:
    """Nobody reads, and yet it ends soon."""
    units(tmp_path, _LINES)
    run = start("--now")
    run.until("listening")
    wait_for(tmp_path / "written")
    run.process.send_signal(signal.SIGTERM)
    assert 0 == run.process.wait(PATIENCE)
    assert not (tmp_path / "web").exists()


@pytest.mark.parametrize("form", ["text", "json"])
def test_full_disk(tmp_path: Path, form: str) -> None:
    """A log that cannot be written is told of once, on the other stream; the service serves."""
    units(tmp_path, 10)
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            command("--log", form, "web.socket"),
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    run = Running(process)
    try:
        assert alive(first_answer(tmp_path / "web"))
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        run.clean_up()
    expected = "cannot write the log: No space left on device; lines are dropped until I can\n"
    assert (0, expected) == (process.returncode, err.decode())


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    """Without standard streams no socket takes their place."""
    units(tmp_path, 10)
    words = " ".join(command("web.socket"))
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {words} {closed}"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
    )
    try:
        assert alive(first_answer(tmp_path / "web"))
        for number in range(3):
            target = Path(f"/proc/{process.pid}/fd/{number}").readlink()
            assert not str(target).startswith("socket:")
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert (0, b"") == (process.returncode, err)


def test_reader_that_leaves(tmp_path: Path, start: Start) -> None:
    """As with `| head -1`: it ends as if it was told to, and leaves nothing behind."""
    units(tmp_path, 0)
    run = start()
    run.until("listening")
    assert run.process.stdout is not None
    run.process.stdout.close()
    knock(f"{tmp_path}/web")
    assert 1 == run.process.wait(PATIENCE)
    assert not (tmp_path / "web").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else")
def test_pipe_of_another_user(tmp_path: Path) -> None:
    """A pipe that may not be opened once more is written without waiting, too."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); os.seteuid(65534)\n"
        "from activator.local.log import Log, logs\n"
        "out, _ = logs(sys.stdout, sys.stderr)\n"
        "for number in range(2000): out.write(f'| line {number} {chr(120) * 100}\\n')\n"
        "sys.stderr.write('done\\n'); sys.stdin.read(); out.finish()\n"
    )
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c", code, str(Path(__file__).parents[2])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stdin is not None
    assert process.stdout is not None
    assert "done\n" == process.stderr.readline()
    # It is read before the rest is written, which waits for a second at most.
    with ThreadPoolExecutor(1) as pool:
        out = pool.submit(process.stdout.read)
        process.stdin.close()
        with process.stderr as stream:
            err = stream.read()
        found = numbers(out.result())
    process.stdout.close()
    assert (0, "", list(range(2000))) == (process.wait(PATIENCE), err, found)
    del tmp_path
