"""Sockets that Debian packages bring: the local activator gives their daemons what systemd does.

The packages are installed in a box, each daemon's program is replaced by the witness, and all
sockets are opened by both, one after the other.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.boxes.box import UNITS, Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import OBSERVED
from tests.local.test_boxes import INSIDE, LOGIN, OWN, activated, differences

PLACE = "usr/lib/systemd/system"
# What systemd itself and the box bring, and what has the port of another.
LEFT_OUT = re.compile(r"systemd-|dbus\.|.*@\.|micro-httpd\.")
LEAST = 15
OBSERVER = "/usr/local/bin/witness"
pytestmark = pytest.mark.stress


def value(text: str, *names: str) -> str:
    """Return the first value of some directives, empty for none."""
    found = re.search(rf"^(?:{'|'.join(names)})=(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


class Packaged(NamedTuple):
    """A socket of a package.

    Attributes:
        service: The service's name.
        text: Its unit file.
        ask: Where a client connects.
    """

    service: str
    text: str
    ask: Any

    @property
    def observed(self) -> str:
        """Return a drop-in that has the observer in place of the daemon's program."""
        command = re.sub(r"^([-@:+!]*)\S+", rf"\1{OBSERVER}", value(self.text, "ExecStart"))
        return f"[Service]\nExecStart=\nExecStart={command}\n"


def packaged(tree: Path) -> dict[str, Packaged]:
    """Return the sockets by name."""
    found: dict[str, Packaged] = {}
    for path in sorted((tree / PLACE).glob("*.socket")):
        text = path.read_text()
        address = value(text, "ListenStream", "ListenSequentialPacket").replace("%t", "/run")
        host, _, port = address.rpartition(":")
        accepts = value(text, "Accept").lower() in ("yes", "true")
        service = value(text, "Service") or f"{path.stem}{'@' * accepts}.service"
        if LEFT_OUT.match(path.name) or not address or not (tree / PLACE / service).is_file():
            continue
        ask = [host.strip("[]") or "127.0.0.1", int(port)] if port.isdigit() else address
        text = (tree / PLACE / service).read_text().replace("\\\n", " ")
        found[path.name] = Packaged(service, text, ask)
    return found


@pytest.fixture(scope="module")
def observed(wheel: Path) -> dict[str, tuple[Any, Any]]:
    """Return what each daemon is given by systemd and by ourselves."""
    tree = box_root(ONE, OBSERVED)
    sockets = packaged(tree)
    with Box(ONE, tree) as box:
        box.write(inside := f"/root/{wheel.name}", wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        witness = f"#!{box.python}\n" + (INSIDE / "witness.py").read_text(encoding="utf-8")
        box.write(OBSERVER, witness, 0o755)
        for each in sockets.values():
            box.write(UNITS / f"{each.service}.d/observed.conf", each.observed)
        box.systemctl("daemon-reload")
        box.systemctl("start", *sockets, check=False)
        theirs = visit(box, sockets)
        box.systemctl("stop", *sockets)
        services = [each.service.replace("@.", "@*.") for each in sockets.values()]
        box.systemctl("stop", *services, check=False)
        with activated(box, list(sockets)):
            ours = visit(box, sockets)
    return {name: (theirs[name], ours[name]) for name in sockets}


def visit(box: Box, sockets: dict[str, Packaged]) -> dict[str, Any]:
    """Return what the daemons have told."""
    plain = {"source": None, "first": None, "times": 1, "crowd": 0, "log": "", "lines": 0}
    visits = [{"name": name, "ask": each.ask} | plain for name, each in sockets.items()]
    script = (INSIDE / "visit.py").read_text(encoding="utf-8")
    done = box.run("python3", "-c", script, input=json.dumps(visits), timeout=600)
    answers: dict[str, Any] = json.loads(done.stdout)
    return {name: comparable(sockets[name].text, answers[name]) for name in sockets}


def comparable(service: str, facts: Any) -> Any:
    """Return what a daemon was given, without what differs by design; see docs/local.md."""
    if not isinstance(facts, dict):
        return facts
    names = {*re.findall(r"^Limit([A-Z]+)=", service, re.MULTILINE), "NOFILE"}
    status = {"Umask", "SigBlk", "SigIgn"}
    if "DynamicUser=" not in service:
        status |= {"Uid", "Gid", "Groups"}
    kinds = {number: fd["kind"] for number, fd in facts["fds"].items() if int(number) > 2}
    own = OWN | LOGIN | {"REMOTE_PORT"}  # the client's
    return {
        "environ": {name: text for name, text in facts["environ"].items() if name not in own},
        "descriptors": kinds,
        "status": {name: facts["status"][name] for name in status},
        "limits": {name: facts["limits"][name] for name in names},
        **{name: facts[name] for name in ("argv", "names", "mine", "watched", "leader", "nice")},
    }


def test_same(observed: dict[str, tuple[Any, Any]]) -> None:
    """Environment, descriptors, user, umask and limits of all of them are the same."""
    wrong = {name: differences(*both) for name, both in observed.items()}
    told = [name for name, (theirs, _) in observed.items() if isinstance(theirs, dict)]

    assert {} == {name: found for name, found in wrong.items() if found}
    assert len(told) >= LEAST, told
