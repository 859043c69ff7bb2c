"""``activator wait-for``: until something accepts, or not in time."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from activator.errors import ActivatorError, UsageError
from activator.runtime.commands.wait_for import parse, wait_for
from tests.runtime.test_imports import assert_light, loaded
from tests.support.local import PATIENCE, free_port


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "activator", "wait-for", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def bound() -> Iterator[tuple[socket.socket, str]]:
    """Yield a socket with a port of its own that does not listen yet, and its address."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock, f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "family", "target"),
    [
        ("/run/x.sock", socket.AF_UNIX, "/run/x.sock"),
        ("./run/x.sock", socket.AF_UNIX, "./run/x.sock"),
        ("../x.sock", socket.AF_UNIX, "../x.sock"),
        ("@x", socket.AF_UNIX, "\0x"),
        ("8080", socket.AF_INET, ("127.0.0.1", 8080)),
        ("10.0.0.1:65535", socket.AF_INET, ("10.0.0.1", 65535)),
        ("[::1]:1", socket.AF_INET6, ("::1", 1)),
    ],
)
def test_addresses(address: str, family: int, target: object) -> None:
    """The forms that systemd-socket-proxyd takes, hosts being IP addresses."""
    assert (family, target) == parse(address)


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("run/a.sock", "begin a path with ./ or /"),
        ("a.sock", "write /PATH, ./PATH, @NAME"),
        ("", "write /PATH, ./PATH, @NAME"),
    ],
    ids=["path", "name", "nothing"],
)
def test_a_path_is_told_from_a_port(address: str, hint: str) -> None:
    """It is said how a path begins, and nothing of ports."""
    with pytest.raises(UsageError) as caught:
        parse(address)
    assert caught.value.message == f"no address of a stream socket: {address!r}"
    assert caught.value.hint.startswith(hint)


OTHERS = ["", "/", "@", "/" + "x" * 107, "/a\0b", "0", "65536", "-1", "x", "localhost:80", "::1:80"]
OTHERS += ["127.0.0.1:", "127.0.0.1:x", "127.0.0.1:²", "[::1]", "[127.0.0.1]:80", "1" * 9]


@pytest.mark.parametrize("address", OTHERS)
def test_other_addresses(address: str) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(UsageError):
        parse(address)


@pytest.mark.parametrize("kind", ["path", "port"])
def test_one_that_listens(kind: str, tmp_path: Path) -> None:
    """What listens already is found at once, and is connected to once."""
    family = socket.AF_UNIX if kind == "path" else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind(str(tmp_path / "s") if kind == "path" else ("127.0.0.1", 0))
        sock.listen()
        name = sock.getsockname()
        done = command(name if kind == "path" else f"{name[0]}:{name[1]}")

        assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
        sock.setblocking(False)
        connection, _ = sock.accept()
        connection.close()
        with pytest.raises(BlockingIOError):
            sock.accept()


def test_one_that_listens_later() -> None:
    """It waits as long as nothing listens."""
    with bound() as (sock, address):
        waiter = threading.Thread(target=wait_for, args=(address,))
        waiter.start()
        waiter.join(0.05)
        assert waiter.is_alive()
        sock.listen()
        waiter.join(PATIENCE)
        assert not waiter.is_alive()


def test_deadline() -> None:
    """At the deadline it exits with 1 and says in one line what it waited for."""
    with bound() as (_, address):
        begin = monotonic()
        done = command(address, "--timeout", "0.2")

    assert 0.2 <= monotonic() - begin < PATIENCE
    assert (1, "") == (done.returncode, done.stdout)
    (line,) = done.stderr.splitlines()
    expected = f"{address} accepts no connections after 0.2 s: connection refused; "
    assert line.startswith(expected)


def test_missing_path(tmp_path: Path) -> None:
    """A path that is not there yet is waited for, and named with its reason."""
    with pytest.raises(ActivatorError, match="no such file or directory"):
        wait_for(str(tmp_path / "s"), 0)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_main_process_ends(when: str) -> None:
    """Once the main process is gone, there is nothing to wait for."""
    with bound() as (_, address), subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        if when == "before":
            process.communicate()
        threading.Timer(0.1, process.communicate).start()
        done = command(address, "--timeout=60", MAINPID=str(process.pid))

    assert 1 == done.returncode
    assert "the main process has ended" in done.stderr


class Meeting(socket.socket):
    """A client whose own port happens to be the one it asks for."""

    def connect(self, address: object) -> None:
        """Connect, from the address itself."""
        self.bind(address)  # type: ignore[arg-type]
        super().connect(address)  # type: ignore[arg-type]


def test_no_meeting_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to itself, which TCP allows on one machine, is no answer."""
    monkeypatch.setattr("activator.runtime.commands.wait_for.socket", Meeting)
    port = free_port()
    with pytest.raises(ActivatorError, match="connection refused"):
        wait_for(f"127.0.0.1:{port}", 0)


@pytest.mark.parametrize(
    "arguments",
    [[], ["80", "81"], ["localhost:80"], ["--no", "80"], ["80", "--timeout"]]
    + [["80", f"--timeout={text}"] for text in ("x", "-1", "nan", "")],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """A wrong call exits with 2 and one line on stderr."""
    done = command(*arguments)
    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))


def test_help() -> None:
    """--help is click's, as for every command."""
    done = command("--help")
    assert 0 == done.returncode
    assert "Usage: activator wait-for [OPTIONS] ADDRESS" in done.stdout


def test_loads_little() -> None:
    """The first client waits for it, so it loads nothing heavy, and nothing of systemd's."""
    modules = loaded("import activator.__main__, activator.runtime.commands.wait_for")
    assert_light(modules)
    ours = {name for name in modules if name.startswith("activator")}
    names = ["__main__", "common", "common.integers", "errors"]
    names += ["runtime", "runtime.commands", "runtime.commands.wait_for", "runtime.options"]
    assert {"activator", *(f"activator.{name}" for name in names)} == ours
