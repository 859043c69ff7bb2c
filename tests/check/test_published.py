"""Unit files that people had trouble with, each with its kin, and what is said of them."""

import pytest

from tests.support.check import of_text, of_texts

START = "[Service]\nExecStart="
SOCKET = "[Socket]\nListenStream=/run/a.sock\n"
SERVICE = f"{START}/usr/bin/a\n"


def rules_of(texts: dict[str, str], version: int = 257) -> set[str]:
    """Return the rules that have something to say."""
    return {one.rule for one in of_texts(texts, version)}


@pytest.mark.parametrize("version", [252, 257, 262])
@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("%i", True),
        ("127.0.0.1:%i", True),
        ("[::1]:%i", True),
        ("/run/x/%i.sock", True),
        ("%I", True),
        ("@%i", True),
        ("%i:80", True),
        ("localhost:%i", False),
        ("run/%i", False),
        ("%%i", False),
    ],
)
def test_an_instance_makes_an_address_right(address: str, version: int, *, right: bool) -> None:
    """A template's address is right if any instance makes it so."""
    texts = {"x@.socket": f"[Socket]\nListenStream={address}\n", "x@.service": SERVICE}
    assert right is not bool({"ACT106", "ACT107"} & rules_of(texts, version))


@pytest.mark.parametrize(
    ("required", "rule", "severity"),
    [("p@%i.socket", "", ""), ("p.socket", "ACT111", "warning")],
)
def test_a_template_requires_its_instance(required: str, rule: str, severity: str) -> None:
    """Without the instance the socket that is required does not exist."""
    unit = f"[Unit]\nRequires={required}\n{SERVICE}"
    texts = {"p@.socket": "[Socket]\nListenStream=/run/p/%i\n", "p@.service": unit}
    found = [one for one in of_texts(texts) if one.file == "p@.service"]
    told = [one for one in found if one.rule == rule]
    assert [severity] * bool(rule) == [one.severity for one in told]
    assert bool(rule) is any(one.rule == "ACT410" for one in found)


@pytest.mark.parametrize(
    ("version", "lines", "told"),
    [
        (252, "", True),
        (254, "", True),
        (255, "", False),
        (262, "", False),
        (257, "PollLimitIntervalSec=0\n", True),
        (257, "PollLimitBurst=0\n", True),
        (257, "PollLimitBurst=500\n", True),
        (257, "TriggerLimitBurst=100\n", True),
        (257, "TriggerLimitIntervalSec=1min\n", True),
        (257, "TriggerLimitIntervalSec=0\n", False),
    ],
)
def test_polling_pauses_before_triggering_fails(version: int, lines: str, *, told: bool) -> None:
    """From 255 on the limit of polling comes first, unless the unit says otherwise."""
    texts = {"e.socket": f"[Socket]\nListenStream=7777\nAccept=yes\n{lines}"}
    assert told is ("ACT501" in rules_of(texts, version))


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("/usr/bin/make all && /usr/bin/a", "ACT211"),
        ("/usr/bin/a || /usr/bin/b", "ACT211"),
        ("/usr/bin/a | /usr/bin/b", "ACT211"),
        ("/usr/bin/a >/dev/null 2>&1", "ACT211"),
        ("/usr/bin/a >> /var/log/a", "ACT211"),
        ("/usr/bin/a &", "ACT211"),
        ("/usr/bin/a '&&' \"|\" '>x'", ""),
        ("/usr/bin/a http://b/?c=d&e=f", ""),
        ("/usr/bin/a 'b && c'", ""),
        ("/bin/sh -c 'a && b > c; exec d *.x $$(e)'", ""),
        ("/bin/sh -c echo hi", "ACT212"),
        ("/usr/bin/env bash -c echo hi", ""),
        ("/bin/bash -c 'echo $0' hi", ""),
        ("/bin/sh -c /usr/bin/a", ""),
        ("${APP} --serve", "ACT213"),
        ("$APP", "ACT213"),
        ("-$APP", "ACT213"),
        ("/usr/bin/a $APP", ""),
        ("/usr/sbin/lvcreate -l 100%VG -n a", "ACT215"),
        ("/usr/sbin/lvcreate -l 50%FREE -n a", ""),  # no such specifier: refused by itself
        ("/usr/sbin/lvcreate -l 100%%VG -n a", ""),
        ("/usr/bin/a --name a%i", ""),
    ],
)
def test_a_command_line_is_no_shell(command: str, rule: str) -> None:
    """What looks like a shell's is told, and what is quoted or expanded is not."""
    found = {one.rule for one in of_text(f"{START}{command}\n")}
    assert ({rule} - {""}) == found & {"ACT211", "ACT212", "ACT213", "ACT215"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Environment=A=/srv\nEnvironment=B=${A}/b", True),
        ("Environment=A=/srv B=$A/b", True),
        ("Environment=PATH=/opt/bin:$PATH", True),
        ("Environment=B=$$x", False),
        ("Environment=OPTS=-Dfile=${other.name}", False),
    ],
)
def test_variables_in_variables(line: str, *, told: bool) -> None:
    """A variable that somebody expects to be there is told."""
    assert told is ("ACT214" in {one.rule for one in of_text(f"{SERVICE}{line}\n")})


@pytest.mark.parametrize(
    ("in_socket", "in_service", "told"),
    [
        ("", "ConditionPathExists=/etc/a", True),
        ("", "AssertPathExists=/etc/a", True),
        ("ConditionPathExists=/etc/a", "ConditionPathExists=/etc/a", False),
        ("ConditionPathExists=/etc/b", "ConditionPathExists=/etc/a", True),
        ("ConditionPathExists=/etc/a", "", False),
    ],
)
def test_conditions_of_both(in_socket: str, in_service: str, *, told: bool) -> None:
    """A condition that skips the service is one of the socket too."""
    texts = {
        "a.socket": f"[Unit]\n{in_socket}\n{SOCKET}",
        "a.service": f"[Unit]\n{in_service}\n{SERVICE}",
    }
    assert told is ("ACT419" in rules_of(texts))


def test_a_dropin_alone_and_the_network() -> None:
    """The service of a drop-in's socket is elsewhere, and the network makes no cycle."""
    drop = "[Unit]\nAfter=network-online.target\n[Socket]\nListenStream=2222\n"
    install = "[Install]\nWantedBy=sockets.target\n"
    assert "ACT306" not in rules_of({"ssh.socket": drop + install, "ssh.service": SERVICE})
    late = drop.replace("network-online", "multi-user")
    assert "ACT306" in rules_of({"ssh.socket": late + install, "ssh.service": SERVICE})


@pytest.mark.parametrize(
    ("family", "hint"), [("AF_INT", "AF_INET"), ("inet6", "AF_INET6"), ("AF_UNX", "AF_UNIX")]
)
def test_a_hint_names_a_family_that_exists(family: str, hint: str) -> None:
    """The nearest family is named, never one that is unknown too."""
    found = of_text(f"{SERVICE}RestrictAddressFamilies={family}\n")
    assert [f"write {hint}"] == [one.hint for one in found if one.rule == "ACT106"]
