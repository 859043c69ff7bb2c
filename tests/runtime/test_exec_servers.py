"""activator exec with servers that know numbers and no names, started by their first client."""

import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from activator.testing.activation import Activate
from tests.support.local import free_port
from tests.support.services import PATIENCE, activated, connected, launched, read_all

EXEC = (sys.executable, "-m", "activator", "exec")
APP = "tests.support.servers"
SERVERS = {
    "uvicorn": ("--", "PYTHON", "-m", "uvicorn", "--fd={fd:http}", f"{APP}:asgi"),
    "gunicorn": ("--listen-fds=http", "--", "PYTHON", "-m", "gunicorn", f"{APP}:wsgi"),
    "hypercorn": ("--", "PYTHON", "-m", "hypercorn", "--bind=fd://{fd:http}", f"{APP}:asgi"),
    "waitress": ("--", "PYTHON", "-m", APP, "{fd:http}"),
}
NGINX = """\
daemon off;
pid {directory}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen unix:{directory}/sock;
        return 200 "hello\\n";
    }}
}}
"""
SHELL = """\
#!/bin/sh
read -r name <&"$CONNECTION"
echo "hello $name" >&"$CONNECTION"
"""


def fetch(url: str, *options: str) -> str:
    """Ask with curl."""
    words = ("curl", "--silent", "--show-error", "--max-time", str(PATIENCE), *options, url)
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def started(*words: str) -> list[str]:
    """Return a command line with our interpreter in it."""
    return [*EXEC, *(sys.executable if word == "PYTHON" else word for word in words)]


def needs(program: str) -> None:
    """Skip the test unless there is this program."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
@pytest.mark.parametrize("server", SERVERS)
def test_python_servers(server: str, family: socket.AddressFamily, tmp_path: Path) -> None:
    """Its clients are answered, it ends when told to, and the next one goes on in its place."""
    if not find_spec(server):
        pytest.skip(f"{server} is not installed")
    path = tmp_path / "http.sock"
    with socket.socket(family) as listener:
        listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(path))
        listener.listen()
        where = ["http://any/", "--unix-socket", str(path)]
        if family == socket.AF_INET:
            where = [f"http://127.0.0.1:{listener.getsockname()[1]}/"]
        for _ in range(2):
            with launched(started(*SERVERS[server]), [listener], names="http") as service:
                for _ in range(3):
                    assert "hello\n" == fetch(*where)
                service.process.terminate()
                assert service.wait() in (0, -15)
            assert path.is_socket() == (family == socket.AF_UNIX)


def test_second_of_two(tmp_path: Path) -> None:
    """A server gets the socket of its name, not the first one."""
    paths = [str(tmp_path / name) for name in ("admin", "http")]
    command = started("--", "PYTHON", "-m", APP, "{fd:http}")
    with activated(command, paths, "--fdname=admin:http"):
        url = "http://localhost/"
        assert "hello\n" == fetch(url, "--unix-socket", paths[1])


def test_nginx(tmp_path: Path) -> None:
    """Nginx takes both sockets by its own variable, and leaves the Unix socket's file there."""
    needs("nginx")  # not brought by `make test`: its package would start it; boxes have it
    tmp_path.chmod(0o755)
    port, path = free_port(), tmp_path / "sock"
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(directory=tmp_path, port=port))
    words = ("--env=NGINX={fds:http:;};", "--", "nginx", "-e", "stderr", "-c", str(config))
    addresses = [f"127.0.0.1:{port}", str(path)]
    with activated(started(*words), addresses, "--fdname=http:http") as service:
        assert "hello\n" == fetch(f"http://127.0.0.1:{port}/")
        assert "hello\n" == fetch("http://localhost/", "--unix-socket", str(path))
        assert 'using inherited sockets from "3;4;"' in service.stderr
        service.process.terminate()
        assert 0 == service.wait()
    assert path.is_socket()


def test_shell_script(tmp_path: Path) -> None:
    """A script finds the number of its connection in a variable."""
    script = tmp_path / "script"
    script.write_text(SHELL)
    script.chmod(0o755)
    path = str(tmp_path / "sock")
    command = started("--env=CONNECTION={fd:connection}", "--", str(script))
    with (
        activated(command, [path], "--accept", "--fdname=connection"),
        connected(path, socket.AF_UNIX) as client,
    ):
        client.sendall(b"world\n")
        assert b"hello world\n" == read_all(client)


def test_filter_for_a_connection(tmp_path: Path) -> None:
    """A filter such as tr becomes a server of one connection each."""
    path = str(tmp_path / "sock")
    words = ("--map=connection:0=0", "--map=connection=1", "--", "tr", "a-z", "A-Z")
    options = ("--accept", "--fdname=connection")
    with (
        activated(started(*words), [path], *options),
        connected(path, socket.AF_UNIX) as client,
    ):
        client.sendall(b"hello\n")
        client.shutdown(socket.SHUT_WR)
        assert b"HELLO\n" == read_all(client)


def test_local_activator() -> None:
    """Under ``activator run`` it finds the same as under systemd."""
    words = ("--map=connection:0=0", "--map=connection=1", "--", "tr", "a-z", "A-Z")
    with Activate() as activate:
        service = activate(command=started(*words), accept=True)
        with service.connect() as client:
            client.sendall(b"hello\n")
            client.shutdown(socket.SHUT_WR)
            assert b"HELLO\n" == read_all(client)
