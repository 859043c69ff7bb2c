"""Specs with an image, installed on a booted system with podman: as root and as a user."""

from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import pytest

from tests.boxes.podman import IMAGE, UID, Manager

pytestmark = pytest.mark.box

PORT = 7801
HEAD = f"""\
name = "shop"
image = "{IMAGE}"
"""
SOCKET = f"""
[sockets.http]
ListenStream = "127.0.0.1:{PORT}"
"""
ECHO = 'exec = "activator serve activator.examples.echo:echo"\n'
# Quotes, line ends, percent signs and dollars go through Quadlet and systemd to the program.
TELL = """\
exec = ["python3", "-c", '''
import os, socket, sys
names = os.environ.get("LISTEN_FDNAMES")
told = [names, os.environ["WORD"], *sys.argv[1:], *os.listdir("/sys/class/net")]
connection = socket.socket(fileno=3)
if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
    connection = connection.accept()[0]
while connection.recv(64):  # closing with something unread would reset the connection
    pass
connection.sendall(repr(told).encode())
''', "a 'b' $HOME %n"]
environment = { WORD = '50% of "$PATH"' }
"""
# A program that opens a socket of its own, and leaves when it is told to.
BEHIND = """\
exec = ["python3", "-c", '''
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
path = sys.argv[1]
if path.isdecimal():
    listener = socket.create_server(("127.0.0.1", int(path)))
else:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
while True:
    # Who only tries whether it listens sends nothing; an unread rest would reset the connection.
    with listener.accept()[0] as client, client.makefile("rwb") as file:
        if file.readline():
            file.write(f"user {os.getuid()} {os.listdir('/sys/class/net')}".encode())
''', "BACKEND"]
"""
PROXY = f'mode = "proxy"\nidle-exit = "300ms"\n{HEAD}'
Run = CompletedProcess[str]
Install = Callable[..., Run]


def flags(manager: Manager) -> list[str]:
    """Return the options for a manager."""
    return [] if manager is manager.box.root else ["--user"]


@pytest.fixture
def install(manager: Manager) -> Iterator[Install]:
    """Yield a function that installs a spec; nothing that it installs is left."""
    path = str(manager.home / "shop.toml")

    def run(text: str, *words: str, check: bool = True) -> Run:
        manager.write(path, text)
        return manager.run("activator", "install", path, *flags(manager), *words, check=check)

    yield run
    manager.run("activator", "uninstall", "shop", *flags(manager), "--force", check=False)
    manager.run("rm", "-f", path)
    left = manager.run("find", str(manager.units), str(manager.quadlets), "-name", "*shop*").stdout
    assert "" == left
    containers = "podman", "ps", "--all", "--quiet", "--filter=name=shop"
    manager.box.wait_for(lambda: not manager.run(*containers).stdout)


def ask(manager: Manager) -> str:
    """Return what a client is answered."""
    words = ("socat", "-t60", "-", f"TCP:127.0.0.1:{PORT}")
    return manager.box.run(*words, input="hello\n").stdout


# systemd-socket-proxyd ends a connection as soon as one side has no more to say.
PATIENT = f"""
import socket
with socket.create_connection(("127.0.0.1", {PORT})) as client:
    client.sendall(b"hello\\n")
    print(client.makefile().read(), end="")
"""


def ask_behind(manager: Manager) -> str:
    """Return what a client of a proxy is answered, who says no end."""
    return manager.box.run("python3", "-c", PATIENT).stdout


def test_a_container_gets_its_sockets(manager: Manager, install: Install) -> None:
    """The first client starts the container, which has no network, and is answered."""
    done = install(HEAD + ECHO + SOCKET)
    assert f"write {manager.quadlets}/shop.container: new" in done.stdout
    assert "inactive" == manager.show("shop.service", "ActiveState")
    assert "hello\n" == ask(manager)
    assert "active" == manager.show("shop.service", "ActiveState")
    assert "nothing to do" in install(HEAD + ECHO + SOCKET).stdout


@pytest.mark.parametrize("mode", ["shared", "per-connection"])
def test_words_arrive_as_they_were_written(manager: Manager, install: Install, mode: str) -> None:
    """Arguments and variables reach the program whatever is in them; its network is empty."""
    install(f'mode = "{mode}"\n{HEAD}{TELL}{SOCKET}')
    expected = ["http", '50% of "$PATH"', "a 'b' $HOME %n", "lo"]
    assert repr(expected) == ask(manager)


def test_a_change_restarts_the_container_behind_its_socket(
    manager: Manager, install: Install
) -> None:
    """A changed container is restarted, and its socket is not; a service takes its place."""
    install(HEAD + ECHO + SOCKET)
    assert "hello\n" == ask(manager)
    since = manager.show("shop.socket", "ActiveEnterTimestampMonotonic")
    done = install(f"{HEAD}{ECHO}{SOCKET}[container]\nLabel = 'a=b'\n")
    assert "try-restart shop.service" in done.stdout
    assert "hello\n" == ask(manager)
    assert since == manager.show("shop.socket", "ActiveEnterTimestampMonotonic")


def test_a_proxy_before_a_unix_socket(manager: Manager, install: Install) -> None:
    """The container starts for its first client, stops when idle, and starts for the next one."""
    backend = "/run/shop/backend.sock"
    behind = BEHIND.replace("BACKEND", backend)
    install(f'{PROXY}{behind}backend = "{backend}"\n{SOCKET}')
    for _ in range(2):
        assert "user 0 ['lo']" == ask_behind(manager)
        manager.wait_state("shop.service", "inactive")


def test_a_proxy_before_a_port(manager: Manager, install: Install) -> None:
    """Proxy and container share a loopback that nobody else has; a user cannot have that."""
    behind = BEHIND.replace("BACKEND", "8080")
    spec = f"{PROXY}{behind}backend = 8080\n{SOCKET}"
    if flags(manager):
        assert "give it a Unix socket" in install(spec, check=False).stderr
        return
    install(spec)
    for _ in range(2):
        assert "user 0 ['lo']" == ask_behind(manager)
        manager.wait_state("shop.service", "inactive")


def test_a_proxy_before_a_program_that_is_not_root(manager: Manager, install: Install) -> None:
    """What runs as a user of the image is reached too, by nobody but the proxy."""
    backend = "/run/shop/backend.sock"
    behind = BEHIND.replace("BACKEND", backend)
    mapped = f'UserNS = "keep-id:uid={UID},gid={UID}"\n' if flags(manager) else ""
    table = f"[container]\nUser = {UID}\n{mapped}"
    install(f'{PROXY}{behind}backend = "{backend}"\n{SOCKET}{table}')
    for _ in range(2):
        assert f"user {UID} ['lo']" == ask_behind(manager)
        manager.wait_state("shop.service", "inactive")


def test_a_proxy_waits_until_the_container_is_healthy(manager: Manager, install: Install) -> None:
    """The health check of podman says when the first client is let through."""
    backend = "/run/shop/backend.sock"
    behind = BEHIND.replace("BACKEND", backend)
    table = f'[container]\nHealthCmd = "ls {backend}"\nHealthInterval = "1s"\n'
    install(f'{PROXY}ready = "healthy"\n{behind}backend = "{backend}"\n{SOCKET}{table}')
    assert "user 0 ['lo']" == ask_behind(manager)


def test_a_container_is_seen_by_status_and_doctor(manager: Manager, install: Install) -> None:
    """A container's service is looked at as any other."""
    install(HEAD + ECHO + SOCKET)
    assert "hello\n" == ask(manager)
    argv = ("shop.socket", *flags(manager))
    assert "shop.service" in manager.run("activator", "status", *argv).stdout
    assert "made of" in manager.run("activator", "graph", *argv).stdout
    assert (
        "nothing found (1 socket looked at)\n" == manager.run("activator", "doctor", *argv).stdout
    )


def test_what_cannot_be_installed(manager: Manager, install: Install) -> None:
    """An image that is not there and a podman that is too old are told, and nothing is written."""
    done = install((HEAD + ECHO + SOCKET).replace(IMAGE, "localhost/none:1"), check=False)
    assert "there is no image localhost/none:1 here" in done.stderr
    done = install('podman = "99.0"\n' + HEAD + ECHO + SOCKET, check=False)
    assert "the spec is for podman 99.0" in done.stderr
    assert not manager.run("find", str(manager.quadlets), "-name", "*shop*", check=False).stdout
