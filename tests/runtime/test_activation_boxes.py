"""Both modes under the real systemd: what is generated is activated by its first client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from activator.generate import specfile
from tests.boxes.box import Box
from tests.boxes.loads import clients

UNITS = "/etc/systemd/system"
# A program that serves one client with what the runtime tells it, and a socket option.
PROBE = """\
import json, socket, activator
(listener, *_) = listeners = activator.listen_fds()
sock = listener.socket()
size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
connection = sock.accept()[0] if listener.kind == "stream" else sock
names = [listener.name for listener in listeners]
connection.sendall(json.dumps([names, size]).encode())
connection.close()
"""
PAIR = """\
async def first(reader, writer):
    writer.write(b"first " + await reader.readline())

def second(sock):
    sock.sendall(b"second " + sock.recv(100))
"""
MODES = pytest.mark.parametrize("mode", ["shared", "per-connection"])


@contextmanager
def installed(box: Box, text: str) -> Iterator[list[str]]:
    """Have the units of a spec, generated in the box by its own Python, in the body."""
    name = specfile.loads(text).name
    box.write(f"/root/{name}.toml", text)
    paths = box.run("activator", "gen", f"/root/{name}.toml", "-o", UNITS).stdout.split()
    files = {path.rpartition("/")[2]: box.read(path) for path in paths}
    with box.units(files):
        yield list(files)


def example(box: Box, name: str) -> str:
    """Return the text of a shipped example as the box's package has it."""
    folder = box.run(
        box.python, "-c", "import activator; print(activator.__path__[0])"
    ).stdout.strip()
    return box.read(f"{folder}/units/{name}.toml")


def socat(box: Box, address: str, text: str) -> str:
    """Send a text with socat, close our side, and return what comes back."""
    return box.run("socat", "-t120", "-", address, input=text).stdout


@pytest.mark.parametrize(
    ("name", "port", "service"),
    [("echo", 7777, "echo.service"), ("echo-each", 7778, "echo-each@*.service")],
)
def test_the_first_client_activates(box: Box, name: str, port: int, service: str) -> None:
    """The shipped examples: no process before the first client, who gets its bytes back."""
    with installed(box, example(box, name)) as files:
        verified = box.run("systemd-analyze", "verify", "--recursive-errors=yes", *files)
        assert ("", "") == (verified.stdout, verified.stderr)
        box.systemctl("start", f"{name}.socket")
        active = "systemctl", "list-units", "--state=active", "--plain", "--no-legend", service
        assert "" == box.run(*active).stdout
        for address in (f"TCP:127.0.0.1:{port}", f"UNIX-CONNECT:/run/{name}.sock"):
            text = f"hello over {address}\n" * 1000
            assert text == socat(box, address, text)
        if name == "echo":
            assert "echo.service" in box.run(*active).stdout
        else:
            # The second connection's end may still be on its way to systemd.
            box.wait_for(lambda: not box.run(*active).stdout, "the instances' end")
            assert "failed" not in box.systemctl("list-units", "--all", "--plain", service).stdout


@MODES
def test_the_service_sees_its_name_and_its_buffer(box: Box, mode: str) -> None:
    """FileDescriptorName= and ReceiveBuffer= are what the service finds."""
    box.write("/usr/local/lib/probe.py", PROBE)
    text = (
        f'name = "probe-{mode}"\nmode = "{mode}"\n'
        'exec = "/usr/bin/python3 /usr/local/lib/probe.py"\n'
        '[sockets.questions]\nListenStream = "/run/probe.sock"\nReceiveBuffer = "256K"\n'
    )
    with installed(box, text):
        box.systemctl("start", f"probe-{mode}.socket")
        names, size = json.loads(socat(box, "UNIX-CONNECT:/run/probe.sock", ""))
    # Before 257, FileDescriptorName= counts in shared mode alone.
    each = mode == "per-connection" and box.version < 257
    assert ["connection" if each else "questions"] == names
    assert 2 * 256 * 1024 == size  # the kernel doubles it for its own use: socket(7)


def test_two_names_reach_two_handlers(box: Box) -> None:
    """Of two sockets, each reaches the handler of its name, async or plain."""
    box.write("/srv/pair/pair.py", PAIR)
    text = (
        'name = "pair"\napp-dir = "/srv/pair"\n'
        '[handler]\none = "pair:first"\ntwo = "pair:second"\n'
        '[sockets.one]\nListenStream = "/run/pair-one.sock"\n'
        '[sockets.two]\nListenStream = "/run/pair-two.sock"\n'
    )
    with installed(box, text):
        box.systemctl("start", "pair-one.socket", "pair-two.socket")
        for _ in range(2):
            assert "second 2\n" == socat(box, "UNIX-CONNECT:/run/pair-two.sock", "2\n")
            assert "first 1\n" == socat(box, "UNIX-CONNECT:/run/pair-one.sock", "1\n")
        assert "active" == box.show("pair.service", "ActiveState")


def test_restarts_of_a_shared_service_lose_nothing(box: Box) -> None:
    """200 clients and five restarts: none is refused, cut short or left without an answer."""
    with installed(box, example(box, "echo")):
        box.systemctl("start", "echo.socket")
        with clients(box, 200, "127.0.0.1:7777") as talking:
            pids = {box.show("echo.service", "MainPID")}
            for _ in range(5):
                box.run("systemctl", "restart", "echo.service", timeout=120)
                pids.add(box.show("echo.service", "MainPID"))
            box.wait_for(lambda: talking.served() > 1000, "1000 answers", 300)
            counts = talking.end()
        assert 5 + 1 == len(pids)
        assert "Traceback" not in box.journal("echo.service")
    assert ["served"] == list(counts)
    assert counts["served"] > 1000


def test_stopping_instances_cuts_no_answer(box: Box) -> None:
    """Clients whose instances are told to stop three times get what was begun, to the end."""
    with installed(box, example(box, "echo-each")):
        box.systemctl("start", "echo-each.socket")
        with clients(box, 8, "/run/echo-each.sock") as talking:
            for _ in range(3):
                box.run("systemctl", "stop", "echo-each@*.service", timeout=120)
            counts = talking.end()
        # An instance that is told to stop while Python still starts has answered nothing yet.
        assert counts.pop("unanswered", 0) <= 3 * 8
        assert ["served"] == list(counts)
        assert "active" == box.show("echo-each.socket", "ActiveState")
