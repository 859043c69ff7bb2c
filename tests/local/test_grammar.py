"""`activator run` takes the values, lines and drop-ins that check and systemd take."""

from pathlib import Path
from typing import Any

import pytest

from activator.errors import ActivatorError
from activator.local.units.honoured import table
from activator.local.units.load import load
from activator.local.units.models import Plan, Rate, SocketUnit
from activator.local.units.service_model import ServiceUnit
from tests.support.local import write_units

SOCKET = "[Socket]\nListenStream=@a\n"
SERVICE = "[Service]\nExecStart=/bin/cat\n"


def plan(socket_lines: str = "", service_lines: str = "") -> tuple[SocketUnit, ServiceUnit, Plan]:
    """Return a socket with its service and some more lines, and the plan that has them."""
    texts = {
        "a.socket": (SOCKET + socket_lines, "a.socket"),
        "a.service": (SERVICE + service_lines, "a.service"),
    }
    found = load([], texts)
    return found.sockets[0], found.services["a.service"], found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ReceiveBuffer=1G 500M", (1 << 30) + (500 << 20)),
        ("ReceiveBuffer=1.5K", 1536),
        ("Priority=+0x5", 5),
        ("IPTOS=010", 8),
        ("KeepAlive=oN", 1),
        ("KeepAliveTimeSec=+1min 5s", 65),
    ],
)
def test_value_of_a_socket(line: str, expected: int) -> None:
    """Numbers, sizes, switches and spans have all the forms of systemd's own reader."""
    unit, _, found = plan(line)
    assert {line.partition("=")[0]: expected} == unit.options.values
    assert () == found.notes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("TimeoutStopSec=+5s", 5.0),
        ("TimeoutStopSec=1h5m", 3900.0),
        ("KillSignal=0xf", 15),
        ("KillSignal=TERM", 15),
        ("KillSignal=RTMIN+3", 37),
    ],
)
def test_value_of_a_service(line: str, expected: float) -> None:
    """So have those of services."""
    _, service, found = plan(service_lines=line)
    name = line.partition("=")[0]
    read: dict[str, Any] = {
        **service.killing.signals,
        "TimeoutStopSec": service.limits["TimeoutStop"],
    }
    assert expected == read[name]
    assert () == found.notes


@pytest.mark.parametrize(
    ("line", "expected"),
    [("KillSignal=SIGCLD", 15), ("KillSignal=SIGIO0", 15), ("KillSignal=65", 15)],
)
def test_value_that_is_none(line: str, expected: int) -> None:
    """What systemd goes on without changes nothing, and is told with its line."""
    _, service, found = plan(service_lines=f"KillSignal=SIGTERM\n{line}\n")
    assert expected == service.killing.signals["KillSignal"]
    (note,) = found.notes
    assert note.startswith(f"a.service:4: {line}: ")


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "0." + "9" * 5000, "x" * 5000])
def test_long_values(text: str) -> None:
    """Five thousand characters are read or told in a line, whatever directive they are of."""
    for section, name in table():
        lines = f"[{section}]\n{name}={text}\n"
        try:
            said = list(plan(*(("", lines) if section == "Service" else (lines, "")))[2].notes)
        except ActivatorError as error:
            said = error.lines()
        assert [] == [line for line in said if "\n" in line]


@pytest.mark.parametrize(
    ("lines", "start", "stop"),
    [
        ("TimeoutSec=7\n", 7.0, 7.0),
        ("TimeoutSec=7\nTimeoutStartSec=5\n", 5.0, 7.0),
        ("TimeoutStartSec=5\nTimeoutSec=7\n", 7.0, 7.0),
        ("TimeoutStopSec=5\nTimeoutSec=7\nTimeoutStopSec=6\n", 7.0, 6.0),
        ("TimeoutSec=7\nTimeoutSec=x\n", 7.0, 7.0),
    ],
)
def test_last_line_of_several_directives(lines: str, start: float, stop: float) -> None:
    """Where two directives set the same, the last right line of either counts."""
    _, service, _ = plan(service_lines=lines)
    assert (start, stop) == (service.limits["TimeoutStart"], service.limits["TimeoutStop"])


def test_white_space_of_joined_lines() -> None:
    """Quotes keep what stands in front of a continued line."""
    _, service, _ = plan(service_lines='Environment="A=a\\\n  b" \\\n  C=c\n')
    assert {"A": "a   b", "C": "c"} == service.execution.environment


def test_prefix_of_an_instance(tmp_path: Path) -> None:
    """Drop-ins of all that a name is made of count for an instance of a template."""
    folders = ("foo-bar@x.service", "foo-bar@.service", "foo-@x.service", "foo-@.service")
    files = {
        f"{folder}.d/{number}.conf": f"[Service]\nEnvironment=V{number}=1\n"
        for number, folder in enumerate((*folders, "foo-.service", "service", "foo.service"))
    }
    write_units(tmp_path, {"a.socket": f"{SOCKET}Service=foo-bar@x.service\n", **files})
    write_units(tmp_path, {"foo-bar@.service": SERVICE})
    (service,) = load([str(tmp_path / "a.socket")]).services.values()
    assert {f"V{number}": "1" for number in range(6)} == service.execution.environment


def test_system_control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `systemctl set-property` has written counts for a unit of the system."""
    control, etc = tmp_path / "system.control", tmp_path / "system"
    places = (str(control), str(etc), "/lib/systemd/none")
    monkeypatch.setattr("activator.unitfile.search.SYSTEM", places)
    monkeypatch.setattr("activator.local.units.files.SYSTEM", places)
    write_units(etc, {"s.socket": SOCKET, "s.service": SERVICE})
    write_units(control, {"s.service.d/50-UMask.conf": "[Service]\nUMask=0077\n"})
    (service,) = load([str(etc / "s.socket")]).services.values()
    assert 0o077 == service.execution.umask


def test_file_that_is_given_up(tmp_path: Path) -> None:
    """A header that is not closed ends a unit; of a drop-in, what is behind it is left out."""
    with pytest.raises(ActivatorError, match=r"a\.service:3: the section header '.Unit' is not"):
        plan(service_lines="[Unit\n")
    write_units(
        tmp_path,
        {
            "a.socket": SOCKET,
            "a.service": SERVICE,
            "a.service.d/x.conf": "[Service]\nUMask=0077\n[Unit\n[Service]\nUMask=0027\n",
        },
    )
    found = load([str(tmp_path / "a.socket")])
    assert 0o077 == found.services["a.service"].execution.umask
    (note,) = found.notes
    assert note.startswith(f"{tmp_path}/a.service.d/x.conf:3: the section header '[Unit' is not")


@pytest.mark.parametrize(
    ("name", "unit", "wanted"),
    [
        ("Wants", "a.service", "z@a.service y.service"),
        ("PartOf", "a.service", "z@a.service y.service"),
        ("Sockets", "a.service", "z@a.socket y.socket"),
        ("Wants", "a@b.service", "z@b.service y.service"),
        ("Sockets", "a@b.service", "z@b.socket y.socket"),
    ],
)
def test_templates_in_lists(name: str, unit: str, wanted: str) -> None:
    """A template stands for its instance of this unit's; a unit is not related to itself."""
    kind = "socket" if name == "Sockets" else "service"
    words = f"z@.{kind} {'' if name == 'Sockets' else unit} y.{kind} z@.{kind}"
    section = "Service" if name == "Sockets" else "Unit"
    service = "[Service]\nExecStart=/bin/true\n"
    texts = {
        "s.socket": (f"[Socket]\nListenStream=@s\nService={unit}\n", "s.socket"),
        unit: (f"{service}[{section}]\n{name}={words}\n", unit),
        **{other: (service, other) for other in ("z@.service", "y.service")},
        **{
            other: (f"[Socket]\nListenStream=@{other}\n", other)
            for other in ("z@.socket", "y.socket")
        },
    }
    plan = load([], texts)
    found = plan.services[unit]
    names = {"Wants": found.relations.wants, "PartOf": found.relations.part_of}

    expected = tuple(wanted.split())
    assert expected == tuple(dict.fromkeys(names.get(name, found.sockets)))
    # What is wanted comes along; PartOf= asks for nothing.
    loaded = {*plan.services, *(each.name for each in plan.sockets)}
    assert {*expected} <= loaded or name == "PartOf"


@pytest.mark.parametrize("accept", ["no", "yes"])
def test_limits_without_end(accept: str) -> None:
    """A limit that is infinite, or has systemd's word for none, is the default."""
    lines = ("IntervalSec=infinity", "Burst=4294967295")
    limits = "".join(f"{kind}Limit{line}\n" for kind in ("Trigger", "Poll") for line in lines)
    texts = {
        "s.socket": (f"[Socket]\nListenStream=@s\nAccept={accept}\n{limits}", "s.socket"),
        f"s{'@' * (accept == 'yes')}.service": ("[Service]\nExecStart=/bin/true\n", "s.service"),
    }
    (unit,) = load([], texts).sockets

    expected = {"no": (20, 15), "yes": (200, 150)}[accept]
    assert (Rate(2.0, expected[0]), Rate(2.0, expected[1])) == (unit.trigger, unit.poll)
