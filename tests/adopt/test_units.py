"""Units to specs: what is taken, from where, and what the report says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activator.adopt.model import Adopted, Kind
from activator.adopt.sources import Taker
from activator.generate import render, specfile

SERVICE = "[Service]\nExecStart=/bin/cat\n"
SOCKET = "[Socket]\nListenStream=7\n"
Take = Callable[..., Adopted]


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Return what takes the only service of some files over."""

    def taken(word: str, listen: tuple[str, ...] = (), /, **files: str) -> Adopted:
        for name, text in files.items():
            path = tmp_path / name.replace("_AT_", "@").replace("_DOT_", ".").replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        (found,) = Taker("", listen).words([f"{tmp_path}/{word}"])
        return found

    return taken


def lines(found: Adopted, unit: str) -> set[str]:
    """Return the lines of a unit that a spec gives."""
    return set(render.render(specfile.loads(found.text))[unit].splitlines())


def told(found: Adopted, kind: Kind) -> list[str]:
    """Return the sentences of a kind."""
    return [note.text for note in found.notes if note.kind is kind]


def test_drop_ins(take: Take, tmp_path: Path) -> None:
    """Drop-ins count, in their order, and an empty line clears what was before."""
    found = take(
        "x.socket",
        x_DOT_socket=f"{SOCKET}ListenStream=8\n",
        x_DOT_socket_DOT_d__a_DOT_conf="[Socket]\nListenStream=\nListenStream=/run/x.sock\n",
        x_DOT_service=f"{SERVICE}User=a\n",
        x_DOT_service_DOT_d__b_DOT_conf="[Service]\nUser=b\nExecStart=\nExecStart=/bin/tac\n",
    )
    assert {"ListenStream=/run/x.sock", "SocketMode=0666"} <= lines(found, "x.socket")
    assert not {"ListenStream=7", "ListenStream=8"} & lines(found, "x.socket")
    assert {"User=b", "ExecStart=/bin/tac"} <= lines(found, "x.service")
    assert f"# {tmp_path}/x.service.d/b.conf:4" in found.text


def test_accepting(take: Take) -> None:
    """A template that gets an instance for each connection stays one."""
    found = take(
        "x.socket",
        x_DOT_socket=f"{SOCKET}Accept=yes\n",
        x_AT__DOT_service=f"{SERVICE}StandardInput=socket\n# %i\nSyslogIdentifier=x-%i\n",
    )
    assert {"Accept=yes", "MaxConnections=64"} <= lines(found, "x.socket")
    assert "SyslogIdentifier=x-%i" in lines(found, "x@.service")


def test_instance(take: Take) -> None:
    """Of a template socket, an instance can be taken, with its name written out."""
    found = take(
        "x@80.socket",
        x_AT__DOT_socket="[Socket]\nListenStream=%i\n",
        x_AT__DOT_service="[Service]\nExecStart=/bin/cat %p %i 100%%\n",
    )
    assert "ListenStream=80" in lines(found, "x-80.socket")
    assert "ExecStart=/bin/cat x 80 100%%" in lines(found, "x-80.service")


def test_several_sockets(take: Take) -> None:
    """All sockets of a service are taken, and keep their names if those begin with its."""
    found = take(
        "x.service",
        **{
            "x_DOT_service": f"{SERVICE}Sockets=x-a.socket b.socket\n",
            "x-a_DOT_socket": f"{SOCKET}Service=x.service\n",
            "b_DOT_socket": "[Socket]\nListenStream=8\nService=x.service\nFileDescriptorName=web\n",
        },
    )
    units = render.render(specfile.loads(found.text))
    assert sorted(units) == ["x-a.socket", "x-web.socket", "x.service"]
    assert "Sockets=x-a.socket x-web.socket" in lines(found, "x.service")
    assert any("b.socket is x-web.socket now" in each for each in told(found, Kind.CHANGED))


@pytest.mark.parametrize(
    ("service", "kind", "what"),
    [
        ("Foo=1\n", Kind.GONE, "Foo= is no directive"),
        ("Restart=sometimes\n", Kind.GONE, "Restart=sometimes"),
        ("junk\n", Kind.GONE, "is not an assignment"),
        ("StartLimitBurst=3\n", Kind.CHANGED, "StartLimitBurst= of [Unit]"),
        ("ExecStart=\n", Kind.REFUSED, "it has no ExecStart="),
        ("RuntimeDirectory=x\n[Unit]\n", Kind.CHANGED, "descriptors of x.socket"),
    ],
)
def test_report(take: Take, service: str, kind: Kind, what: str) -> None:
    """What systemd does not take either, or knows by another name, is told."""
    found = take("x.socket", x_DOT_socket=SOCKET, x_DOT_service=SERVICE + service)
    assert any(what in each for each in told(found, kind))


def test_nothing_is_added(take: Take) -> None:
    """The units of a spec set what the old ones did, and name systemd's defaults."""
    found = take("x.socket", x_DOT_socket=SOCKET, x_DOT_service=SERVICE)
    assert lines(found, "x.service") >= {"Type=simple", "Restart=no", "StartLimitIntervalSec=10s"}
    assert "WantedBy=" in lines(found, "x.socket")


def test_own_port(take: Take) -> None:
    """A service that opens its own port gets a socket; its program, the socket or a proxy."""
    found = take("x.service", x_DOT_service="[Service]\nExecStart=/bin/gunicorn -b :8000 a:b\n")
    assert lines(found, "x.service") >= {"ExecStart=/bin/gunicorn a:b", "Type=notify"}
    assert "ListenStream=0.0.0.0:8000" in lines(found, "x.socket")
    other = "[Service]\nType=notify\nExecStart=/bin/other $ARGS --port 9\n"
    other += "[Install]\nWantedBy=a.target\n"
    found = take("x.service", x_DOT_service=other)
    assert {"ExecStart=/bin/other $ARGS --port 9", "Type=notify"} <= lines(found, "x.service")
    assert "x-proxy.service" in render.render(specfile.loads(found.text))
    assert any("WantedBy=a.target" in each for each in told(found, Kind.CHANGED))


def test_address_that_is_no_socket(take: Take) -> None:
    """An address of the command line that no socket has is told: nothing listens there."""
    command = "[Service]\nExecStart=/bin/gunicorn -b 10.0.0.2:8000 -b unix:/run/x.sock a:b\n"
    socket = "[Socket]\nListenStream=/run/x.sock\n"
    found = take("x.service", x_DOT_service=command, x_DOT_socket=socket)
    (what,) = told(found, Kind.DECIDE)
    assert what.startswith("10.0.0.2:8000 is not among its sockets")


def test_background(take: Take) -> None:
    """A program that leaves for the background would get no sockets there, and that is told."""
    text = "[Service]\nType=forking\nExecStart=/bin/gunicorn --daemon a:b\n"
    found = take("x.service", x_DOT_service=text)
    assert any("Type=forking" in each for each in told(found, Kind.DECIDE))


def test_listen(take: Take) -> None:
    """Where a program listens may be said apart, and has to be if nothing else says so."""
    text = "[Service]\nExecStart=/bin/other\n"
    assert "--listen ADDRESS" in told(take("x.service", x_DOT_service=text), Kind.REFUSED)[0]
    found = take("x.service", ("127.0.0.1:9",), x_DOT_service=text)
    assert "ListenStream=127.0.0.1:9" in lines(found, "x.socket")


@pytest.mark.parametrize("name", ["x@.socket", "y.socket", "x.container"])
def test_refused(tmp_path: Path, name: str) -> None:
    """A template without an instance, what is not there, and what is no unit are refused."""
    (tmp_path / "x@.socket").write_text(SOCKET)
    (tmp_path / "x.container").write_text("[Container]\n")
    (found,) = Taker().words([f"{tmp_path}/{name}"])
    assert found.draft is None
    assert told(found, Kind.REFUSED)
