"""`activator run` of containers, as root and as a user, with podman on a booted system."""

import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from subprocess import STDOUT, Popen
from typing import cast

import pytest

from tests.boxes.box import Box
from tests.boxes.podman import IMAGE, Manager
from tests.support.local import Running

PORT = 7791
SOCKET = f"""\
[Socket]
ListenStream=127.0.0.1:{PORT}
FileDescriptorName=http
"""
CONTAINER = f"""\
[Unit]
Requires=web.socket
After=web.socket

[Container]
Image={IMAGE}
Pull=never
Network=none
"""
# Before it is ready, process 1 of a container has no handler for SIGTERM, and so ignores it.
ECHO = f"{CONTAINER}Notify=yes\nExec=activator serve activator.examples.echo:echo\n"
# Tells each client what it has been passed, and its version.
FACTS = """\
import json, os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("serving", flush=True)
names = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "VERSION")
told = {name: os.environ.get(name) for name in names}
listener = socket.socket(fileno=3 + told["LISTEN_FDNAMES"].split(":").index("http"))
while True:
    client, _ = listener.accept()
    with client:
        client.sendall(json.dumps(told).encode())
"""
PROGRAM = "Exec=python3 /srv/web/facts.py\n"
Written = dict[str, str]


@contextmanager
def running(
    manager: Manager, files: Mapping[str, str], *argv: str, status: int = 0
) -> Iterator[Running]:
    """Have `activator run` run in a folder of files in the body; nothing of it may be left."""
    folder = manager.home / "web"
    for name, text in files.items():
        manager.write(folder / name, text)
    words = ("env", f"--chdir={folder}", "activator", "run", *(argv or (".",)))
    with manager.popen(*words, stderr=STDOUT, text=False) as process:
        run = Running(cast("Popen[bytes]", process))
        try:
            run.until("listening on")
            yield run
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                run.wait()
            manager.run("rm", "-r", str(folder))
    assert status == process.returncode, run.text
    assert "" == manager.run("podman", "ps", "--all", "--quiet").stdout, run.text
    assert "Traceback" not in run.text


def ask(manager: Manager, text: str = "hello\n") -> str:
    """Return what a client is answered."""
    return manager.box.run("socat", "-t60", "-", f"TCP:127.0.0.1:{PORT}", input=text).stdout


@pytest.mark.parametrize("named", [".", "web.socket", "web.container"])
def test_first_client_starts_it(manager: Manager, named: str) -> None:
    """The first client starts the container, however it is named; all clients are answered."""
    with running(manager, {"web.socket": SOCKET, "web.container": ECHO}, named) as run:
        assert "hello\n" == ask(manager)
        assert "again\n" == ask(manager, "again\n")
        run.until(r"^web\[\d+\]: ready$")
        names = manager.run("podman", "ps", "--format={{.Names}}").stdout
        # Not the name that systemd's would have, which it would replace.
        assert "activator-web\n" == names

    assert "ignored" not in run.text


def test_what_it_is_passed(manager: Manager) -> None:
    """The program gets the sockets with their names, and what it says is shown."""
    second = f"[Socket]\nListenStream=127.0.0.1:{PORT + 1}\nService=web.service\n"
    lines = f"Volume={manager.home}/web:/srv/web:ro\nEnvironment=VERSION=v1\n"
    files = {
        "web.socket": SOCKET,
        "more.socket": second,
        "web.container": CONTAINER.replace("web.socket", "web.socket more.socket")
        + lines
        + PROGRAM,
        "facts.py": FACTS,
    }
    with running(manager, files) as run:
        told = json.loads(ask(manager, ""))
        run.until(r"^web\[\d+\] \| serving$")

    names = told.pop("LISTEN_FDNAMES").split(":")
    assert ["http", "more.socket"] == sorted(names)
    assert {"LISTEN_FDS": "2", "LISTEN_PID": "1", "VERSION": "v1"} == told


def test_killed_container_starts_again(manager: Manager) -> None:
    """A container that dies is told of, and the next client starts another."""
    with running(manager, {"web.socket": SOCKET, "web.container": ECHO}) as run:
        assert "hello\n" == ask(manager)
        run.until(r"^web\[\d+\]: ready$")
        manager.run("podman", "kill", "activator-web")
        run.until(r"^web\[\d+\]: exited with status 137")

        assert "again\n" == ask(manager, "again\n")


def test_restart_keeps_clients(manager: Manager) -> None:
    """A restart ends one container and starts another; who comes meanwhile waits."""
    files = {"web.socket": SOCKET, "web.container": ECHO}
    with running(manager, files, "--control-socket", "ctl", ".") as run:
        assert "hello\n" == ask(manager)
        ctl = str(manager.home / "web/ctl")
        for _ in range(3):
            with manager.popen(
                "activator", "ctl", "restart", "web", "--control-socket", ctl
            ) as done:
                assert "again\n" == ask(manager, "again\n")
            assert 0 == done.returncode
        run.until(r"^web\[\d+\]: ready$", count=4)


def test_reload_when_its_file_changes(manager: Manager) -> None:
    """With --reload another environment in the file is that of the next container."""
    lines = f"Volume={manager.home}/web:/srv/web:ro\n"
    text = f"{CONTAINER}{lines}{PROGRAM}Environment=VERSION="
    files = {"web.socket": SOCKET, "web.container": f"{text}v1\n", "facts.py": FACTS}
    with running(manager, files, "--reload", ".") as run:
        assert "v1" == json.loads(ask(manager, ""))["VERSION"]
        run.until(r"^web\[\d+\]: ready$")
        manager.write(manager.home / "web/web.container", f"{text}v2\n")
        run.until(r"^web\[\d+\]: ready$", count=2)

        assert "v2" == json.loads(ask(manager, ""))["VERSION"]


def test_container_that_needs_another(manager: Manager) -> None:
    """A container's needs are started with it, volumes and other containers."""
    needs = "Requires=data.service\nAfter=data.service\n"
    other = f"[Container]\nImage={IMAGE}\nPull=never\nStopSignal=KILL\nExec=sleep infinity\n"
    files = {
        "web.socket": SOCKET,
        "web.container": ECHO.replace("[Unit]\n", f"[Unit]\n{needs}"),
        "data.container": f"{other}Volume=data.volume:/data\n",
        "data.volume": "[Volume]\n",
    }
    with running(manager, files):
        assert "hello\n" == ask(manager)
        names = manager.run("podman", "ps", "--format={{.Names}}").stdout.split()
        assert ["activator-data", "activator-web"] == sorted(names)
        assert "systemd-data\n" == manager.run("podman", "volume", "ls", "--quiet").stdout

    manager.run("podman", "volume", "rm", "systemd-data")


SPEC = f"""\
name = "web"
image = "{IMAGE}"
exec = "activator serve activator.examples.echo:echo"
systemd = 257
podman = "5.4"
[sockets.web]
ListenStream = "127.0.0.1:{PORT}"
"""
# A server that takes no socket.
BACKEND = f"""\
name = "keys"
mode = "proxy"
image = "{IMAGE}"
exec = "redis-server --port 0 --unixsocket /run/keys/backend.sock --save ''"
backend = "/run/keys/backend.sock"
systemd = 257
podman = "5.4"
[sockets.keys]
ListenStream = "127.0.0.1:{PORT + 1}"
"""


def test_specs_with_images(manager: Manager) -> None:
    """Containers of specs run as they are, with their sockets and behind a proxy."""
    with running(manager, {"web.toml": SPEC, "keys.toml": BACKEND}):
        assert "hello\n" == ask(manager)
        client = ("redis-cli", "-p", str(PORT + 1))
        manager.box.run(*client, "set", "answer", "42")
        assert "42\n" == manager.box.run(*client, "get", "answer").stdout


def test_missing_image(manager: Manager) -> None:
    """An image that is not there fails the service in podman's words, and no client hangs."""
    text = ECHO.replace(IMAGE, "localhost/nowhere:latest")
    with running(manager, {"web.socket": SOCKET, "web.container": text}, status=1) as run:
        client = manager.box.run("socat", "-t60", "-", f"TCP:127.0.0.1:{PORT}", check=False)
        run.wait()

    assert "" == client.stdout
    assert re.search(r"^web\[\d+\] \| Error: .*localhost/nowhere:latest", run.text, re.MULTILINE)
    assert "web.socket: web.service was started too often" in run.text


WRONG: dict[str, tuple[Written, str, str]] = {
    "no socket": (
        {"web.container": ECHO},
        "web.container",
        "there is no web.socket beside web.container; ",
    ),
    "no file": ({"web.socket": SOCKET}, "web.container", "there is no file web.container; "),
    "no image": (
        {"web.socket": SOCKET, "web.container": ECHO.replace(f"Image={IMAGE}\n", "")},
        "web.container",
        "web.container: no Image or Rootfs key specified; ",
    ),
    "unknown key": (
        {"web.socket": SOCKET, "web.container": f"{ECHO}Imagine=x\n"},
        ".",
        "web.container: unsupported key 'Imagine' in group 'Container' in ",
    ),
    "no grammar": (
        {"web.socket": SOCKET, "web.container": f"what\n{ECHO}"},
        ".",
        "which is not a key-value pair, group, or comment; ",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(manager: Manager, case: str) -> None:
    """What podman's generator refuses is told in a line."""
    files, named, expected = WRONG[case]
    folder = manager.home / "web"
    for name, text in files.items():
        manager.write(folder / name, text)
    done = manager.run("env", f"--chdir={folder}", "activator", "run", named, check=False)
    manager.run("rm", "-r", str(folder))

    assert (1, "") == (done.returncode, done.stdout)
    assert expected in done.stderr
    assert 1 == done.stderr.count("\n"), done.stderr


@pytest.fixture
def folder(box: Box) -> Iterator[Callable[[Written], str]]:
    """Return a function that writes files into a folder of a box without podman."""

    def write(files: Written) -> str:
        for name, text in files.items():
            box.write(f"/srv/web/{name}", text)
        return "/srv/web"

    yield write
    box.run("rm", "-rf", "/srv/web")


@pytest.mark.parametrize("named", [".", "web.container", "web.socket"])
def test_without_podman(box: Box, folder: Callable[[Written], str], named: str) -> None:
    """Where podman is missing, that is said in a line."""
    where = folder({"web.socket": SOCKET, "web.container": ECHO})
    words = ("env", f"--chdir={where}", "activator", "run", named)
    done = box.run(*words, check=False)

    said = "web.container: podman is not installed, which runs it; install the package podman\n"
    assert (1, "", said) == (done.returncode, done.stdout, done.stderr)
