"""Hand-over to new workers: ``SIGHUP`` and ``activator reload``."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest

from activator.runtime.serving.workers.reloads import relatives
from tests.runtime.serving.test_workers import children
from tests.support.services import (
    PATIENCE,
    SERVE,
    Service,
    ask,
    clean_environment,
    connect,
    launched,
    read_all,
    tcp_listener,
)

# What it is replaced in is the version.
MODULE = """\
import os, sys

# Now, because the link in it may lead elsewhere later.
PREFIX = os.path.realpath(sys.prefix)

async def handle(reader, writer):
    while line := await reader.readline():
        facts = [VERSION, str(os.getpid()), os.environ.get("COLOUR", "none"), os.getcwd()]
        writer.write(" ".join([*facts, PREFIX]).encode() + b"\\n")
        await writer.drain()
"""
INVOCATION = "0123456789abcdef0123456789abcdef"


class Front:
    """A service whose code is at hand.

    Attributes:
        service: Its process.
        address: Where it listens.
    """

    def __init__(self, service: Service, address: object, directory: Path) -> None:
        self.service = service
        self.address = address
        self._file = directory / "front_module.py"

    def write(self, text: str) -> None:
        """Replace the code."""
        # Python tells by size and second whether what it has compiled before is old.
        self._file.with_suffix(".new").write_text(text)
        self._file.with_suffix(".new").rename(self._file)

    def version(self) -> str:
        """Ask which version answers."""
        return self.facts()[0]

    def facts(self) -> list[str]:
        """Ask for all."""
        self.service.notifications.drop()
        return ask(self.address, b"?\n").decode().split()

    def reload(self, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``activator reload``."""
        return subprocess.run(
            [sys.executable, "-m", "activator", "reload", str(self.service.process.pid)],
            cwd=cwd,
            env={**clean_environment(), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * PATIENCE,
        )


@contextmanager
def front(
    directory: Path, *options: str, python: str = sys.executable, **variables: str | None
) -> Iterator[Front]:
    """Serve version 1 with two workers, ready."""
    words = [python, "-B", "-m", "activator", "serve", "--workers", "2", *options]
    words += ["--app-dir", str(directory), "front_module:handle"]
    (directory / "front_module.py").write_text(MODULE.replace("VERSION", "'1'"))
    with (
        tcp_listener() as listener,
        launched(words, [listener], names="tcp", nofile=0, closed=(), **variables) as service,
    ):
        found = Front(service, listener.getsockname(), directory)
        service.ready()
        yield found


def test_sighup(tmp_path: Path) -> None:
    """New processes with new code answer; connections to the old ones are served to their end."""
    with front(tmp_path) as shop:
        before = children(shop.service)
        with connect(shop.address) as held:
            held.sendall(b"?\n")
            assert b"1 " == held.recv(1000)[:2]
            shop.write(MODULE.replace("VERSION", "'2'"))
            shop.service.process.send_signal(signal.SIGHUP)
            while not (message := shop.service.notifications.receive()).startswith("RELOADING=1\n"):
                pass
            fields = dict(line.split("=", 1) for line in message.splitlines())
            assert 0 < int(fields["MONOTONIC_USEC"]) <= monotonic() * 1e6
            shop.service.ready()
            # The old ones had said before that they take nothing more.
            assert {"2"} == {shop.version() for _ in range(20)}
            held.sendall(b"?\n")
            assert b"1 " == held.recv(1000)[:2]
        while before & children(shop.service):
            os.sched_yield()
        assert 2 == len(children(shop.service))
        assert 0 == shop.service.end()
        assert "" == shop.service.stderr


def test_the_command(tmp_path: Path) -> None:
    """It returns when the new processes answer, and none of the old ones."""
    with front(tmp_path) as shop:
        for number in range(2, 5):
            shop.write(MODULE.replace("VERSION", f"'{number}'"))
            done = shop.reload()
            assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
            assert str(number) == shop.version()
        assert 0 == shop.service.end()


@pytest.mark.parametrize(
    ("code", "options", "why"),
    [
        ("raise ValueError('nope')", (), "ended with status 1 before it was ready"),
        ("import time; time.sleep(99)", ("--start-limit", "8"), "within 8 seconds"),
        ("import os; os.kill(os.getpid(), 9)", (), "ended with signal 9 before it was ready"),
    ],
)
def test_roll_back(tmp_path: Path, code: str, options: tuple[str, ...], why: str) -> None:
    """If the new processes do not get ready, the old ones go on, and the command fails."""
    with front(tmp_path, *options) as shop:
        before = children(shop.service)
        shop.write(code)
        done = shop.reload()
        assert 1 == done.returncode
        assert why in done.stderr
        assert "the earlier workers go on" in done.stderr
        assert 1 == done.stderr.count("\n")
        message = ""
        while not message.startswith("READY=1"):
            message = shop.service.notifications.receive()
        assert f"the last reload failed: {'no ' if options else ''}worker" in message
        while children(shop.service) != before:
            os.sched_yield()
        assert "1" == shop.version()
        shop.write(MODULE.replace("VERSION", "'3'"))
        assert 0 == shop.reload().returncode
        assert "3" == shop.version()
        assert 0 == shop.service.end()


def test_environment_and_directory(tmp_path: Path) -> None:
    """A process of the same invocation brings both along; they stay for those that come later."""
    if os.getpid() not in relatives():
        pytest.skip("needs to see its control group")
    other = tmp_path / "other"
    other.mkdir()
    with front(tmp_path, COLOUR="red", INVOCATION_ID=INVOCATION) as shop:
        assert "red" == shop.facts()[2]
        # As from a shell, whose variables are none of the service's.
        assert 0 == shop.reload(COLOUR="grey").returncode
        assert "red" == shop.facts()[2]
        done = shop.reload(other, COLOUR="blue", INVOCATION_ID=INVOCATION, NOTIFY_SOCKET="@x")
        assert (0, "") == (done.returncode, done.stderr)
        assert ["blue", str(other)] == shop.facts()[2:4]
        shop.service.process.send_signal(signal.SIGHUP)
        shop.service.ready()
        assert ["blue", str(other)] == shop.facts()[2:4]
        os.kill(int(shop.facts()[1]), signal.SIGKILL)
        assert "blue" == shop.facts()[2]
        assert 0 == shop.service.end()


def environment(directory: Path) -> Path:
    """Make a virtual environment that has what this one has."""
    (directory / "bin").mkdir(parents=True)
    (directory / "bin/python").symlink_to(Path(sys.executable).resolve())
    mine = Path(sys.prefix)
    (directory / "pyvenv.cfg").write_text((mine / "pyvenv.cfg").read_text())
    (directory / "lib").symlink_to(mine / "lib")
    return directory


def test_the_interpreter(tmp_path: Path) -> None:
    """A link in the interpreter's path that leads elsewhere by now gives another interpreter."""
    if not Path(sys.executable).is_symlink():
        pytest.skip("not in a virtual environment")
    first, second = environment(tmp_path / "first"), environment(tmp_path / "second")
    current = tmp_path / "current"
    current.symlink_to(first)
    with front(tmp_path, python=str(current / "bin/python")) as shop:
        assert str(first) == shop.facts()[4]
        current.unlink()
        current.symlink_to(second)
        assert 0 == shop.reload().returncode
        assert str(second) == shop.facts()[4]
        current.unlink()
        done = shop.reload()
        assert 1 == done.returncode
        assert str(second) == shop.facts()[4]
        assert "No such file or directory" in shop.service.stderr
        assert 0 == shop.service.end()


def test_requests_at_once(tmp_path: Path) -> None:
    """Each is answered by a hand-over that began after it."""
    with front(tmp_path) as shop, ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: shop.reload(), range(4)))
        assert [0] * 4 == [each.returncode for each in done]
        while len(children(shop.service)) > 2:
            os.sched_yield()
        assert 0 == shop.service.end()


def test_nothing_lost_under_load(tmp_path: Path) -> None:
    """Clients that talk all the while see four hand-overs and no fault."""
    ended = Event()
    versions: Counter[str] = Counter()

    def talk(address: object) -> None:
        while not ended.is_set():
            with connect(address) as client:
                client.sendall(b"?\n")
                first = client.recv(1000)
                client.sendall(b"?\n")
                client.shutdown(socket.SHUT_WR)
                second = read_all(client)
            assert first == second
            versions[first.decode()[0]] += 1

    with front(tmp_path) as shop, ThreadPoolExecutor(8) as pool:
        talks = [pool.submit(talk, shop.address) for _ in range(8)]
        try:
            for number in range(2, 6):
                while not versions[str(number - 1)]:
                    assert not any(each.done() for each in talks)
                    sleep(0.01)
                shop.write(MODULE.replace("VERSION", f"'{number}'"))
                assert 0 == shop.reload().returncode
                shop.service.notifications.drop()
        finally:
            ended.set()
        for each in talks:
            each.result(PATIENCE)
        assert set("1234") <= set(versions)
        assert 0 == shop.service.end()
        assert "" == shop.service.stderr


def test_stopped_while_reloading(tmp_path: Path) -> None:
    """SIGTERM ends the new ones too, and who asked is told."""
    with front(tmp_path) as shop, ThreadPoolExecutor(1) as pool:
        shop.write("import time; time.sleep(99)")
        asked = pool.submit(shop.reload)
        while not shop.service.notifications.receive().startswith("RELOADING=1"):
            pass
        assert 0 == shop.service.end()
        done = asked.result(PATIENCE)
        assert (1, "the service is being stopped\n") == (done.returncode, done.stderr)
        assert "" == shop.service.stderr


@pytest.mark.parametrize("words", [(), ("x",), ("1", "2"), ("0",), ("-1",)])
def test_wrong_usage(words: tuple[str, ...]) -> None:
    """What is no process is told in one line."""
    done = subprocess.run(
        [sys.executable, "-m", "activator", "reload", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if words == ("0",) else 2)
    assert 1 == done.stderr.count("\n")


def test_a_process_that_cannot() -> None:
    """A service without workers is left alone."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, "activator.examples.echo:echo"), [listener]) as service,
    ):
        service.ready()
        shop = Front(service, None, Path())
        done = shop.reload()
        assert 1 == done.returncode
        assert "cannot be asked to reload" in done.stderr
        assert 0 == service.end()


def test_an_impostor() -> None:
    """Another process that listens in its place is not believed."""
    sleeper = subprocess.Popen(["/bin/sleep", "100"])
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0activator/reload/{sleeper.pid}")
            listener.listen()
            done = subprocess.run(
                [sys.executable, "-m", "activator", "reload", str(sleeper.pid)],
                capture_output=True,
                text=True,
                check=False,
            )
        assert 1 == done.returncode
        assert "it is not process" in done.stderr
    finally:
        sleeper.kill()
        sleeper.wait()
