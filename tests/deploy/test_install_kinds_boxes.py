"""Services of several kinds, installed from specs, under the real systemd."""

import shlex
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.boxes.box import Box

Run = subprocess.CompletedProcess[str]
UNITS = "/etc/systemd/system"
HEAD = 'name = "kind"\nhardening = "none"\n'
# Takes one datagram, as inetd's "wait" has it, and writes down that it did.
ONE = """\
import socket
listener = socket.socket(fileno=0)
text = listener.recv(100)
with open("/run/kind.log", "ab", 0) as file:
    file.write(text)
"""
DATAGRAMS = 30
INETD = f"""\
{HEAD}exec = "/usr/bin/python3 /opt/kind/one.py"
[sockets.kind]
ListenDatagram = "/run/kind.sock"
[service]
StandardInput = "socket"
"""
HANDLER = """\
import atexit
atexit.register(print, "words of before", flush=True)
def echo(connection):
    connection.sendall(connection.recv(100))
"""
SERVED = f"""\
{HEAD}handler = "kind:echo"
app-dir = "/opt/kind"
[sockets.kind]
ListenStream = "/run/kind.sock"
"""
# What is known as a compiler of machine code asks for memory to write and run.
JIT = """\
import mmap, socket
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"made")
    connection.close()
"""
COMPILED = """\
name = "kind"
exec = "/usr/local/bin/node /opt/kind/jit.py"
[sockets.kind]
ListenStream = "/run/kind.sock"
"""

# Tries what a service of a user's manager may do, and answers with what came of it.
TRIED = """\
import errno, os, pathlib, socket
def tried(action, *arguments):
    try:
        return str(action(*arguments))
    except OSError as error:
        return errno.errorcode[error.errno]
state = pathlib.Path(os.environ["STATE_DIRECTORY"])
answers = {
    "home": tried(pathlib.Path("/home/buyer/.profile").read_text),
    "system": tried(pathlib.Path("/opt/kind/mine").write_text, "x"),
    "socket": tried(socket.socket, socket.AF_INET),
    "state": tried((state / "x").write_text, "x"),
    "program": tried(os.execv, str(state / "x"), ["x"]),
    "others": str(pathlib.Path("/proc/1").exists()),
}
status = pathlib.Path("/proc/self/status").read_text().split()
answers["privileges"] = status[status.index("NoNewPrivs:") + 1]
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    connection.sendall(" ".join(f"{name}={said}" for name, said in answers.items()).encode())
    connection.close()
"""
USERS_HANDLER = """\
import errno, pathlib
def echo(connection):
    try:
        said = str(pathlib.Path("/opt/kind/x").write_text("x"))
    except OSError as error:
        said = errno.errorcode[error.errno]
    words = pathlib.Path("/proc/self/status").read_text().split()
    said += " " + words[words.index("NoNewPrivs:") + 1]
    connection.sendall(connection.recv(100) + b" " + said.encode())
"""
USER = "buyer"


@pytest.fixture
def kind(box: Box) -> Iterator[Callable[..., Run]]:
    """Yield a function that installs a spec in a box; what it installs is removed."""

    def install(text: str, *flags: str, check: bool = True) -> Run:
        box.write("/root/kind.toml", text)
        return box.run("activator", "install", "/root/kind.toml", *flags, check=check)

    yield install
    box.run("activator", "uninstall", "kind", "--force", check=False)
    box.run("rm", "-rf", "/opt/kind", "/run/kind.log", "/run/kind.go")


def ask(box: Box, text: str = "", patience: int = 120) -> str:
    """Return the answer to a text, which may take so many seconds."""
    argv = ("socat", f"-t{patience}", "-", "UNIX-CONNECT:/run/kind.sock")
    return box.run(*argv, input=text, check=False).stdout


def taken(box: Box) -> list[str]:
    """Return the datagrams that were written down."""
    return box.run("cat", "/run/kind.log", check=False).stdout.split()


def test_socket_outlives_a_program_for_each_client(box: Box, kind: Callable[..., Run]) -> None:
    """Thirty datagrams in a row, each with a start of its own: all are taken."""
    box.write("/opt/kind/one.py", ONE)
    kind(INETD)
    send = "socat -u - UNIX-SENDTO:/run/kind.sock"
    box.run("sh", "-c", f"for i in $(seq {DATAGRAMS}); do echo $i | {send}; done")
    numbers = [str(number) for number in range(1, DATAGRAMS + 1)]
    box.wait_for(lambda: taken(box) == numbers, "all datagrams", 300)
    assert "active" == box.show("kind.socket", "ActiveState")


def test_units_are_for_the_systemd_that_runs(box: Box, kind: Callable[..., Run]) -> None:
    """A plain call says what --systemd installed says, and turns nothing of it back."""
    box.write("/opt/kind/kind.py", HANDLER)
    kind(SERVED, "--systemd", "installed")
    assert (box.version >= 254) == ("RestartSteps=" in box.read(f"{UNITS}/kind.service"))
    assert "kind is as it should be: nothing to do\n" == kind(SERVED).stdout
    kind(SERVED, "--systemd", "252")
    # Each version has a pace that spares the machine.
    assert "RestartSec=2s" in box.read(f"{UNITS}/kind.service")


def test_compiler_of_machine_code_runs(box: Box, kind: Callable[..., Run]) -> None:
    """A program that is known for it is not killed by the default hardening."""
    box.write("/opt/kind/jit.py", JIT)
    box.run("ln", "-sf", "/usr/bin/python3", "/usr/local/bin/node")
    try:
        assert "jit" in kind(COMPILED).stderr
        assert "made" == ask(box)
        other = COMPILED.replace("/usr/local/bin/node", "/usr/bin/python3")
        kind(other)
        assert "" == ask(box, patience=5)
    finally:
        box.run("rm", "/usr/local/bin/node")


def test_conditions_are_the_sockets_too(box: Box, kind: Callable[..., Run]) -> None:
    """Where a condition skips the service nothing listens, and no client closes the socket."""
    box.write("/opt/kind/kind.py", HANDLER)
    kind(f'{SERVED}[unit]\nConditionPathExists = "/run/kind.go"\n')
    skipped = (box.show("kind.socket", name) for name in ("ActiveState", "ConditionResult"))
    assert ("inactive", "no") == tuple(skipped)
    assert "" == ask(box, "hello")
    assert "success" == box.show("kind.socket", "Result")
    box.write("/run/kind.go", "")
    box.systemctl("start", "kind.socket")
    assert "hello" == ask(box, "hello")


def test_failed_start_has_its_own_words(box: Box, kind: Callable[..., Run]) -> None:
    """What a start that failed has said is told, not the process before, and all is as before."""
    box.write("/opt/kind/kind.py", HANDLER)
    kind(SERVED)
    assert "hello" == ask(box, "hello")
    before = box.read(f"{UNITS}/kind.service")
    box.write("/opt/kind/kind.py", "import missing\n")
    done = kind(f'{SERVED}[environment]\nA = "b"\n', check=False)
    assert (1, before) == (done.returncode, box.read(f"{UNITS}/kind.service"))
    assert "No module named 'missing'" in done.stderr
    assert "words of before" not in done.stderr
    box.write("/opt/kind/kind.py", HANDLER)
    assert "hello" == ask(box, "hello")
    # Without words, it is the result.
    done = kind(f'{SERVED}[service]\nExecStartPre = "/bin/false"\n', check=False)
    assert (1, before) == (done.returncode, box.read(f"{UNITS}/kind.service"))
    assert "kind.service: Control process exited, code=exited, status=1/FAILURE; " in done.stderr
    assert "hello" == ask(box, "hello")


@pytest.fixture
def buyer(box: Box) -> Iterator[tuple[str, ...]]:
    """Yield how commands are run as a user whose manager runs."""
    box.run("useradd", "--create-home", USER)
    uid = box.run("id", "-u", USER).stdout.strip()
    box.systemctl("start", f"user@{uid}.service")
    yield (
        "runuser",
        "-u",
        USER,
        "--",
        "env",
        f"HOME=/home/{USER}",
        f"XDG_RUNTIME_DIR=/run/user/{uid}",
    )
    box.systemctl("stop", f"user@{uid}.service", check=False)
    box.run("userdel", "--remove", USER, check=False)
    box.run("rm", "-rf", "/opt/kind")


@pytest.mark.parametrize("profile", ["", 'hardening = "standard"\n'], ids=["strict", "standard"])
def test_users_manager_closes_what_it_can(box: Box, buyer: tuple[str, ...], profile: str) -> None:
    """The default profile works there, and is one: files, sockets and programs are closed."""
    box.write("/opt/kind/tried.py", TRIED)
    box.run("install", "-d", "-o", USER, "/opt/kind/own")
    box.run("install", "-o", USER, "/dev/null", "/opt/kind/mine")
    address = f"{buyer[-1].partition('=')[2]}/kind.sock"
    spec = (
        f'{profile}name = "kind"\nexec = "/usr/bin/python3 /opt/kind/tried.py"\nneeds = ["state"]\n'
    )
    box.write(f"/home/{USER}/kind.toml", f'{spec}[sockets.kind]\nListenStream = "{address}"\n')
    box.run(*buyer, "activator", "install", "--user", f"/home/{USER}/kind.toml")
    answer = box.run("socat", "-t120", "-", f"UNIX-CONNECT:{address}").stdout
    said = dict(word.split("=", 1) for word in answer.split(" ") if "=" in word)
    log = box.run(
        *buyer, "systemctl", "--user", "status", "--no-pager", "kind.service", check=False
    )
    assert said, log.stdout
    closed = "EAFNOSUPPORT" if not profile else said["socket"]
    assert ("1", "EROFS", "1", closed) == tuple(
        said[name] for name in ("state", "system", "privileges", "socket")
    )
    assert said["home"] in ("ENOENT", "EACCES")
    assert "EACCES" == said["program"]


@pytest.mark.parametrize("profile", ["", 'hardening = "standard"\n'], ids=["strict", "standard"])
def test_users_manager_runs_handlers(box: Box, buyer: tuple[str, ...], profile: str) -> None:
    """A handler is served there with the same profiles, which close what they say."""
    box.write("/opt/kind/kind.py", USERS_HANDLER)
    address = f"{buyer[-1].partition('=')[2]}/kind.sock"
    text = SERVED.replace('hardening = "none"\n', profile).replace("/run/kind.sock", address)
    box.write(f"/home/{USER}/kind.toml", text)
    box.run(*buyer, "activator", "install", "--user", f"/home/{USER}/kind.toml")
    answer = box.run("socat", "-t120", "-", f"UNIX-CONNECT:{address}", input="hello").stdout
    log = box.run(*buyer, "systemctl", "--user", "status", "kind.service", check=False)
    assert "hello EROFS 1" == answer, log.stdout
    box.run(*buyer, "activator", "uninstall", "--user", "kind")


def data(box: Box, *bases: str) -> list[str]:
    """Return what a service has below some directories."""
    script = 'ls -d "$@" 2>/dev/null || true'
    paths = (f"{base}{inner}/kind" for base in bases for inner in ("", "/private"))
    return box.run("sh", "-c", script, "sh", *paths).stdout.split()


@pytest.mark.parametrize("who", ["dynamic", "static"])
def test_what_stays_is_named(box: Box, kind: Callable[..., Run], who: str) -> None:
    """What a service has written is named before and after, with a command that removes it."""
    bases = ("/var/lib", "/var/cache", "/var/log")
    text = SERVED.replace('hardening = "none"\n', 'needs = ["state", "cache", "logs"]\n')
    if who == "static":
        text += "[service]\nUser = 'daemon'\nDynamicUser = false\n"
    box.write("/opt/kind/kind.py", HANDLER)
    try:
        kind(text)
        assert "hello" == ask(box, "hello")
        there = data(box, *bases)
        assert (6 if who == "dynamic" else 3) == len(there)

        *_, line = box.run("activator", "uninstall", "kind", "--dry-run").stderr.splitlines()
        named, _, command = line.rpartition(": ")
        assert "/var/lib/kind, /var/cache/kind, /var/log/kind: what" in named
        assert command.startswith("systemctl clean ")
        box.systemctl("stop", "kind.socket", "kind.service")
        box.run(*shlex.split(command))
        assert [] == data(box, *bases)
        assert "" == box.run("activator", "uninstall", "kind", "--dry-run").stderr

        box.systemctl("start", "kind.socket")
        assert "hello" == ask(box, "hello")
        *_, line = box.run("activator", "uninstall", "kind").stderr.splitlines()
        assert there == data(box, *bases)
        _, _, command = line.rpartition(": ")
        assert set(there) == set(shlex.split(command)[2:])
        box.run(*shlex.split(command))
        assert [] == data(box, *bases)
    finally:
        box.run("rm", "-rf", *data(box, *bases))


def test_what_stays_of_a_user_is_named(box: Box, buyer: tuple[str, ...]) -> None:
    """The manager of a user has its directories elsewhere, in older systemds elsewhere again."""
    box.write("/opt/kind/kind.py", HANDLER)
    address = f"{buyer[-1].partition('=')[2]}/kind.sock"
    text = SERVED.replace('hardening = "none"\n', 'needs = ["state", "cache", "logs"]\n')
    text = text.replace("/run/kind.sock", address)
    box.write(f"/home/{USER}/kind.toml", text)
    box.run(*buyer, "activator", "install", "--user", f"/home/{USER}/kind.toml")
    box.run("socat", "-t120", "-", f"UNIX-CONNECT:{address}", input="hello")
    done = box.run(*buyer, "activator", "uninstall", "--user", "kind")
    _, _, command = done.stderr.strip().rpartition(": ")
    found = box.run("find", f"/home/{USER}", "-name", "kind", "-type", "d").stdout.split()
    assert 3 == len(found)
    assert ["rm", "-r", *sorted(found)] == ["rm", "-r", *sorted(shlex.split(command)[2:])]
