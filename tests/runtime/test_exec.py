"""activator exec: numbers in place of names, the rest closed, and wrappers put right."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.test_imports import assert_light, loaded
from tests.support.services import (
    PATIENCE,
    ROOT,
    activated,
    clean_environment,
    connected,
    launched,
)

EXEC = (sys.executable, "-m", "activator", "exec")
SHOW = (sys.executable, "-m", "tests.support.show_passed")
NAMES = "http:admin:http:state"


@pytest.fixture
def fds() -> Iterator[list[int]]:
    """Open four descriptors, of three kinds."""
    one, two, three = (socket.create_server(("127.0.0.1", 0)) for _ in range(3))
    with one, two, three, open(os.devnull, "rb") as null:  # noqa: PTH123
        yield [one.fileno(), two.fileno(), three.fileno(), null.fileno()]


def shown(fds: Sequence[int], *words: str, names: str | None = NAMES, **env: Any) -> dict[str, Any]:
    """Pass descriptors to a program through the command and return what it has got."""
    command = (*EXEC, *words)
    with launched(command, fds, names=names, **env) as service:
        text = service.stdout
        assert "" == service.stderr
        result: dict[str, Any] = json.loads(text)
    # Each is told by its inode: which of ours it is.
    inodes = [os.fstat(fd).st_ino for fd in fds]
    result["open"] = {int(fd): inodes.index(inode) for fd, inode in result["open"].items()}
    return result


def failed(fds: Sequence[int], *words: str, wrapper: Sequence[str] = (), **env: Any) -> str:
    """Return the exit status and the only line of an error."""
    with launched((*wrapper, *EXEC, *words), fds, names=NAMES, **env) as service:
        status = service.wait()
        assert 1 == service.stderr.count("\n")
        return f"{status}: {service.stderr.rstrip()}"


# Where they go.


def test_numbers_in_arguments(fds: list[int]) -> None:
    """A name becomes a number wherever it stands; what is not named is closed."""
    words = ("--env=X=<{fd:admin}>", "--", *SHOW, "--fd={fd:admin},{fd:state}", "{fd}{x}{fd:")
    result = shown(fds, *words)
    assert ["--fd=4,6", "{fd}{x}{fd:"] == result["arguments"]
    assert {4: 1, 6: 3} == result["open"]
    assert {"X": "<4>"} == result["variables"]


def test_several_of_one_name(fds: list[int]) -> None:
    """They are counted from 0, or all of them are named at once, with any separator."""
    words = ("{fd:http:1}", "{fds:http}", "{fds:http:;};", "{fds:http:}", "{fds::+}")
    result = shown(fds, "--", *SHOW, *words)
    assert ["5", "3,5", "3;5;", "35", "3+4+5+6"] == result["arguments"]
    assert {3: 0, 4: 1, 5: 2, 6: 3} == result["open"]
    assert {} == result["variables"]


def test_map(fds: list[int]) -> None:
    """A descriptor is placed at any number, two can change places, and the rest is closed."""
    words = ("--map=admin=6", "--map", "state=4", "--map=http:1=40", "--", *SHOW, "{fd:admin}")
    result = shown(fds, *words)
    assert ["6"] == result["arguments"]
    assert {4: 3, 6: 1, 40: 2} == result["open"]
    assert {} == result["variables"]


def test_map_to_a_standard_stream() -> None:
    """A connection can become standard input, as inetd has it."""
    one, two = socket.socketpair()
    with one, two:
        words = (*EXEC, "--map=x=0", "--map=y=1", "--", "cat")
        with launched(words, [two, two], names="x:y") as service:
            one.sendall(b"hello")
            one.settimeout(PATIENCE)
            assert b"hello" == one.recv(100)
            one.shutdown(socket.SHUT_WR)
            assert 0 == service.wait()


def test_listen_fds(fds: list[int]) -> None:
    """Some are passed on in the order asked for, as libsystemd itself sees them."""
    words = ("--listen-fds=state:http", "--listen-fds", "admin", "--map=http:0=20", "--", *SHOW)
    result = shown(fds, *words, "{fd:http:0}", "{fd:http:1}", "{fd:admin}")
    assert {3: 3, 4: 0, 5: 2, 6: 1, 20: 0} == result["open"]
    assert {"3": "state", "4": "http", "5": "http", "6": "admin"} == result["listen"]
    assert ["20", "5", "6"] == result["arguments"]


def test_listen_fds_beside_numbers(fds: list[int]) -> None:
    """Whoever has to make room for them gets another number, and its argument says so."""
    result = shown(fds, "--listen-fds=state", "--", *SHOW, "{fd:http:0}", "{fd:admin}")
    first, second = map(int, result["arguments"])
    assert {3: 3, first: 0, second: 1} == result["open"]
    assert 4 == second
    assert {"3": "state"} == result["listen"]


@pytest.mark.parametrize("names", [NAMES, None])
def test_all_are_passed_on(fds: list[int], names: str | None) -> None:
    """Without a word about any, all are passed on as they were."""
    result = shown(fds, "--", *SHOW, names=names)
    assert {3: 0, 4: 1, 5: 2, 6: 3} == result["open"]
    listed = names.split(":") if names else ["unknown"] * 4
    assert {str(fd): name for fd, name in enumerate(listed, 3)} == result["listen"]
    variables = {"LISTEN_PID": str(result["pid"]), "LISTEN_FDS": "4"}
    assert variables | ({"LISTEN_FDNAMES": names} if names else {}) == result["variables"]


def test_through_systemd(tmp_path: Path) -> None:
    """What systemd-socket-activate passes is what the program finds at its number."""
    path = str(tmp_path / "s")
    code = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).accept()[0].send(b'hi')"
    words = (*EXEC, "--map=web=9", "--", sys.executable, "-c", code, "{fd:web}")
    with (
        activated(words, [path], "--fdname=web") as service,
        connected(path, socket.AF_UNIX) as client,
    ):
        assert b"hi" == client.recv(100)
        assert 0 == service.wait()


# Wrappers.

WRAPPED = (
    "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], close_fds=False).returncode)"
)
WRAPPER = (sys.executable, "-c", WRAPPED)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("pidfd", ["", "1"])
def test_wrapper_that_forks(fds: list[int], depth: int, pidfd: str) -> None:
    """Below wrappers that start it as a child, both variables are put right."""
    with launched(
        (*WRAPPER * depth, *EXEC, "--", *SHOW), fds, names=NAMES, LISTEN_PIDFDID=pidfd or None
    ) as service:
        result = json.loads(service.stdout)
        assert "" == service.stderr
    assert ["http", "admin", "http", "state"] == list(result["listen"].values())
    assert str(result["pid"]) == result["variables"]["LISTEN_PID"]
    assert (str(result["pidfd"]) if pidfd else None) == result["variables"].get("LISTEN_PIDFDID")


def test_wrapper_that_forgets_the_pidfd(fds: list[int]) -> None:
    """One that sets LISTEN_PID alone leaves a LISTEN_PIDFDID that is put right."""
    result = shown(fds, "--", *SHOW, LISTEN_PIDFDID="1")
    assert str(result["pidfd"]) == result["variables"]["LISTEN_PIDFDID"]


def test_wrapper_that_uses_a_descriptor(fds: list[int]) -> None:
    """A wrapper's file at number 3 is not taken for a passed descriptor."""
    code = (
        "import os, subprocess, sys; os.set_inheritable(3, False);"
        "sys.exit(subprocess.run(['sh', '-c', 'exec 3</dev/null; \"$@\"', 'sh', *sys.argv[1:]],"
        "close_fds=False).returncode)"
    )
    line = failed(fds, "--", *SHOW, wrapper=(sys.executable, "-c", code))
    assert ", and descriptor 3 is not what process " in line
    assert line.endswith("; have the wrapper use exec, and leave 3 and up alone")


def test_wrapper_that_closes_its_own(fds: list[int]) -> None:
    """One that has closed them, once its child had them, cannot vouch for them any more."""
    code = (
        "import os, sys\n"
        "out, in_ = os.pipe()\n"
        "pid = os.fork()\n"
        "if not pid: os.read(out, 1); os.execv(sys.argv[1], sys.argv[1:])\n"
        "os.closerange(3, 7)\n"
        "os.write(in_, b'x')\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    line = failed(fds, "--", *SHOW, wrapper=(sys.executable, "-c", code))
    assert ", and its descriptor 3 cannot be seen: no such file or directory; have the wr" in line


def test_stranger(fds: list[int]) -> None:
    """Variables that were meant for a process elsewhere are nobody's here."""
    with subprocess.Popen(["sleep", "60"]) as other:
        line = failed(fds, "--", *SHOW, LISTEN_PID=str(other.pid))
        other.kill()
    assert f"LISTEN_PID is {other.pid} but this process is " in line
    assert line.endswith(
        "that is not a wrapper around it; they are another process's: have what started it use exec"
    )


def test_variables_of_another_process() -> None:
    """That is told, also if nothing is open at their numbers: it is no wrapper that closed them."""
    env = {**clean_environment(), "LISTEN_FDS": "1", "LISTEN_PID": "99999999"}
    run = subprocess.run(
        (*EXEC, "--", "true"), cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert run.stderr.startswith("LISTEN_PID is 99999999 but this process is ")
    assert run.stderr.endswith("they are another process's: have what started it use exec\n")


# What can be wrong.


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "2: no program given; activator exec [OPTIONS] -- CMD ARG..."),
        (("--",), "2: no program given; activator exec [OPTIONS] -- CMD ARG..."),
        (("--nope", "--", "x"), "2: no such option: '--nope'; there are --map, --listen-fds, "),
        (("--mapp", "a=3", "--", "x"), "2: no such option: '--mapp'; did you mean --map?"),
        (("--map",), "2: --map: needs a value"),
        (("--map=http", "x"), "2: --map: not NAME=N: 'http'; for example http=5"),
        (("--map=http=-1", "x"), "2: --map: not NAME=N: 'http=-1'"),
        (("--map=http=99999999", "x"), "2: --map: not NAME=N: 'http=99999999'"),
        (("--map=a=5", "--map=b=5", "x"), "2: --map: two descriptors at 5: a and b"),
        (("--env=X", "x"), "2: --env: not NAME=VALUE: 'X'"),
        (("--listen-fds=a:a", "x"), "2: --listen-fds: 'a' is given twice"),
        (
            ("--map=web=5", "x"),
            "1: --map: no descriptor is named 'web'; passed: 'http', 'admin', 's",
        ),
        (("--map=http=5", "x"), "1: --map: 2 descriptors are named 'http'; write http:0 to h"),
        (
            ("--map=http:2=5", "x"),
            "1: --map: there is no 'http:2': 2 are named 'http', counted from",
        ),
        (
            ("--map=admin=3", "--listen-fds=state", "x"),
            "2: --map: 3 is taken by 'state'; --listen-",
        ),
        (("--map=admin=1000000", "x"), "1: cannot place descriptors at 1000000: "),
        (("--listen-fds=web", "x"), "1: --listen-fds: no descriptor is named 'web'"),
        (("x", "{fd:web}"), "1: {fd:web}: no descriptor is named 'web'"),
        (("x", "{fds:web:;}"), "1: {fds:web:;}: no descriptor is named 'web'"),
        (("x", "{fd:http}"), "1: {fd:http}: 2 descriptors are named 'http'"),
        (("/nowhere/x",), "1: cannot run '/nowhere/x': no such file or directory"),
        (("/etc/passwd",), "1: cannot run '/etc/passwd': permission denied"),
    ],
)
def test_mistakes(fds: list[int], words: tuple[str, ...], expected: str) -> None:
    """Each mistake is one line that says what to do."""
    assert failed(fds, *words).startswith(expected)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"LISTEN_FDS": None}, "1: no sockets were passed: this command is for ExecStart= of an "),
        ({"LISTEN_PID": None}, "1: LISTEN_FDS is set but LISTEN_PID is not"),
        ({"LISTEN_PID": "x"}, "1: LISTEN_PID is not a process id: 'x'"),
        ({"LISTEN_FDS": "x"}, "1: LISTEN_FDS is not a positive number: 'x'"),
        ({"LISTEN_FDS": "9"}, "1: LISTEN_FDS is 9, but descriptor 7 is not open"),
        ({"LISTEN_FDNAMES": "x"}, "1: LISTEN_FDNAMES has 1 name, but LISTEN_FDS is 4"),
    ],
)
def test_bad_surroundings(fds: list[int], env: dict[str, Any], expected: str) -> None:
    """They are told apart, each in one line."""
    names = {} if "LISTEN_FDNAMES" in env else {"names": NAMES}
    with launched((*EXEC, "--", "true"), fds, **{**names, **env}) as service:
        assert 1 == service.wait()
        assert 1 == service.stderr.count("\n")
        assert f"1: {service.stderr}".startswith(expected)


def test_standard_input_is_a_socket() -> None:
    """With StandardInput=socket there is nothing to pass on, and the line says so."""
    one, two = socket.socketpair()
    with one, two:
        run = subprocess.run(
            (*EXEC, "true"),
            cwd=ROOT,
            env=clean_environment(),
            stdin=one.fileno(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert 1 == run.returncode
    assert run.stderr.startswith("descriptor 0 is a socket, and no others were passed; with Stand")


# What else the program inherits.


@pytest.mark.parametrize("systemd", [True, False])
def test_signals(fds: list[int], systemd: bool) -> None:  # noqa: FBT001
    """Our interpreter's settings are gone; SIGPIPE is ignored where systemd ignores it."""
    words = (*EXEC, "--", "grep", "SigIgn", "/proc/self/status")
    with launched(words, fds, names=NAMES, INVOCATION_ID="x" if systemd else None) as service:
        ignored = int(service.stdout.split()[1], 16)
    pipe = 1 << (signal.SIGPIPE - 1)
    assert 0 == ignored & 1 << (signal.SIGXFSZ - 1)
    assert (pipe if systemd else 0) == ignored & pipe


def test_locale(fds: list[int]) -> None:
    """What the interpreter sets for itself in the C locale is not passed on."""
    for given, expected in ((None, []), ("C.UTF-8", ["LC_CTYPE=C.UTF-8"])):
        words = ("/usr/bin/env", "-u", "LC_ALL", *EXEC, "--", "env")
        with launched(words, fds, names=NAMES, LANG="C", LC_CTYPE=given) as service:
            lines = service.stdout.splitlines()
        assert expected == [text for text in lines if text.startswith("LC_CTYPE=")]


def test_help() -> None:
    """Its own help is shown before the two dashes only; what follows is the program's."""
    for words, expected in ((("-h",), "Usage: activator exec"), (("--", "echo", "-h"), "")):
        run = subprocess.run(
            (*EXEC, *words),
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert expected == run.stdout[: len("Usage: activator exec")]


def test_imports() -> None:
    """It loads neither sockets nor anything else that takes time."""
    modules = loaded("import activator.runtime.commands.exec", before="os")
    ours = {"activator", "activator.errors", "activator.common", "activator.common.integers"}
    ours |= {f"activator.runtime{name}" for name in ("", ".options", ".variables")}
    ours |= {f"activator.runtime.commands{name}" for name in ("", ".exec")}
    ours |= {f"activator.runtime.commands.exec_{name}" for name in ("claim", "plan")}
    assert ours | {"activator.version"} >= modules
    assert_light(modules)
