"""Units of services whose connections begin with TLS, or with a proxy's header."""

import pytest

from activator.errors import ActivatorError, Problems
from activator.generate import specfile
from activator.generate.render import render
from activator.unitfile.parse import UnitFile

SPEC = """\
name = "shop"
KEYS
[sockets.shop]
ListenStream = 443
"""
HANDLER = 'handler = "shop.front:handle"\n'
WARM = 'mode = "per-connection"\nisolation = "process"\n'
TLS = 'tls = { cert = "/etc/a b/100%.pem", key = "/etc/key.pem" }\n'


def service(keys: str, name: str = "shop.service") -> UnitFile:
    """Return the service."""
    made = render(specfile.loads(SPEC.replace("KEYS", keys)))
    return UnitFile.parse(made[name], name)


def values(unit: UnitFile, name: str) -> list[str]:
    """Return a directive's values."""
    return [entry.value for entry in unit.entries if entry.name == name]


def test_tls() -> None:
    """Systemd reads the files and says where they are; a % in their paths is itself."""
    unit = service(HANDLER + TLS)
    where = "${CREDENTIALS_DIRECTORY}"
    assert (
        f"activator serve --tls-cert {where}/tls-cert --tls-key {where}/tls-key shop.front:handle"
    ) == unit.get("Service", "ExecStart")
    assert ["tls-cert:/etc/a b/100%%.pem", "tls-key:/etc/key.pem"] == values(unit, "LoadCredential")
    unit = service(HANDLER + 'tls = { cert = "/etc/both.pem" }')
    assert ["tls-cert:/etc/both.pem"] == values(unit, "LoadCredential")
    assert "--tls-key" not in (unit.get("Service", "ExecStart") or "")


@pytest.mark.parametrize(
    ("keys", "version", "expected"),
    [
        ("", 257, ("notify", None, None)),
        ("", 260, ("notify-reload", "credentials", None)),
        ("workers = 2", 257, ("notify", None, "activator reload $MAINPID")),
        ("workers = 2", 260, ("notify", "credentials", "activator reload $MAINPID")),
    ],
)
def test_reload(keys: str, version: int, expected: tuple[str | None, ...]) -> None:
    """Where systemd brings renewed certificates on a reload, the service takes them."""
    unit = service(f"{HANDLER}{TLS}{keys}\nsystemd = {version}")
    names = ("Type", "RefreshOnReload", "ExecReload")
    assert expected == tuple(unit.get("Service", name) for name in names)


def test_each_connection() -> None:
    """An instance for each connection has them too, and nothing to reload."""
    unit = service(f'{HANDLER}{TLS}mode = "per-connection"\nsystemd = 262', "shop@.service")
    assert 2 == len(values(unit, "LoadCredential"))
    assert "exec" == unit.get("Service", "Type")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (HANDLER + "proxy-protocol = true", "--proxy-protocol local,unix shop.front:handle"),
        (HANDLER + "proxy-protocol = false", "serve shop.front:handle"),
        (
            HANDLER + 'proxy-protocol = ["192.0.2.0/24", "2001:db8::1"]',
            "--proxy-protocol 192.0.2.0/24,2001:db8::1 shop.front:handle",
        ),
        (
            f'exec = "/bin/cat"\n{WARM}proxy-protocol = true',
            "--proxy-protocol local,unix --inetd /bin/cat",
        ),
    ],
)
def test_proxies(keys: str, words: str) -> None:
    """Who may tell whose a connection is stands in ExecStart=."""
    assert (service(keys).get("Service", "ExecStart") or "").endswith(words)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('exec = "/bin/cat"\n' + TLS, "tls is for a handler, and exec speaks for itself"),
        (HANDLER + 'tls = { key = "/k" }', "tls has no cert; write tls = { cert = "),
        (HANDLER + 'tls = { cert = "here" }', "is not an absolute path"),
        (HANDLER + "tls = { cert = 1 }", "is not an absolute path"),
        (HANDLER + 'tls = { cert = "/c", chain = "/d" }', "unknown key 'chain'; write tls = "),
        (HANDLER + "proxy-protocol = 1", "proxy-protocol is not true or false or a list"),
        (HANDLER + 'proxy-protocol = ["here"]', "'here' is not a network; write "),
        (HANDLER + 'proxy-protocol = ["10.0.0.1/8"]', "10.0.0.1/8 has host bits set"),
        ('exec = "/bin/cat"\nproxy-protocol = true', "proxy-protocol is for "),
        (
            'mode = "proxy"\nexec = "/bin/cat"\nbackend = 8080\nproxy-protocol = ["local"]',
            "a proxy tells the program of all its clients; give true",
        ),
    ],
)
def test_mistakes(keys: str, message: str) -> None:
    """What cannot be is told with its place."""
    with pytest.raises(ActivatorError) as caught:
        service(keys)
    problems = caught.value.problems if isinstance(caught.value, Problems) else [caught.value]
    assert any(message in str(problem) for problem in problems), [str(each) for each in problems]


def test_no_tcp() -> None:
    """TLS is not for Unix sockets."""
    text = SPEC.replace("443", '"/run/shop.sock"').replace("KEYS", HANDLER + TLS)
    with pytest.raises(ActivatorError, match="tls is for TCP, and there is no such socket"):
        specfile.loads(text)
