"""How a service is started: serve() in a program, ``activator serve``, and its errors."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.services import (
    HANDLERS,
    ROOT,
    SERVE,
    Options,
    activated,
    ask,
    command,
    connected,
    finished_quietly,
    flavours,
    launched,
    tcp_listener,
)

# serve() in a program of one's own.

PROGRAM = """
import signal, sys
import activator
from tests.support import handlers

def mine(*_): ...

signal.signal(signal.SIGTERM, mine)
before = signal.getsignal(signal.SIGINT)
activator.serve(handlers.{handler}, loop={loop!r}, drain=5)
assert signal.getsignal(signal.SIGTERM) is mine
assert signal.getsignal(signal.SIGINT) is before
assert signal.set_wakeup_fd(-1) == -1
print("done")
"""


@flavours
def test_serve_gives_signals_back(options: Options, prefix: str) -> None:
    """serve() returns after SIGTERM, with the earlier signal handlers in place again."""
    code = PROGRAM.format(handler=f"{prefix}echo", loop=options[1] if options else "auto")
    with tcp_listener() as listener, launched((sys.executable, "-c", code), [listener]) as service:
        service.ready()
        assert b"hello" == ask(listener.getsockname(), b"hello")
        finished_quietly(service)
        assert "done\n" == service.stdout


def test_serve_takes_listeners() -> None:
    """Descriptors taken before are given to serve(), which says so if they are not."""
    code = (
        "import activator; from tests.support import handlers\n"
        "taken = activator.listen_fds()\n"
        "activator.serve(handlers.p_echo{argument})"
    )
    with tcp_listener() as listener:
        program = (sys.executable, "-c", code.format(argument=", listeners=taken"))
        with launched(program, [listener]) as service:
            assert b"hello" == ask(listener.getsockname(), b"hello")
            finished_quietly(service)
        program = (sys.executable, "-c", code.format(argument=""))
        with launched(program, [listener]) as service:
            assert 1 == service.wait()
            assert "(they were taken by an earlier listen_fds())" in service.stderr
            assert 1 == service.stderr.count("\n")


# Not activated.


def test_not_activated() -> None:
    """Started by hand, it says in one line how to try it."""
    with launched(command((), "a_echo"), LISTEN_PID=None, LISTEN_FDS=None) as service:
        assert 1 == service.wait()
        assert (
            "no sockets were passed: this program is started by socket activation; "
            "started by hand? try: activator run -h\n"
        ) == service.stderr


def test_not_activated_because_of_a_wrapper() -> None:
    """A wrong LISTEN_PID is a wrapper that has forked, and the line says so."""
    with (
        tcp_listener() as listener,
        launched(command((), "a_echo"), [listener], LISTEN_PID="1") as service,
    ):
        assert 1 == service.wait()
        assert "LISTEN_PID is '1' but this process is" in service.stderr
        assert "have it use exec, or run the program with activator exec --" in service.stderr
        assert 1 == service.stderr.count("\n")


def test_not_activated_with_socket_as_stdin() -> None:
    """A pair of sockets, by which a program talks to its child, is not StandardInput=socket."""
    one, two = socket.socketpair()
    with one, two:
        result = subprocess.run(
            command((), "a_echo"),
            cwd=ROOT,
            stdin=one.fileno(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert 1 == result.returncode
    assert "descriptor 0 is a socket, but has no name" in result.stderr


@pytest.mark.parametrize("accept", [("--accept",), ()])
@pytest.mark.parametrize("handler", ["echo=tests.support.handlers:a_echo", f"{HANDLERS}:p_echo"])
def test_standard_input_is_served(tmp_path: Path, accept: tuple[str, ...], handler: str) -> None:
    """The socket of StandardInput=socket is served in both modes, by a named handler too."""
    path = str(tmp_path / "s")
    with activated((*SERVE, handler), [path], "--inetd", *accept) as service:
        with connected(path, socket.AF_UNIX) as client:
            client.sendall(b"hello")
            assert b"hello" == client.recv(100)
            client.shutdown(socket.SHUT_WR)
            assert b"" == client.recv(100)
        if not accept:
            service.notifications.await_message("READY=1")
            assert 0 == service.end()


def test_names_do_not_match() -> None:
    """A socket without handler and a handler without socket: one line names both."""
    words = (*SERVE, f"web={HANDLERS}:a_echo")
    with tcp_listener() as listener, launched(words, [listener], names="http") as service:
        assert 1 == service.wait()
        assert service.stderr.startswith(
            "socket 'http' has no handler and handler 'web' has no socket "
        )
        assert 1 == service.stderr.count("\n")


def test_wrong_usage_is_2() -> None:
    """Wrong usage ends with 2, like click's."""
    with launched((*SERVE, "--drian", "3", "m:h")) as service:
        assert 2 == service.wait()
        assert service.stderr.startswith("no such option: '--drian'; ")


def test_app_dir(tmp_path: Path) -> None:
    """--app-dir is looked into first; without it nothing is added to the search path."""
    (tmp_path / "private_app.py").write_text(
        "import sys\ndef h(sock): sock.sendall(sys.path[0].encode())\n"
    )
    words = (*SERVE, "private_app:h")
    with tcp_listener() as listener:
        with launched((*words, "--app-dir", str(tmp_path)), [listener]) as service:
            assert str(tmp_path).encode() == ask(listener.getsockname(), b"")
            finished_quietly(service)
        with launched(words, [listener]) as service:
            assert 1 == service.wait()
            assert "there is no module 'private_app'; --app-dir DIR" in service.stderr


def test_help_needs_no_sockets() -> None:
    """Both spellings of help show the options."""
    for word in ("-h", "--help"):
        with launched((*SERVE, word), LISTEN_FDS=None) as service:
            assert "--app-dir DIR" in service.stdout
            assert 0 == service.wait()


# Which event loop.


def test_uvloop_is_used_if_wanted() -> None:
    """The event loop is the one that was asked for."""
    pytest.importorskip("uvloop")
    for options, expected in (((), True), (("--loop", "asyncio"), False)):
        with (
            tcp_listener() as listener,
            launched(command(options, "a_modules"), [listener]) as service,
        ):
            assert expected == (b"uvloop" in ask(listener.getsockname(), b"").split())
            finished_quietly(service)


def test_uvloop_is_optional(tmp_path: Path) -> None:
    """Where uvloop is not installed, auto means asyncio, and uvloop is an error of one line."""
    (tmp_path / "uvloop.py").write_text("raise ImportError('not here')")
    with tcp_listener() as listener:
        with launched(command((), "a_echo"), [listener], PYTHONPATH=str(tmp_path)) as service:
            assert b"hello" == ask(listener.getsockname(), b"hello")
            finished_quietly(service)
        with launched(
            command(("--loop", "uvloop"), "a_echo"), [listener], PYTHONPATH=str(tmp_path)
        ) as service:
            assert 1 == service.wait()
            assert "--loop: uvloop cannot be loaded: not here; " in service.stderr
            assert 1 == service.stderr.count("\n")
