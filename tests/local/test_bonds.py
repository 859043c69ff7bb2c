"""Sockets of one run that have to do with services beside their own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activator.local.control import ask as ctl
from tests.local.test_relations import STAY, states, up
from tests.support.local import Activate, Running, connect, knock, python, write_units

Run = Callable[..., Running]


@pytest.fixture
def bound(tmp_path: Path, activate: Activate) -> Run:
    """Return what runs some units, of which some sockets are named; COMMAND stands for STAY."""

    def run(units: dict[str, str], *sockets: str) -> Running:
        stay, alone = python(tmp_path, STAY), STAY.replace("accept().close()", "signal.pause()")
        texts = {"COMMAND": stay, "ALONE": python(tmp_path, alone, "alone"), "HERE": str(tmp_path)}
        for name, text in units.items():
            for word, meaning in texts.items():
                text = text.replace(word, meaning)  # noqa: PLW2901 - step by step
            write_units(tmp_path, {name: text})
        running = activate("--control-socket", f"{tmp_path}/ctl", *sockets)
        running.until("listening", count=len(sockets))
        return running

    return run


SERVED = "[Service]\nExecStart=COMMAND\n"
ALONE = "[Service]\nExecStart=ALONE\n"


def listen(name: str, *lines: str) -> str:
    """Return a socket unit that listens at a path of its name."""
    return "\n".join(["[Unit]", *lines, "[Socket]", f"ListenStream=HERE/{name}", ""])


CHAIN = {
    "db.service": ALONE,
    "cache.service": f"[Unit]\nRequires=db.service\n{ALONE}",
    "web.socket": listen("web", "Requires=cache.service"),
    "web.service": SERVED,
    "late.service": f"[Unit]\nRequires=web.socket\n{ALONE}",
    "kept.socket": listen("kept", "Wants=late.service db.service"),
    "kept.service": f"[Unit]\nConflicts=db.service\n{SERVED}",
}


@pytest.mark.parametrize("by", ["hand", "conflict"])
def test_a_stop_goes_on_through_sockets(by: str, tmp_path: Path, bound: Run) -> None:
    """What requires what requires the unit that is stopped stops, too, be it a socket."""
    running = bound(CHAIN, "web.socket", "kept.socket")
    for name in ("db", "cache", "late"):
        running.until(rf"^{name}\[\d+\] \| up$")
    if by == "hand":
        ctl(f"{tmp_path}/ctl", "stop", ["db.service"])
    else:
        knock(f"{tmp_path}/kept")
    running.until(r"^web\.socket: closed: it requires cache\.service or is part of it")
    for name in ("db", "cache", "late"):
        running.until(rf"^{name}\[\d+\]: exited$")
    assert not (tmp_path / "web").exists()
    assert (tmp_path / "kept").exists()
    assert running.stop() == 0


@pytest.mark.parametrize("relation", ["Requires", "BindsTo", "PartOf"])
def test_a_socket_that_is_stopped_stops_what_needs_it(
    relation: str, tmp_path: Path, bound: Run
) -> None:
    """A service is stopped with a socket that it requires, is bound to or is part of."""
    units = {
        "one.socket": listen("one"),
        "one.service": f"[Unit]\n{relation}=one.socket\n{SERVED}",
        "two.socket": listen("two"),
        "two.service": SERVED,
    }
    running = bound(units, "one.socket", "two.socket")
    up(running, tmp_path, "one")
    up(running, tmp_path, "two")
    ctl(f"{tmp_path}/ctl", "stop", ["one.socket", "two.socket"])
    running.until(r"^one\[\d+\]: exited$")
    assert {"one": "inactive", "two": "active"} == states(tmp_path)
    assert running.stop() == 0


@pytest.mark.parametrize("relation", ["BindsTo", "Requires"])
def test_a_socket_that_fails(relation: str, tmp_path: Path, bound: Run) -> None:
    """What is bound to it stops, and what only requires it goes on."""
    units = {
        "bad.socket": listen("bad") + "TriggerLimitBurst=1\nTriggerLimitIntervalSec=1h\n",
        "bad.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
        "own.socket": listen("own"),
        "own.service": f"[Unit]\n{relation}=bad.socket\n{SERVED}",
    }
    running = bound(units, "bad.socket", "own.socket")
    up(running, tmp_path, "own")
    with connect(f"{tmp_path}/bad"):
        running.until(r"^bad\.socket: more than 1 time|^bad\.socket: .*trigger-limit-hit")
    if relation == "BindsTo":
        running.until(r"^own\[\d+\]: exited$")
    state = "inactive" if relation == "BindsTo" else "active"
    assert state == states(tmp_path)["own"]
    assert running.stop() == 0


def test_what_a_socket_pulls_in(tmp_path: Path, bound: Run) -> None:
    """It starts when a reload opens the socket, and ends unneeded when it closes it or ctl does."""
    pulled = f"[Unit]\nStopWhenUnneeded=yes\n{ALONE}"
    units = {"kept.socket": listen("kept", "Wants=one.service"), "kept.service": SERVED}
    running = bound(units | {"one.service": pulled, "two.service": pulled}, ".")
    running.until(r"^one\[\d+\] \| up$")
    new = listen("new", "Requires=two.service").replace("HERE", str(tmp_path))
    write_units(tmp_path, {"new.socket": f"{new}Service=kept.service\n"})
    ctl(f"{tmp_path}/ctl", "reload", [])
    running.until(r"^two\[\d+\] \| up$")
    (tmp_path / "new.socket").unlink()
    ctl(f"{tmp_path}/ctl", "reload", [])
    running.until(r"^two\[\d+\]: exited$")
    ctl(f"{tmp_path}/ctl", "stop", ["kept.socket"])
    running.until(r"^one\[\d+\]: exited$")
    assert running.stop() == 0
