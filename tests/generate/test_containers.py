"""Specs with an image: what Quadlet gets, and what it would not take."""

import re
import shlex
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render, units
from activator.generate.render.describe import commands, describe
from activator.generate.render.lines import Unit, line, sections
from activator.unitfile import quadlet
from activator.unitfile.parse import UnitFile
from activator.unitfile.quadlet import values, versions

HEAD = 'name = "shop"\nimage = "localhost/shop:1"\npodman = "5.4"\n'
SOCKET = '[sockets.http]\nListenStream = "127.0.0.1:7801"\n'
VERSIONS = [(4, 4), (4, 6), (4, 9), (5, 0), (5, 2), (5, 4), (5, 8), (6, 0)]


def made(more: str = "", table: str = "", head: str = HEAD) -> dict[str, UnitFile]:
    """Return the units of a spec, parsed."""
    texts = render(specfile.loads(f"{head}{more}{SOCKET}{table}"))
    return {name: UnitFile.parse(text, name) for name, text in texts.items()}


def keys(file: UnitFile, name: str, section: str = "Container") -> list[str]:
    """Return the values of a key."""
    return [one.value for one in file.entries if (one.section, one.name) == (section, name)]


def problems(more: str = "", table: str = "", head: str = HEAD) -> str:
    """Return what is said of a wrong spec."""
    with pytest.raises(ActivatorError) as caught:
        made(more, table, head)
    return "\n".join(caught.value.lines())


def test_a_container_is_closed_unless_it_needs_more() -> None:
    """Without a word the container has no network, no privileges, and nothing to write to."""
    file = made()["shop.container"]
    expected = {
        "Network": ["none"],
        "ReadOnly": ["true"],
        "DropCapability": ["all"],
        "NoNewPrivileges": ["true"],
        "Pull": ["never"],
        "StopTimeout": ["30"],
    }
    assert expected == {name: keys(file, name) for name in expected}
    assert ["shop.socket"] == keys(file, "Requires", "Unit")
    assert ["false"] == keys(file, "DefaultDependencies", "Quadlet")
    assert [] == keys(file, "Type", "Service")


def test_needs_open_what_they_name() -> None:
    """Each need is a key of the container."""
    needs = '"network", "write:/srv/a b", "read:/srv/%$c", "capability:CAP_CHOWN"'
    file = made(f"needs = [{needs}]\n")["shop.container"]
    assert [] == keys(file, "Network")
    assert ["/srv/a b:/srv/a b", "/srv/%%$$c:/srv/%%$$c:ro"] == keys(file, "Volume")
    assert ["CAP_CHOWN"] == keys(file, "AddCapability")
    assert [] == keys(file, "DefaultDependencies", "Quadlet")


def test_the_spec_has_the_last_word() -> None:
    """What the spec says is not said by the generator as well."""
    table = '[container]\nNetwork = "shop.network"\nReadOnly = false\nPull = "missing"\n'
    file = made("drain = 7\n", table)["shop.container"]
    assert ["shop.network"] == keys(file, "Network")
    assert ["false"] == keys(file, "ReadOnly")
    assert ["missing"] == keys(file, "Pull")
    assert ["7"] == keys(file, "StopTimeout")
    assert ["12s"] == keys(file, "TimeoutStopSec", "Service")


def test_files_of_each_mode() -> None:
    """One container, an instance each, or one behind a proxy."""
    assert ["shop.socket", "shop.container"] == list(made())
    each = made('mode = "per-connection"\n')
    assert ["shop.socket", "shop@.container"] == list(each)
    assert ["shop-${INVOCATION_ID}"] == keys(each["shop@.container"], "ContainerName")
    proxied = made('mode = "proxy"\nbackend = "/run/shop/b.sock"\n')
    assert ["shop.socket", "shop-proxy.service", "shop.container"] == list(proxied)
    assert ["%t/shop:/run/shop"] == keys(proxied["shop.container"], "Volume")
    assert ["none"] == keys(proxied["shop.container"], "Network")
    port = made('mode = "proxy"\nbackend = 8080\n')["shop.container"]
    assert ["host"] == keys(port, "Network")
    assert ["yes"] == keys(port, "PrivateNetwork", "Service")


@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_a_proxy_sees_the_socket_of_its_container(*, user: bool) -> None:
    """ProtectHome= hides /run/user, where the socket of a user's container is."""
    spec = specfile.loads(f'{HEAD}mode = "proxy"\nbackend = "/run/shop/b.sock"\n{SOCKET}')
    text = render(spec._replace(user=user))["shop-proxy.service"]
    seen = keys(UnitFile.parse(text, "x.service"), "BindReadOnlyPaths", "Service")
    assert ["%t/shop"] * user == seen


@pytest.mark.parametrize("version", VERSIONS, ids=versions.written)
@pytest.mark.parametrize("mode", ["shared", "per-connection", "proxy"])
def test_no_podman_gets_a_key_that_it_does_not_know(version: tuple[int, int], mode: str) -> None:
    """What is written for a version of podman is known to it."""
    head = HEAD.replace("5.4", versions.written(version))
    more = 'backend = "/run/shop/b.sock"\n' if mode == "proxy" else ""
    for name, file in made(f'mode = "{mode}"\n{more}', head=head).items():
        for entry in file.entries if quadlet.kind_of(name) else ():
            if entry.section in ("Container", "Quadlet"):
                key = quadlet.lookup(entry.section, entry.name)
                assert key is not None
                assert "" == quadlet.newer(key, version)
                values.check(key, entry.value, version)
    assert ["--pull=never", "--stop-timeout=30"] == [
        *keys(made(head=HEAD.replace("5.4", "4.4"))["shop.container"], "PodmanArgs")
    ]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("Imge = 'a'", "no key 'Imge'; did you mean Image=?"),
        ("Image = 'a'", "Image= is not set here; image = ... decides it"),
        ("ReloadCmd = 'a'", "podman 5.4 does not know ReloadCmd=.*needs podman 5.5"),
        ("Pull = 'no'", "Pull=no is not always, missing, never or newer"),
        ("Pull = ['never', 'always']", "is given 2 values"),
        ("PublishPort = '7801:80'", "would take the port of ListenStream=127.0.0.1:7801"),
        ("PublishPort = '127.0.0.1:7801:80/tcp'", "would take the port"),
        ("RunInit = true", "not process 1"),
        ("Label = {}", "the value has the wrong type"),
        ("Label = 'a\\nb'", "line break"),
    ],
)
def test_wrong_keys_are_told_with_their_line(table: str, told: str) -> None:
    """Each mistake has its line, and what to do."""
    table = table.replace("'a\\nb'", '"a\\nb"')
    said = problems(table=f"[container]\n{table}\n")
    assert re.match(f"<spec>:7: .*{told}", said), said


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("handler = 'a:b'\n", "a container has no handler"),
        ("python = '/usr/bin/python3'\n", "python is not for a container"),
        ("exec = ''\n", "exec is empty; leave it out"),
        ("exec = ['a', ';', 'b']\n", 'exec has ";" alone'),
        ("needs = ['jit']\n", "the need 'jit' means nothing to a container"),
        ("service = { User = 'www-data' }\n", "User=www-data is not for a container"),
        ("service = { Type = 'simple' }\n", "Type=simple is not for a container"),
        ("mode = 'proxy'\nbackend = 80\nready = 'healthy'\n", "needs a health check"),
    ],
)
def test_what_a_container_does_not_bear(more: str, told: str) -> None:
    """What the image, podman or Quadlet decides is not said a second time."""
    assert told in problems(more)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("4.3", "podman 4.3 has no Quadlet"),
        ("bookworm", "podman 4.3 has no Quadlet"),
        ("five", "podman = 'five' is no version"),
    ],
)
def test_a_podman_without_quadlet(version: str, told: str) -> None:
    """It is refused with its version."""
    assert told in problems(head=HEAD.replace("5.4", version))


@pytest.mark.parametrize("key", ["container = { ReadOnly = true }", 'podman = "5.4"'])
def test_keys_of_containers_need_an_image(key: str) -> None:
    """Without an image there is no container."""
    head = f'name = "shop"\nexec = "/bin/true"\n{key}\n'
    assert "is for a service in a container" in problems(head=head)


@pytest.mark.parametrize("port", ["%i:" + "9" * 5000, "%i:07801x", "%i:" + "0" * 5000])
def test_what_a_specifier_leads_is_no_traceback(port: str) -> None:
    """Where a specifier leaves a value unchecked, a number of any length is borne."""
    file = made(table=f'[container]\nPublishPort = "{port}"\n')["shop.container"]
    assert [port] == keys(file, "PublishPort")


def test_short_names_of_images_are_doubtful() -> None:
    """Which registry a short name is from is podman's guess."""
    loaded = specfile.loads(HEAD.replace("localhost/", "") + SOCKET)
    assert "names no registry" in loaded.notes[0]


def test_newer_keys_can_be_left_out() -> None:
    """With --newer=drop a key of a later podman is left out, and told."""
    text = f"{HEAD}{SOCKET}[container]\nReloadCmd = 'a'\n"
    loaded = specfile.loads(text, drop=True)
    assert "left out: podman 5.4 does not know ReloadCmd=" in loaded.notes[0]


WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30)


@given(st.lists(WORDS.filter(lambda word: word != ";"), min_size=1, max_size=4))
def test_arguments_become_no_key(words: list[str]) -> None:
    """Whatever an argument holds, the file has one Exec=, and nothing else changes."""
    quoted = ", ".join(_toml(word) for word in words)
    plain = [entry[:2] for entry in made("exec = ['x']\n")["shop.container"].entries]
    file = made(f"exec = [{quoted}]\n")["shop.container"]
    assert plain == [entry[:2] for entry in file.entries]
    assert not file.problems


@given(WORDS, st.text(string.ascii_letters, min_size=1, max_size=9))
def test_variables_become_no_key(value: str, name: str) -> None:
    """Whatever a variable holds, it is one word of one line."""
    file = made(f"environment = {{ {name} = {_toml(value)} }}\n")["shop.container"]
    (line,) = keys(file, "Environment")
    if all(char in string.ascii_letters + string.digits + " " for char in value):
        assert [f"{name}={value}"] == shlex.split(line)


@given(st.sampled_from(quadlet.names("Container")), WORDS)
def test_any_value_is_taken_or_told(name: str, value: str) -> None:
    """A key gets its value on one line, or there is an error; nothing else happens."""
    table = f"[container]\n{name} = {_toml(value)}\n"
    head = HEAD.replace("5.4", "6.0")
    said, written = _tried(f"{head}{SOCKET}{table}")
    assert all(line.startswith("<spec>") for line in said)
    assert said or value.strip(" \t") in keys(written, name)


def _tried(text: str) -> tuple[list[str], UnitFile]:
    """Return what is said of a spec, and the container that is made of it."""
    try:
        return [], UnitFile.parse(render(specfile.loads(text))["shop.container"])
    except ActivatorError as error:
        return error.lines(), UnitFile.parse("")


def _toml(text: str) -> str:
    """Return a text as a basic string of TOML."""
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'


def test_tables_of_facts_agree() -> None:
    """Each key's section belongs to a kind of file, and each type has its form."""
    sections = {kind.section for kind in quadlet.kinds().values()} | {quadlet.COMMON}
    table = Path(quadlet.__file__).with_name("keys.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in table if not line.startswith("#")][1:]
    assert rows
    for section, name, since, kind, repeat in rows:
        assert section in sections
        assert versions.OLDEST <= versions.parsed(since) <= versions.NEWEST
        assert kind in values.forms()
        assert repeat in ("single", "lines", "words")
        assert quadlet.lookup(section, name)
    assert len(rows) == len({tuple(row[:2]) for row in rows})


@pytest.mark.parametrize(
    ("file", "service"),
    [
        ("a.container", "a.service"),
        ("a@.container", "a@.service"),
        ("a.pod", "a-pod.service"),
        ("a.network", "a-network.service"),
        ("a.volume", "a-volume.service"),
        ("a.kube", "a.service"),
        ("a.image", "a-image.service"),
        ("a.build", "a-build.service"),
    ],
)
def test_names_of_services(file: str, service: str) -> None:
    """Each file's service has the name that Quadlet gives it."""
    assert service == quadlet.service(file)


@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_other_tools_are_told_where_containers_belong(*, user: bool) -> None:
    """Quadlet reads its files elsewhere, and enables itself; the socket is as any other."""
    socket, container = units(specfile.loads(HEAD + SOCKET))
    wanted = line("Install", "WantedBy", "multi-user.target")
    container = Unit(container.name, (*container.sections, *sections([("Install", [wanted])])))

    where = "/etc/containers/systemd" + ("/users" if user else "")
    described = describe(container, user=user)
    assert f"{where}/shop.container" == described["file"]["path"]
    assert not described["enable"]
    assert describe(socket, user=user)["enable"]
    systemctl = ["systemctl", "--user"] if user else ["systemctl"]
    expected = [["daemon-reload"], ["enable", "shop.socket"], ["start", "shop.socket"]]
    assert [[*systemctl, *words] for words in expected] == commands([socket, container], user=user)
