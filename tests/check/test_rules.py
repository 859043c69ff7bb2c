"""What systemd does not say: each rule by its examples, by position and by what it must spare."""

import inspect

import pytest

from activator.check.registry import Example, Rule, examples, named, rules
from activator.check.units import INFO, SEVERITIES, Unit
from activator.check.world import Texts
from activator.errors import UsageError
from activator.unitfile.sections import OWN_SECTION, sections_of, skipped
from tests.support.check import of_texts, shown

VERSION = 252
# What an example cannot show: permissions, bytes, links, and what a root directory tells.
ELSEWHERE = {"ACT100", "ACT112", "ACT113", "ACT115", "ACT116", "ACT305", "ACT604", "ACT704"} | {
    "ACT205",  # the page's text has no white space at the ends of lines
    "ACT705",
    "ACT706",  # texts are of the system's manager
}
# Rule → where its bad example is found: file, line and column.
PLACES = {
    "ACT201": "echo.service:3:23",
    "ACT202": "echo.socket:2:20",
    "ACT203": "echo.service:3:1",
    "ACT204": "echo.service:3:1",
    "ACT206": "echo.service:2:1",
    "ACT207": "echo.service:2:42",
    "ACT208": "echo.service:2:1",
    "ACT209": "echo.socket:3:1",
    "ACT210": "echo.socket:3:16",
    "ACT211": "echo.service:2:28",
    "ACT212": "echo.service:2:11",
    "ACT213": "echo.service:3:11",
    "ACT214": "echo.service:2:28",
    "ACT215": "volume.service:3:36",
    "ACT216": "echo.socket:3:1",
    "ACT217": "echo.socket:4:15",
    "ACT218": "echo.socket.d/port.conf:2:14",
    "ACT219": "dns.socket.d/port.conf:2:1",
    "ACT220": "echo.socket.d/port:1:1",
    "ACT301": "web.socket:3:14",
    "ACT302": "echo.socket:2:14",
    "ACT303": "echo.socket:3:9",
    "ACT304": "echo.socket:3:15",
    "ACT306": "echo.socket:2:7",
    "ACT307": "echo.socket.d/port.conf:3:14",
    "ACT401": "echo@.service:2:11",
    "ACT402": "echo.service:3:15",
    "ACT403": "echo.service:3:15",
    "ACT404": "echo.service:2:11",
    "ACT405": "echo@.service:3:9",
    "ACT406": "echo@.service:2:11",
    "ACT407": "echo.socket:2:14",
    "ACT408": "echo.socket:2:14",
    "ACT409": "echo.service:2:18",
    "ACT410": "echo.service:5:10",
    "ACT411": "web.service:2:37",
    "ACT412": "echo.service:3:25",
    "ACT413": "echo-server.service:3:9",
    "ACT414": "echo.service:3:9",
    "ACT415": "other.service:2:11",
    "ACT416": "echo@.service:2:40",
    "ACT417": "echo@.service:3:15",
    "ACT418": "echo.socket:2:8",
    "ACT419": "echo.service:2:21",
    "ACT420": "web.service:2:29",
    "ACT421": "echo.socket:3:12",
    "ACT422": "echo.socket:3:12",
    "ACT423": "dockerd.service:2:20",
    "ACT424": "echo@.service:2:14",
    "ACT425": "web.service:2:11",
    "ACT501": "echo.socket:3:8",
    "ACT502": "echo.service:2:23",
    "ACT503": "echo.socket:4:25",
    "ACT504": "web.service:3:16",
    "ACT601": "echo.socket:2:14",
    "ACT602": "echo.service:2:11",
    "ACT603": "echo.socket:2:14",
    "ACT605": "echo.service:4:25",
    "ACT606": "echo.service:3:11",
    "ACT607": "shop.service:3:24",
    "ACT608": "echo.socket:3:1",
    "ACT701": "echo.service:8:10",
    "ACT702": "echo.socket:1:1",
    "ACT703": "echo.socket:5:10",
    "ACT707": "echo.socket:5:7",
    "ACT708": "echo.socket:5:10",
    "ACT801": "etc/systemd/system/web.container:1:1",
    "ACT802": "web.container:8:13",
    "ACT803": "web.container:1:1",
    "ACT804": "web.container:5:7",
    "ACT805": "web.container:10:10",
    "ACT806": "web.container:7:9",
    "ACT807": "web.container:8:9",
    "ACT808": "web.container:5:6",
    "ACT901": "echo.service:1:1",
    "ACT902": "echo.service:1:1",
    "ACT903": "echo.service:1:1",
}
EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.id}-{'bad' if example.bad else 'good'}")
    for rule in rules()
    for example in examples(rule)
    if not (rule.id in ELSEWHERE and example.bad)
]


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_page_shows_what_is_found(rule: Rule, example: Example) -> None:
    """The bad example has the finding, the good one has not, nor an error of any rule."""
    found = of_texts(example.files, VERSION)
    assert example.bad is any(finding.rule == rule.id for finding in found)
    if not example.bad and rule.id not in ELSEWHERE:
        assert [] == [one for one in found if one.severity == "error" and one.rule != "ACT110"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_has_all_it_needs(rule: Rule) -> None:
    """Identifier, name, severity, a page with both examples, and a function that yields."""
    assert rule.severity in SEVERITIES
    assert rule.id[:3] == "ACT"
    assert {True, False} == {example.bad for example in examples(rule)}
    assert inspect.isgeneratorfunction(rule.function)
    assert rule.summary
    assert named(rule.id) == named(rule.name) == rule
    # Only what systemd itself would say is an error.
    assert rule.severity != "error" or rule.id < "ACT2"


def test_identifiers_are_sorted_and_used_once() -> None:
    """The table is in order, and so are the lists made from it."""
    identifiers = [rule.id for rule in rules()]
    assert sorted(set(identifiers)) == identifiers
    assert {rule.id for rule in rules() if rule.id >= "ACT2"} == set(PLACES) | {
        identifier for identifier in ELSEWHERE if identifier >= "ACT2"
    }
    with pytest.raises(UsageError, match="did you mean bad-value"):
        named("bad-valu")


@pytest.mark.parametrize(("rule", "place"), PLACES.items())
def test_a_finding_stands_where_the_reason_is(rule: str, place: str) -> None:
    """The bad example's finding has this file, line and column."""
    [bad] = [example for example in examples(named(rule)) if example.bad]
    found = [one for one in of_texts(bad.files, VERSION) if one.rule == rule]
    assert [f"{place} {rule}"] == shown(found)


def socket(*lines: str) -> str:
    """Return a socket unit's text."""
    return "\n".join(["[Socket]", *lines, ""])


def service(*lines: str, start: str = "/usr/bin/prog") -> str:
    """Return a service unit's text."""
    return "\n".join(["[Service]", f"ExecStart={start}", *lines, ""])


def found(rule: str, texts: dict[str, str], version: int = VERSION) -> list[str]:
    """Return where a rule found something, and how grave it is if it is an info."""
    return [
        f"{one.file}:{one.line}" + (" info" if one.severity == INFO else "")
        for one in of_texts(texts, version)
        if one.rule == rule
    ]


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (["ListenStream=80"], ["ListenStream=80"], True),
        (["ListenStream=80"], ["ListenStream=0.0.0.0:80"], True),
        (["ListenStream=80"], ["ListenStream=127.0.0.1:80"], True),
        (["ListenStream=[::]:80"], ["ListenStream=10.0.0.1:80"], True),
        (["ListenStream=[::]:80", "BindIPv6Only=ipv6-only"], ["ListenStream=10.0.0.1:80"], False),
        (["ListenStream=80", "BindIPv6Only=yes"], ["ListenStream=[::1]:80"], True),
        (["ListenStream=127.0.0.1:80"], ["ListenStream=127.0.0.2:80"], False),
        (["ListenStream=127.0.0.1:80"], ["ListenStream=[::1]:80"], False),
        (["ListenStream=127.0.0.1:80"], ["ListenDatagram=127.0.0.1:80"], False),
        (["ListenStream=80", "ReusePort=yes"], ["ListenStream=80", "ReusePort=yes"], False),
        (["ListenStream=80", "ReusePort=yes"], ["ListenStream=80"], True),
        (["ListenStream=80", "BindToDevice=a"], ["ListenStream=80", "BindToDevice=b"], False),
        (["ListenStream=80", "FreeBind=yes"], ["ListenStream=1.2.3.4:80", "FreeBind=yes"], True),
        (["ListenStream=80", "SocketProtocol=sctp"], ["ListenStream=80"], False),
        (["ListenDatagram=53"], ["ListenDatagram=127.0.0.1:53"], True),
        (["ListenStream=/run/a"], ["ListenStream=%t/a"], True),
        (["ListenStream=/run/a"], ["ListenStream=/var/run//a"], True),
        (["ListenStream=/run/a"], ["ListenDatagram=/run/a"], True),
        (["ListenStream=@a"], ["ListenStream=@a"], True),
        (["ListenStream=@a"], ["ListenStream=/a"], False),
        (["ListenFIFO=/run/a"], ["ListenFIFO=/run/a"], True),
        (["ListenSpecial=/dev/null"], ["ListenSpecial=/dev/null"], False),
        (["ListenStream=vsock::5"], ["ListenStream=vsock::5"], True),
        (["ListenStream=80", "ListenStream="], ["ListenStream=80"], False),
    ],
)
def test_two_sockets_on_one_address(first: list[str], second: list[str], *, clash: bool) -> None:
    """Wildcards, both families, devices, protocols and paths, in the order of the units."""
    texts = {"a.socket": socket(*first), "b.socket": socket(*second)}
    assert clash is bool(found("ACT301", texts))


def test_addresses_of_units_that_never_meet() -> None:
    """Conflicts= between them, a template, another network and a masked one are fine."""
    plain = socket("ListenStream=80")
    conflict = "[Unit]\nConflicts=a.socket\n" + plain
    assert [] == found("ACT301", {"a.socket": plain, "b.socket": conflict})
    assert [] == found("ACT301", {"a.socket": plain, "b@.socket": plain})
    private = socket("ListenStream=80", "PrivateNetwork=yes")
    assert [] == found("ACT301", {"a.socket": plain, "b.socket": private})


@pytest.mark.parametrize(
    ("start", "lost"),
    [
        ("/usr/bin/prog", False),
        ("/bin/sh -c 'exec prog --fd 3'", False),
        ("/bin/sh -c 'prog'", True),
        ("/bin/bash -c 'prog'", False),
        ("/bin/bash -c 'cd /srv && prog'", False),
        ("/bin/bash -c 'prog | tee /run/log'", True),
        ("/bin/bash -c 'while true; do prog; done'", True),
        ("/bin/sh -c 'cd /srv && prog'", True),
        ("/bin/bash -c 'cd /srv && exec prog'", False),
        ("/bin/sh /usr/bin/start.sh", False),
        ("/usr/bin/env A=1 prog", False),
        ("/usr/bin/env timeout 5 prog", True),
        ("/usr/bin/nice -n 5 /usr/bin/sudo prog", True),
        ("/usr/sbin/runuser -u x prog", True),
        ("/usr/bin/tini -- prog", True),
        ("/usr/bin/python3 -m gunicorn a:b", False),
        ("-@/usr/bin/npm npm start", True),
    ],
)
def test_wrappers_that_lose_descriptors(start: str, *, lost: bool) -> None:
    """Those that fork are told apart from those that replace themselves."""
    texts = {"t.socket": socket("ListenStream=80"), "t.service": service(start=start)}
    assert (["t.service:2"] if lost else []) == found("ACT404", texts)
    texts["t.service"] += "StandardInput=socket\n"
    assert [] == found("ACT404", texts)


@pytest.mark.parametrize(
    ("listen", "start", "told"),
    [
        ("8000", "/usr/bin/hypercorn --bind 0.0.0.0:8000 a:b", True),
        ("8000", "/usr/bin/hypercorn --bind=127.0.0.1:8000 a:b", True),
        ("8000", "/usr/bin/gunicorn --bind fd://3 a:b", False),
        ("8000", "/usr/bin/uvicorn --port 8000 a:b", True),
        ("8000", "/usr/bin/uvicorn --fd 3 a:b", False),
        ("8000", "/usr/bin/python3 -m uvicorn --port=8000 a:b", True),
        ("8000", "/usr/bin/prog --workers 8000", False),
        ("8000", "/usr/bin/prog http://backend:8000/", False),
        ("8000", "/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8000", False),
        ("8000", "/usr/bin/prog --port 8001", False),
        ("/run/a.sock", "/usr/bin/hypercorn --bind unix:/run/a.sock a:b", True),
        ("/run/a.sock", "/usr/bin/prog --socket /run/a.sock", True),
        ("/run/a.sock", "/usr/bin/prog --config /run/a.sock", False),
    ],
)
def test_programs_that_open_the_address_too(listen: str, start: str, *, told: bool) -> None:
    """Only what is clearly an address to listen on counts."""
    texts = {"t.socket": socket(f"ListenStream={listen}"), "t.service": service(start=start)}
    assert (["t.service:2"] if told else []) == found("ACT411", texts)


@pytest.mark.parametrize("bind", ["0.0.0.0:8000", "unix:/run/a.sock"])
def test_a_program_that_prefers_what_is_passed(bind: str) -> None:
    """Its own address does nothing beside a socket, which is worth a word."""
    listen = ["ListenStream=8000", "ListenStream=/run/a.sock"]
    start = f"/usr/bin/gunicorn --bind {bind} a:b"
    texts = {"t.socket": socket(*listen), "t.service": service(start=start)}
    assert ["t.service:2 info"] == found("ACT411", texts)


@pytest.mark.parametrize(
    ("start", "lines", "early"),
    [
        ("/usr/bin/gunicorn a:b", ["TimeoutStopSec=5"], True),
        ("/usr/bin/gunicorn --graceful-timeout 3 a:b", ["TimeoutStopSec=5"], False),
        ("/usr/bin/gunicorn --graceful-timeout=120 a:b", [], True),
        ("/usr/bin/gunicorn a:b", [], False),
        ("/usr/bin/gunicorn a:b", ["TimeoutStopSec=infinity"], False),
        ("/usr/bin/gunicorn a:b", ["TimeoutStopSec=0"], False),
        ("/usr/bin/gunicorn a:b", ["TimeoutSec=20"], True),
        ("/usr/bin/uvicorn --timeout-graceful-shutdown 100 a:b", [], True),
        ("/usr/bin/uvicorn a:b", ["TimeoutStopSec=1"], False),
        ("/usr/bin/activator serve --drain 100 a:b", [], True),
        ("/usr/bin/activator serve --drain-delay 5 a:b", ["TimeoutStopSec=33"], True),
        ("/usr/bin/activator serve --drain-delay 5 a:b", ["TimeoutStopSec=36"], False),
        ("/usr/bin/other", ["TimeoutStopSec=1"], False),
    ],
)
def test_time_to_drain(start: str, lines: list[str], *, early: bool) -> None:
    """The program's own time, by its option or its default, against the manager's patience."""
    assert early is bool(found("ACT504", {"t.service": service(*lines, start=start)}))


@pytest.mark.parametrize(
    ("lines", "settings", "place"),
    [
        (["ListenStream=/run/a"], [], "t.socket:2"),
        (["ListenStream=/run/a", "SocketMode=0666"], [], "t.socket:3 info"),
        (["ListenStream=/run/a", "SocketMode=0660"], [], ""),
        (["ListenStream=@a"], [], "t.socket:2 info"),
        (["ListenStream=80"], [], ""),
        (["ListenStream=/run/a"], ["User=nobody"], ""),
        (["ListenStream=/run/a"], ["User=root"], "t.socket:2"),
        (["ListenStream=/run/a"], ["DynamicUser=yes"], ""),
    ],
)
def test_who_may_connect(lines: list[str], settings: list[str], place: str) -> None:
    """Unix sockets that all may write to, with a service of root."""
    texts = {"t.socket": socket(*lines), "t.service": service(*settings)}
    assert [place] * bool(place) == found("ACT601", texts)


@pytest.mark.parametrize(
    ("lines", "idle"),
    [
        (["ListenStream=80", "MaxConnections=5"], ["MaxConnections"]),
        (["ListenStream=80", "Accept=yes", "MaxConnections=5"], []),
        (["ListenStream=/run/a", "NoDelay=yes", "FreeBind=no"], ["NoDelay"]),
        (["ListenStream=80", "IPTOS=low-delay", "KeepAlive=yes"], []),
        (["ListenStream=[::1]:80", "IPTOS=low-delay"], ["IPTOS"]),
        (["ListenStream=80", "KeepAliveTimeSec=60"], ["KeepAliveTimeSec"]),
        (["ListenStream=80", "KeepAliveTimeSec=60", "KeepAlive=yes"], []),
        (["ListenMessageQueue=/a", "MessageQueueMaxMessages=5"], ["MessageQueueMaxMessages"]),
        (["ListenStream=80", "Accept=yes", "FlushPending=yes"], ["FlushPending"]),
        (["ListenStream=80", "ListenFIFO=/run/a", "SocketMode=0600", "PipeSize=1M"], []),
    ],
)
def test_settings_without_effect(lines: list[str], idle: list[str]) -> None:
    """What concerns none of the listeners; defaults that are spelt out hurt nobody."""
    texts = {"t.socket": socket(*lines), "t.service": service(), "t@.service": service()}
    wanted = [
        f"t.socket:{2 + number}"
        for number, line in enumerate(lines)
        if line[:-1]
        if line.partition("=")[0] in idle
    ]
    assert wanted == found("ACT209", texts)


def test_white_space_behind_a_backslash() -> None:
    """The line ends there; a backslash at the very end is another rule's."""
    text = "[Service]\nExecStart=/bin/prog a \\ \n  b\n"
    assert ["t.service:2"] == found("ACT205", {"t.service": text})
    assert [] == found("ACT205", {"t.service": text.replace("\\ \n", "\\\n")})


def test_ports_of_users() -> None:
    """A port below 1024 is for root, and other ports are for all."""
    world = Texts({"t.socket": socket("ListenStream=80", "ListenStream=8080")}, VERSION)
    [unit] = world.checked
    rule = named("ACT305")
    assert [] == list(rule.function(unit, world))
    unit.user = True
    assert ["a user may not bind port 80"] == [one.message for one in rule.function(unit, world)]


def test_a_masked_service() -> None:
    """A socket whose service is masked fails with the first connection."""
    world = Texts({"t.socket": socket("ListenStream=80")}, VERSION)
    world.units["t.service"] = Unit("t.service", [], VERSION, masked=True)
    rule = named("ACT704")
    assert ["t.service is masked, so the first connection makes the socket fail"] == [
        one.message for one in rule.function(world.checked[0], world)
    ]


def test_crashes_and_limits() -> None:
    """A default start limit is told as info, a set one and a bare loop as warnings."""
    pair = {"t.socket": socket("ListenStream=80")}
    assert ["t.service:1 info"] == found("ACT502", pair | {"t.service": service()})
    tight = "[Unit]\nStartLimitBurst=3\n" + service()
    assert ["t.service:2"] == found("ACT502", pair | {"t.service": tight})
    endless = "[Unit]\nStartLimitIntervalSec=0\n" + service()
    assert ["t.service:2"] == found("ACT502", pair | {"t.service": endless})
    calm = {"t.socket": socket("ListenStream=80", "TriggerLimitBurst=0")}
    assert [] == found("ACT502", calm | {"t.service": endless})


def test_one_unit_alone_is_seen_with_its_partner() -> None:
    """A service that is looked at alone is judged with the socket beside it."""
    texts = {"t.socket": socket("ListenStream=80"), "t.service": service("StandardInput=socket")}
    world = Texts(texts | {"t.socket": socket("ListenStream=80", "ListenStream=81")}, VERSION)
    world.checked = [unit for unit in world.checked if unit.type == "service"]
    rule = named("ACT402")
    assert 1 == len([one for pair in world.pairs for one in rule.function(pair, world)])


def test_names_of_sections_have_a_type() -> None:
    """Every unit type knows its section, and every other one where it belongs."""
    for kind, section in OWN_SECTION.items():
        other = "socket" if kind == "service" else "service"
        assert section in sections_of(kind)
        assert f"[{section}] belongs in a .{kind}, " in (skipped(section, other) or ("",))[0]
    assert not skipped("Unit", "service")
