"""What other people's programs and specs ask of the generator, from their public reports."""

import pytest

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render

HEAD = 'name = "shop"\n'
SOCKET = '[sockets.shop]\nListenStream = "/run/shop.sock"\n'


def made(text: str, version: str = "257") -> dict[str, str]:
    """Return the units of a spec."""
    return render(specfile.loads(text, systemd=version))


def refused(text: str) -> str:
    """Return why a spec makes no units."""
    with pytest.raises(ActivatorError) as caught:
        made(text)
    return "\n".join(caught.value.lines())


@pytest.mark.parametrize(
    "program",
    [
        "/usr/bin/node /srv/app.js",
        "/usr/bin/java -jar app.jar",
        "/usr/bin/env node app.js",
        "/usr/bin/php8.2 a.php",
        "/usr/bin/luajit a.lua",
        "/usr/bin/pypy3 a.py",
    ],
)
def test_programs_that_make_machine_code(program: str) -> None:
    """A program with a just-in-time compiler is not killed by the hardening."""
    assert (
        "MemoryDenyWriteExecute=yes"
        not in made(f'{HEAD}exec = "{program}"\n{SOCKET}')["shop.service"]
    )


@pytest.mark.parametrize("program", ["/usr/bin/python3 app.py", "/usr/sbin/nginx", "/srv/nodes"])
def test_programs_that_do_not(program: str) -> None:
    """All others are kept from it."""
    units = made(f'{HEAD}exec = "{program}"\n{SOCKET}')
    assert "MemoryDenyWriteExecute=yes" in units["shop.service"]


def test_inetd_wait() -> None:
    """A program that ends after each client does not take its socket down."""
    text = f'{HEAD}exec = "/usr/bin/answer"\n[service]\nStandardInput = "socket"\n'
    units = made(f'{text}[sockets.shop]\nListenDatagram = "127.0.0.1:7777"\n')
    assert "TriggerLimitIntervalSec=0" in units["shop.socket"]


@pytest.mark.parametrize("name", ["ConditionPathExists", "AssertPathExists"])
def test_conditions_of_the_service(name: str) -> None:
    """What keeps the service from being started keeps its socket from listening."""
    text = f'{HEAD}exec = "/usr/bin/shop"\n[unit]\n{name} = "/etc/shop"\n{SOCKET}'
    for unit in made(text).values():
        assert f"{name}=/etc/shop" in unit


@pytest.mark.parametrize("version", ["252", "257", "262"])
def test_back_off(version: str) -> None:
    """A service that fails at each start is not restarted four times a second for ever."""
    unit = made(f'{HEAD}exec = "/usr/bin/shop"\n{SOCKET}', version)["shop.service"]
    assert "RestartSec=2s" in unit if version == "252" else "RestartSteps=5" in unit


def test_the_same_address_twice() -> None:
    """Two sockets of one spec at one address are a mistake, told with both lines."""
    text = f'{HEAD}exec = "/usr/bin/shop"\n'
    for name in ("a", "b"):
        text += f'[sockets.{name}]\nListenStream = "127.0.0.1:7777"\n'
    told = refused(text)
    assert "6" in told
    assert "4" in told


def test_deep_tables() -> None:
    """However deep, a spec is told in a line, not in a traceback."""
    deep = ".".join(["a"] * 400)
    assert refused(f"{HEAD}[{deep}]\n")
    assert refused(f"{HEAD}x = {'[' * 4000}{']' * 4000}\n")


def test_empty_tables() -> None:
    """A table without handlers is none."""
    assert "handler" in refused(f"{HEAD}handler = {{}}\n{SOCKET}")
