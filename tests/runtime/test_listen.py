"""Taking what was passed: names, kinds, and every way in which the variables can be wrong."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activator import ActivatorError, Listener, Listeners
from activator.runtime.descriptor import is_at
from tests.support.services import (
    PATIENCE,
    ROOT,
    activated,
    clean_environment,
    connect,
    connected,
    launched,
    read_all,
    reset,
    tcp_listener,
)

SHOW = (sys.executable, "-m", "tests.support.show_listeners")


def shown(*fds: int | socket.socket, **kwargs: Any) -> dict[str, Any]:
    """Pass descriptors to a program and return what it took."""
    with launched(SHOW, fds, **kwargs) as service:
        result: dict[str, Any] = json.loads(service.stdout)
        assert service.stderr == ""
        return result


def first_error(**variables: Any) -> str:
    """Pass one listener with wrong variables and return the only line of the error."""
    with tcp_listener() as listener:
        result = shown(listener, **variables)
    (line,) = result["first"]["error"]
    assert "\n" not in line
    return str(line)


# What systemd-socket-activate passes.


def test_two_names_arrive_in_order(tmp_path: Path) -> None:
    """Two sockets with names are what systemd-socket-activate says they are, in order."""
    paths = [str(tmp_path / "one"), str(tmp_path / "two")]
    with (
        activated(SHOW, paths, "--fdname=http:admin") as service,
        connected(paths[1], socket.AF_UNIX),
    ):
        result = json.loads(service.stdout)
    assert [
        ["http", 3, "stream", "AF_UNIX", paths[0]],
        ["admin", 4, "stream", "AF_UNIX", paths[1]],
    ] == result["first"]["listeners"]


def test_one_name_for_several_sockets(tmp_path: Path) -> None:
    """A name may stand for several descriptors, as with several Listen lines in a unit."""
    paths = [str(tmp_path / "one"), str(tmp_path / "two")]
    with activated(SHOW, paths, "--fdname=web:web") as service, connected(paths[0], socket.AF_UNIX):
        result = json.loads(service.stdout)
    assert ["web", "web"] == [item[0] for item in result["first"]["listeners"]]


def test_missing_names_are_unknown(tmp_path: Path) -> None:
    """Without LISTEN_FDNAMES, libsystemd calls every descriptor unknown."""
    path = str(tmp_path / "one")
    with activated(SHOW, [path]) as service, connected(path, socket.AF_UNIX):
        result = json.loads(service.stdout)
    assert [["unknown", 3, "stream", "AF_UNIX", path]] == result["first"]["listeners"]


@pytest.mark.parametrize(
    ("option", "type_", "kind"),
    [("-d", socket.SOCK_DGRAM, "datagram"), ("--seqpacket", socket.SOCK_SEQPACKET, "seqpacket")],
)
def test_other_socket_types(tmp_path: Path, option: str, type_: int, kind: str) -> None:
    """A datagram socket is not taken for a connection, nor a seqpacket one for a stream."""
    path = str(tmp_path / "one")
    with activated(SHOW, [path], option) as service, socket.socket(socket.AF_UNIX, type_) as client:
        client.connect(path)
        client.send(b"x")
        result = json.loads(service.stdout)
    assert [["unknown", 3, kind, "AF_UNIX", path]] == result["first"]["listeners"]


def test_accepted_connection(tmp_path: Path) -> None:
    """With --accept, the one descriptor is a connection."""
    path = str(tmp_path / "one")
    with (
        activated(SHOW, [path], "--accept", "--fdname=connection") as service,
        connected(path, socket.AF_UNIX),
    ):
        assert service.process.stdout
        result = json.loads(service.process.stdout.readline())
    assert [["connection", 3, "connection", "AF_UNIX", path]] == result["first"]["listeners"]


# Taken once, and cleanly.


def test_taken_once() -> None:
    """The variables are gone afterwards, FD_CLOEXEC is set, and a second call gets none."""
    with tcp_listener() as listener:
        result = shown(listener, names="http", LISTEN_PIDFDID=None)
    assert [False] == result["first"]["inheritable"]
    assert [] == result["left"]
    assert [] == result["second"]["listeners"]
    assert "earlier listen_fds()" in result["second"]["absence"]


def test_another_process_is_meant() -> None:
    """A LISTEN_PID of another process means none, and is no error."""
    with tcp_listener() as listener:
        result = shown(listener, LISTEN_PID="1")
    assert [] == result["first"]["listeners"]
    assert [] == result["left"]
    assert "LISTEN_PID is '1' but this process is " in result["first"]["absence"]


def test_no_pid_at_all() -> None:
    """LISTEN_FDS alone means none."""
    with tcp_listener() as listener:
        result = shown(listener, LISTEN_PID=None)
    assert [] == result["first"]["listeners"]
    assert "LISTEN_PID is not" in result["first"]["absence"]


def test_nothing_is_set() -> None:
    """Without any variable, there are none and nothing to say about it."""
    result = shown(LISTEN_PID=None, LISTEN_FDS=None)
    assert {"listeners": [], "inheritable": [], "absence": ""} == result["first"]


@pytest.mark.parametrize("pidfdid", ["1", "garbage"])
def test_another_pidfd_is_meant(pidfdid: str) -> None:
    """A LISTEN_PIDFDID of another process means none, whatever libsystemd knows about it."""
    with tcp_listener() as listener:
        result = shown(listener, LISTEN_PIDFDID=pidfdid)
    assert [] == result["first"].get("listeners", [])
    assert "LISTEN_PIDFDID" in result["first"].get("absence", "LISTEN_PIDFDID")


def test_own_pidfd_is_meant() -> None:
    """A LISTEN_PIDFDID that is this process's own lets the descriptors pass."""
    code = (
        "import os; fd = os.pidfd_open(os.getpid());"
        "os.environ['LISTEN_PIDFDID'] = str(os.fstat(fd).st_ino); os.close(fd);"
        "from tests.support.show_listeners import main; main()"
    )
    with tcp_listener() as listener, launched((sys.executable, "-c", code), [listener]) as service:
        result = json.loads(service.stdout)
    assert 1 == len(result["first"]["listeners"])
    assert [] == result["left"]


# What can be wrong.


@pytest.mark.parametrize("count", ["x", "", "-1", "0", "1.5", "99999999999999999999"])
def test_count_is_no_number(count: str) -> None:
    """A LISTEN_FDS that is no positive number is an error that shows it."""
    assert f"LISTEN_FDS is not a positive number: {count!r}" in first_error(LISTEN_FDS=count)


def test_pid_is_no_number() -> None:
    """A LISTEN_PID that is no number is an error that shows it."""
    assert "LISTEN_PID is not a process id: 'x'" in first_error(LISTEN_PID="x")


def test_count_is_too_high() -> None:
    """More descriptors than are open: the error names the first that is missing."""
    line = first_error(LISTEN_FDS="3")
    assert line.startswith("LISTEN_FDS is 3, but descriptor 4 is not open; ")


def test_names_and_count_differ() -> None:
    """One name too many is an error that says both numbers."""
    line = first_error(names="a:b")
    assert line.startswith("LISTEN_FDNAMES has 2 names, but LISTEN_FDS is 1; ")


def test_names_are_no_text() -> None:
    """Names that are no UTF-8 are an error, where systemd-python has a SystemError."""
    assert first_error(names="\udcff").startswith("LISTEN_FDNAMES is not text: ")


def test_failed_take_takes_nothing() -> None:
    """After an error the variables are still there, and the next call says the same."""
    with tcp_listener() as listener:
        result = shown(listener, LISTEN_FDS="2")
    assert result["first"] == result["second"]
    assert ["LISTEN_PID", "LISTEN_FDS"] == result["left"]


@pytest.fixture(scope="module")
def comparison() -> Iterator[subprocess.Popen[str]]:
    """Run the program that compares with libsystemd; it has descriptors 3 and 4."""
    with ExitStack() as stack:
        fds = [stack.enter_context(tcp_listener()).fileno() for _ in range(2)]
        mover = (
            "import os, sys; a, b = map(os.dup, map(int, sys.argv[1:])); os.dup2(a, 50);"
            "os.dup2(b, 51); os.closerange(3, 50); os.dup2(50, 3); os.dup2(51, 4);"
            "os.closerange(5, 100);"
            "from tests.support.compare_listeners import main; main()"
        )
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", mover, *map(str, fds)],
                cwd=ROOT,
                env=clean_environment(),
                pass_fds=fds,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        yield process
        assert process.stdin
        process.stdin.close()
        assert 0 == process.wait(PATIENCE)


TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pid=st.just("PID") | st.none() | st.integers(-5, 5).map(str) | TEXT,
    count=st.sampled_from(["1", "2"]) | st.integers(-3, 9).map(str) | st.none() | TEXT,
    names=st.none()
    | st.lists(st.text("ab =.-", max_size=3), min_size=1, max_size=4).map(":".join)
    | TEXT,
)
def test_agrees_with_libsystemd(
    comparison: subprocess.Popen[str], pid: str | None, count: str | None, names: str | None
) -> None:
    """Whatever the variables say, what is taken is libsystemd's, and an error is one line."""
    variables = {"LISTEN_PID": pid, "LISTEN_FDS": count, "LISTEN_FDNAMES": names}
    given_ones = {name: value for name, value in variables.items() if value is not None}
    assert comparison.stdin
    assert comparison.stdout
    comparison.stdin.write(json.dumps(given_ones) + "\n")
    comparison.stdin.flush()
    answer = json.loads(comparison.stdout.readline())
    if answer["oracle"] != [] and "\\" not in (names or ""):
        # libsystemd drops backslashes from names; no unit has any.
        assert (answer["oracle"] == answer["claim"]) == isinstance(answer["oracle"], list)
    if isinstance(answer["oracle"], int):
        (line,) = answer["ours"]["error"]
        assert 1 == len(line.splitlines())
        assert "cannot take" not in line
        assert sorted(given_ones) == sorted(answer["left"])
    else:
        assert answer["oracle"] == [[fd, name] for name, fd, *_ in answer["ours"]["listeners"]]
        assert [] == answer["left"]


# Listener and Listeners.


@pytest.fixture
def passed() -> Iterator[Listeners]:
    """Make up what could have been passed: two web sockets and a pipe."""
    out, in_ = os.pipe()
    with tcp_listener() as one, tcp_listener() as two:
        fds = [one.detach(), two.detach(), out]
    listeners = Listeners(map(Listener, ["web", "web", "pipe"], fds))
    yield listeners
    listeners.close()
    os.close(in_)


def test_lookup(passed: Listeners) -> None:
    """A name gives all that bear it, in order."""
    assert 3 == len(passed)
    assert tuple(passed)[:2] == passed["web"]
    assert () == passed["nothing"]
    assert "web" in passed
    assert "nothing" not in passed
    assert ("web", "pipe") == passed.names
    with pytest.raises(TypeError, match="not by 0"):
        passed[0]  # type: ignore[index]


def test_one(passed: Listeners) -> None:
    """Insisting on one of a name gives it, or says what was passed instead."""
    assert tuple(passed)[2] is passed.one("pipe")
    with pytest.raises(ActivatorError, match=r"named 'web', got 2; passed: 'web' \(stream 127"):
        passed.one("web")
    with pytest.raises(ActivatorError, match=r"named 'http', got none; passed: .*'pipe' \(fifo"):
        passed.one("http")
    with pytest.raises(ActivatorError, match="expected one descriptor, got 3"):
        passed.one()
    with pytest.raises(ActivatorError, match="got none; the reason"):
        Listeners((), "the reason").one()
    assert passed.one("pipe") is Listeners(passed["pipe"]).one()


def test_socket(passed: Listeners) -> None:
    """The socket is the descriptor itself, the same at every call; a pipe has none."""
    listener = passed["web"][0]
    sock = listener.socket()
    assert listener.fd == sock.fileno() == listener.fileno()
    assert sock is listener.socket()
    assert (socket.AF_INET, socket.SOCK_STREAM) == (sock.family, sock.type)
    with pytest.raises(ActivatorError, match=r"'pipe' .* is not a socket; use its descriptor"):
        passed.one("pipe").socket()


def test_blocking(passed: Listeners) -> None:
    """The flag is that of every copy of the descriptor, and changes only where it is asked for."""
    listener = passed["web"][0]
    with listener.socket().dup() as copy:
        for wanted in (False, None, True, None, False):
            before = os.get_blocking(copy.fileno())
            listener.socket(blocking=wanted)
            assert (before if wanted is None else wanted) == os.get_blocking(copy.fileno())
    for wrong in ("no", 5.0, b""):
        with pytest.raises(TypeError, match="blocking is True, False or None"):
            listener.socket(blocking=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [socket.socket.close, socket.socket.detach])
def test_a_socket_that_is_closed(passed: Listeners, end: Any) -> None:
    """Who asks for the socket again is told that it was closed; its facts may be asked for."""
    listener = passed["web"][0]
    sock = listener.socket()
    number = listener.fd
    end(sock)
    with pytest.raises(ActivatorError, match=r"'web' .* was closed, or detached"):
        listener.socket()
    assert (None, "", None) == (listener.cookie, listener.peer, listener.credentials)
    listener.close()
    with pytest.raises(ActivatorError, match="was closed"):
        listener.socket()
    if end is socket.socket.detach:
        os.close(number)


def test_close(passed: Listeners) -> None:
    """Closing closes the descriptor, or the socket made of it, once."""
    sock = passed["web"][0].socket()
    fds = [item.fd for item in passed]
    passed.close()
    passed.close()
    assert -1 == sock.fileno()
    assert [-1] * 3 == [item.fd for item in passed]
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_repr(passed: Listeners) -> None:
    """What is printed says the name, kind, address and descriptor."""
    listener = passed["web"][0]
    assert repr(listener) == f"<Listener 'web' (stream {listener.address}) fd={listener.fd}>"
    assert str(listener) in repr(passed)
    assert "<Listeners none>" == repr(Listeners())


def test_find(passed: Listeners) -> None:
    """Listeners are found by all that is known of them, each of it optional."""
    everything = tuple(passed)
    first = everything[0]
    assert everything == passed.find()
    assert passed[first.name] == passed.find(first.name)
    assert (first,) == passed.find(first.name, kind=first.kind, address=first.address)[:1]
    assert () == passed.find(kind="netlink")
    assert () == passed.find(address="nowhere")


def test_peer() -> None:
    """A connection knows its other side; what is none has no other side."""
    with tcp_listener() as listener, connected(listener.getsockname()) as client:
        connection = Listener("x", listener.accept()[0].detach())
        host, port = client.getsockname()
        assert f"{host}:{port}" == connection.peer
        assert connection.credentials is None
        connection.close()
        passive = Listener("x", listener.detach())
        assert ("", None) == (passive.peer, passive.credentials)
        passive.close()


def test_credentials() -> None:
    """An AF_UNIX client without a name is known by its process and user."""
    one, two = socket.socketpair()
    with one:
        connection = Listener("x", two.detach())
        assert "" == connection.peer
        who = connection.credentials
        assert who
        assert (os.getpid(), os.getuid(), os.getgid()) == (who.pid, who.uid, who.gid)
        assert sorted(os.getgroups()) == sorted(who.groups)
        assert f"Credentials(pid={os.getpid()}, " in repr(who)
        connection.close()


def test_cookie() -> None:
    """A socket's cookie is the number by which the kernel tells it from all others."""
    with tcp_listener() as listener:
        fds = [os.dup(listener.fileno()), listener.detach()]
    fds += [socket.socket().detach(), os.open(os.devnull, os.O_RDONLY)]
    passed = Listeners(Listener("x", fd) for fd in fds)
    first, same, other, none = (item.cookie for item in passed)
    assert first
    assert other
    assert first == same != other
    assert none is None
    passed.close()


def test_addresses_in_other_words(passed: Listeners) -> None:
    """A listener is found by its port, or by its address however that is written."""
    first, second, _ = passed
    port = first.address.rpartition(":")[2]
    assert (first,) == passed.find(address=port)
    assert first is passed.one(address=f"127.0.0.1:{port}")
    assert first is passed.one("web", kind="stream", address=port)
    assert () == passed.find(address="127.0.0.1") == passed.find(address="[::1]:1")
    with pytest.raises(ActivatorError, match="named 'web' of kind fifo at 1, got none; passed: "):
        passed.one("web", kind="fifo", address="1")
    assert second.is_at(second.address)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("[0:0::1]:80", True),
        ("80", True),
        ("[::1]:81", False),
        ("[::2]:80", False),
        ("[::1]:8080", False),
        ("[::1]:80%lo", False),
        ("@80", False),
        ("", False),
    ],
)
def test_same_address(written: str, same: bool) -> None:  # noqa: FBT001
    """An IPv6 address can be written in more than one way."""
    assert same == is_at("[::1]:80", socket.AF_INET6, written)
    assert not is_at("/run/80", socket.AF_UNIX, "80")


# What comes on descriptor 0.


# Takes the only descriptor and tells its client about it.
TELL = """
import json, os, activator
listener = activator.listen_fds().one()
sock = listener.socket()
about = [listener.name, listener.fd > 2, listener.kind, listener.address]
about += [os.get_inheritable(listener.fd), os.read(0, 1).decode(), len(activator.listen_fds())]
(sock.accept()[0] if listener.kind == "stream" else sock).sendall(json.dumps(about).encode())
"""


@pytest.mark.parametrize(
    ("options", "name", "kind"),
    [(("--accept",), "connection", "connection"), ((), "unknown", "stream")],
)
def test_standard_input(tmp_path: Path, options: tuple[str, ...], name: str, kind: str) -> None:
    """The socket of StandardInput=socket is taken once, and standard input is empty then."""
    path = str(tmp_path / "s")
    with (
        activated((sys.executable, "-c", TELL), [path], "--inetd", *options),
        connected(path, socket.AF_UNIX) as client,
    ):
        about = json.loads(read_all(client))
    assert [name, True, kind, path, False, "", 0] == about


def test_standard_input_that_is_no_socket_of_a_unit() -> None:
    """One end of a pair, and what is no socket at all, stay where they are."""
    one, two = socket.socketpair()
    code = "import activator; print(activator.listen_fds().absence); print(input())"
    for stdin in (one, None):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=clean_environment(),
            stdin=stdin.fileno() if stdin else subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        two.sendall(b"left\n")
        output, _ = process.communicate(None if stdin else "left\n", PATIENCE)
        why = "descriptor 0 is a socket, but has no name: no .socket unit passes such a one"
        assert f"{why if stdin else ''}\nleft\n" == output
    one.close()
    two.close()


def test_standard_streams_that_are_closed() -> None:
    """Without descriptor 0 there is nothing to say, and nothing to take."""
    code = "import os; os.close(0); import activator; print(activator.listen_fds())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "<Listeners none>\n" == run.stdout


def test_client_that_has_gone() -> None:
    """With Accept=yes, who has been on the other side is known after it has gone."""
    code = (
        "import activator; item = activator.listen_fds().one(); print(item.peer);"
        "print(activator.peer_credentials(item.socket()))"
    )
    for host, port, expected in (
        ("192.0.2.7", "99", "192.0.2.7:99"),
        ("2001:db8::1", "99", "[2001:db8::1]:99"),
        ("@x", None, "@x"),
        (None, None, ""),
    ):
        with tcp_listener() as listener:
            client = connect(listener.getsockname())
            connection, _ = listener.accept()
            with connection:
                reset(client)
                words = (sys.executable, "-c", code)
                with launched(words, [connection], REMOTE_ADDR=host, REMOTE_PORT=port) as service:
                    assert f"{expected}\nNone\n" == service.stdout
