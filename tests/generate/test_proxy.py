"""Mode "proxy": three units for a program that opens its own socket."""

import pytest

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render
from activator.unitfile import unquoting
from activator.unitfile.parse import UnitFile

PORT = """\
name = "files"
mode = "proxy"
exec = "/usr/bin/python3 -m http.server 8080"
backend = 8080

[sockets.http]
ListenStream = "127.0.0.1:8000"
"""
PATH = PORT.replace("8080\n\n", '"/run/files/backend.sock"\n\n')
PROXYD = "/usr/lib/systemd/systemd-socket-proxyd"


def units(text: str) -> dict[str, UnitFile]:
    """Render a spec and parse its units."""
    made = {name: UnitFile.parse(unit, name) for name, unit in render(specfile.loads(text)).items()}
    assert not [problem for unit in made.values() for problem in unit.problems]
    return made


def proxyd(text: str) -> tuple[str, ...]:
    """Return the command line of the proxy."""
    line = units(text)["files-proxy.service"].get("Service", "ExecStart")
    (command,) = unquoting.split_command(line or "")
    return command.argv


def test_three_units() -> None:
    """The socket starts the proxy, and the program keeps the spec's name."""
    made = units(PORT)
    assert ["files.socket", "files-proxy.service", "files.service"] == list(made)
    assert "no" == made["files.socket"].get("Socket", "Accept")
    assert "files-proxy.service" == made["files.socket"].get("Socket", "Service")
    command = "/usr/bin/python3 -m http.server 8080"
    assert command == made["files.service"].get("Service", "ExecStart")


def test_several_sockets() -> None:
    """All sockets start the one proxy, and it requires them."""
    made = units(f"{PORT}[sockets.local]\nListenStream = '/run/files.sock'\n")
    assert ["files-http.socket", "files-local.socket"] == list(made)[:2]
    for name in list(made)[:2]:
        assert "files-proxy.service" == made[name].get("Socket", "Service")
    expected = "files-http.socket files-local.socket"
    assert expected == made["files-proxy.service"].get("Unit", "Requires")


def test_needed_by_the_proxy_alone() -> None:
    """Only the program stops when unneeded; the proxy binds to it and waits for it."""
    made = units(PORT)
    proxy, program = made["files-proxy.service"], made["files.service"]
    assert "yes" == program.get("Unit", "StopWhenUnneeded")
    assert proxy.get("Unit", "StopWhenUnneeded") is None
    assert "files.service" == proxy.get("Unit", "BindsTo")
    assert "files.service" == proxy.get("Unit", "After")
    assert "files.socket" == proxy.get("Unit", "Requires")
    assert program.get("Unit", "Requires") is None
    assert "0" == proxy.get("Unit", "StartLimitIntervalSec")
    assert "0" == program.get("Unit", "StartLimitIntervalSec")


def test_port_in_a_network_of_its_own() -> None:
    """The port's network is the program's, and the proxy joins it."""
    made = units(PORT)
    proxy, program = made["files-proxy.service"], made["files.service"]
    assert "files.service" == proxy.get("Unit", "JoinsNamespaceOf")
    assert ["yes"] == program.get_all("Service", "PrivateNetwork")
    assert ["yes"] == proxy.get_all("Service", "PrivateNetwork")
    assert "yes" == proxy.get("Service", "DynamicUser")
    assert proxy.get("Service", "User") is None
    assert program.get("Service", "RuntimeDirectory") is None


@pytest.mark.parametrize("profile", ["strict", "standard", "none"])
def test_port_with_each_profile(profile: str) -> None:
    """Whatever the profile opens, the program has no other network."""
    made = units(f"hardening = '{profile}'\n{PORT}")
    assert ["yes"] == made["files.service"].get_all("Service", "PrivateNetwork")


def test_path_for_the_proxy_alone() -> None:
    """The socket's directory is open to one user, which the two units share."""
    made = units(PATH)
    proxy, program = made["files-proxy.service"], made["files.service"]
    assert ["files"] == program.get_all("Service", "RuntimeDirectory")
    assert "0700" == program.get("Service", "RuntimeDirectoryMode")
    for unit in (proxy, program):
        assert ["yes"] == unit.get_all("Service", "DynamicUser")
        assert ["files"] == unit.get_all("Service", "User")
    assert proxy.get("Service", "RuntimeDirectory") is None
    assert proxy.get("Unit", "JoinsNamespaceOf") is None
    assert "AF_UNIX" == proxy.get("Service", "RestrictAddressFamilies")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('hardening = "none"\n', {}),
        ('needs = ["user:www-data"]\n', {"DynamicUser": "no", "User": "www-data"}),
        (
            'hardening = "none"\nservice = { User = "a", Group = "b" }\n',
            {"User": "a", "Group": "b"},
        ),
        ('service.User = "a"\n', {"DynamicUser": "yes", "User": "a"}),
        (
            'hardening = "none"\nservice.DynamicUser = true\n',
            {"DynamicUser": "yes", "User": "files"},
        ),
    ],
)
def test_path_and_users(lines: str, expected: dict[str, str]) -> None:
    """The proxy is who the program is, whoever decided that."""
    made = units(lines + PATH)
    for name in ("files-proxy.service", "files.service"):
        found = {key: made[name].get("Service", key) for key in ("DynamicUser", "User", "Group")}
        assert expected == {key: value for key, value in found.items() if value is not None}


def test_name_that_is_no_user() -> None:
    """A name that no user can have gets another for the two units."""
    made = units(PATH.replace('"files"', '"files.8"'))
    users = {made[f"files.8{end}.service"].get("Service", "User") for end in ("", "-proxy")}
    (user,) = users
    assert user is not None
    assert user.startswith("_")


def test_variables_once() -> None:
    """The variables are there once, also where a user's name is added."""
    made = units(f"environment = {{ A = 'b' }}\n{PATH}")
    assert ["A=b"] == made["files.service"].get_all("Service", "Environment")


def test_path_elsewhere() -> None:
    """A path outside /run is in a directory that somebody else makes."""
    made = units(PATH.replace("/run/files", "/srv/files"))
    assert made["files.service"].get("Service", "RuntimeDirectory") is None


def test_directory_that_is_needed_too() -> None:
    """A directory that is needed besides is made as well, the same one once."""
    text = f"needs = ['runtime']\n{PATH}"
    assert ["files"] == units(text)["files.service"].get_all("Service", "RuntimeDirectory")
    text = text.replace("/run/files/", "/run/files/own/")
    expected = ["files/own", "files"]
    assert expected == units(text)["files.service"].get_all("Service", "RuntimeDirectory")


@pytest.mark.parametrize("text", [PORT, PATH], ids=["port", "path"])
@pytest.mark.parametrize("profile", ["strict", "none"])
def test_strict_proxy(text: str, profile: str) -> None:
    """The proxy is closed off whatever the program may do, and each line is there once."""
    proxy = units(f"hardening = '{profile}'\n{text}")["files-proxy.service"]
    for name, value in (
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("PrivateUsers", "yes"),
        ("ProtectSystem", "strict"),
        ("IPAddressDeny", "any"),
    ):
        assert [value] == [entry.value for entry in proxy.entries if entry.name == name]
    names = [entry.name for entry in proxy.entries if entry.name != "SystemCallFilter"]
    assert sorted(set(names)) == sorted(names)


# --- readiness ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", "activator wait-for --timeout 60"),
        ("python = '/srv/v/bin/python'\n", "/srv/v/bin/python -m activator wait-for --timeout 60"),
        ("service.TimeoutStartSec = 10\n", "activator wait-for --timeout 9"),
        ("service.TimeoutStartSec = '1h'\n", "activator wait-for --timeout 3240"),
        ("service.TimeoutStartSec = '1s'\n", "activator wait-for --timeout 0.1"),
        ("service.TimeoutStartSec = 'infinity'\n", "activator wait-for --timeout infinity"),
        ("service.TimeoutSec = 0\n", "activator wait-for --timeout infinity"),
    ],
)
def test_ready_once_it_accepts(lines: str, expected: str) -> None:
    """The program is started once it accepts, within the time that systemd gives it."""
    program = units(lines + PORT)["files.service"]
    assert f"{expected} 127.0.0.1:8080" == program.get("Service", "ExecStartPost")
    assert "exec" == program.get("Service", "Type")


def test_ready_when_it_says_so() -> None:
    """A program that reports needs nothing that waits."""
    program = units(f"ready = 'notify'\n{PORT}")["files.service"]
    assert ["notify"] == program.get_all("Service", "Type")
    assert program.get("Service", "ExecStartPost") is None
    assert "AF_UNIX" in (program.get("Service", "RestrictAddressFamilies") or "").split()


def test_commands_of_the_spec_come_after() -> None:
    """The spec's own ExecStartPost= is run besides, once the program is ready."""
    program = units(f"service.ExecStartPost = '/bin/true'\n{PORT}")["files.service"]
    first, second = program.get_all("Service", "ExecStartPost")
    assert "wait-for" in first
    assert "/bin/true" == second


# --- the proxy's command line ------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ("", ["--exit-idle-time=10min"]),
        ("idle-exit = '1min 30s'\n", ["--exit-idle-time=1min 30s"]),
        ("idle-exit = 2.5\n", ["--exit-idle-time=2.5"]),
        ("idle-exit = 'infinity'\n", ["--exit-idle-time=infinity"]),
        ("connections-max = 9\n", ["--exit-idle-time=10min", "--connections-max=9"]),
        (
            "systemd = 261\nproxy-protocol = true\n",
            ["--exit-idle-time=10min", "--proxy-protocol=v1"],
        ),
        ("proxy-protocol = false\n", ["--exit-idle-time=10min"]),
    ],
)
def test_options(lines: str, options: list[str]) -> None:
    """What the spec says about the proxy reaches its command line."""
    assert (PROXYD, *options, "127.0.0.1:8080") == proxyd(lines + PORT)


def test_descriptors() -> None:
    """The more connections, the more descriptors."""
    limits = [
        int(units(text)["files-proxy.service"].get("Service", "LimitNOFILE") or "")
        for text in (PORT, f"connections-max = 1000\n{PORT}")
    ]
    assert [8 * 256 + 64, 8 * 1000 + 64] == limits


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("8080", "127.0.0.1:8080"),
        ("'08080'", "127.0.0.1:8080"),
        ("'127.0.0.53:80'", "127.0.0.53:80"),
        ("'[::1]:80'", "[::1]:80"),
        ("'/run/a/b.sock'", "/run/a/b.sock"),
        ("'/var/run/a//x/../b.sock'", "/run/a/b.sock"),
        ("'/run/a b/100%$x'", "/run/a b/100%$x"),
    ],
)
def test_backends(value: str, expected: str) -> None:
    """A backend is a path or a port of loopback, written in one way."""
    text = PORT.replace("backend = 8080", f"backend = {value}")
    line = proxyd(text)[-1]
    assert expected.replace("%", "%%").replace("$", "$$") == line


def test_keep_alive() -> None:
    """A vanished TCP client is noticed; a Unix socket has no such settings."""
    made = units(
        f"{PORT}[sockets.path]\nListenStream = '/run/f.sock'\n"
        "[sockets.both]\nListenStream = [80, '/run/g.sock']\n"
        "[sockets.own]\nListenStream = 81\nKeepAlive = false\n"
    )

    def lines(fdname: str) -> dict[str, str]:
        entries = made[f"files-{fdname}.socket"].entries
        return {e.name: e.value for e in entries if e.name.startswith("KeepAlive")}

    every = {"KeepAlive": "yes", "KeepAliveTimeSec": "300", "KeepAliveIntervalSec": "30"}
    assert every == lines("http")
    assert {} == lines("path")
    assert {"KeepAlive": "yes"} == lines("both")
    assert {**every, "KeepAlive": "no"} == lines("own")
    shared = PORT.replace('mode = "proxy"\n', "").replace("backend = 8080\n", "")
    assert units(shared)["files.socket"].get("Socket", "KeepAlive") is None


# --- mistakes ----------------------------------------------------------------------------


def listening(line: str, text: str = PORT) -> str:
    """Return a spec with another line that listens."""
    return text.replace('ListenStream = "127.0.0.1:8000"', line)


MISTAKES = [
    (PORT.replace("backend = 8080\n", ""), 2, "has no backend"),
    (PORT.replace("exec", "handler"), 3, "names no handler"),
    (PORT.replace("exec = ", "handler = 'a:b' #"), 3, "a proxy has no handler"),
    (PORT.replace('mode = "proxy"\n', ""), 3, 'backend is for mode = "proxy" alone'),
    (PORT.replace("backend = 8080", "backend = 0"), 4, "names no place"),
    (PORT.replace("backend = 8080", "backend = 65536"), 4, "names no place"),
    (PORT.replace("backend = 8080", "backend = true"), 4, "backend is not a string or a number"),
    (PORT.replace("8080\n\n", "'localhost:80'\n\n"), 4, "write 127.0.0.1 or [::1]"),
    (PORT.replace("8080\n\n", "'0.0.0.0:80'\n\n"), 4, "not a loopback address"),
    (PORT.replace("8080\n\n", "'::1:80'\n\n"), 4, "no IP address"),
    (PORT.replace("8080\n\n", "'@files'\n\n"), 4, "abstract socket"),
    (PORT.replace("8080\n\n", "'/run/files.sock'\n\n"), 4, "no directory of its own"),
    (PORT.replace("8080\n\n", "'/tmp/files/sock'\n\n"), 4, "for temporary files"),
    (PORT.replace("8080\n\n", f"'/run/{'x' * 99}/sock'\n\n"), 4, "at most 107 bytes"),
    (PORT.replace("8080\n\n", '"/run/a\\nb/c"\n\n'), 4, "line break"),
    (f"idle-exit = 'soon'\n{PORT}", 1, "not a time span"),
    (f"idle-exit = -1\n{PORT}", 1, "not a time span"),
    (f"ready = 'soon'\n{PORT}", 1, "give accepts or notify"),
    (f"connections-max = 0\n{PORT}", 1, "out of range"),
    (f"connections-max = 1.5\n{PORT}", 1, "connections-max is not a number"),
    (f"proxy-protocol = 1\n{PORT}", 1, "proxy-protocol is not true or false"),
    (f"proxy-protocol = true\n{PORT}", 1, "needs systemd = 261"),
    (f"systemd = 260\nproxy-protocol = true\n{PORT}", 2, "needs systemd = 261"),
    (f"needs = ['network']\n{PORT}", 1, 'backend = "/run/NAME/backend.sock"'),
    (f"needs = [\n'exec',\n'network:localhost',\n]\n{PORT}", 3, "no network but a loopback"),
    (f"service.PrivateNetwork = false\n{PORT}", 1, "no network but a loopback"),
    (listening("ListenDatagram = 53"), 7, "cannot forward ListenDatagram="),
    (listening("ListenSequentialPacket = '/run/x'"), 7, "cannot forward ListenSequentialPacket="),
    (listening("ListenFIFO = '/run/x'"), 7, "cannot forward ListenFIFO="),
    (listening("ListenStream = [\n80,\n'/run/files/backend.sock']", PATH), 9, "are the same"),
    (listening("ListenStream = '/run/files/a'", PATH), 7, "RuntimeDirectory="),
    (f"{PORT}mode = 'per-connection'\n", 8, "a proxy takes the connections of all sockets"),
    (f"{PORT}mode = 'shared'\n", 8, "a proxy takes the connections of all sockets"),
    ("name = 'a'\nexec = '/b'\n[sockets.c]\nmode = 'proxy'\nListenStream = 1\n", 4, "at the top"),
]


@pytest.mark.parametrize(("text", "line", "what"), MISTAKES, ids=[what for *_, what in MISTAKES])
def test_mistakes(text: str, line: int, what: str) -> None:
    """A wrong spec gives its line and what to do, in one line."""
    with pytest.raises(ActivatorError) as caught:
        specfile.loads(text, "spec.toml")
    told = [message for message in caught.value.lines() if what in message]
    assert 1 == len(told), caught.value.lines()
    assert told[0].startswith(f"spec.toml:{line}: ")
    assert "; " in told[0]


@pytest.mark.parametrize(
    "text",
    [
        f"needs = ['network']\n{PATH}",
        f"service.PrivateNetwork = true\n{PORT}",
        listening("ListenStream = 8080"),
        listening("ListenStream = '/run/files.sock'", PATH),
    ],
    ids=["network", "private", "same-port", "beside"],
)
def test_no_mistakes(text: str) -> None:
    """What looks alike and is right is taken: the ports are in two networks, for one."""
    assert units(text)


def test_explain() -> None:
    """The reasons name the pitfalls that the lines are there for."""
    texts = render(specfile.loads(PATH), explain=True)
    for name, line, why in (
        ("files.service", "StopWhenUnneeded=yes", "only the proxy needs it"),
        ("files.service", "RuntimeDirectory=files", "not the clients'"),
        (
            "files-proxy.service",
            f"ExecStart={PROXYD} --exit-idle-time=10min /run/files/backend.sock",
            "the proxy's address instead of its clients'",
        ),
        ("files-proxy.service", "User=files", "nobody else may connect"),
        ("files.socket", "Service=files-proxy.service", "the proxy takes"),
    ):
        lines = texts[name].splitlines()
        assert why in lines[lines.index(line) - 1]
