"""What several lines make systemd refuse; the small units of test_values.py hold more."""

import pytest

from activator.unitfile import refusals
from activator.unitfile.parse import UnitFile
from activator.unitfile.values.verdict import NOTICE, REFUSED


def of_socket(text: str, version: int = 252) -> list[tuple[int, str]]:
    """Return the line and message of each refusal of a [Socket] section; the header is line 1."""
    unit = UnitFile.parse(f"[Socket]\n{text}", "t.socket")
    found = refusals.socket(unit.entries, version)
    return [(one.entry.line if one.entry else 0, one.message) for one in found]


def of_service(text: str, version: int = 252) -> list[tuple[int, str]]:
    """Return the line and message of each refusal of a [Service] section."""
    unit = UnitFile.parse(f"[Service]\n{text}", "t.service")
    found = refusals.service(unit.entries, version)
    return [(one.entry.line if one.entry else 0, one.message) for one in found]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "listens on nothing"),
        ("ListenStream=80\nListenDatagram=", 3, "listens on nothing"),
        ("ListenStream=nonsense", 2, "listens on nothing"),
        ("ListenStream=80\nListenFIFO=/run/f\nAccept=yes", 3, "ListenFIFO= cannot accept"),
        ("ListenStream=80\nService=a.service\nAccept=yes", 3, "Service= excludes Accept"),
        ("ListenStream=80\nMaxConnections=0\nAccept=yes", 3, "MaxConnections=0"),
        ("ListenStream=80\nSymlinks=/run/a", 3, "and there are 0"),
        ("ListenStream=/run/a\nListenFIFO=%t/b\nSymlinks=/run/c", 4, "and there are 2"),
        ("ListenStream=80\nPAMName=x\nKillMode=mixed", 4, "PAMName= excludes"),
        ("ListenStream=80\nUser=a:b", 3, "neither a name nor a number"),
    ],
)
def test_a_socket_is_refused(text: str, line: int, message: str) -> None:
    """The line at fault is named, or none if one is missing."""
    [(found_line, found_message)] = of_socket(text)
    assert line == found_line
    assert message in found_message


@pytest.mark.parametrize(
    "text",
    [
        "ListenStream=/run/a\nAccept=yes\nMaxConnections=1",
        "ListenStream=80\nMaxConnections=0",
        "ListenStream=80\nAccept=yes\nListenFIFO=/run/a\nListenFIFO=\nListenStream=80",
        "ListenStream=80\nListenStream=@x\nListenStream=/run/a\nSymlinks=/run/c",
        "ListenStream=80\nAccept=yes\nAccept=no\nService=a.service",
        "ListenStream=80\nAccept=maybe\nService=a.service",
    ],
)
def test_a_socket_is_taken(text: str) -> None:
    """Only lines that count make a unit be refused."""
    assert [] == of_socket(text)


def test_a_later_version_refuses_more_and_less() -> None:
    """A limit of 0 is refused by 257 without Accept=, and it takes mixed under PAM."""
    assert of_socket("ListenStream=80\nMaxConnections=0", 257) != []
    assert of_socket("ListenStream=80\nPAMName=x\nKillMode=mixed", 257) == []
    deferred = "ListenStream=80\nAccept=yes\nDeferTrigger=yes"
    assert [of_socket(deferred, 257), len(of_socket(deferred, 258))] == [[], 1]
    assert of_socket("ListenStream=80\nAccept=yes\nDeferTrigger=no", 258) == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "no command"),
        ("Type=notify", 2, "needs ExecStart="),
        ("ExecStop=/bin/true", 2, "ends at once"),
        ("ExecStart=/bin/a\nExecStart=/bin/b", 3, "more than one"),
        ("ExecStart=/bin/a ; /bin/b", 2, "more than one"),
        ("ExecStart=/bin/a\nType=oneshot\nRestart=always", 4, "excludes Restart=always"),
        ("ExecStart=/bin/a\nType=oneshot\nExitType=cgroup", 4, "excludes ExitType="),
        ("ExecStart=/bin/a\nType=oneshot\nRestartForceExitStatus=1", 4, "ForceExitStatus"),
        ("ExecStart=/bin/a\nType=dbus", 3, "needs a name"),
        ("ExecStart=/bin/a\nPAMName=x\nKillMode=process", 4, "PAMName= excludes"),
        ("ExecStart=bin/a\nExecStart=/bin/b", 2, "a relative path"),
    ],
)
def test_a_service_is_refused(text: str, line: int, message: str) -> None:
    """The line at fault is named, or none if one is missing."""
    [(found_line, found_message)] = of_service(text)
    assert line == found_line
    assert message in found_message


@pytest.mark.parametrize(
    "text",
    [
        "ExecStart=/bin/a\nExecStart=\nExecStart=/bin/b",
        "ExecStart=/bin/a\nExecStart=/bin/b\nType=oneshot",
        "ExecStop=/bin/true\nRemainAfterExit=yes",
        "BusName=org.example.A\nExecStart=/bin/a",
        "ExecStart=/bin/a\nType=nonsense\nRestart=always",
        "ExecStart=-bin/a\nExecStart=/bin/b",
    ],
)
def test_a_service_is_taken(text: str) -> None:
    """Only lines that count make a unit be refused."""
    assert [] == of_service(text)


def test_a_dynamic_user_has_no_home_from_257_on() -> None:
    """Older versions load such a service, and it fails when it starts."""
    text = "ExecStart=/bin/a\nDynamicUser=yes\nWorkingDirectory=~"
    assert [] == of_service(text, 254)
    assert [(4, "DynamicUser=yes has no home directory")] == of_service(text, 257)


def test_pam_goes_without_a_process_namespace() -> None:
    """262 refuses what 257 lets pass."""
    text = "ExecStart=/bin/a\nPAMName=x\nPrivatePIDs=yes"
    assert [] == of_service(text, 257)
    assert [(3, "PrivatePIDs=yes excludes PAMName=")] == of_service(text, 262)


def test_success_action_stands_for_a_command() -> None:
    """A service may consist of what happens to the system alone."""
    unit = UnitFile.parse("[Unit]\nSuccessAction=reboot\n[Service]\nType=oneshot\n")
    assert [] == list(refusals.service(unit.entries, 252))


def test_complaints_are_told_apart() -> None:
    """What systemd only complains about has another outcome, and 252 knows no RestartSteps=."""
    text = "[Service]\nExecStart=/bin/a\nRestartSteps=5\n"
    entries = UnitFile.parse(text, "t.service").entries
    assert [] == list(refusals.service(entries, 252))
    [complaint] = refusals.service(entries, 254)
    assert complaint.outcome == NOTICE
    assert complaint.error().place == "t.service:3"
    [refusal] = refusals.service([], 254)
    assert refusal.outcome == REFUSED
    assert refusal.error().place == ""
