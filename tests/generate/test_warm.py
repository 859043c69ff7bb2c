"""Units of warm per-connection services: ``isolation = "process"``."""

import pytest

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render
from activator.unitfile.parse import UnitFile

GOOD = """\
name = "echo"
mode = "per-connection"
isolation = "process"
handler = "activator.examples.echo:echo"
[sockets.echo]
ListenStream = 7777
"""


def units(text: str) -> dict[str, UnitFile]:
    """Render a spec and parse its units."""
    rendered = render(specfile.loads(text))
    return {name: UnitFile.parse(unit, name) for name, unit in rendered.items()}


def test_one_service_for_all_connections() -> None:
    """NAME.socket with Accept=no and a NAME.service that gives each connection a process."""
    made = units(GOOD)
    assert ["echo.socket", "echo.service"] == list(made)
    assert "no" == made["echo.socket"].get("Socket", "Accept")
    service = made["echo.service"]
    assert "activator serve --isolation process activator.examples.echo:echo" == service.get(
        "Service", "ExecStart"
    )
    assert "notify" == service.get("Service", "Type")
    assert "mixed" == service.get("Service", "KillMode")
    assert "continue" == service.get("Service", "OOMPolicy")
    assert "35s" == service.get("Service", "TimeoutStopSec")
    assert service.get("Unit", "CollectMode") is None


def test_a_program() -> None:
    """A program gets the connection as its standard input and output."""
    text = GOOD.replace('handler = "activator.examples.echo:echo"', "exec = '/bin/echo \"a b\"'")
    assert 'activator serve --isolation process --inetd /bin/echo "a b"' == units(text)[
        "echo.service"
    ].get("Service", "ExecStart")


def test_a_program_is_no_handler_of_the_interpreter() -> None:
    """With an interpreter for the runtime, the program can be executed all the same."""
    text = "python = '/usr/bin/python3'\n" + GOOD.replace(
        'handler = "activator.examples.echo:echo"', "exec = '/bin/cat'"
    )
    assert "-/usr/bin" not in str(units(text)["echo.service"].get_all("Service", "NoExecPaths"))


def test_limits_are_the_runtimes() -> None:
    """MaxConnections= and its sister mean nothing with Accept=no, so the runtime has them."""
    made = units(GOOD + "MaxConnections = 5\nMaxConnectionsPerSource = 2\n")
    assert made["echo.socket"].get("Socket", "MaxConnections") is None
    assert made["echo.socket"].get("Socket", "MaxConnectionsPerSource") is None
    assert (
        "activator serve --isolation process --max-connections 5 --max-per-source 2 "
        "activator.examples.echo:echo"
    ) == made["echo.service"].get("Service", "ExecStart")


def test_beside_shared_sockets() -> None:
    """Warm sockets have services of their own beside that of the shared ones."""
    made = units(
        'name = "x"\nhandler = "a:b"\nisolation = "process"\n[sockets.s]\nListenStream = 80\n'
        '[sockets.c]\nmode = "per-connection"\nListenStream = 81\n'
    )
    assert ["x-s.socket", "x-c.socket", "x.service", "x-c.service"] == list(made)
    assert "x-s.socket" == made["x.service"].get("Unit", "Requires")
    assert "x-c.socket" == made["x-c.service"].get("Unit", "Requires")
    assert made["x-c.socket"].get("Socket", "Service") is None


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (GOOD.replace("per-connection", "shared"), 3, "without a per-connection socket"),
        (GOOD.replace('"process"', '"thread"'), 3, "isolation = 'thread' is unknown"),
        (GOOD.replace("handler =", "exec = '-/bin/cat' #"), 4, "exec has a prefix"),
        (GOOD.replace("handler =", "exec = '/bin/a ; /bin/b' #"), 4, "several commands"),
    ],
)
def test_mistakes(text: str, line: int, what: str) -> None:
    """What cannot be is told with its place."""
    with pytest.raises(ActivatorError) as caught:
        specfile.loads(text)
    assert what in str(caught.value)
    assert f":{line}:" in str(caught.value)
