"""Services that open their own port, adopted: systemd has their port, and starts them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.adopt.sources import Taker
from activator.generate import render, specfile
from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import LEARN

pytestmark = pytest.mark.stress
# Sends what stands in its arguments, and prints what comes back until it has seen enough.
ASK = """\
import socket, sys
port, said, until = sys.argv[1:]
with socket.create_connection(("127.0.0.1", int(port)), 60) as client:
    client.settimeout(60)
    client.sendall(said.encode().decode("unicode_escape").encode())
    got = b""
    while until.encode() not in got:
        data = client.recv(4096)
        if not data:
            break
        got += data
print(got.decode(errors="replace"))
"""
HELLO = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
_UNIT = "[Service]\nWorkingDirectory=/srv/hello\nExecStart={}\n"
# Units of people's, whose programs open their ports.
OWN = {
    "own-gunicorn": _UNIT.format("/usr/bin/gunicorn --bind 127.0.0.1:8001 hello:app"),
    "own-http": _UNIT.format("/usr/bin/python3 -m http.server --bind 127.0.0.1 8002"),
}
GET = "GET / HTTP/1.0\\r\\n\\r\\n"
# Service → where it listens, if that has to be said, and what its client says and hears.
CASES = {
    "redis-server": ((), 6379, "PING\\r\\n", "+PONG"),
    "memcached": ((), 11211, "version\\r\\n", "VERSION "),
    "own-gunicorn": ((), 8001, GET, "hello"),
    "own-http": (("127.0.0.1:8002",), 8002, GET, "hello.py"),
}


@pytest.fixture(scope="module")
def machine(wheel: Path) -> Iterator[Box]:
    """Yield a box with the daemons, none of which runs."""
    with Box(ONE, box_root(ONE, LEARN)) as made:
        made.write(inside := f"/root/{wheel.name}", wheel.read_bytes())
        made.run(made.python, "-m", "installer", inside)
        made.write("/srv/hello/hello.py", HELLO)
        for name in CASES:
            made.systemctl("stop", f"{name}.service", check=False)
        yield made


@pytest.mark.parametrize("name", CASES)
def test_activated(machine: Box, tmp_path: Path, name: str) -> None:
    """Its socket is systemd's, and its first client starts it and is served."""
    listen, port, said, heard = CASES[name]
    if name in OWN:
        (tmp_path / f"{name}.service").write_text(OWN[name])
        (found,) = Taker(listen=listen).words([f"{tmp_path}/{name}.service"])
    else:
        (found,) = Taker(str(box_root(ONE, LEARN)), listen).words([f"{name}.service"])
    assert found.draft is not None
    with machine.units(render.render(specfile.loads(found.text))):
        machine.systemctl("start", f"{name}.socket")
        assert machine.show(f"{name}.service", "ActiveState") == "inactive"
        answer = machine.run("python3", "-c", ASK, str(port), said, heard, timeout=120).stdout
        assert heard in answer
        machine.wait_active(f"{name}.service")
