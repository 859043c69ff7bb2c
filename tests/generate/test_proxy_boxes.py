"""Mode "proxy" under a real systemd: started by the first client, stopped when idle."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from activator.generate import specfile
from activator.generate.render import render
from activator.generate.specfile.proxy import PROTOCOL_SINCE
from tests.boxes.box import Box

IDLE = "300ms"
EXAMPLE = (Path(__file__).parents[2] / "units/files.toml").read_text()
FILES = EXAMPLE.replace('"5min"', f'"{IDLE}"')
WEB = f"""\
name = "web"
mode = "proxy"
exec = "/usr/sbin/nginx -e stderr -c /etc/activator-web.conf"
backend = "/run/web/backend.sock"
idle-exit = "{IDLE}"

[sockets.http]
ListenStream = ["127.0.0.1:8000", "/run/web.sock"]
"""
NGINX = """\
daemon off;
pid /run/web/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen unix:/run/web/backend.sock PROTOCOL;
        return 200 "hello $proxy_protocol_addr\\n";
    }
}
"""
# Says that it is ready once it listens, and that is late.
NOTIFYING = """\
import http.server, time
from systemd import daemon
time.sleep(0.5)
server = http.server.HTTPServer(("127.0.0.1", 8080), http.server.SimpleHTTPRequestHandler)
daemon.notify("READY=1")
server.serve_forever()
"""
KINDS = {
    "port": FILES,
    "path": WEB,
    "root": f'hardening = "none"\n{WEB}',
    "user": f'hardening = "standard"\nneeds = ["user:www-data"]\n{WEB}',
}


def after(commands: str, text: str) -> str:
    """Return a spec whose program is run after some commands of the shell."""
    command = f"/bin/sh -c '{commands}; exec \\1'"
    return re.sub('exec = "(.*)"', f'exec = "{command}"', text)


def slow(text: str) -> str:
    """Return a spec whose program listens late: a client forwarded at once would be refused."""
    return after("sleep 0.5", text)


@contextmanager
def loaded(box: Box, text: str, protocol: str = "") -> Iterator[str]:
    """Have a spec's units loaded and its socket listening in the body; yield its name."""
    box.write("/etc/activator-web.conf", NGINX.replace("PROTOCOL", protocol))
    made = specfile.loads(text, systemd=box.version)
    texts = render(made)
    with box.units(texts):
        box.systemctl("start", f"{made.name}.socket")
        yield made.name
    box.run("rm", "/etc/activator-web.conf")


def states(box: Box, name: str) -> tuple[str, ...]:
    """Return the states of the socket, the proxy and the program."""
    units = (f"{name}.socket", f"{name}-proxy.service", f"{name}.service")
    return tuple(box.show(unit, "ActiveState") for unit in units)


def wait_idle(box: Box, name: str) -> None:
    """Wait until the proxy and the program have stopped by themselves."""
    box.wait_state(f"{name}-proxy.service", "inactive")
    box.wait_state(f"{name}.service", "inactive")


def fetch(box: Box, *options: str) -> list[str]:
    """Return the status of each request, 000 for one that failed."""
    options = options or ("http://127.0.0.1:8000/",)
    command = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}\n")
    return box.run(*command, "--max-time", "120", *options, check=False).stdout.split()


@pytest.mark.parametrize("kind", KINDS)
def test_life(box: Box, kind: str) -> None:
    """Nothing runs before the first client, nor after the last one, as often as wanted."""
    with loaded(box, KINDS[kind]) as name:
        for _ in range(2):
            wait_idle(box, name)
            assert ("active", "inactive", "inactive") == states(box, name)
            assert "0" == box.show(f"{name}.service", "MainPID")

            assert ["200"] == fetch(box)
            assert ["200"] == fetch(box)
            # While somebody is connected, none of them goes.
            with box.connected("TCP:127.0.0.1:8000", 1):
                box.wait_for(lambda: ("active", "active", "active") == states(box, name), "all")
        wait_idle(box, name)
        assert "success" == box.show(f"{name}.service", "Result")
        assert "success" == box.show(f"{name}-proxy.service", "Result")


@pytest.mark.parametrize("kind", ["port", "path"])
def test_verify(box: Box, kind: str) -> None:
    """The units are right in the eyes of systemd itself."""
    text = KINDS[kind]
    with loaded(box, text):
        names = list(render(specfile.loads(text)))
        done = box.run("systemd-analyze", "verify", "--recursive-errors=yes", *names, check=False)
        assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("text", "times"), [(FILES, 2), (slow(FILES), 1), (WEB, 4)], ids=["port", "slow", "path"]
)
def test_many_first_clients(box: Box, text: str, times: int) -> None:
    """Of twenty clients that come at once, none is refused or cut off."""
    url = "http://127.0.0.1:8000/?[1-20]"
    with loaded(box, text) as name:
        for _ in range(times):
            wait_idle(box, name)
            options = ("--parallel", "--parallel-immediate", "--parallel-max", "20", url)
            assert 20 * ["200"] == fetch(box, *options)


def test_clients_when_it_leaves(box: Box) -> None:
    """A client that comes just as the proxy gives up waits for the next start."""
    with loaded(box, FILES.replace(IDLE, "20ms")) as name:
        script = (
            "for i in $(seq 60); do"
            " curl --silent --max-time 120 --output /dev/null --write-out '%{http_code}\n'"
            " http://127.0.0.1:8000/; sleep 0.0$((i % 5)); done"
        )
        assert 60 * ["200"] == box.run("sh", "-c", script, timeout=600).stdout.split()
        assert box.journal(f"{name}.service").count("Started ") > 1


def test_port_is_hidden(box: Box) -> None:
    """Neither the machine nor another service reaches the program's port; the proxy does."""
    with loaded(box, FILES.replace(IDLE, "1h")) as name:
        assert ["200"] == fetch(box)

        assert ["000"] == fetch(box, "http://127.0.0.1:8080/")
        assert ":8080" not in box.run("ss", "--listening", "--tcp", "--numeric").stdout
        private = ("systemd-run", "--quiet", "--wait", "--property=PrivateNetwork=yes")
        assert box.run(*private, "curl", "http://127.0.0.1:8080/", check=False).returncode
        process = box.show(f"{name}.service", "MainPID")
        inside = box.run("nsenter", f"--target={process}", "--net", "ss", "-ltnH").stdout
        assert ":8080" in inside


@pytest.mark.parametrize("kind", ["path", "root", "user"])
def test_path_is_closed(box: Box, kind: str) -> None:
    """No other user reaches the program's socket, whatever mode it has; the clients' is open."""
    with loaded(box, KINDS[kind].replace(IDLE, "1h")):
        assert ["200"] == fetch(box)
        other = ("setpriv", "--reuid=65534", "--clear-groups", "curl", "--silent", "--unix-socket")
        path = "/run/web/backend.sock"
        assert box.exists(path)
        assert 7 == box.run(*other, path, "http://web/", check=False).returncode
        assert ["200"] == fetch(box, "--unix-socket", "/run/web.sock", "http://web/")


def test_unlike_the_clients_socket(box: Box) -> None:
    """The program's directory goes when it stops; the clients' socket stays."""
    with loaded(box, WEB) as name:
        assert ["200"] == fetch(box, "--unix-socket", "/run/web.sock", "http://web/")
        wait_idle(box, name)
        assert not box.exists("/run/web")
        assert box.exists("/run/web.sock")


def test_notify(box: Box) -> None:
    """A program that reports is waited for by its report."""
    box.write("/opt/activator-notifying.py", NOTIFYING)
    command = 'exec = "/usr/bin/python3 /opt/activator-notifying.py"\nready = "notify"\n'
    text = "\n".join(line for line in FILES.splitlines() if not line.startswith("exec"))
    with loaded(box, command + text) as name:
        for _ in range(2):
            wait_idle(box, name)
            assert ["200"] == fetch(box)
    box.run("rm", "/opt/activator-notifying.py")


def test_crash(box: Box) -> None:
    """After a crash of the program the next client starts it again."""
    with loaded(box, FILES.replace(IDLE, "1h")) as name:
        assert ["200"] == fetch(box)
        box.systemctl("kill", "--signal=SEGV", f"{name}.service")
        box.wait_for(lambda: "status=11/SEGV" in box.journal(f"{name}.service"))
        # The proxy goes with it; a client that it has taken would go as well.
        box.wait_state(f"{name}-proxy.service", "inactive")
        assert ["200"] == fetch(box)


def test_broken_program(box: Box) -> None:
    """Clients wait for a program that fails, and the socket never gives up."""
    good = "/etc/activator-good"
    with loaded(box, after(f"test -e {good} || exit 1", FILES)) as name:
        with box.popen("curl", "--silent", "--fail", "http://127.0.0.1:8000/") as client:
            box.wait_for(lambda: int(box.show(f"{name}.service", "NRestarts")) > 3)
            assert "main process has ended" in box.journal(f"{name}.service")
            assert client.poll() is None
            box.write(good, "")
            output, _ = client.communicate(timeout=120)
        box.run("rm", good)
        assert 0 == client.returncode
        assert output
        assert "active" == box.show(f"{name}.socket", "ActiveState")


def test_process_namespace(box: Box) -> None:
    """The wait for readiness does without the process in a namespace of its own."""
    if box.version < 257:
        pytest.skip("PrivatePIDs= is there from systemd 257 on")
    with loaded(box, f"service.PrivatePIDs = true\n{slow(WEB)}") as name:
        assert ["200"] == fetch(box)
        wait_idle(box, name)


def test_proxy_protocol(box: Box) -> None:
    """The program is told who its client is, where systemd can."""
    if box.version < PROTOCOL_SINCE:
        pytest.skip(f"--proxy-protocol= is there from systemd {PROTOCOL_SINCE} on")
    with loaded(box, f"proxy-protocol = true\n{WEB}", "proxy_protocol"):
        answer = box.run("curl", "--silent", "http://127.0.0.1:8000/").stdout
        assert "hello 127.0.0.1\n" == answer
