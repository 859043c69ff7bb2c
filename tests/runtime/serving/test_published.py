"""What applications do that nobody here wrote, from their public reports."""

import os
import socket
import sys
from pathlib import Path

import pytest

from activator import fdstore
from tests.runtime.test_notify import notifications as notifications  # noqa: PLC0414 - a fixture
from tests.support.services import (
    PATIENCE,
    ROOT,
    SERVE,
    Notifications,
    ask,
    finished_quietly,
    launched,
    tcp_listener,
)

SCRIPT = (sys.executable, str(ROOT / "activator/bin/activator"), "serve")
APPLICATION = """
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler
from multiprocessing import get_context


def pool(sock):
    with ProcessPoolExecutor(1, mp_context=get_context("{method}")) as made:
        sock.sendall(b"%d" % made.submit(abs, -7).result())


def talks(sock):
    print("a word")
    sock.sendall(b"said")
    sock.recv(1)


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.address_string().encode() or b"nobody"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
"""


def application(directory: Path, method: str = "spawn") -> tuple[str, ...]:
    """Write the application; return the words by which it is found."""
    (directory / "reported.py").write_text(APPLICATION.replace("{method}", method))
    return "--app-dir", str(directory)


@pytest.mark.parametrize("command", [SCRIPT, SERVE], ids=["script", "module"])
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_of_a_handler(method: str, command: tuple[str, ...], tmp_path: Path) -> None:
    """A child of multiprocessing does its task, and is no second service."""
    words = (*command, *application(tmp_path, method), "reported:pool")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        assert b"7" == ask(listener.getsockname(), b"")
        finished_quietly(service)


def test_what_a_handler_prints(tmp_path: Path) -> None:
    """A line is seen when it is printed, though it goes to a pipe."""
    words = (*SERVE, *application(tmp_path), "reported:talks")
    with tcp_listener() as listener, launched(words, [listener]) as service:
        service.ready()
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE) as client:
            assert b"said" == client.recv(100)
            assert service.process.stdout
            assert b"a word\n" == service.process.stdout.readline()
        finished_quietly(service)


def test_http_server_on_a_unix_socket(tmp_path: Path) -> None:
    """http.server's handlers take the first part of a client's address for its host."""
    path = str(tmp_path / "socket")
    words = (*SERVE, *application(tmp_path), "reported:Page")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with launched(words, [listener]) as service:
            service.ready()
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(path)
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert b"200" in client.recv(1000)
            service.stop()


def test_what_hangs_up_at_all_times(notifications: Notifications) -> None:
    """A pipe whose writer has gone can be kept: the manager is told not to look at it."""
    inner, outer = os.pipe()
    os.close(outer)
    try:
        assert fdstore.keep("x", inner, poll=False)
        message, fds, *_ = socket.recv_fds(notifications.socket, 100, 2)
        assert b"FDSTORE=1\nFDNAME=x\nFDPOLL=0" == message
        os.close(fds[0])
    finally:
        os.close(inner)
