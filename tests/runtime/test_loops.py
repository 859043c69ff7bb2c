"""The examples of docs/howto/ for event loops: each kind of socket, and after a restart."""

import socket
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.howto import examples
from tests.support.services import PATIENCE, launched, read_all

NAMES = ("asyncio", "Tornado", "Twisted", "Trio", "anyio")
EXAMPLES = {
    example.title: example.files["hello.py"] for example in examples() if example.title in NAMES
}
# docs/descriptors.md says so: it would remove the file.
TCP_ALONE = "Twisted"


def test_all_are_there() -> None:
    """No example goes untried."""
    assert set(NAMES) == EXAMPLES.keys()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
@pytest.mark.parametrize("name", NAMES)
def test_loops(name: str, family: socket.AddressFamily, tmp_path: Path) -> None:
    """Clients are answered one after the other, also by the next process, at the same place."""
    if not find_spec(name.lower()):
        pytest.skip(f"{name} is not installed")
    if (name, family) == (TCP_ALONE, socket.AF_UNIX):
        pytest.skip("not for Unix sockets")
    path = tmp_path / "sock"
    program = tmp_path / "program.py"
    program.write_text(EXAMPLES[name])
    with socket.socket(family) as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(path))
        listener.listen()
        for _ in range(2):
            command = (sys.executable, str(program))
            service = stack.enter_context(launched(command, [listener], names="hello")).ready()
            for _ in range(3):
                with socket.socket(family) as client:
                    client.settimeout(PATIENCE)
                    client.connect(listener.getsockname())
                    assert b"hello\n" == read_all(client)
            service.end()
            assert "Traceback" not in service.stderr
        assert path.is_socket() == (family == socket.AF_UNIX)
