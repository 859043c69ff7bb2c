"""A server in Node.js, as Debian has it, with the default hardening on a booted systemd."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import LEARN

# Work that is worth compiling comes with each request.
SERVER = """\
const http = require("http");
http.createServer((request, response) => {
  let sum = 0;
  for (let i = 0; i < 3e7; i++) sum = (sum + i * i) % 1000003;
  response.end("node " + process.versions.node.split(".")[0] + " " + sum);
}).listen({ fd: 3 });
"""
SPEC = """\
name = "kind"
exec = "/usr/bin/node /opt/kind/server.js"
[sockets.kind]
ListenStream = "/run/kind.sock"
"""


@pytest.fixture
def node(wheel: Path) -> Iterator[Box]:
    """Yield a box with Node.js and our wheel."""
    with Box(ONE, box_root(ONE, LEARN)) as box:
        box.write(f"/root/{wheel.name}", wheel.read_bytes())
        box.run(box.python, "-m", "installer", f"/root/{wheel.name}")
        box.write("/opt/kind/server.js", SERVER)
        yield box


def ask(box: Box) -> str:
    """Return the answer to a request."""
    url = ("--unix-socket", "/run/kind.sock", "http://kind/")
    return box.run("curl", "--silent", "--max-time", "20", *url, check=False).stdout


@pytest.mark.stress
def test_node(node: Box) -> None:
    """It serves, as it may make machine code; where not, the line and the need are told."""
    node.write("/root/kind.toml", SPEC)
    done = node.run("activator", "install", "/root/kind.toml")
    assert "jit" in done.stderr
    unit = "/etc/systemd/system/kind.service"
    assert "MemoryDenyWriteExecute=yes" not in node.read(unit)
    assert ask(node).startswith("node ")
    node.write(f"{unit}.d/shut.conf", "[Service]\nMemoryDenyWriteExecute=yes\n")
    node.systemctl("daemon-reload")
    node.systemctl("stop", "kind.service")
    assert "" == ask(node)
    said = node.run("activator", "doctor", "kind", check=False).stdout
    assert "MemoryDenyWriteExecute=" in said
    assert "jit" in said
    checked = node.run("activator", "check", unit, check=False)
    assert "ACT607" in checked.stdout
